/** What a migrated policy announces is what the policy announced: over every scenario of the first API. */
import { describe, expect, it } from 'vitest';
import { type Snapshot, SnapshotBuilder } from '../../src/api/snapshot.ts';
import { attributesText } from '../../src/control/announced.ts';
import { desiredForNode, type NodeDesired } from '../../src/control/desired.ts';
import { afterOperator } from '../../src/control/explain-files.ts';
import { IpamControl } from '../../src/control/ipam.ts';
import { ipamDefaults } from '../../src/control/ipam-claims.ts';
import { migratePolicy } from '../../src/control/migrate.ts';
import { Prefix } from '../../src/net/prefix.ts';
import { good } from '../support/parsed.ts';
import { apply, put, type Scenario, scenarios } from './scenario.ts';

/** Prefixes with the peers' addresses and what they are told. */
function told({ bgp }: NodeDesired): readonly string[] {
  return bgp.instances
    .flatMap(({ plan, announcements }) => {
      const addresses = new Map(plan.peers.map(peer => [peer.key, peer.remoteText]));
      return announcements.flatMap(each =>
        (each.peers ?? []).map(key => `${Prefix.format(each.prefix)} ${addresses.get(key)} ${attributesText(each)}`),
      );
    })
    .sort();
}

function peersOf({ bgp }: NodeDesired): readonly string[] {
  return bgp.instances
    .flatMap(({ plan }) =>
      plan.peers.map(({ remoteText, asn, state, config }) => {
        const { timers, transport, gracefulRestart, families } = config ?? {};
        return JSON.stringify([
          plan.localAsn,
          plan.listenPort,
          remoteText,
          asn,
          state,
          timers,
          transport,
          gracefulRestart,
          families,
        ]);
      }),
    )
    .sort();
}

const untranslated = /are left out|are now only on/;

function migrated(snapshot: Snapshot, scenario: Scenario) {
  const builder = new SnapshotBuilder();
  const step = scenario.steps[0];
  const others = (step?.objects ?? []).filter(raw => (raw as { kind: string }).kind !== 'CiliumBGPPeeringPolicy');
  for (const raw of others) put(builder, raw);
  const notes: string[] = [];
  for (const policy of snapshot.list('CiliumBGPPeeringPolicy')) {
    const migration = migratePolicy(policy, snapshot.list('Node'));
    notes.push(...migration.notes);
    for (const object of migration.objects) put(builder, object);
  }
  return { snapshot: builder.snapshot(), notes };
}

/** Of these the second API makes something else on purpose. */
const otherwise: ReadonlySet<string> = new Set([
  // Two policies on one node: which one is older is not for a manifest to say.
  'bgp-policy/conflict-strict',
  'bgp-policy/conflict-oldest-keeps',
  // The second API acts on nodes that an object describes, and takes a router ID from there.
  'bgp-policy/no-node-object',
  'bgp-policy/host-address',
  // A node without an IPv4 address has a router ID made up for it.
  'bgp-policy/ipv6-only-node',
  // A neighbor twice.
  'bgp-policy/duplicate-neighbor',
]);

const ofFirstApi = scenarios().filter(({ name, steps }) => {
  const kinds = (steps[0]?.objects ?? []).map(raw => (raw as { kind: string }).kind);
  return kinds.includes('CiliumBGPPeeringPolicy') && !kinds.includes('CiliumBGPNodeConfig') && !otherwise.has(name);
});

describe('migrating a peering policy', () => {
  it('is tried on many', () => expect(ofFirstApi.length).toBeGreaterThan(30));

  it.each(ofFirstApi.map(scenario => [scenario.name, scenario] as const))('%s', (_, scenario) => {
    const step = scenario.steps[0];
    if (step === undefined) throw new Error('no step');
    const before = apply(new SnapshotBuilder(), step);
    if (before.faulty.some(({ faults }) => faults.some(fault => fault.severity === 'error'))) return;
    const { snapshot, notes } = migrated(before, scenario);
    expect(snapshot.faulty.filter(({ ref }) => ref.kind.startsWith('CiliumBGP'))).toEqual([]);
    const ipam = new IpamControl(ipamDefaults);
    const after = afterOperator(snapshot, ipam, scenario.settings);
    for (const node of scenario.nodes) {
      const [old, now] = [before, after].map(each => desiredForNode(each, node, scenario.settings, scenario.host));
      if (old === undefined || now === undefined) throw new Error('nothing desired');
      expect(peersOf(now)).toEqual(peersOf(old));
      if (!notes.some(note => untranslated.test(note))) expect(told(now)).toEqual(told(old));
      else expect(told(now).length).toBe(told(old).length);
    }
  });

  it('says what it leaves out', () => {
    const policy = good('CiliumBGPPeeringPolicy', {
      apiVersion: 'cilium.io/v2alpha1',
      kind: 'CiliumBGPPeeringPolicy',
      metadata: { name: 'rack' },
      spec: {
        virtualRouters: [
          {
            localASN: 65001,
            serviceSelector: {},
            neighbors: [
              {
                peerAddress: '10.0.0.1/32',
                peerASN: 65000,
                advertisedPathAttributes: [
                  {
                    selectorType: 'CiliumLoadBalancerIPPool',
                    selector: { matchLabels: { color: 'blue' } },
                    localPreference: 200,
                  },
                ],
              },
            ],
          },
        ],
      },
    });
    const { notes, objects } = migratePolicy(policy, []);
    expect(notes[0]).toBe(
      'neighbor 10.0.0.1 of AS 65001: advertisedPathAttributes for CiliumLoadBalancerIPPool where color is blue ' +
        'are left out; ' +
        'attributes are chosen by Service there: give the Services of the pool a label and select that',
    );
    expect(objects.map(each => each['kind'])).toEqual([
      'CiliumBGPAdvertisement',
      'CiliumBGPPeerConfig',
      'CiliumBGPClusterConfig',
    ]);
  });
});
