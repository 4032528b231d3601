/** Octets in network order: a reader that never reads past its end, a writer that grows. */

/** Fewer octets than a field needs. Codecs catch it and answer with their protocol's own error. */
export class ShortReadError extends RangeError {
  override name = 'ShortReadError';
}

/** `length` octets of `bytes` at `at`, never those that follow in a larger buffer. Throws ShortReadError. */
export function viewOf(bytes: Uint8Array, at: number, length: number): DataView {
  if (at < 0 || at + length > bytes.length)
    throw new ShortReadError(`${length} octets wanted at ${at}, ${bytes.length} there`);
  return new DataView(bytes.buffer, bytes.byteOffset + at, length);
}

/** Walks over octets it does not own; what it hands out are views, not copies. A read that fails moves nothing. */
export class Reader {
  readonly bytes: Uint8Array;
  /** Index into `bytes` just behind the last octet to be read. */
  readonly end: number;
  #at: number;

  /** Throws RangeError for a part that `bytes` do not have: our mistake, never a peer's. */
  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    if (!(at >= 0 && at <= end && end <= bytes.length))
      throw new RangeError(`octets ${at} to ${end} wanted, ${bytes.length} there`);
    this.bytes = bytes;
    this.end = end;
    this.#at = at;
  }

  /** Index into `bytes` of the next octet to be read. */
  get at(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.end - this.#at;
  }

  u8(): number {
    return this.#octet(this.#take(1));
  }

  u16(): number {
    return this.#pair(this.#take(2));
  }

  u24(): number {
    const at = this.#take(3);
    return (this.#octet(at) << 16) | this.#pair(at + 1);
  }

  u32(): number {
    const at = this.#take(4);
    return ((this.#pair(at) << 16) | this.#pair(at + 2)) >>> 0;
  }

  u64(): bigint {
    return viewOf(this.bytes, this.#take(8), 8).getBigUint64(0);
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

  /** A length below zero is what a length field leaves that counts less than its own header: as short as any other. */
  #take(length: number): number {
    const at = this.#at;
    if (!(length >= 0 && length <= this.end - at))
      throw new ShortReadError(`${length} octets wanted, ${this.end - at} left`);
    this.#at = at + length;
    return at;
  }

  #octet(at: number): number {
    return this.bytes[at] as number;
  }

  #pair(at: number): number {
    return (this.#octet(at) << 8) | this.#octet(at + 1);
  }
}

/**
 * Appends octets; lengths that are known only later are patched in. A value that its field cannot hold is our mistake
 * and throws RangeError, lest a length that wrapped around break the message at the peer.
 */
export class Writer {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacity = 64) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    fits(value, 0xff);
    const at = this.#grow(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    fits(value, 0xffff);
    this.#pair(this.#grow(2), value);
    return this;
  }

  u24(value: number): this {
    fits(value, 0xff_ffff);
    const at = this.#grow(3);
    this.#bytes[at] = value >>> 16;
    this.#pair(at + 1, value);
    return this;
  }

  u32(value: number): this {
    fits(value, 0xffff_ffff);
    const at = this.#grow(4);
    this.#pair(at, value >>> 16);
    this.#pair(at + 2, value);
    return this;
  }

  u64(value: bigint): this {
    if (value < 0n || value >> 64n !== 0n) throw new RangeError(`${value} does not fit in 64 bits`);
    return this.u32(Number(value >> 32n)).u32(Number(value & 0xffff_ffffn));
  }

  put(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** Writes over two octets that were put there earlier, at `at`. */
  patchU16(at: number, value: number): this {
    fits(value, 0xffff);
    this.#written(at, 2);
    this.#pair(at, value);
    return this;
  }

  /** Writes over one octet that was put there earlier, at `at`. */
  patchU8(at: number, value: number): this {
    fits(value, 0xff);
    this.#written(at, 1);
    this.#bytes[at] = value;
    return this;
  }

  /** A copy of what has been written, which stays as it is whatever this writer does next. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** A store into a Uint8Array keeps the low eight bits. */
  #pair(at: number, value: number): void {
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value;
  }

  #written(at: number, length: number): void {
    if (!(at >= 0 && at + length <= this.#length)) throw new RangeError(`nothing written at ${at} yet`);
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

function fits(value: number, max: number): void {
  if (!(value >= 0 && value <= max && Number.isInteger(value)))
    throw new RangeError(`${value} is not within 0 to ${max}`);
}
