/** What a changed configuration touches: nothing, routes, the session, or the peer itself; and what stays untouched. */
import { describe, expect, it } from 'vitest';
import { gracefulRestartDefaults, type PeerConfig } from '../../src/bgp/config.ts';
import { changeBetween } from '../../src/bgp/config-change.ts';
import type { Open } from '../../src/bgp/open.ts';
import { Policy } from '../../src/bgp/policy.ts';
import { Bench } from './bench.ts';
import { message } from './hex.ts';
import { ip, peerConfig, prefix, speakerConfig } from './world.ts';

const base = peerConfig('b', '10.0.0.2', {
  asn: 65002,
  transport: { port: 179, passive: true },
  gracefulRestart: gracefulRestartDefaults,
});
const timers = (over: Partial<PeerConfig['timers']>): Partial<PeerConfig> => ({ timers: { ...base.timers, ...over } });
const transport = (over: Partial<PeerConfig['transport']>): Partial<PeerConfig> => ({
  transport: { ...base.transport, ...over },
});
const capabilities = (over: Partial<PeerConfig['capabilities']>): Partial<PeerConfig> => ({
  capabilities: { ...base.capabilities, ...over },
});

const table: readonly (readonly [title: string, over: Partial<PeerConfig>, change: string])[] = [
  ['nothing', {}, 'none'],
  ['the description', { description: 'spine' }, 'none'],
  ['the address', { remote: { kind: 'address', address: ip('10.0.0.3') } }, 'new'],
  ['the zone', { remote: { kind: 'address', address: ip('10.0.0.2'), zone: 'eth0' } }, 'new'],
  ['the ASN', { asn: 65003 }, 'new'],
  ['our ASN', { localAsn: 64999 }, 'new'],
  ['the port', transport({ port: 1179 }), 'hard'],
  ['the source address', transport({ localAddress: ip('10.0.0.9') }), 'hard'],
  ['the password', transport({ password: 'new' }), 'hard'],
  ['GTSM', transport({ ttlSecurityHops: 1 }), 'hard'],
  ['the TTL', transport({ ttl: 2 }), 'hard'],
  ['passive', transport({ passive: false }), 'none'],
  ['the hold time', timers({ holdMs: 9_000 }), 'hard'],
  ['the keepalive time', timers({ keepaliveMs: 3_000 }), 'hard'],
  ['the connect retry time', timers({ connectRetryMs: 5_000 }), 'none'],
  ['the idle hold time', timers({ idleHoldMs: 5_000 }), 'none'],
  ['the send hold time', timers({ sendHoldMs: 5_000 }), 'none'],
  ['the families', { families: [{ family: 'ipv4-unicast' }] }, 'hard'],
  [
    'a prefix limit',
    { families: base.families.map(each => ({ ...each, maxPrefixes: { limit: 1, restartMs: undefined } })) },
    'none',
  ],
  ['route refresh', capabilities({ routeRefresh: false }), 'hard'],
  ['extended next hops', capabilities({ extendedNextHop: true }), 'hard'],
  ['graceful restart off', { gracefulRestart: undefined }, 'hard'],
  ['the restart time', { gracefulRestart: { ...gracefulRestartDefaults, restartMs: 60_000 } }, 'hard'],
  ['the stale time', { gracefulRestart: { ...gracefulRestartDefaults, staleMs: 60_000 } }, 'none'],
  ['the role', { role: { local: 'customer', strict: false } }, 'hard'],
  ['being a reflector client', { routeReflectorClient: true }, 'hard'],
  ['being a server client', { routeServerClient: true }, 'hard'],
  ['the next hop', { nextHop: 'self' }, 'soft'],
  ['first AS', { enforceFirstAs: false }, 'soft'],
  ['own AS', { allowOwnAs: 1 }, 'soft'],
  ['import policy', { import: Policy.none }, 'soft'],
  ['export policy (advertised attributes)', { export: Policy.originated }, 'soft'],
  ['graceful shutdown (RFC 8326)', { gracefulShutdown: true }, 'soft'],
  ['a soft and a hard one', { ...timers({ holdMs: 9_000 }), nextHop: 'self' }, 'hard'],
];

const open: Open = {
  asn16: 65002,
  holdSeconds: 90,
  routerId: 0x0a000002,
  capabilities: [{ kind: 'four-octet AS', asn: 65002 }],
};
const route = message(2, '0000 0014 40 01 01 00 40 02 06 02 01 0000fdea 40 03 04 0a000002 18 c00002');

describe('what a change of configuration does', () => {
  it.each(table)('%s', (_title, over, change) => {
    expect(changeBetween(base, { ...base, ...over })).toBe(change);
    expect(changeBetween({ ...base, ...over }, base)).toBe(change);
  });

  it.each(table)('to a session that stands: %s', (_title, over, change) => {
    const it = new Bench();
    it.speaker.configure(speakerConfig(65001, '10.0.0.1', base), 0);
    const connection = it.establish(it.call('10.0.0.2'), open);
    it.speaker.configure(speakerConfig(65001, '10.0.0.1', { ...base, ...over }), 0);
    const goodbyes = { none: undefined, soft: undefined, hard: ['notification 0606'], new: ['notification 0603'] };
    expect(it.goodbye(connection)).toEqual(goodbyes[change as keyof typeof goodbyes]);
    expect(it.status('b').state).toBe(
      { none: 'established', soft: 'established', hard: 'idle', new: 'active' }[change],
    );
  });

  it('a configuration with the same content in other objects changes nothing', () => {
    const it = new Bench();
    const config = () => structuredClone(speakerConfig(65001, '10.0.0.1', base));
    it.speaker.configure(config(), 0);
    it.establish(it.call('10.0.0.2'), open);
    const before = it.all('event').length + it.all('write').length + it.all('listen').length;
    it.speaker.configure(config(), 0);
    expect(it.all('event').length + it.all('write').length + it.all('listen').length).toBe(before);
    expect(it.status('b').state).toBe('established');
  });

  it('B9: a peer that is removed hears Cease; the others hear nothing', () => {
    const it = new Bench();
    const other = peerConfig('c', '10.0.0.3', { transport: base.transport });
    it.speaker.configure(speakerConfig(65001, '10.0.0.1', base, other), 0);
    const b = it.establish(it.call('10.0.0.2'), open);
    const c = it.establish(it.call('10.0.0.3'), { ...open, routerId: 3 });
    it.speaker.configure(speakerConfig(65001, '10.0.0.1', other), 0);
    expect(it.goodbye(b)).toEqual(['notification 0603']);
    expect(it.goodbye(c)).toBeUndefined();
    expect(it.hears(c)).toEqual([]);
  });

  it('import policy is applied to what is there already', () => {
    const it = new Bench();
    it.speaker.configure(speakerConfig(65001, '10.0.0.1', base), 0);
    it.send(it.establish(it.call('10.0.0.2'), open), route);
    const locRib = () => it.speaker.rib?.counts('ipv4-unicast').locRib;
    expect(locRib()).toBe(1);
    it.speaker.configure(speakerConfig(65001, '10.0.0.1', { ...base, import: Policy.none }), 0);
    expect(locRib()).toBe(0);
    it.speaker.configure(speakerConfig(65001, '10.0.0.1', base), 0);
    expect(locRib()).toBe(1);
  });

  it('export policy is a soft refresh towards that peer only (B13)', () => {
    const it = new Bench();
    const other = peerConfig('c', '10.0.0.3', { transport: base.transport });
    it.speaker.configure(speakerConfig(65001, '10.0.0.1', base, other), 0);
    it.speaker.announce([{ prefix: prefix('203.0.113.0/24') }], 0);
    const b = it.establish(it.call('10.0.0.2'), open);
    const c = it.establish(it.call('10.0.0.3'), { ...open, routerId: 3 });
    const tagging: Policy = {
      statements: [{ set: { communities: { add: [0xfde9_0001] } }, action: 'accept' }],
      otherwise: 'reject',
    };
    it.speaker.configure(speakerConfig(65001, '10.0.0.1', { ...base, export: tagging }, other), 0);
    expect(it.hears(b)).toEqual(['update']);
    expect(it.hears(c)).toEqual([]);
  });

  it('shut down and started again', () => {
    const it = new Bench();
    const shut = { ...base, shutdown: { reason: 'maintenance' } };
    it.speaker.configure(speakerConfig(65001, '10.0.0.1', base), 0);
    const connection = it.establish(it.call('10.0.0.2'), open);
    it.speaker.configure(speakerConfig(65001, '10.0.0.1', shut), 0);
    expect(it.goodbye(connection)).toEqual(['notification 06020b6d61696e74656e616e6365']);
    expect(it.goodbye(it.call('10.0.0.2'))).toEqual([]);
    expect(it.events.at(-1)).toMatchObject({ reason: { refusal: 'peer is shut down' } });
    it.speaker.configure(speakerConfig(65001, '10.0.0.1', base), 0);
    expect(it.status('b').state).toBe('active');
  });

  it('another router ID is another speaker: every session starts anew', () => {
    const it = new Bench();
    it.speaker.configure(speakerConfig(65001, '10.0.0.1', base), 0);
    it.speaker.announce([{ prefix: prefix('203.0.113.0/24') }], 0);
    const connection = it.establish(it.call('10.0.0.2'), open);
    it.speaker.configure(speakerConfig(65001, '10.0.0.9', base), 0);
    expect(it.goodbye(connection)).toEqual(['notification 0603']);
    expect(it.status('b').state).toBe('active');
    expect(it.speaker.rib?.counts('ipv4-unicast').locRib).toBe(1);
  });

  it('passive no more: the peer is called', () => {
    const it = new Bench();
    it.speaker.configure(speakerConfig(65001, '10.0.0.1', base), 0);
    expect(it.all('connect')).toEqual([]);
    it.speaker.configure(speakerConfig(65001, '10.0.0.1', { ...base, ...transport({ passive: false }) }), 0);
    expect(it.all('connect')).toHaveLength(1);
  });
});
