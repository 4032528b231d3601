/** Mutated UPDATE bodies against every kind of session (RFC 4271 §6.3, RFC 7606). */
import { describe, expect, it } from 'vitest';
import { wellKnownCommunities } from '../../src/bgp/community.ts';
import { BgpError } from '../../src/bgp/error.ts';
import { Family } from '../../src/bgp/family.ts';
import type { Policy } from '../../src/bgp/policy.ts';
import { Rib } from '../../src/bgp/rib.ts';
import type { PeerView } from '../../src/bgp/rib-view.ts';
import { announce, contextOf, drain, peerView, pfx, Receiver, withdraw } from './rib-wire.ts';

const ROUNDS = 30_000;

function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return below => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return Math.floor((((state ^ (state >>> 13)) >>> 0) / 2 ** 32) * below);
  };
}

const mark: Policy = {
  statements: [
    { match: { prefixes: [{ prefix: pfx('10.0.0.0/8'), ge: 9 }] }, set: { communities: { add: [1] } }, action: 'next' },
    { match: { asPath: { contains: [65066] } }, action: 'reject' },
  ],
  otherwise: 'accept',
};

const views: readonly PeerView[] = [
  peerView(0),
  peerView(1, { import: mark, enforceFirstAs: true }),
  peerView(2, { kind: 'internal', asn: 65000 }),
  peerView(3, { kind: 'reflector-client', asn: 65000, fourOctetAs: false }),
  peerView(4, { extendedNextHop: ['ipv4-unicast'], extendedMessages: true, role: 'peer' }),
  peerView(5, { kind: 'server-client', export: mark }),
];

/** Messages that are right, to be made wrong. */
function seeds(view: PeerView): Uint8Array[] {
  const cx = contextOf(view);
  const more = {
    med: 5,
    localPref: 200,
    atomicAggregate: true,
    aggregator: { asn: 4200000000, address: 7 },
    communities: [65001 * 65536 + 1, wellKnownCommunities['graceful-shutdown']],
    originatorId: 9,
    clusterList: [5, 6],
    extendedCommunities: [0x0002fde800000001n, 0x4002fde800000001n],
    largeCommunities: [{ global: 1, local1: 2, local2: 3 }],
    otc: 65001,
  } as const;
  return [
    announce(
      { prefixes: ['10.1.0.0/16', '10.2.3.0/24', '192.0.2.1/32', '0.0.0.0/0'], path: [65001, 4200000001], more },
      cx,
    ),
    announce({ prefixes: ['10.2.3.0/24'], path: [65066] }, cx),
    announce({ prefixes: ['2001:db8::/32', '2001:db8:1::/48'], linkLocal: 'fe80::1', more }, cx),
    announce({ prefixes: ['10.1.0.0/16'], multiprotocol: true, more: { med: 1 } }, cx),
    withdraw(['10.1.0.0/16', '10.2.3.0/24']),
    withdraw(['2001:db8::/32']),
    new Uint8Array(4),
  ];
}

function mutated(message: Uint8Array, pick: (below: number) => number): Uint8Array {
  const bytes = pick(10) === 0 ? message.slice(0, pick(message.length + 1)) : message.slice();
  for (let i = pick(4); i > 0 && bytes.length > 0; i--) bytes[pick(bytes.length)] = pick(256);
  return bytes;
}

describe('W4 mutated UPDATE messages', () => {
  const seed = Number(process.env.FUZZ_SEED ?? Date.now() & 0xffffff);
  it(`seed ${seed}: throw nothing but BgpError, disturb nobody, and leave nothing behind`, () => {
    const pick = generator(seed);
    const rib = new Rib({ asn: 65000, routerId: 0x0a0000fe });
    const receivers = views.map(view => new Receiver(view));
    for (const [slot, view] of views.entries()) rib.peerUp(slot, view);
    const messages = views.map(seeds);
    let resets = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const slot = pick(views.length);
      const choice = messages[slot] ?? [];
      const bytes = mutated(choice[pick(choice.length)] as Uint8Array, pick);
      try {
        rib.receiveUpdate(slot, bytes, 0, bytes.length);
      } catch (error) {
        if (!(error instanceof BgpError)) throw error;
        resets++;
      }
      if (pick(20) !== 0) continue;
      const to = pick(views.length);
      drain(rib, to, receivers[to] as Receiver);
    }
    expect(resets).toBeGreaterThan(ROUNDS / 100);
    for (const [slot, receiver] of receivers.entries()) {
      drain(rib, slot, receiver);
      expect(receiver.superfluous).toBe(0);
      const advertised = Family.all.reduce((sum, family) => sum + rib.peerCounts(slot, family).advertised, 0);
      expect(receiver.routes.size).toBe(advertised);
    }
    for (const family of Family.all)
      expect([...rib.loc(family)].filter(route => route.best).length).toBe(rib.counts(family).locRib);
    for (const slot of views.keys()) rib.peerDown(slot, []);
    expect(rib.held).toBe(0);
  });

  it('a message that ends the session has changed nothing', () => {
    const pick = generator(7);
    const rib = new Rib({ asn: 65000, routerId: 0x0a0000fe });
    const view = peerView(0);
    rib.peerUp(0, view);
    const shown = () => JSON.stringify(Family.all.map(family => [rib.counts(family), rib.peerCounts(0, family)]));
    let resets = 0;
    for (let round = 0; round < 5000; round++) {
      const choice = seeds(view);
      const bytes = mutated(choice[pick(choice.length)] as Uint8Array, pick);
      const before = shown();
      try {
        rib.receiveUpdate(0, bytes, 0, bytes.length);
      } catch {
        expect(shown()).toBe(before);
        resets++;
      }
    }
    expect(resets).toBeGreaterThan(100);
  });
});
