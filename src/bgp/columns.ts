/**
 * Columns: typed arrays that grow fourfold. What has not been written to yet is address space, not memory:
 * the system gives pages as they are touched, so room to spare is free and old octets are seldom copied. They
 * are freed at once (`ArrayBuffer.transfer` to nothing), not when the garbage collector comes around.
 */

export type U8 = Uint8Array<ArrayBuffer>;
export type U16 = Uint16Array<ArrayBuffer>;
export type U32 = Uint32Array<ArrayBuffer>;
/** Words that are passed around: as signed numbers they never need a heap number. */
export type I32 = Int32Array<ArrayBuffer>;

const CAPACITY_MIN = 256;

/** The next size of a column that holds `capacity` and needs room for `needed`. */
export function nextCapacity(capacity: number, needed: number): number {
  return Math.max(needed, capacity * 4, CAPACITY_MIN);
}

/**
 * The column with room for `capacity` elements, fewer or more; new ones are zero. The old array must not be used
 * again.
 */
export function resizedU8(column: U8, capacity: number): U8 {
  return moved(column, new Uint8Array(capacity));
}

export function resizedU16(column: U16, capacity: number): U16 {
  return moved(column, new Uint16Array(capacity));
}

export function resizedU32(column: U32, capacity: number): U32 {
  return moved(column, new Uint32Array(capacity));
}

export function resizedI32(column: I32, capacity: number): I32 {
  return moved(column, new Int32Array(capacity));
}

/** Gives the memory of a column back at once. It must not be used again. */
export function discard(column: Column): void {
  column.buffer.transfer(0);
}

interface Column {
  readonly buffer: ArrayBuffer;
  readonly length: number;
}

function moved<T extends Column & { set(from: T): void; subarray(at: number, end: number): T }>(from: T, to: T): T {
  to.set(from.length > to.length ? from.subarray(0, to.length) : from);
  discard(from);
  return to;
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
    if (word >= this.#words.length) this.#words = resizedU32(this.#words, nextCapacity(this.#words.length, word + 1));
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
