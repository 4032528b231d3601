/** CiliumBGPNodeConfigOverride (cilium.io/v2, v2alpha1): what one node does differently. Reference §1.4. */
import type { IpAddress, ZonedAddress } from '../net/ip.ts';
import { asn, conditionStatus, ipText, ipv4Text, list, name, object, port, readConditions, whole } from './fields.ts';
import { ageColumn, defineKind } from './kind.ts';
import type { Condition, ObjectMeta } from './object.ts';
import { readAddress, readZonedAddress } from './value-field.ts';

/** What is undefined keeps the cluster configuration's value. */
interface BgpInstanceOverride {
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

const instance = object('What differs for one BGP instance.', {
  name: name('The instance, as the cluster configuration names it.'),
  routerID: ipv4Text('Its BGP identifier on this node; no other speaker may have the same.').optional(),
  localPort: port('The port to listen on.').optional(),
  localASN: asn('Its AS number.', 1).optional(),
  peers: list(
    'What differs for its peers.',
    object('What differs for one peer.', {
      name: name('The peer, as the cluster configuration names it.'),
      localAddress: ipText('The address to connect from.').optional(),
      localPort: whole('Has no effect: the source port is chosen when connecting.', 0, 65535).optional(),
    }),
    { key: 'name' },
  ).default([]),
});

export const bgpNodeConfigOverrideKind = defineKind({
  kind: 'CiliumBGPNodeConfigOverride',
  group: 'cilium.io',
  versions: ['v2', 'v2alpha1'],
  plural: 'ciliumbgpnodeconfigoverrides',
  scope: 'Cluster',
  crd: {
    owner: 'herald',
    about: 'What the node of the same name does differently from the cluster configuration.',
    shortNames: ['cbgpnodeoverride'],
    categories: ['cilium', 'ciliumbgp'],
    columns: [ageColumn],
  },
  body: object('What one node does differently.', {
    spec: object('The differences; what is absent stays as the cluster configuration has it.', {
      bgpInstances: list('The instances that differ.', instance, { min: 1, key: 'name' }),
    }),
  }),
  status: conditionStatus,
  read: ({ body: { spec }, status, metadata, notes }): CiliumBGPNodeConfigOverride => ({
    kind: 'CiliumBGPNodeConfigOverride',
    metadata,
    spec: {
      bgpInstances: spec.bgpInstances.map(({ name, routerID, localPort, localASN, peers }, i) => {
        const path = `spec.bgpInstances[${i}]`;
        return {
          name,
          routerID: readAddress(routerID, `${path}.routerID`, notes, 'ipv4'),
          localPort,
          localASN,
          peers: peers.map(({ name, localAddress }, j) => ({
            name,
            localAddress: readZonedAddress(localAddress, `${path}.peers[${j}].localAddress`, notes),
          })),
        };
      }),
    },
    status: { conditions: readConditions(status.conditions) },
  }),
});
