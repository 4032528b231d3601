/**
 * What any Store must do, whatever it keeps its objects in: call storeContract() from a test file with a harness that
 * reaches the same world from another side.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ObjectRef, RawObject } from '../../src/api/object.ts';
import { ConflictError, type Store } from '../../src/runtime/ports.ts';
import { eventually } from '../support/wait.ts';

/** One world: its objects, and stores upon it. */
export interface StoreWorld {
  /** A new store, started. Several may be open; the world outlives them. */
  open(): Promise<Store>;
  /** As a user: makes the object, or makes it what is given. */
  apply(object: RawObject): Promise<void>;
  /** As a user: takes it away. */
  delete(ref: ObjectRef): Promise<void>;
  dispose(): Promise<void>;
}

const web: ObjectRef = { kind: 'Service', namespace: 'default', name: 'web' };
const lease: ObjectRef = { kind: 'Lease', namespace: 'kube-system', name: 'herald-a' };

export function service(name: string, spec: RawObject = {}, namespace = 'default'): RawObject {
  const ports = [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 80 }];
  const metadata = { name, namespace, labels: { app: name } };
  return { apiVersion: 'v1', kind: 'Service', metadata, spec: { type: 'LoadBalancer', ports, ...spec } };
}

export function leaseOf(holder: string, ref: ObjectRef = lease): RawObject {
  const spec = { holderIdentity: holder, leaseDurationSeconds: 15 };
  const metadata = { name: ref.name, namespace: ref.namespace };
  return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec };
}

type Json = Record<string, unknown>;
const at = (object: RawObject | undefined, ...path: string[]): unknown =>
  path.reduce<unknown>((here, step) => (here as Json | undefined)?.[step], object);
const version = (object: RawObject | undefined): string => String(at(object, 'metadata', 'resourceVersion'));
const conditionsOf = (object: RawObject | undefined) => (at(object, 'status', 'conditions') ?? []) as Json[];

/** The loop's own way of waiting: nothing but wake-ups and snapshots. */
function until<T>(what: string, probe: () => T | undefined | false): Promise<T> {
  return eventually(what, probe, { everyMs: 5, limitMs: 10_000 });
}

export function storeContract(makeWorld: () => Promise<StoreWorld>): void {
  let world: StoreWorld;
  let store: Store;
  const open: Store[] = [];
  const another = async () => {
    const one = await world.open();
    open.push(one);
    return one;
  };
  const restart = async () => {
    for (const each of open.splice(0)) await each.close();
    store = await another();
  };
  const applied = async (...objects: RawObject[]) => {
    for (const object of objects) await world.apply(object);
    const last = String(at(objects.at(-1), 'metadata', 'name'));
    await until(`${last} in the snapshot`, () => names().includes(last));
  };
  const names = () =>
    store
      .snapshot()
      .list('Service')
      .map(each => each.metadata.name);
  const seen = (name = 'web') => store.snapshot().get('Service', 'default', name);

  beforeEach(async () => {
    world = await makeWorld();
    store = await another();
  });
  afterEach(async () => {
    for (const each of open.splice(0)) await each.close();
    await world.dispose();
  });

  describe('snapshots', () => {
    it('hold what users make, sorted by namespace and name', async () => {
      await applied(service('web'), service('api'), service('db', {}, 'a'));
      await until('all three', () => names().length === 3);
      expect(
        store
          .snapshot()
          .list('Service')
          .map(each => `${each.metadata.namespace}/${each.metadata.name}`),
      ).toEqual(['a/db', 'default/api', 'default/web']);
    });

    it('are the same value until something changes', async () => {
      await applied(service('web'));
      const before = store.snapshot();
      expect(store.snapshot()).toBe(before);
      await applied(service('api'));
      expect(store.snapshot()).not.toBe(before);
    });

    it('keep the value of an object that did not change, and never change under their reader', async () => {
      await applied(service('web'), service('api'));
      const before = store.snapshot();
      const [api, old] = [seen('api'), seen()];
      await world.apply(service('web', { externalTrafficPolicy: 'Local' }));
      await until('the change', () => seen()?.spec.externalTrafficPolicy === 'Local');
      expect(seen('api')).toBe(api);
      expect(before.get('Service', 'default', 'web')).toBe(old);
    });

    it('lose what users take away', async () => {
      await applied(service('web'), service('api'));
      await world.delete(web);
      await until('it to be gone', () => names().length === 1);
      expect(names()).toEqual(['api']);
    });

    it('give every object an identity and an age that outlive the process', async () => {
      await applied(service('web'));
      const before = seen()?.metadata;
      expect(before?.uid).not.toBe('');
      expect(before?.creationMs).toBeGreaterThan(0);
      await restart();
      expect(seen()?.metadata).toEqual(before);
    });
  });

  describe('wake-ups', () => {
    it('come with every change, until unsubscribed', async () => {
      let wakes = 0;
      const unsubscribe = store.subscribe(() => wakes++);
      await applied(service('web'));
      expect(wakes).toBeGreaterThan(0);
      unsubscribe();
      const before = wakes;
      await applied(service('api'));
      expect(wakes).toBe(before);
    });

    it('come when the new snapshot is there, and not without one', async () => {
      await applied(service('web'));
      const snapshots: unknown[] = [store.snapshot()];
      store.subscribe(() => snapshots.push(store.snapshot()));
      await store.applyStatus(web, 'one', { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } });
      await until('a wake-up', () => snapshots.length > 1);
      await store.applyStatus(web, 'one', { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } });
      await turn();
      expect(new Set(snapshots).size).toBe(snapshots.length);
    });
  });

  describe('statuses', () => {
    const ingress = (ip: string) => ({ loadBalancer: { ingress: [{ ip }] } });
    const condition = (type: string, status: string, reason = 'Because') => ({ type, status, reason, message: '' });

    it('are part of the object, in the snapshot and when read', async () => {
      await applied(service('web'));
      expect(await store.applyStatus(web, 'one', ingress('192.0.2.1'))).toBe(true);
      await until('it in the snapshot', () => seen()?.status.ingress.length === 1);
      expect(at(await store.read(web), 'status')).toEqual(ingress('192.0.2.1'));
    });

    it('are written once: the same again is nothing to write', async () => {
      await applied(service('web'));
      const status = { ...ingress('192.0.2.1'), conditions: [condition('A', 'True')] };
      expect(await store.applyStatus(web, 'one', status)).toBe(true);
      const before = await store.read(web);
      expect(await store.applyStatus(web, 'one', status)).toBe(false);
      expect(await store.read(web)).toEqual(before);
    });

    it('leave generation alone; a changed spec does not', async () => {
      await applied(service('web'));
      const generation = seen()?.metadata.generation ?? Number.NaN;
      await store.applyStatus(web, 'one', ingress('192.0.2.1'));
      await until('the status', () => seen()?.status.ingress.length === 1);
      expect(seen()?.metadata.generation).toBe(generation);
    });

    it('lose what their manager no longer states, and keep what others do', async () => {
      await applied(service('web'));
      await store.applyStatus(web, 'one', {
        ...ingress('192.0.2.1'),
        conditions: [condition('A', 'True'), condition('B', 'True')],
      });
      await store.applyStatus(web, 'two', { conditions: [condition('C', 'False')] });
      await store.applyStatus(web, 'one', { conditions: [condition('B', 'True')] });
      const now = await store.read(web);
      expect(
        conditionsOf(now)
          .map(each => each['type'])
          .sort(),
      ).toEqual(['B', 'C']);
      expect(at(now, 'status', 'loadBalancer', 'ingress') ?? []).toEqual([]);
    });

    it('let go of all when nothing is stated', async () => {
      await applied(service('web'));
      await store.applyStatus(web, 'one', { ...ingress('192.0.2.1'), conditions: [condition('A', 'True')] });
      await store.applyStatus(web, 'two', { conditions: [condition('C', 'False')] });
      expect(await store.applyStatus(web, 'one', {})).toBe(true);
      const now = await store.read(web);
      expect(conditionsOf(now).map(each => each['type'])).toEqual(['C']);
      expect(at(now, 'status', 'loadBalancer', 'ingress') ?? []).toEqual([]);
      expect(await store.applyStatus(web, 'one', {})).toBe(false);
    });

    it('take over a condition that another manager stated otherwise', async () => {
      await applied(service('web'));
      await store.applyStatus(web, 'one', { conditions: [condition('A', 'True')] });
      await store.applyStatus(web, 'two', { conditions: [condition('A', 'False')] });
      expect(conditionsOf(await store.read(web))).toMatchObject([condition('A', 'False')]);
      // It is the second's now.
      await store.applyStatus(web, 'one', {});
      expect(conditionsOf(await store.read(web))).toMatchObject([condition('A', 'False')]);
    });

    it('note when a condition turned, and only then', async () => {
      await applied(service('web'));
      const old = '2020-01-01T00:00:00Z';
      await store.applyStatus(web, 'one', { conditions: [{ ...condition('A', 'True'), lastTransitionTime: old }] });
      await store.applyStatus(web, 'one', { conditions: [condition('A', 'True', 'Other')] });
      expect(conditionsOf(await store.read(web))).toMatchObject([{ reason: 'Other', lastTransitionTime: old }]);
      await store.applyStatus(web, 'one', { conditions: [condition('A', 'False')] });
      const [turned] = conditionsOf(await store.read(web));
      expect(Date.parse(String(turned?.['lastTransitionTime']))).toBeGreaterThan(Date.parse(old));
    });

    it('outlive the process', async () => {
      await applied(service('web'));
      await store.applyStatus(web, 'one', ingress('192.0.2.1'));
      const before = await store.read(web);
      await restart();
      expect(await store.read(web)).toEqual(before);
      expect(seen()?.status.ingress).toHaveLength(1);
      expect(await store.applyStatus(web, 'one', ingress('192.0.2.1'))).toBe(false);
    });

    it('go with their object: a new one of that name knows nothing of the old', async () => {
      await applied(service('web'));
      const uid = seen()?.metadata.uid;
      await store.applyStatus(web, 'one', ingress('192.0.2.1'));
      await world.delete(web);
      await until('it to be gone', () => seen() === undefined);
      await expect(store.applyStatus(web, 'one', ingress('192.0.2.2'))).rejects.toBeInstanceOf(ConflictError);
      await eventually(
        'what was known to be forgotten',
        async () => {
          await applied(service('web'));
          if (seen()?.metadata.uid !== uid) return true;
          await world.delete(web);
          await until('it to be gone', () => seen() === undefined);
          return false;
        },
        { everyMs: 500 },
      );
      expect(seen()?.status.ingress).toEqual([]);
    });
  });

  describe('objects of our own', () => {
    it('appear in the snapshot and when read', async () => {
      const written = await store.put(leaseOf('a'), undefined);
      await until('it in the snapshot', () => store.snapshot().get('Lease', lease.namespace, lease.name));
      expect(store.snapshot().get('Lease', lease.namespace, lease.name)?.spec.holderIdentity).toBe('a');
      expect(version(await store.read(lease))).toBe(written);
    });

    it('are made only where there is none', async () => {
      await store.put(leaseOf('a'), undefined);
      await expect(store.put(leaseOf('b'), undefined)).rejects.toBeInstanceOf(ConflictError);
      expect(at(await store.read(lease), 'spec', 'holderIdentity')).toBe('a');
    });

    it('are replaced only by who knows their version', async () => {
      const first = await store.put(leaseOf('a'), undefined);
      const second = await store.put(leaseOf('b'), first);
      expect(second).not.toBe(first);
      await expect(store.put(leaseOf('c'), first)).rejects.toBeInstanceOf(ConflictError);
      await expect(store.remove(lease, first)).rejects.toBeInstanceOf(ConflictError);
      expect(at(await store.read(lease), 'spec', 'holderIdentity')).toBe('b');
    });

    it('have one winner when many write for the same version', async () => {
      const first = await store.put(leaseOf('nobody'), undefined);
      const results = await Promise.allSettled([...'abcdefgh'].map(holder => store.put(leaseOf(holder), first)));
      expect(results.filter(each => each.status === 'fulfilled')).toHaveLength(1);
      for (const each of results) if (each.status === 'rejected') expect(each.reason).toBeInstanceOf(ConflictError);
    });

    it('are removed, which is fine when they are gone, and a version never comes back', async () => {
      const first = await store.put(leaseOf('a'), undefined);
      await store.remove(lease, first);
      await store.remove(lease, first);
      await until('it to be gone', () => store.snapshot().list('Lease').length === 0);
      expect(await store.read(lease)).toBeUndefined();
      await expect(store.put(leaseOf('b'), first)).rejects.toBeInstanceOf(ConflictError);
      expect(await store.put(leaseOf('b'), undefined)).not.toBe(first);
    });

    it('outlive the process', async () => {
      const first = await store.put(leaseOf('a'), undefined);
      await restart();
      expect(version(await store.read(lease))).toBe(first);
      expect(store.snapshot().list('Lease')).toHaveLength(1);
      await store.put(leaseOf('b'), first);
    });
  });

  describe('two stores', () => {
    it('see what the other writes', async () => {
      await applied(service('web'));
      const other = await another();
      await store.applyStatus(web, 'one', { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } });
      const written = await store.put(leaseOf('a'), undefined);
      await until('the status', () => other.snapshot().get('Service', 'default', 'web')?.status.ingress.length === 1);
      await until('the lease', () => other.snapshot().list('Lease').length === 1);
      await other.put(leaseOf('b'), written);
      await expect(store.put(leaseOf('c'), written)).rejects.toBeInstanceOf(ConflictError);
    });

    it('agree about who an object is', async () => {
      const other = await another();
      await applied(service('web'));
      const theirs = await until('it in the other', () => other.snapshot().get('Service', 'default', 'web'));
      await until('the same', () => seen()?.metadata.uid === theirs.metadata.uid);
    });
  });

  it('takes events without ado', async () => {
    store.record({ about: web, type: 'Warning', reason: 'Test', message: 'nothing happened' });
    store.record({ about: web, type: 'Warning', reason: 'Test', message: 'nothing happened' });
    await store.close();
    open.splice(0);
  });
}
