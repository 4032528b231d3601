/**
 * The least roles that do: both roles go through all of their work under their own service accounts, and the API
 * server's record of it is held against what was granted. A verb that was missing is found there, and one that nobody
 * used.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AccessRule, accessRules } from '../../src/kube/access.ts';
import { startDaemon } from '../support/daemons/start.ts';
import type { AuditEvent } from '../support/kube/api-server.ts';
import { InstalledCluster, type InstalledRole } from '../support/kube/cluster.ts';
import { kubeMissing } from '../support/kube/programs.ts';
import { type Namespace, Net, namespacesMissing } from '../support/netns.ts';
import { eventually } from '../support/wait.ts';

const missing = kubeMissing() ?? namespacesMissing();
const place = { node: '', namespace: 'herald', secretsNamespace: 'kube-system' };

/** `group/resource verb`, with the namespace behind it where the rule is confined to one. */
function granted(rules: readonly AccessRule[]): string[] {
  const all = rules.flatMap(({ group, resource, verbs, namespace }) =>
    verbs.map(verb => `${group}/${resource} ${verb}${namespace === undefined ? '' : ` in ${namespace}`}`),
  );
  return [...new Set(all)].sort();
}

function used(events: readonly AuditEvent[], rules: readonly AccessRule[]): string[] {
  const confined = new Set(
    rules.flatMap(each => (each.namespace === undefined ? [] : [`${each.group}/${each.resource}`])),
  );
  const words = events.map(({ verb, objectRef = {} }) => {
    const { apiGroup = '', resource = '', subresource, namespace = '' } = objectRef;
    const name = `${apiGroup}/${resource}${subresource === undefined ? '' : `/${subresource}`}`;
    return `${name} ${verb}${confined.has(name) ? ` in ${namespace}` : ''}`;
  });
  return [...new Set(words)].sort();
}

describe.skipIf(missing !== undefined)(`what the roles may do${missing ? `: skipped, ${missing}` : ''}`, () => {
  let cluster: InstalledCluster;
  let net: Net;
  const running: { stop(): Promise<unknown> }[] = [];

  beforeAll(async () => {
    net = new Net();
    const [node, router] = [net.namespace('node'), net.namespace('router')];
    net.link(
      { in: node, link: 'eth0', addresses: ['10.0.0.1/24'] },
      { in: router, link: 'eth0', addresses: ['10.0.0.2/24'] },
    );
    // An API server that cannot stream its lists, as all were before 1.34, is listed and then watched.
    const options = { audit: true, flags: ['--feature-gates=WatchList=false'] };
    cluster = await InstalledCluster.start(['--namespace', 'herald', '--create-namespace'], options);
    await cluster.server.reachFrom(node);
    for (const each of ['one', 'two']) running.push(await cluster.run('operator', { node: each }));
    const agent = await cluster.run('agent', { node: 'node-1', in: node, words: ['--log-level=debug'] });
    running.push(agent);
    await work(cluster, router, () => agent.log());
    for (const each of running.splice(0)) await each.stop();
  }, 300_000);
  afterAll(async () => {
    for (const each of running) await each.stop();
    await cluster?.stop();
    net?.close();
  });

  describe.each(['operator', 'agent'] as const)('%s', role => {
    const events = () => cluster.server.audit().filter(each => each.user.username === cluster.user(role));

    it('was never refused', () => {
      const refused = events().filter(each => each.responseStatus?.code === 403);
      expect(used(refused, accessRules(role, place))).toEqual([]);
    });

    it('used every verb it was granted, and no other', () => {
      const rules = accessRules(role, place);
      expect(used(events(), rules)).toEqual(granted(rules));
    });
  });
});

/** Everything the roles do, one thing after the other. */
async function work(cluster: InstalledCluster, router: Namespace, detail: () => string): Promise<void> {
  const kubectl = (...words: string[]) => cluster.server.kubectl(words);
  const done = async (role: InstalledRole, what: string, times = 1) => {
    const rules = accessRules(role, place);
    const count = () => {
      const events = cluster.server.audit().filter(each => each.user.username === cluster.user(role));
      return events.filter(each => used([each], rules).includes(what) && each.responseStatus?.code !== 409).length;
    };
    await eventually(`${role}: ${what}`, () => count() >= times, { limitMs: 80_000, everyMs: 250, detail });
  };
  const nodeConfigs = 'cilium.io/ciliumbgpnodeconfigs';
  const leases = (verb: string) => `coordination.k8s.io/leases ${verb} in herald`;
  const bird = () => startDaemon('bird', router, routerSpec);

  await cluster.apply(...nodes, ...pools, service, unreachable, ...bgp(65_001), ...refused, localNetwork);
  await done('operator', `${nodeConfigs} create`);
  await done('agent', leases('create'), 2);
  await done('agent', '/services/status patch');
  // The same news twice is one event that is counted: told within a minute.
  for (let flap = 0; flap < 2; flap++) {
    const started = await bird();
    await eventually('a session', () => started.established().length === 1, { limitMs: 60_000 });
    await started.stop();
    kubectl('delete', 'svc', 'web');
    await cluster.apply(service);
    await eventually('an address', () => kubectl('get', 'svc', 'web').includes('10.0.0.1'));
  }
  await cluster.apply(...bgp(65_009));
  await done('operator', `${nodeConfigs} update`);
  kubectl('delete', 'cbgpcluster', 'all');
  await done('operator', `${nodeConfigs} delete`);
  kubectl('delete', 'l2announcement', 'all');
  await done('agent', leases('delete'));
  for (const role of ['operator', 'agent'] as const) await done(role, 'events.k8s.io/events patch');
}

const routerSpec = {
  asn: 65_002,
  routerId: '10.0.0.2',
  addresses: ['10.0.0.2'],
  peers: [{ address: '10.0.0.1', asn: 65_001 }],
};
const cilium = (kind: string, name: string, spec: object, version = 'v2') => ({
  apiVersion: `cilium.io/${version}`,
  kind,
  metadata: { name },
  spec,
});
const pools = [
  cilium('CiliumLoadBalancerIPPool', 'all', { blocks: [{ cidr: '10.0.0.128/25' }] }),
  cilium('CiliumLoadBalancerIPPool', 'far', { blocks: [{ cidr: '198.18.0.0/24' }] }),
];
const balanced = (name: string, annotations: object) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default', annotations },
  spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
});
const service = balanced('web', {});
/** In no subnet of any node: the agents say so on it. */
const unreachable = balanced('far', { 'lbipam.cilium.io/ips': '198.18.0.1' });
const localNetwork = cilium('CiliumL2AnnouncementPolicy', 'all', { loadBalancerIPs: true }, 'v2alpha1');
const bgp = (localASN: number) => [
  cilium('CiliumBGPPeerConfig', 'tor', { timers: { connectRetryTimeSeconds: 1 } }),
  cilium('CiliumBGPClusterConfig', 'all', {
    nodeSelector: { matchLabels: { rack: 'a' } },
    bgpInstances: [
      {
        name: 'tor',
        localASN,
        peers: [{ name: 'tor', peerASN: 65_002, peerAddress: '10.0.0.2', peerConfigRef: { name: 'tor' } }],
      },
    ],
  }),
];

/** One of each kind that the API server takes and Herald does not. */
const badSelector = { matchExpressions: [{ key: 'a', operator: 'In' }] };
const badPeer = { name: 'tor', localAddress: '300.0.0.1' };
const conflicting = (name: string) =>
  cilium(
    'CiliumBGPPeeringPolicy',
    name,
    {
      nodeSelector: { matchLabels: { rack: 'b' } },
      virtualRouters: [{ localASN: 65_001, neighbors: [{ peerAddress: '10.9.9.9/32', peerASN: 65_002 }] }],
    },
    'v2alpha1',
  );
const refused = [
  conflicting('a'),
  conflicting('b'),
  cilium('CiliumBGPAdvertisement', 'bad', {
    advertisements: [
      { advertisementType: 'Service', service: { addresses: ['LoadBalancerIP'] }, selector: badSelector },
    ],
  }),
  cilium('CiliumBGPNodeConfigOverride', 'bad', { bgpInstances: [{ name: 'tor', peers: [badPeer] }] }),
  cilium('CiliumBGPNodeConfig', 'bad', {
    bgpInstances: [{ name: 'tor', localASN: 65_001, peers: [{ ...badPeer, peerAddress: '10.9.9.9' }] }],
  }),
  cilium('CiliumL2AnnouncementPolicy', 'bad', { interfaces: ['eth[1'] }, 'v2alpha1'),
];
const nodes = [
  { name: 'node-1', rack: 'a' },
  { name: 'node-2', rack: 'b' },
].map(({ name, rack }) => ({ apiVersion: 'v1', kind: 'Node', metadata: { name, labels: { rack } } }));
