/** What the Kubernetes store makes of an API server that is away, forgetful, or does not know a kind yet. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RawObject } from '../../src/api/object.ts';
import type { KubeStore } from '../../src/kube/store.ts';
import { leaseOf, service, web } from '../contracts/store-world.ts';
import { kubeMissing } from '../support/kube/programs.ts';
import { eventually } from '../support/wait.ts';
import { Wire } from './wire.ts';
import { credentialsOf, KubeWorld } from './world.ts';

const missing = kubeMissing();
const pool: RawObject = {
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumLoadBalancerIPPool',
  metadata: { name: 'lan' },
  spec: { blocks: [{ cidr: '192.0.2.0/24' }] },
};

const names = (store: KubeStore) =>
  store
    .snapshot()
    .list('Service')
    .map(({ metadata }) => metadata.name)
    .filter(name => name !== 'kubernetes');
const until = (what: string, probe: () => unknown) => eventually(what, () => Boolean(probe()), { limitMs: 60_000 });

describe.skipIf(missing !== undefined)(
  `the Kubernetes store in trouble${missing ? `: skipped, ${missing}` : ''}`,
  () => {
    let world: KubeWorld;
    beforeAll(async () => {
      world = await KubeWorld.start();
    }, 180_000);
    afterEach(() => world.clean('Service', 'Lease'));
    afterAll(() => world?.stop());

    const said = (event: string) => world.log.lines.filter(each => each.event === event).length;
    const outOfReach = () => said('API server out of reach');

    it('keeps its last snapshot while the API server is away, and catches up without a flap', async () => {
      const store = await world.open();
      for (const name of ['web', 'api']) await world.apply(service(name));
      await until('both', () => names(store).length === 2);
      const before = store.snapshot();
      const complaints = outOfReach();
      let wakes = 0;
      store.subscribe(() => wakes++);
      await world.server.killApi();
      await until('it to be noticed', () => store.health().staleMs > 500);
      expect(store.snapshot()).toBe(before);
      expect(store.snapshot().isPartial).toBe(false);
      await expect(store.read(web)).rejects.toThrow();
      await world.server.begin();
      await until('it to be in step', () => store.health().staleMs === 0);
      expect(store.snapshot().get('Service', 'default', 'web')).toBe(before.get('Service', 'default', 'web'));
      await world.apply(service('db'));
      await until('what is new', () => names(store).includes('db'));
      expect(names(store)).toEqual(['api', 'db', 'web']);
      // One line for all kinds together.
      expect(outOfReach() - complaints).toBe(1);
      expect(wakes).toBeLessThanOrEqual(3);
    });

    it('starts over when what it goes on from is gone (410): tells what changed, Leases in one step', async () => {
      const wire = await Wire.to(world.server.port);
      const store = await world.open({ credentials: wire.credentials(credentialsOf(world.server.admin)) });
      for (const name of ['web', 'api']) await world.apply(service(name));
      // In a list the one written first comes last.
      const [session, ownership] = ['herald-l2-session-n1', 'cilium-l2announce-default-a'];
      const write = async (turn: string) => {
        for (const name of [session, ownership])
          await world.apply(leaseOf(turn, { kind: 'Lease', namespace: 'kube-system', name }));
      };
      const shown = () => {
        const leases = store.snapshot().list('Lease');
        const holders = [session, ownership].map(name => leases.find(each => each.metadata.name === name)?.spec);
        return holders.map(each => each?.holderIdentity).join();
      };
      await write('1');
      await until('all', () => names(store).length === 2 && shown() === '1,1');
      const api = store.snapshot().get('Service', 'default', 'api');
      const seen: string[] = [];
      const unsubscribe = store.subscribe(() => seen.push(shown()));
      await wire.cut();
      await world.delete(web);
      await world.apply(service('db'));
      await write('2');
      await world.server.compact();
      await world.server.killApi();
      await world.server.begin();
      await wire.mend();
      await until('what is there now', () => names(store).join() === 'api,db' && shown() === '2,2');
      expect(store.snapshot().get('Service', 'default', 'api')).toBe(api);
      // No snapshot shows a later write without an earlier one.
      expect(seen).not.toContain('1,2');
      unsubscribe();
      await wire.cut();
    });

    it('goes on from where a cut watch was, again and again', async () => {
      const wire = await Wire.to(world.server.port);
      const requests: string[] = [];
      const store = await world.open({
        credentials: wire.credentials(credentialsOf(world.server.admin)),
        observe: (method, code) => requests.push(`${method} ${code}`),
      });
      for (let i = 0; i < 5; i++) {
        wire.breakAll();
        await world.apply(service(`web-${i}`));
        await until(`web-${i}`, () => names(store).length === i + 1);
      }
      await wire.cut();
    });

    it('waits in silence for a kind that is not installed, and takes it up once it is', async () => {
      const complaints = world.log.lines.filter(each => each.level === 'warn').length;
      const store = await world.open();
      expect(store.health().absent).toContain('CiliumLoadBalancerIPPool');
      await world.define('CiliumLoadBalancerIPPool');
      await world.apply(pool);
      await until('the pool', () => store.snapshot().list('CiliumLoadBalancerIPPool').length === 1);
      expect(store.health().absent).not.toContain('CiliumLoadBalancerIPPool');
      expect(store.snapshot().isPartial).toBe(false);
      // A status of ours on a kind of ours.
      const ref = { kind: 'CiliumLoadBalancerIPPool', namespace: '', name: 'lan' };
      const conditions = [{ type: 'cilium.io/IPsTotal', status: 'Unknown', reason: 'noreason', message: '254' }];
      expect(await store.applyStatus(ref, 'herald-ipam', { conditions })).toBe(true);
      expect(await store.applyStatus(ref, 'herald-ipam', { conditions })).toBe(false);
      expect(world.log.lines.filter(each => each.level === 'warn')).toHaveLength(complaints);
      // Uninstalled: its objects go, and it is waited for again.
      world.server.kubectl(['delete', 'crd', 'ciliumloadbalancerippools.cilium.io']);
      await until('it to be gone', () => store.snapshot().list('CiliumLoadBalancerIPPool').length === 0);
    });

    it('is not woken by what means nothing here, and can still replace the object', async () => {
      const store = await world.open();
      await world.apply(service('web'));
      await until('it', () => names(store).length === 1);
      const before = store.snapshot();
      const path = '/api/v1/namespaces/default/services/web';
      const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': '{}' };
      await world.server.admin.apply(path, { apiVersion: 'v1', kind: 'Service', metadata: { annotations } }, 'another');
      // What comes after it has been seen, so it was seen as well.
      await world.apply(service('api'));
      await until('the next', () => names(store).length === 2);
      expect(store.snapshot().get('Service', 'default', 'web')).toBe(before.get('Service', 'default', 'web'));
      // A version that a snapshot shows is good for whatever means the same.
      const lease = await store.put(leaseOf('a'), undefined);
      await until('the lease', () => store.snapshot().list('Lease').length === 1);
      const idle = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { annotations } };
      const { body } = await world.server.admin.apply(
        '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/herald-a',
        idle,
        'another',
      );
      const now = (body['metadata'] as { resourceVersion: string }).resourceVersion;
      expect(now).not.toBe(lease);
      await world.apply(service('db'));
      await until('what came later', () => names(store).length === 3);
      expect(store.snapshot().list('Lease')[0]?.metadata.resourceVersion).toBe(lease);
    });

    it('hears of no leases but those of its own kind', async () => {
      const store = await world.open();
      await world.apply(leaseOf('x', { kind: 'Lease', namespace: 'kube-system', name: 'somebody-elses' }));
      await store.put(leaseOf('a'), undefined);
      await until('ours', () => store.snapshot().list('Lease').length > 0);
      expect(
        store
          .snapshot()
          .list('Lease')
          .map(each => each.metadata.name),
      ).toEqual(['herald-a']);
    });

    it('sees as the operator that a Secret is there, and nothing of what is in it', async () => {
      const data = { password: Buffer.from('s3cret').toString('base64') };
      await world.apply({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'bgp', namespace: 'kube-system' },
        data,
      });
      const secretOf = (store: KubeStore) => store.snapshot().get('Secret', 'kube-system', 'bgp');
      const operator = await world.open({ roles: new Set(['operator']) });
      await until('it', () => secretOf(operator));
      expect(secretOf(operator)?.data.size).toBe(0);
      const agent = await world.open({ roles: new Set(['agent']) });
      expect(secretOf(agent)?.data.size).toBe(1);
      await world.delete({ kind: 'Secret', namespace: 'kube-system', name: 'bgp' });
      await until('it to be gone', () => [operator, agent].every(each => secretOf(each) === undefined));
    });

    it('takes events, and tells a series of them as one', async () => {
      const store = await world.open();
      await world.apply(service('web'));
      store.record({ about: web, type: 'Warning', reason: 'Test', message: 'something happened' });
      const events = '/apis/events.k8s.io/v1/namespaces/default/events';
      const written = async () =>
        (
          (await world.server.admin.request('GET', events)).body['items'] as {
            reason?: string;
            metadata: { name: string };
          }[]
        ).find(each => each.reason === 'Test');
      const event = await eventually('the event', written);
      const series = { count: 2, lastObservedTime: '2026-01-01T00:01:00.000000Z' };
      const { status } = await world.server.admin.request(
        'PATCH',
        `${events}/${event.metadata.name}`,
        { series },
        'application/merge-patch+json',
      );
      expect(status).toBe(200);
    });

    it('leads no more when it cannot renew, and another takes over by its own observation', async () => {
      const wire = await Wire.to(world.server.port);
      const campaignTimes = { leaseMs: 5000, renewMs: 1000, deadlineMs: 3000, retryMs: 500 };
      const cut = await world.open({
        credentials: wire.credentials(credentialsOf(world.server.admin)),
        campaignTimes,
      });
      const first = cut.campaign('operator', () => {});
      await until('a leader', () => first.leading);
      const other = await world.open({ campaignTimes });
      const second = other.campaign('operator', () => {});
      const both: boolean[] = [];
      await wire.cut();
      await until('another leader', () => {
        both.push(first.leading && second.leading);
        return second.leading;
      });
      expect(both).not.toContain(true);
      expect(first.leading).toBe(false);
      await wire.mend();
      await until('it sees the other', () => cut.health().staleMs === 0);
      expect(first.leading).toBe(false);
      for (const each of [first, second]) each.close();
      await wire.cut();
    });
  },
);
