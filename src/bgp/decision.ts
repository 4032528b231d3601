/**
 * The decision process (RFC 4271 §9.1.2.2 with RFC 4456 §9) as a table in the order it is gone through: every step
 * keeps, of the paths still in the running, those that cost least. What decided is kept with each best path, so "why
 * this one" is data. Interior cost (§9.1.2.2 e) is not a step: this speaker knows no interior routes.
 */
import { IpAddress } from '../net/ip.ts';
import { attributeCode } from './attribute.ts';
import { FACT_ORIGIN, FACT_REFLECTED, type RibAttributes, word } from './rib-attributes.ts';
import { OWN_SLOT, type RibPaths } from './rib-paths.ts';

/** Steps in order. A best path has the step that left it alone; another one the step that put it out. */
export const decisionSteps = [
  'only path',
  'local preference',
  'originated here',
  'AS path length',
  'origin',
  'MED',
  'external over internal',
  'router ID',
  'cluster list length',
  'peer address',
] as const;
export type DecisionStep = (typeof decisionSteps)[number];

/** What the steps ask about the peer behind a path. */
export interface DecisionPeer {
  readonly external: boolean;
  readonly routerId: number;
  readonly remoteAddress: IpAddress;
}

/** What the steps look at. */
export interface DecisionContext {
  readonly attributes: RibAttributes;
  /** By slot. */
  readonly peers: readonly (DecisionPeer | undefined)[];
}

interface Step {
  readonly name: DecisionStep;
  /** The lowest wins. */
  readonly cost: (cx: DecisionContext, paths: RibPaths, path: number) => number;
  /** Only paths for which this gives the same number are compared. */
  readonly among?: (cx: DecisionContext, paths: RibPaths, path: number) => number;
}

const set = (paths: RibPaths, path: number) => paths.effective(path);
const own = (paths: RibPaths, path: number) => paths.slot[path] === OWN_SLOT;
const peer = (cx: DecisionContext, paths: RibPaths, path: number) => cx.peers[paths.slot[path] as number];

const steps: readonly Step[] = [
  { name: 'local preference', cost: (cx, paths, path) => -(cx.attributes.localPref[set(paths, path)] as number) },
  { name: 'originated here', cost: (_cx, paths, path) => (own(paths, path) ? 0 : 1) },
  { name: 'AS path length', cost: (cx, paths, path) => cx.attributes.pathLength[set(paths, path)] as number },
  { name: 'origin', cost: (cx, paths, path) => (cx.attributes.facts[set(paths, path)] as number) & FACT_ORIGIN },
  {
    name: 'MED',
    cost: (cx, paths, path) => cx.attributes.med[set(paths, path)] as number,
    among: (cx, paths, path) => cx.attributes.neighbor[set(paths, path)] as number,
  },
  { name: 'external over internal', cost: (cx, paths, path) => (peer(cx, paths, path)?.external === false ? 1 : 0) },
  { name: 'router ID', cost: routerId },
  { name: 'cluster list length', cost: clusterListLength },
];

/** A reflected route counts as its originator's (RFC 4456 §9). */
function routerId(cx: DecisionContext, paths: RibPaths, path: number): number {
  const id = set(paths, path);
  if (((cx.attributes.facts[id] as number) & FACT_REFLECTED) !== 0) {
    const at = cx.attributes.find(id, attributeCode.originatorId);
    if (at >= 0) return word(cx.attributes.store.bytes, at) >>> 0;
  }
  return peer(cx, paths, path)?.routerId ?? 0;
}

function clusterListLength(cx: DecisionContext, paths: RibPaths, path: number): number {
  const id = set(paths, path);
  if (((cx.attributes.facts[id] as number) & FACT_REFLECTED) === 0) return 0;
  cx.attributes.find(id, attributeCode.clusterList);
  return cx.attributes.valueLength / 4;
}

/**
 * The last step: some path has to win. Paths of our own have no peer and are told apart by which announcement they
 * are.
 */
function lastResort(cx: DecisionContext, paths: RibPaths, a: number, b: number): number {
  const [left, right] = [peer(cx, paths, a), peer(cx, paths, b)];
  const byAddress = left && right ? IpAddress.compare(left.remoteAddress, right.remoteAddress) : 0;
  const bySlot = (paths.slot[a] as number) - (paths.slot[b] as number);
  return byAddress || bySlot || (paths.raw[a] as number) - (paths.raw[b] as number);
}

export class Decision {
  /** Index into `decisionSteps`: what the last `choose` came down to. */
  step = 0;
  readonly #cx: DecisionContext;
  /** Paths still in the running, and how many. */
  #running = new Uint32Array(16);
  #count = 0;
  #costs = new Float64Array(16);

  constructor(cx: DecisionContext) {
    this.#cx = cx;
  }

  /** The best of the eligible paths in the list that begins with `head`, or 0. */
  choose(paths: RibPaths, head: number): number {
    this.#enter(paths, head);
    this.step = 0;
    for (let index = 0; this.#count > 1 && index < steps.length; index++) {
      this.#keepLeast(steps[index] as Step, paths);
      this.step = index + 1;
    }
    if (this.#count > 1) {
      this.#keepFirst(paths);
      this.step = decisionSteps.length - 1;
    }
    return this.#count === 0 ? 0 : (this.#running[0] as number);
  }

  /**
   * The step that puts an eligible path of the list out of the running; undefined for the one that wins. For readers.
   */
  lostAt(paths: RibPaths, head: number, path: number): DecisionStep | undefined {
    this.#enter(paths, head);
    for (const step of steps) {
      this.#keepLeast(step, paths);
      if (!this.#running.subarray(0, this.#count).includes(path)) return step.name;
    }
    this.#keepFirst(paths);
    return this.#running[0] === path ? undefined : 'peer address';
  }

  #enter(paths: RibPaths, head: number): void {
    this.#count = 0;
    for (let path = head; path !== 0; path = paths.next[path] as number) {
      if (paths.effective(path) === 0) continue;
      if (this.#count === this.#running.length) this.#grow();
      this.#running[this.#count++] = path;
    }
  }

  #grow(): void {
    const running = new Uint32Array(this.#running.length * 2);
    running.set(this.#running);
    this.#running = running;
    this.#costs = new Float64Array(running.length);
  }

  #keepLeast(step: Step, paths: RibPaths): void {
    if (step.among !== undefined) {
      this.#keepLeastAmong(step.cost, step.among, paths);
      return;
    }
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#count; i++) {
      const cost = step.cost(this.#cx, paths, this.#running[i] as number);
      this.#costs[i] = cost;
      if (cost < least) least = cost;
    }
    let kept = 0;
    for (let i = 0; i < this.#count; i++)
      if (this.#costs[i] === least) this.#running[kept++] = this.#running[i] as number;
    this.#count = kept;
  }

  /** A path goes when another one of its own kind costs less. */
  #keepLeastAmong(cost: Step['cost'], among: NonNullable<Step['among']>, paths: RibPaths): void {
    const cx = this.#cx;
    for (let i = 0; i < this.#count; i++) {
      const path = this.#running[i] as number;
      this.#costs[i] = 0;
      for (let j = 0; j < this.#count; j++) {
        const other = this.#running[j] as number;
        if (among(cx, paths, other) === among(cx, paths, path) && cost(cx, paths, other) < cost(cx, paths, path))
          this.#costs[i] = 1;
      }
    }
    let kept = 0;
    for (let i = 0; i < this.#count; i++) if (this.#costs[i] === 0) this.#running[kept++] = this.#running[i] as number;
    this.#count = kept;
  }

  #keepFirst(paths: RibPaths): void {
    for (let i = 1; i < this.#count; i++)
      if (lastResort(this.#cx, paths, this.#running[i] as number, this.#running[0] as number) < 0)
        this.#running[0] = this.#running[i] as number;
    this.#count = Math.min(this.#count, 1);
  }
}
