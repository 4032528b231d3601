/** A few nodes in fair weather, and one thing that happens to them: for tests of how long it takes. */
import type { L2Group } from '../../src/l2/ownership-event.ts';
import { type Place, placeOf } from '../sim/l2-places.ts';
import { LINK, SimNode, World } from '../sim/l2-world.ts';
import { Random } from '../sim/random.ts';

export interface LanOptions {
  readonly nodes?: number;
  readonly addresses?: number;
  readonly storeLoss?: 'hold' | 'silent';
  readonly garpIntervalMs?: number;
  readonly seed?: number;
}

export class Lan {
  readonly world: World;
  readonly places: readonly Place[];
  /** Nodes that may answer. */
  candidates: readonly string[];
  /** Instants, a millisecond apart, at which more than one answered for an address. */
  doubles = 0;
  /** Frames that went out, by node. */
  readonly frames = new Map<string, number>();

  constructor({ nodes = 3, addresses = 10, storeLoss = 'hold', garpIntervalMs = 60_000, seed = 1 }: LanOptions = {}) {
    this.world = new World(new Random(seed));
    const times = { sessionMs: 3_000, renewMs: 1_000, retryMs: 200 };
    const config = { times, storeLoss, restartGraceMs: 15_000, garpIntervalMs };
    for (let i = 0; i < nodes; i++) new SimNode(this.world, i, config);
    this.places = Array.from({ length: addresses }, (_, i) => placeOf(i));
    this.candidates = this.world.nodes.map(node => node.name);
    const transmit = this.world.transmit.bind(this.world);
    this.world.transmit = (from, frame) => {
      this.frames.set(from.name, (this.frames.get(from.name) ?? 0) + 1);
      transmit(from, frame);
    };
  }

  /** One group for each address. */
  groups(node: SimNode): readonly L2Group[] {
    return this.places.map(({ address }, i) => ({
      lease: leaseOf(i),
      addresses: [{ address, links: node.linkUp ? [LINK] : [] }],
      candidates: this.candidates,
      eligible: node.linkUp && this.candidates.includes(node.name),
    }));
  }

  /** Everybody learns what is wanted. */
  tell(): this {
    for (const node of this.world.nodes) node.setGroups(this.groups(node));
    return this;
  }

  /** Runs until all is settled. */
  begin(nodes = this.world.nodes): this {
    this.tell();
    for (const node of nodes) node.start();
    this.run(10_000);
    return this;
  }

  run(ms: number): this {
    this.world.agenda.run(this.world.nowMs + ms);
    return this;
  }

  owners(): readonly string[] {
    return this.places.map(place => this.#answering(place).join());
  }

  ownerOf(number: number): SimNode {
    const place = this.places[number];
    const [name] = place === undefined ? [] : this.#answering(place);
    if (name === undefined) throw new Error(`nobody answers for ${number}`);
    return this.world.node(name);
  }

  /** The longest that any address goes unanswered within `ms`, in ms; looks every millisecond. */
  gap(ms: number): number {
    const since = new Map<Place, number>();
    let longest = 0;
    for (let i = 0; i < ms; i++) {
      this.run(1);
      for (const place of this.places) {
        const count = this.#answering(place).length;
        if (count > 1) this.doubles++;
        if (count > 0) since.delete(place);
        else {
          const from = since.get(place) ?? i;
          since.set(place, from);
          longest = Math.max(longest, i + 1 - from);
        }
      }
    }
    return longest;
  }

  /** What would be answered to a host of the main segment: pinned rows too, as long as the link is there. */
  #answering(place: Place): readonly string[] {
    const nodes = this.world.nodes.filter(node => node.linkUp && node.segment === 0 && node.mode(place) !== undefined);
    return nodes.map(node => node.name);
  }
}

export function leaseOf(number: number): string {
  return `cilium-l2announce-default-s${number}`;
}
