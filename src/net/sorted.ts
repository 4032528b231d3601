/** Sorted lists that are never changed: the next one is a copy with the changes worked in. */

/** `value` takes the place of what sorts equal to `at`; undefined only removes it. */
export interface Replacement<K, T> {
  readonly at: K;
  readonly value: T | undefined;
}

/** Joined by one call: its arguments lie on the stack. */
const piecesMax = 1000;

/**
 * `sorted` with the changes worked in, no two of which are at the same place; the list itself when there are none. It
 * is cut into pieces which are joined once: the whole is not sorted, and no array grows on its way, for with lists this
 * long those are what a process's memory is made of.
 */
export function withChanges<K extends object, T extends K>(
  sorted: readonly T[],
  changes: readonly Replacement<K, T>[],
  compare: (a: K, b: K) => number,
): readonly T[] {
  if (changes.length === 0) return sorted;
  const pieces: (readonly T[])[] = [];
  let from = 0;
  for (const { at, value } of changes.toSorted((a, b) => compare(a.at, b.at))) {
    const place = lowerBound(sorted, at, compare, from);
    if (place > from) pieces.push(sorted.slice(from, place));
    if (value !== undefined) pieces.push([value]);
    const here = sorted[place];
    from = here !== undefined && compare(here, at) === 0 ? place + 1 : place;
  }
  pieces.push(sorted.slice(from));
  return pieces.length <= piecesMax ? ([] as T[]).concat(...pieces) : pieces.flat();
}

/** Index of the first that does not sort before `at`, searching from `from`. */
export function lowerBound<K extends object, T extends K>(
  sorted: readonly T[],
  at: K,
  compare: (a: K, b: K) => number,
  from = 0,
): number {
  let low = from;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = sorted[middle];
    if (item !== undefined && compare(item, at) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
