/**
 * Netlink messages as bytes (linux/netlink.h): a header, a fixed structure, attributes; all in the machine's own order
 * unless an attribute says otherwise. One writer holds many messages, which the kernel takes in one call.
 */
import { endianness } from 'node:os';

export const little = endianness() === 'LE';

const HEADER = 16;
const ATTRIBUTE_HEADER = 4;
/** The upper two bits say "nested" and "network order". */
const ATTRIBUTE_TYPE = 0x3fff;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
/** Of a dump's messages: something changed while it ran. */
const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_DUMP = 0x300;
/** Of an acknowledgement: the request is not repeated in it; attributes follow. */
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;

/** Room for messages, written one after the other. It grows; what `bytes` gives out is valid until the next `reset`. */
export class NetlinkWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;
  #start = 0;

  constructor(capacity = 65_536) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  reset(): void {
    this.#length = 0;
  }

  /** Begins a message; `end` closes it. */
  begin(type: number, flags: number, seq: number): this {
    this.#start = this.#grow(HEADER);
    this.#view.setUint16(this.#start + 4, type, little);
    this.#view.setUint16(this.#start + 6, flags | NLM_F_REQUEST, little);
    this.#view.setUint32(this.#start + 8, seq, little);
    this.#view.setUint32(this.#start + 12, 0, little);
    return this;
  }

  end(): void {
    this.#view.setUint32(this.#start, this.#length - this.#start, little);
  }

  /** Adds a flag to the message that was ended last. */
  flagLast(flag: number): void {
    const at = this.#start + 6;
    this.#view.setUint16(at, this.#view.getUint16(at, little) | flag, little);
  }

  u8(value: number): this {
    const at = this.#grow(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#view.setUint16(at, value, little);
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, little);
    return this;
  }

  put(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  attribute(type: number, bytes: Uint8Array): this {
    return this.u16(ATTRIBUTE_HEADER + bytes.length)
      .u16(type)
      .put(bytes)
      .#align();
  }

  attributeU8(type: number, value: number): this {
    return this.u16(5).u16(type).u8(value).#align();
  }

  attributeU32(type: number, value: number): this {
    return this.u16(8).u16(type).u32(value);
  }

  /** A number in network order. */
  attributeBe16(type: number, value: number): this {
    return this.u16(6)
      .u16(type)
      .u8(value >>> 8)
      .u8(value)
      .#align();
  }

  /** Ends with a zero octet. */
  attributeText(type: number, text: string): this {
    return this.attribute(type, new TextEncoder().encode(`${text}\0`));
  }

  nested(type: number, content: () => void): this {
    const at = this.#grow(ATTRIBUTE_HEADER);
    content();
    this.#view.setUint16(at, this.#length - at, little);
    this.#view.setUint16(at + 2, type, little);
    return this;
  }

  #align(): this {
    const over = this.#length & 3;
    if (over !== 0) {
      const at = this.#grow(4 - over);
      this.#bytes.fill(0, at, this.#length);
    }
    return this;
  }

  /** Before `#bytes` or `#view` are looked at: both may be others afterwards. */
  #grow(more: number): number {
    const at = this.#length;
    if (at + more > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(at + more, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = at + more;
    return at;
  }
}

/** One message of those that were received together; a window over them, valid until the next one is read. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly seq: number;
  /** Who caused it: our own port for answers, another process's for its changes, 0 for the kernel's own. */
  readonly port: number;
  /** All octets behind the header. */
  readonly body: Uint8Array;
}

export const NetlinkMessage = {
  /** Stops at the first one that is cut short: nothing behind it can be trusted. */
  *parse(bytes: Uint8Array): Iterable<NetlinkMessage> {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    while (at + HEADER <= bytes.length) {
      const length = view.getUint32(at, little);
      if (length < HEADER || at + length > bytes.length) return;
      yield {
        type: view.getUint16(at + 4, little),
        flags: view.getUint16(at + 6, little),
        seq: view.getUint32(at + 8, little),
        port: view.getUint32(at + 12, little),
        body: bytes.subarray(at + HEADER, at + length),
      };
      at += (length + 3) & ~3;
    }
  },

  isInterrupted(message: NetlinkMessage): boolean {
    return (message.flags & NLM_F_DUMP_INTR) !== 0;
  },

  /** Of NLMSG_ERROR and NLMSG_DONE: the error number, 0 for success, and the kernel's own words for it. */
  error({ type, flags, body }: NetlinkMessage): { readonly errno: number; readonly text: string | undefined } {
    if (body.length < 4) return { errno: 0, text: undefined };
    const view = new DataView(body.buffer, body.byteOffset, body.length);
    const errno = -view.getInt32(0, little);
    if ((flags & NLM_F_ACK_TLVS) === 0) return { errno, text: undefined };
    let at = 4;
    if (type === NLMSG_ERROR) {
      const original = body.length >= 8 ? view.getUint32(4, little) : 0;
      at += (flags & NLM_F_CAPPED) !== 0 ? HEADER : (original + 3) & ~3;
    }
    const said = Attributes.find(body, at, NLMSGERR_ATTR_MSG);
    return { errno, text: said && Attributes.text(said) };
  },
};

/** The attributes behind a message's fixed structure, as views. */
export const Attributes = {
  /** Calls back with each; stops at one that is cut short. */
  walk(bytes: Uint8Array, at: number, each: (type: number, value: Uint8Array) => void): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    while (at + ATTRIBUTE_HEADER <= bytes.length) {
      const length = view.getUint16(at, little);
      if (length < ATTRIBUTE_HEADER || at + length > bytes.length) return;
      each(view.getUint16(at + 2, little) & ATTRIBUTE_TYPE, bytes.subarray(at + ATTRIBUTE_HEADER, at + length));
      at += (length + 3) & ~3;
    }
  },

  /** The last of that type. */
  find(bytes: Uint8Array, at: number, type: number): Uint8Array | undefined {
    let found: Uint8Array | undefined;
    Attributes.walk(bytes, at, (each, value) => {
      if (each === type) found = value;
    });
    return found;
  },

  /** Zero for one that is too short. */
  u8(value: Uint8Array | undefined): number {
    return value?.[0] ?? 0;
  },

  u32(value: Uint8Array | undefined): number {
    if (value === undefined || value.length < 4) return 0;
    return new DataView(value.buffer, value.byteOffset, 4).getUint32(0, little);
  },

  be16(value: Uint8Array | undefined): number {
    return ((value?.[0] ?? 0) << 8) | (value?.[1] ?? 0);
  },

  /** Up to the first zero octet. */
  text(value: Uint8Array): string {
    const end = value.indexOf(0);
    return new TextDecoder().decode(end < 0 ? value : value.subarray(0, end));
  },
};
