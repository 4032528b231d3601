/** Next hops (RFC 4271 §5.1.3, RFC 2545 §3, RFC 8950, RFC 7947), two-octet peers (RFC 6793) and roles (RFC 9234 §5). */
import { describe, expect, it } from 'vitest';
import { wellKnownCommunities } from '../../src/bgp/community.ts';
import { Net } from './rib-net.ts';
import { formatNextHop, ip, pfx } from './rib-wire.ts';

describe('next hops', () => {
  it('RFC 4271 §5.1.3: one on the shared network is kept, but not told to whose it is', () => {
    const net = new Net();
    const connected = [pfx('10.0.0.0/24')];
    net.up(1, { connected });
    net.up(2, { connected });
    net.up(3, { connected });
    net.say(1, { prefixes: ['192.0.1.0/24'], nextHop: '10.0.0.3' });
    net.say(1, { prefixes: ['192.0.2.0/24'], nextHop: '10.9.9.9' });
    expect(net.heard(2)).toEqual(['192.0.1.0/24 [65000 65001] 10.0.0.3', '192.0.2.0/24 [65000 65001] 10.0.0.254']);
    expect(net.heard(3)).toEqual(['192.0.1.0/24 [65000 65001] 10.0.0.254', '192.0.2.0/24 [65000 65001] 10.0.0.254']);
  });

  it('self to an internal peer, unchanged to an external one, when so configured', () => {
    const net = new Net();
    net.up(1);
    net.up(2, { kind: 'internal', asn: 65000, nextHop: 'self' });
    net.up(3, { nextHop: 'unchanged' });
    net.say(1, { prefixes: ['192.0.1.0/24'], nextHop: '10.9.9.9' });
    expect(net.heard(2)).toEqual(['192.0.1.0/24 [65001] 10.0.0.254']);
    expect(net.heard(3)).toEqual(['192.0.1.0/24 [65000 65001] 10.9.9.9']);
  });

  it('RFC 7947: a route server touches neither path nor next hop nor MED', () => {
    const net = new Net();
    net.up(1, { kind: 'server-client' });
    net.up(2, { kind: 'server-client' });
    net.say(1, {
      prefixes: ['192.0.1.0/24'],
      nextHop: '10.9.9.9',
      more: { med: 5, communities: [wellKnownCommunities['no-export']] },
    });
    expect(net.heard(2)).toEqual(['192.0.1.0/24 [65001] 10.9.9.9']);
    expect(net.receivers.get(2)?.routes.get('192.0.1.0/24')?.attributes.med).toBe(5);
  });

  it('W11 IPv6: global and link-local, 32 octets', () => {
    const net = new Net();
    net.up(1);
    net.up(2, { localLinkLocal: ip('fe80::254') });
    net.say(1, { prefixes: ['2001:db8:1::/48'], nextHop: '2001:db8::1', linkLocal: 'fe80::1' });
    expect(net.heard(2)).toEqual(['2001:db8:1::/48 [65000 65001] 2001:db8:ffff::254 (fe80::254)']);
    expect(formatNextHop([...net.rib.loc('ipv6-unicast')][0]?.nextHop ?? { address: ip('::') })).toBe(
      '2001:db8::1 (fe80::1)',
    );
  });

  it('W11 RFC 8950: IPv4 over link-local sessions, in MP_REACH_NLRI both ways', () => {
    const net = new Net();
    const link = { localAddress: ip('fe80::254'), localIpv6: undefined, extendedNextHop: ['ipv4-unicast'] as const };
    net.up(1, { ...link, remoteAddress: ip('fe80::1') });
    net.up(2, { ...link, remoteAddress: ip('fe80::2') });
    net.say(1, { prefixes: ['192.0.2.0/24'], nextHop: 'fe80::1' });
    expect(net.heard(2)).toEqual(['192.0.2.0/24 [65000 65001] fe80::254']);
    net.lose(1, ['192.0.2.0/24']);
    expect(net.heard(2)).toEqual([]);
  });

  it('RFC 8950: what cannot be said to a peer is said with our own next hop', () => {
    const net = new Net();
    net.up(1, { localAddress: ip('fe80::254'), remoteAddress: ip('fe80::1'), extendedNextHop: ['ipv4-unicast'] });
    net.up(2, { kind: 'internal', asn: 65000 });
    net.say(1, { prefixes: ['192.0.2.0/24'], nextHop: '2001:db8::1' });
    expect(net.heard(2)).toEqual(['192.0.2.0/24 [65001] 10.0.0.254']);
  });

  it('B20 IPv4 prefixes are not told over IPv6 without RFC 8950 and without an IPv4 address', () => {
    const net = new Net();
    net.up(1);
    const sink = net.up(2, { localAddress: ip('2001:db8::254'), remoteAddress: ip('2001:db8::2') });
    net.say(1, { prefixes: ['192.0.2.0/24'] });
    expect(net.heard(2)).toEqual([]);
    expect(sink.messages).toEqual([]);
  });

  it('IPv6 prefixes over an IPv4 session without an IPv6 address: the mapped one', () => {
    const net = new Net();
    net.up(1);
    net.up(2, { localIpv6: undefined });
    net.say(1, { prefixes: ['2001:db8:1::/48'] });
    expect(net.heard(2)).toEqual(['2001:db8:1::/48 [65000 65001] ::ffff:10.0.0.254']);
  });
});

describe('two-octet peers (RFC 6793)', () => {
  it('are read with AS4_PATH merged, and told AS_TRANS with AS4_PATH', () => {
    const net = new Net();
    net.up(1, { fourOctetAs: false });
    const sink = net.up(2, { fourOctetAs: false });
    net.up(3);
    net.say(1, { prefixes: ['192.0.2.0/24'], path: [65001, 4200000001] });
    expect(net.heard(3)).toEqual(['192.0.2.0/24 [65000 65001 4200000001] 10.0.0.254']);
    expect(net.heard(2)).toEqual(net.heard(3));
    const body = sink.messages[0]?.body ?? new Uint8Array();
    expect(Buffer.from(body).includes(Buffer.from([0x40, 2, 8, 2, 3, 0xfd, 0xe8, 0xfd, 0xe9, 0x5b, 0xa0]))).toBe(true);
  });
});

describe('roles (RFC 9234 §5)', () => {
  it('a customer’s leak is ineligible; what a provider says is marked and goes to customers only', () => {
    const net = new Net();
    net.up(1, { role: 'provider' });
    net.up(2, { role: 'customer' });
    net.up(3, { role: 'provider' });
    net.up(4, { role: 'peer' });
    net.say(1, { prefixes: ['192.0.1.0/24'], more: { otc: 65077 } });
    net.say(2, { prefixes: ['192.0.2.0/24'], path: [65002] });
    expect([...net.rib.adjIn(1, 'ipv4-unicast')][0]?.ineligible).toBe('route leak');
    expect([net.heard(1).length, net.heard(3).length, net.heard(4).length]).toEqual([1, 1, 0]);
    expect(net.receivers.get(3)?.routes.get('192.0.2.0/24')?.attributes.otc).toBe(65002);
  });

  it('what has no mark gets ours on the way to a customer, and none on the way to a provider', () => {
    const net = new Net();
    net.up(1, { role: 'provider' });
    net.up(2, { role: 'customer' });
    net.up(3);
    net.say(3, { prefixes: ['192.0.2.0/24'], path: [65003] });
    net.settle();
    const otc = (slot: number) => net.receivers.get(slot)?.routes.get('192.0.2.0/24')?.attributes.otc;
    expect([otc(1), otc(2)]).toEqual([65000, undefined]);
  });
});
