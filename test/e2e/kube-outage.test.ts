/** The control plane of a cluster while its API server is away, its store compacted, and afterwards. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../src/lab/kube-port.ts';
import { InstalledCluster, type RoleProcess } from '../support/kube/cluster.ts';
import { kubeMissing } from '../support/kube/programs.ts';
import { Router } from '../support/kube/router.ts';
import { eventually } from '../support/wait.ts';

const missing = kubeMissing();
const address = '127.0.0.2';
const node = 'node-1';
/** As the kubelet of a machine that is rebooted, or an upgrade of the control plane. */
const awayMs = 30_000;

const cidrs = { podCIDR: '10.1.0.0/24', podCIDRs: ['10.1.0.0/24'] };
const annotations = { 'cilium.io/bgp-virtual-router.65001': 'router-id=10.0.0.1' };
const pool = {
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumLoadBalancerIPPool',
  metadata: { name: 'pool' },
  spec: { blocks: [{ cidr: '192.0.2.0/28' }] },
};

const policy = (port: number) => ({
  apiVersion: 'cilium.io/v2alpha1',
  kind: 'CiliumBGPPeeringPolicy',
  metadata: { name: 'all' },
  spec: {
    virtualRouters: [
      {
        localASN: 65001,
        serviceSelector: { matchExpressions: [{ key: 'nobody', operator: 'DoesNotExist' }] },
        neighbors: [{ connectRetryTimeSeconds: 1, peerAddress: `${address}/32`, peerASN: 65002, peerPort: port }],
      },
    ],
  },
});

const service = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
});

describe.skipIf(missing !== undefined)(`a cluster in trouble${missing ? `: skipped, ${missing}` : ''}`, () => {
  let cluster: InstalledCluster;
  let router: Router;
  let roles: RoleProcess[];
  beforeAll(async () => {
    cluster = await InstalledCluster.start();
    const port = await freePort();
    router = new Router(address, port, 65002);
    await cluster.apply(
      { apiVersion: 'v1', kind: 'Node', metadata: { name: node, annotations }, spec: cidrs },
      pool,
      policy(port),
      ...['a', 'b', 'c'].map(service),
    );
    roles = [await cluster.run('operator', { node }), await cluster.run('agent', { node })];
    for (const each of roles) await each.ready();
  }, 180_000);
  afterAll(async () => {
    await cluster?.stop();
    router?.close();
  });

  const routes = (count: number) =>
    eventually(`${count} routes`, () => router.heardMs.size === count, {
      limitMs: 60_000,
      detail: () => roles.map(each => each.log()).join('\n'),
    });
  const addresses = () =>
    cluster.server.kubectl(['get', 'svc', '-o', 'custom-columns=N:.metadata.name,A:.status.loadBalancer.ingress']);
  const inStep = (role: RoleProcess) =>
    eventually(`the ${role.node} is in step`, async () => {
      const { apiServer } = await role.status();
      return (apiServer as { staleMs: number }).staleMs === 0;
    });

  it('announces what it allocates', () => routes(3));

  it(`the API server is away for ${awayMs / 1000} s and its store is compacted: peers stay up, no route is withdrawn, \
nothing moves`, async () => {
    const before = addresses();
    await cluster.server.compact();
    await cluster.server.killApi();
    const backMs = performance.now() + awayMs;
    await eventually('that time', () => performance.now() > backMs, { limitMs: 2 * awayMs, everyMs: 500 });
    await cluster.server.begin();
    for (const each of roles) await inStep(each);
    expect(addresses()).toBe(before);
    await routes(3);
    expect({ sessions: router.sessions, withdrawals: router.withdrawals }).toEqual({ sessions: 1, withdrawals: 0 });
  }, 240_000);

  it('what is made afterwards is announced, and what is deleted is withdrawn, no more', async () => {
    await cluster.apply(service('after'));
    await routes(4);
    cluster.server.kubectl(['delete', 'svc', 'after']);
    await routes(3);
    expect({ sessions: router.sessions, withdrawals: router.withdrawals }).toEqual({ sessions: 1, withdrawals: 1 });
  }, 120_000);

  it('says no more about it than that it was away and came back', () => {
    for (const each of roles) {
      const lines = each
        .log()
        .split('\n')
        .filter(line => /"level":"(warn|error)"/.test(line));
      expect(lines.filter(line => !/out of reach|target failed/.test(line))).toEqual([]);
      expect(lines.length).toBeLessThan(12);
    }
  });
});
