/** A BGP router that says as little as it may, and notes when each route came and what was taken back. RFC 4271. */
import { createServer, type Server, type Socket } from 'node:net';
import { encodeMessage, HEADER_OCTETS } from '../../../src/bgp/message.ts';
import { encodeOpen } from '../../../src/bgp/open.ts';

const typeOpen = 1;
const typeUpdate = 2;
const holdSeconds = 90;

export class Router {
  readonly #server: Server;
  readonly #asn: number;
  readonly #sockets = new Set<Socket>();
  /** Host routes of IPv4 by address: when they came. */
  readonly heardMs = new Map<string, number>();
  /** Connections so far, and routes that were withdrawn. */
  sessions = 0;
  withdrawals = 0;

  constructor(address: string, port: number, asn: number) {
    this.#asn = asn;
    this.#server = createServer(socket => this.#serve(socket)).listen(port, address);
  }

  get up(): boolean {
    return this.#sockets.size > 0;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    this.sessions++;
    let heard = Buffer.alloc(0);
    const alive = setInterval(() => socket.write(encodeMessage('keepalive')), (holdSeconds * 1000) / 3);
    socket.on('error', () => {});
    socket.on('close', () => {
      clearInterval(alive);
      this.#sockets.delete(socket);
    });
    socket.on('data', chunk => {
      const nowMs = performance.now();
      heard = heard.length === 0 ? chunk : Buffer.concat([heard, chunk]);
      let at = 0;
      while (at + HEADER_OCTETS <= heard.length && at + heard.readUInt16BE(at + 16) <= heard.length) {
        const end = at + heard.readUInt16BE(at + 16);
        const type = heard.readUInt8(at + 18);
        if (type === typeOpen) this.#greet(socket);
        if (type === typeUpdate) this.#update(heard.subarray(at + HEADER_OCTETS, end), nowMs);
        at = end;
      }
      heard = heard.subarray(at);
    });
  }

  #greet(socket: Socket): void {
    const capabilities = [{ kind: 'four-octet AS', asn: this.#asn }] as const;
    socket.write(encodeOpen({ asn16: this.#asn, holdSeconds, routerId: this.#asn, capabilities }));
    socket.write(encodeMessage('keepalive'));
  }

  /** Withdrawn routes, attributes, routes: only /32 matters here. */
  #update(body: Buffer, nowMs: number): void {
    const withdrawnEnd = 2 + body.readUInt16BE(0);
    for (const address of hostRoutes(body.subarray(2, withdrawnEnd))) {
      this.heardMs.delete(address);
      this.withdrawals++;
    }
    const routes = body.subarray(withdrawnEnd + 2 + body.readUInt16BE(withdrawnEnd));
    for (const address of hostRoutes(routes)) if (!this.heardMs.has(address)) this.heardMs.set(address, nowMs);
  }
}

function* hostRoutes(bytes: Buffer): Iterable<string> {
  for (let at = 0; at < bytes.length; ) {
    const octets = Math.ceil((bytes[at] ?? 0) / 8);
    if (octets === 4) yield [...bytes.subarray(at + 1, at + 5)].join('.');
    at += 1 + octets;
  }
}
