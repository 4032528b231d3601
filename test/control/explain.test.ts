/** The way of an address: every scenario's Services, and each link where it can end. */
import { describe, expect, it } from 'vitest';
import { SnapshotBuilder } from '../../src/api/snapshot.ts';
import { desiredForNode } from '../../src/control/desired.ts';
import { explainServiceRoutes, type ServiceExplanation, type Told } from '../../src/control/explain.ts';
import { afterOperator } from '../../src/control/explain-files.ts';
import { IpamControl } from '../../src/control/ipam.ts';
import { ipamDefaults } from '../../src/control/ipam-claims.ts';
import { explainService } from '../../src/control/ipam-view.ts';
import { controlDefaults } from '../../src/control/settings.ts';
import { advertisement, node, nodeConfig, peerConfig, service } from '../support/bgp-world.ts';
import { apply, put, scenarios } from './scenario.ts';

describe('over every scenario', () => {
  it.each(
    scenarios().map(scenario => [scenario.name, scenario] as const),
  )('%s: reached is announced', (_, scenario) => {
    const builder = new SnapshotBuilder();
    for (const step of scenario.steps) {
      const snapshot = apply(builder, step);
      const nodes = scenario.nodes.map(name => desiredForNode(snapshot, name, scenario.settings, scenario.host));
      const announced = new Set(
        nodes.flatMap(({ bgp, l2 }) => [
          ...bgp.instances
            .flatMap(each => each.routes.flatMap(route => route.claims))
            .flatMap(({ source }) => (source.kind === 'service' ? [source.service] : [])),
          ...l2.addresses.filter(each => each.refusal === undefined).flatMap(each => each.services),
        ]),
      );
      for (const { metadata } of snapshot.list('Service')) {
        const { namespace, name } = metadata;
        const view = explainServiceRoutes({ snapshot, namespace, name, ipam: undefined, nodes });
        expect(view?.reached, `${namespace}/${name}`).toBe(announced.has(`${namespace}/${name}`));
        const links = [...(view?.links ?? []), ...(view?.nodes ?? []).flatMap(each => each.links)];
        for (const link of links) expect(link.ok).toBe(link.reason === undefined && link.fix === undefined);
      }
    }
  });
});

const pool = {
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumLoadBalancerIPPool',
  metadata: { name: 'blue' },
  spec: { blocks: [{ cidr: '192.0.2.0/28' }] },
};
const web = { ...service('web', '192.0.2.1'), status: {} };
const all = [node(), nodeConfig(), peerConfig(), advertisement, pool, web];

function explained(objects: readonly object[], told?: Told): ServiceExplanation | undefined {
  const builder = new SnapshotBuilder();
  for (const raw of objects) put(builder, raw);
  const ipam = new IpamControl(ipamDefaults);
  ipam.reconcile(builder.snapshot());
  const snapshot = afterOperator(builder.snapshot(), ipam, controlDefaults);
  return explainServiceRoutes({
    snapshot,
    ...{ namespace: 'default', name: 'web', ipam: explainService(ipam, ipamDefaults, 'default', 'web') },
    nodes: [desiredForNode(snapshot, 'n1', controlDefaults)],
    ...(told && { told: () => told }),
  });
}

/** `peer session-down`, in order. */
function brokenLinks(view: ServiceExplanation | undefined): readonly string[] {
  const links = [...(view?.links ?? []), ...(view?.nodes ?? []).flatMap(each => each.links)];
  return links.filter(each => !each.ok).map(({ link, reason }) => `${link} ${reason}`);
}

const without = (kind: string) => all.filter(each => (each as { kind: string }).kind !== kind);
const sent = { text: 'next hop 10.0.0.1', since: '2026-01-01T00:00:00Z' };
const up: Told = { state: 'established', up: '5 s', lastError: undefined, families: ['ipv4-unicast'], sent };

describe('where the way ends', () => {
  it.each<[string, readonly object[], Told | undefined, readonly string[]]>([
    ['nowhere', all, undefined, []],
    ['nowhere, sent', all, up, []],
    ['no pool', without('CiliumLoadBalancerIPPool'), undefined, ['pool not-ours', 'address no-address']],
    [
      'a pool that selects others',
      [...all, { ...pool, spec: { ...pool.spec, serviceSelector: { matchLabels: { color: 'red' } } } }],
      undefined,
      ['pool no_pool', 'address no-address'],
    ],
    ['no policy', without('CiliumBGPNodeConfig'), undefined, ['policy no-bgp-policy']],
    ['no advertisement', without('CiliumBGPAdvertisement'), undefined, ['policy no-advertisement']],
    ['no peer configuration', without('CiliumBGPPeerConfig'), undefined, ['peer no-peer-config', 'peer no-peers']],
    ['a cordoned node', [...all, node({ unschedulable: true })], undefined, ['node node-cordoned']],
    [
      'no endpoint here',
      [...all, { ...web, spec: { ...web.spec, externalTrafficPolicy: 'Local' } }],
      undefined,
      ['node no-local-endpoint'],
    ],
    ['no session', all, { ...up, state: 'connect', lastError: 'no answer' }, ['peer session-down']],
    ['no such family', all, { ...up, families: [], sent: undefined }, ['sent family-not-agreed']],
    ['still waiting', all, { ...up, sent: undefined }, ['sent not-sent-yet']],
  ])('%s', (_, objects, told, expected) => {
    const view = explained(objects, told);
    expect(brokenLinks(view)).toEqual(expected);
    expect(view?.reached).toBe(expected.length === 0);
  });

  it('there is no such Service', () => expect(explained(without('Service'))).toBeUndefined());
});
