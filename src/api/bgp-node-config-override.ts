/** CiliumBGPNodeConfigOverride (cilium.io/v2, v2alpha1): what one node does differently. Reference §1.4. */
import type { IpAddress, ZonedAddress } from '../net/ip.ts';
import type { Condition, ObjectMeta } from './object.ts';

/** What is undefined keeps the cluster configuration's value. */
export interface BgpInstanceOverride {
  readonly name: string;
  /** IPv4. */
  readonly routerID: IpAddress | undefined;
  readonly localPort: number | undefined;
  readonly localASN: number | undefined;
  readonly peers: readonly { readonly name: string; readonly localAddress: ZonedAddress | undefined }[];
}

export interface CiliumBGPNodeConfigOverride {
  readonly kind: 'CiliumBGPNodeConfigOverride';
  /** Named after its node. */
  readonly metadata: ObjectMeta;
  readonly spec: { readonly bgpInstances: readonly BgpInstanceOverride[] };
  readonly status: { readonly conditions: readonly Condition[] };
}
