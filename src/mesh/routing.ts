/**
 * What pod routes are made from and what they are: the words that the table, the kernel and people share. Where several
 * origins know the same prefix, nodes of our own cluster go before those of other clusters, and these before BGP alone.
 */
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import type { PodCluster } from './pod-node.ts';
import type { MeshRefusal } from './reason.ts';
import type { Vtep } from './vtep.ts';

/**
 * How a node is reached. `direct`: it is the next hop, on a link we share. `bgp`: by what the fabric taught us.
 * `vxlan`: over the overlay. `auto`: the first of these three that there is.
 */
export const routingModes = ['auto', 'direct', 'bgp', 'vxlan'] as const;
export type RoutingMode = (typeof routingModes)[number];
export type Way = Exclude<RoutingMode, 'auto'>;

export interface RoutingLink {
  readonly name: string;
  readonly up: boolean;
  readonly addresses: readonly { readonly address: IpAddress; readonly length: number }[];
}

/** A prefix that BGP peers told us, with the next hops of all paths that are equally good. */
export interface LearnedRoute {
  readonly prefix: Prefix;
  /** `link` where the address means something on one link only. */
  readonly nextHops: readonly { readonly address: IpAddress; readonly link: string | undefined }[];
  /** Peers it came from. */
  readonly from: readonly string[];
  /** ID of the cluster it says it comes from. */
  readonly origin: number | undefined;
}

/** An address that no route of ours may cover, and what it is. */
export interface GuardedAddress {
  readonly address: IpAddress;
  readonly what: string;
}

export interface RouteRules {
  readonly mode: RoutingMode;
  /** What is taken from BGP lies in one of these; none: nothing is taken. */
  readonly podRanges: readonly Prefix[];
  /** A default route is taken from BGP as well. */
  readonly importDefault: boolean;
  /** Our own overlay link: nodes are not on it. */
  readonly overlayLink: string;
}

export interface RouteInputs {
  /** The node whose routes these are; one of `own`. */
  readonly self: string;
  readonly own: PodCluster;
  readonly clusters: readonly PodCluster[];
  /** The same value while a route does not change. */
  readonly learned: readonly LearnedRoute[];
  readonly links: readonly RoutingLink[];
  /** BGP peers, gateways, the other clusters' etcd. Addresses of nodes and of our links go without saying. */
  readonly guarded: readonly GuardedAddress[];
  readonly rules: RouteRules;
}

/** One next hop. */
export type PodVia =
  | { readonly way: 'direct' | 'bgp'; readonly gateway: IpAddress; readonly link: string }
  | { readonly way: 'vxlan'; readonly gateway: IpAddress; readonly vtep: Vtep };

export type RouteOrigin =
  | { readonly kind: 'node'; readonly cluster: string; readonly node: string }
  | { readonly kind: 'bgp'; readonly peers: readonly string[] };

/** A route for the kernel: several next hops share the load. */
export interface PodRoute {
  readonly prefix: Prefix;
  /** At least one, in a fixed order. */
  readonly vias: readonly PodVia[];
  /** Who told us of it. */
  readonly origins: readonly RouteOrigin[];
}

/** One who knows a prefix, and what came of it. */
export interface RouteVerdict {
  readonly prefix: Prefix;
  readonly origin: RouteOrigin;
  readonly outcome: readonly PodVia[] | MeshRefusal;
}

/** PodCIDRs that two clusters both have; those of the younger one are not routed. */
export interface ClusterOverlap {
  readonly younger: string;
  readonly older: string;
  /** Of the younger cluster, and one of the older that it overlaps: the first example. */
  readonly prefix: Prefix;
  readonly olderPrefix: Prefix;
  /** Prefixes of the younger cluster that are refused for this. */
  readonly count: number;
}

export const ClusterOverlap = {
  /** `PodCIDR 10.1.2.0/24 of cluster west overlaps 10.1.0.0/16 of cluster east, which was here before (3 prefixes)`. */
  message({ younger, older, prefix, olderPrefix, count }: ClusterOverlap): string {
    const others = count === 1 ? '1 prefix refused' : `${count} prefixes refused`;
    const [mine, theirs] = [Prefix.format(prefix), Prefix.format(olderPrefix)];
    const what = `PodCIDR ${mine} of cluster ${younger} overlaps ${theirs} of cluster ${older}`;
    return `${what}, which was here before (${others})`;
  },
};

export const PodVia = {
  /** `via 10.0.0.2 dev eth0 (direct)`. */
  format(via: PodVia): string {
    if (via.way === 'vxlan') return `to ${IpAddress.format(via.vtep.underlay)} (vxlan)`;
    return `via ${IpAddress.format(via.gateway)} dev ${via.link} (${via.way})`;
  },
};

export const RouteOrigin = {
  format(origin: RouteOrigin): string {
    return origin.kind === 'node' ? `${origin.cluster}/${origin.node}` : `bgp ${origin.peers.join(', ')}`;
  },
};
