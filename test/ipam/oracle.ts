/**
 * The allocator's rules as plainly as they can be written: everything is looked at every time, nothing is kept but who
 * holds what. Slow, obviously right, and written without a look at the real one's structures.
 */
import { Claim } from '../../src/ipam/claim.ts';
import { Pool } from '../../src/ipam/pool.ts';
import type { Refusal } from '../../src/ipam/reason.ts';
import { sharingConflict } from '../../src/ipam/sharing.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Range } from '../../src/net/range.ts';

export interface Held {
  readonly claim: Claim;
  addresses: IpAddress[];
  refusals: Refusal[];
}
export type HeldByAll = ReadonlyMap<string, Held>;

export function overlapping(a: Pool, b: Pool): boolean {
  return a.blocks.some((x, i) => b.blocks.some((y, j) => !(a === b && i === j) && Range.overlaps(x.range, y.range)));
}

export function conflicts(pool: Pool, pools: readonly Pool[]): boolean {
  return pools.some(other => (other === pool || Pool.compareAge(other, pool) < 0) && overlapping(pool, other));
}

export function heldBack(pool: Pool, address: IpAddress): boolean {
  if (pool.allowFirstLast) return false;
  return pool.blocks.some(
    ({ cidr, range }) =>
      cidr &&
      Range.size(range) > 2n &&
      (IpAddress.equals(range.first, address) || IpAddress.equals(range.last, address)),
  );
}

export function pass(
  before: HeldByAll,
  pools: readonly Pool[],
  claims: readonly Claim[],
  keepUncovered: boolean,
): HeldByAll {
  const now = new Map<string, Held>();
  const byAge = [...claims].sort(Claim.compareAge);
  const seen = (claim: Claim) => {
    const known = before.get(Claim.key(claim));
    return known?.claim.uid === claim.uid ? known : undefined;
  };
  const standing = (claim: Claim) => {
    const known = seen(claim);
    if (known === undefined) return 'new';
    return Claim.sameRequest(known.claim, claim) ? 'unchanged' : 'edited';
  };
  for (const claim of byAge) now.set(Claim.key(claim), { claim, addresses: [], refusals: [] });
  for (const turn of ['unchanged', 'edited', 'new']) {
    for (const claim of byAge.filter(each => standing(each) === turn)) {
      const mine = mustGet(now, claim);
      for (const address of seen(claim)?.addresses ?? claim.held) {
        if (holds(mine, address) || Claim.wants(claim, address) !== undefined) continue;
        if (!covered(pools, claim, address, keepUncovered) || !compatible(now, claim, address)) continue;
        mine.addresses.push(address);
      }
    }
  }
  while (byAge.map(claim => serve(now, pools, mustGet(now, claim))).some(Boolean));
  return now;
}

function mustGet(all: HeldByAll, claim: Claim): Held {
  const held = all.get(Claim.key(claim));
  if (held === undefined) throw new Error('no such claim');
  return held;
}

export function holds(held: Held, address: IpAddress): boolean {
  return held.addresses.some(each => IpAddress.equals(each, address));
}

export function holders(all: HeldByAll, address: IpAddress): Held[] {
  return [...all.values()].filter(held => holds(held, address));
}

export function covered(pools: readonly Pool[], claim: Claim, address: IpAddress, keepUncovered: boolean): boolean {
  const containing = pools.filter(pool => Pool.contains(pool, address));
  if (containing.length === 0) return keepUncovered;
  return containing.some(pool => pool.selector.matches(claim.labels));
}

function compatible(all: HeldByAll, claim: Claim, address: IpAddress): boolean {
  return holders(all, address).every(
    ({ claim: other }) =>
      other === claim ||
      (claim.sharing !== undefined && other.sharing !== undefined && !sharingConflict(claim.sharing, other.sharing)),
  );
}

/** True when it was given something that another might join. */
function serve(all: HeldByAll, pools: readonly Pool[], mine: Held): boolean {
  const { claim } = mine;
  const had = mine.addresses.length;
  const refusals: Refusal[] = [];
  const giving = pools.filter(pool => !pool.disabled && !conflicts(pool, pools));
  for (const address of claim.requested) {
    if (holds(mine, address)) continue;
    const home = giving.find(pool => Pool.contains(pool, address));
    const others = holders(all, address);
    const both = others.find(other => claim.sharing && !compatible(new Map([['', other]]), claim, address));
    if (home === undefined) refusals.push({ reason: 'no_pool_for_address', address });
    else if (!home.selector.matches(claim.labels)) refusals.push({ reason: 'pool_selector_mismatch', address });
    else if (others.length === 0 && heldBack(home, address)) refusals.push({ reason: 'held_back', address });
    else if (others.length > 0 && claim.sharing === undefined) refusals.push({ reason: 'already_allocated', address });
    else if (both !== undefined) refusals.push({ reason: 'incompatible_service', address });
    else mine.addresses.push(address);
  }
  const matching = giving
    .filter(pool => pool.selector.matches(claim.labels))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const family of claim.requested.length > 0 ? [] : claim.families) {
    if (mine.addresses.some(address => address.family === family)) continue;
    const all4 = matching.flatMap(pool => addressesOf(pool).map(address => ({ pool, address })));
    const ours = all4.filter(({ address }) => address.family === family);
    const joinable = ours
      .filter(({ address }) => holders(all, address).length > 0 && compatible(all, claim, address))
      .map(({ address }) => address)
      .sort((a, b) => Claim.compareAge(oldest(all, a), oldest(all, b)) || IpAddress.compare(a, b));
    const free = ours.find(({ pool, address }) => holders(all, address).length === 0 && !heldBack(pool, address));
    const chosen = joinable[0] ?? free?.address;
    if (chosen !== undefined) mine.addresses.push(chosen);
    else refusals.push({ reason: ours.length > 0 ? 'out_of_ips' : 'no_pool', family });
  }
  mine.refusals = refusals;
  return claim.sharing !== undefined && mine.addresses.length > had;
}

/** Ascending, IPv4 first. Only for small pools. */
export function addressesOf(pool: Pool): IpAddress[] {
  const out: IpAddress[] = [];
  for (const { range } of pool.blocks)
    for (let value = range.first.value; value <= range.last.value; value++)
      out.push({ family: range.first.family, value });
  return out.sort(IpAddress.compare);
}

function oldest(all: HeldByAll, address: IpAddress): Claim {
  const [first] = holders(all, address).sort((a, b) => Claim.compareAge(a.claim, b.claim));
  if (first === undefined) throw new Error('nobody holds it');
  return first.claim;
}
