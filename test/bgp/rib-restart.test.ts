/**
 * Graceful restart (RFC 4724), route refresh (RFC 2918, RFC 7313), and errors in UPDATE (RFC 7606), as the RIB sees
 * them.
 */
import { describe, expect, it } from 'vitest';
import { Family } from '../../src/bgp/family.ts';
import { Net } from './rib-net.ts';
import { drain } from './rib-wire.ts';

/** Subtypes of the ROUTE-REFRESH messages and other types, in order. */
const kinds = (messages: readonly { type: number; body: Uint8Array }[]) =>
  messages.map(({ type, body }) => (type === 5 ? `refresh ${body[2]}` : body.length === 4 ? 'End-of-RIB' : 'update'));

describe('graceful restart of a peer (RFC 4724 §4.2)', () => {
  const restarted = () => {
    const net = new Net();
    net.up(1);
    net.up(2);
    net.say(1, { prefixes: ['192.0.2.0/24', '192.0.3.0/24'] });
    net.say(1, { prefixes: ['2001:db8:1::/48'] });
    net.settle();
    net.rib.peerDown(1, Family.all);
    return net;
  };

  it('keeps its routes, marked stale; nobody is told anything', () => {
    const net = restarted();
    expect(net.rib.hasOutput(2)).toBe(false);
    expect(net.rib.peerCounts(1, 'ipv4-unicast')).toMatchObject({ received: 2, stale: 2 });
    expect([...net.rib.loc('ipv4-unicast')].every(route => route.stale && route.best)).toBe(true);
  });

  it('what is said again is fresh, the rest goes with End-of-RIB', () => {
    const net = restarted();
    net.up(1);
    net.say(1, { prefixes: ['192.0.2.0/24'] });
    expect(net.rib.peerCounts(1, 'ipv4-unicast')).toMatchObject({ received: 2, stale: 1 });
    net.rib.flushStale(1, 'ipv4-unicast');
    expect(net.heard(2).map(each => each.split(' ')[0])).toEqual(['192.0.2.0/24', '2001:db8:1::/48']);
    expect(net.rib.peerCounts(1, 'ipv4-unicast')).toMatchObject({ received: 1, stale: 0 });
    expect(net.rib.peerCounts(1, 'ipv6-unicast')).toMatchObject({ received: 1, stale: 1 });
  });

  it('a second restart before that loses what was still stale', () => {
    const net = restarted();
    net.up(1);
    net.say(1, { prefixes: ['192.0.2.0/24'] });
    net.rib.peerDown(1, Family.all);
    expect(net.loc()).toEqual(['192.0.2.0/24 1']);
  });

  it('families that are not kept go at once, and a peer that never returns in time', () => {
    const net = new Net();
    net.up(1);
    net.say(1, { prefixes: ['192.0.2.0/24'] });
    net.say(1, { prefixes: ['2001:db8:1::/48'] });
    net.rib.peerDown(1, ['ipv6-unicast']);
    expect(net.loc()).toEqual(['2001:db8:1::/48 1']);
    net.rib.flushStale(1, 'ipv6-unicast');
    expect(net.loc()).toEqual([]);
    expect(net.rib.held).toBe(0);
  });

  it('W13 End-of-RIB is heard for both families', () => {
    const net = new Net();
    net.up(1);
    const body = Uint8Array.of(0, 0, 0, 6, 0x80, 15, 3, 0, 2, 1);
    expect(net.rib.receiveUpdate(1, body, 0, body.length).endOfRib).toBe('ipv6-unicast');
    expect(net.rib.receiveUpdate(1, new Uint8Array(4), 0, 4).endOfRib).toBe('ipv4-unicast');
    expect(net.lose(1, ['192.0.2.0/24']).endOfRib).toBeUndefined();
  });

  it('W13 our own restart: nothing is told until it is time, then all of it and End-of-RIB', () => {
    const net = new Net();
    for (const family of Family.all) net.rib.defer(family, true);
    net.up(1);
    const sink = net.up(2, { endOfRib: Family.all });
    net.say(1, { prefixes: ['192.0.2.0/24'] });
    net.settle();
    expect([net.rib.hasOutput(2), sink.messages.length]).toEqual([false, 0]);
    net.rib.defer('ipv4-unicast', false);
    expect(net.heard(2)).toEqual(['192.0.2.0/24 [65000 65001] 10.0.0.254']);
    expect(sink.endOfRib).toEqual(['ipv4-unicast']);
    net.rib.defer('ipv6-unicast', false);
    net.settle();
    expect(sink.endOfRib).toEqual(['ipv4-unicast', 'ipv6-unicast']);
  });
});

describe('route refresh', () => {
  it('W15 the whole family again (RFC 2918), and not the other one', () => {
    const net = new Net();
    net.up(1);
    const sink = net.up(2);
    net.say(1, { prefixes: ['192.0.2.0/24'] });
    net.say(1, { prefixes: ['2001:db8:1::/48'] });
    net.settle();
    const before = sink.messages.length;
    net.rib.refresh(2, 'ipv4-unicast');
    net.settle();
    expect(kinds(sink.messages.slice(before))).toEqual(['update']);
  });

  it('between BoRR and EoRR where negotiated (RFC 7313 §4)', () => {
    const net = new Net();
    net.up(1);
    const sink = net.up(2, { enhancedRefresh: true, endOfRib: ['ipv4-unicast'] });
    net.say(1, { prefixes: ['192.0.2.0/24'] });
    net.settle();
    net.rib.refresh(2, 'ipv4-unicast');
    net.settle();
    expect(kinds(sink.messages)).toEqual(['update', 'End-of-RIB', 'refresh 1', 'update', 'refresh 2']);
  });

  it('markers wait for room', () => {
    const net = new Net();
    const sink = net.up(2, { enhancedRefresh: true, endOfRib: ['ipv4-unicast'] });
    net.rib.refresh(2, 'ipv4-unicast');
    const out = new Uint8Array(4096);
    expect(net.rib.pull(2, out, 4096 - 30)).toBe(23);
    sink.take(out.subarray(4096 - 30, 4096 - 7));
    drain(net.rib, 2, sink);
    expect(kinds(sink.messages)).toEqual(['refresh 1', 'End-of-RIB', 'refresh 2']);
  });

  it('what a peer does not repeat between BoRR and EoRR is withdrawn (RFC 7313 §4)', () => {
    const net = new Net();
    net.up(1);
    net.say(1, { prefixes: ['192.0.2.0/24', '192.0.3.0/24'] });
    net.rib.refreshBegin(1, 'ipv4-unicast');
    net.say(1, { prefixes: ['192.0.3.0/24'] });
    expect([...net.rib.loc('ipv4-unicast')].map(route => route.stale)).toEqual([true, false]);
    net.rib.refreshEnd(1, 'ipv4-unicast');
    expect(net.loc()).toEqual(['192.0.3.0/24 1']);
  });
});

describe('errors in UPDATE (RFC 7606)', () => {
  it('W12 a malformed attribute withdraws the prefixes and keeps the session', () => {
    const net = new Net();
    net.up(1);
    net.say(1, { prefixes: ['192.0.2.0/24'] });
    const body = Uint8Array.of(
      0,
      0,
      0,
      18,
      0x40,
      1,
      1,
      9,
      0x40,
      2,
      4,
      2,
      1,
      0xfd,
      0xe9,
      0x40,
      3,
      4,
      10,
      0,
      0,
      1,
      24,
      192,
      0,
      2,
    );
    const outcome = net.rib.receiveUpdate(1, body, 0, body.length);
    expect(outcome).toMatchObject({ announced: 0, withdrawn: 1 });
    expect(outcome.faults.map(fault => fault.treatment)).toContain('treat-as-withdraw');
    expect(net.loc()).toEqual([]);
  });

  it('LOCAL_PREF from an external peer is dropped, the route stays (§7.5)', () => {
    const net = new Net();
    net.up(1, { kind: 'internal', asn: 65000 });
    net.up(2);
    const more = { localPref: 300 };
    net.say(1, { prefixes: ['192.0.1.0/24'], path: [9], more });
    const outcome = net.say(2, { prefixes: ['192.0.2.0/24'], path: [9], more });
    expect(outcome.faults.map(fault => [fault.code, fault.treatment])).toEqual([[5, 'attribute-discard']]);
    expect([...net.rib.loc('ipv4-unicast')].map(route => route.attributes.localPref)).toEqual([300, undefined]);
  });

  it('a path that does not begin with the peer’s AS, where that is enforced (RFC 4271 §6.3)', () => {
    const net = new Net();
    net.up(1);
    net.up(2, { enforceFirstAs: true });
    for (const slot of [1, 2]) net.say(slot, { prefixes: [`192.0.${slot}.0/24`], path: [65077] });
    net.say(2, { prefixes: ['192.0.3.0/24'], path: [65002, 65077] });
    expect(net.loc()).toEqual(['192.0.1.0/24 1', '192.0.3.0/24 2']);
  });

  it('unknown transitive attributes pass through, now partial; others stay here (RFC 4271 §5)', () => {
    const net = new Net();
    net.up(1);
    const sink = net.up(2);
    const unknown = [
      { code: 99, flags: 0xc0, value: Uint8Array.of(1, 2, 3) },
      { code: 200, flags: 0xe0, value: Uint8Array.of(7) },
    ];
    for (const prefixes of [['192.0.2.0/24'], ['2001:db8:1::/48']]) net.say(1, { prefixes, more: { unknown } });
    net.settle();
    for (const prefix of ['192.0.2.0/24', '2001:db8:1::/48'])
      expect(sink.routes.get(prefix)?.attributes.unknown).toEqual([
        { code: 99, flags: 0xe0, value: Uint8Array.of(1, 2, 3) },
        { code: 200, flags: 0xe0, value: Uint8Array.of(7) },
      ]);
  });

  it('prefixes that are too long or run over end the session', () => {
    const net = new Net();
    net.up(1);
    for (const nlri of [
      [33, 1, 2, 3, 4, 5],
      [24, 192, 0],
    ]) {
      const body = Uint8Array.of(0, nlri.length, ...nlri, 0, 0);
      expect(() => net.rib.receiveUpdate(1, body, 0, body.length)).toThrow('invalid network field');
    }
  });

  it('a family that was not negotiated is passed over', () => {
    const net = new Net();
    net.up(1, { families: ['ipv4-unicast'] });
    net.say(1, { prefixes: ['2001:db8:1::/48'] });
    expect(net.loc()).toEqual([]);
    net.rib.peerDown(1, []);
    expect(net.rib.held).toBe(0);
  });
});
