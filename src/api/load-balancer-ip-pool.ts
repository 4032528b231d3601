/** CiliumLoadBalancerIPPool (cilium.io/v2, v2alpha1): addresses for Services. Reference §1.3. */
import type { Prefix } from '../net/prefix.ts';
import type { Range } from '../net/range.ts';
import type { Condition, ObjectMeta } from './object.ts';
import type { LabelSelector } from './selector.ts';

/** `prefix` is there when the block was written as a CIDR; only then can first and last addresses be held back. */
export interface PoolBlock {
  readonly range: Range;
  readonly prefix: Prefix | undefined;
}

export interface CiliumLoadBalancerIPPool {
  readonly kind: 'CiliumLoadBalancerIPPool';
  readonly metadata: ObjectMeta;
  readonly spec: {
    readonly blocks: readonly PoolBlock[];
    /** Absent means all services. */
    readonly serviceSelector: LabelSelector;
    readonly allowFirstLastIPs: boolean;
    readonly disabled: boolean;
  };
  readonly status: { readonly conditions: readonly Condition[] };
}
