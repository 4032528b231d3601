/**
 * A bounded memory of what attribute sets become: (set, two small numbers) → another set. Each key has one place; a
 * new entry drives out the old one. Both sets are referenced while they are in here, so ids cannot come to mean
 * something else.
 */
import type { AttributeStore } from './attribute-store.ts';

export class SetCache {
  /** What the last successful `find` found. */
  value = 0;
  note = 0;
  readonly #from: AttributeStore;
  readonly #to: AttributeStore;
  readonly #capacity: number;
  /** Five words an entry: set, first, second, value, note. Made when first written to. */
  #entries = new Uint32Array(0);

  /** `capacity` is a power of two. */
  constructor(from: AttributeStore, to: AttributeStore, capacity: number) {
    this.#from = from;
    this.#to = to;
    this.#capacity = capacity;
  }

  find(set: number, first: number, second: number): boolean {
    const entries = this.#entries;
    if (entries.length === 0) return false;
    const at = this.#place(set, first, second);
    if (entries[at] !== set || entries[at + 1] !== first || entries[at + 2] !== second) return false;
    this.value = entries[at + 3] as number;
    this.note = entries[at + 4] as number;
    return true;
  }

  put(set: number, first: number, second: number, value: number, note: number): void {
    if (this.#entries.length === 0) this.#entries = new Uint32Array(this.#capacity * 5);
    const entries = this.#entries;
    const at = this.#place(set, first, second);
    this.#from.retain(set);
    if (value !== 0) this.#to.retain(value);
    this.#drop(at);
    entries[at] = set;
    entries[at + 1] = first;
    entries[at + 2] = second;
    entries[at + 3] = value;
    entries[at + 4] = note;
  }

  clear(): void {
    for (let at = 0; at < this.#entries.length; at += 5) this.#drop(at);
    this.#entries = new Uint32Array(0);
  }

  #drop(at: number): void {
    const entries = this.#entries;
    if (entries[at] === 0) return;
    this.#from.release(entries[at] as number);
    this.#to.release(entries[at + 3] as number);
    entries[at] = 0;
  }

  #place(set: number, first: number, second: number): number {
    const mixed = Math.imul(set ^ Math.imul(first, 0x85ebca6b) ^ Math.imul(second, 0xc2b2ae35), 0x9e3779b1);
    return (((mixed ^ (mixed >>> 15)) & (this.#capacity - 1)) >>> 0) * 5;
  }
}
