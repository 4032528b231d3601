/**
 * Claims and pools in, allocations out (reference §2.8-2.14).
 *
 * The promise: an address that is still valid never moves. A pass looks again at what is held before it gives anything:
 * first those whose own request did not change, then those that changed or are new (by age), and only then those that
 * lack something (by age). So nobody can be given what another still holds, and of two that can no longer share, the one
 * that was edited moves. A conflict between pools, a disabled pool, first and last addresses held back later: none of
 * them takes anything away.
 *
 * Which address: the lowest free one of the first pool, by name, that selects the claim and has room. A claim with a
 * sharing key first joins the lowest address it may share. Nothing depends on the order in which objects arrived.
 *
 * What is remembered is who holds what. A claim not seen before brings it in its status, so a restart is a pass like any
 * other; for a claim that is known, the status is only an echo of what was decided here, late or edited by hand.
 */
import { type Family, IpAddress } from '../net/ip.ts';
import { AddressMap } from './address-map.ts';
import { Claim } from './claim.ts';
import { type Holding, Holdings } from './holdings.ts';
import { Pool } from './pool.ts';
import { Refusal, type Release } from './reason.ts';
import { type Group, type PoolUsage, Space } from './space.ts';

export interface AllocationInput {
  readonly pools: readonly Pool[];
  /** Sorted by namespace and name; a claim that did not change is the same value as last time. */
  readonly claims: readonly Claim[];
  /**
   * Keep addresses that no pool contains: for as long as some pool cannot be read, they may be that pool's. A typing
   * mistake in a pool must not take addresses from Services.
   */
  readonly keepUncovered: boolean;
}

/** What one claim has. The same value until it changes. */
export interface Allocation {
  /** In the order they were given. */
  readonly addresses: readonly IpAddress[];
  /** What it asks for and does not have; empty when it has all. */
  readonly refusals: readonly Refusal[];
  /** What it lost when this allocation replaced the one before. */
  readonly released: readonly Release[];
}

/** A claim and what it has. */
interface Entry {
  claim: Claim;
  holdings: Holding<Entry>[];
  refusals: readonly Refusal[];
  released: Release[];
  allocation: Allocation;
  /** The selectors that match it, kept while it is waiting for an address. */
  groups: readonly Group[] | undefined;
  /** Whether it is among those that lack something. */
  waiting: boolean;
}

const nothing: Allocation = { addresses: [], refusals: [], released: [] };

export class Allocator {
  #pools: readonly Pool[] = [];
  #space = new Space([]);
  #holdings = new Holdings<Entry>(this.#space);
  #keepUncovered = false;
  #claims: readonly Claim[] = [];
  #entries: readonly Entry[] = [];
  #allocations: readonly Allocation[] = [];
  /** Those that lack something, by age. */
  #waiting: Entry[] = [];

  // What this pass has moved so far: who waits for none of it need not be asked again.
  readonly #dirty = new Set<Entry>();
  readonly #emptied = new Set<Holding<Entry>>();
  readonly #touched = new AddressMap<true>();
  readonly #touchedKeys = new Set<string>();

  /** What every claim has, in the order of the claims. The same values for the same input. */
  allocate({ pools, claims, keepUncovered }: AllocationInput): readonly Allocation[] {
    const moved = this.#moveTo(pools) || keepUncovered !== this.#keepUncovered;
    this.#keepUncovered = keepUncovered;
    if (!moved && claims === this.#claims) return this.#allocations;
    const { fresh, gone } = this.#walk(claims);
    for (const entry of gone) this.#detachAll(entry);
    if (moved) this.#revalidate(fresh);
    this.#reattach(fresh);
    for (const holding of this.#emptied) if (this.#holdings.close(holding)) this.#touch(holding);
    this.#serve(gone, moved);
    return this.#finish();
  }

  /** The pools in order of name; a pool whose counts did not change is the same value. */
  usage(): PoolUsage[] {
    return this.#space.pools.map(space => space.usage);
  }

  get space(): Space {
    return this.#space;
  }

  /** Claims that lack something. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** Addresses held, each counted once. */
  get heldCount(): number {
    return this.#holdings.size;
  }

  /** Who holds the address, first come first. */
  holders(address: IpAddress): Claim[] {
    return this.#holdings.get(address)?.holders.map(holder => holder.claim) ?? [];
  }

  /** The addresses held under a sharing key, ascending. */
  withKey(key: string): IpAddress[] {
    return this.#holdings.withKey(key).map(holding => holding.address);
  }

  /** True when the space is another than before. */
  #moveTo(pools: readonly Pool[]): boolean {
    const before = this.#pools;
    this.#pools = pools;
    if (before === pools) return false;
    if (before.length === pools.length && before.every((pool, i) => Pool.same(pool, pools[i] ?? pool))) return false;
    this.#space = new Space(pools);
    this.#holdings.moveTo(this.#space);
    for (const entry of this.#waiting) entry.groups = undefined;
    return true;
  }

  /**
   * Finds what changed between two sorted lists. `fresh` are the entries of new and edited claims, with the addresses
   * to look at again: what it held, or for a claim never seen before what its status says.
   */
  #walk(claims: readonly Claim[]): { fresh: Map<Entry, readonly IpAddress[]>; gone: Entry[] } {
    const fresh = new Map<Entry, readonly IpAddress[]>();
    const gone: Entry[] = [];
    const entries: Entry[] = [];
    let at = 0;
    for (const claim of claims) {
      let entry = this.#entries[at];
      while (entry !== undefined && entry.claim !== claim && Claim.compareNames(entry.claim, claim) < 0) {
        gone.push(entry);
        entry = this.#entries[++at];
      }
      if (entry !== undefined && entry.claim !== claim && Claim.compareNames(entry.claim, claim) !== 0)
        entry = undefined;
      if (entry !== undefined) at++;
      if (entry !== undefined && entry.claim !== claim && entry.claim.uid !== claim.uid) {
        gone.push(entry);
        entry = undefined;
      }
      if (entry === undefined) {
        entry = {
          claim,
          holdings: [],
          refusals: [],
          released: [],
          allocation: nothing,
          groups: undefined,
          waiting: false,
        };
        fresh.set(entry, claim.held);
        this.#dirty.add(entry);
      } else if (entry.claim !== claim) this.#replace(entry, claim, fresh);
      entries.push(entry);
    }
    for (const entry of this.#entries.slice(at)) gone.push(entry);
    this.#claims = claims;
    this.#entries = entries;
    return { fresh, gone };
  }

  #replace(entry: Entry, claim: Claim, fresh: Map<Entry, readonly IpAddress[]>): void {
    if (!Claim.sameRequest(entry.claim, claim)) {
      fresh.set(
        entry,
        entry.holdings.map(holding => holding.address),
      );
      this.#detachAll(entry);
      this.#dirty.add(entry);
      entry.groups = undefined;
    }
    entry.claim = claim;
  }

  #detachAll(entry: Entry): void {
    for (const holding of entry.holdings) this.#detach(entry, holding);
    entry.holdings = [];
  }

  #detach(entry: Entry, holding: Holding<Entry>): void {
    this.#touch(holding);
    if (entry.claim.sharing !== undefined) this.#touchedKeys.add(entry.claim.sharing.key);
    this.#holdings.detach(entry, holding);
    this.#emptied.add(holding);
    this.#dirty.add(entry);
  }

  /** The pools changed: takes what they no longer cover from those whose own request did not change. */
  #revalidate(fresh: ReadonlyMap<Entry, unknown>): void {
    for (const entry of this.#entries) {
      if (fresh.has(entry) || entry.holdings.length === 0) continue;
      const lost = entry.holdings.filter(holding => this.#lose(entry, holding));
      if (lost.length > 0) entry.holdings = entry.holdings.filter(holding => !lost.includes(holding));
    }
  }

  #lose(entry: Entry, holding: Holding<Entry>): boolean {
    const reason = this.#uncovered(entry.claim, holding.address);
    if (reason === undefined) return false;
    this.#detach(entry, holding);
    entry.released.push({ reason, address: holding.address });
    return true;
  }

  #reattach(fresh: ReadonlyMap<Entry, readonly IpAddress[]>): void {
    const held = [...fresh].filter(([, addresses]) => addresses.length > 0);
    for (const [entry, addresses] of held.sort(([a], [b]) => Claim.compareAge(a.claim, b.claim))) {
      this.#dirty.add(entry);
      for (const address of addresses) {
        if (entry.holdings.some(holding => IpAddress.equals(holding.address, address))) continue;
        const release = this.#invalid(entry.claim, address);
        if (release === undefined) this.#attach(entry, address);
        else entry.released.push(release);
      }
    }
  }

  /** Why the claim may not keep an address that it has not yet been counted as holding. */
  #invalid(claim: Claim, address: IpAddress): Release | undefined {
    const reason = Claim.wants(claim, address) ?? this.#uncovered(claim, address);
    if (reason !== undefined) return { reason, address };
    const conflict = this.#holdings.conflict(this.#holdings.get(address), claim);
    if (conflict === undefined) return undefined;
    if (conflict === 'held_by_other') return { reason: 'held_by_other', address };
    return { reason: 'sharing_incompatible', address, sharing: conflict };
  }

  #uncovered(claim: Claim, address: IpAddress): 'pool_gone' | 'selector_changed' | undefined {
    let covered = false;
    for (const { pool } of this.#space.containing(address)) {
      if (pool.selector.matches(claim.labels)) return undefined;
      covered = true;
    }
    if (covered) return 'selector_changed';
    return this.#keepUncovered ? undefined : 'pool_gone';
  }

  #attach(entry: Entry, address: IpAddress): void {
    const holding = this.#holdings.attach(entry, address);
    entry.holdings.push(holding);
    this.#dirty.add(entry);
    this.#touch(holding);
    if (entry.claim.sharing !== undefined) this.#touchedKeys.add(entry.claim.sharing.key);
  }

  #touch(holding: Holding<Entry>): void {
    this.#touched.set(holding.address, true);
  }

  /**
   * Gives to those that lack something, by age, until nobody can be given more. A second round is for those whom an
   * address given in the first one lets join it; what a third could give, the second has given.
   */
  #serve(gone: readonly Entry[], moved: boolean): void {
    const left = new Set(gone);
    this.#waiting = this.#waiting.filter(entry => !left.has(entry));
    const lacking = [...this.#dirty].filter(entry => !entry.waiting && !left.has(entry));
    for (const entry of lacking) entry.waiting = true;
    this.#waiting = this.#waiting.concat(lacking);
    if (lacking.length > 0) this.#waiting.sort((a, b) => Claim.compareAge(a.claim, b.claim));
    for (let given = 1; given > 0 && this.#waiting.length > 0; ) {
      given = 0;
      for (const entry of this.#waiting) {
        if (!moved && !this.#dirty.has(entry) && !this.#mayHelp(entry)) continue;
        const before = entry.holdings.length;
        this.#satisfy(entry);
        if (entry.holdings.length > before) given++;
        entry.waiting = entry.refusals.length > 0;
      }
      this.#waiting = this.#waiting.filter(entry => entry.waiting);
    }
  }

  /** Whether what moved in this pass can be of any use to one that is waiting. */
  #mayHelp(entry: Entry): boolean {
    const { claim, refusals } = entry;
    if (claim.sharing !== undefined && this.#touchedKeys.has(claim.sharing.key)) return true;
    return refusals.some(({ address, family }) =>
      address !== undefined
        ? this.#touched.has(address)
        : family !== undefined && this.#groups(entry).some(group => group.first(family) !== undefined),
    );
  }

  #satisfy(entry: Entry): void {
    const { claim } = entry;
    const refusals: Refusal[] = [];
    const got = (test: (address: IpAddress) => boolean) => entry.holdings.some(holding => test(holding.address));
    for (const address of claim.requested) {
      if (got(each => IpAddress.equals(each, address))) continue;
      const refusal = this.#refuseRequested(claim, address);
      if (refusal === undefined) this.#attach(entry, address);
      else refusals.push(refusal);
    }
    for (const family of claim.requested.length > 0 ? [] : claim.families) {
      if (got(each => each.family === family)) continue;
      const address = this.#shareable(entry, family) ?? this.#lowest(entry, family);
      if (address !== undefined) this.#attach(entry, address);
      else {
        const served = this.#groups(entry).some(group => group.serves[family]);
        refusals.push({ reason: served ? 'out_of_ips' : 'no_pool', family });
      }
    }
    if (
      refusals.length === entry.refusals.length &&
      refusals.every((each, i) => equalRefusals(each, entry.refusals[i]))
    )
      return;
    entry.refusals = refusals;
    this.#dirty.add(entry);
  }

  #refuseRequested(claim: Claim, address: IpAddress): Refusal | undefined {
    // Only pools that give count, and those are disjoint: at most one contains the address.
    const space = this.#space.disjoint(address);
    if (space === undefined || !space.gives) return { reason: 'no_pool_for_address', address };
    if (!space.pool.selector.matches(claim.labels)) return { reason: 'pool_selector_mismatch', address };
    const holding = this.#holdings.get(address);
    if (holding === undefined)
      return space.heldBack[address.family].has(address.value) ? { reason: 'held_back', address } : undefined;
    const conflict = this.#holdings.conflict(holding, claim);
    if (conflict === undefined) return undefined;
    if (conflict === 'held_by_other') return { reason: 'already_allocated', address };
    return { reason: 'incompatible_service', address, sharing: conflict };
  }

  /** The lowest address that the claim may hold together with those who hold it. */
  #shareable({ claim }: Entry, family: Family): IpAddress | undefined {
    if (claim.sharing === undefined) return undefined;
    for (const holding of this.#holdings.withKey(claim.sharing.key)) {
      if (holding.address.family !== family || this.#holdings.conflict(holding, claim) !== undefined) continue;
      const space = this.#space.disjoint(holding.address);
      if (space?.gives && space.pool.selector.matches(claim.labels)) return holding.address;
    }
    return undefined;
  }

  #lowest(entry: Entry, family: Family): IpAddress | undefined {
    const value = this.#space.firstWithRoom(this.#groups(entry), family)?.free?.[family].lowest();
    return value === undefined ? undefined : { family, value };
  }

  #groups(entry: Entry): readonly Group[] {
    entry.groups ??= this.#space.groups(entry.claim.labels);
    return entry.groups;
  }

  #finish(): readonly Allocation[] {
    for (const entry of this.#dirty) {
      if (entry.refusals.length === 0) entry.groups = undefined;
      const addresses = entry.holdings.map(holding => holding.address);
      if (!sameAllocation(entry, addresses))
        entry.allocation = { addresses, refusals: entry.refusals, released: entry.released };
      entry.released = [];
    }
    this.#dirty.clear();
    this.#emptied.clear();
    this.#touched.clear();
    this.#touchedKeys.clear();
    this.#allocations = this.#entries.map(entry => entry.allocation);
    return this.#allocations;
  }
}

function sameAllocation({ allocation, refusals, released }: Entry, addresses: readonly IpAddress[]): boolean {
  return (
    allocation !== nothing &&
    released.length === 0 &&
    addresses.length === allocation.addresses.length &&
    addresses.every((address, i) => address === allocation.addresses[i]) &&
    refusals.length === allocation.refusals.length &&
    refusals.every((each, i) => equalRefusals(each, allocation.refusals[i]))
  );
}

function equalRefusals(a: Refusal, b: Refusal | undefined): boolean {
  return b !== undefined && Refusal.equals(a, b);
}
