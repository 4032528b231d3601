/** What the allocator keeps for each claim, and how it finds the few that changed among a hundred thousand. */
import type { IpAddress } from '../net/ip.ts';
import { Claim } from './claim.ts';
import type { Holding } from './holdings.ts';
import type { Refusal, Release } from './reason.ts';
import type { Group } from './space.ts';

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
export interface Entry {
  claim: Claim;
  holdings: Holding<Entry>[];
  refusals: readonly Refusal[];
  released: Release[] | undefined;
  allocation: Allocation;
  /** The selectors that match it, kept while it is waiting for an address. */
  groups: readonly Group[] | undefined;
  /** New or edited: addresses to look at again before they count as held. */
  recall: readonly IpAddress[] | undefined;
  /** Something about it changed in this pass. */
  dirty: boolean;
  /** It is among those that lack something. */
  waiting: boolean;
  gone: boolean;
}

const none: readonly never[] = [];
/** Shared by all that have none; never pushed to. */
const noHoldings: never[] = [];
export const nothing: Allocation = { addresses: none, refusals: none, released: none };

export const Entry = {
  /** Of a claim never seen before, whose status says what it holds. */
  of(claim: Claim): Entry {
    return {
      claim,
      holdings: noHoldings,
      refusals: none,
      released: undefined,
      allocation: nothing,
      groups: undefined,
      recall: claim.held,
      dirty: false,
      waiting: false,
      gone: false,
    };
  },
};

/** Claims sorted by namespace and name, and the entry of each. */
export interface Walked {
  readonly claims: readonly Claim[];
  readonly entries: readonly Entry[];
}

export interface Walk {
  readonly list: Walked;
  /** Of claims never seen before. */
  readonly added: readonly Entry[];
  /** Whose claims are another value than before; each is given to `replace` with its new claim. */
  readonly replaced: readonly { readonly entry: Entry; readonly claim: Claim }[];
  readonly gone: readonly Entry[];
}

/**
 * What changed between two sorted lists whose unchanged claims are the same values. What is the same at both ends is
 * copied without a look at the claims themselves: one change among a hundred thousand costs a fraction of a
 * millisecond.
 */
export function walk(before: Walked, claims: readonly Claim[]): Walk {
  const head = commonHead(before.claims, claims);
  const tail = commonTail(before.claims, claims, head);
  const end = before.claims.length - tail;
  const middle = walkEach(before, head, end, claims, claims.length - tail);
  const { added, gone } = middle;
  const sameEntries = added.length === 0 && gone.length === 0;
  const entries = sameEntries ? before.entries : spliced(before.entries, head, end, middle.entries);
  return { ...middle, list: { claims, entries } };
}

/** The same for the part from `at` up to `end` in the old list and up to `claimsEnd` in the new. */
function walkEach(before: Walked, at: number, end: number, claims: readonly Claim[], claimsEnd: number) {
  const entries: Entry[] = [];
  const added: Entry[] = [];
  const replaced: { entry: Entry; claim: Claim }[] = [];
  const gone: Entry[] = [];
  const known = () => (at < end ? before.entries[at] : undefined);
  for (let i = at; i < claimsEnd; i++) {
    const claim = claims[i];
    if (claim === undefined) throw new RangeError('claims have no gaps');
    let old = known();
    while (old !== undefined && old.claim !== claim && Claim.compareNames(old.claim, claim) < 0) {
      gone.push(old);
      at++;
      old = known();
    }
    if (old !== undefined && old.claim !== claim && Claim.compareNames(old.claim, claim) !== 0) old = undefined;
    if (old !== undefined) at++;
    if (old !== undefined && old.claim.uid === claim.uid) {
      if (old.claim !== claim) replaced.push({ entry: old, claim });
      entries.push(old);
      continue;
    }
    // Another uid under the same name is another object.
    if (old !== undefined) gone.push(old);
    const entry = Entry.of(claim);
    added.push(entry);
    entries.push(entry);
  }
  for (let old = known(); old !== undefined; old = known()) {
    gone.push(old);
    at++;
  }
  return { entries, added, replaced, gone };
}

function spliced(list: readonly Entry[], head: number, end: number, middle: readonly Entry[]): readonly Entry[] {
  // One copy for a few, and no argument list of a hundred thousand for the many.
  if (middle.length < 1000) return list.toSpliced(head, end - head, ...middle);
  return list.slice(0, head).concat(middle, list.slice(end));
}

function commonHead(a: readonly Claim[], b: readonly Claim[]): number {
  const length = Math.min(a.length, b.length);
  let at = 0;
  while (at < length && a[at] === b[at]) at++;
  return at;
}

function commonTail(a: readonly Claim[], b: readonly Claim[], head: number): number {
  let i = a.length;
  let j = b.length;
  while (i > head && j > head && a[i - 1] === b[j - 1]) {
    i--;
    j--;
  }
  return a.length - i;
}
