/** From `herald install` to an address, by what a person types: kubectl, and the roles under their own accounts. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InstalledCluster, type RoleProcess } from '../support/kube/cluster.ts';
import { kubeMissing } from '../support/kube/programs.ts';
import { herald, root } from '../support/run-herald.ts';
import { eventually } from '../support/wait.ts';

const missing = kubeMissing();
const title = `Herald in a cluster${missing ? `: skipped, ${missing}` : ''}`;
/** Each set of examples with the namespaces it is about. */
const examples = {
  'anycast-racks': ['dns'],
  'dual-stack': ['dual'],
  'dual-tor-bgp': ['rack1', 'rack1-system'],
  'from-metallb': ['office'],
  'home-lab-l2': ['home'],
  'single-tor-bgp': ['rack0'],
} as const;

describe.skipIf(missing !== undefined)(title, () => {
  let cluster: InstalledCluster;
  const operators: RoleProcess[] = [];
  beforeAll(async () => {
    cluster = await InstalledCluster.start(['--namespace', 'herald', '--create-namespace']);
    for (const node of ['one', 'two']) operators.push(await cluster.run('operator', { node }));
  }, 180_000);
  afterAll(() => cluster?.stop());

  const kubectl = (...words: string[]) => cluster.server.kubectl(words);
  const lease = () => kubectl('-n', 'herald', 'get', 'lease', 'herald-operator', '--no-headers').split(/\s+/)[1] ?? '';
  const leaders = () => operators.filter(each => lease().startsWith(`${each.node}-`));
  const leader = () => eventually('one leads', () => leaders()[0]);
  const address = (namespace: string, name: string) =>
    kubectl('-n', namespace, 'get', 'svc', name, '-o', 'jsonpath={.status.loadBalancer.ingress[*].ip}');

  it('of two operators one leads, both are ready, and kubectl get lease shows who', async () => {
    for (const each of operators) await each.ready();
    await leader();
    const leading = await Promise.all(operators.map(async each => (await each.status())['leading']));
    expect(leading.sort()).toEqual([false, true]);
  });

  it.each(Object.entries(examples))('examples/%s: every Service gets its address and its condition', (name, among) => {
    kubectl('apply', '-f', `${root}examples/${name}/`);
    const condition = '--for=condition=cilium.io/IPAMRequestSatisfied';
    for (const namespace of among) kubectl('-n', namespace, 'wait', condition, '--timeout=30s', 'svc', '--all');
    for (const namespace of among)
      expect(kubectl('-n', namespace, 'get', 'svc', '--no-headers')).not.toMatch(/<pending>/);
  });

  it('kubectl get ippools says how many addresses are left (reference §1.3)', async () => {
    const row = () => kubectl('get', 'ippools', 'rack0', '--no-headers').trim().split(/\s+/).slice(0, 4);
    await eventually('the pool is counted', () => /^\d+$/.test(row()[3] ?? ''));
    expect(row().slice(0, 3)).toEqual(['rack0', 'false', 'False']);
  });

  it('an edit of the pool moves a Service, and says so in an event', async () => {
    expect(address('home', 'jellyfin')).toMatch(/^192\.168\.1\./);
    const blocks = [{ cidr: '192.168.77.0/24' }];
    kubectl('patch', 'ippool', 'home-lan', '--type=merge', '-p', JSON.stringify({ spec: { blocks } }));
    await eventually('it has moved', () => address('home', 'jellyfin').startsWith('192.168.77.'));
    await eventually('an event names the new address', () =>
      kubectl('-n', 'home', 'get', 'events').includes(address('home', 'jellyfin')),
    );
  });

  it('a Service that cannot have an address says why, and gets it once it can', async () => {
    const spec = { type: 'LoadBalancer', ports: [{ port: 80 }] };
    const annotations = { 'lbipam.cilium.io/ips': '198.18.0.1' };
    const metadata = { name: 'early', namespace: 'home', annotations };
    await cluster.apply({ apiVersion: 'v1', kind: 'Service', metadata, spec });
    const condition = 'jsonpath={.status.conditions[?(@.type=="cilium.io/IPAMRequestSatisfied")].reason}';
    const reason = () => kubectl('-n', 'home', 'get', 'svc', 'early', '-o', condition);
    await eventually('it is refused', () => reason() === 'no_pool', { detail: reason });
    const pool = { apiVersion: 'cilium.io/v2', kind: 'CiliumLoadBalancerIPPool', metadata: { name: 'early' } };
    await cluster.apply({ ...pool, spec: { blocks: [{ cidr: '198.18.0.0/30' }] } });
    await eventually('it has it', () => address('home', 'early') === '198.18.0.1');
  });

  it('a leader that is told to go lets go: the other leads at once, and nothing moves', async () => {
    const leaving = await leader();
    const before = kubectl('get', 'svc', '-A', '--no-headers', '-o', 'custom-columns=A:.metadata.uid,B:.status');
    expect(await leaving.stop()).toBe(0);
    const next = await eventually('the other leads', () => leaders().find(each => each !== leaving), {
      limitMs: 10_000,
    });
    expect(kubectl('get', 'svc', '-A', '--no-headers', '-o', 'custom-columns=A:.metadata.uid,B:.status')).toBe(before);
    operators.splice(operators.indexOf(leaving), 1, await cluster.run('operator', { node: 'three' }));
    await operators.find(each => each.node === 'three')?.ready();
    expect(await leader()).toBe(next);
  });

  it('a leader that is killed is followed once its lease has been seen unchanged for its length', async () => {
    const killed = await leader();
    expect(await killed.stop('SIGKILL')).toBe('SIGKILL');
    await eventually('another leads', () => leaders().some(each => each !== killed), { limitMs: 60_000, everyMs: 250 });
    kubectl('-n', 'home', 'patch', 'svc', 'early', '-p', JSON.stringify({ metadata: { annotations: null } }));
    kubectl('-n', 'home', 'create', 'service', 'loadbalancer', 'late', '--tcp=80');
    await eventually('it works', () => address('home', 'late') !== '');
  });

  it('is alive and not ready while there is no API server; ready when there is', async () => {
    await cluster.server.killApi();
    const early = await cluster.run('operator', { node: 'early' });
    expect([await early.probe('/healthz'), await early.probe('/readyz')]).toEqual([200, 503]);
    await cluster.server.begin();
    await early.ready();
    expect(await early.stop()).toBe(0);
  });

  it('whose event loop stands still does not answer the liveness probe', async () => {
    const stall = 'process.on(%22SIGUSR2%22,()=>{for(;;);})';
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${stall}` };
    const stalled = await (await cluster.run('operator', { node: 'stalled', env })).ready();
    expect(await stalled.probe('/healthz')).toBe(200);
    stalled.signal('SIGUSR2');
    // The kubelet's patience is timeoutSeconds of the probe.
    await eventually('it answers no more', async () => (await stalled.probe('/healthz', 1000)) === undefined);
    expect(await stalled.probe('/healthz', 5000)).toBeUndefined();
    expect(await stalled.stop('SIGKILL')).toBe('SIGKILL');
  });
});

describe('without a cluster', () => {
  it.each(['operator', 'agent'])('herald %s says what it needs', async role => {
    const { status, err } = await herald(role);
    expect(status).toBe(2);
    expect(err).toMatch(/^herald: which objects\? .*--kubeconfig\n$/);
  });

  it('herald agent --help names its options, and none of the operator’s', async () => {
    const { out } = await herald('agent', '--help');
    expect(out).toContain('--restart-grace');
    expect(out).not.toContain('--manifests');
    expect((await herald('operator', '--help')).out).not.toContain('--restart-grace');
  });
});
