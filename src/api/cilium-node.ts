/** CiliumNode (cilium.io/v2), read where Cilium hands out pod addresses: a node's networks. Reference §2.4. */
import { IpAddress } from '../net/ip.ts';
import type { Prefix } from '../net/prefix.ts';
import { list, object, text } from './fields.ts';
import { ageColumn, defineKind } from './kind.ts';
import type { NodeAddress } from './node.ts';
import type { ObjectMeta } from './object.ts';
import { readPrefixes } from './value-field.ts';

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

const cidrs = (about: string) => list(about, text('A network.', 'a CIDR')).default([]);

const body = object("A node's part of the pod network.", {
  spec: object('What the node has.', {
    addresses: list(
      'Its addresses.',
      object('An address.', { type: text('Its type.').default(''), ip: text('The address.') }),
    ).default([]),
    ipam: object('Its networks for pods.', {
      podCIDRs: cidrs('Its networks, where there is one pool for all.'),
      pools: object('Its networks, where there are several pools.', {
        allocated: list(
          'The blocks it holds.',
          object('The blocks it holds of one pool.', { pool: text('The pool.'), cidrs: cidrs('The blocks.') }),
        ).default([]),
      }).prefault({}),
    }).prefault({}),
  }).prefault({}),
});

export const ciliumNodeKind = defineKind({
  kind: 'CiliumNode',
  group: 'cilium.io',
  versions: ['v2'],
  plural: 'ciliumnodes',
  scope: 'Cluster',
  crd: {
    owner: 'cilium',
    about: 'A node as Cilium sees it.',
    shortNames: ['cn', 'ciliumn'],
    categories: ['cilium'],
    columns: [ageColumn],
  },
  body,
  status: object('Nothing in it matters here.', {}),
  read: ({ body: { spec }, metadata, notes }): CiliumNode => ({
    kind: 'CiliumNode',
    metadata,
    spec: {
      addresses: spec.addresses.flatMap(({ type, ip }) => {
        const address = IpAddress.parse(ip);
        return address === undefined ? [] : [{ type, address }];
      }),
      podCIDRs: readPrefixes(spec.ipam.podCIDRs, 'spec.ipam.podCIDRs', notes),
      pools: spec.ipam.pools.allocated.map(({ pool, cidrs }, i) => ({
        pool,
        cidrs: readPrefixes(cidrs, `spec.ipam.pools.allocated[${i}].cidrs`, notes),
      })),
    },
  }),
});
