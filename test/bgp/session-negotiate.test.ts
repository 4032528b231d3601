/** Which OPENs are refused and what two of them agree on: RFC 4271 §6.2, RFC 6286, RFC 7607, RFC 6793, RFC 9234. */
import { describe, expect, it } from 'vitest';
import type { Capability } from '../../src/bgp/capability.ts';
import type { PeerConfig } from '../../src/bgp/config.ts';
import { Notification } from '../../src/bgp/notification.ts';
import type { Open } from '../../src/bgp/open.ts';
import { isRefused, type LocalIdentity, type Negotiated, negotiate, openFor } from '../../src/bgp/session-negotiate.ts';
import { hex } from './hex.ts';
import { peerConfig } from './world.ts';

const self: LocalIdentity = { asn: 65000, routerId: 0x0a000001 };
const base = peerConfig('a', '10.0.0.2', { asn: 65001 });

function theirs(over: Partial<Open> = {}, ...capabilities: readonly Capability[]): Open {
  return { asn16: 65001, holdSeconds: 90, routerId: 0x0a000002, capabilities, ...over };
}

const v4: Capability = { kind: 'multiprotocol', afi: 1, safi: 1 };
const v6: Capability = { kind: 'multiprotocol', afi: 2, safi: 1 };
const as4 = (asn: number): Capability => ({ kind: 'four-octet AS', asn });

function agree(config: PeerConfig, received: Open, identity = self): Negotiated {
  const outcome = negotiate(config, identity, openFor(config, identity, false), received);
  if (isRefused(outcome)) throw new Error(`refused: ${Notification.format(outcome.refused)} (${outcome.detail})`);
  return outcome;
}

function refuse(config: PeerConfig, received: Open): Notification {
  const outcome = negotiate(config, self, openFor(config, self, false), received);
  if (!isRefused(outcome)) throw new Error('not refused');
  return outcome.refused;
}

describe('OPEN errors (RFC 4271 §6.2)', () => {
  const table: readonly (readonly [string, PeerConfig, Open, Notification])[] = [
    ['another AS than configured', base, theirs({ asn16: 65002 }), Notification.of('bad peer AS')],
    ['W2: another AS in the capability', base, theirs({}, as4(65002)), Notification.of('bad peer AS')],
    ['AS 0 (RFC 7607 §2)', { ...base, asn: 'any' }, theirs({ asn16: 0 }), Notification.of('bad peer AS')],
    ['AS 0 in the capability', { ...base, asn: 'any' }, theirs({}, as4(0)), Notification.of('bad peer AS')],
    [
      'our AS where another is wanted',
      { ...base, asn: 'external' },
      theirs({ asn16: 65000 }),
      Notification.of('bad peer AS'),
    ],
    ['another AS where ours is wanted', { ...base, asn: 'internal' }, theirs(), Notification.of('bad peer AS')],
    ['identifier 0 (RFC 6286 §2.2)', base, theirs({ routerId: 0 }), Notification.of('bad BGP identifier')],
    [
      'our identifier within our AS (RFC 6286 §2.2)',
      { ...base, asn: 'internal' },
      theirs({ asn16: 65000, routerId: self.routerId }),
      Notification.of('bad BGP identifier'),
    ],
    ['W5: hold time 1', base, theirs({ holdSeconds: 1 }), Notification.of('unacceptable hold time')],
    ['W5: hold time 2', base, theirs({ holdSeconds: 2 }), Notification.of('unacceptable hold time')],
    [
      'no family in common, with those we wanted (RFC 5492 §5)',
      base,
      theirs({}, { kind: 'multiprotocol', afi: 25, safi: 70 }),
      Notification.of('unsupported capability', hex('010400010001 010400020001')),
    ],
  ];
  it.each(table)('%s', (_title, config, open, expected) => {
    expect(refuse(config, open)).toEqual(expected);
  });

  it('our identifier in another AS is none of our business (RFC 6286 §2.1)', () => {
    expect(agree(base, theirs({ routerId: self.routerId })).remoteRouterId).toBe(self.routerId);
  });
});

describe('the peer AS', () => {
  it.each([
    ['any', 65001, false],
    ['any', 65000, true],
    ['external', 65001, false],
    ['internal', 65000, true],
    [65001, 65001, false],
  ] as const)('%s takes AS %i, internal: %s', (asn, remote, internal) => {
    expect(agree({ ...base, asn }, theirs({ asn16: remote }))).toMatchObject({ remoteAsn: remote, internal });
  });

  it('W2: the capability has the number when two octets do not', () => {
    const config = { ...base, asn: 4_200_000_001 };
    expect(agree(config, theirs({ asn16: 23456 }, as4(4_200_000_001)))).toMatchObject({
      remoteAsn: 4_200_000_001,
      fourOctetAs: true,
    });
  });

  it('ours goes as AS_TRANS with the capability when it does not fit (RFC 6793 §4.2.1)', () => {
    const open = openFor(base, { ...self, asn: 4_200_000_000 }, false);
    expect(open.asn16).toBe(23456);
    expect(open.capabilities).toContainEqual(as4(4_200_000_000));
  });
});

describe('what is agreed on', () => {
  it.each([
    [90_000, 30, 30_000, 10_000],
    [30_000, 90, 30_000, 10_000],
    [90_000, 90, 90_000, 30_000],
    [90_000, 3, 3_000, 1_000],
    [0, 90, 0, 0],
    [90_000, 0, 0, 0],
  ])('W1: hold time %i ms here, %i s there → %i, keepalive %i (RFC 4271 §4.4)', (here, there, holdMs, keepaliveMs) => {
    const config = { ...base, timers: { ...base.timers, holdMs: here } };
    expect(agree(config, theirs({ holdSeconds: there }))).toMatchObject({ holdMs, keepaliveMs });
  });

  it('a shorter keepalive of ours is kept', () => {
    const config = { ...base, timers: { ...base.timers, keepaliveMs: 5_000 } };
    expect(agree(config, theirs()).keepaliveMs).toBe(5_000);
  });

  it.each([
    ['both', [v4, v6], ['ipv4-unicast', 'ipv6-unicast']],
    ['B20: a peer without IPv6', [v4], ['ipv4-unicast']],
    ['only IPv6', [v6], ['ipv6-unicast']],
    ['none named: IPv4 (RFC 4760 §8)', [], ['ipv4-unicast']],
  ] as const)('families: %s', (_title, capabilities, families) => {
    expect(agree(base, theirs({}, ...capabilities)).families).toEqual(families);
  });

  it.each([
    ['route refresh', 'routeRefresh'],
    ['enhanced refresh', 'enhancedRefresh'],
    ['extended message', 'extendedMessages'],
  ] as const)('%s when both have it', (kind, field) => {
    expect(agree(base, theirs({}, { kind }))[field]).toBe(true);
    expect(agree(base, theirs())[field]).toBe(false);
    const without = { ...base, capabilities: { ...base.capabilities, [field]: false } };
    expect(agree(without, theirs({}, { kind }))[field]).toBe(false);
  });

  it('IPv6 next hops for IPv4 when both have them (RFC 8950 §4)', () => {
    const capability: Capability = { kind: 'extended next hop', entries: [{ afi: 1, safi: 1, nextHopAfi: 2 }] };
    const config = { ...base, capabilities: { ...base.capabilities, extendedNextHop: true } };
    expect(agree(config, theirs({}, capability)).extendedNextHop).toEqual(['ipv4-unicast']);
    expect(agree(base, theirs({}, capability)).extendedNextHop).toEqual([]);
    expect(agree(config, theirs()).extendedNextHop).toEqual([]);
  });

  const restart = { restartMs: 120_000, staleMs: 360_000, notification: true };
  const capability = (over = {}): Capability => ({
    kind: 'graceful restart',
    restarting: false,
    notification: true,
    seconds: 60,
    families: [
      { afi: 1, safi: 1, forwarding: true },
      { afi: 25, safi: 70, forwarding: true },
    ],
    ...over,
  });

  it('graceful restart: the peer says for how long and what for (RFC 4724 §3)', () => {
    const config = { ...base, gracefulRestart: restart };
    expect(agree(config, theirs({}, capability())).gracefulRestart).toEqual({
      restarting: false,
      notification: true,
      restartMs: 60_000,
      families: [{ family: 'ipv4-unicast', forwarding: true }],
    });
    expect(agree(base, theirs({}, capability())).gracefulRestart).toBeUndefined();
    expect(agree(config, theirs()).gracefulRestart).toBeUndefined();
  });

  it('of several graceful restart capabilities the last one counts (RFC 4724 §3)', () => {
    const config = { ...base, gracefulRestart: restart };
    const open = theirs({}, capability(), capability({ seconds: 7 }));
    expect(agree(config, open).gracefulRestart?.restartMs).toBe(7_000);
  });

  it('notifications keep routes only when both say so (RFC 8538 §2)', () => {
    const config = { ...base, gracefulRestart: { ...restart, notification: false } };
    expect(agree(config, theirs({}, capability())).gracefulRestart?.notification).toBe(false);
  });

  it('our OPEN says that we restarted, and that forwarding went on (RFC 4724 §4.1)', () => {
    const open = openFor({ ...base, gracefulRestart: restart }, self, true);
    expect(open.capabilities).toContainEqual({
      kind: 'graceful restart',
      restarting: true,
      notification: true,
      seconds: 120,
      families: [
        { afi: 1, safi: 1, forwarding: true },
        { afi: 2, safi: 1, forwarding: true },
      ],
    });
  });
});

describe('roles (RFC 9234 §4.2)', () => {
  const withRole = (local: 'provider' | 'customer' | 'peer' | 'rs' | 'rs-client', strict = false): PeerConfig => ({
    ...base,
    role: { local, strict },
  });
  const says = (...roles: readonly number[]) => theirs({}, ...roles.map(role => ({ kind: 'role' as const, role })));

  it.each([
    ['provider', 3, 'customer'],
    ['customer', 0, 'provider'],
    ['rs', 2, 'rs-client'],
    ['rs-client', 1, 'rs'],
    ['peer', 4, 'peer'],
  ] as const)('%s here goes with %i there', (local, number, remoteRole) => {
    expect(agree(withRole(local), says(number)).remoteRole).toBe(remoteRole);
    for (const other of [0, 1, 2, 3, 4, 5, 255])
      if (other !== number) expect(refuse(withRole(local), says(other))).toEqual(Notification.of('role mismatch'));
  });

  it('the same role twice is one; two different ones are a mismatch', () => {
    expect(agree(withRole('provider'), says(3, 3)).remoteRole).toBe('customer');
    expect(refuse(withRole('provider'), says(3, 4))).toEqual(Notification.of('role mismatch'));
  });

  it('a peer without a role is let in unless strict', () => {
    expect(agree(withRole('provider'), says()).remoteRole).toBeUndefined();
    expect(refuse(withRole('provider', true), says())).toEqual(Notification.of('role mismatch'));
  });

  it('without a role of ours, theirs does not matter', () => {
    expect(agree(base, says(0, 4)).remoteRole).toBeUndefined();
  });
});
