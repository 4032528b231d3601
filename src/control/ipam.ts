/**
 * Snapshot in; addresses, conditions and events for Services and pools out (reference §2.8-2.14).
 *
 * Level-triggered: what we handed out is known from the objects. A Service that carries our condition was served by us,
 * whoever of us it was and however long ago: when it is no longer ours (another type, another class, the last pool
 * gone), an empty status lets go of what our manager wrote, and of nothing else. One without it is never touched.
 *
 * Without any pool we are dormant: nobody is served, and Services that never were are left alone. A pool that cannot be
 * read still counts as a pool, and nothing it may have given is taken away; a Service that cannot be read keeps what it
 * held.
 *
 * An IpamControl lives as long as one term of leadership: it remembers what it decided and may not yet see in the
 * statuses. Whoever takes over starts with a new one, from the statuses.
 */
import type { Snapshot } from '../api/snapshot.ts';
import { Allocator } from '../ipam/allocator.ts';
import type { PoolUsage } from '../ipam/space.ts';
import type { IpamSettings } from './ipam-claims.ts';
import { PoolLedger } from './ipam-pools.ts';
import { type ServedService, ServiceLedger } from './ipam-services.ts';
import type { StatusWrite } from './ipam-status.ts';

export interface IpamDesired {
  /** Statuses that ought to be and are not yet; one that was here in the last pass is the same value. */
  readonly writes: readonly StatusWrite[];
  readonly metrics: IpamMetrics;
}

/** The operator's gauges; names and labels as Cilium has them (reference §4.5). */
export interface IpamMetrics {
  /** cilium_operator_lbipam_conflicting_pools_total */
  readonly conflictingPools: number;
  /** cilium_operator_lbipam_ips_available_total and …_ips_used_total, by pool. */
  readonly pools: readonly PoolUsage[];
  /** cilium_operator_lbipam_services_matching_total */
  readonly servicesMatching: number;
  /** cilium_operator_lbipam_services_unsatisfied_total */
  readonly servicesUnsatisfied: number;
}

export class IpamControl {
  readonly allocator = new Allocator();
  readonly #services: ServiceLedger;
  readonly #pools = new PoolLedger();

  constructor(settings: IpamSettings) {
    this.#services = new ServiceLedger(settings);
  }

  /** The same snapshot again changes nothing. */
  reconcile(snapshot: Snapshot): IpamDesired {
    this.#pools.read(snapshot);
    const { pools, unreadable } = this.#pools;
    // What cannot be read may be a pool: until it can, nobody loses an address for want of one.
    const mayLack = unreadable.length > 0 || snapshot.isPartial;
    this.#services.read(snapshot, pools.length === 0 && !mayLack);
    const { claims } = this.#services;
    this.#services.tell(this.allocator.allocate({ pools, claims, keepUncovered: mayLack }));
    const usage = this.allocator.usage();
    this.#pools.tell(usage);
    return {
      writes: [...this.#pools.writes, ...this.#services.writes],
      metrics: {
        conflictingPools: usage.filter(each => each.conflict !== undefined).length,
        pools: usage,
        servicesMatching: claims.length,
        servicesUnsatisfied: this.allocator.waitingCount,
      },
    };
  }

  service(namespace: string, name: string): ServedService | undefined {
    return this.#services.get(namespace, name);
  }

  /** Every Service, by namespace and name. */
  all(): readonly ServedService[] {
    return this.#services.all();
  }

  get unreadablePools(): readonly string[] {
    return this.#pools.unreadable;
  }
}
