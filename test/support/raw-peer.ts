/** A peer that says exactly the octets a test wants, over a socket of its own. */
import { connect, type Socket } from 'node:net';
import { encodeMessage, HEADER_OCTETS } from '../../src/bgp/message.ts';
import { encodeOpen } from '../../src/bgp/open.ts';
import { eventually } from './wait.ts';

export interface RawPeerOptions {
  readonly from: string;
  readonly to: string;
  readonly port: number;
}

export class RawPeer {
  readonly socket: Socket;
  ended = false;
  #heard = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', chunk => {
      this.#heard = Buffer.concat([this.#heard, chunk]);
    });
    socket.on('close', () => {
      this.ended = true;
    });
    socket.on('error', () => {});
  }

  static open({ from, to, port }: RawPeerOptions): RawPeer {
    return new RawPeer(connect({ host: to, port, localAddress: from }));
  }

  /** Message types heard so far, and the body of each. */
  messages(): { readonly type: number; readonly body: Buffer }[] {
    const found = [];
    let at = 0;
    while (at + HEADER_OCTETS <= this.#heard.length) {
      const length = this.#heard.readUInt16BE(at + 16);
      if (at + length > this.#heard.length) break;
      found.push({ type: this.#heard.readUInt8(at + 18), body: this.#heard.subarray(at + HEADER_OCTETS, at + length) });
      at += length;
    }
    return found;
  }

  /** Code, subcode and data of the NOTIFICATION, once it has come. */
  async notification(): Promise<Buffer> {
    const message = await eventually('a NOTIFICATION', () => this.messages().find(({ type }) => type === 3));
    return message.body;
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  sendOpen(asn: number, holdSeconds = 90): void {
    const capabilities = [{ kind: 'four-octet AS', asn }] as const;
    const open = { asn16: asn, holdSeconds, routerId: asn, capabilities };
    this.send(encodeOpen(open));
  }

  sendKeepalive(): void {
    this.send(encodeMessage('keepalive'));
  }

  close(): void {
    this.socket.destroy();
  }
}
