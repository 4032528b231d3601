/**
 * Two connections at once, and failures in a row: RFC 4271 §6.8 and §8.1.1, over a simulated network and on the
 * bench.
 */
import { describe, expect, it } from 'vitest';
import type { Capability } from '../../src/bgp/capability.ts';
import type { PeerConfig } from '../../src/bgp/config.ts';
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
    ['only a calls', {}, passive],
    ['only b calls', passive, {}],
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

  it('a passive peer in its idle hold refuses, and is called again soon, not after the connect retry time', () => {
    for (const seed of seeds.slice(0, 20)) {
      const { net, a, b } = pairOf(seed, {}, passive);
      net.run(150_000);
      net.enter(b, () => b.speaker.reset('a', 'hard', net.nowMs));
      expect([seed, net.until(() => net.status(a, 'b').state === 'established', 10_000)]).toEqual([seed, true]);
    }
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
