/**
 * Structural equality of derived values. What is compiled from objects is compared with its predecessor and, when it
 * says the same, the predecessor stays: a status or a heartbeat written into an object then disturbs nothing
 * downstream.
 */

/** Plain data, arrays, maps, sets; and values with an `equals` of their own, such as secrets. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => sameValue(item, b[i]));
  if (a instanceof Map) return b instanceof Map && sameValue([...a], [...b]);
  if (a instanceof Set) return b instanceof Set && sameValue([...a], [...b]);
  if ('equals' in a && typeof a.equals === 'function') return a.equals(b) === true;
  return sameFields(a, b);
}

function sameFields(a: object, b: object): boolean {
  const left = Object.entries(a);
  const right = new Map(Object.entries(b));
  return left.length === right.size && left.every(([key, value]) => right.has(key) && sameValue(value, right.get(key)));
}

/** Remembers one value; an equal successor is answered with the value itself, so that identity means "unchanged". */
export class Stable<T> {
  #last: T | undefined;

  keep(next: T): T {
    if (this.#last === undefined || !sameValue(this.#last, next)) this.#last = next;
    return this.#last;
  }
}

/** Remembers what was derived from the last inputs; inputs are compared by identity. */
export class Memo<I extends readonly unknown[], T> {
  #inputs: I | undefined;
  #value: T | undefined;

  get(inputs: I, derive: () => T): T {
    const last = this.#inputs;
    if (this.#value === undefined || last === undefined || inputs.some((input, i) => input !== last[i])) {
      this.#value = derive();
      this.#inputs = inputs;
    }
    return this.#value;
  }
}
