/**
 * Services as the allocator's control sees them: which are ours, what each asks for, what it has, and what its status
 * ought to say. Kept from pass to pass, so that a pass costs what changed.
 */
import { ObjectRef } from '../api/object.ts';
import type { Service } from '../api/service.ts';
import type { FaultyObject, Snapshot } from '../api/snapshot.ts';
import type { AllocationChange } from '../ipam/allocator.ts';
import { Claim } from '../ipam/claim.ts';
import { type Allocation, nothing } from '../ipam/entry.ts';
import { type Replacement, withChanges } from '../net/sorted.ts';
import { forEachChange } from './changes.ts';
import { type IpamSettings, isOurs, readClaim } from './ipam-claims.ts';
import { type StatusWrite, serviceWrite, wasTampered } from './ipam-status.ts';

/** A Service as it was when it could last be read. */
export interface ServedService {
  readonly service: Service;
  /** Undefined when it is not ours to serve. */
  readonly claim: Claim | undefined;
  /** What it asks for in words that cannot be read, a sentence each. */
  readonly unreadable: readonly string[];
  readonly allocation: Allocation;
}

/** The same, as it is kept. */
interface Kept {
  readonly key: string;
  service: Service;
  claim: Claim | undefined;
  unreadable: readonly string[];
  allocation: Allocation;
  /** Those it had since its status was last as it ought to be, without the present one. */
  history: readonly Allocation[];
  /** Undefined while its status is as it ought to be, or is none of our business. */
  write: StatusWrite | undefined;
  /** Its status was as it ought to be when we last looked. */
  settled: boolean;
  /** Its status has to be looked at. */
  touched: boolean;
  gone: boolean;
}

const none: readonly never[] = [];
const newcomer: readonly Allocation[] = [nothing];

export class ServiceLedger {
  readonly #settings: IpamSettings;
  #services: readonly Service[] = [];
  #faulty: readonly FaultyObject[] = [];
  #refused: ReadonlySet<string> = new Set();
  #notes: ReadonlyMap<string, readonly string[]> = new Map();
  #dormant = true;
  #claims: readonly Claim[] = [];
  readonly #served = new Map<string, Kept>();
  /** Services that are not in their list only because they cannot be read. */
  readonly #hidden = new Set<string>();
  #touched: Kept[] = [];
  /** Those with something to write. */
  #unsettled: Kept[] = [];

  constructor(settings: IpamSettings) {
    this.#settings = settings;
  }

  /** Those that ask us for addresses, by namespace and name. */
  get claims(): readonly Claim[] {
    return this.#claims;
  }

  /** Statuses that ought to be and are not yet. */
  get writes(): StatusWrite[] {
    return this.#unsettled.flatMap(served => served.write ?? []);
  }

  get(namespace: string, name: string): ServedService | undefined {
    return this.#served.get(ObjectRef.key({ namespace, name }));
  }

  /** Every Service, by namespace and name. */
  all(): ServedService[] {
    return this.#services.flatMap(({ metadata }) => this.get(metadata.namespace, metadata.name) ?? []);
  }

  /** Brings the claims up to date. Dormant: there is no pool, so nobody is served. */
  read(snapshot: Snapshot, dormant: boolean): void {
    this.#readFaults(snapshot.faulty);
    const woken = dormant !== this.#dormant;
    this.#dormant = dormant;
    const replacements: Replacement<Claim, Claim>[] = [];
    const replace = (key: string, service: Service | undefined) => {
      const before = this.#served.get(key)?.claim;
      const after = this.#replace(key, service);
      const at = before ?? after;
      if (at !== undefined && before !== after) replacements.push({ at, value: after });
    };
    this.#forEachChange(snapshot.list('Service'), replace);
    // Those that changed as well have just been read, as whoever is dormant now.
    if (woken) for (const { key, service, touched } of this.#served.values()) if (!touched) replace(key, service);
    this.#claims = withChanges(this.#claims, replacements, Claim.compareNames);
  }

  /** Takes what came of the claims, and works out which statuses have to be written. */
  tell(changed: readonly AllocationChange[]): void {
    for (const { claim, before, after = nothing } of changed) {
      const served = this.#served.get(ObjectRef.key(claim));
      // One that was made anew under its old name is both gone and added: what the new one has counts.
      if (served === undefined || (served.claim !== undefined && served.claim.uid !== claim.uid)) continue;
      served.history =
        served.history.length > 0 ? [...served.history, before] : before === nothing ? newcomer : [before];
      served.allocation = after;
      served.settled = false;
      this.#touch(served);
    }
    for (const served of this.#touched) this.#tellOne(served);
    if (this.#touched.length > 0) this.#unsettled = this.#unsettled.filter(served => served.write !== undefined);
    this.#touched = [];
  }

  #readFaults(faulty: readonly FaultyObject[]): void {
    if (faulty === this.#faulty) return;
    this.#faulty = faulty;
    const services = faulty.filter(({ ref }) => ref.kind === 'Service');
    const notes = new Map(services.map(each => [ObjectRef.key(each.ref), requestFaults(each)]));
    for (const key of [...this.#notes.keys(), ...notes.keys()]) {
      const served = this.#served.get(key);
      if (served !== undefined) this.#touch(served);
    }
    this.#notes = notes;
    this.#refused = new Set(services.filter(isRefused).map(({ ref }) => ObjectRef.key(ref)));
  }

  /** Calls `changed` with each Service that is not what it was; undefined when it is gone. */
  #forEachChange(services: readonly Service[], changed: (key: string, service: Service | undefined) => void): void {
    forEachChange(this.#services, services, (before, after) => {
      const service = after ?? before;
      if (service === undefined) return;
      const key = ObjectRef.key(service.metadata);
      this.#hidden.delete(key);
      // What it held must not be given away because somebody made a typing mistake in it.
      if (after === undefined && this.#refused.has(key)) this.#hidden.add(key);
      else changed(key, after);
    });
    this.#services = services;
    for (const key of [...this.#hidden]) {
      if (this.#refused.has(key)) continue;
      this.#hidden.delete(key);
      changed(key, undefined);
    }
  }

  #replace(key: string, service: Service | undefined): Claim | undefined {
    const known = this.#served.get(key);
    if (service === undefined) {
      if (known !== undefined) this.#forget(known);
      return undefined;
    }
    const ours = !this.#dormant && isOurs(service, this.#settings);
    const { claim, unreadable } = ours ? readClaim(service, this.#settings) : { claim: undefined, unreadable: none };
    if (known === undefined) {
      const served = newlySeen(key, service, claim, unreadable);
      this.#served.set(key, served);
      this.#touch(served);
    } else {
      known.service = service;
      known.claim = claim;
      known.unreadable = unreadable;
      this.#touch(known);
    }
    return claim;
  }

  #forget(served: Kept): void {
    this.#served.delete(served.key);
    served.gone = true;
    this.#touch(served);
  }

  #touch(served: Kept): void {
    if (served.touched) return;
    served.touched = true;
    this.#touched.push(served);
  }

  #tellOne(served: Kept): void {
    const { key, service, claim, allocation, unreadable, history, gone } = served;
    served.touched = false;
    if (this.#hidden.size > 0 && this.#hidden.has(key)) return;
    const notes = this.#notes.get(key);
    const ours = claim !== undefined;
    const tampered = ours && served.settled && wasTampered(service, allocation);
    const all = notes === undefined ? unreadable : [...unreadable, ...notes];
    const wasUnsettled = served.write !== undefined;
    served.write = gone ? undefined : serviceWrite({ service, ours, allocation, unreadable: all, history, tampered });
    served.settled = served.write === undefined;
    if (served.settled) served.history = none;
    else if (!wasUnsettled) this.#unsettled.push(served);
  }
}

function newlySeen(key: string, service: Service, claim: Claim | undefined, unreadable: readonly string[]): Kept {
  const fresh = { allocation: nothing, history: none, write: undefined, settled: false, touched: false, gone: false };
  return { key, service, claim, unreadable, ...fresh };
}

/** What a Service asks for in its spec; its other faults are not the allocator's to tell. */
function requestFaults({ faults }: FaultyObject): readonly string[] {
  const asked = faults.filter(({ path }) => path.startsWith('spec.loadBalancerIP'));
  return asked.map(({ message }) => `spec.loadBalancerIP: ${message}`);
}

export function isRefused({ faults }: FaultyObject): boolean {
  return faults.some(fault => fault.severity === 'error');
}
