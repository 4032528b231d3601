/**
 * Attribute sets interned by their octets: equal sets have one id, a small integer that indexes columns. Ids are
 * counted references; a set that nobody refers to is forgotten, and its id and its place are used again for one of
 * about its length. Id 0 is no set.
 */
import {
  discard,
  type I32,
  nextCapacity,
  resizedI32,
  resizedU8,
  resizedU16,
  resizedU32,
  type U8,
  type U16,
  type U32,
} from './columns.ts';

const SLOTS_MIN = 1024;
const OCTETS_MIN = 65_536;
/** Places are multiples of this many octets. */
const GRAIN = 8;
/** Longest set: what an extended message can hold (RFC 8654). */
const ATTRIBUTE_SET_MAX = 65_535;

export class AttributeStore {
  /** The octets of all sets. Replaced when it grows: read it again after `obtain`. */
  bytes: U8 = new Uint8Array(0);
  /** Where a set begins, in units of 8 octets. */
  place: U32 = new Uint32Array(0);
  length: U16 = new Uint16Array(0);
  references: U32 = new Uint32Array(0);
  /** Ids from 1 to below this have been in use at some time. */
  top = 1;
  /** Sets in use. */
  size = 0;
  #hashes: I32 = new Int32Array(0);
  #slots: U32 = new Uint32Array(SLOTS_MIN);
  /** First free id by length of its place in grains; further ones are linked through `references`. */
  #free = new Map<number, number>();
  #octets = 0;
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed | 0;
  }

  at(id: number): number {
    return (this.place[id] as number) * GRAIN;
  }

  hash(bytes: Uint8Array, at: number, end: number): number {
    let hash = this.#seed ^ (end - at);
    for (; at + 4 <= end; at += 4) {
      const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
      const word = low | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
      hash = Math.imul(hash ^ word, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    for (; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 16), 0xc2b2ae35);
    return hash ^ (hash >>> 13);
  }

  /** The id of these octets, or 0. `hash` is theirs. */
  find(bytes: Uint8Array, at: number, end: number, hash: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const id = slots[slot] as number;
      if (id === 0 || (this.#hashes[id] === hash && this.#equals(id, bytes, at, end))) return id;
    }
  }

  /** Takes a set that `find` did not find. It has no reference yet: `retain` it, or `release` it unused. */
  add(bytes: Uint8Array, at: number, end: number, hash: number): number {
    const length = end - at;
    if (length > ATTRIBUTE_SET_MAX) throw new RangeError(`an attribute set of ${length} octets`);
    if ((this.size + 1) * 4 > this.#slots.length * 3) this.#rehash(this.#slots.length * 2);
    const id = this.#allocate(length);
    const to = this.at(id);
    const own = this.bytes;
    for (let i = 0; i < length; i++) own[to + i] = bytes[at + i] as number;
    this.length[id] = length;
    this.references[id] = 0;
    this.#hashes[id] = hash;
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = id;
    this.size++;
    return id;
  }

  /** `find`, or else `add`. */
  obtain(bytes: Uint8Array, at: number, end: number): number {
    const hash = this.hash(bytes, at, end);
    return this.find(bytes, at, end, hash) || this.add(bytes, at, end, hash);
  }

  retain(id: number): void {
    this.references[id] = (this.references[id] as number) + 1;
  }

  /** Gives back one reference; a set that has none any more is forgotten. Id 0 is ignored. */
  release(id: number): void {
    if (id === 0) return;
    const left = (this.references[id] as number) - 1;
    if (left > 0) this.references[id] = left;
    else this.#forget(id);
  }

  /** A copy of the octets of a set. */
  copy(id: number): Uint8Array {
    const at = this.at(id);
    return this.bytes.slice(at, at + (this.length[id] as number));
  }

  #equals(id: number, bytes: Uint8Array, at: number, end: number): boolean {
    if (this.length[id] !== end - at) return false;
    const own = this.bytes;
    let from = this.at(id);
    for (; at < end; at++, from++) if (own[from] !== bytes[at]) return false;
    return true;
  }

  #allocate(length: number): number {
    const grains = Math.max(1, Math.ceil(length / GRAIN));
    const reused = this.#free.get(grains) ?? 0;
    if (reused !== 0) {
      this.#free.set(grains, this.references[reused] as number);
      return reused;
    }
    const id = this.top++;
    if (id >= this.place.length) this.#growIds(nextCapacity(this.place.length, id + 1));
    const end = this.#octets + grains * GRAIN;
    if (end > this.bytes.length)
      this.bytes = resizedU8(this.bytes, nextCapacity(this.bytes.length, Math.max(end, OCTETS_MIN)));
    this.place[id] = this.#octets / GRAIN;
    this.#octets = end;
    return id;
  }

  #forget(id: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let gap = (this.#hashes[id] as number) & mask;
    while (slots[gap] !== id) gap = (gap + 1) & mask;
    for (let slot = (gap + 1) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const home = (this.#hashes[slots[slot] as number] as number) & mask;
      if (((slot - home) & mask) < ((slot - gap) & mask)) continue;
      slots[gap] = slots[slot] as number;
      gap = slot;
    }
    slots[gap] = 0;
    const grains = Math.max(1, Math.ceil((this.length[id] as number) / GRAIN));
    this.references[id] = this.#free.get(grains) ?? 0;
    this.#free.set(grains, id);
    if (--this.size === 0) this.#reset();
  }

  #growIds(capacity: number): void {
    this.place = resizedU32(this.place, capacity);
    this.length = resizedU16(this.length, capacity);
    this.references = resizedU32(this.references, capacity);
    this.#hashes = resizedI32(this.#hashes, capacity);
  }

  #rehash(slotCount: number): void {
    const old = this.#slots;
    const slots = new Uint32Array(slotCount);
    const mask = slotCount - 1;
    for (const id of old) {
      if (id === 0) continue;
      let slot = (this.#hashes[id] as number) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = id;
    }
    this.#slots = slots;
    discard(old);
  }

  /** Nothing is left: gives the memory back. */
  #reset(): void {
    this.top = 1;
    this.#octets = 0;
    this.#free.clear();
    discard(this.#slots);
    this.#slots = new Uint32Array(SLOTS_MIN);
    this.bytes = resizedU8(this.bytes, 0);
    this.#growIds(0);
  }
}
