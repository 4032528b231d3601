/** What goes into the RIB about a session, and what comes out of it for the speaker and for people. */
import type { IpAddress } from '../net/ip.ts';
import type { Prefix } from '../net/prefix.ts';
import type { AttributeFault, PathAttributes } from './attribute.ts';
import type { Role } from './config.ts';
import type { DecisionStep } from './decision.ts';
import type { Family } from './family.ts';
import type { NextHop } from './next-hop.ts';
import type { Policy } from './policy.ts';

/** Who this speaker is. Changing any of it means a new Rib. */
export interface RibSelf {
  readonly asn: number;
  /** BGP identifier, unsigned 32-bit. */
  readonly routerId: number;
  /** RFC 4456 §7; undefined: the router ID. */
  readonly clusterId?: number | undefined;
  /** Any 32-bit number that peers do not know, so that they cannot choose prefixes that hash alike. */
  readonly hashSeed?: number | undefined;
}

/** One established session, as much of it as routes depend on. */
export interface PeerView {
  /** The peer's key: policies and announcements name peers by it. */
  readonly key: string;
  readonly kind: 'external' | 'internal' | 'reflector-client' | 'server-client';
  /** The peer's AS number. */
  readonly asn: number;
  /** Our AS number towards it: the speaker's, unless the peer's configuration has another. */
  readonly localAsn: number;
  /** The peer's BGP identifier, unsigned 32-bit. */
  readonly routerId: number;
  /** The address the session runs to, and ours. */
  readonly remoteAddress: IpAddress;
  readonly localAddress: IpAddress;
  /**
   * Our addresses on this session's link where known: next hops for the family that the session's own address is not
   * of.
   */
  readonly localIpv4?: IpAddress | undefined;
  readonly localIpv6?: IpAddress | undefined;
  /** Told beside a global IPv6 next hop (RFC 2545 §3). Give it only when the peer is on the link. */
  readonly localLinkLocal?: IpAddress | undefined;
  /**
   * Networks the peer is directly attached to with us. Next hops in them are kept for external peers (RFC 4271
   * §5.1.3).
   */
  readonly connected?: readonly Prefix[] | undefined;
  /** Negotiated (RFC 4760 §8). */
  readonly families: readonly Family[];
  /** Negotiated: RFC 6793, RFC 8654, RFC 8950, RFC 7313. */
  readonly fourOctetAs: boolean;
  readonly extendedMessages: boolean;
  readonly extendedNextHop: readonly Family[];
  readonly enhancedRefresh: boolean;
  /** Families for which the session sends End-of-RIB after the initial table (RFC 4724 §2); all of them is harmless. */
  readonly endOfRib: readonly Family[];
  /** As in PeerConfig. */
  readonly role?: Role | undefined;
  readonly nextHop: 'default' | 'self' | 'unchanged';
  readonly enforceFirstAs: boolean;
  readonly allowOwnAs: number;
  readonly gracefulShutdown: boolean;
  readonly import: Policy;
  readonly export: Policy;
}

/** What one UPDATE did. The same object is filled in for every call: read it before the next one. */
export interface UpdateOutcome {
  /** Prefixes the message announced, malformed ones that were treated as withdrawn not included. */
  readonly announced: number;
  /** Prefixes the message withdrew, by itself or by being malformed (RFC 7606 §2). */
  readonly withdrawn: number;
  /** The message was End-of-RIB for this family (RFC 4724 §2). */
  readonly endOfRib: Family | undefined;
  /** What was wrong and yet not worth the session. Usually empty. */
  readonly faults: readonly AttributeFault[];
}

/** Why a received route takes no part in the decision. */
export const ineligibleReasons = [
  'import policy',
  'own AS in path',
  'own originator ID',
  'own cluster ID in list',
  'next hop is this speaker',
  'route leak',
] as const;
export type IneligibleReason = (typeof ineligibleReasons)[number];

/** A path to a prefix, decoded. */
export interface RouteView {
  readonly family: Family;
  readonly prefix: Prefix;
  /** Undefined for a route of our own. */
  readonly peer: number | undefined;
  readonly attributes: PathAttributes;
  /** Undefined for a route of our own that says `self`. */
  readonly nextHop: NextHop | undefined;
  readonly best: boolean;
  /** For the best path: the step that put it before all others. For another one: the step at which it lost. */
  readonly step: DecisionStep | undefined;
  readonly ineligible: IneligibleReason | undefined;
  /** Kept over a restart of its peer (RFC 4724 §4.2), or not yet repeated within a refresh (RFC 7313 §4). */
  readonly stale: boolean;
}

/** What one peer is told about a prefix. `pending`: it has not been pulled yet. */
export interface AdvertisedView {
  readonly family: Family;
  readonly prefix: Prefix;
  readonly attributes: PathAttributes;
  readonly nextHop: NextHop | undefined;
  readonly pending: boolean;
}

/** Per family, for the whole RIB. */
export interface RibCounts {
  /** Prefixes with a best path. */
  readonly locRib: number;
  /** All paths, ineligible ones included. */
  readonly paths: number;
  /** Distinct attribute sets, over both families. */
  readonly attributeSets: number;
}

/** Per peer and family. */
export interface PeerCounts {
  /** Adj-RIB-In. */
  readonly received: number;
  /** Of these, what import policy and the protocol's own checks let through. */
  readonly accepted: number;
  /** Of these, kept from before the session (RFC 4724 §4.2). */
  readonly stale: number;
  /** Adj-RIB-Out: what the peer has been told and holds. */
  readonly advertised: number;
}
