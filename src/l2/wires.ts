/**
 * Whether the links lead anywhere, while the store is out of reach. A node that is cut off from everybody hears nobody
 * who took its addresses meanwhile, and must not find that out by answering beside him when it is back. So a link that
 * has carried nothing although other nodes were asked there, again and again, is silent; and when it carries something,
 * its addresses are asked for first, and answered only if nobody else does (as RFC 5227 §2.1.1 probes before use).
 *
 * A link is never silent for want of traffic alone. Whoever is known to be there is asked as soon as nothing was heard
 * for a moment: the nodes that had a session when the store was lost, routers, and whoever spoke last. Where no other
 * node had one, all are asked that ever were there: each may begin one unseen, and take what it likes. Where there
 * never was another node, nobody can. In a network that is well each node hears the others ask.
 */
import type { Wire } from './address-table.ts';
import type { Neighbour, OwnershipLink } from './ownership-event.ts';

/** Nothing heard for so long: it is asked for. */
const QUIET_MS = 90;
/** Asked for so long without anything heard, in at least so many goes. Well before anybody can end the session. */
const SILENT_MS = 240;
const GOES_MIN = 3;
/** What came back is only listened on for so long. */
const LISTEN_MS = 250;
/** Asked at once, in turn. */
const ASKED_AT_ONCE = 3;
/** Of nodes that were on a link, so many are remembered. */
const MET_MAX = 4_096;

interface LinkState {
  /** Who may be there; empty: the link is not judged. */
  readonly nodes: readonly Neighbour[];
  readonly routers: readonly Neighbour[];
  /** When it was first asked for anything without an answer, and how often since. */
  askedMs: number;
  goes: number;
  turn: number;
  /** Whether it has carried anything since the store was lost, or is silent. */
  isKnown: boolean;
  /** Not answered on until then. -Infinity: it is answered on; Infinity: it is silent. */
  untilMs: number;
}

interface Question {
  readonly link: number;
  readonly neighbour: Neighbour['address'];
}

export class Wires {
  readonly #links = new Map<number, LinkState>();
  /** Other nodes by link and name, the one that was there last at the end. */
  readonly #met = new Map<number, Map<string, Neighbour>>();
  /** Whether a node had a session when the store was lost; undefined while it is not. */
  #isThere: ((node: string) => boolean) | undefined;

  /**
   * A node whose Lease was removed no longer tells where it is, and may come back all the same. A link that is new
   * while the store is out of reach, or made anew, is judged as the others are.
   */
  meet(links: readonly OwnershipLink[]): void {
    for (const { index, neighbours = [] } of links) {
      const met = this.#met.get(index) ?? new Map<string, Neighbour>();
      this.#met.set(index, met);
      for (const neighbour of neighbours) {
        if (neighbour.node === '') continue;
        met.delete(neighbour.node);
        met.set(neighbour.node, neighbour);
      }
      for (const node of met.keys())
        if (met.size > MET_MAX) met.delete(node);
        else break;
    }
    this.#judge(links);
  }

  /** The store is out of reach. `isThere`: whether a node had a session then. */
  begin(links: readonly OwnershipLink[], isThere: (node: string) => boolean): void {
    this.#links.clear();
    this.#isThere = isThere;
    this.#judge(links);
  }

  end(): void {
    this.#links.clear();
    this.#isThere = undefined;
  }

  /** When addresses may be answered for on a link again; -Infinity: now. */
  untilMs(link: number): number {
    return this.#links.get(link)?.untilMs ?? Number.NEGATIVE_INFINITY;
  }

  /**
   * Several times a second, with what the links carried: who is to be asked, and which links came or went. `lapsed`:
   * this process stood still, and for all it knows nothing has been carried since. `isKnown`: of each of them, whether
   * it leads anywhere.
   */
  look(
    wires: readonly Wire[],
    lapsed: boolean,
    nowMs: number,
  ): {
    readonly ask: readonly Question[];
    readonly silent: readonly number[];
    readonly back: readonly number[];
    readonly isKnown: boolean;
  } {
    const ask: Question[] = [];
    const silent: number[] = [];
    const back: number[] = [];
    let isKnown = true;
    for (const { link, heardMs, speaker } of wires) {
      const state = this.#links.get(link);
      if (state === undefined || state.nodes.length === 0) continue;
      if (state.goes > 0 && heardMs >= state.askedMs) {
        state.goes = 0;
        state.isKnown = true;
        if (state.untilMs === Number.POSITIVE_INFINITY) {
          state.untilMs = nowMs + LISTEN_MS;
          back.push(link);
        }
      }
      if (nowMs < heardMs + QUIET_MS) {
        state.isKnown = true;
        continue;
      }
      const unheard = lapsed || (state.goes >= GOES_MIN && nowMs >= state.askedMs + SILENT_MS);
      if (unheard && state.untilMs !== Number.POSITIVE_INFINITY) {
        state.untilMs = Number.POSITIVE_INFINITY;
        state.isKnown = true;
        silent.push(link);
      }
      isKnown &&= state.isKnown;
      if (state.goes++ === 0) state.askedMs = nowMs;
      for (const neighbour of this.#next(state)) ask.push({ link, neighbour });
      if (speaker !== undefined) ask.push({ link, neighbour: speaker });
    }
    return { ask, silent, back, isKnown };
  }

  #judge(links: readonly OwnershipLink[]): void {
    const isThere = this.#isThere;
    if (isThere === undefined) return;
    for (const { index, neighbours = [] } of links) {
      if (this.#links.has(index)) continue;
      const met = [...(this.#met.get(index)?.values() ?? [])];
      const there = met.filter(({ node }) => isThere(node));
      const nodes = there.length > 0 ? there : met;
      const routers = neighbours.filter(({ node }) => node === '');
      const untilMs = Number.NEGATIVE_INFINITY;
      this.#links.set(index, { nodes, routers, askedMs: 0, goes: 0, turn: 0, isKnown: false, untilMs });
    }
  }

  #next(state: LinkState): readonly Neighbour['address'][] {
    const { nodes, routers } = state;
    const some = Array.from(
      { length: Math.min(ASKED_AT_ONCE, nodes.length) },
      () => nodes[state.turn++ % nodes.length],
    );
    return [...some, ...routers].flatMap(each => (each === undefined ? [] : [each.address]));
  }
}
