/**
 * What any Store must do, whatever it keeps its objects in: call storeContract() from a test file with a harness that
 * reaches the same world from another side.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConflictError } from '../../src/runtime/ports.ts';
import { eventually } from '../support/wait.ts';
import {
  at,
  condition,
  conditionsOf,
  Fixture,
  ingress,
  lease,
  leaseOf,
  type StoreWorld,
  service,
  until,
  version,
  web,
} from './store-world.ts';

export function storeContract(makeWorld: () => Promise<StoreWorld>): void {
  const on = new Fixture(makeWorld);
  beforeEach(() => on.begin());
  afterEach(() => on.end());
  snapshotRules(on);
  wakeUpRules(on);
  statusRules(on);
  statusLifeRules(on);
  ownObjectRules(on);
  leadershipRules(on);
  twoStoreRules(on);
  eventRules(on);
}

/** The world of one test after the other, and the store that the test is about. */
function snapshotRules(on: Fixture): void {
  describe('snapshots', () => {
    it('hold what users make, sorted by namespace and name', async () => {
      await on.applied(service('web'), service('api'), service('db', {}, 'a'));
      await until('all three', () => on.names().length === 3);
      expect(on.services().map(each => `${each.metadata.namespace}/${each.metadata.name}`)).toEqual([
        'a/db',
        'default/api',
        'default/web',
      ]);
    });

    it('are the same value until something changes', async () => {
      await on.applied(service('web'));
      const before = on.store.snapshot();
      expect(on.store.snapshot()).toBe(before);
      await on.applied(service('api'));
      expect(on.store.snapshot()).not.toBe(before);
    });

    it('keep the value of an object that did not change, and never change under their reader', async () => {
      await on.applied(service('web'), service('api'));
      const before = on.store.snapshot();
      const [api, old] = [on.seen('api'), on.seen()];
      await on.world.apply(service('web', { externalTrafficPolicy: 'Local' }));
      await until('the change', () => on.seen()?.spec.externalTrafficPolicy === 'Local');
      expect(on.seen('api')).toBe(api);
      expect(before.get('Service', 'default', 'web')).toBe(old);
    });

    it('lose what users take away', async () => {
      await on.applied(service('web'), service('api'));
      await on.world.delete(web);
      await until('it to be gone', () => on.names().length === 1);
      expect(on.names()).toEqual(['api']);
    });

    it('give every object an identity and an age that outlive the process', async () => {
      await on.applied(service('web'));
      const before = on.seen()?.metadata;
      expect(before?.uid).not.toBe('');
      expect(before?.creationMs).toBeGreaterThan(0);
      await on.restart();
      expect(on.seen()?.metadata).toEqual(before);
    });
  });
}

function wakeUpRules(on: Fixture): void {
  describe('wake-ups', () => {
    it('come with every change, until unsubscribed', async () => {
      let wakes = 0;
      const unsubscribe = on.store.subscribe(() => wakes++);
      await on.applied(service('web'));
      expect(wakes).toBeGreaterThan(0);
      unsubscribe();
      const before = wakes;
      await on.applied(service('api'));
      expect(wakes).toBe(before);
    });

    it('come when the new snapshot is there, and not without one', async () => {
      await on.applied(service('web'));
      const snapshots: unknown[] = [on.store.snapshot()];
      on.store.subscribe(() => snapshots.push(on.store.snapshot()));
      await on.store.applyStatus(web, 'one', { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } });
      await until('a wake-up', () => snapshots.length > 1);
      await on.store.applyStatus(web, 'one', { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } });
      await turn();
      expect(new Set(snapshots).size).toBe(snapshots.length);
    });
  });
}

function statusRules(on: Fixture): void {
  describe('statuses', () => {
    it('are part of the object, in the snapshot and when read', async () => {
      await on.applied(service('web'));
      expect(await on.store.applyStatus(web, 'one', ingress('192.0.2.1'))).toBe(true);
      await until('it in the snapshot', () => on.seen()?.status.ingress.length === 1);
      // A store may add what the API defaults, such as ipMode.
      expect(at(await on.store.read(web), 'status')).toMatchObject(ingress('192.0.2.1'));
    });

    it('are written once: the same again is nothing to write', async () => {
      await on.applied(service('web'));
      const status = { ...ingress('192.0.2.1'), conditions: [condition('A', 'True')] };
      expect(await on.store.applyStatus(web, 'one', status)).toBe(true);
      const before = await on.store.read(web);
      expect(await on.store.applyStatus(web, 'one', status)).toBe(false);
      expect(await on.store.read(web)).toEqual(before);
    });

    it('leave generation alone; a changed spec does not', async () => {
      await on.applied(service('web'));
      const generation = on.seen()?.metadata.generation ?? Number.NaN;
      await on.store.applyStatus(web, 'one', ingress('192.0.2.1'));
      await until('the status', () => on.seen()?.status.ingress.length === 1);
      expect(on.seen()?.metadata.generation).toBe(generation);
    });

    it('lose what their manager no longer states, and keep what others do', async () => {
      await on.applied(service('web'));
      await on.store.applyStatus(web, 'one', {
        ...ingress('192.0.2.1'),
        conditions: [condition('A', 'True'), condition('B', 'True')],
      });
      await on.store.applyStatus(web, 'two', { conditions: [condition('C', 'False')] });
      await on.store.applyStatus(web, 'one', { conditions: [condition('B', 'True')] });
      const now = await on.store.read(web);
      expect(
        conditionsOf(now)
          .map(each => each['type'])
          .sort(),
      ).toEqual(['B', 'C']);
      expect(at(now, 'status', 'loadBalancer', 'ingress') ?? []).toEqual([]);
    });

    it('let go of all when nothing is stated', async () => {
      await on.applied(service('web'));
      await on.store.applyStatus(web, 'one', { ...ingress('192.0.2.1'), conditions: [condition('A', 'True')] });
      await on.store.applyStatus(web, 'two', { conditions: [condition('C', 'False')] });
      expect(await on.store.applyStatus(web, 'one', {})).toBe(true);
      const now = await on.store.read(web);
      expect(conditionsOf(now).map(each => each['type'])).toEqual(['C']);
      expect(at(now, 'status', 'loadBalancer', 'ingress') ?? []).toEqual([]);
      expect(await on.store.applyStatus(web, 'one', {})).toBe(false);
    });
  });
}

function statusLifeRules(on: Fixture): void {
  describe('statuses, in time', () => {
    it('take over a condition that another manager stated otherwise', async () => {
      await on.applied(service('web'));
      await on.store.applyStatus(web, 'one', { conditions: [condition('A', 'True')] });
      await on.store.applyStatus(web, 'two', { conditions: [condition('A', 'False')] });
      expect(conditionsOf(await on.store.read(web))).toMatchObject([condition('A', 'False')]);
      // It is the second's now.
      await on.store.applyStatus(web, 'one', {});
      expect(conditionsOf(await on.store.read(web))).toMatchObject([condition('A', 'False')]);
    });

    it('note when a condition turned, and only then', async () => {
      await on.applied(service('web'));
      const old = '2020-01-01T00:00:00Z';
      await on.store.applyStatus(web, 'one', { conditions: [{ ...condition('A', 'True'), lastTransitionTime: old }] });
      await on.store.applyStatus(web, 'one', { conditions: [condition('A', 'True', 'Other')] });
      expect(conditionsOf(await on.store.read(web))).toMatchObject([{ reason: 'Other', lastTransitionTime: old }]);
      await on.store.applyStatus(web, 'one', { conditions: [condition('A', 'False')] });
      const [turned] = conditionsOf(await on.store.read(web));
      expect(Date.parse(String(turned?.['lastTransitionTime']))).toBeGreaterThan(Date.parse(old));
    });

    it('outlive the process', async () => {
      await on.applied(service('web'));
      await on.store.applyStatus(web, 'one', ingress('192.0.2.1'));
      const before = await on.store.read(web);
      await on.restart();
      expect(await on.store.read(web)).toEqual(before);
      expect(on.seen()?.status.ingress).toHaveLength(1);
      expect(await on.store.applyStatus(web, 'one', ingress('192.0.2.1'))).toBe(false);
    });

    it('go with their object: a new one of that name knows nothing of the old', async () => {
      await on.applied(service('web'));
      const uid = on.seen()?.metadata.uid;
      await on.store.applyStatus(web, 'one', ingress('192.0.2.1'));
      await on.world.delete(web);
      await until('it to be gone', () => on.seen() === undefined);
      await expect(on.store.applyStatus(web, 'one', ingress('192.0.2.2'))).rejects.toBeInstanceOf(ConflictError);
      await eventually(
        'what was known to be forgotten',
        async () => {
          await on.applied(service('web'));
          if (on.seen()?.metadata.uid !== uid) return true;
          await on.world.delete(web);
          await until('it to be gone', () => on.seen() === undefined);
          return false;
        },
        { everyMs: 500 },
      );
      expect(on.seen()?.status.ingress).toEqual([]);
    });
  });
}

function ownObjectRules(on: Fixture): void {
  describe('objects of our own', () => {
    it('appear in the snapshot and when read', async () => {
      const written = await on.store.put(leaseOf('a'), undefined);
      await until('it in the snapshot', () => on.store.snapshot().get('Lease', lease.namespace, lease.name));
      expect(on.store.snapshot().get('Lease', lease.namespace, lease.name)?.spec.holderIdentity).toBe('a');
      expect(version(await on.store.read(lease))).toBe(written);
    });

    it('are made only where there is none', async () => {
      await on.store.put(leaseOf('a'), undefined);
      await expect(on.store.put(leaseOf('b'), undefined)).rejects.toBeInstanceOf(ConflictError);
      expect(at(await on.store.read(lease), 'spec', 'holderIdentity')).toBe('a');
    });

    it('are replaced only by who knows their version', async () => {
      const first = await on.store.put(leaseOf('a'), undefined);
      const second = await on.store.put(leaseOf('b'), first);
      expect(second).not.toBe(first);
      await expect(on.store.put(leaseOf('c'), first)).rejects.toBeInstanceOf(ConflictError);
      await expect(on.store.remove(lease, first)).rejects.toBeInstanceOf(ConflictError);
      expect(at(await on.store.read(lease), 'spec', 'holderIdentity')).toBe('b');
    });

    it('have one winner when many write for the same version', async () => {
      const first = await on.store.put(leaseOf('nobody'), undefined);
      const results = await Promise.allSettled([...'abcdefgh'].map(holder => on.store.put(leaseOf(holder), first)));
      expect(results.filter(each => each.status === 'fulfilled')).toHaveLength(1);
      for (const each of results) if (each.status === 'rejected') expect(each.reason).toBeInstanceOf(ConflictError);
    });

    it('are removed, which is fine when they are gone, and a version never comes back', async () => {
      const first = await on.store.put(leaseOf('a'), undefined);
      await on.store.remove(lease, first);
      await on.store.remove(lease, first);
      await until('it to be gone', () => on.store.snapshot().list('Lease').length === 0);
      expect(await on.store.read(lease)).toBeUndefined();
      await expect(on.store.put(leaseOf('b'), first)).rejects.toBeInstanceOf(ConflictError);
      expect(await on.store.put(leaseOf('b'), undefined)).not.toBe(first);
    });

    it('outlive the process', async () => {
      const first = await on.store.put(leaseOf('a'), undefined);
      await on.restart();
      expect(version(await on.store.read(lease))).toBe(first);
      expect(on.store.snapshot().list('Lease')).toHaveLength(1);
      await on.store.put(leaseOf('b'), first);
    });
  });
}

function twoStoreRules(on: Fixture): void {
  describe('two stores', () => {
    it('see what the other writes', async () => {
      await on.applied(service('web'));
      const other = await on.another();
      await on.store.applyStatus(web, 'one', { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } });
      const written = await on.store.put(leaseOf('a'), undefined);
      await until('the status', () => other.snapshot().get('Service', 'default', 'web')?.status.ingress.length === 1);
      await until('the lease', () => other.snapshot().list('Lease').length === 1);
      await other.put(leaseOf('b'), written);
      await expect(on.store.put(leaseOf('c'), written)).rejects.toBeInstanceOf(ConflictError);
    });

    it('agree about who an object is', async () => {
      const other = await on.another();
      await on.applied(service('web'));
      const theirs = await until('it in the other', () => other.snapshot().get('Service', 'default', 'web'));
      await until('the same', () => on.seen()?.metadata.uid === theirs.metadata.uid);
    });
  });
}

function eventRules(on: Fixture): void {
  it('takes events without ado', async () => {
    on.store.record({ about: web, type: 'Warning', reason: 'Test', message: 'nothing happened' });
    on.store.record({ about: web, type: 'Warning', reason: 'Test', message: 'nothing happened' });
    await on.store.close();
  });
}

function leadershipRules(on: Fixture): void {
  describe('leadership', () => {
    it('has one leader among several, and another when that one gives it up', async () => {
      const told: string[] = [];
      const stores = [on.store, await on.another(), await on.another()];
      const campaigns = stores.map((store, i) => store.campaign('operator', () => told.push(`${i}`)));
      const leading = () => campaigns.flatMap((each, i) => (each.leading ? [i] : []));
      const [first = -1, ...more] = await until('a leader', () => (leading().length > 0 ? leading() : undefined));
      expect(more).toEqual([]);
      campaigns[first]?.close();
      expect(campaigns[first]?.leading).toBe(false);
      const [second] = await until('another leader', () => (leading().length > 0 ? leading() : undefined));
      expect(second).not.toBe(first);
      expect(told.at(-1)).toBe(`${second}`);
      for (const each of campaigns) each.close();
    });

    it('under one name is no leadership under another', async () => {
      const [a, b] = [on.store.campaign('a', () => {}), (await on.another()).campaign('b', () => {})];
      await until('both', () => a.leading && b.leading);
      for (const each of [a, b]) each.close();
    });
  });
}
