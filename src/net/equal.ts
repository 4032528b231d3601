/** Equality of plain values by content: whether what was computed anew says the same as before. */

/**
 * Compares plain data, arrays, maps and sets; values with an `equals` of their own, such as secrets, by that. The
 * order of fields does not matter, and a field that is undefined is as good as one that is absent.
 */
export function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b))
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, i) => sameValue(item, b[i]));
  if (a instanceof Map) return b instanceof Map && sameValue([...a], [...b]);
  if (a instanceof Set) return b instanceof Set && sameValue([...a], [...b]);
  if ('equals' in a && typeof a.equals === 'function') return a.equals(b) === true;
  const ofA = Object.keys(a);
  return ofA.every(key => sameValue(field(a, key), field(b, key))) && Object.keys(b).every(key => isThere(a, b, key));
}

/** How many values two lists begin with, and end with, that are the very same ones; what differs lies between. */
export function commonEnds<T>(a: readonly T[], b: readonly T[]): { readonly head: number; readonly tail: number } {
  const shorter = Math.min(a.length, b.length);
  let head = 0;
  while (head < shorter && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < shorter - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  return { head, tail };
}

function field(object: object, key: string): unknown {
  return Object.hasOwn(object, key) ? (object as Readonly<Record<string, unknown>>)[key] : undefined;
}

/** A field of `b` that `a` lacks must say nothing; one that `a` has was compared already. */
function isThere(a: object, b: object, key: string): boolean {
  return Object.hasOwn(a, key) || field(b, key) === undefined;
}
