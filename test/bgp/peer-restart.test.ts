/** Graceful restart from both sides: RFC 4724 §4, RFC 8538. */
import { describe, expect, it } from 'vitest';
import type { Capability } from '../../src/bgp/capability.ts';
import { gracefulRestartDefaults, type PeerConfig } from '../../src/bgp/config.ts';
import { encodeOpen, type Open } from '../../src/bgp/open.ts';
import { Bench, keepalive } from './bench.ts';
import { message } from './hex.ts';
import { peerConfig, prefix, speakerConfig } from './world.ts';

const passive = { transport: { port: 179, passive: true } };
const plain: readonly Capability[] = [
  { kind: 'multiprotocol', afi: 1, safi: 1 },
  { kind: 'four-octet AS', asn: 65002 },
];
const open: Open = { asn16: 65002, holdSeconds: 90, routerId: 0x0a000002, capabilities: plain };

function bench(over: Partial<PeerConfig> = {}): Bench {
  const it = new Bench();
  it.speaker.configure(speakerConfig(65001, '10.0.0.1', peerConfig('b', '10.0.0.2', over)), 0);
  return it;
}

/** 192.0.2.0/24 and 198.51.100.0/24 by way of AS 65002. */
const head = '40 01 01 00 40 02 06 02 01 0000fdea 40 03 04 0a000002';
const routes = [message(2, `0000 0014 ${head} 18 c00002`), message(2, `0000 0014 ${head} 18 c63364`)] as const;
const endOfRib = message(2, '0000 0000');

describe('graceful restart, helping (RFC 4724 §4.2, RFC 8538)', () => {
  const restart = (over: object = {}): Open => ({
    ...open,
    capabilities: [
      ...plain,
      {
        kind: 'graceful restart',
        restarting: false,
        notification: false,
        seconds: 60,
        families: [{ afi: 1, safi: 1, forwarding: true }],
        ...over,
      },
    ],
  });

  function helping(over: object = {}, config: Partial<PeerConfig> = {}) {
    const it = bench({ ...passive, gracefulRestart: gracefulRestartDefaults, ...config });
    const connection = it.establish(it.call('10.0.0.2'), restart(over));
    it.send(connection, ...routes, endOfRib);
    return { it, connection };
  }
  const locRib = (it: Bench) => it.speaker.rib?.counts('ipv4-unicast').locRib;

  it('W14: routes stay when the connection breaks, and go when the restart time is over', () => {
    const { it, connection } = helping();
    it.speaker.closed(connection, 'ECONNRESET', it.nowMs);
    expect(it.status('b')).toMatchObject({ state: 'idle', stale: ['ipv4-unicast'] });
    it.wait(59_999);
    expect(locRib(it)).toBe(2);
    it.wait(1);
    expect(locRib(it)).toBe(0);
    expect(it.status('b').stale).toEqual([]);
  });

  it('W14: the peer is back in time: what it repeats stays, the rest goes with its End-of-RIB', () => {
    const { it, connection } = helping();
    it.speaker.closed(connection, 'ECONNRESET', it.nowMs);
    it.wait(10_000);
    const again = it.establish(it.call('10.0.0.2'), restart({ restarting: true }));
    it.send(again, routes[0]);
    it.wait(60_000);
    expect(locRib(it)).toBe(2);
    it.send(again, keepalive, endOfRib);
    expect(locRib(it)).toBe(1);
    expect(it.status('b').stale).toEqual([]);
  });

  it('without End-of-RIB the stale time ends it', () => {
    const { it, connection } = helping({}, { gracefulRestart: { ...gracefulRestartDefaults, staleMs: 30_000 } });
    it.speaker.closed(connection, 'ECONNRESET', it.nowMs);
    it.wait(10_000);
    const again = it.establish(it.call('10.0.0.2'), restart());
    it.wait(29_999);
    expect(locRib(it)).toBe(2);
    it.wait(1);
    expect(locRib(it)).toBe(0);
    expect(it.goodbye(again)).toBeUndefined();
  });

  it.each([
    ['without having kept forwarding', restart({ families: [{ afi: 1, safi: 1, forwarding: false }] })],
    ['without the family', restart({ families: [] })],
    ['without graceful restart', open],
  ])('the peer is back %s: its routes go at once', (_title, back) => {
    const { it, connection } = helping();
    it.speaker.closed(connection, 'ECONNRESET', it.nowMs);
    it.wait(10_000);
    it.establish(it.call('10.0.0.2'), back);
    expect(locRib(it)).toBe(0);
  });

  it.each([
    ['a NOTIFICATION', {}, '0605', 0],
    ['a NOTIFICATION, where both keep routes over them (RFC 8538 §4)', { notification: true }, '0605', 2],
    ['a hard reset, which nothing survives (RFC 8538 §4)', { notification: true }, '06090602', 0],
  ])('after %s', (_title, over, body, left) => {
    const { it, connection } = helping(over);
    it.send(connection, message(3, body));
    expect(locRib(it)).toBe(left);
  });

  it('the hold timer keeps routes where notifications do (RFC 8538 §4)', () => {
    for (const [notification, left] of [
      [true, 2],
      [false, 0],
    ] as const) {
      const { it } = helping({ notification });
      it.wait(90_000);
      expect(it.status('b').state).not.toBe('established');
      expect(locRib(it)).toBe(left);
    }
  });

  it('our shutdown is a hard reset where notifications keep routes (RFC 8538 §5)', () => {
    const { it, connection } = helping({ notification: true });
    it.speaker.stop({ kind: 'shutdown', reason: '' }, it.nowMs);
    expect(it.goodbye(connection)).toEqual(['notification 06090602']);
    expect(locRib(it)).toBe(0);
  });

  it('a new connection takes the place of the one that stands: the peer has restarted (RFC 4724 §5)', () => {
    const { it, connection } = helping();
    const again = it.call('10.0.0.2');
    expect(it.goodbye(connection)).toBeUndefined();
    it.send(again, encodeOpen(restart({ restarting: true })));
    expect(it.goodbye(connection)).toEqual([]);
    expect(locRib(it)).toBe(2);
    it.send(again, keepalive);
    expect(it.status('b').state).toBe('established');
  });

  it('a second failure before End-of-RIB does not keep the same routes again', () => {
    const { it, connection } = helping();
    it.speaker.closed(connection, 'ECONNRESET', it.nowMs);
    it.wait(10_000);
    const again = it.establish(it.call('10.0.0.2'), restart());
    it.send(again, routes[0]);
    it.speaker.closed(again, 'ECONNRESET', it.nowMs);
    expect(locRib(it)).toBe(1);
  });
});

describe('graceful restart, restarting (RFC 4724 §4.1)', () => {
  function restarted(over: Partial<PeerConfig> = {}): Bench {
    const it = new Bench({ restarting: true });
    const config = peerConfig('b', '10.0.0.2', { ...passive, gracefulRestart: gracefulRestartDefaults, ...over });
    it.speaker.configure(speakerConfig(65001, '10.0.0.1', config), 0);
    it.speaker.announce([{ prefix: prefix('203.0.113.0/24') }], 0);
    return it;
  }
  const withRestart = (restarting: boolean): Open => ({
    ...open,
    capabilities: [
      ...plain,
      {
        kind: 'graceful restart',
        restarting,
        notification: false,
        seconds: 60,
        families: [{ afi: 1, safi: 1, forwarding: true }],
      },
    ],
  });
  const flags = (it: Bench) => {
    const capability = it.status('b').capabilitiesSent.find(each => each.kind === 'graceful restart');
    return capability?.kind === 'graceful restart' && capability.restarting;
  };

  it('the first OPEN says so, a later one does not, nor one after the restart time', () => {
    const it = restarted();
    const connection = it.establish(it.call('10.0.0.2'), open);
    expect(flags(it)).toBe(true);
    it.speaker.closed(connection, 'ECONNRESET', it.nowMs);
    it.wait(2_000);
    it.call('10.0.0.2');
    expect(flags(it)).toBe(false);
    const late = restarted();
    late.wait(120_000);
    late.call('10.0.0.2');
    expect(flags(late)).toBe(false);
  });

  it('W13: nothing is told before the peer has told its routes', () => {
    const it = restarted();
    const connection = it.establish(it.call('10.0.0.2'), withRestart(false));
    it.wait(10_000);
    expect(it.hears(connection).filter(each => each === 'update')).toEqual([]);
    it.send(connection, endOfRib);
    expect(it.hears(connection).filter(each => each === 'update')).toEqual(['update', 'update']);
  });

  it.each([
    ['has no graceful restart', open],
    ['restarts itself', withRestart(true)],
  ])('W13: a peer that %s is not waited for', (_title, theirs) => {
    const it = restarted();
    const connection = it.call('10.0.0.2');
    it.send(connection, encodeOpen(theirs), keepalive);
    expect(it.hears(connection)).toEqual(['open', 'keepalive', 'update', 'update']);
  });

  it('W13: nor one that never comes: the restart time is the limit', () => {
    const it = restarted({ gracefulRestart: { ...gracefulRestartDefaults, restartMs: 5_000 } });
    const connection = it.establish(it.call('10.0.0.2'), withRestart(false));
    it.wait(4_999);
    expect(it.hears(connection)).toEqual([]);
    it.wait(1);
    expect(it.hears(connection)).toEqual(['update', 'update']);
  });

  it('peers from which nothing is accepted are not waited for', () => {
    const it = restarted({ import: { statements: [], otherwise: 'reject' } });
    const connection = it.call('10.0.0.2');
    it.send(connection, encodeOpen(withRestart(false)), keepalive);
    expect(it.hears(connection)).toEqual(['open', 'keepalive', 'update', 'update']);
  });

  it('leaving for a restart says nothing to peers that keep our routes, and Cease to the others', () => {
    const it = restarted();
    const connection = it.establish(it.call('10.0.0.2'), withRestart(false));
    it.speaker.stop({ kind: 'restart' }, 0);
    expect(it.goodbye(connection)).toEqual([]);
    const other = restarted();
    const second = other.establish(other.call('10.0.0.2'), open);
    other.speaker.stop({ kind: 'restart' }, 0);
    expect(other.goodbye(second)).toEqual(['notification 0602']);
  });
});
