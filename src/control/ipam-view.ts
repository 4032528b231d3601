/** Pools, allocations, explanations and dry runs as plain data, for tables, the local socket and programs. */
import type { Service } from '../api/service.ts';
import type { Snapshot } from '../api/snapshot.ts';
import { Claim } from '../ipam/claim.ts';
import { Conflict } from '../ipam/conflict.ts';
import { type Allocation, nothing } from '../ipam/entry.ts';
import { type Explanation, explain, heldAddresses } from '../ipam/explain.ts';
import { type Outcome, planChanges } from '../ipam/plan.ts';
import { Refusal } from '../ipam/reason.ts';
import { IpAddress } from '../net/ip.ts';
import { Range } from '../net/range.ts';
import { IpamControl } from './ipam.ts';
import { type IpamSettings, isOurs } from './ipam-claims.ts';
import { since, wasServed } from './ipam-status.ts';

/** Counts are decimal text: an IPv6 pool has more addresses than a number can count. */
export interface PoolRow {
  readonly name: string;
  readonly ranges: readonly string[];
  readonly total: string;
  readonly used: string;
  readonly available: string;
  /** Gives; gives nothing new; or why it gives nothing. */
  readonly state: 'gives' | 'disabled' | 'conflicting' | 'unreadable';
  /** Empty where there is none. */
  readonly conflict: string;
  /** In words. */
  readonly selector: string;
}

export interface HeldRow {
  readonly address: string;
  readonly pool: string | undefined;
  /** `namespace/name`. */
  readonly sharedWith: readonly string[];
}

export interface AllocationRow {
  /** `namespace/name`. */
  readonly service: string;
  readonly held: readonly HeldRow[];
  /** RFC 3339; undefined until the status says it. */
  readonly since: string | undefined;
  /** Messages; empty when it has all that it asks for. */
  readonly lacking: readonly string[];
}

export interface IpamView {
  readonly pools: readonly PoolRow[];
  readonly allocations: readonly AllocationRow[];
}

export interface ExplanationView extends Pick<Explanation, 'refusals' | 'pools'> {
  readonly service: string;
  /** Undefined when the Service is ours to serve. */
  readonly notOurs: string | undefined;
  /** What it asks for, in words. */
  readonly asks: string;
  readonly held: readonly HeldRow[];
  /** What it asks for in words that cannot be read. */
  readonly unreadable: readonly string[];
}

export interface PlanRow {
  readonly service: string;
  readonly outcome: Outcome;
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly why: readonly string[];
}

export interface PlanView {
  readonly changes: readonly PlanRow[];
  /** Services that keep what they have. */
  readonly unchanged: number;
  /** Pools that cannot be read: whoever holds from them is left alone. */
  readonly unreadablePools: readonly string[];
}

export function ipamView(control: IpamControl): IpamView {
  const unreadable = control.unreadablePools.map(
    (name): PoolRow => ({
      ...{ name, ranges: [], total: '', used: '', available: '' },
      ...{ state: 'unreadable', conflict: '', selector: '' },
    }),
  );
  const pools = control.allocator.usage().map(
    ({ pool, conflict, total, used, available }): PoolRow => ({
      name: pool.name,
      ranges: pool.blocks.map(block => Range.format(block.range)),
      total: String(total),
      used: String(used),
      available: String(available),
      state: conflict !== undefined ? 'conflicting' : pool.disabled ? 'disabled' : 'gives',
      conflict: conflict === undefined ? '' : Conflict.message(conflict),
      selector: pool.selector.text,
    }),
  );
  const allocations = control.all().flatMap(({ service, claim, allocation }): AllocationRow[] =>
    claim === undefined
      ? []
      : [
          {
            service: Claim.key(claim),
            held: held(control, claim, allocation),
            since: since(service),
            lacking: allocation.refusals.map(Refusal.message),
          },
        ],
  );
  return { pools: [...unreadable, ...pools].sort((a, b) => (a.name < b.name ? -1 : 1)), allocations };
}

/** Undefined when there is no such Service. */
export function explainService(
  control: IpamControl,
  settings: IpamSettings,
  namespace: string,
  name: string,
): ExplanationView | undefined {
  const served = control.service(namespace, name);
  if (served === undefined) return undefined;
  const { service, claim, allocation, unreadable } = served;
  const about = { service: `${namespace}/${name}`, unreadable };
  if (claim === undefined)
    return { ...about, notOurs: notOurs(service, settings), asks: '', held: [], refusals: [], pools: [] };
  const { refusals, pools } = explain(control.allocator, claim, allocation, control.unreadablePools);
  return { ...about, notOurs: undefined, asks: asks(claim), held: held(control, claim, allocation), refusals, pools };
}

/**
 * What these objects would do to the addresses that their statuses name: what a process that starts with them would do,
 * which is what a running one does.
 */
export function planIpam(snapshot: Snapshot, settings: IpamSettings): PlanView {
  const control = new IpamControl(settings);
  control.reconcile(snapshot);
  const ours = control.all().flatMap(({ claim, allocation }) => (claim === undefined ? [] : [{ claim, allocation }]));
  const claims = ours.map(each => each.claim);
  const changes = planChanges(
    { claims, allocations: claims.map(claim => ({ ...nothing, addresses: claim.held })) },
    { claims, allocations: ours.map(each => each.allocation) },
  ).map(({ namespace, name, outcome, before, after, why }) => ({
    ...{ service: `${namespace}/${name}`, outcome, why },
    ...{ before: before.map(IpAddress.format), after: after.map(IpAddress.format) },
  }));
  const released = control.all().flatMap(({ service, claim }): PlanRow[] => {
    const { metadata, status } = service;
    if (claim !== undefined || !wasServed(service) || status.ingress.length === 0) return [];
    const before = status.ingress.map(IpAddress.format);
    const why = [notOurs(service, settings)];
    return [{ service: `${metadata.namespace}/${metadata.name}`, outcome: 'lose', before, after: [], why }];
  });
  return {
    changes: [...changes, ...released].sort((a, b) => (a.service < b.service ? -1 : 1)),
    unchanged: ours.length - changes.length,
    unreadablePools: control.unreadablePools,
  };
}

function held(control: IpamControl, claim: Claim, allocation: Allocation): HeldRow[] {
  return heldAddresses(control.allocator, claim, allocation).map(({ address, pool, sharedWith }) => ({
    address: IpAddress.format(address),
    pool,
    sharedWith,
  }));
}

function notOurs(service: Service, settings: IpamSettings): string {
  const { type, loadBalancerClass } = service.spec;
  if (type !== 'LoadBalancer') return `it is of type ${type}; only LoadBalancer Services are given addresses`;
  if (isOurs(service, settings)) return 'there is no CiliumLoadBalancerIPPool at all, so nobody is served';
  if (loadBalancerClass === undefined)
    return `it has no loadBalancerClass, and --default-lb-service-ipam is ${settings.defaultLBServiceIPAM}`;
  return `its loadBalancerClass ${loadBalancerClass} is not one we serve`;
}

function asks({ requested, families, sharing }: Claim): string {
  const names = { ipv4: 'IPv4', ipv6: 'IPv6' } as const;
  const any = families.map(family => `one ${names[family]} address`).join(' and ');
  const what = requested.length > 0 ? requested.map(IpAddress.format).join(', ') : any || 'no address';
  return sharing === undefined ? what : `${what}, to share under the key '${sharing.key}'`;
}
