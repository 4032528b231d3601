/**
 * Allocations as what Services and pools ought to say: ingress, conditions, events (reference §1.3, §2.12). A status
 * that the snapshot shows already is not written again.
 */
import type { CiliumLoadBalancerIPPool } from '../api/load-balancer-ip-pool.ts';
import type { Condition, ObjectRef, RawObject } from '../api/object.ts';
import type { Service } from '../api/service.ts';
import type { FaultyObject } from '../api/snapshot.ts';
import { Conflict } from '../ipam/conflict.ts';
import type { Allocation } from '../ipam/entry.ts';
import { Refusal, Release } from '../ipam/reason.ts';
import type { PoolUsage } from '../ipam/space.ts';
import { IpAddress } from '../net/ip.ts';
import { errorCondition, statedCondition } from './conditions.ts';

/**
 * Says whether a Service has its addresses. That it is there is how we know, also after a restart, that we served it.
 */
const satisfiedType = 'cilium.io/IPAMRequestSatisfied';
/** Only on a Service that asks in words which cannot be read. */
const unreadableType = 'herald.io/IPAMRequestUnreadable';
/** Only on a pool that cannot be read, or could not. */
const refusedType = 'herald.io/Refused';

/** An occurrence to be recorded once the status is written. */
export interface IpamEvent {
  readonly about: ObjectRef;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

/** A status that the object does not show yet. An empty one lets go of all that we wrote. */
export interface StatusWrite {
  readonly ref: ObjectRef;
  readonly status: RawObject;
  readonly events: readonly IpamEvent[];
}

/** What a Service ought to say, and from what. */
export interface Telling {
  readonly service: Service;
  /** False: it is not ours to serve, or not any more. */
  readonly ours: boolean;
  readonly allocation: Allocation;
  /** What it asks for in words that cannot be read, a sentence each. */
  readonly unreadable: readonly string[];
  /** The allocations it had since its status was last as it ought to be, without the present one. */
  readonly history: readonly Allocation[];
  /** Its status was as it ought to be, and somebody else changed it. */
  readonly tampered: boolean;
}

/** Worded only when it is written: a pass over a hundred thousand Services decides, it does not compose. */
class ServiceWrite implements StatusWrite {
  readonly #telling: Telling;

  constructor(telling: Telling) {
    this.#telling = telling;
  }

  get ref(): ObjectRef {
    return serviceRef(this.#telling.service);
  }

  get status(): RawObject {
    const { ours, allocation } = this.#telling;
    if (!ours) return {};
    const ingress = allocation.addresses.map(address => ({ ip: IpAddress.format(address) }));
    return { loadBalancer: { ingress }, conditions: serviceConditions(this.#telling) };
  }

  get events(): readonly IpamEvent[] {
    const { service, history, tampered, allocation } = this.#telling;
    const events = history.flatMap((before, i) => serviceEvents(service, before, history[i + 1] ?? allocation));
    return tampered ? [...events, restoredEvent(service, allocation)] : events;
  }
}

/** Whether we wrote this Service's addresses. Another manager's statements are never ours to take back. */
export function wasServed(service: Service): boolean {
  return service.status.conditions.some(condition => condition.type === satisfiedType);
}

function serviceRef({ metadata }: Service): ObjectRef {
  return { kind: 'Service', namespace: metadata.namespace, name: metadata.name };
}

/** When the Service got, or lost, what it asks for: RFC 3339. */
export function since(service: Service): string | undefined {
  return service.status.conditions.find(condition => condition.type === satisfiedType)?.lastTransitionTime;
}

/** Undefined when the Service says it all already. */
export function serviceWrite(telling: Telling): StatusWrite | undefined {
  const { service, ours, allocation } = telling;
  if (!ours) return wasServed(service) ? new ServiceWrite(telling) : undefined;
  const { ingress, conditions } = service.status;
  const isSettled =
    conditions.length > 0 &&
    sameAddresses(ingress, allocation.addresses) &&
    shows(conditions, serviceConditions(telling), [satisfiedType, unreadableType]);
  return isSettled ? undefined : new ServiceWrite(telling);
}

function serviceConditions({ service, allocation, unreadable }: Telling): readonly Condition[] {
  const { generation } = service.metadata;
  const [refusal] = allocation.refusals;
  const satisfied: Condition = {
    type: satisfiedType,
    status: refusal === undefined ? 'True' : 'False',
    reason: refusal === undefined ? 'satisfied' : Refusal.conditionReason(refusal),
    message: refusal === undefined ? '' : Refusal.message(refusal),
    observedGeneration: generation,
  };
  if (unreadable.length === 0) return [satisfied];
  const trouble = { reason: 'unreadable', message: unreadable.join('; ') };
  return [satisfied, statedCondition(unreadableType, generation, trouble)];
}

/** What changed for a Service, for those who watch it. Addresses it is known to hold already are no news. */
function serviceEvents(service: Service, before: Allocation, after: Allocation): IpamEvent[] {
  const about = serviceRef(service);
  const isIn = (list: readonly IpAddress[], address: IpAddress) => list.some(each => IpAddress.equals(each, address));
  const gained = after.addresses.filter(
    address => !isIn(before.addresses, address) && !isIn(service.status.ingress, address),
  );
  const lost = after.released.map(release => `${IpAddress.format(release.address)}: ${Release.text(release)}`);
  const known = [...after.addresses, ...after.released.map(release => release.address)];
  for (const address of before.addresses)
    if (!isIn(known, address)) lost.push(`${IpAddress.format(address)}: the service is no longer ours to serve`);
  const events: IpamEvent[] = lost.map(message => ({ about, type: 'Warning', reason: 'AddressReleased', message }));
  if (gained.length > 0)
    events.push({
      about,
      type: 'Normal',
      reason: 'AddressAllocated',
      message: gained.map(IpAddress.format).join(', '),
    });
  const [refusal] = after.refusals;
  if (refusal !== undefined && (before.refusals[0] === undefined || !Refusal.equals(refusal, before.refusals[0])))
    events.push({ about, type: 'Warning', reason: 'AddressRefused', message: Refusal.message(refusal) });
  return events;
}

/** Whether a Service that showed its addresses as they ought to be does not any more, though they are the same. */
export function wasTampered(service: Service, allocation: Allocation): boolean {
  return !sameAddresses(service.status.ingress, allocation.addresses);
}

/** What somebody else wrote in our place is replaced, and said. */
function restoredEvent(service: Service, allocation: Allocation): IpamEvent {
  const list = (addresses: readonly IpAddress[]) => addresses.map(IpAddress.format).join(', ') || 'no address';
  const [found, right] = [list(service.status.ingress), list(allocation.addresses)];
  return {
    about: serviceRef(service),
    type: 'Warning',
    reason: 'StatusRestored',
    message: `the status was changed by somebody else: ${found} is ${right} again`,
  };
}

/** Undefined when the pool says it all already. */
export function poolWrite(pool: CiliumLoadBalancerIPPool, usage: PoolUsage): StatusWrite | undefined {
  const { generation } = pool.metadata;
  const count = (type: string, value: bigint): Condition => ({
    type,
    status: 'Unknown',
    reason: 'noreason',
    message: String(value),
    observedGeneration: generation,
  });
  const conflict = usage.conflict && { reason: 'cidr_overlap', message: Conflict.message(usage.conflict) };
  const clear: Condition = {
    ...statedCondition('cilium.io/PoolConflict', generation, undefined),
    reason: 'resolved',
  };
  const conditions: readonly Condition[] = [
    conflict === undefined ? clear : statedCondition('cilium.io/PoolConflict', generation, conflict),
    count('cilium.io/IPsTotal', usage.total),
    count('cilium.io/IPsAvailable', usage.available),
    count('cilium.io/IPsUsed', usage.used),
    ...errorCondition(refusedType, pool, undefined),
  ];
  if (shows(pool.status.conditions, conditions, [])) return undefined;
  return { ref: poolRef(pool.metadata.name), status: { conditions }, events: [] };
}

/** A pool that cannot be read says so; what it gave before is kept. */
export function unreadablePoolWrite({ ref, generation, faults }: FaultyObject): StatusWrite {
  const errors = faults.filter(fault => fault.severity === 'error');
  const message = errors
    .map(fault => (fault.path === '' ? fault.message : `${fault.path}: ${fault.message}`))
    .join('; ');
  return {
    ref,
    status: { conditions: [statedCondition(refusedType, generation, { reason: 'error', message })] },
    events: [],
  };
}

function poolRef(name: string): ObjectRef {
  return { kind: 'CiliumLoadBalancerIPPool', namespace: '', name };
}

function sameAddresses(a: readonly IpAddress[], b: readonly IpAddress[]): boolean {
  return a.length === b.length && a.every((address, i) => IpAddress.equals(address, b[i] ?? address));
}

/** Whether the object shows the conditions as they ought to be, and none of `types` besides. */
function shows(shown: readonly Condition[], wanted: readonly Condition[], types: readonly string[]): boolean {
  return (
    wanted.every(each => shown.some(other => sameCondition(each, other))) &&
    !shown.some(other => types.includes(other.type) && !wanted.some(each => each.type === other.type))
  );
}

function sameCondition(a: Condition, b: Condition): boolean {
  return (
    a.type === b.type &&
    a.status === b.status &&
    a.reason === b.reason &&
    a.message === b.message &&
    (a.observedGeneration ?? 0) === (b.observedGeneration ?? 0)
  );
}
