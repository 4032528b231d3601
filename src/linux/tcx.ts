/**
 * The in-kernel responder: an eBPF program at the tcx ingress hook of each link answers the common questions, ARP
 * requests and neighbour solicitations with a source option, for the rows and until the deadlines in its maps.
 * Whatever it does not answer it passes on untouched, to the stack and to the packet sockets.
 *
 * Who sees a frame that it answered: sockets bound to ETH_P_ALL do, since their taps come before the tcx hook;
 * sockets bound to one protocol never do, since they come after it (Linux 6.18, measured with both, and as
 * `__netif_receive_skb_core` has it). So the worker, whose sockets are bound to ETH_P_ARP and ETH_P_IPV6, answers
 * whatever reaches it, needs no word about what the kernel answers, and nothing is answered twice. Claims and answers
 * of other stations always reach it. A row in `hold` that it gives up it has to clear here too, at once, with
 * `rowClearer`; the main thread says so again with `yielded`.
 *
 * Deadlines are nanoseconds of CLOCK_BOOTTIME in a map, compared for every frame: the program falls silent by itself.
 * They are written as 8 octets, lowest first; a reader in between sees no later time than the old and the new one.
 */
import { existsSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { OwnedRow, Deadlines as ResponderDeadlines } from '../l2/address-table.ts';
import type { IpAddress } from '../net/ip.ts';
import { Mac } from '../net/mac.ts';
import type { ResponderLink } from '../runtime/responder.ts';
import { assemble } from './bpf-assembler.ts';
import { entries, findPins, loadMounts, type PinPlaces, type Pins } from './bpf-filesystem.ts';
import { type Bpf, isDenied, loadBpf, ProgramRefused } from './bpf-syscall.ts';
import { SystemError } from './libc.ts';
import { type GroupFilters, loadGroupFilters } from './tcx-groups.ts';
import {
  type Answers,
  deadlineValue,
  keyOf,
  layoutVersion,
  type MapName,
  type Maps,
  macValue,
  mapShapes,
  modeValue,
  readAnswers,
  readDeadline,
  readKey,
  readMode,
  rowKey,
  word,
} from './tcx-maps.ts';
import { endLayout, endPinned, linkPin, linkPins, TcxRemains } from './tcx-pins.ts';
import { tcxProgram } from './tcx-program.ts';

/** Of one row, since it was programmed first, by this process or one before it. */
export interface TcxCounter extends Answers {
  readonly link: number;
  readonly address: IpAddress;
}

/**
 * `bpf-denied`: no CAP_BPF or CAP_NET_ADMIN, or pins that are another user's; `bpf-absent`, `tcx-absent`: a kernel
 * before 6.6 or built without; `machine-unknown`: neither x64 nor arm64; `program-refused`: by the verifier;
 * `bpf-failed`: anything else, such as no memory.
 */
export type TcxMissing =
  | 'bpf-denied'
  | 'bpf-absent'
  | 'tcx-absent'
  | 'machine-unknown'
  | 'program-refused'
  | 'bpf-failed';

/** The in-kernel path cannot be had here; the socket path answers instead. */
export class TcxUnavailable extends Error {
  override name = 'TcxUnavailable';
  readonly reason: TcxMissing;

  constructor(reason: TcxMissing, message: string) {
    super(message);
    this.reason = reason;
  }
}

const E2BIG = 7;
const ENOMEM = 12;
const EINVAL = 22;
const ENOSYS = 38;
/** No interface has it: attaching there tells a kernel with tcx, which looks for the interface, from one without. */
const NO_INTERFACE = 0x7fff_ffff;

interface Attached {
  /** Descriptor of the tcx link. */
  readonly fd: number;
  readonly mac: Mac;
}

export class TcxDatapath {
  readonly #bpf: Bpf;
  readonly #places: PinPlaces;
  readonly #maps: Maps;
  readonly #program: number;
  readonly #openFilters: () => GroupFilters;
  /** Opened with the first links, in the namespace they are in. */
  #filters: GroupFilters | undefined;
  /** By index. */
  readonly #links = new Map<number, Attached>();
  /** What the kernel has, by the text of the key. */
  readonly #rows = new Map<string, OwnedRow>();
  #programmed = false;

  /** The directory of the pins, or why there is none: then everything ends with this process. */
  readonly pins: Pins;

  /**
   * Maps and program are there on return, those of the process before this one where it left some: its links go on
   * answering its rows until its deadlines. Nothing is attached or changed until `links`, `program` and `deadlines`.
   * Throws TcxUnavailable.
   */
  static async open(places: PinPlaces): Promise<TcxDatapath> {
    const bpf = await loadBpf();
    if (bpf === undefined) throw new TcxUnavailable('machine-unknown', `bpf(2) has no known number on ${process.arch}`);
    try {
      const pins = findPins(await loadMounts(), places, layoutVersion);
      const maps = openMaps(bpf, pins);
      const program = bpf.loadProgram('herald_l2', assemble(tcxProgram(maps)));
      demandTcx(bpf, program);
      return new TcxDatapath(bpf, places, pins, maps, program, await loadGroupFilters());
    } catch (error) {
      throw unavailable(error);
    }
  }

  private constructor(
    bpf: Bpf,
    places: PinPlaces,
    pins: Pins,
    maps: Maps,
    program: number,
    openFilters: () => GroupFilters,
  ) {
    this.#openFilters = openFilters;
    this.#bpf = bpf;
    this.#places = places;
    this.pins = pins;
    this.#maps = maps;
    this.#program = program;
    for (const key of bpf.keys(maps.rows, mapShapes.rows)) {
      const value = new Uint8Array(mapShapes.rows.valueBytes);
      const mode = bpf.lookup(maps.rows, key, value) ? readMode(value) : undefined;
      if (mode !== undefined) this.#rows.set(textOf(key), { ...readKey(key), mode });
    }
  }

  /** Descriptor of the map of rows, for `rowClearer` in another thread of this process. */
  get rowsFd(): number {
    return this.#maps.rows;
  }

  /** Rows in the kernel now: what `program` set, or before its first call what was found. */
  rows(): readonly OwnedRow[] {
    return [...this.#rows.values()];
  }

  /**
   * Whole set; those that went are detached, a former process's with the first rows. Per link why it cannot be
   * attached; a link that is has no entry.
   */
  links(all: readonly ResponderLink[]): ReadonlyMap<number, string> {
    this.#filters ??= this.#filtersFound();
    const wanted = new Map(all.map(link => [link.index, link]));
    for (const index of this.#links.keys()) if (!wanted.has(index)) this.#detach(index);
    this.#tellStations(all);
    const problems = new Map<number, string>();
    for (const link of wanted.values())
      try {
        this.#attach(link);
      } catch (error) {
        if (!(error instanceof SystemError)) throw error;
        problems.set(link.index, error.message);
      }
    this.#tidy();
    return problems;
  }

  /**
   * Whole set, diffed inside; more than the maps hold are left to the sockets. The first call also ends what a process
   * with another layout of maps left.
   */
  program(rows: readonly OwnedRow[]): void {
    const { rows: map, answers } = this.#maps;
    const wanted = new Map(rows.map(row => [textOf(keyOf(row)), row]));
    for (const [text, row] of this.#rows) if (!wanted.has(text)) this.yielded(row.link, row.address);
    for (const [text, row] of wanted) {
      const before = this.#rows.get(text);
      if (before?.mode === row.mode) continue;
      const key = keyOf(row);
      try {
        if (before === undefined) this.#bpf.update(answers, key, new Uint8Array(mapShapes.answers.valueBytes));
        this.#bpf.update(map, key, modeValue(row.mode));
        this.#rows.set(text, row);
      } catch (error) {
        // One that has no place in the kernel is answered by the sockets.
        if (!(error instanceof SystemError) || (error.errno !== E2BIG && error.errno !== ENOMEM)) throw error;
        this.yielded(row.link, row.address);
      }
    }
    if (!this.#programmed) this.#endOtherLayouts();
    this.#programmed = true;
    this.#tidy();
  }

  /** CLOCK_BOOTTIME milliseconds; 0 is silence. Takes effect with the next frame. */
  deadlines({ sessionMs, holdMs }: ResponderDeadlines): void {
    this.#bpf.update(this.#maps.deadlines, modeValue('session'), deadlineValue(sessionMs));
    this.#bpf.update(this.#maps.deadlines, modeValue('hold'), deadlineValue(holdMs));
  }

  /** A row that the worker cleared: forgotten here as well, so that the next `program` with it writes it anew. */
  yielded(link: number, address: IpAddress): void {
    const key = keyOf({ link, address });
    this.#bpf.remove(this.#maps.rows, key);
    this.#bpf.remove(this.#maps.answers, key);
    this.#rows.delete(textOf(key));
  }

  counters(): readonly TcxCounter[] {
    const value = new Uint8Array(mapShapes.answers.valueBytes);
    return [...this.#rows.values()].flatMap(({ link, address }) =>
      this.#bpf.lookup(this.#maps.answers, keyOf({ link, address }), value)
        ? [{ link, address, ...readAnswers(value) }]
        : [],
    );
  }

  /** Lowers both deadlines to this one where they are later: those found may be a former process's. */
  cap(atMs: number): void {
    const value = new Uint8Array(mapShapes.deadlines.valueBytes);
    for (const mode of ['session', 'hold'] as const) {
      const key = modeValue(mode);
      this.#bpf.lookup(this.#maps.deadlines, key, value);
      if (readDeadline(value) > atMs) this.#bpf.update(this.#maps.deadlines, key, deadlineValue(atMs));
    }
  }

  /** `keep` leaves pinned links answering until their deadlines; otherwise nothing stays. */
  async close({ keep }: { readonly keep: boolean }): Promise<void> {
    for (const [index, { fd }] of this.#links)
      if (keep) this.#bpf.close(fd);
      else this.#detach(index);
    for (const fd of [this.#program, ...Object.values(this.#maps)]) this.#bpf.close(fd);
    this.#links.clear();
    if (!keep) this.#filters?.set([]);
    this.#filters?.close();
    if (!keep) await removeTcx(this.#places);
  }

  #attach({ index, mac }: ResponderLink): void {
    const before = this.#links.get(index);
    if (before === undefined || !Mac.equals(before.mac, mac))
      this.#bpf.update(this.#maps.links, word(index), macValue(mac));
    if (before !== undefined && this.#bpf.linkIfindex(before.fd) === index) {
      this.#links.set(index, { fd: before.fd, mac });
      return;
    }
    // The interface that had this index is gone, and its tcx link with it.
    if (before !== undefined) this.#detach(index);
    this.#bpf.update(this.#maps.links, word(index), macValue(mac));
    const taken = this.#takeOver(index);
    if (taken === undefined) this.#filters?.forget(index);
    this.#links.set(index, { fd: taken ?? this.#create(index), mac });
  }

  /** The link a process before this one pinned, its program replaced by ours; undefined when there is none alive. */
  #takeOver(index: number): number | undefined {
    const pin = this.#pinOf(index);
    const fd = pin === undefined ? undefined : this.#bpf.open(pin);
    if (pin === undefined || fd === undefined) return undefined;
    if (this.#bpf.linkIfindex(fd) === index) {
      this.#bpf.replaceProgram(fd, this.#program);
      return fd;
    }
    this.#bpf.close(fd);
    unlinkSync(pin);
    return undefined;
  }

  #create(index: number): number {
    const fd = this.#bpf.attach(this.#program, index);
    const pin = this.#pinOf(index);
    try {
      if (pin !== undefined) this.#bpf.pin(fd, pin);
    } catch (error) {
      // A cleanup took the directory away: answering until whenever is what it was meant to end.
      this.#bpf.close(fd);
      throw error;
    }
    return fd;
  }

  #detach(index: number): void {
    const attached = this.#links.get(index);
    this.#links.delete(index);
    const pin = this.#pinOf(index);
    if (pin !== undefined && existsSync(pin)) endPinned(this.#bpf, pin);
    if (attached !== undefined) this.#bpf.close(attached.fd);
    this.#bpf.remove(this.#maps.links, word(index));
  }

  #pinOf(index: number): string | undefined {
    return 'directory' in this.pins ? linkPin(this.pins.directory, index) : undefined;
  }

  #endOtherLayouts(): void {
    if (!('directory' in this.pins)) return;
    for (const layout of entries(dirname(this.pins.directory)))
      if (layout !== this.pins.directory) endLayout(this.#bpf, layout);
  }

  #filtersFound(): GroupFilters {
    const filters = this.#openFilters();
    filters.found(this.#rows.values());
    return filters;
  }

  /** Nothing of a former process's is touched before there are rows of our own: its links are answered by its rows. */
  #tidy(): void {
    if (!this.#programmed) return;
    for (const [index, pin] of 'directory' in this.pins ? linkPins(this.pins.directory) : [])
      if (!this.#links.has(index)) endPinned(this.#bpf, pin);
    const answered = [...this.#rows.values()].filter(({ link, mode }) => mode !== 'listen' && this.#links.has(link));
    this.#filters?.set(answered);
  }

  /** What one of our links sends is no other station's question. */
  #tellStations(links: readonly ResponderLink[]): void {
    const { stations } = this.#maps;
    const wanted = new Map(links.map(({ mac }) => [mac.value, macValue(mac)]));
    for (const key of this.#bpf.keys(stations, mapShapes.stations))
      if (!wanted.delete(Mac.fromBytes(key).value)) this.#bpf.remove(stations, key);
    for (const key of wanted.values()) this.#bpf.update(stations, key, word(0));
  }
}

function openMaps(bpf: Bpf, pins: Pins): Maps {
  const open = (name: MapName): number => {
    const pin = 'directory' in pins ? join(pins.directory, name) : undefined;
    const found = pin === undefined ? undefined : bpf.open(pin);
    if (found !== undefined) return found;
    const made = bpf.createMap(mapShapes[name]);
    if (pin !== undefined) bpf.pin(made, pin);
    return made;
  };
  return {
    rows: open('rows'),
    deadlines: open('deadlines'),
    links: open('links'),
    stations: open('stations'),
    answers: open('answers'),
  };
}

/** Throws the kernel's answer to a link on an interface that is not there: EINVAL where it knows no such links. */
function demandTcx(bpf: Bpf, program: number): void {
  try {
    bpf.close(bpf.attach(program, NO_INTERFACE));
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    if (error.errno === EINVAL)
      throw new TcxUnavailable('tcx-absent', 'the kernel has no tcx links: they came with 6.6');
    if (isDenied(error)) throw error;
  }
}

function unavailable(error: unknown): unknown {
  if (error instanceof ProgramRefused) return new TcxUnavailable('program-refused', error.message);
  if (!(error instanceof SystemError)) return error;
  if (isDenied(error)) return new TcxUnavailable('bpf-denied', `${error.message}: it takes CAP_BPF and CAP_NET_ADMIN`);
  return new TcxUnavailable(error.errno === ENOSYS ? 'bpf-absent' : 'bpf-failed', error.message);
}

/** Clears one row at once, from whichever thread; `address` is 4 or 16 octets. One that is gone already is fine. */
export async function rowClearer(rowsFd: number): Promise<(link: number, address: Uint8Array) => void> {
  const bpf = await loadBpf();
  return (link, address) => void bpf?.remove(rowsFd, rowKey(link, address));
}

/**
 * Ends all that is pinned in these places, of whatever layout and whoever has it open, and unmounts Herald's own bpffs.
 * The paths that went.
 */
export async function removeTcx(places: PinPlaces): Promise<readonly string[]> {
  return (await TcxRemains.find(places)).end();
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1');
}
