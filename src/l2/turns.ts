/** Who goes first of several nodes that would all do the same: by rendezvous order, for each Lease another one. */
import type { LeaseStanding } from './lease-standing.ts';
import { rendezvousOrder } from './rendezvous.ts';

export class Turns {
  readonly #node: string;
  readonly #standing: LeaseStanding;
  #orders = new WeakMap<readonly string[], Map<string, readonly string[]>>();

  constructor(node: string, standing: LeaseStanding) {
    this.#node = node;
    this.#standing = standing;
  }

  /** All of them, the first to go first. */
  order(lease: string, candidates: readonly string[]): readonly string[] {
    const orders = this.#orders.get(candidates) ?? new Map<string, readonly string[]>();
    this.#orders.set(candidates, orders);
    const order = orders.get(lease) ?? rendezvousOrder(lease, candidates);
    orders.set(lease, order);
    return order;
  }

  /** Those that come before this node. */
  before(lease: string, candidates: readonly string[]): readonly string[] {
    const order = this.order(lease, candidates);
    return order.slice(0, Math.max(order.indexOf(this.#node), 0));
  }

  /** How many of those are alive; the preferred one, if any, comes before everybody. */
  turn(lease: string, candidates: readonly string[], nowMs: number, preferred = ''): number {
    const others = this.before(lease, candidates).filter(each => each !== preferred);
    return [preferred, ...others].filter(each => each !== '' && this.#standing.isAlive(each, nowMs)).length;
  }
}
