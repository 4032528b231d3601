/**
 * What the in-kernel responder leaves behind in a bpffs, by path: `NAME/LAYOUT/link-INDEX` and the maps beside it. A
 * link there answers without any process until the deadline in its map. How all of that is ended.
 */
import { unlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import {
  entries,
  layoutsIn,
  leavePlaces,
  loadMounts,
  type Mounts,
  type PinPlaces,
  removeLayout,
} from './bpf-filesystem.ts';
import { type Bpf, loadBpf } from './bpf-syscall.ts';
import { SystemError } from './libc.ts';
import { type GroupFilters, loadGroupFilters } from './tcx-groups.ts';
import { layoutVersion, mapShapes, readKey } from './tcx-maps.ts';

const LINK_PIN = 'link-';

export function linkPin(directory: string, index: number): string {
  return join(directory, `${LINK_PIN}${index}`);
}

/** Pinned links of one layout, by the index each was made for. */
export function linkPins(directory: string): ReadonlyMap<number, string> {
  const pins = entries(directory).filter(pin => basename(pin).startsWith(LINK_PIN));
  return new Map(pins.map(pin => [Number(basename(pin).slice(LINK_PIN.length)), pin]));
}

/** Detached at once, also where another process has the link open. Without the capabilities for it, only unlinked. */
export function endPinned(bpf: Bpf | undefined, pin: string): void {
  try {
    const fd = bpf?.open(pin);
    if (bpf !== undefined && fd !== undefined) {
      bpf.detach(fd);
      bpf.close(fd);
    }
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
  unlinkSync(pin);
}

/** The paths that went. */
export function endLayout(bpf: Bpf | undefined, directory: string): readonly string[] {
  const gone = entries(directory);
  for (const pin of linkPins(directory).values()) endPinned(bpf, pin);
  removeLayout(directory);
  return gone;
}

/** For whoever does not go on with it: what processes before this one left pinned. */
export class TcxRemains {
  readonly #bpf: Bpf | undefined;
  readonly #mounts: Mounts;
  readonly #places: PinPlaces;
  readonly #openFilters: () => GroupFilters;

  static async find(places: PinPlaces): Promise<TcxRemains> {
    return new TcxRemains(await loadBpf(), await loadMounts(), places, await loadGroupFilters());
  }

  private constructor(bpf: Bpf | undefined, mounts: Mounts, places: PinPlaces, openFilters: () => GroupFilters) {
    this.#openFilters = openFilters;
    this.#bpf = bpf;
    this.#mounts = mounts;
    this.#places = places;
  }

  /** Ends everything, of whatever layout, and unmounts Herald's own bpffs. The paths that went. */
  end(): readonly string[] {
    const layouts = layoutsIn(this.#places);
    for (const layout of layouts) if (basename(layout) === layoutVersion) this.#unfilter(layout);
    const gone = layouts.flatMap(layout => endLayout(this.#bpf, layout));
    leavePlaces(this.#mounts, this.#places);
    return gone;
  }

  /** What the rows had links receive. */
  #unfilter(layout: string): void {
    const bpf = this.#bpf;
    try {
      const fd = bpf?.open(join(layout, 'rows'));
      if (bpf === undefined || fd === undefined) return;
      const filters = this.#openFilters();
      filters.found(bpf.keys(fd, mapShapes.rows).map(readKey));
      filters.set([]);
      filters.close();
      bpf.close(fd);
    } catch (error) {
      // Not without the capabilities to read the map.
      if (!(error instanceof SystemError)) throw error;
    }
  }
}
