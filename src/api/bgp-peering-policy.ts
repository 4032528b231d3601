/** CiliumBGPPeeringPolicy (cilium.io/v2alpha1): the first BGP API. Reference §1.1. */
import type { z } from 'zod';
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import {
  type AddressFamily,
  attributeFields,
  type BgpTimers,
  familyFields,
  type GracefulRestart,
  gracefulRestart,
  type PathAttributes,
  readAttributes,
  readGracefulRestart,
  type ServiceAddressType,
  serviceAddressTypes,
  timerRule,
} from './bgp-attributes.ts';
import {
  asn,
  cidrText,
  conditionStatus,
  flag,
  list,
  maxInt32,
  object,
  oneOf,
  port,
  readConditions,
  text,
  whole,
} from './fields.ts';
import { ageColumn, defineKind } from './kind.ts';
import { type Notes, shorten } from './notes.ts';
import type { Condition, ObjectMeta } from './object.ts';
import { LabelSelector } from './selector.ts';
import { labelSelector, readSelector } from './selector-field.ts';
import { parseDurationSeconds } from './value-field.ts';

/** `selector` chooses among objects of the type: CiliumNodes for PodCIDR, else pools. Absent means every one. */
export interface AdvertisedPathAttributes extends PathAttributes {
  readonly selectorType: 'PodCIDR' | 'CiliumLoadBalancerIPPool' | 'CiliumPodIPPool';
  readonly selector: LabelSelector;
}

interface Neighbor {
  /** Written as a host prefix, `10.0.0.1/32`. */
  readonly peerAddress: IpAddress;
  readonly peerPort: number;
  readonly peerASN: number;
  readonly authSecretRef: string | undefined;
  readonly eBGPMultihopTTL: number;
  readonly timers: BgpTimers;
  readonly gracefulRestart: GracefulRestart;
  readonly families: readonly AddressFamily[];
  readonly advertisedPathAttributes: readonly AdvertisedPathAttributes[];
}

export interface VirtualRouter {
  /** Identifies the virtual router on its node. */
  readonly localASN: number;
  readonly exportPodCIDR: boolean;
  /** Absent means none. */
  readonly podIPPoolSelector: LabelSelector;
  /** Absent means none. */
  readonly serviceSelector: LabelSelector;
  readonly serviceAdvertisements: readonly ServiceAddressType[];
  readonly neighbors: readonly Neighbor[];
}

export interface CiliumBGPPeeringPolicy {
  readonly kind: 'CiliumBGPPeeringPolicy';
  readonly metadata: ObjectMeta;
  readonly spec: {
    /** Absent means all nodes. */
    readonly nodeSelector: LabelSelector;
    /** At least one; no two have one localASN. */
    readonly virtualRouters: readonly VirtualRouter[];
  };
  readonly status: { readonly conditions: readonly Condition[] };
}

const pathAttributes = object('Attributes for the routes of one kind.', {
  selectorType: oneOf('Which routes: pod CIDRs, or addresses of a kind of pool.', [
    'PodCIDR',
    'CiliumLoadBalancerIPPool',
    'CiliumPodIPPool',
  ]),
  selector: labelSelector('Which pools, or for PodCIDR which nodes. Absent means all.'),
  ...attributeFields,
});

const oldDuration = (field: string) =>
  text(`Old spelling of ${field}, as a duration such as 90s.`, 'a duration such as 90s').optional();

const neighbor = object('A router to peer with.', {
  peerAddress: cidrText('Its address as a host prefix: 10.0.0.1/32.'),
  peerPort: port('The TCP port it listens on.').default(179),
  peerASN: asn('Its AS number.', 0),
  authSecretRef: text('Secret with the TCP MD5 password under the key password.').optional(),
  eBGPMultihopTTL: whole('TTL towards an eBGP peer; above 1 it need not be on the same link.', 1, 255).default(1),
  connectRetryTimeSeconds: whole(
    'How long to wait before connecting again; up to twice as long, at random.',
    1,
    maxInt32,
  ).optional(),
  holdTimeSeconds: whole(
    'Hold time offered to the peer; 90 when absent. A change resets the session.',
    3,
    65535,
  ).optional(),
  keepAliveTimeSeconds: whole('Time between keepalives; 30 when absent, not above the hold time.', 1, 65535).optional(),
  connectRetryTime: oldDuration('connectRetryTimeSeconds'),
  holdTime: oldDuration('holdTimeSeconds'),
  keepAliveTime: oldDuration('keepAliveTimeSeconds'),
  gracefulRestart,
  families: list(
    'Families to negotiate; ipv4 and ipv6 unicast when absent.',
    object('An address family.', familyFields),
  ).default([]),
  advertisedPathAttributes: list('Attributes to put on routes told to this peer.', pathAttributes).default([]),
});

const virtualRouter = object('A BGP speaker, one on every selected node.', {
  localASN: asn('Its AS number, which also tells it from the other virtual routers.', 0),
  exportPodCIDR: flag("Announce the node's pod CIDRs.").default(false),
  podIPPoolSelector: labelSelector(
    'Pod pools whose blocks here are announced, by their labels and by io.cilium.podippool.name. Absent means none.',
  ),
  serviceSelector: labelSelector(
    'Services to announce, by their labels and by io.kubernetes.service.namespace and io.kubernetes.service.name. ' +
      'Absent means none; an empty selector means all.',
  ),
  serviceAdvertisements: list(
    'Which addresses of those Services; LoadBalancerIP when absent.',
    oneOf('A kind of address.', serviceAddressTypes),
  ).default(['LoadBalancerIP']),
  neighbors: list('Its peers.', neighbor, { min: 1 }),
});

const body = object('BGP peerings of a set of nodes.', {
  spec: object('Which nodes, and what they do.', {
    nodeSelector: labelSelector('Nodes this policy applies to. Absent means all.'),
    virtualRouters: list('The BGP speakers of each node.', virtualRouter, { min: 1 }),
  }),
});

export const bgpPeeringPolicyKind = defineKind({
  kind: 'CiliumBGPPeeringPolicy',
  group: 'cilium.io',
  versions: ['v2alpha1'],
  plural: 'ciliumbgppeeringpolicies',
  scope: 'Cluster',
  crd: {
    owner: 'herald',
    about: 'BGP peerings of a set of nodes, all in one object: the first generation of the BGP API.',
    shortNames: ['bgpp'],
    categories: ['cilium', 'ciliumbgp'],
    columns: [ageColumn],
  },
  body,
  status: conditionStatus,
  read: ({ body: { spec }, status, metadata, notes }): CiliumBGPPeeringPolicy => {
    refuseTwinRouters(spec.virtualRouters, notes);
    return {
      kind: 'CiliumBGPPeeringPolicy',
      metadata,
      spec: {
        nodeSelector: readSelector(spec.nodeSelector, 'spec.nodeSelector', LabelSelector.everything, notes),
        virtualRouters: spec.virtualRouters.map((each, i) => readRouter(each, `spec.virtualRouters[${i}]`, notes)),
      },
      status: { conditions: readConditions(status.conditions) },
    };
  },
});

function refuseTwinRouters(routers: readonly z.output<typeof virtualRouter>[], notes: Notes): void {
  const seen = new Set<number>();
  for (const [i, { localASN }] of routers.entries()) {
    const path = `spec.virtualRouters[${i}].localASN`;
    const fix = 'put the neighbors of both under one virtual router, or give each its own localASN';
    if (seen.has(localASN))
      notes.error('duplicate-local-asn', path, `another virtual router has AS ${localASN} too`, fix);
    seen.add(localASN);
  }
}

function readRouter(raw: z.output<typeof virtualRouter>, path: string, notes: Notes): VirtualRouter {
  return {
    localASN: raw.localASN,
    exportPodCIDR: raw.exportPodCIDR,
    podIPPoolSelector: readSelector(raw.podIPPoolSelector, `${path}.podIPPoolSelector`, LabelSelector.nothing, notes),
    serviceSelector: readSelector(raw.serviceSelector, `${path}.serviceSelector`, LabelSelector.nothing, notes),
    serviceAdvertisements: raw.serviceAdvertisements,
    neighbors: raw.neighbors.flatMap((each, i) => readNeighbor(each, `${path}.neighbors[${i}]`, notes) ?? []),
  };
}

const bothFamilies: readonly AddressFamily[] = [
  { afi: 'ipv4', safi: 'unicast' },
  { afi: 'ipv6', safi: 'unicast' },
];

function readNeighbor(raw: z.output<typeof neighbor>, path: string, notes: Notes): Neighbor | undefined {
  const peerAddress = readHostPrefix(raw.peerAddress, `${path}.peerAddress`, notes);
  const timers = readTimers(raw, path, notes);
  if (peerAddress === undefined) return undefined;
  return {
    peerAddress,
    peerPort: raw.peerPort,
    peerASN: raw.peerASN,
    authSecretRef: raw.authSecretRef || undefined,
    eBGPMultihopTTL: raw.eBGPMultihopTTL,
    timers,
    gracefulRestart: readGracefulRestart(raw.gracefulRestart),
    families: raw.families.length === 0 ? bothFamilies : raw.families,
    advertisedPathAttributes: raw.advertisedPathAttributes.map((each, i) => ({
      selectorType: each.selectorType,
      selector: readSelector(
        each.selector,
        `${path}.advertisedPathAttributes[${i}].selector`,
        LabelSelector.everything,
        notes,
      ),
      ...readAttributes(each),
    })),
  };
}

function readHostPrefix(text: string, path: string, notes: Notes): IpAddress | undefined {
  const address = IpAddress.parse(text.split('/')[0] ?? '');
  const host = address && Prefix.format(Prefix.host(address));
  if (address !== undefined && text === host) return address;
  if (address !== undefined && Prefix.equals(Prefix.host(address), Prefix.parse(text) ?? Prefix.of(address, 0)))
    return address;
  if (host === undefined)
    notes.error('bad-address', path, `'${shorten(text)}' is no address`, 'write a host prefix such as 10.0.0.1/32');
  else notes.error('not-a-host-prefix', path, `'${shorten(text)}' is not the prefix of one address`, `write ${host}`);
  return undefined;
}

/** The limits and defaults of the timers, and their names before 1.12 of Cilium. */
const timerTable = [
  { field: 'connectRetryTimeSeconds', old: 'connectRetryTime', min: 1, max: maxInt32, unset: 120 },
  { field: 'holdTimeSeconds', old: 'holdTime', min: 3, max: 65535, unset: 90 },
  { field: 'keepAliveTimeSeconds', old: 'keepAliveTime', min: 1, max: 65535, unset: 30 },
] as const satisfies readonly {
  readonly field: keyof BgpTimers;
  readonly old: string;
  min: number;
  max: number;
  unset: number;
}[];

function readTimers(raw: z.output<typeof neighbor>, path: string, notes: Notes): BgpTimers {
  const [connectRetryTimeSeconds, holdTimeSeconds, keepAliveTimeSeconds] = timerTable.map(row =>
    readTimer(row, raw, path, notes),
  );
  const timers = { connectRetryTimeSeconds, holdTimeSeconds, keepAliveTimeSeconds } as BgpTimers;
  // Cilium checks this in code, too: the rule would cost the API server too much on lists without bounds.
  if (!timerRule.holds(timers)) {
    const field =
      raw.keepAliveTime !== undefined && raw.keepAliveTimeSeconds === undefined ? 'keepAliveTime' : timerRule.field;
    notes.error(timerRule.code, `${path}.${field}`, timerRule.message, timerRule.fix);
  }
  return timers;
}

/** As before, a duration of zero counts as unset (reference §1.1.3). */
function readTimer(
  row: (typeof timerTable)[number],
  raw: z.output<typeof neighbor>,
  path: string,
  notes: Notes,
): number {
  const { field, old, min, max, unset } = row;
  const at = `${path}.${old}`;
  const text = raw[old];
  const seconds = raw[field];
  if (seconds !== undefined && text !== undefined)
    notes.warn('ignored-field', at, `${field} is there, so it is ignored`, 'remove it');
  if (seconds !== undefined || text === undefined) return seconds ?? unset;
  const duration = parseDurationSeconds(text);
  if (duration === 0) return unset;
  const fix = `write ${field} with a whole number from ${min} to ${max}`;
  if (duration === undefined) notes.error('bad-duration', at, `'${shorten(text)}' is no duration`, fix);
  else if (!Number.isInteger(duration)) notes.error('bad-duration', at, `${text} is no whole number of seconds`, fix);
  else if (duration < min || duration > max) notes.error('out-of-range', at, `${text} is out of range`, fix);
  else return duration;
  return unset;
}
