/** Why a claim has what it has, or nothing: every address, every refusal, and every pool's answer. */
import { type Family, IpAddress } from '../net/ip.ts';
import type { Allocator } from './allocator.ts';
import { Claim } from './claim.ts';
import { Conflict } from './conflict.ts';
import type { Allocation } from './entry.ts';
import { Pool } from './pool.ts';
import { type PoolAnswerReason, poolAnswerText, Refusal } from './reason.ts';
import { type SharingReason, sharingConflict } from './sharing.ts';
import type { PoolSpace } from './space.ts';

/** Services named in one answer; the rest are counted. */
const namesMax = 10;

export interface HeldAddress {
  readonly address: IpAddress;
  /** Undefined when no readable pool contains it. */
  readonly pool: string | undefined;
  /** `namespace/name` of the others that hold it. */
  readonly sharedWith: readonly string[];
}

export interface PoolAnswer {
  readonly pool: string;
  readonly reason: PoolAnswerReason;
  /** Follows the pool's name. */
  readonly text: string;
}

export interface RefusalExplained {
  readonly reason: Refusal['reason'];
  /** As in the condition. */
  readonly message: string;
  /** Who or what is in the way. */
  readonly details: readonly string[];
}

export interface Explanation {
  readonly held: readonly HeldAddress[];
  readonly refusals: readonly RefusalExplained[];
  /** In the order the pools are asked: by name. */
  readonly pools: readonly PoolAnswer[];
}

export function explain(
  allocator: Allocator,
  claim: Claim,
  allocation: Allocation,
  unreadablePools: readonly string[],
): Explanation {
  const answers = allocator.space.pools.map(space => poolAnswer(allocator, space, claim, allocation));
  const unreadable = unreadablePools.map(pool => answer(pool, 'is_unreadable'));
  return {
    held: heldAddresses(allocator, claim, allocation),
    refusals: allocation.refusals.map(refusal => ({
      reason: refusal.reason,
      message: Refusal.message(refusal),
      details: inTheWay(allocator, claim, refusal),
    })),
    pools: [...answers, ...unreadable].sort((a, b) => (a.pool < b.pool ? -1 : a.pool > b.pool ? 1 : 0)),
  };
}

export function heldAddresses(allocator: Allocator, claim: Claim, allocation: Allocation): HeldAddress[] {
  return allocation.addresses.map(address => ({
    address,
    pool: allocator.space.home(address)?.pool.name,
    sharedWith: allocator
      .holders(address)
      .map(Claim.key)
      .filter(key => key !== Claim.key(claim)),
  }));
}

function poolAnswer(allocator: Allocator, space: PoolSpace, claim: Claim, allocation: Allocation): PoolAnswer {
  const { pool, conflict } = space;
  const held = allocation.addresses.filter(address => Pool.contains(pool, address));
  if (held.length > 0) return answer(pool.name, 'holds', held.map(IpAddress.format).join(', '));
  if (conflict !== undefined) return answer(pool.name, 'is_conflicting', Conflict.message(conflict));
  if (pool.disabled) return answer(pool.name, 'is_disabled');
  if (!pool.selector.matches(claim.labels))
    return answer(pool.name, 'does_not_select', `it selects ${pool.selector.text}`);
  return claim.requested.length > 0
    ? answerToRequest(allocator, space, claim)
    : answerToFamilies(space, claim, allocation);
}

function answerToRequest(allocator: Allocator, space: PoolSpace, claim: Claim): PoolAnswer {
  const { pool } = space;
  const inside = claim.requested.filter(address => Pool.contains(pool, address));
  if (inside.length === 0) return answer(pool.name, 'does_not_contain');
  for (const address of inside) {
    const holders = allocator.holders(address);
    if (holders.length > 0)
      return answer(pool.name, 'is_taken', `${IpAddress.format(address)}: ${names(holders.map(Claim.key))}`);
    if (space.heldBack[address.family].has(address.value))
      return answer(pool.name, 'holds_back', IpAddress.format(address));
  }
  return answer(pool.name, 'gives', inside.map(IpAddress.format).join(', '));
}

function answerToFamilies(space: PoolSpace, claim: Claim, allocation: Allocation): PoolAnswer {
  const { pool, usage } = space;
  const lacking = claim.families.filter(family => !allocation.addresses.some(each => each.family === family));
  const wanted = (lacking.length > 0 ? lacking : claim.families).filter(family => space.hasFamily(family));
  if (wanted.length === 0) return answer(pool.name, 'has_no_family', claim.families.map(familyName).join(', '));
  if (wanted.every(family => space.free?.[family].size === 0n))
    return answer(pool.name, 'is_full', `${usage.used} of ${usage.total} addresses are used`);
  return answer(pool.name, 'gives', `${usage.available} of ${usage.total} addresses are free`);
}

function inTheWay(allocator: Allocator, claim: Claim, { reason, address, family }: Refusal): string[] {
  if (address !== undefined && (reason === 'already_allocated' || reason === 'incompatible_service'))
    return limited(allocator.holders(address).map(holder => `${Claim.key(holder)} holds it: ${whyNot(claim, holder)}`));
  if (address !== undefined && reason === 'no_pool_for_address')
    return [...allocator.space.containing(address)].map(({ pool, conflict }) =>
      conflict === undefined
        ? `pool ${pool.name} contains it but is disabled`
        : `pool ${pool.name} contains it but conflicts: ${Conflict.message(conflict)}`,
    );
  if (family === undefined || claim.sharing === undefined) return [];
  return limited(
    allocator
      .withKey(claim.sharing.key)
      .filter(each => each.family === family)
      .map(each => `${IpAddress.format(each)} cannot be shared: ${notShared(allocator, claim, each)}`),
  );
}

function notShared(allocator: Allocator, claim: Claim, address: IpAddress): string {
  const other = allocator.holders(address).find(holder => conflictWith(claim, holder) !== undefined);
  if (other !== undefined) return `${whyNot(claim, other)} (${Claim.key(other)})`;
  const pool = allocator.space.home(address)?.pool.name;
  return pool === undefined ? 'no pool contains it' : `pool ${pool} gives nothing to this service`;
}

function whyNot(claim: Claim, holder: Claim): string {
  return conflictWith(claim, holder) ?? 'it can be shared with this one';
}

function conflictWith(claim: Claim, holder: Claim): SharingReason | 'this service has no sharing key' | undefined {
  if (claim.sharing === undefined) return 'this service has no sharing key';
  return holder.sharing === undefined ? 'different sharing key' : sharingConflict(claim.sharing, holder.sharing);
}

function answer(pool: string, reason: PoolAnswerReason, detail?: string): PoolAnswer {
  const text = poolAnswerText(reason);
  return { pool, reason, text: detail === undefined ? text : `${text} (${detail})` };
}

function familyName(family: Family): string {
  return family === 'ipv4' ? 'IPv4' : 'IPv6';
}

function names(all: readonly string[]): string {
  return limited(all).join(', ');
}

function limited(all: readonly string[]): string[] {
  return all.length <= namesMax ? [...all] : [...all.slice(0, namesMax), `and ${all.length - namesMax} more`];
}
