/**
 * Path attributes as values: the words that the table (attribute-table.ts), the check of a received set
 * (attribute-check.ts) and the RIB share. RFC 4271 §4.3 and §5; treatments of errors are RFC 7606 §2.
 */
import type { IpAddress } from '../net/ip.ts';
import type { Origin } from './announcement.ts';
import type { AsPath } from './as-path.ts';
import type { ExtendedCommunity, LargeCommunity, StandardCommunity } from './community.ts';
import type { Family } from './family.ts';
import type { NextHop } from './next-hop.ts';
import type { Notification } from './notification.ts';

/** Attribute flags (RFC 4271 §4.3). */
export const FLAG_OPTIONAL = 0x80;
export const FLAG_TRANSITIVE = 0x40;
export const FLAG_PARTIAL = 0x20;
export const FLAG_EXTENDED_LENGTH = 0x10;

/** Type codes (IANA BGP Path Attributes). */
export const attributeCode = {
  origin: 1,
  asPath: 2,
  nextHop: 3,
  med: 4,
  localPref: 5,
  atomicAggregate: 6,
  aggregator: 7,
  communities: 8,
  originatorId: 9,
  clusterList: 10,
  mpReach: 14,
  mpUnreach: 15,
  extendedCommunities: 16,
  as4Path: 17,
  as4Aggregator: 18,
  largeCommunities: 32,
  otc: 35,
} as const;

export interface Aggregator {
  readonly asn: number;
  /** IPv4 address of the aggregating speaker as an unsigned number. */
  readonly address: number;
}

/**
 * An attribute that the table does not have: optional and transitive, passed on with the partial bit set (RFC 4271
 * §5).
 */
export interface RawAttribute {
  readonly code: number;
  readonly flags: number;
  readonly value: Uint8Array;
}

/**
 * What a route says besides its prefix. Absent means the attribute was not there. MP_REACH_NLRI and MP_UNREACH_NLRI
 * are not here: they carry the prefixes. BGP identifiers and IPv4 numbers are unsigned 32-bit.
 */
export interface PathAttributes {
  readonly origin?: Origin;
  /** AS4_PATH is merged in already (RFC 6793 §4.2.3). */
  readonly asPath?: AsPath;
  /** The NEXT_HOP attribute: of IPv4 prefixes outside MP_REACH_NLRI. */
  readonly nextHop?: IpAddress;
  readonly med?: number;
  readonly localPref?: number;
  readonly atomicAggregate?: true;
  readonly aggregator?: Aggregator;
  readonly communities?: readonly StandardCommunity[];
  readonly originatorId?: number;
  readonly clusterList?: readonly number[];
  readonly extendedCommunities?: readonly ExtendedCommunity[];
  readonly largeCommunities?: readonly LargeCommunity[];
  /** Only to Customer: the AS that attached it (RFC 9234 §5). */
  readonly otc?: number;
  readonly unknown?: readonly RawAttribute[];
}

/** What an error in an attribute leads to, weakest first (RFC 7606 §2). */
export type Treatment = 'ok' | 'attribute-discard' | 'treat-as-withdraw' | 'session-reset';

/** What about an attribute was wrong. */
export type AttributeFaultKind =
  | 'flags'
  | 'length'
  | 'value'
  | 'duplicate'
  | 'missing'
  | 'unrecognized'
  | 'not expected'
  | 'overrun'
  | 'first AS'
  | 'AS zero';

export interface AttributeFault {
  readonly code: number;
  readonly kind: AttributeFaultKind;
  readonly treatment: Exclude<Treatment, 'ok'>;
  /** What a speaker that resets would say (RFC 4271 §6.3), for people and for `session-reset`. */
  readonly notification: Notification;
}

/** How this session reads and writes attributes. */
export interface AttributeContext {
  /** Both ends speak four-octet AS numbers (RFC 6793). */
  readonly fourOctetAs: boolean;
  /** Same AS at both ends: LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST mean something (RFC 7606 §7.5, §7.9, §7.10). */
  readonly internal: boolean;
  /** When given, the leftmost AS of every path (RFC 4271 §6.3). */
  readonly firstAs?: number | undefined;
  /** Families whose next hop may be of the other kind (RFC 8950). */
  readonly extendedNextHop: readonly Family[];
}

/** Which prefixes stand beside the attributes: it decides which ones are mandatory (RFC 4271 §5, RFC 4760 §3). */
export type Carries = 'nothing' | 'mp-nlri' | 'nlri';

/** MP_REACH_NLRI (RFC 4760 §3) without its prefixes, which stay octets `nlriAt` to `nlriEnd` of what was read. */
export interface MpReach {
  readonly afi: number;
  readonly safi: number;
  /** Undefined for a family that this speaker does not carry; its prefixes are to be ignored. */
  readonly family: Family | undefined;
  readonly nextHop: NextHop | undefined;
  readonly nlriAt: number;
  readonly nlriEnd: number;
}

/** MP_UNREACH_NLRI (RFC 4760 §4). Without prefixes it is End-of-RIB when it stands alone (RFC 4724 §2). */
export interface MpUnreach {
  readonly afi: number;
  readonly safi: number;
  readonly family: Family | undefined;
  readonly nlriAt: number;
  readonly nlriEnd: number;
}

/** What became of a received set of attributes: the gravest treatment any of its faults calls for. */
export type AttributeCheck =
  | {
      readonly treatment: Exclude<Treatment, 'session-reset'>;
      /** What is left after discarding. With `treat-as-withdraw`, only good for showing. */
      readonly attributes: PathAttributes;
      readonly mpReach: MpReach | undefined;
      readonly mpUnreach: MpUnreach | undefined;
      readonly faults: readonly AttributeFault[];
    }
  | {
      readonly treatment: 'session-reset';
      readonly notification: Notification;
      readonly faults: readonly AttributeFault[];
    };
