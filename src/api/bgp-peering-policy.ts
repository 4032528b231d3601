/** CiliumBGPPeeringPolicy (cilium.io/v2alpha1): the first BGP API. Reference §1.1. */
import type { IpAddress } from '../net/ip.ts';
import type {
  AddressFamily,
  BgpTimers,
  GracefulRestart,
  PathAttributes,
  ServiceAddressType,
} from './bgp-attributes.ts';
import type { Condition, ObjectMeta } from './object.ts';
import type { LabelSelector } from './selector.ts';

/** `selector` chooses among objects of the type: CiliumNodes for PodCIDR, else pools. Absent means every one. */
export interface AdvertisedPathAttributes extends PathAttributes {
  readonly selectorType: 'PodCIDR' | 'CiliumLoadBalancerIPPool' | 'CiliumPodIPPool';
  readonly selector: LabelSelector;
}

export interface Neighbor {
  /** Written as a host prefix, `10.0.0.1/32`. */
  readonly peerAddress: IpAddress;
  readonly peerPort: number;
  readonly peerASN: number;
  readonly authSecretRef: string | undefined;
  readonly eBGPMultihopTTL: number;
  readonly timers: BgpTimers;
  readonly gracefulRestart: GracefulRestart;
  readonly families: readonly AddressFamily[];
  readonly advertisedPathAttributes: readonly AdvertisedPathAttributes[];
}

export interface VirtualRouter {
  /** Identifies the virtual router on its node. */
  readonly localASN: number;
  readonly exportPodCIDR: boolean;
  /** Absent means none. */
  readonly podIPPoolSelector: LabelSelector;
  /** Absent means none. */
  readonly serviceSelector: LabelSelector;
  readonly serviceAdvertisements: readonly ServiceAddressType[];
  readonly neighbors: readonly Neighbor[];
}

export interface CiliumBGPPeeringPolicy {
  readonly kind: 'CiliumBGPPeeringPolicy';
  readonly metadata: ObjectMeta;
  readonly spec: {
    /** Absent means all nodes. */
    readonly nodeSelector: LabelSelector;
    /** At least one; no two have one localASN. */
    readonly virtualRouters: readonly VirtualRouter[];
  };
  readonly status: { readonly conditions: readonly Condition[] };
}
