/** The RIB against a RIB of maps (rib-model.ts), over random orders of everything that can happen to it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Announcement } from '../../src/bgp/announcement.ts';
import type { PathAttributes } from '../../src/bgp/attribute.ts';
import { wellKnownCommunities } from '../../src/bgp/community.ts';
import { Family } from '../../src/bgp/family.ts';
import { Policy } from '../../src/bgp/policy.ts';
import { Rib } from '../../src/bgp/rib.ts';
import type { PeerView } from '../../src/bgp/rib-view.ts';
import { Prefix } from '../../src/net/prefix.ts';
import { type ModelPeer, type ModelPolicy, ModelRib } from './rib-model.ts';
import { announce, contextOf, drain, ip, peerView, pfx, Receiver, text, withdraw } from './rib-wire.ts';

const self = { asn: 65000, routerId: 0x0a0000fe, hashSeed: 99 };
const slots = [1, 2, 3, 4, 5];
const prefixes = [
  '10.1.0.0/16',
  '10.1.0.0/24',
  '10.1.1.0/24',
  '192.0.2.1/32',
  '0.0.0.0/0',
  '2001:db8::/32',
  '2001:db8:1::/48',
];
const inTenOne = (prefix: Prefix) => Prefix.covers(pfx('10.1.0.0/16'), prefix);

/** Policies twice: as the RIB gets them, and as the model understands them. */
const policies: readonly { policy: Policy; model: ModelPolicy }[] = [
  { policy: Policy.all, model: route => route },
  { policy: Policy.none, model: () => undefined },
  { policy: Policy.originated, model: (route, _prefix, own) => (own ? route : undefined) },
  {
    policy: {
      statements: [
        { match: { prefixes: [{ prefix: pfx('10.1.0.0/16'), ge: 24, le: 24 }] }, action: 'reject' },
        { match: { prefixes: [{ prefix: pfx('2001:db8::/32'), ge: 32 }] }, set: { med: 77 }, action: 'accept' },
      ],
      otherwise: 'accept',
    },
    model: (route, prefix) => {
      if (inTenOne(prefix) && prefix.length === 24) return undefined;
      if (prefix.address.family === 'ipv4') return route;
      return { ...route, attributes: { ...route.attributes, med: 77 }, medSet: true };
    },
  },
  {
    policy: {
      statements: [
        { match: { communities: { any: [65001 * 65536 + 1] } }, set: { localPref: 300 }, action: 'next' },
        { match: { asPath: { contains: [65066] } }, action: 'reject' },
        {
          match: { asPath: { lengthMin: 3 } },
          set: { communities: { add: [7], remove: [65001 * 65536 + 1] } },
          action: 'accept',
        },
      ],
      otherwise: 'accept',
    },
    model: route => {
      const asns = (route.attributes.asPath ?? []).flatMap(segment => segment.asns);
      const marked = route.attributes.communities?.includes(65001 * 65536 + 1);
      const { communities, ...rest } = { ...route.attributes, ...(marked && { localPref: 300 }) };
      if (asns.includes(65066)) return undefined;
      if (asns.length < 3) return { ...route, attributes: { ...rest, ...(communities && { communities }) } };
      const kept = (communities ?? []).filter(each => each !== 65001 * 65536 + 1);
      return { ...route, attributes: { ...rest, communities: kept.includes(7) ? kept : [...kept, 7] } };
    },
  },
];

const kinds = ['external', 'external', 'internal', 'reflector-client', 'server-client'] as const;

function modelPeer(
  slot: number,
  kind: number,
  imports: number,
  exports: number,
  families: readonly Family[],
): ModelPeer {
  const internal = kinds[kind] === 'internal' || kinds[kind] === 'reflector-client';
  const view: PeerView = peerView(slot, {
    kind: kinds[kind] ?? 'external',
    asn: internal ? 65000 : 65000 + slot,
    families,
    endOfRib: families,
    enhancedRefresh: slot % 2 === 0,
    import: policies[imports]?.policy ?? Policy.all,
    export: policies[exports]?.policy ?? Policy.all,
  });
  const pick = (index: number) => policies[index]?.model ?? (route => route);
  return { view, import: pick(imports), export: pick(exports) };
}

const anySlot = fc.constantFrom(...slots);
const anyPrefix = fc.constantFrom(...prefixes);
const anyPolicy = fc.integer({ min: 0, max: policies.length - 1 });
const anyPath = fc
  .tuple(fc.constantFrom(65001, 65001, 65002), fc.array(fc.constantFrom(65066, 4200000000, 65000, 9), { maxLength: 2 }))
  .map(([first, rest]) => [first, ...rest]);
const marks = [
  65001 * 65536 + 1,
  9,
  wellKnownCommunities['no-export'],
  wellKnownCommunities['no-advertise'],
  wellKnownCommunities['graceful-shutdown'],
];
const anyMore = fc.record(
  {
    origin: fc.constantFrom('igp', 'egp', 'incomplete'),
    med: fc.constantFrom(0, 5, 4294967295),
    localPref: fc.constantFrom(50, 100, 200),
    communities: fc.uniqueArray(fc.constantFrom(...marks), { minLength: 1, maxLength: 2 }),
    originatorId: fc.constantFrom(1, 0x0a0000fe),
    clusterList: fc.constantFrom([5], [5, 6], [0x0a0000fe]),
  },
  { requiredKeys: ['origin'] },
) as fc.Arbitrary<PathAttributes>;
const anyFamilies = fc.constantFrom<readonly Family[]>(Family.all, ['ipv4-unicast'], ['ipv6-unicast']);
const anyOwn = fc.uniqueArray(
  fc.record({
    prefix: anyPrefix,
    to: fc.constantFrom(undefined, ['peer1', 'peer2'], ['peer3']),
    med: fc.constantFrom(undefined, 1, 2),
  }),
  { maxLength: 6, selector: each => `${each.prefix} ${each.to}` },
);

type Command =
  | { readonly do: 'announce'; slot: number; prefixes: string[]; path: number[]; hop: number; more: PathAttributes }
  | { readonly do: 'withdraw'; slot: number; prefixes: string[] }
  | { readonly do: 'up'; slot: number; kind: number; imports: number; exports: number; families: readonly Family[] }
  | { readonly do: 'down'; slot: number; keep: readonly Family[] }
  | { readonly do: 'flush' | 'refresh'; slot: number; family: Family }
  | { readonly do: 'policy'; slot: number; imports: number; exports: number }
  | { readonly do: 'own'; own: { prefix: string; to: string[] | undefined; med: number | undefined }[] }
  | { readonly do: 'pull'; slot: number; octets: number };

const many = fc.uniqueArray(anyPrefix, { minLength: 1, maxLength: 4 });
const anyFamily = fc.constantFrom(...Family.all);
const command = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('announce' as const),
      slot: anySlot,
      prefixes: many,
      path: anyPath,
      hop: fc.integer({ min: 1, max: 9 }),
      more: anyMore,
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('withdraw' as const), slot: anySlot, prefixes: many }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('up' as const),
      slot: anySlot,
      kind: fc.integer({ min: 0, max: 4 }),
      imports: anyPolicy,
      exports: anyPolicy,
      families: anyFamilies,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('down' as const), slot: anySlot, keep: anyFamilies }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('flush' as const, 'refresh' as const),
      slot: anySlot,
      family: anyFamily,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('policy' as const), slot: anySlot, imports: anyPolicy, exports: anyPolicy }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('own' as const), own: anyOwn }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('pull' as const),
      slot: anySlot,
      octets: fc.integer({ min: 4096, max: 4500 }),
    }),
  },
);

class World {
  readonly rib = new Rib(self);
  readonly model = new ModelRib(self);
  readonly receivers = new Map<number, Receiver>();
  readonly kinds = new Map<number, number>();

  run(each: Command): void {
    if (each.do === 'own') this.#own(each.own);
    else if (each.do === 'flush') {
      this.rib.flushStale(each.slot, each.family);
      this.model.flush(each.slot, each.family);
    } else if (this.model.peers.has(each.slot)) this.#runUp(each);
    else if (each.do === 'up') this.up(each.slot, each.kind, each.imports, each.exports, each.families);
  }

  /** What is possible only while the session is up. */
  #runUp(each: Exclude<Command, { do: 'own' }>): void {
    const { slot } = each;
    const peer = this.model.peers.get(slot) as ModelPeer;
    if (each.do === 'announce') this.#announce(peer.view, each);
    else if (each.do === 'withdraw') this.#withdraw(peer.view, each);
    else if (each.do === 'down') this.down(slot, each.keep);
    else if (each.do === 'refresh') this.rib.refresh(slot, each.family);
    else if (each.do === 'policy') this.#policy(slot, peer, each.imports, each.exports);
    else if (each.do === 'pull') this.#pull(slot, each.octets);
  }

  up(slot: number, kind: number, imports: number, exports: number, families: readonly Family[]): void {
    const peer = modelPeer(slot, kind, imports, exports, families);
    this.kinds.set(slot, kind);
    this.rib.peerUp(slot, peer.view);
    this.model.up(slot, peer);
    this.receivers.set(slot, new Receiver(peer.view));
  }

  down(slot: number, keep: readonly Family[]): void {
    this.rib.peerDown(slot, keep);
    this.model.down(slot, keep);
    this.receivers.delete(slot);
  }

  #announce(view: PeerView, each: Extract<Command, { do: 'announce' }>): void {
    const cx = contextOf(view);
    const { originatorId: _o, clusterList: _c, localPref: _l, ...outside } = each.more;
    for (const family of Family.all) {
      const mine = each.prefixes.filter(prefix => prefix.includes(':') === (family === 'ipv6-unicast'));
      if (mine.length === 0) continue;
      const nextHop = family === 'ipv4-unicast' ? `172.16.0.${each.hop}` : `2001:db8:2::${each.hop}`;
      const body = announce({ prefixes: mine, path: each.path, nextHop, more: each.more }, cx);
      this.rib.receiveUpdate(each.slot, body, 0, body.length);
      if (!view.families.includes(family)) continue;
      const attributes: PathAttributes = {
        ...(cx.internal ? each.more : outside),
        asPath: [{ type: 'sequence', asns: each.path }],
      };
      for (const prefix of mine)
        this.model.said.get(each.slot)?.set(prefix, { attributes, nextHop: { address: ip(nextHop) }, stale: false });
    }
  }

  #withdraw(view: PeerView, each: Extract<Command, { do: 'withdraw' }>): void {
    for (const family of Family.all) {
      const mine = each.prefixes.filter(prefix => prefix.includes(':') === (family === 'ipv6-unicast'));
      if (mine.length === 0) continue;
      const body = withdraw(mine);
      this.rib.receiveUpdate(each.slot, body, 0, body.length);
      if (view.families.includes(family)) for (const prefix of mine) this.model.said.get(each.slot)?.delete(prefix);
    }
  }

  #policy(slot: number, old: ModelPeer, imports: number, exports: number): void {
    const peer = modelPeer(slot, this.kinds.get(slot) ?? 0, imports, exports, old.view.families);
    this.rib.setPeer(slot, peer.view);
    this.model.up(slot, peer);
  }

  #own(own: Extract<Command, { do: 'own' }>['own']): void {
    const all: Announcement[] = own.map(({ prefix, to, med }) => ({ prefix: pfx(prefix), peers: to, med }));
    this.rib.originate(all);
    this.model.own = all;
  }

  #pull(slot: number, octets: number): void {
    const out = new Uint8Array(octets);
    this.receivers.get(slot)?.take(out.subarray(0, this.rib.pull(slot, out, 0)));
  }

  /** At rest everything agrees. */
  check(): void {
    for (const [slot, receiver] of this.receivers) {
      drain(this.rib, slot, receiver, 4096);
      expect(this.rib.hasOutput(slot)).toBe(false);
      const wanted = [...this.model.exported(slot)].map(entry => text(entry)).sort();
      expect([...receiver.routes].map(entry => text(entry)).sort()).toEqual(wanted);
      const listed = Family.all.flatMap(family => [...this.rib.adjOut(slot, family)]);
      const shown = listed.map(({ prefix, attributes, nextHop }) =>
        text([Prefix.format(prefix), { attributes, nextHop }]),
      );
      expect(shown.sort()).toEqual(wanted);
      expect(receiver.superfluous).toBe(0);
      expect(Family.all.reduce((sum, family) => sum + this.rib.peerCounts(slot, family).advertised, 0)).toBe(
        wanted.length,
      );
    }
    const best = [...this.model.best()].map(([prefix, path]) => `${prefix} ${path.peer}`).sort();
    const loc = Family.all.flatMap(family => [...this.rib.loc(family)]).filter(route => route.best);
    expect(loc.map(route => `${Prefix.format(route.prefix)} ${route.peer}`).sort()).toEqual(best);
    for (const family of Family.all)
      expect(this.rib.counts(family).locRib).toBe(loc.filter(route => route.family === family).length);
  }
}

describe('any order of events', () => {
  it('leaves every peer with what a RIB of maps says it must hold, and nothing behind', () => {
    const run = (commands: readonly Command[]) => {
      const world = new World();
      for (const slot of [1, 2, 3]) world.up(slot, slot === 3 ? 2 : 0, 0, 0, Family.all);
      for (const each of commands) world.run(each);
      world.check();
      world.rib.originate([]);
      world.model.own = [];
      for (const slot of slots) {
        if (world.model.peers.has(slot)) world.rib.peerDown(slot, []);
        for (const family of Family.all) world.rib.flushStale(slot, family);
      }
      expect(world.rib.held).toBe(0);
      for (const family of Family.all)
        expect(world.rib.counts(family)).toEqual({ locRib: 0, paths: 0, attributeSets: 0 });
    };
    fc.assert(fc.property(fc.array(command as fc.Arbitrary<Command>, { maxLength: 80, size: 'max' }), run), {
      numRuns: 1500,
    });
  }, 60_000);
});
