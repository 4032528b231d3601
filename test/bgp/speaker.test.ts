/** The speaker with the test as its peers: sessions, bad input, ranges, links, sockets, stopping. */
import { describe, expect, it } from 'vitest';
import type { Capability } from '../../src/bgp/capability.ts';
import type { PeerConfig, SpeakerConfig } from '../../src/bgp/config.ts';
import { encodeOpen, type Open } from '../../src/bgp/open.ts';
import { encodeRouteRefresh } from '../../src/bgp/route-refresh.ts';
import { Bench, keepalive } from './bench.ts';
import { hex, message } from './hex.ts';
import { ip, peerConfig, prefix, speakerConfig } from './world.ts';

const capabilities: readonly Capability[] = [
  { kind: 'multiprotocol', afi: 1, safi: 1 },
  { kind: 'multiprotocol', afi: 2, safi: 1 },
  { kind: 'route refresh' },
  { kind: 'four-octet AS', asn: 65002 },
];
const open: Open = { asn16: 65002, holdSeconds: 90, routerId: 0x0a000002, capabilities };
const passive = { port: 179, passive: true };

/** 192.0.2.0/24 by way of AS 65002. */
const route = message(2, '0000 0014 40 01 01 00 40 02 06 02 01 0000fdea 40 03 04 0a000002 18 c00002');
const endOfRib = message(2, '0000 0000');

function bench(...peers: readonly PeerConfig[]): Bench {
  const it = new Bench();
  it.speaker.configure(speakerConfig(65001, '10.0.0.1', ...peers), it.nowMs);
  return it;
}

const waiting = (over: Partial<PeerConfig> = {}) => peerConfig('b', '10.0.0.2', { transport: passive, ...over });

/** A speaker with one peer, established, on connection 1. */
function established(over: Partial<PeerConfig> = {}, with_: Partial<Open> = {}): Bench {
  const it = bench(waiting(over), peerConfig('c', '10.0.0.3', { transport: passive }));
  it.establish(it.call('10.0.0.2'), { ...open, ...with_ });
  if (it.status('b').state !== 'established') throw new Error(it.status('b').lastError);
  return it;
}

function routes(it: Bench): number {
  return it.speaker.rib?.counts('ipv4-unicast').locRib ?? 0;
}

describe('a session', () => {
  it('B2: opens without anything to announce, with End-of-RIB for each family (W13)', () => {
    const it = bench(waiting());
    const connection = it.call('10.0.0.2');
    expect(it.hears(connection)).toEqual(['open']);
    it.send(connection, encodeOpen(open));
    expect(it.hears(connection)).toEqual(['keepalive']);
    it.send(connection, keepalive);
    expect(it.status('b')).toMatchObject({
      state: 'established',
      remoteAsn: 65002,
      remoteRouterId: 0x0a000002,
      upMs: 0,
    });
    expect(it.hears(connection)).toEqual(['update', 'update']);
    expect(it.events).toEqual([{ kind: 'up', peer: 'b', families: ['ipv4-unicast', 'ipv6-unicast'] }]);
  });

  it('octet by octet is a session too', () => {
    const it = bench(waiting());
    const connection = it.call('10.0.0.2');
    for (const octet of [...encodeOpen(open), ...keepalive, ...route]) it.send(connection, Uint8Array.of(octet));
    expect(it.status('b').state).toBe('established');
    expect(routes(it)).toBe(1);
  });

  it('is kept with keepalives, and ends in silence (W6)', () => {
    const it = established();
    it.wait(29_999);
    expect(it.hears(1)).toEqual([]);
    it.wait(1);
    expect(it.hears(1)).toEqual(['keepalive']);
    it.send(1, keepalive);
    it.wait(60_000);
    // Two more are due and one waits already: a reader that stalls is not owed them one by one.
    expect(it.hears(1)).toEqual(['keepalive']);
    it.wait(30_000);
    expect(it.goodbye(1)).toEqual(['keepalive', 'notification 0400']);
    expect(it.status('b')).toMatchObject({ state: 'idle', lastError: 'sent hold timer expired' });
  });

  it('W15: ROUTE-REFRESH brings the family again (RFC 2918 §4)', () => {
    const it = established();
    it.speaker.announce([{ prefix: prefix('198.51.100.0/24') }, { prefix: prefix('2001:db8::/32') }], it.nowMs);
    expect(it.hears(1)).toEqual(['update', 'update']);
    it.send(1, encodeRouteRefresh({ afi: 1, safi: 1, subtype: 0 }));
    expect(it.hears(1)).toContain('update');
    it.send(
      1,
      encodeRouteRefresh({ afi: 25, safi: 70, subtype: 0 }),
      encodeRouteRefresh({ afi: 1, safi: 1, subtype: 99 }),
    );
    expect(it.status('b').state).toBe('established');
  });

  it('enhanced refresh: what is not repeated between BoRR and EoRR is withdrawn (RFC 7313 §4)', () => {
    const enhanced = [...capabilities, { kind: 'enhanced refresh' } as const];
    const it = established({}, { capabilities: enhanced });
    const refresh = (subtype: number) => encodeRouteRefresh({ afi: 1, safi: 1, subtype });
    it.send(1, route, refresh(1), refresh(2));
    expect(routes(it)).toBe(0);
    it.send(1, route, refresh(1), route, refresh(2));
    expect(routes(it)).toBe(1);
    it.hears(1);
    it.send(1, refresh(0));
    expect(it.hears(1)).toEqual(['routeRefresh', 'routeRefresh']);
    // Without having agreed on it, the marks mean nothing.
    const plain = established();
    plain.send(1, route, refresh(1), refresh(2));
    expect(routes(plain)).toBe(1);
  });

  it('asks for routes again when a person wants it, and tells ours again', () => {
    const it = established();
    expect(it.speaker.reset('b', 'soft-in', it.nowMs)).toBe(true);
    expect(it.hears(1)).toEqual(['routeRefresh', 'routeRefresh']);
    expect(it.speaker.reset('c', 'soft-in', it.nowMs)).toBe(false);
    expect(it.speaker.reset('nobody', 'hard', it.nowMs)).toBe(false);
    expect(it.speaker.reset('b', 'hard', it.nowMs)).toBe(true);
    expect(it.goodbye(1)).toEqual(['notification 0604']);
  });

  it('a reader that stalls loses the session when the send hold time is over (RFC 9687)', () => {
    const it = established({ timers: { ...waiting().timers, sendHoldMs: 100_000 } });
    it.speaker.announce([{ prefix: prefix('198.51.100.0/24') }], it.nowMs);
    for (let i = 0; i < 4; i++) {
      it.wait(24_000);
      it.send(1, keepalive);
    }
    expect(it.goodbye(1)).toBeUndefined();
    it.wait(4_000);
    expect(it.goodbye(1)).toEqual(['keepalive', 'notification 0800']);
  });
});

describe('bad input (RFC 4271 §6, RFC 7606)', () => {
  const opening: readonly (readonly [string, Uint8Array, string])[] = [
    ['a marker that is wrong', hex('00'.repeat(19)), 'notification 0101'],
    ['a length that is absurd', hex(`${'ff'.repeat(16)} ffff 02`), 'notification 0102ffff'],
    ['a type that does not exist', hex(`${'ff'.repeat(16)} 0013 2a`), 'notification 01032a'],
    ['version 3', message(1, '03 fdea 005a 0a000002 00'), 'notification 02010004'],
    ['W5: hold time 2', encodeOpen({ ...open, holdSeconds: 2 }), 'notification 0206'],
    ['another AS', encodeOpen({ ...open, capabilities: [], asn16: 65009 }), 'notification 0202'],
    ['identifier 0', encodeOpen({ ...open, routerId: 0 }), 'notification 0203'],
    ['an optional parameter nobody knows', message(1, '04 fdea 005a 0a000002 03 01 01 00'), 'notification 0204'],
    ['an UPDATE before OPEN', route, 'notification 050102'],
    ['a KEEPALIVE before OPEN', keepalive, 'notification 050104'],
  ];
  it.each(opening)('before OPEN: %s', (_title, octets, expected) => {
    const it = bench(waiting({ asn: 65002 }));
    const connection = it.call('10.0.0.2');
    it.hears(connection);
    it.send(connection, octets);
    expect(it.goodbye(connection)).toEqual([expected]);
  });

  const later: readonly (readonly [string, Uint8Array, string])[] = [
    ['a second OPEN', encodeOpen(open), 'notification 050301'],
    ['withdrawn routes longer than the message', message(2, 'ffff 0000'), 'notification 0301'],
    ['an unknown well-known attribute', message(2, '0000 0004 40 63 01 00'), 'notification 030240630100'],
    ['BoRR of a wrong length', message(5, '0001 01 01 ff'), `notification 0701${'ff'.repeat(16)}00180500010101ff`],
  ];
  it.each(later)('in Established: %s', (_title, octets, expected) => {
    const it = established();
    const other = it.establish(it.call('10.0.0.3'), { ...open, routerId: 3 });
    it.send(1, octets);
    expect(it.goodbye(1)).toEqual([expected]);
    expect(it.status('b').state).toBe('idle');
    // The others are not disturbed.
    expect(it.status('c').state).toBe('established');
    expect(it.goodbye(other)).toBeUndefined();
  });

  it('nothing is read behind what ended the session', () => {
    const it = established();
    it.send(1, Uint8Array.from([...message(3, '0602'), ...route]));
    expect(it.goodbye(1)).toEqual([]);
    expect(it.status('b')).toMatchObject({ state: 'idle', lastError: 'received cease: administrative shutdown' });
    expect(routes(it)).toBe(0);
    it.send(1, route);
    expect(routes(it)).toBe(0);
  });

  it('W12: a malformed attribute takes the route, not the session; it is told of once', () => {
    const it = established();
    it.send(1, route);
    expect(routes(it)).toBe(1);
    const bad = message(2, '0000 0014 40 01 01 09 40 02 06 02 01 0000fdea 40 03 04 0a000002 18 c00002');
    it.send(1, Uint8Array.from([...bad, ...bad]));
    expect(it.status('b').state).toBe('established');
    expect(routes(it)).toBe(0);
    expect(it.events.at(-1)).toMatchObject({ kind: 'malformed', peer: 'b', messages: 2, faults: [{ code: 1 }] });
  });

  it('a connection that says nothing is closed after its time', () => {
    const it = bench(waiting());
    const connection = it.call('10.0.0.2');
    it.wait(239_999);
    expect(it.goodbye(connection)).toBeUndefined();
    it.wait(1);
    expect(it.goodbye(connection)).toEqual(['open', 'notification 0400']);
  });

  it('1,000 connections a second from anywhere leave nothing behind', () => {
    const it = bench(waiting());
    for (let i = 0; i < 1000; i++) it.call(i % 2 === 0 ? '203.0.113.9' : '10.0.0.2');
    const closed = new Set(it.all('close').map(each => each.connection));
    expect(1000 - closed.size).toBeLessThanOrEqual(2);
    expect(it.speaker.peers(0)).toHaveLength(1);
    expect(it.events.filter(each => each.kind === 'failed' && each.reason.kind === 'refused')).toHaveLength(500);
  });

  it('routes past the limit: Cease with family and limit, down until somebody says otherwise (RFC 4486 §4)', () => {
    const families = [{ family: 'ipv4-unicast' as const, maxPrefixes: { limit: 2, restartMs: undefined } }];
    const it = established({ families }, { capabilities: capabilities.filter((_, i) => i !== 1) });
    const three = message(
      2,
      '0000 0014 40 01 01 00 40 02 06 02 01 0000fdea 40 03 04 0a000002 18 c00002 18 c00003 18 c00004',
    );
    it.send(1, three);
    expect(it.goodbye(1)).toEqual(['notification 060100010100000002']);
    expect(routes(it)).toBe(0);
    it.wait(3_600_000);
    expect(it.status('b').state).toBe('idle');
    expect(it.goodbye(it.call('10.0.0.2'))).toEqual([]);
    expect(it.events.at(-1)).toMatchObject({ reason: { kind: 'refused', refusal: 'idle hold' } });
    it.speaker.reset('b', 'hard', it.nowMs);
    it.establish(it.call('10.0.0.2'), open);
    expect(it.status('b').state).toBe('established');
  });

  it('… or for the time configured', () => {
    const families = [{ family: 'ipv4-unicast' as const, maxPrefixes: { limit: 0, restartMs: 60_000 } }];
    const it = established({ families });
    it.send(1, route);
    expect(it.status('b').state).toBe('idle');
    it.wait(60_000);
    expect(it.status('b').state).toBe('active');
  });
});

describe('peers by range', () => {
  const range = peerConfig('leafs', { kind: 'range', prefix: prefix('10.1.0.0/16'), limit: 2 });

  it('each gets a session of its own, up to the limit', () => {
    const it = bench(range);
    it.establish(it.call('10.1.0.1'), open);
    it.establish(it.call('10.1.0.2'), { ...open, routerId: 9 });
    expect(it.speaker.peers(0).map(each => [each.key, each.state])).toEqual([
      ['leafs/10.1.0.1', 'established'],
      ['leafs/10.1.0.2', 'established'],
    ]);
    expect(it.goodbye(it.call('10.1.0.3'))).toEqual([]);
    expect(it.events.at(-1)).toMatchObject({ reason: { refusal: 'range is full' } });
  });

  it('one that leaves makes room', () => {
    const it = bench({ ...range, remote: { kind: 'range', prefix: prefix('10.1.0.0/16'), limit: 1 } });
    const first = it.establish(it.call('10.1.0.1'), open);
    it.speaker.closed(first, 'ECONNRESET', it.nowMs);
    expect(it.speaker.peers(0)).toEqual([]);
    it.establish(it.call('10.1.0.2'), open);
    expect(it.speaker.peers(0)).toHaveLength(1);
    expect(it.all('connect')).toEqual([]);
  });

  it('the narrowest range has it, and a configured peer before any range', () => {
    const narrow = peerConfig('rack', { kind: 'range', prefix: prefix('10.1.2.0/24'), limit: 9 });
    const it = bench(range, narrow, peerConfig('one', '10.1.2.3', { transport: passive }));
    for (const address of ['10.1.0.1', '10.1.2.1', '10.1.2.3']) it.call(address);
    expect(it.all('adopt').map(each => each.peer)).toEqual(['leafs/10.1.0.1', 'rack/10.1.2.1', 'one']);
  });

  it('a peer configured at the address of one that is connected stays known when that one goes', () => {
    const it = bench(range);
    const connection = it.establish(it.call('10.1.0.1'), open);
    const one = peerConfig('one', '10.1.0.1', { transport: passive });
    it.speaker.configure(speakerConfig(65001, '10.0.0.1', range, one), it.nowMs);
    it.speaker.closed(connection, 'ECONNRESET', it.nowMs);
    it.establish(it.call('10.1.0.1'), open);
    expect(it.speaker.peers(0).map(each => [each.key, each.state])).toEqual([['one', 'established']]);
  });

  it('goes with its configuration (B9)', () => {
    const it = bench(range);
    const connection = it.establish(it.call('10.1.0.1'), open);
    it.speaker.configure(speakerConfig(65001, '10.0.0.1'), it.nowMs);
    expect(it.goodbye(connection)).toEqual(['notification 0603']);
    expect(it.speaker.peers(0)).toEqual([]);
  });
});

describe('peers by interface (unnumbered)', () => {
  const unnumbered = peerConfig('eth1', { kind: 'interface', interface: 'eth1' });

  it('are looked for on the link, and called at the address that is heard there', () => {
    const it = bench(unnumbered);
    expect(it.all('discover')).toEqual([{ kind: 'discover', interfaces: ['eth1'] }]);
    expect(it.all('connect')).toEqual([]);
    it.speaker.neighbor('eth1', ip('fe80::2'), it.nowMs);
    expect(it.all('connect')).toMatchObject([{ remote: { address: ip('fe80::2'), zone: 'eth1', port: 179 } }]);
    it.speaker.neighbor('eth1', ip('fe80::2'), it.nowMs);
    expect(it.all('connect')).toHaveLength(1);
  });

  it('may call before they are heard', () => {
    const it = bench(unnumbered);
    it.establish(it.call('fe80::2%eth1'), open);
    expect(it.status('eth1').state).toBe('established');
    expect(it.goodbye(it.call('fe80::2%eth2'))).toEqual([]);
  });
});

describe('sockets', () => {
  it('listeners and keys are told when they change (RFC 2385)', () => {
    const it = new Bench();
    const config: SpeakerConfig = {
      ...speakerConfig(65001, '10.0.0.1', waiting({ transport: { ...passive, password: 'secret' } })),
      listen: [{ port: 179 }],
    };
    it.speaker.configure(config, 0);
    it.speaker.configure({ ...config }, 0);
    expect(it.all('listen')).toEqual([
      {
        kind: 'listen',
        listeners: [{ port: 179 }],
        keys: [{ remote: prefix('10.0.0.2/32'), device: undefined, password: 'secret' }],
      },
    ]);
    it.speaker.configure({ ...config, peers: [] }, 0);
    expect(it.all('listen').at(-1)?.keys).toEqual([]);
  });

  it('B19: a password is in no status and no event', () => {
    const it = established({ transport: { ...passive, password: 'secret' } });
    it.speaker.reset('b', 'hard', 0);
    const seen = JSON.stringify([it.speaker.peers(0), it.events], (_key, value) =>
      typeof value === 'bigint' ? `${value}` : value,
    );
    expect(seen).not.toContain('secret');
  });

  it.each([
    ['an external peer is one hop away', {}, 1],
    ['unless it is said to be farther', { ttl: 4 }, 4],
    ['GTSM sends 255 (RFC 5082 §3)', { ttlSecurityHops: 2 }, 255],
  ])('TTL: %s', (_title, transport, ttl) => {
    const it = bench(
      peerConfig('b', '10.0.0.2', { asn: 65002, transport: { port: 1179, passive: false, ...transport } }),
    );
    expect(it.all('connect')).toMatchObject([{ ttl, remote: { port: 1179 } }]);
  });

  it('TTL: an internal peer may be anywhere', () => {
    const it = bench(peerConfig('b', '10.0.0.2', { asn: 'internal' }));
    expect(it.all('connect')).toMatchObject([{ ttl: 255 }]);
  });

  it('an attempt that was given up and gets through all the same is closed', () => {
    const it = bench(peerConfig('b', '10.0.0.2'));
    const attempt = it.all('connect')[0]?.attempt ?? 0;
    it.speaker.configure(speakerConfig(65001, '10.0.0.1'), 0);
    expect(it.all('abort')).toEqual([{ kind: 'abort', attempt }]);
    const end = { address: ip('10.0.0.2'), port: 179 };
    it.speaker.connected(99, { attempt, local: end, remote: end }, 0);
    expect(it.goodbye(99)).toEqual([]);
  });
});

describe('stopping', () => {
  it('B21: SIGTERM says so, with its text (RFC 9003)', () => {
    const it = established();
    it.speaker.stop({ kind: 'shutdown', reason: 'bye' }, it.nowMs);
    expect(it.goodbye(1)).toEqual(['notification 060203627965']);
    it.wait(3_600_000);
    expect(it.status('b').state).toBe('idle');
  });

  it('End-of-RIB is counted and told', () => {
    const it = established();
    it.send(1, endOfRib);
    expect(it.status('b').endOfRibReceived).toEqual(['ipv4-unicast']);
    expect(it.events.at(-1)).toEqual({ kind: 'end-of-rib', peer: 'b', family: 'ipv4-unicast' });
  });

  it('messages are counted both ways', () => {
    const it = established();
    it.send(1, route, keepalive);
    it.hears(1);
    expect(it.status('b')).toMatchObject({
      received: { open: 1, keepalive: 2, update: 1 },
      sent: { open: 1, keepalive: 1, update: 2 },
      established: 1,
      dropped: 0,
    });
  });
});
