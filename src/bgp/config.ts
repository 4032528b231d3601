/**
 * What a speaker is told to be: one value for everything, complete, with the defaults beside it. Reading text into
 * it, and refusing what makes no sense, is the caller's.
 */
import type { IpAddress } from '../net/ip.ts';
import type { Prefix } from '../net/prefix.ts';
import type { Family } from './family.ts';
import type { Policy } from './policy.ts';

/** Who is at the other end. A peer's identity is its key; another remote or ASN under the same key is a new session. */
export type Remote =
  | { readonly kind: 'address'; readonly address: IpAddress; readonly zone?: string | undefined }
  /** Found through router advertisements on a link; the session runs over link-local addresses (unnumbered). */
  | { readonly kind: 'interface'; readonly interface: string }
  /** Accepts whoever connects from the range, at most `limit` at once. Never opens. */
  | { readonly kind: 'range'; readonly prefix: Prefix; readonly limit: number };

/** The peer's AS: a number, the same as ours, any other, or whatever its OPEN says. */
export type RemoteAs = number | 'internal' | 'external' | 'any';

/** RFC 9234 §3.1: what we are to the peer. */
export type Role = 'provider' | 'rs' | 'rs-client' | 'customer' | 'peer';

export interface Timers {
  /** Offered in OPEN; 0 is no keepalives at all, else at least 3 s (RFC 4271 §4.2). */
  readonly holdMs: number;
  /** At most; a third of the negotiated hold time is the upper bound (RFC 4271 §4.4). */
  readonly keepaliveMs: number;
  /**
   * Between calls that nobody answers. After one that is refused the first wait is `idleHoldMs`, and doubles up to
   * this.
   */
  readonly connectRetryMs: number;
  /**
   * First wait after a session failed; doubles with each failure up to `idleHoldMaxMs` (RFC 4271 §8.1.1
   * DampPeerOscillations).
   */
  readonly idleHoldMs: number;
  readonly idleHoldMaxMs: number;
  /** How long OPEN may be outstanding (RFC 4271 §8.2.2 suggests 4 minutes). */
  readonly openHoldMs: number;
  /**
   * Nothing could be sent for this long: the session ends (RFC 9687). Undefined: the larger of 8 minutes and twice
   * the hold time. 0: never.
   */
  readonly sendHoldMs: number | undefined;
}

export interface MaxPrefixes {
  readonly limit: number;
  /** Come back by itself after this long; undefined: stay down until told otherwise. */
  readonly restartMs: number | undefined;
}

export interface FamilyConfig {
  readonly family: Family;
  readonly maxPrefixes?: MaxPrefixes | undefined;
}

/** RFC 4724. */
export interface GracefulRestart {
  /** Told to the peer: how long it keeps our routes; whole seconds up to 4095. */
  readonly restartMs: number;
  /** How long we keep a peer's routes once it is back but has not said End-of-RIB. */
  readonly staleMs: number;
  /** RFC 8538: notifications keep routes too, except a hard reset. */
  readonly notification: boolean;
}

/** What the socket must be; a change of any of it needs a new connection. */
export interface TransportConfig {
  readonly port: number;
  /** Never opens, only accepts. */
  readonly passive: boolean;
  readonly localAddress?: IpAddress | undefined;
  /** Bind the socket to this link. */
  readonly device?: string | undefined;
  /** TCP MD5 (RFC 2385). */
  readonly password?: string | undefined;
  /** GTSM (RFC 5082): the peer is at most this many hops away. Excludes `ttl`. */
  readonly ttlSecurityHops?: number | undefined;
  /** Multihop. Undefined: 1 for external peers, 255 for internal ones. */
  readonly ttl?: number | undefined;
}

export interface CapabilityConfig {
  readonly routeRefresh: boolean;
  readonly enhancedRefresh: boolean;
  readonly fourOctetAs: boolean;
  readonly extendedMessages: boolean;
  /** RFC 8950: IPv4 prefixes with IPv6 next hops. */
  readonly extendedNextHop: boolean;
  /** Host name and domain name, shown by other routers (draft-walton-bgp-hostname). */
  readonly fqdn?: { readonly host: string; readonly domain: string } | undefined;
}

export interface PeerConfig {
  /** Unique; what announcements and readers call this peer. */
  readonly key: string;
  readonly description?: string | undefined;
  readonly remote: Remote;
  readonly asn: RemoteAs;
  /** Another AS number than the speaker's, for this peer only. */
  readonly localAsn?: number | undefined;
  readonly transport: TransportConfig;
  readonly timers: Timers;
  /** None is not allowed. */
  readonly families: readonly FamilyConfig[];
  readonly capabilities: CapabilityConfig;
  readonly gracefulRestart?: GracefulRestart | undefined;
  readonly role?: { readonly local: Role; readonly strict: boolean } | undefined;
  /** RFC 4456: the peer is a client of this reflector. Internal peers only. */
  readonly routeReflectorClient: boolean;
  /** RFC 7947: neither AS path nor next hop are touched. External peers only. */
  readonly routeServerClient: boolean;
  /** `default`: RFC 4271 §5.1.3; `self` and `unchanged` override it. */
  readonly nextHop: 'default' | 'self' | 'unchanged';
  /** Paths of an external peer must start with its AS (RFC 4271 §6.3). */
  readonly enforceFirstAs: boolean;
  /** How often our own AS may stand in a received path. */
  readonly allowOwnAs: number;
  readonly import: Policy;
  readonly export: Policy;
  /**
   * Routes sent carry GRACEFUL_SHUTDOWN and the lowest preference (RFC 8326); those received are treated so as well.
   */
  readonly gracefulShutdown: boolean;
  /** Stays down on purpose; the text goes to the peer (RFC 9003). */
  readonly shutdown?: { readonly reason: string } | undefined;
}

export interface ListenConfig {
  /** Undefined: every address of both families. */
  readonly address?: IpAddress | undefined;
  readonly port: number;
  readonly device?: string | undefined;
}

export interface SpeakerConfig {
  readonly asn: number;
  /** BGP identifier: unsigned 32-bit, not zero (RFC 6286). */
  readonly routerId: number;
  /** RFC 4456 §7. Undefined: the router ID. */
  readonly clusterId?: number | undefined;
  readonly listen: readonly ListenConfig[];
  readonly peers: readonly PeerConfig[];
}

export const timerDefaults: Timers = {
  holdMs: 90_000,
  keepaliveMs: 30_000,
  connectRetryMs: 120_000,
  idleHoldMs: 1_000,
  idleHoldMaxMs: 120_000,
  openHoldMs: 240_000,
  sendHoldMs: undefined,
};

export const capabilityDefaults: CapabilityConfig = {
  routeRefresh: true,
  enhancedRefresh: true,
  fourOctetAs: true,
  extendedMessages: true,
  extendedNextHop: false,
};

export const gracefulRestartDefaults: GracefulRestart = { restartMs: 120_000, staleMs: 360_000, notification: true };
