/** What a node tells of its links, and what of that is believed. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type L2Link, L2Links, l2Link, neighboursOn, offeredLinks } from '../../src/control/l2-links.ts';
import type { HostLink } from '../../src/control/settings.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';

const ip = (text: string): IpAddress => IpAddress.parse(text) ?? expect.fail(text);
const prefix = (text: string): Prefix => Prefix.parse(text) ?? expect.fail(text);

function hostLink(name: string, addresses: readonly string[], more: Partial<HostLink> = {}): HostLink {
  const parsed = addresses.map(text => {
    const [address = '', length] = text.split('/');
    return { address: IpAddress.parse(address) ?? expect.fail(text), length: Number(length) };
  });
  const mac = { value: 0x0200_0000_0001 };
  const plain = { name, index: 7, up: true, mac, master: undefined, noArp: false, kind: undefined, mtu: 1500 };
  return { ...plain, addresses: parsed, ...more };
}

describe('links that a node offers', () => {
  it('have a subnet, or are named; are up, speak for themselves and resolve addresses', () => {
    const links = [
      hostLink('lo', ['127.0.0.1/8']),
      hostLink('eth0', ['192.0.2.7/24', '192.0.2.8/24', '2001:db8::7/64', 'fe80::7/64']),
      hostLink('eth1', []),
      hostLink('eth2', ['fe80::1/64']),
      hostLink('eth3', ['198.51.100.1/24'], { up: false }),
      hostLink('port0', ['198.51.100.2/24'], { master: 'br0' }),
      hostLink('tun0', ['198.51.100.3/24'], { noArp: true }),
      hostLink('wg0', ['198.51.100.4/24'], { mac: undefined }),
    ];
    const offered = offeredLinks({ links, defaultRoutes: [] }, ['^eth1$']);
    expect(L2Links.format(offered)).toBe('eth0 192.0.2.7/24 2001:db8::7/64,eth1');
  });
});

describe('neighbours', () => {
  it('are other nodes with an address in a subnet of the link, by the first of them, and its routers', () => {
    const link = l2Link(hostLink('eth0', ['192.0.2.7/24', '2001:db8::7/64']));
    const offers = new Map([
      ['n1', [link]],
      ['n2', [l2Link(hostLink('br0', ['192.0.2.8/24', '2001:db8::8/64']))]],
      ['n3', [l2Link(hostLink('eth1', ['198.51.100.1/24'])), l2Link(hostLink('eth0', ['2001:db8::9/64']))]],
      ['n4', [l2Link(hostLink('eth0', ['198.51.100.2/24']))]],
    ]);
    expect(neighboursOn(link, 'n1', offers, [ip('192.0.2.1')])).toEqual([
      { node: 'n2', address: ip('192.0.2.8') },
      { node: 'n3', address: ip('2001:db8::9') },
      { node: '', address: ip('192.0.2.1') },
    ]);
  });
});

describe('as text', () => {
  const table: readonly (readonly [string, readonly L2Link[]])[] = [
    ['', []],
    ['eth0', [{ name: 'eth0', subnets: [], stations: [] }]],
    [
      'eth0 192.0.2.7/24,br0 2001:db8::7/64',
      [
        { name: 'eth0', subnets: [prefix('192.0.2.0/24')], stations: [ip('192.0.2.7')] },
        { name: 'br0', subnets: [prefix('2001:db8::/64')], stations: [ip('2001:db8::7')] },
      ],
    ],
    ['a%2Cb%20c', [{ name: 'a,b c', subnets: [], stations: [] }]],
  ];
  it.each(table)('%j both ways', (text, links) => {
    expect(L2Links.parse(text)).toEqual(links);
    expect(L2Links.format(links)).toBe(text);
  });

  it.each([
    'eth0 192.0.2.0',
    'eth0 192.0.2.0/33',
    ',',
    ' 192.0.2.0/24',
    'a%',
    'x'.repeat(40_000),
    'x,'.repeat(300),
  ])('%.20j is none', text => expect(L2Links.parse(text)).toBeUndefined());

  it('never throws, and what was read is written as it can be read', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        const links = L2Links.parse(text);
        if (links !== undefined) expect(L2Links.parse(L2Links.format(links))).toEqual(links);
      }),
    );
  });

  it('is cut where a node has more links than anybody needs', () => {
    const links = Array.from({ length: 3000 }, (_, i) => hostLink(`eth${i}`, ['192.0.2.1/24', '2001:db8::1/64']));
    const offered = offeredLinks({ links, defaultRoutes: [] }, []);
    expect(L2Links.parse(L2Links.format(offered))?.length).toBe(256);
  });
});
