/** Routes from one peer to another: who is told, in what words, packed how (RFC 4271 §5, §9, RFC 1997, RFC 4456 §6). */
import { describe, expect, it } from 'vitest';
import type { Announcement } from '../../src/bgp/announcement.ts';
import { wellKnownCommunities } from '../../src/bgp/community.ts';
import { Policy } from '../../src/bgp/policy.ts';
import { Net } from './rib-net.ts';
import { ip, pfx } from './rib-wire.ts';

const own = (prefix: string, more: Partial<Announcement> = {}): Announcement => ({ prefix: pfx(prefix), ...more });

describe('from one peer to another', () => {
  it('W10 prepends our AS and says our address to an external peer', () => {
    const net = new Net();
    net.up(1);
    net.up(2);
    net.say(1, { prefixes: ['192.0.2.0/24', '198.51.100.0/25'], path: [65001, 4200000000] });
    expect(net.heard(2)).toEqual([
      '192.0.2.0/24 [65000 65001 4200000000] 10.0.0.254',
      '198.51.100.0/25 [65000 65001 4200000000] 10.0.0.254',
    ]);
    expect(net.heard(1)).toEqual([]);
    net.lose(1, ['192.0.2.0/24']);
    expect(net.heard(2)).toEqual(['198.51.100.0/25 [65000 65001 4200000000] 10.0.0.254']);
  });

  it('W10 tells an internal peer local preference, the path and the next hop as they are', () => {
    const net = new Net();
    net.up(1);
    net.up(2, { kind: 'internal', asn: 65000 });
    net.say(1, { prefixes: ['192.0.2.0/24'], path: [65001, 65009], more: { med: 7 } });
    expect(net.heard(2)).toEqual(['192.0.2.0/24 [65001 65009] 10.0.0.1']);
    expect(net.receivers.get(2)?.routes.get('192.0.2.0/24')?.attributes).toMatchObject({ localPref: 100, med: 7 });
  });

  it('W10 keeps local preference and MED of others from external peers (RFC 4271 §5.1.4, §5.1.5)', () => {
    const net = new Net();
    net.up(1, { kind: 'internal', asn: 65000 });
    net.up(2);
    net.say(1, { prefixes: ['192.0.2.0/24'], path: [65009], more: { med: 7, localPref: 200 } });
    expect(net.heard(2)).toEqual(['192.0.2.0/24 [65000 65009] 10.0.0.254']);
    const attributes = net.receivers.get(2)?.routes.get('192.0.2.0/24')?.attributes;
    expect(attributes?.med).toBeUndefined();
    expect(attributes?.localPref).toBeUndefined();
  });

  it('does not tell an internal peer what another internal peer said (RFC 4271 §9.2)', () => {
    const net = new Net();
    net.up(1, { kind: 'internal', asn: 65000 });
    net.up(2, { kind: 'internal', asn: 65000 });
    net.say(1, { prefixes: ['192.0.2.0/24'], path: [65009] });
    expect(net.heard(2)).toEqual([]);
  });

  it('a session that comes up later hears the same table, then End-of-RIB (W13)', () => {
    const net = new Net();
    net.up(1);
    net.say(1, { prefixes: ['192.0.2.0/24'] });
    net.say(1, { prefixes: ['2001:db8:1::/48'], nextHop: '2001:db8::1' });
    const late = net.up(2, { endOfRib: ['ipv4-unicast', 'ipv6-unicast'] });
    expect(net.heard(2)).toEqual([
      '192.0.2.0/24 [65000 65001] 10.0.0.254',
      '2001:db8:1::/48 [65000 65001] 2001:db8:ffff::254',
    ]);
    expect(late.endOfRib).toEqual(['ipv4-unicast', 'ipv6-unicast']);
  });

  it('the newest state wins: what changed twice is told once, what came and went not at all', () => {
    const net = new Net();
    net.up(1);
    const sink = net.up(2);
    net.settle();
    net.say(1, { prefixes: ['192.0.2.0/24'], path: [65001, 1] });
    net.say(1, { prefixes: ['192.0.2.0/24'], path: [65001, 2] });
    net.say(1, { prefixes: ['198.51.100.0/24'] });
    net.lose(1, ['198.51.100.0/24']);
    expect(net.heard(2)).toEqual(['192.0.2.0/24 [65000 65001 2] 10.0.0.254']);
    expect(sink.messages.length).toBe(1);
  });

  it('the same again is told to nobody', () => {
    const net = new Net();
    net.up(1);
    net.up(2);
    net.say(1, { prefixes: ['192.0.2.0/24'] });
    net.settle();
    net.say(1, { prefixes: ['192.0.2.0/24'] });
    expect(net.rib.hasOutput(2)).toBe(false);
  });

  it('a session that ends takes its routes along', () => {
    const net = new Net();
    net.up(1);
    net.up(2);
    net.say(1, { prefixes: ['192.0.2.0/24'] });
    net.settle();
    net.rib.peerDown(1, []);
    expect(net.heard(2)).toEqual([]);
    expect(net.rib.counts('ipv4-unicast')).toMatchObject({ locRib: 0, paths: 0 });
    net.rib.peerDown(2, []);
    expect(net.rib.held).toBe(0);
  });

  it('B13 a community that changes is one UPDATE without withdrawal', () => {
    const net = new Net();
    net.up(1);
    const sink = net.up(2);
    net.say(1, { prefixes: ['192.0.2.0/24'], more: { communities: [65001 * 65536 + 1] } });
    net.settle();
    const before = sink.messages.length;
    net.say(1, { prefixes: ['192.0.2.0/24'], more: { communities: [65001 * 65536 + 2] } });
    net.settle();
    expect(sink.messages.length).toBe(before + 1);
    expect(sink.messages.at(-1)?.body.subarray(0, 2)).toEqual(new Uint8Array([0, 0]));
  });
});

describe('packing', () => {
  it('W8 a thousand routes with equal attributes share messages of at most 4096 octets', () => {
    const net = new Net();
    const sink = net.up(1);
    net.rib.originate(Array.from({ length: 1000 }, (_, i) => own(`20.0.${i >> 8}.${i & 255}/32`)));
    net.settle();
    expect(sink.routes.size).toBe(1000);
    expect(sink.messages.length).toBe(2);
    expect(Math.max(...sink.messages.map(message => message.length))).toBeLessThanOrEqual(4096);
  });

  it('W8 prefixes of two sets that came in turn share messages by set', () => {
    const net = new Net();
    net.up(1);
    const sink = net.up(2);
    for (let i = 0; i < 200; i++) net.say(1, { prefixes: [`20.0.0.${i}/32`], path: [65001, 1 + (i & 1)] });
    net.settle();
    expect(sink.messages.length).toBe(2);
    expect(sink.routes.size).toBe(200);
  });

  it('W7 five thousand withdrawals are several messages of at most 4096 octets', () => {
    const net = new Net();
    const sink = net.up(1);
    net.rib.originate(Array.from({ length: 5000 }, (_, i) => own(`20.1.${i >> 8}.${i & 255}/32`)));
    net.settle();
    const before = sink.messages.length;
    net.rib.originate([]);
    net.settle();
    expect(sink.routes.size).toBe(0);
    expect(sink.messages.length - before).toBe(7);
    expect(sink.superfluous).toBe(0);
  });

  it('extended messages are as long as they may be (RFC 8654)', () => {
    const net = new Net();
    const sink = net.up(1, { extendedMessages: true });
    net.rib.originate(Array.from({ length: 12_000 }, (_, i) => own(`20.1.${i >> 8}.${i & 255}/32`)));
    net.settle();
    expect(sink.messages.length).toBeLessThanOrEqual(4);
    expect(sink.routes.size).toBe(12_000);
  });

  it('B14 withdraws before it announces', () => {
    const net = new Net();
    const sink = net.up(1);
    net.rib.originate([own('192.0.2.1/32')]);
    net.settle();
    net.rib.originate([own('198.51.100.1/32')]);
    net.settle();
    const [first, second] = sink.messages.slice(-2);
    expect(first?.body[1]).toBe(5);
    expect(second?.body[1]).toBe(0);
  });
});

describe('own routes', () => {
  it('B7 an announcement for one peer is not told to another', () => {
    const net = new Net();
    net.up(1);
    net.up(2);
    net.rib.originate([own('192.0.2.1/32', { peers: ['peer1'] })]);
    expect(net.heard(1)).toEqual(['192.0.2.1/32 [65000] 10.0.0.254']);
    expect(net.heard(2)).toEqual([]);
    net.rib.originate([own('192.0.2.1/32', { peers: ['peer2'] })]);
    expect(net.heard(1)).toEqual([]);
    expect(net.heard(2)).toEqual(['192.0.2.1/32 [65000] 10.0.0.254']);
  });

  it('one prefix says different things to different peers', () => {
    const net = new Net();
    net.up(1);
    net.up(2);
    net.up(3);
    net.rib.originate([
      own('192.0.2.1/32', { med: 1, peers: ['peer1'] }),
      own('192.0.2.1/32', { med: 2, peers: ['peer2'] }),
      own('192.0.2.1/32', { med: 3 }),
    ]);
    net.settle();
    const med = (slot: number) => net.receivers.get(slot)?.routes.get('192.0.2.1/32')?.attributes.med;
    expect([med(1), med(2), med(3)]).toEqual([1, 2, 3]);
    net.rib.originate([own('192.0.2.1/32', { med: 3 }), own('192.0.2.1/32', { med: 4, peers: ['peer2'] })]);
    net.settle();
    expect([med(1), med(2), med(3)]).toEqual([3, 4, 3]);
  });

  it('only own routes are told by default, and nothing is let in', () => {
    const net = new Net();
    net.up(1, { import: Policy.none, export: Policy.originated });
    net.up(2, { import: Policy.none, export: Policy.originated });
    net.say(1, { prefixes: ['192.0.2.0/24'] });
    net.rib.originate([own('198.51.100.1/32')]);
    expect(net.heard(2)).toEqual(['198.51.100.1/32 [65000] 10.0.0.254']);
    expect(net.loc()).toEqual(['198.51.100.1/32 own']);
  });

  it('B16 what import denies is counted and is no route', () => {
    const net = new Net();
    net.up(1, { import: Policy.none });
    net.say(1, { prefixes: ['192.0.2.0/24', '192.0.3.0/24'] });
    expect(net.rib.peerCounts(1, 'ipv4-unicast')).toEqual({ received: 2, accepted: 0, stale: 0, advertised: 0 });
    expect([...net.rib.adjIn(1, 'ipv4-unicast')].map(route => route.ineligible)).toEqual([
      'import policy',
      'import policy',
    ]);
    expect(net.loc()).toEqual([]);
  });

  it('prepends go behind our own number, and not to internal peers as a loop of ours', () => {
    const net = new Net();
    net.up(1);
    net.up(2, { kind: 'internal', asn: 65000 });
    net.rib.originate([own('192.0.2.1/32', { prepend: [65000, 65000], localPref: 50, med: 9 })]);
    expect(net.heard(1)).toEqual(['192.0.2.1/32 [65000 65000 65000] 10.0.0.254']);
    expect(net.heard(2)).toEqual(['192.0.2.1/32 [] 10.0.0.254']);
    expect(net.receivers.get(1)?.routes.get('192.0.2.1/32')?.attributes).toMatchObject({ med: 9 });
    expect(net.receivers.get(2)?.routes.get('192.0.2.1/32')?.attributes).toMatchObject({ med: 9, localPref: 50 });
  });

  it('our own communities are for the peer to act on', () => {
    const net = new Net();
    net.up(1);
    net.rib.originate([own('192.0.2.1/32', { communities: [wellKnownCommunities['no-export']] })]);
    expect(net.heard(1)).toEqual(['192.0.2.1/32 [65000] 10.0.0.254']);
  });

  it('an own route goes before the same prefix learned', () => {
    const net = new Net();
    net.up(1);
    net.say(1, { prefixes: ['192.0.2.0/24'] });
    net.rib.originate([own('192.0.2.0/24')]);
    expect(net.loc()).toEqual(['192.0.2.0/24 own']);
    expect([...net.rib.loc('ipv4-unicast')].map(route => route.step)).toEqual(['originated here', 'originated here']);
  });

  it('a next hop of the user’s choice is told, unless it is the peer’s own address', () => {
    const net = new Net();
    net.up(1);
    net.up(2);
    net.rib.originate([own('192.0.2.1/32', { nextHop: ip('10.0.0.1') })]);
    expect(net.heard(1)).toEqual(['192.0.2.1/32 [65000] 10.0.0.254']);
    expect(net.heard(2)).toEqual(['192.0.2.1/32 [65000] 10.0.0.1']);
  });
});

describe('communities that restrict (RFC 1997)', () => {
  const cases = [
    { community: 'no-export', external: 0, internal: 1 },
    { community: 'no-export-subconfed', external: 0, internal: 1 },
    { community: 'no-advertise', external: 0, internal: 0 },
    { community: 'no-peer', external: 1, internal: 1 },
  ] as const;
  for (const { community, external, internal } of cases)
    it(`${community}: ${external} external, ${internal} internal`, () => {
      const net = new Net();
      net.up(1);
      net.up(2);
      net.up(3, { kind: 'internal', asn: 65000 });
      net.say(1, { prefixes: ['192.0.2.0/24'], more: { communities: [wellKnownCommunities[community]] } });
      expect([net.heard(2).length, net.heard(3).length]).toEqual([external, internal]);
    });

  it('RFC 8326: graceful shutdown is the last resort', () => {
    const net = new Net();
    net.up(1);
    net.up(2);
    net.say(1, { prefixes: ['192.0.2.0/24'], more: { communities: [wellKnownCommunities['graceful-shutdown']] } });
    net.say(2, { prefixes: ['192.0.2.0/24'], path: [65002, 1, 2, 3] });
    expect(net.loc()).toEqual(['192.0.2.0/24 2']);
    const [best, other] = net.rib.loc('ipv4-unicast');
    expect([best?.step, other?.attributes.localPref]).toEqual(['local preference', 0]);
  });

  it('RFC 8326: a session being shut down says so', () => {
    const net = new Net();
    net.up(1);
    net.up(2, { gracefulShutdown: true });
    net.up(3, { gracefulShutdown: true, kind: 'internal', asn: 65000 });
    net.say(1, { prefixes: ['192.0.2.0/24'], more: { communities: [65001 * 65536 + 1] } });
    net.settle();
    const of = (slot: number) => net.receivers.get(slot)?.routes.get('192.0.2.0/24')?.attributes;
    expect(of(2)?.communities).toEqual([wellKnownCommunities['graceful-shutdown'], 65001 * 65536 + 1]);
    expect(of(3)).toMatchObject({ localPref: 0 });
  });
});

describe('loops', () => {
  it('our AS in the path makes a route ineligible, as often as it is not allowed (RFC 4271 §9.1.2)', () => {
    const net = new Net();
    net.up(1);
    net.up(2, { allowOwnAs: 1 });
    for (const slot of [1, 2]) net.say(slot, { prefixes: [`192.0.${slot}.0/24`], path: [65000 + slot, 65000] });
    expect(net.loc()).toEqual(['192.0.2.0/24 2']);
    expect([...net.rib.adjIn(1, 'ipv4-unicast')][0]?.ineligible).toBe('own AS in path');
  });

  it('RFC 4456 §8: own originator ID and own cluster ID', () => {
    const net = new Net();
    net.up(1, { kind: 'internal', asn: 65000 });
    net.say(1, { prefixes: ['192.0.1.0/24'], path: [9], more: { localPref: 100, originatorId: 0x0a0000fe } });
    net.say(1, {
      prefixes: ['192.0.2.0/24'],
      path: [9],
      more: { localPref: 100, originatorId: 1, clusterList: [5, 0x0a0000fe] },
    });
    net.say(1, { prefixes: ['192.0.3.0/24'], path: [9], more: { localPref: 100, originatorId: 1, clusterList: [5] } });
    expect([...net.rib.adjIn(1, 'ipv4-unicast')].map(route => route.ineligible)).toEqual([
      'own originator ID',
      'own cluster ID in list',
      undefined,
    ]);
  });

  it('our own address as next hop', () => {
    const net = new Net();
    net.up(1);
    net.say(1, { prefixes: ['192.0.1.0/24'], nextHop: '10.0.0.254' });
    net.say(1, { prefixes: ['2001:db8:1::/48'], nextHop: '2001:db8:ffff::254' });
    expect(net.loc()).toEqual([]);
    expect([...net.rib.adjIn(1, 'ipv6-unicast')][0]?.ineligible).toBe('next hop is this speaker');
  });
});

describe('route reflection (RFC 4456)', () => {
  it('§6: from clients to everybody, from others to clients', () => {
    const net = new Net();
    net.up(1, { kind: 'reflector-client', asn: 65000 });
    net.up(2, { kind: 'reflector-client', asn: 65000 });
    net.up(3, { kind: 'internal', asn: 65000 });
    net.up(4, { kind: 'internal', asn: 65000 });
    net.say(1, { prefixes: ['192.0.1.0/24'], path: [9], nextHop: '10.0.0.1', more: { localPref: 70 } });
    net.say(3, { prefixes: ['192.0.3.0/24'], path: [9], nextHop: '10.0.0.3' });
    expect([1, 2, 3, 4].map(slot => net.heard(slot).map(each => each.split(' ')[0]))).toEqual([
      ['192.0.3.0/24'],
      ['192.0.1.0/24', '192.0.3.0/24'],
      ['192.0.1.0/24'],
      ['192.0.1.0/24'],
    ]);
    expect(net.heard(2)[0]).toBe('192.0.1.0/24 [9] 10.0.0.1');
    expect(net.receivers.get(2)?.routes.get('192.0.1.0/24')?.attributes).toMatchObject({
      localPref: 70,
      originatorId: 0x0a000001,
      clusterList: [0x0a0000fe],
    });
  });

  it('§8: an originator stays, the cluster list grows in front; external peers hear of neither', () => {
    const net = new Net();
    net.up(1, { kind: 'internal', asn: 65000 });
    net.up(2, { kind: 'reflector-client', asn: 65000 });
    net.up(3);
    net.say(1, { prefixes: ['192.0.1.0/24'], path: [9], more: { localPref: 100, originatorId: 77, clusterList: [5] } });
    net.settle();
    const of = (slot: number) => net.receivers.get(slot)?.routes.get('192.0.1.0/24')?.attributes;
    expect(of(2)).toMatchObject({ originatorId: 77, clusterList: [0x0a0000fe, 5] });
    expect(of(3)?.originatorId).toBeUndefined();
    expect(of(3)?.clusterList).toBeUndefined();
  });
});
