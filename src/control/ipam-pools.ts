/**
 * Pools as the allocator's control sees them, those that cannot be read among them, and what their statuses ought to
 * say.
 */
import type { CiliumLoadBalancerIPPool } from '../api/load-balancer-ip-pool.ts';
import type { FaultyObject, Snapshot } from '../api/snapshot.ts';
import type { Pool } from '../ipam/pool.ts';
import type { PoolUsage } from '../ipam/space.ts';
import { readPool } from './ipam-claims.ts';
import { isRefused } from './ipam-services.ts';
import { poolWrite, type StatusWrite, unreadablePoolWrite } from './ipam-status.ts';

/** What was said of a pool, and from what. */
interface Told {
  readonly pool: CiliumLoadBalancerIPPool;
  readonly usage: PoolUsage;
  readonly write: StatusWrite | undefined;
}

export class PoolLedger {
  #objects: readonly CiliumLoadBalancerIPPool[] = [];
  #pools: readonly Pool[] = [];
  #faulty: readonly FaultyObject[] = [];
  #unreadable: readonly FaultyObject[] = [];
  #unreadableWrites: readonly StatusWrite[] = [];
  readonly #told = new Map<string, Told>();
  #toldObjects: readonly CiliumLoadBalancerIPPool[] = [];
  #usage: readonly PoolUsage[] = [];

  get pools(): readonly Pool[] {
    return this.#pools;
  }

  /** Names of those that cannot be read. */
  get unreadable(): readonly string[] {
    return this.#unreadable.map(({ ref }) => ref.name);
  }

  /** Statuses that ought to be and are not yet. */
  get writes(): StatusWrite[] {
    return [...this.#unreadableWrites, ...[...this.#told.values()].flatMap(told => told.write ?? [])];
  }

  read(snapshot: Snapshot): void {
    const objects = snapshot.list('CiliumLoadBalancerIPPool');
    if (objects !== this.#objects) this.#pools = objects.map(readPool);
    this.#objects = objects;
    if (snapshot.faulty === this.#faulty) return;
    this.#faulty = snapshot.faulty;
    const kind = 'CiliumLoadBalancerIPPool';
    const unreadable = this.#faulty.filter(each => each.ref.kind === kind && isRefused(each));
    if (unreadable.length === this.#unreadable.length && unreadable.every((each, i) => each === this.#unreadable[i]))
      return;
    this.#unreadable = unreadable;
    this.#unreadableWrites = unreadable.map(unreadablePoolWrite);
  }

  /** `usage` is of the same pools. */
  tell(usage: readonly PoolUsage[]): void {
    if (
      usage.length === this.#usage.length &&
      this.#objects === this.#toldObjects &&
      usage.every((each, i) => each === this.#usage[i])
    )
      return;
    this.#usage = usage;
    this.#toldObjects = this.#objects;
    const byName = new Map(usage.map(each => [each.pool.name, each]));
    for (const name of [...this.#told.keys()]) if (!byName.has(name)) this.#told.delete(name);
    for (const pool of this.#objects) {
      const { name } = pool.metadata;
      const now = byName.get(name);
      const before = this.#told.get(name);
      if (now === undefined || (before?.pool === pool && before.usage === now)) continue;
      this.#told.set(name, { pool, usage: now, write: poolWrite(pool, now) });
    }
  }
}
