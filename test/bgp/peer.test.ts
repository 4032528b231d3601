import { describe, expect, it } from 'vitest';
import type { Capability } from '../../src/bgp/capability.ts';
import { gracefulRestartDefaults, type PeerConfig } from '../../src/bgp/config.ts';
import { encodeOpen, type Open } from '../../src/bgp/open.ts';
import { Network, type Node } from '../sim/bgp-network.ts';
import { Bench, keepalive } from './bench.ts';
import { message } from './hex.ts';
import { ip, peerConfig, prefix, speakerConfig } from './world.ts';

/** Two routers, 10.0.0.1 in AS 65001 and 10.0.0.2 in AS 65002, that know each other. */
function pairOf(
  seed: number,
  a: Partial<PeerConfig> = {},
  b: Partial<PeerConfig> = {},
): { net: Network; a: Node; b: Node } {
  const net = new Network({ seed, delayMs: [0, 20] });
  const left = net.add('a', ip('10.0.0.1'));
  const right = net.add('b', ip('10.0.0.2'));
  const start = [
    () => net.configure(left, speakerConfig(65001, '10.0.0.1', peerConfig('b', '10.0.0.2', a))),
    () => net.configure(right, speakerConfig(65002, '10.0.0.2', peerConfig('a', '10.0.0.1', b))),
  ];
  // Whoever is not there yet refuses the first call.
  net.at(0, () => start[seed % 2]?.());
  net.at(net.random.between(0, 30), () => start[1 - (seed % 2)]?.());
  return { net, a: left, b: right };
}

const passive = { transport: { port: 179, passive: true } };
const seeds = Array.from({ length: 60 }, (_, i) => i);

describe('two peers', () => {
  it.each([
    ['W9: both call', {}, {}],
    ['only a calls', { timers: fastRetry() }, passive],
    ['only b calls', passive, { timers: fastRetry() }],
  ])('%s: one session, whoever is first, and it stays', (_title, left, right) => {
    for (const seed of seeds) {
      const { net, a, b } = pairOf(seed, left, right);
      net.run(10_000);
      expect([seed, net.status(a, 'b').state, net.status(b, 'a').state]).toEqual([seed, 'established', 'established']);
      expect([seed, net.links.length]).toEqual([seed, 1]);
      const downs = [...a.events, ...b.events].filter(each => each.kind === 'down');
      expect([seed, downs]).toEqual([seed, []]);
    }
  });

  it('tell each other what they announce', () => {
    const { net, a, b } = pairOf(1);
    net.run(1_000);
    net.announce(a, [{ prefix: prefix('192.0.2.0/24') }, { prefix: prefix('2001:db8::/32') }]);
    net.run(1_000);
    const told = (family: 'ipv4-unicast' | 'ipv6-unicast') => [...(b.speaker.rib?.loc(family) ?? [])];
    expect(told('ipv4-unicast')).toMatchObject([{ prefix: prefix('192.0.2.0/24'), best: true }]);
    expect(told('ipv6-unicast')).toMatchObject([{ prefix: prefix('2001:db8::/32'), best: true }]);
  });

  it('half-open: the cable is cut, both notice when the hold time is over, and come back when it is mended', () => {
    const { net, a, b } = pairOf(2);
    net.run(1_000);
    net.cut(a, b);
    net.run(91_000);
    expect(net.status(a, 'b').lastError).toBe('sent hold timer expired');
    expect(net.status(b, 'a').lastError).toBe('sent hold timer expired');
    net.mend(a, b);
    expect(net.until(() => net.status(a, 'b').state === 'established', 200_000)).toBe(true);
  });
});

function fastRetry(): PeerConfig['timers'] {
  return { ...peerConfig('', '10.0.0.1').timers, connectRetryMs: 1_000 };
}

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

describe('collisions (RFC 4271 §6.8)', () => {
  /** Ours and theirs have both said OPEN; then OPEN is heard on one of them. */
  function both(routerId: number, first: 'ours' | 'theirs') {
    const it = bench();
    const ours = it.answer();
    const theirs = it.call('10.0.0.2');
    it.send(first === 'ours' ? ours : theirs, encodeOpen({ ...open, routerId }));
    return { it, ours, theirs };
  }

  it.each([
    ['ours is higher: our connection stays', 0x0a000000, 'ours'],
    ['theirs is higher: their connection stays', 0x0a000002, 'theirs'],
    ['equal, and theirs is the higher AS (RFC 6286 §2.3)', 0x0a000001, 'theirs'],
  ] as const)('the identifier decides: %s', (_title, routerId, survivor) => {
    for (const first of ['ours', 'theirs'] as const) {
      const { it, ours, theirs } = both(routerId, first);
      const [stays, goes] = survivor === 'ours' ? [ours, theirs] : [theirs, ours];
      expect(it.goodbye(goes)).toEqual(['open', 'notification 0607']);
      expect(it.goodbye(stays)).toBeUndefined();
      if (first !== survivor) it.send(stays, encodeOpen({ ...open, routerId }));
      it.send(stays, keepalive);
      expect(it.status('b').state).toBe('established');
    }
  });

  it('in OpenConfirm as in OpenSent', () => {
    const { it, ours, theirs } = both(0x0a000000, 'ours');
    expect(it.goodbye(ours)).toBeUndefined();
    expect(it.goodbye(theirs)).toEqual(['open', 'notification 0607']);
    const again = it.call('10.0.0.2');
    it.send(again, encodeOpen({ ...open, routerId: 0x0a000000 }));
    expect(it.goodbye(again)).toEqual(['open', 'notification 0607']);
  });

  it('what is Established survives a new connection', () => {
    const it = bench(passive);
    const first = it.establish(it.call('10.0.0.2'), open);
    const second = it.call('10.0.0.2');
    it.send(second, encodeOpen({ ...open, routerId: 0xffff_ffff }));
    expect(it.goodbye(second)).toEqual(['open', 'notification 0607']);
    expect(it.goodbye(first)).toBeUndefined();
    expect(it.status('b').state).toBe('established');
  });

  it('an OPEN that is refused does not touch the other connection', () => {
    const { it, ours, theirs } = both(0, 'theirs');
    expect(it.goodbye(theirs)).toEqual(['open', 'notification 0203']);
    it.send(ours, encodeOpen(open), keepalive);
    expect(it.status('b').state).toBe('established');
  });

  it('a call still under way is given up when theirs gets through', () => {
    const it = bench();
    const attempt = it.all('connect')[0]?.attempt;
    const theirs = it.establish(it.call('10.0.0.2'), open);
    expect(it.all('abort')).toEqual([{ kind: 'abort', attempt }]);
    expect(it.status('b').state).toBe('established');
    expect(it.goodbye(theirs)).toBeUndefined();
    it.wait(80_000);
    expect(it.all('connect')).toHaveLength(1);
  });

  it('their newer call replaces one that has not got anywhere', () => {
    const it = bench();
    const [first, second] = [it.call('10.0.0.2'), it.call('10.0.0.2')];
    expect(it.goodbye(first)).toEqual(['open', 'notification 0607']);
    it.establish(second, open);
    expect(it.status('b').state).toBe('established');
  });
});

describe('damping (RFC 4271 §8.1.1)', () => {
  it('each failure doubles the wait, in which nobody is called and nobody is let in', () => {
    const it = bench({ timers: { ...fastRetry(), idleHoldMs: 1_000, idleHoldMaxMs: 8_000 } });
    const waits: number[] = [];
    for (let i = 0; i < 6; i++) {
      it.send(it.answer(), message(3, '0605'));
      waits.push(Math.round((it.status('b').retryMs ?? 0) / 1000));
      expect(it.goodbye(it.call('10.0.0.2'))).toEqual([]);
      it.wait(it.status('b').retryMs ?? 0);
      expect(it.status('b').state).toBe('connect');
    }
    expect(waits).toEqual([1, 2, 4, 8, 8, 8]);
  });

  it('a call that is refused is made again after the connect retry time', () => {
    const it = bench({ timers: fastRetry() });
    const attempt = it.all('connect')[0]?.attempt ?? 0;
    it.speaker.connectFailed(attempt, 'ECONNREFUSED', 0);
    expect(it.status('b')).toMatchObject({ state: 'active', lastError: 'connection failed: ECONNREFUSED' });
    it.wait(1_000);
    expect(it.all('connect')).toHaveLength(2);
  });

  it('a call nobody answers is given up and made again', () => {
    const it = bench({ timers: fastRetry() });
    it.wait(1_000);
    expect(it.all('abort')).toHaveLength(1);
    expect(it.all('connect')).toHaveLength(2);
  });
});

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
