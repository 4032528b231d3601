/** CiliumPodIPPool (cilium.io/v2alpha1), read where Cilium hands out pod addresses from several pools. Reference §1.1.2. */
import type { Prefix } from '../net/prefix.ts';
import type { ObjectMeta } from './object.ts';
import type { Labels } from './selector.ts';

/** Prefixes of length `maskSize` are cut from `cidrs` for the nodes. */
export interface PodPoolFamily {
  readonly cidrs: readonly Prefix[];
  readonly maskSize: number;
}

export interface CiliumPodIPPool {
  readonly kind: 'CiliumPodIPPool';
  readonly metadata: ObjectMeta;
  /** What selectors on pod pools see: its labels, and its name under the magic key, which wins. */
  readonly selectorLabels: Labels;
  readonly spec: { readonly ipv4: PodPoolFamily | undefined; readonly ipv6: PodPoolFamily | undefined };
}
