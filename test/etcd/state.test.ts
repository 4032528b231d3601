/**
 * The contract of a shared state, against a real etcd: nothing is lost over restart, wipe, compaction, silence; what is
 * ours is written again whoever took it away; who may not read is told so. Reference §8.3, §8.6, §8.7.
 */
import { copyFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EtcdState } from '../../src/etcd/state.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import type { StateAccess, StateFailure } from '../../src/runtime/mesh-state.ts';
import { eventually } from '../support/wait.ts';
import { Authority, Etcd, etcdMissing } from './server.ts';

const quick = {
  callsPerSecond: 5_000,
  callsBurst: 20_000,
  backoffMaxMs: 300,
  hopelessMs: 200,
  gateMs: 50,
  progressMs: 300,
  certificatesMs: 100,
};
const text = (value: Uint8Array) => Buffer.from(value).toString();
const octets = (value: string) => Buffer.from(value);
const numbered = (count: number, value = 'v') =>
  new Map(Array.from({ length: count }, (_, i) => [`own/k${i}`, octets(value)]));

/** What a mirror told, kept as it stands. */
class View {
  readonly values = new Map<string, string>();
  readonly order: string[] = [];
  readonly failures: StateFailure[] = [];
  syncs = 0;
  deletes = 0;
  readonly listener = {
    put: (key: string, value: Uint8Array) => {
      this.values.set(key, text(value));
      this.order.push(key);
    },
    delete: (key: string) => {
      this.values.delete(key);
      this.deletes++;
    },
    synced: () => {
      this.syncs++;
    },
    broken: (failure: StateFailure) => {
      this.failures.push(failure);
    },
  };
}

describe.skipIf(etcdMissing !== undefined)(
  `an etcd${etcdMissing === undefined ? '' : `: skipped, no ${etcdMissing}`}`,
  () => {
    const toClose: { close(): Promise<void> | void }[] = [];
    let etcd: Etcd;

    const open = (access: StateAccess = etcd.access(), limits = {}): EtcdState => {
      const state = new EtcdState({ access, clock: systemClock, random: Math.random, limits: { ...quick, ...limits } });
      toClose.push(state);
      return state;
    };
    const follow = (state: EtcdState, prefix: string, keysMax = 1_000_000): View => {
      const view = new View();
      state.mirror(prefix.endsWith('/') ? { prefix } : { key: prefix }, view.listener, { keysMax });
      return view;
    };
    const holds = (view: View, expected: Record<string, string>) =>
      eventually(
        `the mirror holds ${JSON.stringify(expected)}`,
        () => JSON.stringify([...view.values].sort()) === JSON.stringify(Object.entries(expected).sort()),
        {
          detail: () => JSON.stringify([[...view.values], view.failures.map(String)]),
        },
      );

    afterEach(async () => {
      for (const each of toClose.splice(0).reverse()) await each.close();
    });

    describe('followed', () => {
      beforeEach(async () => {
        etcd = await Etcd.start({ flags: ['--max-txn-ops', '5000'] });
        toClose.push({ close: () => etcd.stop() });
      });

      it('is a prefix and nothing beside it, or one key', async () => {
        for (const key of ['a/1', 'a/2', 'ab', 'a', 'b/1']) etcd.put(key, key);
        const state = open();
        const [prefix, key] = [follow(state, 'a/'), follow(state, 'a')];
        await holds(prefix, { 'a/1': 'a/1', 'a/2': 'a/2' });
        await holds(key, { a: 'a' });
        etcd.put('a/3', 'x');
        etcd.ctl('del', 'a/1');
        etcd.ctl('del', 'a');
        await holds(prefix, { 'a/2': 'a/2', 'a/3': 'x' });
        await holds(key, {});
        expect([text((await state.get('b/1')) ?? octets('')), await state.get('b/2')]).toEqual(['b/1', undefined]);
      });

      it('is complete after a restart, with what changed while it was away from us', async () => {
        etcd.put('a/1', 'old');
        etcd.put('a/2', 'stays');
        const view = follow(open(), 'a/');
        await holds(view, { 'a/1': 'old', 'a/2': 'stays' });
        await etcd.kill();
        await eventually('the loss is told', () => view.failures.length > 0);
        expect(view.values.size).toBe(2);
        await etcd.begin();
        etcd.put('a/3', 'new');
        etcd.ctl('del', 'a/1');
        await holds(view, { 'a/2': 'stays', 'a/3': 'new' });
      });

      it.each([
        ['with another cluster ID', false],
        ['with the same cluster ID, and more revisions than before', true],
      ])('is exact after a wipe %s', async (_, sameToken) => {
        for (let i = 0; i < 5; i++) etcd.put(`a/${i}`, 'old');
        const view = follow(open(), 'a/');
        await eventually('all are there', () => view.values.size === 5);
        await etcd.wipe(sameToken);
        await etcd.begin();
        for (let i = 0; i < 12; i++) etcd.put(`a/${3 + (i % 4)}`, `new${i}`);
        await holds(view, { 'a/3': 'new8', 'a/4': 'new9', 'a/5': 'new10', 'a/6': 'new11' });
        expect(view.deletes).toBeGreaterThanOrEqual(3);
      });

      it('is exact after a compaction while away', async () => {
        for (let i = 0; i < 5; i++) etcd.put(`a/${i}`, 'old');
        const view = follow(open(), 'a/');
        await eventually('all are there', () => view.values.size === 5);
        etcd.freeze(true);
        await eventually('silence is noticed', () => view.failures.length > 0, { limitMs: 60_000 });
        etcd.freeze(false);
        await eventually('it is back', () => view.syncs > 1);
        await etcd.kill();
        await etcd.begin();
        etcd.ctl('del', 'a/0');
        etcd.put('a/1', 'new');
        etcd.compact();
        await holds(view, { 'a/1': 'new', 'a/2': 'old', 'a/3': 'old', 'a/4': 'old' });
      });

      it('is read by 50 mirrors of one connection, each with all of it', async () => {
        // Silence is not what this is about.
        const state = open(undefined, { progressMs: 10_000 });
        const views = Array.from({ length: 50 }, () => follow(state, 'a/'));
        await eventually('all have read', () => views.every(view => view.syncs === 1));
        for (let i = 0; i < 20; i++) etcd.put(`a/${i}`, String(i));
        await eventually('all have all', () => views.every(view => view.values.size === 20));
        expect(views.flatMap(view => view.failures)).toEqual([]);
      });

      it('is read in smaller pages when values are large', async () => {
        const body = 'x'.repeat(1024 * 1024);
        for (let i = 0; i < 12; i++) await gateway(etcd, 'put', { key: base64(`a/${i}`), value: base64(body) });
        const view = follow(open(undefined, { answerOctetsMax: 5 * 1024 * 1024 }), 'a/');
        await eventually('all are there', () => view.values.size === 12);
        expect(view.failures).toEqual([]);
      });

      it('is listed in pages with 100,000 keys, and refused unread with more keys than allowed', async () => {
        const batch = 5_000;
        for (let at = 0; at < 100_000; at += batch) {
          const success = Array.from({ length: Math.min(batch, 100_000 - at) }, (_, i) => ({
            requestPut: { key: base64(`a/k${at + i}`), value: base64('v') },
          }));
          await gateway(etcd, 'txn', { success });
        }
        const [whole, bounded] = [follow(open(), 'a/'), follow(open(), 'a/', 1_000)];
        await eventually('all are there', () => whole.syncs === 1, { limitMs: 60_000 });
        expect([whole.values.size, whole.failures.length]).toEqual([100_000, 0]);
        await eventually('the bounded one says so', () => bounded.failures[0]?.kind === 'too-many-keys');
        expect([bounded.values.size, bounded.syncs]).toEqual([0, 0]);
      }, 120_000);

      it('waits at its gate, again after every break', async () => {
        let open_ = false;
        let asked = 0;
        const view = new View();
        const state = open();
        state.mirror({ prefix: 'a/' }, view.listener, {
          keysMax: 10,
          gate: async () => {
            asked++;
            if (!open_) throw new (await import('../../src/runtime/mesh-state.ts')).StateFailure('not-there-yet', 'no');
          },
        });
        etcd.put('a/1', 'x');
        await eventually('it has asked', () => asked > 2);
        expect(view.syncs).toBe(0);
        open_ = true;
        await holds(view, { 'a/1': 'x' });
        open_ = false;
        await etcd.wipe();
        await etcd.begin();
        const before = asked;
        await eventually('it asks again', () => asked > before + 2);
        // Nothing was read of the empty one: what was known stays.
        expect([...view.values.keys()]).toEqual(['a/1']);
        open_ = true;
        await holds(view, {});
      });
    });

    describe('written', () => {
      beforeEach(async () => {
        etcd = await Etcd.start();
        toClose.push({ close: () => etcd.stop() });
      });

      it('are our values, then the canary; other keys below go, foreign changes are put right', async () => {
        etcd.put('own/stale', 'x');
        etcd.put('other/key', 'x');
        const view = follow(open(), 'own/');
        const state = open();
        const last = new Map([['own/zzz-canary', octets('now')]]);
        state.publish({ owned: ['own/'], values: numbered(1_200), last });
        await eventually('all is written', () => view.values.has('own/zzz-canary'));
        expect([view.order.at(-1), view.values.size, view.values.has('own/stale')]).toEqual([
          'own/zzz-canary',
          1_201,
          false,
        ]);
        etcd.put('own/k7', 'wrong');
        etcd.put('own/foreign', 'x');
        etcd.ctl('del', 'own/k8');
        const right = () =>
          etcd.get('own/k7') === 'v' && etcd.get('own/k8') === 'v' && !etcd.keys('own/').includes('own/foreign');
        await eventually('it is put right', right);
        // At most 500 keys a lease.
        const leases = new Set(etcd.ctl('get', '--prefix', 'own/', '-w', 'fields').match(/"Lease" : \d+/g));
        expect(leases.size).toBe(3);
        const few = numbered(3);
        state.publish({ owned: ['own/'], values: few, last });
        await eventually('the others are gone', () => view.values.size === 4);
        expect(etcd.get('other/key')).toBe('x');
        await eventually('nothing is left to write', () => state.status().unwritten === 0);
      });

      it('are written again after a wipe, and when their lease is lost', async () => {
        const state = open(undefined, { ttlSeconds: 5 });
        state.publish({ owned: ['own/'], values: numbered(20), last: new Map([['own/z', octets('now')]]) });
        await eventually('all is there', () => etcd.keys('own/').length === 21);
        for (const lease of etcd.ctl('lease', 'list').split('\n').slice(1).filter(Boolean))
          etcd.ctl('lease', 'revoke', lease);
        await eventually('all is there again', () => etcd.keys('own/').length === 21);
        await etcd.wipe();
        await etcd.begin();
        await eventually('all is there once more', () => etcd.keys('own/').length === 21);
      });

      it('live exactly as long as we do', async () => {
        const state = open(undefined, { ttlSeconds: 2 });
        state.publish({ owned: ['own/'], values: numbered(2), last: new Map() });
        await eventually('all is there', () => etcd.keys('own/').length === 2);
        const revision = () => JSON.parse(etcd.ctl('get', 'own/k0', '-w', 'json')).kvs[0].mod_revision;
        const before = revision();
        // By etcd's own clock: leases as long as ours, of later than ours and renewed by nobody, run out meanwhile.
        for (const witness of ['witness/0', 'witness/1']) {
          const [id = ''] = /\b[0-9a-f]{16}\b/.exec(etcd.ctl('lease', 'grant', '2')) ?? [];
          etcd.ctl('put', `--lease=${id}`, witness, 'x');
          await eventually(`${witness} has run out`, () => etcd.get(witness) === undefined, { everyMs: 200 });
        }
        expect([etcd.keys('own/').length, revision()]).toEqual([2, before]);
        await state.close();
        await eventually('they have run out', () => etcd.keys('own/').length === 0);
      });

      it('and nobody’s while we do not publish', async () => {
        const state = open();
        state.publish({ owned: ['own/'], values: numbered(2), last: new Map() });
        await eventually('all is there', () => etcd.keys('own/').length === 2);
        state.publish(undefined);
        etcd.put('own/k0', 'other');
        etcd.put('own/new', 'other');
        state.publish({ owned: ['own/'], values: numbered(3), last: new Map() });
        await eventually('ours again', () => etcd.get('own/k0') === 'v' && etcd.keys('own/').length === 3);
      });
    });

    describe('with TLS, users and roles (§2.2)', () => {
      let authority: Authority;
      beforeEach(async () => {
        authority = new Authority();
        etcd = await Etcd.start({ tls: authority });
        toClose.push({ close: () => etcd.stop() }, authority);
        etcd.put('cilium/state/nodes/v1/west/n1', 'x');
        etcd.put('cilium/cluster-config/west', 'x');
        etcd.secure('west');
      });

      it('lets `remote` read the state and its one configuration, and says what is denied', async () => {
        const state = open();
        await holds(follow(state, 'cilium/state/nodes/v1/west/'), { 'cilium/state/nodes/v1/west/n1': 'x' });
        await holds(follow(state, 'cilium/cluster-config/west'), { 'cilium/cluster-config/west': 'x' });
        expect(state.status()).toMatchObject({ connected: true, certificateEndsMs: expect.any(Number) });
        for (const prefix of ['cilium/cluster-config/other', 'cilium/']) {
          const view = follow(state, prefix);
          await eventually('it is denied', () => view.failures[0]?.kind === 'denied');
        }
        const stranger = follow(open(etcd.access('remote-unknown')), 'cilium/state/nodes/v1/west/');
        await eventually('a stranger is denied', () => stranger.failures[0]?.kind === 'denied');
        etcd.ctl('user', 'add', 'remote-unknown', '--no-password');
        etcd.ctl('user', 'grant-role', 'remote-unknown', 'remote');
        await holds(stranger, { 'cilium/state/nodes/v1/west/n1': 'x' });
      });

      it('gets a new token for a user with a password whenever the old one ends', async () => {
        etcd.ctl('user', 'add', 'reader:secret');
        etcd.ctl('user', 'grant-role', 'reader', 'remote');
        const state = open(etcd.access('nobody', { username: 'reader', password: 'secret' }));
        expect(text((await state.get('cilium/cluster-config/west')) ?? octets(''))).toBe('x');
        // Any change of users or roles makes every token old.
        etcd.ctl('role', 'add', 'more');
        expect(text((await state.get('cilium/cluster-config/west')) ?? octets(''))).toBe('x');
        expect(state.status().failures).toBe(0);
        const wrong = open(etcd.access('nobody', { username: 'reader', password: 'wrong' }));
        await expect(wrong.get('cilium/cluster-config/west')).rejects.toMatchObject({ kind: 'denied' });
      });

      it('uses new certificates as soon as they are there, and loses nothing', async () => {
        const access = etcd.access('remote-unknown');
        const state = open(access);
        const view = follow(state, 'cilium/state/nodes/v1/west/');
        await eventually('it is denied', () => view.failures[0]?.kind === 'denied');
        const { cert, key } = authority.issue('remote');
        copyFileSync(cert, access.certFile ?? '');
        copyFileSync(key, access.keyFile ?? '');
        await holds(view, { 'cilium/state/nodes/v1/west/n1': 'x' });
        const ends = state.status().certificateEndsMs ?? 0;
        const longer = authority.issue('remote', undefined, 90);
        copyFileSync(longer.cert, access.certFile ?? '');
        copyFileSync(longer.key, access.keyFile ?? '');
        await eventually('the new one is used', () => (state.status().certificateEndsMs ?? 0) > ends);
        etcd.put('cilium/state/nodes/v1/west/n2', 'y');
        await holds(view, { 'cilium/state/nodes/v1/west/n1': 'x', 'cilium/state/nodes/v1/west/n2': 'y' });
      });

      it('says when it is the certificates', async () => {
        const other = new Authority();
        toClose.push(other);
        const { cert, key } = other.issue('remote');
        for (const change of [{ caFile: other.ca }, { caFile: '/nowhere' }, { certFile: cert, keyFile: key }]) {
          const failure = await open(etcd.access('remote', change))
            .get('x')
            .catch(error => error);
          expect(['certificate', 'unreachable']).toContain(failure.kind);
          if (change.certFile === undefined) expect(failure.kind).toBe('certificate');
        }
      });

      it('finds a host that only an alias knows, and checks the certificate by its name', async () => {
        const port = new URL(etcd.endpoint).port;
        const at = (name: string) => ({
          endpoints: [`https://${name}:${port}`],
          hostAliases: new Map([[name, ['127.0.0.1']]]),
        });
        expect(
          await open(etcd.access('remote', at('west.mesh.cilium.io'))).get('cilium/cluster-config/west'),
        ).toBeDefined();
        await expect(open(etcd.access('remote', at('east.mesh.cilium.io'))).get('x')).rejects.toMatchObject({
          kind: 'certificate',
        });
      });
    });
  },
);

const base64 = (value: string) => Buffer.from(value).toString('base64');

/** etcd's JSON gateway: many keys at once. */
async function gateway(etcd: Etcd, what: string, body: unknown): Promise<void> {
  const answer = await fetch(`${etcd.endpoint}/v3/kv/${what}`, { method: 'POST', body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(await answer.text());
}
