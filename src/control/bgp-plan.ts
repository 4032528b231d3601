/**
 * What the policies of either generation are compiled to, for one BGP instance of one node: whom to talk to (peers),
 * and by which rules routes are announced (routes). Plans are plain data, so that an equal one can be told from a
 * changed one.
 */
import type { PathAttributes, ServiceAddressType } from '../api/bgp-attributes.ts';
import type { SecretValue } from '../api/secret.ts';
import type { LabelSelector } from '../api/selector.ts';
import { LargeCommunity } from '../bgp/community.ts';
import type { PeerConfig } from '../bgp/config.ts';
import type { Family } from '../net/ip.ts';
import type { Prefix } from '../net/prefix.ts';
import type { PrefixSet } from './prefix-set.ts';
import type { Refusal } from './reason.ts';

export interface InstancePlan {
  /** v1: the local AS number in decimal; v2: the name in the manifest. */
  readonly name: string;
  readonly localAsn: number | undefined;
  /** Unsigned, 32 bits. */
  readonly routerId: number | undefined;
  /** Undefined: does not listen. */
  readonly listenPort: number | undefined;
  /** Why the instance cannot be configured: what runs under its name stays as it is. Empty when it can. */
  readonly refusals: readonly Refusal[];
  readonly peers: readonly PeerPlan[];
  readonly routes: RoutePlan;
}

/**
 * `run`: as configured. `keep`: what is needed is missing or refused, so a session that stands stays as it is, and none
 * is started. `skip`: there is nobody to talk to.
 */
export type PeerState = 'run' | 'keep' | 'skip';

export interface PeerPlan {
  /** What announcements call the peer: v1 its address, v2 its name. */
  readonly key: string;
  readonly state: PeerState;
  /** As the manifest says it: an address, an interface, `default gateway`. */
  readonly remoteText: string;
  /** 0: any. */
  readonly asn: number;
  readonly families: readonly Family[];
  /** Without the password; undefined unless `run`. */
  readonly config: PeerConfig | undefined;
  readonly password: SecretValue | undefined;
  /** What is wrong, or accepted and without effect. */
  readonly refusals: readonly Refusal[];
}

export interface RoutePlan {
  readonly rules: readonly ServiceRule[];
  readonly fixed: readonly FixedRoute[];
  /** v1: attributes by prefix, whatever a route comes from. */
  readonly attributeRules: readonly AttributeRule[];
  /** What the policies ask for and the node does not have. */
  readonly missing: readonly MissingRoute[];
}

/** Who is told a route, and with which attributes. */
export interface Grant {
  /** Where it is written: `CiliumBGPAdvertisement services, advertisements[0]`. */
  readonly from: string;
  readonly attributes: PathAttributes;
  /** Keys of peers, ascending, for IPv4 and for IPv6 prefixes. */
  readonly peers: Readonly<Record<Family, readonly string[]>>;
}

export interface ServiceRule {
  readonly grant: Grant;
  readonly selector: LabelSelector;
  readonly addresses: readonly ServiceAddressType[];
  /** Announce the surrounding prefix of this length in place of the host route. */
  readonly aggregation: Readonly<Record<Family, number | undefined>>;
}

/** What a route is announced for. */
export type RouteSource =
  | { readonly kind: 'service'; readonly service: string; readonly type: ServiceAddressType; readonly address: string }
  | { readonly kind: 'pod-cidr' }
  | { readonly kind: 'pod-pool'; readonly pool: string }
  | { readonly kind: 'interface'; readonly link: string };

/** A route that comes with the node: a PodCIDR, a pool's block, an interface address. */
export interface FixedRoute {
  readonly prefix: Prefix;
  readonly source: RouteSource;
  readonly grant: Grant;
}

export interface MissingRoute extends Refusal {
  /** What was asked for, as a manifest calls it: `PodCIDR`, `CiliumPodIPPool`, `Interface`. */
  readonly what: string;
  readonly from: string;
}

export interface AttributeRule {
  readonly peers: readonly string[];
  readonly prefixes: PrefixSet;
  readonly attributes: PathAttributes;
}

export const noAttributes: PathAttributes = { communities: [], largeCommunities: [], localPreference: undefined };

/** Overlapping statements add up: every community, and the highest preference (reference §2.5). */
export function mergeAttributes(all: readonly PathAttributes[]): PathAttributes {
  const [only] = all;
  if (only !== undefined && all.length === 1) return only;
  const large = new Map(all.flatMap(each => each.largeCommunities).map(each => [LargeCommunity.format(each), each]));
  const preferences = all.map(each => each.localPreference).filter(value => value !== undefined);
  return {
    communities: [...new Set(all.flatMap(each => each.communities))].sort((a, b) => a - b),
    largeCommunities: [...large.values()].sort(LargeCommunity.compare),
    localPreference: preferences.length === 0 ? undefined : Math.max(...preferences),
  };
}

/** `tor1 10.0.0.1 (AS 65000)`. */
export function peerText({ key, remoteText, asn }: PeerPlan): string {
  const name = key === remoteText || remoteText === '' ? key : `${key} ${remoteText}`;
  return `${name} (${asn === 0 ? 'any AS' : `AS ${asn}`})`;
}
