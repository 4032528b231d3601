/** CiliumBGPAdvertisement (cilium.io/v2, v2alpha1): what is said to peers, and with which attributes. Reference §1.4. */
import type { PathAttributes, ServiceAddressType } from './bgp-attributes.ts';
import type { Condition, ObjectMeta } from './object.ts';
import type { LabelSelector } from './selector.ts';

export type Advertisement = { readonly attributes: PathAttributes } & (
  | { readonly advertisementType: 'PodCIDR' }
  | { readonly advertisementType: 'CiliumPodIPPool'; readonly selector: LabelSelector }
  | {
      readonly advertisementType: 'Service';
      /** Absent means none. */
      readonly selector: LabelSelector;
      readonly addresses: readonly ServiceAddressType[];
      readonly aggregationLengthIPv4: number | undefined;
      readonly aggregationLengthIPv6: number | undefined;
    }
  | { readonly advertisementType: 'Interface'; readonly interface: string }
);

export interface CiliumBGPAdvertisement {
  readonly kind: 'CiliumBGPAdvertisement';
  readonly metadata: ObjectMeta;
  readonly spec: { readonly advertisements: readonly Advertisement[] };
  readonly status: { readonly conditions: readonly Condition[] };
}
