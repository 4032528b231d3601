/** What a speaker asks of the edge, and what it wants known. Taken in order with `Speaker.takeEffects`. */
import type { IpAddress } from '../net/ip.ts';
import type { Prefix } from '../net/prefix.ts';
import type { AttributeFault } from './attribute.ts';
import type { ListenConfig, TransportConfig } from './config.ts';
import type { Family } from './family.ts';
import type { Notification } from './notification.ts';

/** A number the edge gives to each connection that stands, never used twice. */
export type ConnectionId = number;

/** A number the speaker gives to each attempt to open a connection, never used twice. */
export type AttemptId = number;

export interface Endpoint {
  readonly address: IpAddress;
  /** Of a link-local address: the link's name. */
  readonly zone?: string | undefined;
  readonly port: number;
}

/** What a connection that has come up looks like from here. */
export interface ConnectionInfo {
  /** The attempt it answers; undefined for one that came in through a listener. */
  readonly attempt: AttemptId | undefined;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /**
   * The session's own addresses of the other kind on that link, for next hops: a global IPv6 one beside link-local,
   * an IPv4 one beside IPv6.
   */
  readonly localAddresses?: readonly IpAddress[] | undefined;
  /** Networks of the link the session runs over; next hops in them are the peer's neighbours too (RFC 4271 §5.1.3). */
  readonly connected?: readonly Prefix[] | undefined;
}

/** Whom TCP MD5 signatures are expected from on the listening sockets (RFC 2385). */
export interface ListenKey {
  readonly remote: Prefix;
  /** Only for link-local peers. */
  readonly device: string | undefined;
  readonly password: string;
}

export type Effect =
  /** Open a connection; answer with `connected` or `connectFailed`. */
  | {
      readonly kind: 'connect';
      readonly attempt: AttemptId;
      readonly peer: string;
      readonly remote: Endpoint;
      readonly transport: TransportConfig;
      /** The IP TTL to send with. */
      readonly ttl: number;
      /** An attempt that nobody answers fails after this, before the next one is due: so that why is known. */
      readonly timeoutMs: number;
    }
  /** Give up an attempt; no answer is wanted. */
  | { readonly kind: 'abort'; readonly attempt: AttemptId }
  /** An accepted connection was recognised: set its peer's socket options (TTL, GTSM, user timeout). */
  | {
      readonly kind: 'adopt';
      readonly connection: ConnectionId;
      readonly peer: string;
      readonly transport: TransportConfig;
      readonly ttl: number;
    }
  /** There are bytes to pull: pull and write until `pull` returns 0 or the socket is full; when it drains, go on. */
  | { readonly kind: 'write'; readonly connection: ConnectionId }
  /**
   * Close: first write what was pulled and is still waiting, then `last`, then end; within seconds, else destroy. The
   * speaker has forgotten the connection: nothing is to be reported about it any more.
   */
  | { readonly kind: 'close'; readonly connection: ConnectionId; readonly last: Uint8Array | undefined }
  /** The whole set of listeners and their keys; the edge diffs. Emitted when it changes. */
  | { readonly kind: 'listen'; readonly listeners: readonly ListenConfig[]; readonly keys: readonly ListenKey[] }
  /** The whole set of links on which to send and hear router advertisements; the edge answers with `neighbor`. */
  | { readonly kind: 'discover'; readonly interfaces: readonly string[] }
  | { readonly kind: 'event'; readonly event: SpeakerEvent };

/** For logs, metrics and wake-ups. */
export type SpeakerEvent =
  | { readonly kind: 'up'; readonly peer: string; readonly families: readonly Family[] }
  | { readonly kind: 'down'; readonly peer: string; readonly reason: DownReason }
  /** A connection failed, or was refused, before it was a session. */
  | {
      readonly kind: 'failed';
      readonly peer: string | undefined;
      readonly remote: Endpoint | undefined;
      readonly reason: DownReason;
    }
  /**
   * Attributes the peer got wrong (RFC 7606 §8 wants them logged): in how many messages, and what in the first of
   * them.
   */
  | {
      readonly kind: 'malformed';
      readonly peer: string;
      readonly messages: number;
      readonly faults: readonly AttributeFault[];
    }
  | { readonly kind: 'end-of-rib'; readonly peer: string; readonly family: Family };

/** Why a session, or an attempt at one, ended. */
export type DownReason =
  | { readonly kind: 'sent'; readonly notification: Notification; readonly detail?: string | undefined }
  | { readonly kind: 'received'; readonly notification: Notification }
  | { readonly kind: 'connect failed'; readonly detail: string }
  | { readonly kind: 'closed'; readonly detail: string }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** Why an incoming connection is turned away. */
export type Refusal = 'unknown peer' | 'peer is shut down' | 'idle hold' | 'range is full' | 'already connected';
