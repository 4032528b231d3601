/** CiliumL2AnnouncementPolicy (cilium.io/v2alpha1): which addresses are answered for on the local network. Reference §1.2. */
import type { Condition, ObjectMeta } from './object.ts';
import type { LabelSelector } from './selector.ts';

export interface CiliumL2AnnouncementPolicy {
  readonly kind: 'CiliumL2AnnouncementPolicy';
  readonly metadata: ObjectMeta;
  readonly spec: {
    /** Absent means all nodes. */
    readonly nodeSelector: LabelSelector;
    /** Absent means all services. */
    readonly serviceSelector: LabelSelector;
    /** RE2 expressions, unanchored, any of which may match; none means every interface. */
    readonly interfaces: readonly string[];
    readonly externalIPs: boolean;
    readonly loadBalancerIPs: boolean;
  };
  readonly status: { readonly conditions: readonly Condition[] };
}
