/** One TCP connection on Node's event loop, read through a buffer that all connections share. */
import { type Server, Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import type { TransportConfig } from '../bgp/config.ts';
import type { Endpoint } from '../bgp/speaker-effect.ts';
import { IpAddress } from '../net/ip.ts';
import type { Stream, StreamHandler } from '../runtime/transport.ts';
import type { Libc } from './libc.ts';
import { setHops } from './tcp-socket.ts';

/** As much as one read takes from the kernel. */
const READ_OCTETS = 256 * 1024;
/** From the last octet written until a peer that does not read it is cut off. */
const FINISH_MS = 3000;

/** Valid within one callback only, so one buffer does for all connections. */
let shared: Buffer | undefined;

/** What Node's Socket and Server know and do not say in their types; both uses are held by tests. */
interface Internals {
  readonly _handle: {
    readonly fd?: number;
    onconnection?: (status: number, handle: object | undefined) => void;
  } | null;
}

/** What need not be asked of the kernel. */
export interface KnownEnds {
  readonly local?: Endpoint | undefined;
  readonly remote?: Endpoint | undefined;
  /** Whether packets pass routers, and may have to show how many; as a rule they do. */
  readonly hops?: boolean;
}

export class TcpStream implements Stream {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly localAddresses: readonly IpAddress[];
  readonly #socket: Socket;
  readonly #libc: Libc;
  readonly #hasHops: boolean;
  #handler: StreamHandler | undefined;

  constructor(socket: Socket, libc: Libc, known: KnownEnds = {}) {
    this.#socket = socket;
    this.#libc = libc;
    this.#hasHops = known.hops ?? true;
    this.local = known.local ?? endpoint(socket.localAddress, socket.localPort);
    this.remote = known.remote ?? endpoint(socket.remoteAddress, socket.remotePort);
    this.localAddresses = addressesBeside(this.local);
  }

  /** Called once, before anything can be read. */
  attach(handler: StreamHandler): void {
    this.#handler = handler;
    const socket = this.#socket;
    socket.on('end', () => this.#ended('the peer closed the connection'));
    socket.on('error', error => this.#ended(describe(error)));
    socket.on('close', () => this.#ended('the connection closed'));
    // 'end' comes only to a stream that flows; the octets themselves come through the shared buffer.
    socket.resume();
  }

  /** For the shared buffer's callback. */
  received(bytes: Uint8Array): void {
    this.#handler?.data(bytes);
  }

  write(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    if (!socket.writable) return true;
    let sent = false;
    socket.write(bytes, () => {
      if (sent) this.#handler?.drained();
    });
    // Node tries the kernel at once; what it took is off the books when write() returns.
    const taken = socket.writableLength === 0;
    sent = !taken;
    return taken;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  finish(last: Uint8Array | undefined): void {
    this.#handler = undefined;
    const socket = this.#socket;
    if (last !== undefined && socket.writable) socket.write(last);
    socket.end();
    // Read on, so that the peer's octets do not turn our last words into a reset.
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), FINISH_MS);
    socket.once('close', () => clearTimeout(timer));
  }

  adopt(transport: TransportConfig, ttl: number): void {
    const fd = this.#hasHops ? descriptor(this.#socket) : undefined;
    const ttlMin = transport.ttlSecurityHops === undefined ? undefined : 256 - transport.ttlSecurityHops;
    if (fd !== undefined) setHops(this.#libc, fd, this.local.address.family, { ttl, ttlMin });
  }

  #ended(detail: string): void {
    const handler = this.#handler;
    this.#handler = undefined;
    this.#socket.destroy();
    handler?.closed(detail);
  }
}

/** Options for a Socket that reads into the shared buffer; `stream` is asked when octets have come. */
export function sharedRead(stream: () => TcpStream | undefined) {
  shared ??= Buffer.allocUnsafeSlow(READ_OCTETS);
  return {
    buffer: shared,
    callback: (length: number, buffer: Uint8Array): boolean => {
      stream()?.received(buffer.subarray(0, length));
      return true;
    },
  };
}

/**
 * Has connections that a server accepts handed over before Node makes sockets of them: those would have a buffer each.
 * Once the server listens.
 */
export function takeAccepted(server: Server, accepted: (handle: object) => void): void {
  const { _handle: listening } = server as unknown as Internals;
  if (listening === null) throw new Error('the server does not listen');
  listening.onconnection = (status, handle) => {
    // For want of descriptors: the kernel keeps the connection queued, and Node asks again.
    if (status === 0 && handle !== undefined) accepted(handle);
  };
}

/** A socket of such a connection that reads into the shared buffer; `stream` is asked when octets have come. */
export function socketOf(handle: object, stream: () => TcpStream | undefined): Socket {
  const options = { handle, onread: sharedRead(stream), manualStart: true, allowHalfOpen: false };
  return new Socket(options as object);
}

/** What Node has for a descriptor, as it comes with an accepted connection. */
export function handleOf(fd: number): object {
  const socket = new Socket({ fd, manualStart: true } as object) as unknown as { _handle: object | null };
  const handle = socket._handle;
  socket._handle = null;
  if (handle === null) throw new Error(`descriptor ${fd} is no connection`);
  return handle;
}

function descriptor(socket: Socket): number | undefined {
  return (socket as unknown as Internals)._handle?.fd;
}

/** `connect ECONNREFUSED 10.0.0.2:179` says too much and too little: the error in words. */
export function describe(error: Error): string {
  const errno = 'errno' in error ? Number(error.errno) : 0;
  return getSystemErrorMap().get(errno)?.[1] ?? error.message;
}

function endpoint(text: string | undefined, port: number | undefined): Endpoint {
  const zoned = IpAddress.parseZoned(text ?? '');
  if (zoned === undefined) throw new Error('the connection was gone at once');
  return { address: IpAddress.unmapped(zoned.address), zone: zoned.zone, port: port ?? 0 };
}

const CACHE_MS = 1000;
let cached: { readonly atMs: number; readonly links: readonly (readonly IpAddress[])[] } | undefined;

/**
 * The addresses of the link that has this one, without it. Looked up at most once a second: a thousand sessions may
 * come up together.
 */
function addressesBeside(local: Endpoint): readonly IpAddress[] {
  const nowMs = performance.now();
  if (cached === undefined || nowMs - cached.atMs > CACHE_MS) cached = { atMs: nowMs, links: readLinks() };
  const is = (address: IpAddress) => IpAddress.equals(address, local.address);
  return cached.links.find(link => link.some(is))?.filter(address => !is(address)) ?? [];
}

function readLinks(): IpAddress[][] {
  return Object.values(networkInterfaces()).map(link =>
    (link ?? []).flatMap(({ address }) => IpAddress.parseZoned(address)?.address ?? []),
  );
}
