/**
 * Framing: the 19-octet header of every message (RFC 4271 §4.1), its errors (§6.1), and message lengths (§4, RFC 8654
 * §4). What is inside is read by open.ts, route-refresh.ts, notification-codec.ts and the RIB.
 */
import { Writer } from '../net/bytes.ts';
import { BgpError } from './error.ts';
import { Notification } from './notification.ts';

export const HEADER_OCTETS = 19;
export const MESSAGE_OCTETS_MAX = 4096;
/** RFC 8654 §3. */
export const EXTENDED_MESSAGE_OCTETS_MAX = 65_535;
const MARKER_OCTETS = 16;

interface MessageRow {
  readonly type: number;
  /** Whole lengths, header included. */
  readonly min: number;
  readonly max: number;
}

/** RFC 4271 §6.1 has the lengths; OPEN and KEEPALIVE are never extended (RFC 8654 §4). */
export const messageTypes = {
  open: { type: 1, min: 29, max: MESSAGE_OCTETS_MAX },
  update: { type: 2, min: 23, max: EXTENDED_MESSAGE_OCTETS_MAX },
  notification: { type: 3, min: 21, max: EXTENDED_MESSAGE_OCTETS_MAX },
  keepalive: { type: 4, min: HEADER_OCTETS, max: HEADER_OCTETS },
  routeRefresh: { type: 5, min: 23, max: EXTENDED_MESSAGE_OCTETS_MAX },
} as const satisfies Record<string, MessageRow>;

export type MessageName = keyof typeof messageTypes;

const names: readonly (MessageName | undefined)[] = [
  undefined,
  'open',
  'update',
  'notification',
  'keepalive',
  'routeRefresh',
];

/** A whole message around a body that is already octets. */
export function encodeMessage(name: MessageName, body: Uint8Array = nothing): Uint8Array {
  const writer = new Writer(HEADER_OCTETS + body.length);
  for (let i = 0; i < MARKER_OCTETS; i++) writer.u8(0xff);
  return writer
    .u16(HEADER_OCTETS + body.length)
    .u8(messageTypes[name].type)
    .put(body)
    .finish();
}

/**
 * Length of the message whose header is at `at`, once its 19 octets are there.
 * Throws BgpError for a header that makes no sense (RFC 4271 §6.1).
 */
function checkHeader(bytes: Uint8Array, at: number, lengthMax: number): number {
  for (let i = at; i < at + MARKER_OCTETS; i++)
    if (bytes[i] !== 0xff) throw new BgpError(Notification.of('connection not synchronized'));
  const length = ((bytes[at + 16] as number) << 8) | (bytes[at + 17] as number);
  const name = names[bytes[at + 18] as number];
  if (length < HEADER_OCTETS || length > lengthMax) throw badLength(length);
  if (name === undefined) throw new BgpError(Notification.of('bad message type', bytes.slice(at + 18, at + 19)));
  const { min, max } = messageTypes[name];
  if (length < min || length > max) throw badLength(length);
  return length;
}

function badLength(length: number): BgpError {
  const data = Uint8Array.of(length >>> 8, length);
  return new BgpError(Notification.of('bad message length', data), `${length} octets`);
}

/** Takes one whole message; `at` and `end` bound its body. False: read no further. */
export type MessageSink = (name: MessageName, bytes: Uint8Array, at: number, end: number) => boolean;

const nothing = new Uint8Array(0);

/** Cuts what a connection delivers into messages. Keeps at most one unfinished message. */
export class Framer {
  /** Raise it when extended messages have been agreed on (RFC 8654 §4). */
  lengthMax = MESSAGE_OCTETS_MAX;
  #held = nothing;
  #heldLength = 0;
  /** Length of the message being held; undefined while its header is not complete. */
  #wanted: number | undefined;

  /** Octets waiting for the rest of their message. */
  get heldLength(): number {
    return this.#heldLength;
  }

  /** `bytes` is not kept. Throws BgpError for a bad header; the connection is of no use after that. */
  feed(bytes: Uint8Array, sink: MessageSink): void {
    const start = this.#heldLength === 0 ? 0 : this.#finishHeld(bytes, sink);
    if (start === undefined) return;
    let at = start;
    while (bytes.length - at >= HEADER_OCTETS) {
      const length = checkHeader(bytes, at, this.lengthMax);
      if (bytes.length - at < length) {
        this.#wanted = length;
        break;
      }
      const next = at + length;
      if (!sink(names[bytes[at + 18] as number] as MessageName, bytes, at + HEADER_OCTETS, next)) return;
      at = next;
    }
    if (at < bytes.length) this.#hold(bytes, at, bytes.length);
  }

  /**
   * Completes the held message with the head of `bytes`. Returns where the next one starts; undefined when there is
   * none.
   */
  #finishHeld(bytes: Uint8Array, sink: MessageSink): number | undefined {
    let at = 0;
    if (this.#wanted === undefined) {
      at = Math.min(bytes.length, HEADER_OCTETS - this.#heldLength);
      this.#hold(bytes, 0, at);
      if (this.#heldLength < HEADER_OCTETS) return undefined;
      this.#wanted = checkHeader(this.#held, 0, this.lengthMax);
    }
    const wanted = this.#wanted;
    const taken = Math.min(bytes.length - at, wanted - this.#heldLength);
    this.#hold(bytes, at, at + taken);
    if (this.#heldLength < wanted) return undefined;
    this.#heldLength = 0;
    this.#wanted = undefined;
    const name = names[this.#held[18] as number] as MessageName;
    return sink(name, this.#held, HEADER_OCTETS, wanted) ? at + taken : undefined;
  }

  #hold(bytes: Uint8Array, from: number, to: number): void {
    const length = this.#heldLength + to - from;
    if (length > this.#held.length) {
      const grown = new Uint8Array(Math.max(length, this.#wanted ?? HEADER_OCTETS));
      grown.set(this.#held.subarray(0, this.#heldLength));
      this.#held = grown;
    }
    this.#held.set(bytes.subarray(from, to), this.#heldLength);
    this.#heldLength = length;
  }
}
