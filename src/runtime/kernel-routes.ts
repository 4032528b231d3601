/**
 * What Herald wants of the kernel's routing, as one whole set, and what became of it. Everything here is ours: routes,
 * next hops, rules and the overlay link carry our mark, and nothing else is ever touched.
 */
import type { IpAddress } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import type { Prefix } from '../net/prefix.ts';

/** One way on: a neighbour on a link. */
export interface KernelNextHop {
  /** Of either family: an IPv4 route may go through an IPv6 gateway (RFC 8950). */
  readonly gateway: IpAddress;
  /** Name of the link. */
  readonly link: string;
  /** The kernel is to believe that the gateway is on that link, whatever its addresses say; overlays want that. */
  readonly onLink: boolean;
  /** Share of the load, 1 to 256, among the next hops of a group. */
  readonly weight: number;
}

/**
 * Next hops that share the load, under a name by which routes refer to them. A group that gets other next hops is one
 * change for the kernel, however many routes there are: so name it after what it stands for (a node, a set of peers)
 * and never after its next hops, and keep the name for as long as that stands, across restarts.
 */
export interface KernelGroup {
  readonly name: string;
  /** Those that the kernel takes. While it takes none of them, or there are none, the routes to it are not there. */
  readonly nextHops: readonly KernelNextHop[];
}

/** The same value means that nothing about it changed. */
export interface KernelRoute {
  readonly prefix: Prefix;
  /** Name of a group; undefined: packets are told that the host is unreachable, whatever wider routes there are. */
  readonly group: string | undefined;
}

/** The one overlay link (RFC 7348): nobody is flooded, nothing is learned. */
export interface KernelOverlay {
  readonly name: string;
  /** Its identifier (VNI), below 2^24. */
  readonly vni: number;
  /** UDP port. */
  readonly port: number;
  /** This node's end; its family is that of all ends. */
  readonly local: IpAddress;
  readonly mac: Mac;
  /** Undefined: what the link of `local` takes, less the overhead: 50 octets over IPv4, 70 over IPv6. */
  readonly mtu: number | undefined;
  readonly addresses: readonly { readonly address: IpAddress; readonly length: number }[];
  /** Each by a MAC of its own. */
  readonly ends: readonly OverlayEnd[];
}

/** Another node on the overlay. */
export interface OverlayEnd {
  readonly mac: Mac;
  /** Where frames to that MAC are sent. */
  readonly underlay: IpAddress;
  /** Addresses that next hops on the overlay link use for it, which resolve to the MAC. */
  readonly gateways: readonly IpAddress[];
}

export interface KernelRouting {
  /** Ascending by Prefix.compare, each prefix once. */
  readonly routes: readonly KernelRoute[];
  /** Each name once; routes name no other group. Compared by what they say, as ends of the overlay are. */
  readonly groups: readonly KernelGroup[];
  readonly overlay: KernelOverlay | undefined;
}

/**
 * Why something is not in the kernel. `taken`: somebody else's is there. `link-missing`, `link-down`: it will be tried
 * again when that changes. `gateway-unreachable`: no link of that name has the gateway on it. `no-next-hop`: a group of
 * whose next hops none could be had. `overlay-failed`: the overlay link could not be made. `kernel`: see the text.
 */
export type KernelRefusalReason =
  | 'taken'
  | 'link-missing'
  | 'link-down'
  | 'gateway-unreachable'
  | 'no-next-hop'
  | 'overlay-failed'
  | 'kernel';

export interface KernelRefusal {
  /** What was refused: `10.1.0.0/16`, `via 192.0.2.1 dev eth0`, `overlay herald.vx`. */
  readonly what: string;
  readonly reason: KernelRefusalReason;
  /** `EEXIST`, and the kernel's own words where it has any. */
  readonly detail: string;
}

export interface KernelRoutingStatus {
  /** Routes of ours that are in the kernel. */
  readonly routes: number;
  /** At most `kernelRefusalsMax` of them; routes that only share the fate of their group are not repeated. */
  readonly refusals: readonly KernelRefusal[];
  readonly refusalsTotal: number;
  /** Something that is not as it should be as a whole; what it costs. */
  readonly problems: readonly string[];
}

export const kernelRefusalsMax = 100;

export const kernelRoutingNone: KernelRouting = { routes: [], groups: [], overlay: undefined };

/** The kernel's routing as a target. */
export interface KernelRoutes {
  /**
   * Makes the kernel look like this, whatever is there of an earlier process. Resolves when all that can be is done;
   * what could not be is in `status`, is tried again when links change, and stops nothing else. Rejects when netlink is
   * out of reach. A call that comes while another one is under way waits for it; of several that wait the last counts.
   */
  apply(desired: KernelRouting): Promise<KernelRoutingStatus>;
  /** Removes everything with our mark, from this process or an earlier one. */
  flush(): Promise<KernelRoutingStatus>;
  status(): KernelRoutingStatus;
}
