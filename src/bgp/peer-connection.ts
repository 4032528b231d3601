/**
 * One connection as the speaker sees it: who is at its ends, what has arrived of the next message, what waits to be
 * sent.
 */
import { Framer } from './message.ts';
import type { Open } from './open.ts';
import type { ConnectionId, ConnectionInfo } from './speaker-effect.ts';

export class Connection {
  readonly id: ConnectionId;
  readonly info: ConnectionInfo;
  readonly framer = new Framer();
  sentOpen: Open | undefined;
  receivedOpen: Open | undefined;
  /** The edge was asked to write and has not been told that there is nothing. */
  writing = false;
  #control: Uint8Array[] = [];

  constructor(id: ConnectionId, info: ConnectionInfo) {
    this.id = id;
    this.info = info;
  }

  get hasControl(): boolean {
    return this.#control.length > 0;
  }

  /** A whole message that is not an UPDATE. One that waits already is not queued twice, which bounds the queue. */
  queue(message: Uint8Array): void {
    if (!this.#control.some(waiting => equal(waiting, message))) this.#control.push(message);
  }

  /** Moves what fits to the head of `out`; returns how many octets. */
  takeControl(out: Uint8Array): number {
    let at = 0;
    for (
      let message = this.#control[0];
      message !== undefined && at + message.length <= out.length;
      message = this.#control[0]
    ) {
      out.set(message, at);
      at += message.length;
      this.#control.shift();
    }
    return at;
  }

  /** Everything that waits, and `last` behind it. Undefined when that is nothing. */
  takeLast(last: Uint8Array | undefined): Uint8Array | undefined {
    const messages = last === undefined ? this.#control : [...this.#control, last];
    this.#control = [];
    if (messages.length === 0) return undefined;
    const out = new Uint8Array(messages.reduce((sum, message) => sum + message.length, 0));
    let at = 0;
    for (const message of messages) {
      out.set(message, at);
      at += message.length;
    }
    return out;
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, i) => octet === b[i]);
}
