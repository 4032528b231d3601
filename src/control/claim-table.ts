/**
 * Places (prefixes, addresses) and who claims them: the seam that makes recomputation incremental. Each owner states
 * all its claims; only places whose claims changed are built anew, and the sorted result keeps every other value by
 * identity.
 */
import { sameValue } from '../net/equal.ts';
import { type Replacement, withChanges } from '../net/sorted.ts';

/** `key` is the canonical text of `place`. */
export interface Contribution<P, C> {
  readonly key: string;
  readonly place: P;
  readonly claim: C;
}

/** How a table makes its values. */
export interface ClaimRules<P, C, R> {
  /** What stands at a place that has claims, given in order. Undefined: nothing after all. */
  build(place: P, claims: readonly C[], key: string): R | undefined;
  /** Orders the claims on one place, so that it does not matter who came first. */
  compareClaims(a: C, b: C): number;
  compareValues(a: R, b: R): number;
  /** Told of every value that is made or goes. */
  changed?(before: R | undefined, after: R | undefined): void;
}

/** Nearly every place has one claim, and an aggregate may have thousands: an array for the one, a set for the other. */
interface Place<P, C, R> {
  readonly key: string;
  readonly place: P;
  claims: readonly C[] | Set<C>;
  value: R | undefined;
  touched: boolean;
}

export class ClaimTable<P, C, R extends object> {
  readonly #rules: ClaimRules<P, C, R>;
  readonly #byOwner = new Map<string, readonly Contribution<P, C>[]>();
  readonly #places = new Map<string, Place<P, C, R>>();
  #touched: Place<P, C, R>[] = [];
  #values: readonly R[] = [];

  constructor(rules: ClaimRules<P, C, R>) {
    this.#rules = rules;
  }

  /** Everything this owner claims now. */
  state(owner: string, claims: readonly Contribution<P, C>[]): void {
    const before = this.#byOwner.get(owner);
    if (sameClaims(before ?? none, claims)) return;
    for (const { key, claim } of before ?? []) {
      const here = this.#places.get(key);
      if (here !== undefined) this.#touch(here).claims = without(here.claims, claim);
    }
    for (const { key, place, claim } of claims) {
      let here = this.#places.get(key);
      if (here === undefined) {
        here = { key, place, claims: none, value: undefined, touched: false };
        this.#places.set(key, here);
      }
      this.#touch(here).claims = including(here.claims, claim);
    }
    if (claims.length === 0) this.#byOwner.delete(owner);
    else this.#byOwner.set(owner, claims);
  }

  /** Sorted; the same array when nothing was stated since. */
  values(): readonly R[] {
    const changes: Replacement<R, R>[] = [];
    for (const here of this.#touched) {
      const before = here.value;
      here.touched = false;
      here.value = this.#build(here);
      if (size(here.claims) === 0) this.#places.delete(here.key);
      this.#rules.changed?.(before, here.value);
      const at = before ?? here.value;
      if (at !== undefined) changes.push({ at, value: here.value });
    }
    this.#touched = [];
    this.#values = withChanges(this.#values, changes, this.#rules.compareValues);
    return this.#values;
  }

  #touch(here: Place<P, C, R>): Place<P, C, R> {
    if (!here.touched) this.#touched.push(here);
    here.touched = true;
    return here;
  }

  #build({ key, place, claims }: Place<P, C, R>): R | undefined {
    const count = size(claims);
    if (count === 0) return undefined;
    const list = count === 1 && Array.isArray(claims) ? claims : [...claims].sort(this.#rules.compareClaims);
    return this.#rules.build(place, list, key);
  }
}

const none: readonly never[] = [];

/** A Service is read again for every change of its endpoints, and mostly claims what it did. */
function sameClaims<P, C>(a: readonly Contribution<P, C>[], b: readonly Contribution<P, C>[]): boolean {
  return a.length === b.length && a.every(({ key, claim }, i) => key === b[i]?.key && sameValue(claim, b[i].claim));
}

function size<C>(claims: readonly C[] | Set<C>): number {
  return claims instanceof Set ? claims.size : claims.length;
}

function including<C>(claims: readonly C[] | Set<C>, claim: C): readonly C[] | Set<C> {
  if (claims instanceof Set) return claims.add(claim);
  return claims.length === 0 ? [claim] : new Set([...claims, claim]);
}

function without<C>(claims: readonly C[] | Set<C>, claim: C): readonly C[] | Set<C> {
  if (!(claims instanceof Set)) return claims[0] === claim ? none : claims;
  claims.delete(claim);
  return claims;
}
