/** CiliumNode (cilium.io/v2), read where Cilium hands out pod addresses: a node's PodCIDRs and pool blocks. Reference §2.4. */
import type { Prefix } from '../net/prefix.ts';
import type { NodeAddress } from './node.ts';
import type { ObjectMeta } from './object.ts';

export interface CiliumNode {
  readonly kind: 'CiliumNode';
  readonly metadata: ObjectMeta;
  readonly spec: {
    readonly addresses: readonly NodeAddress[];
    readonly podCIDRs: readonly Prefix[];
    /** Blocks of pod pools that this node holds. */
    readonly pools: readonly { readonly pool: string; readonly cidrs: readonly Prefix[] }[];
  };
}
