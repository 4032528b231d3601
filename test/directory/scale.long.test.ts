/**
 * Ten thousand Services. What a change costs is counted in the processor's time and as a share of what reading all of
 * them costs: how fast the machine is does not matter.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkManifests } from '../../src/directory/manifests.ts';
import type { DirectoryStore } from '../../src/directory/store.ts';
import { eventually } from '../support/wait.ts';
import { World } from './world.ts';

const count = 10_000;
const service = (i: number, port: number) => `apiVersion: v1
kind: Service
metadata:
  name: web-${i}
  namespace: team-${i % 100}
  labels:
    app: web
    tier: "front"
  annotations:
    lbipam.cilium.io/ips: "192.0.2.${i % 250}"
spec:
  type: LoadBalancer
  selector:
    app: web-${i}
  ports:
    - name: http
      port: ${port}
      targetPort: 8080
      protocol: TCP
    - name: https
      port: 443
      targetPort: 8443
      protocol: TCP
`;

async function cpuMsOf(work: () => Promise<unknown> | unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.dispose());

describe('ten thousand Services', () => {
  const all = Array.from({ length: count }, (_, i) => service(i, 80));
  const layouts: Record<string, { write: () => void; edit: (port: number) => void; editMaxShare: number }> = {
    'a file each': {
      write() {
        mkdirSync(world.path('all'));
        for (const [i, text] of all.entries()) writeFileSync(world.path(`all/${i}.yaml`), text);
      },
      edit: port => world.write('all/5000.yaml', service(5000, port)),
      editMaxShare: 0.04,
    },
    // Reading four megabytes again is part of the cost.
    'all in one file': {
      write: () => world.write('all.yaml', all.join('---\n')),
      edit: port => world.write('all.yaml', all.with(5000, service(5000, port)).join('---\n')),
      editMaxShare: 0.2,
    },
  };

  const edited = (store: DirectoryStore, port: number) =>
    store.snapshot().get('Service', 'team-0', 'web-5000')?.spec.ports[0]?.port === port;

  it.each(
    Object.keys(layouts),
  )('%s: one change costs a fraction of reading them, and keeps all other values', async name => {
    const { write, edit, editMaxShare } = layouts[name] ?? expect.fail();
    write();
    let store = await world.open();
    await store.close();
    const loadMs = await cpuMsOf(async () => {
      store = await world.open();
    });
    expect(store.snapshot().list('Service')).toHaveLength(count);
    const before = new Set(store.snapshot().list('Service'));
    const tookMs: number[] = [];
    for (let port = 81; port < 88; port++) {
      const writeMs = await cpuMsOf(() => edit(port));
      const allMs = await cpuMsOf(async () => {
        await new Promise<void>(resolve => {
          if (edited(store, port)) resolve();
          const unsubscribe = store.subscribe(() => {
            if (!edited(store, port)) return;
            unsubscribe();
            resolve();
          });
        });
      });
      expect(writeMs).toBeGreaterThan(0);
      tookMs.push(allMs);
    }
    const changed = store
      .snapshot()
      .list('Service')
      .filter(each => !before.has(each));
    expect(changed.map(each => each.metadata.name)).toEqual(['web-5000']);
    expect(tookMs.sort((a, b) => a - b)[3]).toBeLessThan(loadMs * editMaxShare);
  }, 60_000);

  it('their statuses are written in one pass and outlive it, and the same again costs little', async () => {
    world.write('all.yaml', all.join('---\n'));
    let store = await world.open();
    const status = {
      loadBalancer: { ingress: [{ ip: '192.0.2.1' }] },
      conditions: [{ type: 'A', status: 'True', reason: 'R', message: '' }],
    };
    const pass = async () => {
      const refs = store
        .snapshot()
        .list('Service')
        .map(({ kind, metadata: { namespace, name } }) => ({ kind, namespace, name }));
      const results = await Promise.all(refs.map(ref => store.applyStatus(ref, 'operator', status)));
      return results.filter(Boolean).length;
    };
    let written = 0;
    const firstMs = await cpuMsOf(async () => {
      written = await pass();
    });
    expect(written).toBe(count);
    await eventually('all statuses', () =>
      store
        .snapshot()
        .list('Service')
        .every(each => each.status.ingress.length === 1),
    );
    await store.close();
    store = await world.open();
    expect(
      store
        .snapshot()
        .list('Service')
        .every(each => each.status.ingress.length === 1),
    ).toBe(true);
    const againMs = await cpuMsOf(async () => {
      written = await pass();
    });
    expect(written).toBe(0);
    expect(againMs).toBeLessThan(firstMs);
  }, 60_000);

  it('checked, each with a fault of its own: every fault has its line', async () => {
    world.write('all.yaml', Array.from({ length: count }, (_, i) => service(i, 99_999)).join('---\n'));
    const items = Array.from(
      { length: count },
      (_, i) => `- ${service(i, 99_999).trimEnd().replaceAll('\n', '\n  ')}\n`,
    );
    world.write(
      'list.yaml',
      `apiVersion: v1\nkind: List\nitems:\n${items.join('').replaceAll('name: web', 'name: api')}`,
    );
    const { findings } = checkManifests([world.manifests]);
    expect(findings).toHaveLength(2 * count);
    expect([findings[1]?.line, findings[count + 1]?.line]).toEqual([41, 43]);
  }, 60_000);
});
