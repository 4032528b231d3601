/**
 * Columns: typed arrays that grow by a quarter at a time. `ArrayBuffer.transfer` frees the old octets at once, so that growth
 * never holds more than one column twice and leaves nothing to the garbage collector.
 */

export type U8 = Uint8Array<ArrayBuffer>;
export type U16 = Uint16Array<ArrayBuffer>;
export type U32 = Uint32Array<ArrayBuffer>;
/** Words that are passed around: as signed numbers they never need a heap number. */
export type I32 = Int32Array<ArrayBuffer>;

const CAPACITY_MIN = 256;

/** The next size of a column that holds `capacity` and needs room for `needed`. */
export function nextCapacity(capacity: number, needed: number): number {
  return Math.max(needed, capacity + (capacity >>> 2), CAPACITY_MIN);
}

/** The column with room for `capacity` elements; new ones are zero. The old array must not be used again. */
export function grownU8(column: U8, capacity: number): U8 {
  return new Uint8Array(column.buffer.transfer(capacity));
}

export function grownU16(column: U16, capacity: number): U16 {
  return new Uint16Array(column.buffer.transfer(capacity * 2));
}

export function grownU32(column: U32, capacity: number): U32 {
  return new Uint32Array(column.buffer.transfer(capacity * 4));
}

export function grownI32(column: I32, capacity: number): I32 {
  return new Int32Array(column.buffer.transfer(capacity * 4));
}

/** A set of small integers, and how many they are. */
export class Bits {
  #words: U32 = new Uint32Array(0);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(index: number): boolean {
    const word = index >>> 5;
    return word < this.#words.length && (((this.#words[word] as number) >>> (index & 31)) & 1) === 1;
  }

  add(index: number): void {
    const word = index >>> 5;
    if (word >= this.#words.length) this.#words = grownU32(this.#words, nextCapacity(this.#words.length, word + 1));
    const old = this.#words[word] as number;
    const now = old | (1 << (index & 31));
    if (now === (old | 0)) return;
    this.#words[word] = now;
    this.#size++;
  }

  remove(index: number): void {
    if (!this.has(index)) return;
    const word = index >>> 5;
    this.#words[word] = (this.#words[word] as number) & ~(1 << (index & 31));
    this.#size--;
  }
}
