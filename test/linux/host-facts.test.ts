/** The host as the kernel writes it, and that only a change of it is told. */
import { describe, expect, it } from 'vitest';
import type { HostFacts, HostLink } from '../../src/control/settings.ts';
import { HostWatch } from '../../src/linux/host-facts.ts';
import { isUp, parseIpv6Routes, parseRoutes } from '../../src/linux/proc-net.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { recordingLog } from '../support/recording-log.ts';

const route = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010200C0	0003	0	0	100	00000000	0	0	0
eth1	00000000	FE01A8C0	0003	0	0	50	00000000	0	0	0
wg0	00000000	00000000	0001	0	0	0	00000000	0	0	0
eth2	00000000	0101000A	0002	0	0	0	00000000	0	0	0
eth0	000200C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
cut	00000000	0102
`;

const zeros = '0'.repeat(32);
const ipv6Route = [
  `${zeros} 00 ${zeros} 00 fd000000000000000000000000000001 00000400 00000002 00000000 00000003     eth0`,
  `${zeros} 00 ${zeros} 00 fe800000000000000000000000000001 00000064 00000002 00000000 00450003     eth1`,
  `${zeros} 00 ${zeros} 00 ${zeros} ffffffff 00000001 00000000 00200200       lo`,
  `fd000000000000000000000000000000 40 ${zeros} 00 ${zeros} 00000100 00000001 00000000 00000001     eth0`,
  'garbage',
].join('\n');

describe('default routes', () => {
  it.each([
    ['IPv4', parseRoutes(route), ['eth0 192.0.2.1 100', 'eth1 192.168.1.254 50']],
    ['IPv6', parseIpv6Routes(ipv6Route), ['eth0 fd00::1 1024', 'eth1 fe80::1 100']],
    ['of a kernel without IPv6', parseIpv6Routes(''), []],
  ] as const)('%s: up, with a gateway, of zero length; whatever else is passed over', (_, routes, expected) => {
    expect(routes.map(({ link, gateway, metric }) => `${link} ${IpAddress.format(gateway)} ${metric}`)).toEqual(
      expected,
    );
  });
});

describe('links (§2.4)', () => {
  it.each([
    ['0x1003\n', 'up\n', true],
    ['0x9\n', 'unknown\n', true],
    ['0x1003\n', 'down\n', false],
    ['0x1002\n', 'up\n', false],
    ['0x1003\n', 'lowerlayerdown\n', false],
    ['', '', false],
  ])('flags %j, state %j: up is %s', (flags, state, up) => expect(isUp(flags, state)).toBe(up));
});

const eth0: HostLink = {
  name: 'eth0',
  index: 2,
  up: true,
  mac: undefined,
  master: undefined,
  noArp: false,
  kind: undefined,
  mtu: 1500,
  addresses: [],
};

describe('looking again and again', () => {
  it('tells a change once, and gives the same value as long as nothing changed', async () => {
    const clock = new ManualClock();
    let facts: HostFacts = { links: [], defaultRoutes: [] };
    let told = 0;
    const env = { clock, log: recordingLog(), changed: () => told++ };
    const watch = new HostWatch(env, { everyMs: 1000, read: () => structuredClone(facts) });
    const first = watch.facts;
    await clock.advance(5000);
    expect([told, watch.facts === first]).toEqual([0, true]);
    facts = { links: [eth0], defaultRoutes: [] };
    await clock.advance(5000);
    expect([told, watch.facts.links.length]).toEqual([1, 1]);
    watch.close();
    expect(clock.pending).toBe(0);
  });

  it('finds the loopback of this host', () => {
    const watch = new HostWatch({ clock: new ManualClock(), log: recordingLog(), changed: () => {} });
    const loopback = watch.facts.links.find(link => link.name === 'lo');
    expect(loopback?.addresses.map(each => IpAddress.format(each.address))).toContain('127.0.0.1');
    expect(loopback).toMatchObject({ index: 1, mac: undefined, master: undefined, noArp: false });
    watch.close();
  });
});
