/**
 * The prefixes of one family: each is a row, a small integer that indexes the columns. Found by open addressing over
 * (address, length) with linear probing; a removed entry is closed by shifting the following ones back, so there are
 * no tombstones. A slot holds, beside the row, how far it is from where its hash put it, and some more of the hash:
 * so keys are hardly ever looked at in vain, and moving entries needs no keys at all. Rows are used again once freed.
 */
import { discard, type I32, nextCapacity, resizedI32, resizedU8, resizedU32, type U8, type U32 } from './columns.ts';

/** Stands in `length` for a row that is not in use. */
const FREE_ROW = 255;

const SLOT_BITS_MIN = 10;
/** Bits of a slot for the distance; as many as fit say that it is at least that. */
const DISTANCE_BITS = 4;
const DISTANCE_MAX = 15;

export class RibRows {
  /** 32-bit words in an address: 1 or 4. */
  readonly words: 1 | 4;
  /** `words` of them for each row, the most significant first, signed. */
  key: I32 = new Int32Array(0);
  length: U8 = new Uint8Array(0);
  /** First path of the row, its best one when it has one; 0: no path. Links free rows. */
  head: U32 = new Uint32Array(0);
  /** Index into `decisionSteps`: why the best path is the best. */
  step: U8 = new Uint8Array(0);
  /** Rows from 0 to here have been in use at some time. */
  top = 0;
  /** Rows in use. */
  size = 0;
  /** How often all rows have been forgotten: row numbers from before mean nothing. */
  era = 0;
  /**
   * From the lowest bit: row + 1 in `#bits` bits, the distance in 4, and in the rest the bits of the hash that follow
   * the `#bits` ones which said where it belongs. 0: empty.
   */
  #slots: I32 = new Int32Array(1 << SLOT_BITS_MIN);
  #bits = SLOT_BITS_MIN;
  #free = 0;
  readonly #seed: number;

  constructor(words: 1 | 4, seed: number) {
    this.words = words;
    this.#seed = seed | 0;
  }

  /** The row of a prefix whose host bits are zero, or -1. Words are signed; those past `words` are ignored. */
  find(w0: number, w1: number, w2: number, w3: number, length: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    const bits = this.#bits;
    const hash = this.#hash(w0, w1, w2, w3, length);
    const tagMask = -1 << (bits + DISTANCE_BITS);
    const tag = hash << bits;
    for (let slot = hash >>> (32 - bits); ; slot = (slot + 1) & mask) {
      const entry = slots[slot] as number;
      if (entry === 0) return -1;
      if (((entry ^ tag) & tagMask) !== 0) continue;
      const row = (entry & mask) - 1;
      if (this.#is(row, w0, w1, w2, w3, length)) return row;
    }
  }

  /** The row of the prefix, made when there is none. */
  obtain(w0: number, w1: number, w2: number, w3: number, length: number): number {
    const found = this.find(w0, w1, w2, w3, length);
    if (found >= 0) return found;
    if ((this.size + 1) * 4 > this.#slots.length * 3) this.#double();
    const row = this.#allocate();
    this.#setKey(row, w0, w1, w2, w3, length);
    this.#link(this.#slots, this.#bits, this.#hash(w0, w1, w2, w3, length), row);
    return row;
  }

  /** Forgets the prefix; the row must have no path. */
  free(row: number): void {
    this.#unlink(row);
    this.length[row] = FREE_ROW;
    this.head[row] = this.#free;
    this.#free = row + 1;
    this.size--;
    if (this.size === 0) this.#reset();
  }

  inUse(row: number): boolean {
    return this.length[row] !== FREE_ROW;
  }

  #is(row: number, w0: number, w1: number, w2: number, w3: number, length: number): boolean {
    if (this.length[row] !== length) return false;
    const key = this.key;
    if (this.words === 1) return key[row] === w0;
    const at = row * 4;
    return key[at] === w0 && key[at + 1] === w1 && key[at + 2] === w2 && key[at + 3] === w3;
  }

  #setKey(row: number, w0: number, w1: number, w2: number, w3: number, length: number): void {
    const at = row * this.words;
    this.length[row] = length;
    this.head[row] = 0;
    this.key[at] = w0;
    if (this.words === 1) return;
    this.key[at + 1] = w1;
    this.key[at + 2] = w2;
    this.key[at + 3] = w3;
  }

  #hash(w0: number, w1: number, w2: number, w3: number, length: number): number {
    let hash = Math.imul(w0 ^ this.#seed ^ (length << 1), 0x9e3779b1);
    if (this.words === 4) {
      hash = Math.imul((hash ^ (hash >>> 15)) + w1, 0x85ebca6b);
      hash = Math.imul((hash ^ (hash >>> 13)) + w2, 0xc2b2ae35);
      hash = Math.imul((hash ^ (hash >>> 16)) + w3, 0x27d4eb2f);
    }
    return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  }

  #hashOf(row: number): number {
    const key = this.key;
    const at = row * this.words;
    if (this.words === 1) return this.#hash(key[at] as number, 0, 0, 0, this.length[row] as number);
    const [w0, w1] = [key[at] as number, key[at + 1] as number];
    return this.#hash(w0, w1, key[at + 2] as number, key[at + 3] as number, this.length[row] as number);
  }

  #allocate(): number {
    this.size++;
    if (this.#free !== 0) {
      const row = this.#free - 1;
      this.#free = this.head[row] as number;
      return row;
    }
    const row = this.top++;
    if (row >= this.length.length) this.#grow(nextCapacity(this.length.length, row + 1));
    return row;
  }

  #grow(capacity: number): void {
    this.key = resizedI32(this.key, capacity * this.words);
    this.length = resizedU8(this.length, capacity);
    this.head = resizedU32(this.head, capacity);
    this.step = resizedU8(this.step, capacity);
  }

  /** Puts the row into the first empty slot from where its hash says. */
  #link(slots: I32, bits: number, hash: number, row: number): void {
    const mask = slots.length - 1;
    let slot = hash >>> (32 - bits);
    let distance = 0;
    for (; slots[slot] !== 0; slot = (slot + 1) & mask) distance++;
    slots[slot] = entryOf(bits, hash << bits, distance, row);
  }

  /** Twice as many slots. Old entries are gone through in their order, which is nearly the new one. */
  #double(): void {
    const old = this.#slots;
    const mask = old.length - 1;
    const bits = this.#bits;
    const slots = new Int32Array(old.length * 2);
    for (let slot = 0; slot < old.length; slot++) {
      const entry = old[slot] as number;
      if (entry === 0) continue;
      const row = (entry & mask) - 1;
      const distance = (entry >>> bits) & DISTANCE_MAX;
      const home = (slot - distance) & mask;
      const tag = (entry & (-1 << (bits + DISTANCE_BITS))) >>> bits;
      this.#link(slots, bits + 1, distance < DISTANCE_MAX ? (home << (32 - bits)) | tag : this.#hashOf(row), row);
    }
    this.#slots = slots;
    this.#bits = bits + 1;
    discard(old);
  }

  /** Takes the row out of the slots and closes the gap: whatever may come nearer to its own place does. */
  #unlink(row: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    const bits = this.#bits;
    let gap = this.#hashOf(row) >>> (32 - bits);
    while (((slots[gap] as number) & mask) !== row + 1) gap = (gap + 1) & mask;
    for (let slot = (gap + 1) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const entry = slots[slot] as number;
      const moved = (entry & mask) - 1;
      let distance = (entry >>> bits) & DISTANCE_MAX;
      if (distance === DISTANCE_MAX) distance = (slot - (this.#hashOf(moved) >>> (32 - bits))) & mask;
      const nearer = (slot - gap) & mask;
      if (distance < nearer) continue;
      slots[gap] = entryOf(bits, entry, distance - nearer, moved);
      gap = slot;
    }
    slots[gap] = 0;
  }

  /** Nothing is left: gives the memory back. */
  #reset(): void {
    this.era++;
    this.top = 0;
    this.#free = 0;
    discard(this.#slots);
    this.#bits = SLOT_BITS_MIN;
    this.#slots = new Int32Array(1 << SLOT_BITS_MIN);
    this.#grow(0);
  }
}

/** A slot's word; of `tag` only the bits above row and distance are taken. */
function entryOf(bits: number, tag: number, distance: number, row: number): number {
  const near = distance < DISTANCE_MAX ? distance : DISTANCE_MAX;
  return (tag & (-1 << (bits + DISTANCE_BITS))) | (near << bits) | (row + 1);
}
