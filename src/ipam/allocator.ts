/**
 * Claims and pools in, allocations out (reference §2.8-2.14).
 *
 * The promise: an address that is still valid never moves. A pass looks again at what is held before it gives anything:
 * first those whose own request did not change, then those that were edited (by age), then those never seen before,
 * with what their status says (by age), and only then those that lack something (by age). So nobody can be given what
 * another still holds, and of two that can no longer share, the one that was edited moves. A conflict between pools, a
 * disabled pool, first and last addresses held back later: none of them takes anything away.
 *
 * Which address: the lowest free one of the first pool, by name, that selects the claim and has room. A claim with a
 * sharing key first joins an address it may share: that of the oldest holder, the lowest if there are several. Nothing
 * depends on the order in which objects arrived.
 *
 * What is remembered is who holds what. A claim not seen before brings it in its status, so a restart is a pass like
 * any other; for a claim that is known, the status is only an echo of what was decided here, late or edited by hand.
 */
import { type Family, IpAddress } from '../net/ip.ts';
import { Claim } from './claim.ts';
import { type Allocation, type Entry, nothing, type Walked, walk } from './entry.ts';
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

const noRefusals: readonly Refusal[] = nothing.refusals;

/** `before` is empty for a claim never seen before; `after` is undefined for one that is gone. */
export interface AllocationChange {
  readonly claim: Claim;
  readonly before: Allocation;
  readonly after: Allocation | undefined;
}

export class Allocator {
  #pools: readonly Pool[] = [];
  #space = new Space([]);
  #holdings = new Holdings<Entry>(this.#space);
  #keepUncovered = false;
  #list: Walked = { claims: [], entries: [] };
  /** Those that lack something, by age. */
  #waiting: Entry[] = [];

  // What this pass has moved so far: who waits for none of it need not be asked again.
  #pass = 0;
  #dirty: Entry[] = [];
  readonly #emptied = new Set<Holding<Entry>>();
  readonly #touchedKeys = new Set<string>();

  /** Whose allocation is another than after the last pass. The same input again changes nothing. */
  allocate({ pools, claims, keepUncovered }: AllocationInput): readonly AllocationChange[] {
    const moved = this.#moveTo(pools) || keepUncovered !== this.#keepUncovered;
    this.#keepUncovered = keepUncovered;
    if (!moved && claims === this.#list.claims) return [];
    this.#pass++;
    this.#update(claims);
    if (moved) this.#revalidate();
    this.#reattach();
    for (const holding of this.#emptied) this.#holdings.close(holding);
    this.#serve(moved);
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

  #update(claims: readonly Claim[]): void {
    const { list, added, replaced, gone } = walk(this.#list, claims);
    this.#list = list;
    for (const entry of added) this.#mark(entry);
    for (const { entry, claim } of replaced) {
      if (!Claim.sameRequest(entry.claim, claim)) {
        entry.recall = entry.holdings.map(holding => holding.address);
        entry.groups = undefined;
        this.#detachAll(entry);
        this.#mark(entry);
      }
      entry.claim = claim;
    }
    for (const entry of gone) {
      entry.gone = true;
      this.#mark(entry);
      this.#detachAll(entry);
    }
  }

  #mark(entry: Entry): void {
    if (entry.dirty) return;
    entry.dirty = true;
    this.#dirty.push(entry);
  }

  #detachAll(entry: Entry): void {
    for (const holding of entry.holdings) this.#detach(entry, holding);
    entry.holdings = [];
  }

  #detach(entry: Entry, holding: Holding<Entry>): void {
    this.#touch(entry, holding);
    this.#holdings.detach(entry, holding);
    this.#emptied.add(holding);
  }

  #attach(entry: Entry, address: IpAddress): void {
    const holding = this.#holdings.attach(entry, address);
    // A list written out has room for one; one that is pushed to, for seventeen.
    if (entry.holdings.length === 0) entry.holdings = [holding];
    else entry.holdings.push(holding);
    this.#touch(entry, holding);
  }

  #touch(entry: Entry, holding: Holding<Entry>): void {
    this.#mark(entry);
    holding.pass = this.#pass;
    if (entry.claim.sharing !== undefined) this.#touchedKeys.add(entry.claim.sharing.key);
  }

  #release(entry: Entry, release: Release): void {
    if (entry.released === undefined) entry.released = [release];
    else entry.released.push(release);
  }

  /** The pools changed: takes what they no longer cover from those whose own request did not change. */
  #revalidate(): void {
    for (const entry of this.#list.entries) {
      // By index, since nearly all stay; those that are new or edited hold nothing now and are looked at next.
      for (let i = entry.holdings.length - 1; i >= 0; i--) {
        const holding = entry.holdings[i];
        const reason = holding && this.#uncovered(entry.claim, holding.address);
        if (holding === undefined || reason === undefined) continue;
        entry.holdings.splice(i, 1);
        this.#detach(entry, holding);
        this.#release(entry, { reason, address: holding.address });
      }
    }
  }

  #reattach(): void {
    const held = this.#dirty.filter(entry => !entry.gone && entry.recall !== undefined && entry.recall.length > 0);
    const isNew = (entry: Entry) => (entry.allocation === nothing ? 1 : 0);
    for (const entry of held.sort((a, b) => isNew(a) - isNew(b) || Claim.compareAge(a.claim, b.claim))) {
      for (const address of entry.recall ?? []) {
        if (entry.holdings.some(holding => IpAddress.equals(holding.address, address))) continue;
        const release = this.#invalid(entry.claim, address);
        if (release === undefined) this.#attach(entry, address);
        else this.#release(entry, release);
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
    let covered = this.#space.disjoint(address);
    if (covered?.pool.selector.matches(claim.labels)) return undefined;
    for (const space of this.#space.containing(address)) {
      if (space.pool.selector.matches(claim.labels)) return undefined;
      covered = space;
    }
    if (covered !== undefined) return 'selector_changed';
    return this.#keepUncovered ? undefined : 'pool_gone';
  }

  /**
   * Gives to those that lack something, by age, until nobody can be given more. A second round is for those whom an
   * address given in the first one lets join it; what a third could give, the second has given.
   */
  #serve(moved: boolean): void {
    this.#waiting = this.#waiting.filter(entry => !entry.gone);
    const lacking = this.#dirty.filter(entry => !entry.waiting && !entry.gone);
    for (const entry of lacking) entry.waiting = true;
    if (lacking.length > 0)
      this.#waiting = this.#waiting.concat(lacking).sort((a, b) => Claim.compareAge(a.claim, b.claim));
    for (let given = 1; given > 0 && this.#waiting.length > 0; ) {
      given = 0;
      for (const entry of this.#waiting) {
        if (!moved && !entry.dirty && !this.#mayHelp(entry)) continue;
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
    return refusals.some(({ reason, address, family }) => {
      if (family !== undefined) return this.#groups(entry).some(group => group.first(family) !== undefined);
      const holding = address && this.#holdings.get(address);
      const wasHeld = reason === 'already_allocated' || reason === 'incompatible_service';
      return holding === undefined ? wasHeld : holding.pass === this.#pass;
    });
  }

  #satisfy(entry: Entry): void {
    const refusals = entry.claim.requested.length > 0 ? this.#giveRequested(entry) : this.#giveAny(entry);
    const { length } = refusals;
    if (length === entry.refusals.length && refusals.every((each, i) => equalRefusals(each, entry.refusals[i]))) return;
    entry.refusals = refusals;
    this.#mark(entry);
  }

  #giveRequested(entry: Entry): readonly Refusal[] {
    const refusals: Refusal[] = [];
    for (const address of entry.claim.requested) {
      if (entry.holdings.some(holding => IpAddress.equals(holding.address, address))) continue;
      const refusal = this.#refuseRequested(entry.claim, address);
      if (refusal === undefined) this.#attach(entry, address);
      else refusals.push(refusal);
    }
    return refusals;
  }

  #giveAny(entry: Entry): readonly Refusal[] {
    let refusals: readonly Refusal[] = noRefusals;
    let { groups } = entry;
    for (const family of entry.claim.families) {
      if (entry.holdings.some(holding => holding.address.family === family)) continue;
      groups ??= this.#space.groups(entry.claim.labels);
      const address = this.#shareable(entry, family) ?? this.#lowest(groups, family);
      if (address !== undefined) this.#attach(entry, address);
      else {
        const reason = groups.some(group => group.serves[family]) ? 'out_of_ips' : 'no_pool';
        refusals = [...refusals, { reason, family }];
        entry.groups = groups;
      }
    }
    return refusals;
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

  /** The address that the claim may join, of those whose oldest holder is the oldest. */
  #shareable({ claim }: Entry, family: Family): IpAddress | undefined {
    if (claim.sharing === undefined) return undefined;
    let best: Holding<Entry> | undefined;
    for (const holding of this.#holdings.withKey(claim.sharing.key)) {
      if (holding.address.family !== family || this.#holdings.conflict(holding, claim) !== undefined) continue;
      if (best?.oldest && holding.oldest && Claim.compareAge(best.oldest.claim, holding.oldest.claim) <= 0) continue;
      const space = this.#space.disjoint(holding.address);
      if (space?.gives && space.pool.selector.matches(claim.labels)) best = holding;
    }
    return best?.address;
  }

  #lowest(groups: readonly Group[], family: Family): IpAddress | undefined {
    const value = this.#space.firstWithRoom(groups, family)?.free?.[family].lowest();
    return value === undefined ? undefined : { family, value };
  }

  #groups(entry: Entry): readonly Group[] {
    entry.groups ??= this.#space.groups(entry.claim.labels);
    return entry.groups;
  }

  #finish(): AllocationChange[] {
    const changed: AllocationChange[] = [];
    for (const entry of this.#dirty) {
      const change = renew(entry);
      if (change !== undefined) changed.push(change);
    }
    this.#dirty = [];
    this.#emptied.clear();
    this.#touchedKeys.clear();
    return changed;
  }
}

/** Ends the pass for one entry. Undefined when it has what it had. */
function renew(entry: Entry): AllocationChange | undefined {
  const { claim, allocation: before, refusals, released = [], gone } = entry;
  const addresses = entry.holdings.map(holding => holding.address);
  const same = !gone && sameAllocation(entry, addresses);
  if (!same) entry.allocation = { addresses, refusals, released };
  if (refusals.length === 0) entry.groups = undefined;
  entry.released = undefined;
  entry.recall = undefined;
  entry.dirty = false;
  return same ? undefined : { claim, before, after: gone ? undefined : entry.allocation };
}

function sameAllocation({ allocation, refusals, released }: Entry, addresses: readonly IpAddress[]): boolean {
  return (
    allocation !== nothing &&
    released === undefined &&
    addresses.length === allocation.addresses.length &&
    addresses.every((address, i) => address === allocation.addresses[i]) &&
    refusals.length === allocation.refusals.length &&
    refusals.every((each, i) => equalRefusals(each, allocation.refusals[i]))
  );
}

function equalRefusals(a: Refusal, b: Refusal | undefined): boolean {
  return b !== undefined && Refusal.equals(a, b);
}
