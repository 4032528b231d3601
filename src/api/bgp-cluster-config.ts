/** CiliumBGPClusterConfig (cilium.io/v2, v2alpha1): BGP instances and peers for a set of nodes. Reference §1.4. */
import type { z } from 'zod';
import type { Family, ZonedAddress } from '../net/ip.ts';
import { asn, conditionStatus, ipText, list, name, object, oneOf, port, readConditions, text } from './fields.ts';
import { ageColumn, defineKind } from './kind.ts';
import type { Notes } from './notes.ts';
import type { Condition, ObjectMeta } from './object.ts';
import { LabelSelector } from './selector.ts';
import { labelSelector, readSelector } from './selector-field.ts';
import { readZonedAddress } from './value-field.ts';

/** Who the peer is, where its address is not written down. */
export type AutoDiscovery =
  | { readonly mode: 'DefaultGateway'; readonly addressFamily: Family }
  | { readonly mode: 'Unnumbered'; readonly interface: string };

interface BgpPeer {
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

export const autoDiscovery = object(
  "Finds the peer's address, where it is not written down.",
  {
    mode: oneOf('How.', ['DefaultGateway', 'Unnumbered']),
    defaultGateway: object('The peer is the default gateway with the lowest metric.', {
      addressFamily: oneOf('Whose default route.', ['ipv4', 'ipv6']),
    }).optional(),
    unnumbered: object('The peer is the one router on a link, reached at its link-local address.', {
      interface: name('The link.'),
    }).optional(),
  },
  [
    {
      code: 'no-default-gateway-block',
      cel: "self.mode != 'DefaultGateway' || has(self.defaultGateway)",
      holds: ({ mode, defaultGateway }) => mode !== 'DefaultGateway' || defaultGateway !== undefined,
      message: 'mode is DefaultGateway and defaultGateway is missing',
      fix: 'add defaultGateway with addressFamily ipv4 or ipv6',
    },
    {
      code: 'no-unnumbered-block',
      cel: "self.mode != 'Unnumbered' || has(self.unnumbered)",
      holds: ({ mode, unnumbered }) => mode !== 'Unnumbered' || unnumbered !== undefined,
      message: 'mode is Unnumbered and unnumbered is missing',
      fix: 'add unnumbered with the name of the interface',
    },
  ],
).optional();

export function readAutoDiscovery(raw: z.output<typeof autoDiscovery>): AutoDiscovery | undefined {
  if (raw?.mode === 'DefaultGateway' && raw.defaultGateway !== undefined)
    return { mode: raw.mode, addressFamily: raw.defaultGateway.addressFamily };
  if (raw?.mode === 'Unnumbered' && raw.unnumbered !== undefined)
    return { mode: raw.mode, interface: raw.unnumbered.interface };
  return undefined;
}

export const peerConfigRef = object('The CiliumBGPPeerConfig with how to talk to it; all defaults when absent.', {
  name: name('Its name.', 253),
  group: text('Of the first versions; not needed.').optional(),
  kind: text('Of the first versions; not needed.').optional(),
}).optional();

const peer = object('A router to peer with.', {
  name: name('Tells it from the other peers of the instance.'),
  peerAddress: ipText('Its address, without a prefix length.').optional(),
  peerASN: asn('Its AS number; 0 accepts the one it opens with.', 0).default(0),
  autoDiscovery,
  peerConfigRef,
});

const instance = object('A BGP speaker, one on every selected node.', {
  name: name('Tells it from the other instances.'),
  localASN: asn('Its AS number, unless an override says otherwise.', 1).optional(),
  localPort: port('The port to listen on; absent means that it only connects.').optional(),
  peers: list('Its peers.', peer, { key: 'name' }).default([]),
});

const body = object('BGP instances and their peers for a set of nodes.', {
  spec: object('Which nodes, and what they do.', {
    nodeSelector: labelSelector('Nodes this configuration applies to. Absent means all.'),
    bgpInstances: list('The BGP speakers of each node.', instance, { min: 1, max: 16, key: 'name' }),
  }),
});

export const bgpClusterConfigKind = defineKind({
  kind: 'CiliumBGPClusterConfig',
  group: 'cilium.io',
  versions: ['v2', 'v2alpha1'],
  plural: 'ciliumbgpclusterconfigs',
  scope: 'Cluster',
  crd: {
    owner: 'herald',
    about: 'BGP instances and their peers for a set of nodes.',
    shortNames: ['cbgpcluster'],
    categories: ['cilium', 'ciliumbgp'],
    columns: [ageColumn],
  },
  body,
  status: conditionStatus,
  read: ({ body: { spec }, status, metadata, notes }): CiliumBGPClusterConfig => ({
    kind: 'CiliumBGPClusterConfig',
    metadata,
    spec: {
      nodeSelector: readSelector(spec.nodeSelector, 'spec.nodeSelector', LabelSelector.everything, notes),
      bgpInstances: spec.bgpInstances.map((each, i) => ({
        name: each.name,
        localASN: each.localASN,
        localPort: each.localPort,
        peers: each.peers.map((one, j) => readPeer(one, `spec.bgpInstances[${i}].peers[${j}]`, notes)),
      })),
    },
    status: { conditions: readConditions(status.conditions) },
  }),
});

function readPeer(raw: z.output<typeof peer>, path: string, notes: Notes): BgpPeer {
  return {
    name: raw.name,
    peerAddress: readZonedAddress(raw.peerAddress, `${path}.peerAddress`, notes),
    peerASN: raw.peerASN,
    autoDiscovery: readAutoDiscovery(raw.autoDiscovery),
    peerConfigRef: raw.peerConfigRef?.name,
  };
}
