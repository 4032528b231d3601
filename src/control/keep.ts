/**
 * Keeping what did not change. What is compiled from objects is compared with its predecessor and, when it says the
 * same, the predecessor stays: a status or a heartbeat written into an object then disturbs nothing downstream.
 */
import { sameValue } from '../net/equal.ts';

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
