/** What the state directory keeps beside the manifests: statuses, identity, generation, own objects, events. */
import { mkdirSync, rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ObjectRef, RawObject } from '../../src/api/object.ts';
import { Orphans } from '../../src/directory/orphans.ts';
import { applyStatement, mergedStatus } from '../../src/directory/status.ts';
import type { DirectoryStore } from '../../src/directory/store.ts';
import { toYaml } from '../../src/directory/yaml.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { leaseOf, service } from '../contracts/store-world.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { eventually } from '../support/wait.ts';
import { World } from './world.ts';

const eventsMax = 1000;
const web: ObjectRef = { kind: 'Service', namespace: 'default', name: 'web' };
const node: ObjectRef = { kind: 'CiliumBGPNodeConfig', namespace: '', name: 'rack0' };
const nodeConfig = (localASN: number): RawObject => ({
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumBGPNodeConfig',
  metadata: { name: 'rack0' },
  spec: { bgpInstances: [{ name: 'main', localASN, peers: [] }] },
});
const ingress = (ip: string) => ({ loadBalancer: { ingress: [{ ip }] } });

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.dispose());

const metadataOf = async (store: DirectoryStore, ref = web) =>
  ((await store.read(ref))?.['metadata'] ?? {}) as Record<string, unknown>;
const statusOf = async (store: DirectoryStore) => (await store.read(web))?.['status'];
const reopen = async (store: DirectoryStore) => {
  await store.close();
  return await world.open({ orphanMs: 100 });
};

describe("a manifest's status", () => {
  it('is where the object begins, and is not taken again', async () => {
    world.write('web.yaml', toYaml({ ...service('web'), status: ingress('192.0.2.9') }));
    let store = await world.open();
    expect(await statusOf(store)).toEqual(ingress('192.0.2.9'));
    await store.applyStatus(web, 'operator', ingress('192.0.2.1'));
    store = await reopen(store);
    expect(await statusOf(store)).toEqual(ingress('192.0.2.1'));
    world.write(
      'web.yaml',
      toYaml({ ...service('web', { externalTrafficPolicy: 'Local' }), status: ingress('192.0.2.10') }),
    );
    await eventually('the edit', () => store.snapshot().list('Service')[0]?.spec.externalTrafficPolicy === 'Local');
    expect(await statusOf(store)).toEqual(ingress('192.0.2.1'));
  });

  it('comes later, where there never was one', async () => {
    world.write('web.yaml', toYaml(service('web')));
    const store = await world.open();
    world.write('web.yaml', toYaml({ ...service('web'), status: ingress('192.0.2.9') }));
    await eventually('the status', async () => (await statusOf(store)) !== undefined);
    expect(await statusOf(store)).toEqual(ingress('192.0.2.9'));
  });
});

describe("an object's metadata", () => {
  it('uid, creationTimestamp and generation are those of the manifest, where it has them', async () => {
    const creationTimestamp = '2024-01-01T00:00:00Z';
    const object = service('web');
    const metadata = {
      ...(object['metadata'] as object),
      uid: 'u',
      creationTimestamp,
      generation: 7,
      resourceVersion: '5',
    };
    world.write('web.yaml', toYaml({ ...object, metadata }));
    const store = await world.open();
    expect(await metadataOf(store)).toMatchObject({ uid: 'u', creationTimestamp, generation: 7 });
  });

  it('is of one age for all that came at once: however long it takes, none is served before another', async () => {
    let wallMs = Date.UTC(2026, 0, 1);
    const clock = { ...systemClock, wallMs: () => wallMs++ };
    world.write('all.yaml', ['web', 'api', 'db'].map(name => toYaml(service(name))).join('---\n'));
    const store = await world.open({ clock });
    const services = store.snapshot().list('Service');
    expect(services).toHaveLength(3);
    expect(new Set(services.map(each => each.metadata.creationMs)).size).toBe(1);
  });

  it('generation counts what changes the spec, over restarts, and nothing else', async () => {
    world.write('web.yaml', toYaml(service('web')));
    let store = await world.open();
    const first = await metadataOf(store);
    expect(first['generation']).toBe(1);
    await store.close();
    const labelled = service('web');
    world.write(
      'web.yaml',
      toYaml({ ...labelled, metadata: { ...(labelled['metadata'] as object), labels: { a: 'b' } } }),
    );
    store = await world.open();
    const second = await metadataOf(store);
    expect(second).toMatchObject({ generation: 1, uid: first['uid'], creationTimestamp: first['creationTimestamp'] });
    expect(second['resourceVersion']).not.toBe(first['resourceVersion']);
    await store.close();
    world.write('web.yaml', toYaml(service('web', { externalTrafficPolicy: 'Local' })));
    store = await world.open();
    expect(await metadataOf(store)).toMatchObject({ generation: 2, uid: first['uid'] });
    store = await reopen(store);
    expect(await metadataOf(store)).toMatchObject({ generation: 2, uid: first['uid'] });
  });
});

describe('what is known of an object whose manifest is gone', () => {
  const uidAfter = async (store: DirectoryStore) => {
    world.write('web.yaml', toYaml(service('web')));
    await eventually('it to be back', () => store.snapshot().list('Service').length === 1);
    return (await metadataOf(store))['uid'];
  };
  const records = (store: DirectoryStore) =>
    eventually('nothing but time', async () => (await store.read(web)) === undefined);

  it('is kept for a moment: many a tool replaces a file by removing it first', async () => {
    world.write('web.yaml', toYaml(service('web')));
    const store = await world.open({ orphanMs: 60_000 });
    const { uid } = await metadataOf(store);
    rmSync(world.path('web.yaml'));
    await records(store);
    expect(await uidAfter(store)).toBe(uid);
  });

  it('is forgotten when it went while nobody ran', async () => {
    world.write('web.yaml', toYaml(service('web')));
    let store = await world.open();
    const { uid } = await metadataOf(store);
    await store.close();
    rmSync(world.path('web.yaml'));
    store = await world.open({ orphanMs: 50 });
    await eventually(
      'another identity',
      async () => {
        const now = await uidAfter(store);
        if (now !== uid) return true;
        rmSync(world.path('web.yaml'));
        await records(store);
        return false;
      },
      { everyMs: 200 },
    );
  });

  it('is kept while a file cannot be read that may hold it', async () => {
    world.write('web.yaml', toYaml(service('web')));
    let store = await world.open();
    const { uid } = await metadataOf(store);
    await store.close();
    world.write('web.yaml', 'kind: "Service\n');
    // Forgotten at once, were it to be; noticing a new file takes longer than that.
    store = await world.open({ orphanMs: 0 });
    world.write('other.yaml', toYaml(service('other')));
    await eventually('the other', () => store.snapshot().list('Service').length === 1);
    world.write('web.yaml', toYaml(service('web')));
    await eventually('both', () => store.snapshot().list('Service').length === 2);
    expect((await metadataOf(store))['uid']).toBe(uid);
  });
});

describe('what Herald writes over a manifest', () => {
  it('stands until the manifest is edited, also after a restart', async () => {
    world.write('node.yaml', toYaml(nodeConfig(65001)));
    let store = await world.open();
    const asnOf = () => store.snapshot().get('CiliumBGPNodeConfig', '', 'rack0')?.spec.bgpInstances[0]?.localASN;
    expect(asnOf()).toBe(65001);
    const { resourceVersion, uid } = await metadataOf(store, node);
    await store.put(nodeConfig(65002), String(resourceVersion));
    expect(asnOf()).toBe(65002);
    expect(await metadataOf(store, node)).toMatchObject({ generation: 2, uid });
    store = await reopen(store);
    expect(asnOf()).toBe(65002);
    world.write('node.yaml', toYaml(nodeConfig(65003)));
    await eventually('the edit', () => asnOf() === 65003);
    expect(await metadataOf(store, node)).toMatchObject({ generation: 3, uid });
  });

  it('a manifest itself is not ours to remove: the error names the file', async () => {
    world.write('node.yaml', toYaml(nodeConfig(65001)));
    const store = await world.open();
    const { resourceVersion } = await metadataOf(store, node);
    await expect(store.remove(node, String(resourceVersion))).rejects.toThrow(/node\.yaml/);
  });

  it('the same again is no new version', async () => {
    const store = await world.open();
    const first = await store.put(leaseOf('a'), undefined);
    expect(await store.put(leaseOf('a'), first)).toBe(first);
  });
});

describe('events', () => {
  it('are kept over a restart, and the same one is counted', async () => {
    let store = await world.open();
    for (let i = 0; i < 3; i++) store.record({ about: web, type: 'Warning', reason: 'NoPool', message: 'no pool' });
    store.record({ about: web, type: 'Normal', reason: 'Allocated', message: '192.0.2.1' });
    store = await reopen(store);
    expect(store.events()).toMatchObject([
      { about: web, reason: 'NoPool', count: 3 },
      { about: web, reason: 'Allocated', count: 1 },
    ]);
  });

  it('are no more than a limit, and the newest', async () => {
    let store = await world.open();
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < eventsMax; i++)
        store.record({ about: web, type: 'Normal', reason: 'Test', message: `${round} ${i}` });
      store = await reopen(store);
    }
    expect(store.events()).toHaveLength(eventsMax);
    expect(store.events().every(each => each.message.startsWith('1 '))).toBe(true);
  });
});

describe('a state directory that cannot be written', () => {
  it('does not keep the manifests from being followed', async () => {
    world.write('web.yaml', toYaml(service('web')));
    const store = await world.open();
    // Root may write anything; a folder in the place of the lock stops root too.
    mkdirSync(`${world.state}/lock`);
    world.write('more.yaml', toYaml(service('more')));
    await eventually('the new object', () => store.snapshot().list('Service').length === 2);
    expect(world.lines).toContainEqual(expect.objectContaining({ level: 'error', event: 'state not written' }));
    await expect(store.applyStatus(web, 'one', ingress('192.0.2.1'))).rejects.toThrow();
    rmSync(`${world.state}/lock`, { recursive: true });
    await eventually(
      'it to be written down',
      async () => (await metadataOf(store, { ...web, name: 'more' }))['uid'] !== undefined,
    );
  });
});

it('orphans are forgotten after their time, and not while it cannot be said what is gone', async () => {
  const clock = new ManualClock();
  const forgotten: string[] = [];
  let mayForget = false;
  const forget = async (keys: readonly string[]) => void forgotten.push(...keys);
  const orphans = new Orphans({ clock, graceMs: 1000, mayForget: () => mayForget, forget });
  orphans.note('a', true);
  await clock.advance(500);
  orphans.note('b', true);
  orphans.note('c', true);
  orphans.note('c', false);
  await clock.advance(10_000);
  expect(forgotten).toEqual([]);
  mayForget = true;
  orphans.note('d', true);
  orphans.check();
  await clock.advance(999);
  expect(forgotten).toEqual([]);
  await clock.advance(1);
  expect(forgotten).toEqual(['a', 'b', 'd']);
  await clock.advance(10_000);
  expect(clock.pending).toBe(0);
});

describe('statements about a status', () => {
  const now = '2026-01-01T00:00:00Z';
  const condition = (type: string, status = 'True') => ({ type, status });
  it.each<[string, [string, RawObject][], RawObject | undefined]>([
    ['nobody', [], undefined],
    ['one', [['a', { x: 1 }]], { x: 1 }],
    [
      'two',
      [
        ['a', { x: 1 }],
        ['b', { y: 2 }],
      ],
      { x: 1, y: 2 },
    ],
    [
      'a field taken over whole',
      [
        ['a', { x: { p: 1, q: 2 } }],
        ['b', { x: { p: 3 } }],
      ],
      { x: { p: 3 } },
    ],
    [
      'a field that both state stays with the other',
      [
        ['a', { x: 1 }],
        ['b', { x: 1 }],
        ['a', {}],
      ],
      { x: 1 },
    ],
    [
      'a field taken over is not given back',
      [
        ['a', { x: 1 }],
        ['b', { x: 2 }],
        ['b', {}],
      ],
      undefined,
    ],
    [
      'conditions of no type are a field like others',
      [
        ['a', { conditions: [1] }],
        ['b', { conditions: [2] }],
      ],
      { conditions: [2] },
    ],
  ])('%s', (_, statements, expected) => {
    let managers = {};
    for (const [manager, status] of statements) managers = applyStatement(managers, manager, status, now);
    expect(mergedStatus(managers)).toEqual(expected);
  });

  it('conditions are sorted by type, whoever stated them', () => {
    let managers = applyStatement({}, 'a', { conditions: [condition('C'), condition('A')] }, now);
    managers = applyStatement(managers, 'b', { conditions: [condition('B')] }, now);
    expect(mergedStatus(managers)).toEqual({
      conditions: ['A', 'B', 'C'].map(type => ({ ...condition(type), lastTransitionTime: now })),
    });
  });
});
