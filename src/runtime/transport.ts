/**
 * TCP as the speaker's driver needs it: connections that give octets and take octets, each with back-pressure. One
 * implementation makes them with the kernel (linux/), another with nothing at all (tests).
 */
import type { ListenConfig, TransportConfig } from '../bgp/config.ts';
import type { Endpoint, ListenKey } from '../bgp/speaker-effect.ts';
import type { IpAddress } from '../net/ip.ts';

/** A connection that stands. */
export interface Stream {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** Other addresses of the link the connection runs over, the local one not among them. */
  readonly localAddresses: readonly IpAddress[];
  /**
   * True: all was taken and `bytes` may be used again. False: `bytes` belong to the stream now, and nothing is to be
   * written until `drained`.
   */
  write(bytes: Uint8Array): boolean;
  /** Stops reading until `resume`; what is on its way may still arrive once. */
  pause(): void;
  resume(): void;
  /**
   * What was written still leaves, then `last`, then the end; after a few seconds whatever happens. No callback comes
   * after.
   */
  finish(last: Uint8Array | undefined): void;
  /** Options that could not be known when the connection was accepted. Throws what the kernel says. */
  adopt(transport: TransportConfig, ttl: number): void;
}

export interface StreamHandler {
  /** `bytes` are valid during the call only. */
  data(bytes: Uint8Array): void;
  /** What `write` could not place has left: go on. */
  drained(): void;
  /** Ended by the other side or by the network; `detail` in words. At most once, and last. */
  closed(detail: string): void;
}

export interface ConnectHandler {
  /** The result is told everything from then on. */
  connected(stream: Stream): StreamHandler;
  /** In words. */
  failed(detail: string): void;
}

export interface Outgoing {
  readonly remote: Endpoint;
  readonly transport: TransportConfig;
  /** The IP TTL to send with. */
  readonly ttl: number;
  /** Fails when nobody has answered by then. */
  readonly timeoutMs: number;
}

export interface Transport {
  /** The result gives the attempt up: nothing is called any more. Never throws: what goes wrong comes to `failed`. */
  connect(to: Outgoing, handler: ConnectHandler): () => void;
  /**
   * The whole set of what is listened on, and the keys of who may call; diffed, so that what stays is not touched.
   * Resolves to what could not be had, in words; calling again tries those again.
   */
  listen(listeners: readonly ListenConfig[], keys: readonly ListenKey[], accept: Accept): Promise<readonly string[]>;
  /** The whole set of links on which routers are looked for; resolves to what went wrong, in words. */
  discover(links: readonly string[], changed: NeighborChange): Promise<readonly string[]>;
  /**
   * What the network stack dropped since the last call for want of a good signature, in words; undefined when nothing.
   */
  dropped(): string | undefined;
  /** Nothing is accepted or discovered any more; connections that stand are not touched. */
  close(): void;
}

/** A connection came in. */
export type Accept = (stream: Stream) => StreamHandler;
/** A router was found at the other end of a link, or (undefined) is there no more. */
export type NeighborChange = (link: string, address: IpAddress | undefined) => void;
