/**
 * Places (prefixes, addresses) and who claims them: the seam that makes recomputation incremental. Each owner states all its
 * claims; only places whose claims changed are built anew, and the sorted result keeps every other value by identity.
 */
import { type Replacement, withChanges } from './changes.ts';

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
}

interface Place<P, C, R> {
  readonly place: P;
  claims: Set<C>;
  value: R | undefined;
}

export class ClaimTable<P, C, R extends object> {
  readonly #rules: ClaimRules<P, C, R>;
  readonly #byOwner = new Map<string, readonly Contribution<P, C>[]>();
  readonly #places = new Map<string, Place<P, C, R>>();
  readonly #touched = new Set<string>();
  #values: readonly R[] = [];

  constructor(rules: ClaimRules<P, C, R>) {
    this.#rules = rules;
  }

  /** Everything this owner claims now. */
  state(owner: string, claims: readonly Contribution<P, C>[]): void {
    for (const { key, claim } of this.#byOwner.get(owner) ?? []) {
      this.#places.get(key)?.claims.delete(claim);
      this.#touched.add(key);
    }
    for (const { key, place, claim } of claims) {
      const here = this.#places.get(key);
      if (here === undefined) this.#places.set(key, { place, claims: new Set([claim]), value: undefined });
      else here.claims.add(claim);
      this.#touched.add(key);
    }
    if (claims.length === 0) this.#byOwner.delete(owner);
    else this.#byOwner.set(owner, claims);
  }

  /** Sorted; the same array when nothing was stated since. */
  values(): readonly R[] {
    const changes: Replacement<R>[] = [];
    for (const key of this.#touched) {
      const here = this.#places.get(key);
      if (here === undefined) continue;
      const before = here.value;
      here.value = this.#build(key, here);
      if (here.claims.size === 0) this.#places.delete(key);
      const at = before ?? here.value;
      if (at !== undefined) changes.push({ at, value: here.value });
    }
    this.#touched.clear();
    this.#values = withChanges(this.#values, changes, this.#rules.compareValues);
    return this.#values;
  }

  #build(key: string, { place, claims }: Place<P, C, R>): R | undefined {
    if (claims.size === 0) return undefined;
    const list = [...claims];
    return this.#rules.build(place, list.length === 1 ? list : list.sort(this.#rules.compareClaims), key);
  }
}
