/**
 * The free addresses of one family in one pool, as the runs they form. Every operation costs the logarithm of the
 * number of runs: a /8 with one free address and a /64 with one taken are both a single comparison away, and nothing is
 * ever scanned. Runs are columns of 64-bit words in sorted chunks, at least half full: 16 to 32 bytes a run for IPv4,
 * 32 to 64 for IPv6.
 */
import type { Family } from '../net/ip.ts';
import type { Interval } from './pool.ts';

/** Runs in a chunk before it is split in two. */
const chunkMax = 512;
const wordMask = 0xffff_ffff_ffff_ffffn;

/** A run is `first` then `last`, each of one word (IPv4) or two (IPv6, the higher first). */
interface Chunk {
  data: BigUint64Array<ArrayBuffer>;
  count: number;
}
interface Position {
  readonly chunk: number;
  readonly index: number;
}

export class FreeRanges {
  readonly #wide: boolean;
  /** Words in a run. */
  readonly #stride: number;
  #chunks: Chunk[] = [];
  #size = 0n;
  #count = 0;

  /** `runs` are sorted, disjoint and do not touch. */
  constructor(family: Family, runs: readonly Interval[]) {
    this.#wide = family === 'ipv6';
    this.#stride = this.#wide ? 4 : 2;
    for (const { first, last } of runs) {
      this.#insert({ chunk: this.#chunks.length - 1, index: (this.#chunks.at(-1)?.count ?? 0) - 1 }, first, last);
      this.#size += last - first + 1n;
    }
  }

  /** Free addresses. */
  get size(): bigint {
    return this.#size;
  }

  /** Runs they form. */
  get count(): number {
    return this.#count;
  }

  /** Octets that the columns take. */
  get bytes(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.data.byteLength, 0);
  }

  lowest(): bigint | undefined {
    const chunk = this.#chunks[0];
    return chunk === undefined ? undefined : this.#read(chunk, 0);
  }

  has(value: bigint): boolean {
    const at = this.#find(value);
    return at !== undefined && value <= this.#last(at);
  }

  /** False when it was not free. */
  take(value: bigint): boolean {
    const at = this.#find(value);
    if (at === undefined) return false;
    const first = this.#first(at);
    const last = this.#last(at);
    if (value > last) return false;
    if (first === last) this.#remove(at);
    else if (value === first) this.#write(at, 0, value + 1n);
    else {
      this.#write(at, 1, value - 1n);
      if (value < last) this.#insert(at, value + 1n, last);
    }
    this.#size--;
    return true;
  }

  /** False when it was free already. */
  give(value: bigint): boolean {
    const at = this.#find(value);
    if (at !== undefined && value <= this.#last(at)) return false;
    const next = this.#next(at);
    const joinsLeft = at !== undefined && this.#last(at) === value - 1n;
    const joinsRight = next !== undefined && this.#first(next) === value + 1n;
    if (joinsLeft && joinsRight) {
      this.#write(at, 1, this.#last(next));
      this.#remove(next);
    } else if (joinsLeft) this.#write(at, 1, value);
    else if (joinsRight) this.#write(next, 0, value);
    else this.#insert(at ?? { chunk: 0, index: -1 }, value, value);
    this.#size++;
    return true;
  }

  *[Symbol.iterator](): Generator<Interval> {
    for (const [chunk, { count }] of this.#chunks.entries())
      for (let index = 0; index < count; index++)
        yield { first: this.#first({ chunk, index }), last: this.#last({ chunk, index }) };
  }

  /** The last run that does not begin above `value`. */
  #find(value: bigint): Position | undefined {
    const chunk = lastAtMost(this.#chunks.length, at => this.#first({ chunk: at, index: 0 }) <= value);
    if (chunk < 0) return undefined;
    return { chunk, index: lastAtMost(this.#chunk(chunk).count, at => this.#first({ chunk, index: at }) <= value) };
  }

  #next(at: Position | undefined): Position | undefined {
    if (at === undefined) return this.#chunks.length > 0 ? { chunk: 0, index: 0 } : undefined;
    if (at.index + 1 < this.#chunk(at.chunk).count) return { chunk: at.chunk, index: at.index + 1 };
    return at.chunk + 1 < this.#chunks.length ? { chunk: at.chunk + 1, index: 0 } : undefined;
  }

  /** Puts a run behind the one at `after`. */
  #insert(after: Position, first: bigint, last: bigint): void {
    if (this.#chunks.length === 0) {
      this.#chunks.push({ data: new BigUint64Array(this.#stride), count: 0 });
      after = { chunk: 0, index: -1 };
    }
    let chunk = this.#chunk(after.chunk);
    let index = after.index + 1;
    if (chunk.count === chunkMax) {
      const upper = this.#split(after.chunk);
      if (index > chunk.count) {
        index -= chunk.count;
        chunk = upper;
      }
    }
    this.#reserve(chunk);
    chunk.data.copyWithin((index + 1) * this.#stride, index * this.#stride, chunk.count * this.#stride);
    chunk.count++;
    this.#put(chunk, index * this.#stride, first);
    this.#put(chunk, index * this.#stride + this.#stride / 2, last);
    this.#count++;
  }

  #remove({ chunk: at, index }: Position): void {
    const chunk = this.#chunk(at);
    chunk.data.copyWithin(index * this.#stride, (index + 1) * this.#stride, chunk.count * this.#stride);
    chunk.count--;
    this.#count--;
    const next = this.#chunks[at + 1];
    if (chunk.count === 0) this.#chunks.splice(at, 1);
    else if (next !== undefined && chunk.count + next.count <= chunkMax / 2) this.#merge(at, chunk, next);
    else if (chunk.count * 2 * this.#stride < chunk.data.length) this.#resize(chunk, Math.ceil(chunk.count * 1.25));
  }

  #split(at: number): Chunk {
    const lower = this.#chunk(at);
    const half = lower.count >>> 1;
    const upper = {
      data: lower.data.slice(half * this.#stride, lower.count * this.#stride),
      count: lower.count - half,
    };
    lower.count = half;
    this.#resize(lower, Math.ceil(half * 1.5));
    this.#chunks.splice(at + 1, 0, upper);
    return upper;
  }

  #merge(at: number, chunk: Chunk, next: Chunk): void {
    const count = chunk.count + next.count;
    this.#resize(chunk, count);
    chunk.data.set(next.data.subarray(0, next.count * this.#stride), chunk.count * this.#stride);
    chunk.count = count;
    this.#chunks.splice(at + 1, 1);
  }

  /** Makes room for one more run. */
  #reserve(chunk: Chunk): void {
    if ((chunk.count + 1) * this.#stride > chunk.data.length)
      this.#resize(chunk, Math.min(chunkMax, Math.ceil((chunk.count + 1) * 1.5)));
  }

  #resize(chunk: Chunk, capacity: number): void {
    const data = new BigUint64Array(capacity * this.#stride);
    data.set(chunk.data.subarray(0, Math.min(chunk.count, capacity) * this.#stride));
    chunk.data = data;
  }

  #chunk(at: number): Chunk {
    const chunk = this.#chunks[at];
    if (chunk === undefined) throw new RangeError(`no chunk ${at}`);
    return chunk;
  }

  #first({ chunk, index }: Position): bigint {
    return this.#read(this.#chunk(chunk), index * this.#stride);
  }

  #last({ chunk, index }: Position): bigint {
    return this.#read(this.#chunk(chunk), index * this.#stride + this.#stride / 2);
  }

  #write({ chunk, index }: Position, end: 0 | 1, value: bigint): void {
    this.#put(this.#chunk(chunk), index * this.#stride + (end * this.#stride) / 2, value);
  }

  #read(chunk: Chunk, word: number): bigint {
    const high = chunk.data[word] ?? 0n;
    return this.#wide ? (high << 64n) | (chunk.data[word + 1] ?? 0n) : high;
  }

  #put(chunk: Chunk, word: number, value: bigint): void {
    if (this.#wide) {
      chunk.data[word] = value >> 64n;
      chunk.data[word + 1] = value & wordMask;
    } else chunk.data[word] = value;
  }
}

/**
 * The last of `length` places for which `holds`, given that it holds for none after one for which it does not; or -1.
 */
export function lastAtMost(length: number, holds: (at: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
