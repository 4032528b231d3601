/** What one node wants done, event by event: E1-E2, E6-E10, E14-E16, E18-E21, L14, L25-L28, and names on the way. */
import { describe, expect, it } from 'vitest';
import type { LeaseContent, SeenLease } from '../../src/l2/lease-record.ts';
import { AddressOwnership } from '../../src/l2/ownership.ts';
import type { L2Group, OwnershipConfig, OwnershipEffect, OwnershipEvent } from '../../src/l2/ownership-event.ts';
import { rendezvousOrder } from '../../src/l2/rendezvous.ts';
import { placeOf } from '../sim/l2-places.ts';
import { SimStore } from '../sim/l2-store.ts';
import { Lan, leaseOf } from './lan.ts';

const config: OwnershipConfig = {
  node: 'a',
  instance: 'a/1',
  times: { sessionMs: 3_000, renewMs: 1_000, retryMs: 200 },
  storeLoss: 'hold',
  restartGraceMs: 0,
  garpIntervalMs: 0,
};
const MAC = { value: 0x0200_0000_0001 };
const address = placeOf(0).address;
const group = (more: Partial<L2Group> = {}): L2Group => ({
  lease: leaseOf(0),
  addresses: [{ address, links: [2] }],
  candidates: ['a', 'b'],
  eligible: true,
  ...more,
});

/** A node on a store that answers at once. */
class Single {
  readonly store = new SimStore();
  readonly ownership: AddressOwnership;
  nowMs = 10_000;
  all: OwnershipEffect[] = [];

  constructor(more: Partial<OwnershipConfig> = {}, leases: readonly SeenLease[] = []) {
    for (const lease of leases) this.store.put(timed(lease), undefined);
    this.ownership = new AddressOwnership({ ...config, ...more }, this.nowMs);
    this.tell({ kind: 'links', links: [{ index: 2, mac: MAC }] });
  }

  /** The effects, until nothing more comes of it. */
  tell(event: OwnershipEvent): OwnershipEffect[] {
    const effects = [...this.ownership.step(event, this.nowMs)];
    this.all.push(...effects);
    for (const effect of effects) {
      if (effect.kind !== 'put' && effect.kind !== 'remove') continue;
      const { request } = effect;
      const version =
        effect.kind === 'put'
          ? this.store.put(effect.lease, effect.resourceVersion)
          : this.store.remove(effect.name, effect.resourceVersion) && '';
      if (version === undefined || version === false) effects.push(...this.tell({ kind: 'conflict', request }));
      else effects.push(...this.tell({ kind: 'written', request, resourceVersion: version }));
      effects.push(...this.see());
    }
    return effects;
  }

  see(): OwnershipEffect[] {
    return this.tell({ kind: 'leases', leases: [...this.store.leases.values()] });
  }

  run(ms: number): OwnershipEffect[] {
    const untilMs = this.nowMs + ms;
    const effects: OwnershipEffect[] = [];
    while (this.ownership.nextMs <= untilMs) {
      this.nowMs = Math.max(this.nowMs, this.ownership.nextMs);
      effects.push(...this.tell({ kind: 'tick' }));
    }
    this.nowMs = untilMs;
    return effects;
  }

  begin(...groups: readonly L2Group[]): this {
    this.see();
    this.tell({ kind: 'groups', groups });
    return this;
  }

  get modes(): readonly string[] {
    const own = this.all.findLast(effect => effect.kind === 'own');
    return own?.rows.map(row => row.mode) ?? ['nothing said'];
  }

  reason(number = 0): string | undefined {
    return this.ownership.status().find(each => each.lease === leaseOf(number))?.reason;
  }
}

const seen = (name: string, holder: string, annotations: Record<string, string> = {}): SeenLease => ({
  name,
  resourceVersion: '',
  holder,
  preferred: '',
  durationMs: 3_000,
  annotations,
});

function timed(lease: SeenLease): LeaseContent {
  return { ...lease, durationMs: lease.durationMs ?? 3_000 };
}

/** A Lease of another node, under a session. */
const held = (by: string, session = `${by}/1.1`, addresses = '10.0.0.1', number = 0) =>
  seen(leaseOf(number), by, {
    'herald.io/l2-session': session,
    'herald.io/l2-instance': `${by}/1`,
    'herald.io/l2-node': by,
    'herald.io/l2-addresses': addresses,
  });
const session = (node: string, id = `${node}/1.1`, over = false) =>
  seen(`herald-l2-session-${node}`, over ? '' : node, {
    'herald.io/l2-session': id,
    'herald.io/l2-instance': `${node}/1`,
    ...(over ? { 'herald.io/l2-ended-by': node } : {}),
  });

describe('the order of candidates', () => {
  it('E1: stable, for ever', () => {
    const nodes = ['a', 'b', 'c'];
    const orders = ['s0', 's1', 's2', 's3'].map(name => rendezvousOrder(name, nodes).join(''));
    expect(orders).toMatchInlineSnapshot(`
      [
        "cba",
        "abc",
        "acb",
        "cab",
      ]
    `);
  });

  it('E2: whatever order they are given in', () => {
    for (const name of ['x', 'y', 'z'])
      expect(rendezvousOrder(name, ['c', 'a', 'b'])).toEqual(rendezvousOrder(name, ['b', 'c', 'a', 'a']));
  });

  it('spreads, and one node less changes nobody else', () => {
    const nodes = ['n1', 'n2', 'n3', 'n4', 'n5'];
    const first = new Map<string, number>();
    for (let i = 0; i < 2_000; i++) {
      const order = rendezvousOrder(leaseOf(i), nodes);
      first.set(order[0] ?? '', (first.get(order[0] ?? '') ?? 0) + 1);
      expect(rendezvousOrder(leaseOf(i), nodes.slice(1))).toEqual(order.filter(node => node !== 'n1'));
    }
    for (const node of nodes) expect(first.get(node)).toBeGreaterThan(300);
  });
});

describe('taking', () => {
  it('L26, L27: a free group is taken: named Lease, holder the node, then rows', () => {
    const node = new Single().begin(group());
    expect(node.store.leases.get(leaseOf(0))).toMatchObject({ holder: 'a' });
    expect(node.store.leases.get('herald-l2-session-a')).toMatchObject({ holder: 'a' });
    expect([node.modes, node.reason()]).toEqual([['session'], 'owner']);
  });

  it('L33, L7: and announced once at first, in both forms; L39: not again when it is said again', () => {
    const node = new Single().begin(group());
    expect(node.all.filter(effect => effect.kind === 'send')).toHaveLength(2);
    node.all = [];
    node.tell({ kind: 'groups', groups: [group()] });
    expect(node.all.filter(effect => effect.kind === 'send')).toHaveLength(0);
  });

  it('L14: with no interval, nothing is announced after the first seconds', () => {
    const node = new Single().begin(group());
    expect(node.run(5_000).filter(effect => effect.kind === 'send').length).toBeGreaterThan(4);
    expect(node.run(10_000).filter(effect => effect.kind === 'send')).toEqual([]);
  });

  it.each([
    ['E8, E10: no candidate', group({ candidates: [], eligible: false }), 'not-eligible'],
    ['E9, E16: this node may not', group({ candidates: ['b'], eligible: false }), 'not-eligible'],
  ])('%s: nobody answers', (_, wanted, reason) => {
    const node = new Single().begin(wanted);
    expect([node.modes, node.reason(), node.store.leases.has(leaseOf(0))]).toEqual([[], reason, false]);
  });

  it('E14: who has no session takes no part: a node alone takes what others come first for', () => {
    const groups = Array.from({ length: 8 }, (_, i) =>
      group({
        lease: leaseOf(i),
        addresses: [{ address: placeOf(i).address, links: [2] }],
        candidates: ['a', 'b', 'c'],
      }),
    );
    expect(new Single().begin(...groups).modes).toHaveLength(8);
  });

  it('L25: two addresses under one Lease have one owner; one that goes is silent before the Lease says so', () => {
    const other = { address: placeOf(1).address, links: [2] };
    const both = group({ addresses: [{ address, links: [2] }, other] });
    const node = new Single().begin(both);
    expect(node.modes).toEqual(['session', 'session']);
    node.all = [];
    node.tell({ kind: 'groups', groups: [group()] });
    const order = node.all.map(effect => (effect.kind === 'own' ? `own ${effect.rows.length}` : effect.kind));
    expect(order.slice(0, 2)).toEqual(['own 1', 'put']);
    expect(node.modes).toEqual(['session']);
  });
});

describe('leaving others alone', () => {
  it('E15: a live holder is left alone until it has been still for the session and a little', () => {
    const node = new Single({}, [session('b'), held('b')]).begin(group());
    node.run(3_000);
    expect([node.modes, node.reason()]).toEqual([[], 'held-by-other']);
    const effects = node.run(200);
    expect(effects).toContainEqual({ kind: 'note', note: { what: 'session-ended', node: 'b' } });
    expect([node.modes, node.reason()]).toEqual([['session'], 'owner']);
  });

  it('a taker from a node that was ended announces itself 50 ms before it answers', () => {
    const node = new Single({}, [session('b'), held('b')]).begin(group());
    const effects = node.run(3_200);
    const send = effects.findIndex(effect => effect.kind === 'send');
    const answers = effects.findIndex(effect => effect.kind === 'own' && effect.rows[0]?.mode === 'session');
    expect(send).toBeGreaterThan(0);
    expect(answers).toBeGreaterThan(send);
  });

  it('E20: the times that others write say nothing; only what this node saw change does', () => {
    const node = new Single({}, [session('b'), held('b')]).begin(group());
    for (let i = 0; i < 10; i++) {
      node.run(2_500);
      const lease = node.store.leases.get('herald-l2-session-b');
      if (lease) node.store.put(timed({ ...lease, preferred: String(i) }), lease.resourceVersion);
      node.see();
    }
    expect([node.modes, node.reason()]).toEqual([[], 'held-by-other']);
  });

  it.each([
    ['a holder whose session is over', session('b', 'b/1.1', true), held('b')],
    ['a holder whose session was another', session('b', 'b/9.1'), held('b')],
    ['a Lease that nobody holds', session('b'), { ...held('b'), holder: '' }],
  ])('%s is free', (_, theirs, lease) => {
    const node = new Single({}, [theirs, lease]).begin(group());
    node.run(300);
    expect([node.modes, node.reason()]).toEqual([['session'], 'owner']);
  });

  it('what was let go of by a process that no longer runs the session is not free', () => {
    const lease = { ...held('b'), holder: '' };
    const annotations = { ...lease.annotations, 'herald.io/l2-instance': 'b/0' };
    const node = new Single({}, [session('b'), { ...lease, annotations }]).begin(group());
    node.run(2_000);
    expect([node.modes, node.reason()]).toEqual([[], 'held-by-other']);
  });

  it('a Lease of Cilium itself is respected for as long as it is renewed', () => {
    const node = new Single({}, [seen(leaseOf(0), 'cilium-node')]).begin(group());
    node.run(3_000);
    expect(node.reason()).toBe('held-by-foreign');
    node.run(200);
    expect(node.reason()).toBe('owner');
  });

  it('an address that another Lease lists for a live holder waits, under whatever name it is wanted', () => {
    const elsewhere = held('b', 'b/1.1', '10.0.0.1', 7);
    const node = new Single({}, [session('b'), elsewhere]).begin(group());
    node.run(1_000);
    expect([node.modes, node.reason()]).toEqual([[], 'address-held']);
    const lease = node.store.leases.get(leaseOf(7));
    if (lease) node.store.put(timed({ ...lease, holder: '' }), lease.resourceVersion);
    node.see();
    node.run(300);
    expect([node.modes, node.reason()]).toEqual([['session'], 'owner']);
  });
});

describe('letting go', () => {
  it('E21: a group whose responder does not work is let go of, silent first', () => {
    const node = new Single().begin(group());
    node.all = [];
    node.tell({ kind: 'groups', groups: [group({ eligible: false })] });
    expect(node.all.map(effect => effect.kind).slice(0, 2)).toEqual(['own', 'put']);
    expect(node.store.leases.get(leaseOf(0))?.holder).toBe('');
    expect(node.reason()).toBe('not-eligible');
  });

  it('an address kept for another group is let go of as soon as that group answers for it', () => {
    const two = [address, placeOf(1).address].map(each => ({ address: each, links: [2] }));
    const [first, second] = two.map(each => [each]);
    const node = new Single().begin(group({ addresses: two }));
    const left = group({ addresses: first ?? [], eligible: false });
    node.tell({ kind: 'groups', groups: [left, group({ lease: leaseOf(1), addresses: second ?? [] })] });
    expect([node.modes, node.reason(1)]).toEqual([['session'], 'owner']);
    expect(node.store.leases.get(leaseOf(0))?.holder).toBe('');
  });

  it('E18: who leaves falls silent, then ends its session, and only then has left', () => {
    const node = new Single().begin(group());
    const kinds = node.tell({ kind: 'leave' }).map(effect => effect.kind);
    expect(kinds.filter(kind => kind !== 'note')).toEqual(['own', 'deadlines', 'put', 'left']);
    expect(node.store.leases.get('herald-l2-session-a')?.holder).toBe('');
  });

  it('L28: a Lease that nobody holds or wants is removed within a minute, others stay', () => {
    const node = new Single({}, [session('b'), held('b', 'b/1.1', '', 3), seen('other', '')]).begin(group());
    node.tell({ kind: 'groups', groups: [] });
    for (let i = 0; i < 25; i++) {
      node.run(1_000);
      const lease = node.store.leases.get('herald-l2-session-b');
      if (lease) node.store.put(timed({ ...lease, preferred: String(i) }), lease.resourceVersion);
      node.see();
    }
    expect([...node.store.leases.keys()].sort()).toEqual([
      leaseOf(3),
      'herald-l2-session-a',
      'herald-l2-session-b',
      'other',
    ]);
  });

  it('a session that another node ended is begun anew, and nothing of the old one is kept', () => {
    const node = new Single().begin(group());
    const lease = node.store.leases.get('herald-l2-session-a');
    if (lease) node.store.put(timed({ ...lease, holder: '' }), lease.resourceVersion);
    node.all = [];
    node.see();
    expect(node.all[0]).toEqual({ kind: 'cap', sessionMs: 0 });
    expect(node.all.find(effect => effect.kind === 'own')).toEqual({ kind: 'own', rows: [] });
    node.run(500);
    expect(node.store.leases.get(leaseOf(0))?.annotations['herald.io/l2-session']).toBe('a/1.2');
    expect(node.modes).toEqual(['session']);
  });
});

describe('holding without the store', () => {
  it('what a process that stood still must not answer any more is off before the deadline is put off', () => {
    const node = new Single().begin(group());
    // Nothing that is written is answered.
    const tick = () => node.ownership.step({ kind: 'tick' }, node.nowMs);
    while (!node.ownership.holding) {
      node.nowMs = node.ownership.nextMs;
      tick();
    }
    node.nowMs += 1_000;
    const effects = tick();
    const first = effects.filter(({ kind }) => kind === 'own' || kind === 'deadlines');
    expect(first).toMatchObject([{ kind: 'own', rows: [{ mode: 'listen' }] }, { kind: 'deadlines' }]);
    // The deadline was 300 ms ahead.
    expect(effects).toContainEqual({ kind: 'note', note: { what: 'stood-still', addresses: 1, lateMs: 700 } });
  });
});

describe('a session whose Lease somebody removed', () => {
  it.each([
    ['goes on before its deadline', 2_000, 'a/1.1'],
    ['is begun anew after it: it may have been over', 12_000, 'a/1.2'],
  ])('%s', (_, laterMs, id) => {
    const node = new Single().begin(group());
    node.nowMs += laterMs;
    const { resourceVersion = '' } = node.store.leases.get('herald-l2-session-a') ?? {};
    node.store.remove('herald-l2-session-a', resourceVersion);
    node.see();
    node.run(500);
    expect(node.store.leases.get('herald-l2-session-a')?.annotations['herald.io/l2-session']).toBe(id);
    expect([node.modes, node.reason()]).toEqual([['session'], 'owner']);
  });
});

describe('a process that comes back', () => {
  it('goes on with the session, and says nothing of rows before it knows what is its own', () => {
    const node = new Single({ instance: 'a/2' }, [session('a'), held('a')]);
    node.see();
    expect(node.all.filter(effect => effect.kind === 'own')).toEqual([]);
    expect(node.all[0]).toEqual({ kind: 'cap', sessionMs: 13_000 });
    node.tell({ kind: 'groups', groups: [group()] });
    expect(node.all.filter(effect => effect.kind === 'own')).toHaveLength(1);
    expect([node.modes, node.reason()]).toEqual([['session'], 'owner']);
    expect(node.store.leases.get('herald-l2-session-a')?.annotations['herald.io/l2-session']).toBe('a/1.1');
  });

  it('and the one before, should it still be there, does nothing more', () => {
    const node = new Single().begin(group());
    const lease = node.store.leases.get('herald-l2-session-a');
    const annotations = { ...lease?.annotations, 'herald.io/l2-instance': 'a/2' };
    if (lease) node.store.put(timed({ ...lease, annotations }), lease.resourceVersion);
    const effects = node.see();
    expect(effects.at(-1)).toEqual({ kind: 'left', clean: false });
    expect(node.modes).toEqual([]);
    expect(node.ownership.nextMs).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('requests', () => {
  it('grow with nodes, not with addresses: a second at rest costs one renewal a node', () => {
    const lan = new Lan({ nodes: 3, addresses: 100 }).begin();
    const before = lan.world.store.log.length;
    lan.run(10_000);
    expect(lan.world.store.log.length - before).toBeLessThanOrEqual(3 * 11);
  });
});
