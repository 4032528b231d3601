/** CiliumBGPNodeConfig (cilium.io/v2, v2alpha1): what one node does, written by the operator. Reference §1.4. */
import type { z } from 'zod';
import { IpAddress, type ZonedAddress } from '../net/ip.ts';
import { type AddressFamily, familyFields } from './bgp-attributes.ts';
import { type AutoDiscovery, autoDiscovery, peerConfigRef, readAutoDiscovery } from './bgp-cluster-config.ts';
import {
  asn,
  conditions,
  ipText,
  ipv4Text,
  list,
  maxInt32,
  name,
  object,
  port,
  type Rule,
  readConditions,
  text,
  whole,
} from './fields.ts';
import { ageColumn, defineKind } from './kind.ts';
import type { Notes } from './notes.ts';
import type { Condition, ObjectMeta, RawObject } from './object.ts';
import { readAddress, readZonedAddress } from './value-field.ts';

export interface BgpNodePeer {
  readonly name: string;
  readonly peerAddress: ZonedAddress | undefined;
  /** The link to a link-local peer. */
  readonly peerInterface: string | undefined;
  /** 0 accepts whatever AS the peer's OPEN carries; undefined is an error for the whole instance. */
  readonly peerASN: number | undefined;
  readonly autoDiscovery: AutoDiscovery | undefined;
  readonly localAddress: ZonedAddress | undefined;
  readonly peerConfigRef: string | undefined;
}

export interface BgpNodeInstance {
  readonly name: string;
  readonly localASN: number | undefined;
  /** IPv4. */
  readonly routerID: IpAddress | undefined;
  readonly localPort: number | undefined;
  readonly peers: readonly BgpNodePeer[];
}

interface RouteCount extends AddressFamily {
  readonly received: number | undefined;
  readonly advertised: number | undefined;
}

interface BgpPeerStatus {
  readonly name: string;
  readonly peerAddress: string;
  readonly peerASN: number | undefined;
  readonly peeringState: string | undefined;
  readonly timers:
    | { readonly appliedHoldTimeSeconds: number | undefined; readonly appliedKeepaliveSeconds: number | undefined }
    | undefined;
  /** RFC 3339. */
  readonly establishedTime: string | undefined;
  readonly routeCount: readonly RouteCount[];
}

export interface CiliumBGPNodeConfig {
  readonly kind: 'CiliumBGPNodeConfig';
  /** Named after its node. */
  readonly metadata: ObjectMeta;
  readonly spec: { readonly bgpInstances: readonly BgpNodeInstance[] };
  readonly status: {
    readonly bgpInstances: readonly {
      readonly name: string;
      readonly localASN: number | undefined;
      readonly peers: readonly BgpPeerStatus[];
    }[];
    readonly conditions: readonly Condition[];
  };
}

const peerFields = {
  name: name('Tells it from the other peers of the instance.'),
  peerAddress: ipText('Its address; absent while it has not been found.').optional(),
  peerInterface: name('The link to a peer with a link-local address.').optional(),
  peerASN: asn('Its AS number; 0 accepts the one it opens with.', 0).optional(),
  autoDiscovery,
  localAddress: ipText('The address to connect from.').optional(),
  peerConfigRef,
};

const peerRules: readonly Rule<z.output<z.ZodObject<typeof peerFields>>>[] = [
  {
    code: 'no-peer-address',
    cel: 'has(self.peerAddress) || has(self.autoDiscovery)',
    holds: each => each.peerAddress !== undefined || each.autoDiscovery !== undefined,
    message: 'there is neither peerAddress nor autoDiscovery',
    fix: 'add one of them',
  },
];

const instance = object('A BGP speaker on the node.', {
  name: name('Tells it from the other instances.'),
  localASN: asn('Its AS number.', 1).optional(),
  routerID: ipv4Text("Its BGP identifier; taken from the node's address when absent.").optional(),
  localPort: port('The port to listen on; absent means that it only connects.').optional(),
  peers: list('Its peers.', object('A router to peer with.', peerFields, peerRules), { key: 'name' }).default([]),
});

const count = (about: string) => whole(about, 0, maxInt32).optional();

const peerStatus = object('The state of a peer.', {
  name: name('Which peer.'),
  peerAddress: text('Its address.').default(''),
  peerASN: asn('Its AS number.', 0).optional(),
  peeringState: text('The state of the session: idle, connect, active, opensent, openconfirm, established.').optional(),
  timers: object('What was negotiated.', {
    appliedHoldTimeSeconds: count('The hold time in use.'),
    appliedKeepaliveSeconds: count('The time between keepalives in use.'),
  }).optional(),
  establishedTime: text('Since when it is established (RFC 3339).').optional(),
  routeCount: list(
    'Routes by family.',
    object('One family.', {
      ...familyFields,
      received: count('Routes heard from the peer.'),
      advertised: count('Routes told to the peer.'),
    }),
  ).default([]),
});

const status = object('What the node does.', {
  bgpInstances: list(
    'The state of its BGP speakers.',
    object('The state of one.', {
      name: name('Which instance.'),
      localASN: asn('Its AS number.', 0).optional(),
      peers: list('The state of its peers.', peerStatus, { key: 'name' }).default([]),
    }),
    { key: 'name' },
  ).default([]),
  conditions,
});

export const bgpNodeConfigKind = defineKind({
  kind: 'CiliumBGPNodeConfig',
  group: 'cilium.io',
  versions: ['v2', 'v2alpha1'],
  plural: 'ciliumbgpnodeconfigs',
  scope: 'Cluster',
  crd: {
    owner: 'herald',
    about: 'What BGP does on the node of the same name. Written by Herald from cluster configurations and overrides.',
    shortNames: ['cbgpnode'],
    categories: ['cilium', 'ciliumbgp'],
    columns: [ageColumn],
  },
  body: object('What BGP does on one node.', {
    spec: object('Its BGP speakers.', {
      bgpInstances: list('The BGP speakers.', instance, { min: 1, max: 16, key: 'name' }),
    }),
  }),
  status,
  read: ({ body: { spec }, status, metadata, notes }): CiliumBGPNodeConfig => ({
    kind: 'CiliumBGPNodeConfig',
    metadata,
    spec: { bgpInstances: spec.bgpInstances.map((each, i) => readInstance(each, `spec.bgpInstances[${i}]`, notes)) },
    status: {
      bgpInstances: status.bgpInstances.map(readInstanceStatus),
      conditions: readConditions(status.conditions),
    },
  }),
});

function readInstance(raw: z.output<typeof instance>, path: string, notes: Notes): BgpNodeInstance {
  return {
    name: raw.name,
    localASN: raw.localASN,
    routerID: readAddress(raw.routerID, `${path}.routerID`, notes, 'ipv4'),
    localPort: raw.localPort,
    peers: raw.peers.map((each, i) => ({
      name: each.name,
      peerAddress: readZonedAddress(each.peerAddress, `${path}.peers[${i}].peerAddress`, notes),
      peerInterface: each.peerInterface,
      peerASN: each.peerASN,
      autoDiscovery: readAutoDiscovery(each.autoDiscovery),
      localAddress: readZonedAddress(each.localAddress, `${path}.peers[${i}].localAddress`, notes),
      peerConfigRef: each.peerConfigRef?.name,
    })),
  };
}

type InstanceStatus = CiliumBGPNodeConfig['status']['bgpInstances'][number];

function readInstanceStatus({
  name,
  localASN,
  peers,
}: z.output<typeof status>['bgpInstances'][number]): InstanceStatus {
  return {
    name,
    localASN,
    peers: peers.map(({ timers, ...each }) => ({
      name: each.name,
      peerAddress: each.peerAddress,
      peerASN: each.peerASN,
      peeringState: each.peeringState,
      timers: timers && {
        appliedHoldTimeSeconds: timers.appliedHoldTimeSeconds,
        appliedKeepaliveSeconds: timers.appliedKeepaliveSeconds,
      },
      establishedTime: each.establishedTime,
      routeCount: each.routeCount.map(({ afi, safi, received, advertised }) => ({ afi, safi, received, advertised })),
    })),
  };
}

export const CiliumBGPNodeConfig = {
  /** The spec as a manifest spells it, for whoever writes the object: nothing where nothing is known. */
  specToRaw({ bgpInstances }: CiliumBGPNodeConfig['spec']): RawObject {
    return { bgpInstances: bgpInstances.map(instanceToRaw) };
  },
};

function instanceToRaw({ name, localASN, routerID, localPort, peers }: BgpNodeInstance): RawObject {
  return {
    name,
    ...(localASN === undefined ? {} : { localASN }),
    ...(routerID === undefined ? {} : { routerID: IpAddress.format(routerID) }),
    ...(localPort === undefined ? {} : { localPort }),
    peers: peers.map(peerToRaw),
  };
}

function peerToRaw(peer: BgpNodePeer): RawObject {
  const { name, peerAddress, peerInterface, peerASN, autoDiscovery, localAddress, peerConfigRef } = peer;
  return {
    name,
    ...(peerAddress === undefined ? {} : { peerAddress: formatZoned(peerAddress) }),
    ...(peerInterface === undefined ? {} : { peerInterface }),
    ...(peerASN === undefined ? {} : { peerASN }),
    ...(autoDiscovery === undefined ? {} : { autoDiscovery: autoDiscoveryToRaw(autoDiscovery) }),
    ...(localAddress === undefined ? {} : { localAddress: formatZoned(localAddress) }),
    ...(peerConfigRef === undefined ? {} : { peerConfigRef: { name: peerConfigRef } }),
  };
}

function autoDiscoveryToRaw(discovery: AutoDiscovery): RawObject {
  const { mode } = discovery;
  if (mode === 'DefaultGateway') return { mode, defaultGateway: { addressFamily: discovery.addressFamily } };
  return { mode, unnumbered: { interface: discovery.interface } };
}

function formatZoned({ address, zone }: ZonedAddress): string {
  return zone === undefined ? IpAddress.format(address) : `${IpAddress.format(address)}%${zone}`;
}
