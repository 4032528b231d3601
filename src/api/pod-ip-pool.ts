/** CiliumPodIPPool (cilium.io/v2alpha1), read where Cilium has several pools of pod addresses. Reference §1.1.2. */
import type { z } from 'zod';
import type { Family } from '../net/ip.ts';
import type { Prefix } from '../net/prefix.ts';
import { cidrText, list, object, whole } from './fields.ts';
import { ageColumn, defineKind } from './kind.ts';
import type { Notes } from './notes.ts';
import type { ObjectMeta } from './object.ts';
import { type Labels, selectorLabels } from './selector.ts';
import { readPrefix } from './value-field.ts';

/** Prefixes of length `maskSize` are cut from `cidrs` for the nodes. */
interface PodPoolFamily {
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

const family = (about: string, bits: 32 | 128) =>
  object(about, {
    cidrs: list('The networks.', cidrText('A network.'), { min: 1 }),
    maskSize: whole('Length of the prefixes that nodes are given.', 1, bits),
  }).optional();

const ipv4 = family('IPv4 networks of the pool.', 32);
const ipv6 = family('IPv6 networks of the pool.', 128);

export const podIpPoolKind = defineKind({
  kind: 'CiliumPodIPPool',
  group: 'cilium.io',
  versions: ['v2alpha1', 'v2'],
  plural: 'ciliumpodippools',
  scope: 'Cluster',
  crd: {
    owner: 'cilium',
    about: 'Networks that pods get their addresses from.',
    shortNames: ['cpip'],
    categories: ['cilium'],
    columns: [ageColumn],
  },
  body: object('Networks that pods get their addresses from.', { spec: object('The networks.', { ipv4, ipv6 }) }),
  status: object('Nothing in it matters here.', {}),
  read: ({ body: { spec }, metadata, notes }): CiliumPodIPPool => ({
    kind: 'CiliumPodIPPool',
    metadata,
    selectorLabels: selectorLabels('podPool', metadata),
    spec: { ipv4: readFamily(spec.ipv4, 'ipv4', notes), ipv6: readFamily(spec.ipv6, 'ipv6', notes) },
  }),
});

function readFamily(raw: z.output<typeof ipv4>, family: Family, notes: Notes): PodPoolFamily | undefined {
  if (raw === undefined) return undefined;
  const cidrs = raw.cidrs.flatMap((cidr, i) => readPrefix(cidr, `spec.${family}.cidrs[${i}]`, notes, family) ?? []);
  return { cidrs, maskSize: raw.maskSize };
}
