/**
 * The control plane of one process: a store's snapshots in, everything its roles ought to make true out, by one loop.
 * What is desired is asked of control/; what makes it true is the targets this is given.
 */

import type { Snapshot } from '../api/snapshot.ts';
import { ClusterControl, type ClusterDesired, NodeControl, type NodeDesired } from '../control/desired.ts';
import { IpamControl, type IpamDesired } from '../control/ipam.ts';
import type { IpamSettings } from '../control/ipam-claims.ts';
import type { ControlSettings, HostFacts } from '../control/settings.ts';
import { ConditionsTarget } from './conditions-target.ts';
import { IpamPoolTarget, IpamTarget } from './ipam-target.ts';
import { type Lane, type LaneStatus, type LoopLimits, lane, ReconcileLoop } from './loop.ts';
import type { Metrics, Sample } from './metrics.ts';
import { NodeConfigTarget } from './node-config-target.ts';
import type { Campaign, Clock, Log, Store } from './ports.ts';

export const roles = ['operator', 'agent'] as const;
export type Role = (typeof roles)[number];

/** Everything that ought to be, of the parts this process has a role in; of the operator's only while it leads. */
export interface Desired {
  readonly operator: { readonly ipam: IpamDesired; readonly cluster: ClusterDesired } | undefined;
  readonly node: NodeDesired | undefined;
}

export interface ControlPlaneOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly random: () => number;
  readonly roles: ReadonlySet<Role>;
  /** The node whose agent this is. */
  readonly node: string;
  readonly control: ControlSettings;
  readonly ipam: IpamSettings;
  /** What the host looks like now; absent where nobody looks. */
  readonly host?: () => HostFacts;
  /** Targets beside those that write to the store: sessions, responders, routes. */
  readonly lanes?: readonly Lane<Desired>[];
  /** Gauges of those targets. */
  readonly samples?: () => readonly Sample[];
  readonly limits?: Partial<LoopLimits>;
}

export interface ControlPlaneStatus {
  readonly node: string;
  readonly roles: readonly Role[];
  readonly ready: boolean;
  /** Whether this process is the operator of the cluster now; another one may be. */
  readonly leading: boolean;
  readonly passes: number;
  readonly targets: readonly LaneStatus[];
  readonly objects: Readonly<Record<string, number>>;
  readonly faulty: readonly { readonly object: string; readonly errors: number; readonly warnings: number }[];
}

export class ControlPlane {
  readonly #options: ControlPlaneOptions;
  readonly #loop: ReconcileLoop<Desired>;
  #ipam: IpamControl;
  #campaign: Campaign | undefined;
  #led = false;
  readonly #cluster: ClusterControl;
  readonly #node: NodeControl;
  #unsubscribe = () => {};
  #desired: Desired | undefined;

  constructor(options: ControlPlaneOptions) {
    const { store, clock, log, random, metrics, limits = {} } = options;
    this.#options = options;
    this.#ipam = new IpamControl(options.ipam);
    this.#cluster = new ClusterControl(options.control);
    this.#node = new NodeControl(options.node, options.control);
    const lanes = [
      ...(options.roles.has('operator') ? operatorLanes(store, clock) : []),
      ...(options.roles.has('agent') ? agentLanes(store, options.node) : []),
      ...(options.lanes ?? []),
    ];
    const observePass = (durationMs: number) => metrics.observe('herald_reconcile_duration_seconds', durationMs / 1000);
    this.#loop = new ReconcileLoop(() => this.#compute(), lanes, { clock, log, random, limits, observePass });
  }

  /** Resolves when the store's first full snapshot stands and the first pass is due. */
  async start(): Promise<void> {
    await this.#options.store.start();
    this.#unsubscribe = this.#options.store.subscribe(() => this.wake());
    if (this.#options.roles.has('operator'))
      this.#campaign = this.#options.store.campaign('operator', () => this.wake());
    this.wake();
  }

  /** Something outside the store changed that passes look at. */
  wake(): void {
    this.#loop.wake();
  }

  /** Resolves when everything desired has been made true. */
  whenSettled(): Promise<void> {
    return this.#loop.whenSettled();
  }

  /** Ends the passes, then waits for the targets; the store is the caller's to close. */
  async stop(): Promise<void> {
    this.#unsubscribe();
    await this.#loop.stop();
    this.#campaign?.close();
  }

  get snapshot(): Snapshot {
    return this.#options.store.snapshot();
  }

  /** Of the last pass; undefined before the first. */
  get desired(): Desired | undefined {
    return this.#desired;
  }

  /** Allocations, for those who ask about them: the operator's own while this is it, else what the objects say. */
  get ipam(): IpamControl {
    if (this.#led) return this.#ipam;
    const reader = new IpamControl(this.#options.ipam);
    reader.reconcile(this.snapshot);
    return reader;
  }

  /** Synced and reconciled once. */
  get ready(): boolean {
    return this.#loop.passes > 0;
  }

  status(): ControlPlaneStatus {
    const { node, roles: all } = this.#options;
    return {
      node,
      roles: [...all],
      ready: this.ready,
      leading: this.#led,
      passes: this.#loop.passes,
      targets: this.#loop.status(),
      objects: Object.fromEntries(this.snapshot.kinds().map(kind => [kind, this.snapshot.list(kind).length])),
      faulty: this.snapshot.faulty.map(({ ref, faults }) => {
        const errors = faults.filter(fault => fault.severity === 'error').length;
        return {
          object: `${ref.kind} ${ref.namespace === '' ? '' : `${ref.namespace}/`}${ref.name}`,
          errors,
          warnings: faults.length - errors,
        };
      }),
    };
  }

  /** All gauges, for `Metrics.state`. */
  samples(): readonly Sample[] {
    const { targets, objects, faulty } = this.status();
    return [
      ...Object.entries(objects).map(([kind, value]): Sample => ({ name: 'herald_objects', labels: { kind }, value })),
      {
        name: 'herald_faulty_objects',
        labels: { severity: 'error' },
        value: faulty.filter(each => each.errors > 0).length,
      },
      {
        name: 'herald_faulty_objects',
        labels: { severity: 'warning' },
        value: faulty.filter(each => each.errors === 0).length,
      },
      ...targets.map(
        ({ target, failures }): Sample => ({ name: 'herald_target_failures', labels: { target }, value: failures }),
      ),
      ...(this.#desired?.operator === undefined ? [] : ipamSamples(this.#desired.operator.ipam)),
      ...(this.#options.samples?.() ?? []),
    ];
  }

  #compute(): Desired {
    const snapshot = this.snapshot;
    const { roles: has, host } = this.#options;
    const leading = this.#campaign?.leading ?? false;
    // Who did not lead a moment ago does not know what was decided meanwhile: a term begins from what the objects say.
    if (leading && !this.#led) this.#ipam = new IpamControl(this.#options.ipam);
    this.#led = leading;
    const operator = leading
      ? { ipam: this.#ipam.reconcile(snapshot), cluster: this.#cluster.desired(snapshot) }
      : undefined;
    const node = has.has('agent') ? this.#node.desired(snapshot, host?.()) : undefined;
    this.#desired = { operator, node };
    return this.#desired;
  }
}

function operatorLanes(store: Store, clock: Clock): Lane<Desired>[] {
  return [
    lane(new IpamTarget(store, 'herald-ipam'), (desired: Desired) => desired.operator?.ipam),
    lane(new IpamPoolTarget(store, 'herald-ipam', clock), (desired: Desired) => desired.operator?.ipam),
    lane(new NodeConfigTarget(store), (desired: Desired) => desired.operator?.cluster.nodeConfigs),
    lane(
      new ConditionsTarget('conditions', store, 'herald-operator'),
      ({ operator }: Desired) => operator?.cluster.conditions,
    ),
  ];
}

function agentLanes(store: Store, node: string): Lane<Desired>[] {
  const ref = { kind: 'CiliumBGPNodeConfig', namespace: '', name: node };
  const said = ({ node: desired }: Desired) =>
    desired === undefined || desired.nodeConfigConditions.length === 0
      ? []
      : [{ ref, conditions: desired.nodeConfigConditions }];
  return [lane(new ConditionsTarget('node-conditions', store, `herald-agent-${node}`), said)];
}

function ipamSamples({ metrics }: IpamDesired): Sample[] {
  return [
    { name: 'cilium_operator_lbipam_conflicting_pools_total', value: metrics.conflictingPools },
    { name: 'cilium_operator_lbipam_services_matching_total', value: metrics.servicesMatching },
    { name: 'cilium_operator_lbipam_services_unsatisfied_total', value: metrics.servicesUnsatisfied },
    ...metrics.pools.flatMap((each): Sample[] => [
      {
        name: 'cilium_operator_lbipam_ips_available_total',
        labels: { pool: each.pool.name },
        value: Number(each.available),
      },
      { name: 'cilium_operator_lbipam_ips_used_total', labels: { pool: each.pool.name }, value: Number(each.used) },
    ]),
  ];
}
