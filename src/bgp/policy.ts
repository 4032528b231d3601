/**
 * Routing policy as a value: ordered statements, each with what it matches, what it sets, and how it ends. The first
 * statement that accepts or rejects decides; a policy that runs out of statements says `otherwise`. Policies are
 * compiled once (policy-compile.ts) and are pure: the same route always gets the same answer.
 */
import type { IpAddress } from '../net/ip.ts';
import type { Prefix } from '../net/prefix.ts';
import type { ExtendedCommunity, LargeCommunity, StandardCommunity } from './community.ts';
import type { Family } from './family.ts';

export interface Policy {
  readonly statements: readonly Statement[];
  /** For a route that no statement accepts or rejects. */
  readonly otherwise: 'accept' | 'reject';
}

export interface Statement {
  /** For people. */
  readonly name?: string | undefined;
  /** Every field given must hold; absent or empty matches every route. */
  readonly match?: Match | undefined;
  /** Applied when it matches, before `action`; later statements see the changed route. */
  readonly set?: Changes | undefined;
  /** `next` goes on with the statement after this one. */
  readonly action: 'accept' | 'reject' | 'next';
}

export interface Match {
  /** Any of these. */
  readonly prefixes?: readonly PrefixRange[] | undefined;
  readonly family?: Family | undefined;
  /** `originated`: announced by this speaker itself. */
  readonly source?: 'originated' | 'internal' | 'external' | undefined;
  /** Keys of peers, any of them. On import: who sent the route. On export: whom it would go to. */
  readonly peers?: readonly string[] | undefined;
  readonly communities?: CommunityMatch<StandardCommunity> | undefined;
  readonly extendedCommunities?: CommunityMatch<ExtendedCommunity> | undefined;
  readonly largeCommunities?: CommunityMatch<LargeCommunity> | undefined;
  readonly asPath?: AsPathMatch | undefined;
}

/**
 * Prefixes inside `prefix` that are `ge` to `le` bits long. Neither given: exactly `prefix`; only `ge`: up to the
 * longest.
 */
export interface PrefixRange {
  readonly prefix: Prefix;
  readonly ge?: number | undefined;
  readonly le?: number | undefined;
}

/** Each list that is given must hold. */
export interface CommunityMatch<T> {
  readonly any?: readonly T[] | undefined;
  readonly all?: readonly T[] | undefined;
  readonly none?: readonly T[] | undefined;
}

/**
 * Each field that is given must hold. The path is read as the sequence of all its numbers, members of sets included.
 */
export interface AsPathMatch {
  /** Any of these stands somewhere in the path. */
  readonly contains?: readonly number[] | undefined;
  /** The path begins with exactly these: the neighbour first. */
  readonly startsWith?: readonly number[] | undefined;
  /** Its last number is one of these. */
  readonly originatedBy?: readonly number[] | undefined;
  /** Bounds for the length as route selection counts it (RFC 4271 §9.1.2.2 a). */
  readonly lengthMin?: number | undefined;
  readonly lengthMax?: number | undefined;
}

export interface Changes {
  readonly localPref?: number | undefined;
  readonly med?: number | 'remove' | undefined;
  readonly communities?: CommunityChange<StandardCommunity> | undefined;
  readonly extendedCommunities?: CommunityChange<ExtendedCommunity> | undefined;
  readonly largeCommunities?: CommunityChange<LargeCommunity> | undefined;
  /** Put in front of the path, in this order; on export our own number goes before them. */
  readonly prepend?: readonly number[] | undefined;
  /** `self`: our address on the session, on import the sender's. */
  readonly nextHop?: IpAddress | 'self' | undefined;
}

/** `replace` first, then `remove`, then `add`. */
export interface CommunityChange<T> {
  readonly replace?: readonly T[] | undefined;
  readonly remove?: readonly T[] | undefined;
  readonly add?: readonly T[] | undefined;
}

export const Policy = {
  all: { statements: [], otherwise: 'accept' } as Policy,
  /** The default for import. */
  none: { statements: [], otherwise: 'reject' } as Policy,
  /** The default for export: a speaker never becomes transit by accident. */
  originated: { statements: [{ match: { source: 'originated' }, action: 'accept' }], otherwise: 'reject' } as Policy,
};
