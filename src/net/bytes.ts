/** Octets in network order: a reader that never reads past its end, a writer that grows. */

/** Fewer octets than a field needs. Codecs catch it and answer with their protocol's own error. */
export class ShortReadError extends RangeError {
  override name = 'ShortReadError';
}

/** Walks over octets it does not own; what it hands out are views, not copies. */
export class Reader {
  readonly bytes: Uint8Array;
  /** Index into `bytes` of the next octet to be read. */
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.at;
  }

  u8(): number {
    const at = this.#take(1);
    return this.bytes[at] as number;
  }

  u16(): number {
    const at = this.#take(2);
    return ((this.bytes[at] as number) << 8) | (this.bytes[at + 1] as number);
  }

  u24(): number {
    return this.u8() * 2 ** 16 + this.u16();
  }

  u32(): number {
    return this.u16() * 2 ** 16 + this.u16();
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }

  /** The next `length` octets as a view. */
  take(length: number): Uint8Array {
    const at = this.#take(length);
    return this.bytes.subarray(at, at + length);
  }

  /** A reader over the next `length` octets, which this one then has behind it. */
  sub(length: number): Reader {
    const at = this.#take(length);
    return new Reader(this.bytes, at, at + length);
  }

  /** All that is left, as a view. */
  rest(): Uint8Array {
    return this.take(this.remaining);
  }

  skip(length: number): void {
    this.#take(length);
  }

  #take(length: number): number {
    const at = this.at;
    if (length > this.end - at) throw new ShortReadError(`${length} octets wanted, ${this.end - at} left`);
    this.at = at + length;
    return at;
  }
}

/** Appends octets; lengths that are known only later are patched in. */
export class Writer {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    const at = this.#grow(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    return this.u8(value >>> 8).u8(value);
  }

  u24(value: number): this {
    return this.u8(value >>> 16).u16(value & 0xffff);
  }

  u32(value: number): this {
    return this.u16(value >>> 16).u16(value & 0xffff);
  }

  u64(value: bigint): this {
    return this.u32(Number((value >> 32n) & 0xffff_ffffn)).u32(Number(value & 0xffff_ffffn));
  }

  put(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** Writes over two octets that were put there earlier, at `at`. */
  patchU16(at: number, value: number): this {
    if (at + 2 > this.#length) throw new RangeError(`nothing written at ${at} yet`);
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value;
    return this;
  }

  /** Writes over one octet that was put there earlier, at `at`. */
  patchU8(at: number, value: number): this {
    if (at + 1 > this.#length) throw new RangeError(`nothing written at ${at} yet`);
    this.#bytes[at] = value;
    return this;
  }

  /** A copy of what has been written, which stays as it is whatever this writer does next. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #grow(more: number): number {
    const at = this.#length;
    const needed = at + more;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#length = needed;
    return at;
  }
}
