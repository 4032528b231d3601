/**
 * Services as the allocator's control sees them: which are ours, what each asks for, what it has, and what its status
 * ought to say. Kept from pass to pass, so that a pass costs what changed.
 */
import { ObjectRef } from '../api/object.ts';
import type { Service } from '../api/service.ts';
import type { FaultyObject, Snapshot } from '../api/snapshot.ts';
import type { AllocationResult } from '../ipam/allocator.ts';
import { Claim } from '../ipam/claim.ts';
import { type Allocation, nothing } from '../ipam/entry.ts';
import { forEachChange, type Replacement, withChanges } from './changes.ts';
import { type IpamSettings, isOurs, readClaim } from './ipam-claims.ts';
import * as status from './ipam-status.ts';

/** A Service as it was when it could last be read. */
export interface ServedService {
  readonly service: Service;
  /** Undefined when it is not ours to serve. */
  readonly claim: Claim | undefined;
  /** What it asks for in words that cannot be read, a sentence each. */
  readonly unreadable: readonly string[];
  readonly allocation: Allocation;
  /** What happened to it since its status was last as it ought to be. */
  readonly events: readonly status.IpamEvent[];
  /** Its status was as it ought to be when we last looked. */
  readonly settled: boolean;
}

export class ServiceLedger {
  readonly #settings: IpamSettings;
  #services: readonly Service[] = [];
  #faulty: readonly FaultyObject[] = [];
  #refused: ReadonlySet<string> = new Set();
  #notes: ReadonlyMap<string, readonly string[]> = new Map();
  #dormant = true;
  #claims: readonly Claim[] = [];
  readonly #served = new Map<string, ServedService>();
  /** Services that are not in their list only because they cannot be read. */
  readonly #kept = new Set<string>();
  /** Whose status has to be looked at. */
  readonly #touched = new Set<string>();
  readonly #writes = new Map<string, status.StatusWrite>();

  constructor(settings: IpamSettings) {
    this.#settings = settings;
  }

  /** Those that ask us for addresses, by namespace and name. */
  get claims(): readonly Claim[] {
    return this.#claims;
  }

  /** Statuses that ought to be and are not yet. */
  get writes(): Iterable<status.StatusWrite> {
    return this.#writes.values();
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
    const changed = this.#changes(snapshot.list('Service'));
    if (dormant !== this.#dormant)
      for (const [key, { service }] of this.#served) if (!changed.has(key)) changed.set(key, service);
    this.#dormant = dormant;
    const replacements: Replacement<Claim>[] = [];
    for (const [key, service] of changed) {
      const before = this.#served.get(key)?.claim;
      const after = this.#replace(key, service);
      const at = before ?? after;
      if (at !== undefined && before !== after) replacements.push({ at, value: after });
    }
    this.#claims = withChanges(this.#claims, replacements, Claim.compareNames);
  }

  /** Takes what came of the claims, and works out which statuses have to be written. */
  tell({ changed }: AllocationResult): void {
    for (const { claim, before, after = nothing } of changed) {
      const key = ObjectRef.key(claim);
      const served = this.#served.get(key);
      // One that was made anew under its old name is both gone and added: what the new one has counts.
      if (served === undefined || (served.claim !== undefined && served.claim.uid !== claim.uid)) continue;
      const events = [...served.events, ...status.serviceEvents(served.service, before, after)];
      this.#served.set(key, { ...served, allocation: after, events, settled: false });
      this.#touched.add(key);
    }
    for (const key of this.#touched) this.#tellOne(key);
    this.#touched.clear();
  }

  #readFaults(faulty: readonly FaultyObject[]): void {
    if (faulty === this.#faulty) return;
    this.#faulty = faulty;
    const services = faulty.filter(({ ref }) => ref.kind === 'Service');
    const notes = new Map(services.map(each => [ObjectRef.key(each.ref), requestFaults(each)]));
    for (const key of [...this.#notes.keys(), ...notes.keys()]) this.#touched.add(key);
    this.#notes = notes;
    this.#refused = new Set(services.filter(isRefused).map(({ ref }) => ObjectRef.key(ref)));
  }

  /** What became of each Service that is not what it was: undefined when it is gone. */
  #changes(services: readonly Service[]): Map<string, Service | undefined> {
    const changed = new Map<string, Service | undefined>();
    forEachChange(this.#services, services, (before, after) => {
      const service = after ?? before;
      if (service === undefined) return;
      const key = ObjectRef.key(service.metadata);
      // What it held must not be given away because somebody made a typing mistake in it.
      if (after === undefined && this.#refused.has(key)) this.#kept.add(key);
      else {
        this.#kept.delete(key);
        changed.set(key, after);
      }
    });
    for (const key of [...this.#kept]) {
      if (this.#refused.has(key)) continue;
      this.#kept.delete(key);
      changed.set(key, undefined);
    }
    this.#services = services;
    return changed;
  }

  #replace(key: string, service: Service | undefined): Claim | undefined {
    this.#touched.add(key);
    if (service === undefined) {
      this.#served.delete(key);
      this.#writes.delete(key);
      return undefined;
    }
    const ours = !this.#dormant && isOurs(service, this.#settings);
    const { claim, unreadable } = ours ? readClaim(service, this.#settings) : { claim: undefined, unreadable: [] };
    const { allocation = nothing, events = [], settled = false } = this.#served.get(key) ?? {};
    this.#served.set(key, { service, claim, unreadable, allocation, events, settled });
    return claim;
  }

  #tellOne(key: string): void {
    const served = this.#served.get(key);
    if (served === undefined || this.#kept.has(key)) return;
    const events = status.wasTampered(served)
      ? [...served.events, status.restoredEvent(served.service, served.allocation)]
      : served.events;
    const write = this.#write({ ...served, events }, this.#notes.get(key) ?? []);
    if (write === undefined) this.#writes.delete(key);
    else this.#writes.set(key, write);
    this.#served.set(key, { ...served, events: write === undefined ? [] : events, settled: write === undefined });
  }

  #write(served: ServedService, notes: readonly string[]): status.StatusWrite | undefined {
    const { service, claim, allocation, unreadable, events } = served;
    if (claim !== undefined) return status.serviceWrite(service, allocation, [...unreadable, ...notes], events);
    return status.wasServed(service) ? { ref: status.serviceRef(service), status: {}, events } : undefined;
  }
}

/** What a Service asks for in its spec; its other faults are not the allocator's to tell. */
function requestFaults({ faults }: FaultyObject): readonly string[] {
  const asked = faults.filter(({ path }) => path.startsWith('spec.loadBalancerIP'));
  return asked.map(({ message }) => `spec.loadBalancerIP: ${message}`);
}

export function isRefused({ faults }: FaultyObject): boolean {
  return faults.some(fault => fault.severity === 'error');
}
