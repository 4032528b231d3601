/** CiliumBGPClusterConfig (cilium.io/v2, v2alpha1): BGP instances and their peers for a set of nodes. Reference §1.4. */
import type { Family, ZonedAddress } from '../net/ip.ts';
import type { Condition, ObjectMeta } from './object.ts';
import type { LabelSelector } from './selector.ts';

/** Who the peer is, where its address is not written down. */
export type AutoDiscovery =
  | { readonly mode: 'DefaultGateway'; readonly addressFamily: Family }
  | { readonly mode: 'Unnumbered'; readonly interface: string };

export interface BgpPeer {
  readonly name: string;
  readonly peerAddress: ZonedAddress | undefined;
  /** 0 accepts whatever AS the peer's OPEN carries. */
  readonly peerASN: number;
  readonly autoDiscovery: AutoDiscovery | undefined;
  /** Name of a CiliumBGPPeerConfig; absent means all defaults. */
  readonly peerConfigRef: string | undefined;
}

export interface BgpInstance {
  readonly name: string;
  readonly localASN: number | undefined;
  /** Absent means the speaker does not listen. */
  readonly localPort: number | undefined;
  readonly peers: readonly BgpPeer[];
}

export interface CiliumBGPClusterConfig {
  readonly kind: 'CiliumBGPClusterConfig';
  readonly metadata: ObjectMeta;
  readonly spec: {
    /** Absent means all nodes. */
    readonly nodeSelector: LabelSelector;
    readonly bgpInstances: readonly BgpInstance[];
  };
  readonly status: { readonly conditions: readonly Condition[] };
}
