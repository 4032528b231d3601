/** Node (v1), with the virtual-router annotations of the first BGP API (reference §1.1.6). */
import type { IpAddress } from '../net/ip.ts';
import type { Prefix } from '../net/prefix.ts';
import type { ObjectMeta } from './object.ts';

export interface NodeAddress {
  /** InternalIP, ExternalIP; host names are left out. */
  readonly type: string;
  readonly address: IpAddress;
}

/** Annotation `cilium.io/bgp-virtual-router.<localASN>`. */
export interface VirtualRouterAnnotation {
  readonly localASN: number;
  /** IPv4. Absent means the node's IPv4 InternalIP. */
  readonly routerID: IpAddress | undefined;
  /** Absent means the speaker does not listen. */
  readonly localPort: number | undefined;
}

export interface Node {
  readonly kind: 'Node';
  readonly metadata: ObjectMeta;
  readonly spec: {
    readonly podCIDRs: readonly Prefix[];
    /** Cordoned. */
    readonly unschedulable: boolean;
  };
  readonly status: {
    readonly addresses: readonly NodeAddress[];
    /** Condition Ready; undefined when nobody has said. */
    readonly ready: boolean | undefined;
  };
  /** One per annotation that could be read. */
  readonly virtualRouters: readonly VirtualRouterAnnotation[];
  /** What is wrong with the others, in words: a BGP pass over this node fails while there are any (reference §2.1.3). */
  readonly virtualRouterErrors: readonly string[];
}
