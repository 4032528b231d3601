/** CiliumBGPPeerConfig (cilium.io/v2, v2alpha1): how to talk to a peer. Reference §1.4. */
import type { z } from 'zod';
import {
  type BgpTimers,
  type FamilyWithAdvertisements,
  familyFields,
  type GracefulRestart,
  gracefulRestart,
  readGracefulRestart,
  timerFields,
  timerRule,
} from './bgp-attributes.ts';
import { conditionStatus, flag, list, name, object, port, readConditions, text, whole } from './fields.ts';
import { ageColumn, defineKind } from './kind.ts';
import { Notes } from './notes.ts';
import type { Condition, ObjectMeta } from './object.ts';
import { LabelSelector } from './selector.ts';
import { labelSelector, readSelector } from './selector-field.ts';

interface BfdSettings {
  readonly enabled: boolean;
  readonly transmitIntervalMilliseconds: number;
  readonly receiveIntervalMilliseconds: number;
  readonly detectionMultiplier: number;
}

export interface CiliumBGPPeerConfigSpec {
  readonly transport: {
    readonly peerPort: number;
    /** The session's source is the one usable address of this interface. */
    readonly sourceInterface: string | undefined;
  };
  readonly timers: BgpTimers;
  readonly authSecretRef: string | undefined;
  readonly gracefulRestart: GracefulRestart;
  readonly ebgpMultihop: number;
  readonly families: readonly FamilyWithAdvertisements[];
  readonly bfd: BfdSettings;
}

export interface CiliumBGPPeerConfig {
  readonly kind: 'CiliumBGPPeerConfig';
  readonly metadata: ObjectMeta;
  readonly spec: CiliumBGPPeerConfigSpec;
  readonly status: { readonly conditions: readonly Condition[] };
}

const spec = object('How to talk to the peers that refer to this.', {
  transport: object('The TCP connection.', {
    peerPort: port('The port the peer listens on.').default(179),
    sourceInterface: name('Connect from the one usable address of this interface.').optional(),
    localPort: whole('Of the first versions; has no effect.', 0, 65535).optional(),
  }).prefault({}),
  timers: object('Timers of the session.', timerFields, [timerRule]).prefault({}),
  authSecretRef: text('Secret with the TCP MD5 password under the key password.').optional(),
  gracefulRestart,
  ebgpMultihop: whole('TTL towards an eBGP peer; above 1 it need not be on the same link.', 1, 255).default(1),
  families: list(
    'Families to negotiate; ipv4 and ipv6 unicast without advertisements when absent.',
    object('An address family.', {
      ...familyFields,
      advertisements: labelSelector('CiliumBGPAdvertisements to tell the peer in this family. Absent means none.'),
    }),
  ).default([]),
  bfd: object('RFC 5880: notices within milliseconds that the peer is gone.', {
    enabled: flag('Run BFD with the peer.').default(false),
    transmitIntervalMilliseconds: whole('How often to send, at most.', 10, 60000).default(300),
    receiveIntervalMilliseconds: whole('How often the peer may send, at most.', 10, 60000).default(300),
    detectionMultiplier: whole('How many packets may be lost in a row.', 1, 255).default(3),
  }).prefault({}),
});

export const bgpPeerConfigKind = defineKind({
  kind: 'CiliumBGPPeerConfig',
  group: 'cilium.io',
  versions: ['v2', 'v2alpha1'],
  plural: 'ciliumbgppeerconfigs',
  scope: 'Cluster',
  crd: {
    owner: 'herald',
    about: 'How to talk to BGP peers: timers, authentication, families, and what they are told.',
    shortNames: ['cbgppeer'],
    categories: ['cilium', 'ciliumbgp'],
    columns: [ageColumn],
  },
  body: object('How to talk to BGP peers.', { spec }),
  status: conditionStatus,
  read: ({ body, status, metadata, notes }): CiliumBGPPeerConfig => ({
    kind: 'CiliumBGPPeerConfig',
    metadata,
    spec: readSpec(body.spec, notes),
    status: { conditions: readConditions(status.conditions) },
  }),
});

const bothFamilies: readonly FamilyWithAdvertisements[] = [
  { afi: 'ipv6', safi: 'unicast', advertisements: LabelSelector.nothing },
  { afi: 'ipv4', safi: 'unicast', advertisements: LabelSelector.nothing },
];

function readSpec(raw: z.output<typeof spec>, notes: Notes): CiliumBGPPeerConfigSpec {
  const families = raw.families.map(({ afi, safi, advertisements }, i) => ({
    afi,
    safi,
    advertisements: readSelector(advertisements, `spec.families[${i}].advertisements`, LabelSelector.nothing, notes),
  }));
  return {
    transport: { peerPort: raw.transport.peerPort, sourceInterface: raw.transport.sourceInterface },
    timers: raw.timers,
    authSecretRef: raw.authSecretRef || undefined,
    gracefulRestart: readGracefulRestart(raw.gracefulRestart),
    ebgpMultihop: raw.ebgpMultihop,
    families: families.length === 0 ? bothFamilies : families,
    bfd: raw.bfd,
  };
}

export const CiliumBGPPeerConfigSpec = {
  /** What a peer without a peerConfigRef uses: the session comes up, nothing is advertised. */
  defaults(): CiliumBGPPeerConfigSpec {
    return readSpec(spec.parse({}), new Notes());
  },
};
