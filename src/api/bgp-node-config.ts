/** CiliumBGPNodeConfig (cilium.io/v2, v2alpha1): what one node does, written by the operator. Reference §1.4. */
import type { IpAddress, ZonedAddress } from '../net/ip.ts';
import type { AddressFamily } from './bgp-attributes.ts';
import type { AutoDiscovery } from './bgp-cluster-config.ts';
import type { Condition, ObjectMeta } from './object.ts';

export interface BgpNodePeer {
  readonly name: string;
  readonly peerAddress: ZonedAddress | undefined;
  /** The link to a link-local peer. */
  readonly peerInterface: string | undefined;
  /** 0 accepts whatever AS the peer's OPEN carries; undefined is an error for the whole instance. */
  readonly peerASN: number | undefined;
  readonly autoDiscovery: AutoDiscovery | undefined;
  readonly localAddress: ZonedAddress | undefined;
  readonly peerConfigRef: string | undefined;
}

export interface BgpNodeInstance {
  readonly name: string;
  readonly localASN: number | undefined;
  /** IPv4. */
  readonly routerID: IpAddress | undefined;
  readonly localPort: number | undefined;
  readonly peers: readonly BgpNodePeer[];
}

export interface RouteCount extends AddressFamily {
  readonly received: number | undefined;
  readonly advertised: number | undefined;
}

export interface BgpPeerStatus {
  readonly name: string;
  readonly peerAddress: string;
  readonly peerASN: number | undefined;
  readonly peeringState: string | undefined;
  readonly timers:
    | { readonly appliedHoldTimeSeconds: number | undefined; readonly appliedKeepaliveSeconds: number | undefined }
    | undefined;
  /** RFC 3339. */
  readonly establishedTime: string | undefined;
  readonly routeCount: readonly RouteCount[];
}

export interface CiliumBGPNodeConfig {
  readonly kind: 'CiliumBGPNodeConfig';
  /** Named after its node. */
  readonly metadata: ObjectMeta;
  readonly spec: { readonly bgpInstances: readonly BgpNodeInstance[] };
  readonly status: {
    readonly bgpInstances: readonly {
      readonly name: string;
      readonly localASN: number | undefined;
      readonly peers: readonly BgpPeerStatus[];
    }[];
    readonly conditions: readonly Condition[];
  };
}
