/** BGP's small values: AS paths (RFC 4271, RFC 6793), next hops, communities, roles and leaks (RFC 9234), families. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AsPath } from '../../src/bgp/as-path.ts';
import { ExtendedCommunity, LargeCommunity, StandardCommunity } from '../../src/bgp/community.ts';
import { Family } from '../../src/bgp/family.ts';
import { NextHop } from '../../src/bgp/next-hop.ts';
import { otcOnExport, otcOnImport } from '../../src/bgp/role.ts';
import { Reader, Writer } from '../../src/net/bytes.ts';
import { hex } from './hex.ts';
import { ip } from './world.ts';

const mixed: AsPath = [
  { type: 'sequence', asns: [65000, 65001] },
  { type: 'set', asns: [65002, 65003] },
];

describe('AS paths', () => {
  it('a set counts as one (RFC 4271 §9.1.2.2 a)', () => {
    expect([AsPath.length([]), AsPath.length(AsPath.of(1, 2, 3)), AsPath.length(mixed)]).toEqual([0, 3, 3]);
  });

  it('first and last, unless they are in a set', () => {
    expect([AsPath.first(mixed), AsPath.origin(mixed)]).toEqual([65000, undefined]);
    expect([AsPath.first([]), AsPath.origin(AsPath.of(1, 2))]).toEqual([undefined, 2]);
  });

  it('how often a number stands in it, sets included', () => {
    expect([AsPath.count(mixed, 65003), AsPath.count(AsPath.of(1, 1, 2), 1), AsPath.count([], 1)]).toEqual([1, 2, 0]);
  });

  it('numbers go in front of the first sequence, or become one (RFC 4271 §5.1.2)', () => {
    expect(AsPath.prepend(AsPath.of(3), [1, 2])).toEqual(AsPath.of(1, 2, 3));
    expect(AsPath.prepend([], [1])).toEqual(AsPath.of(1));
    expect(AsPath.prepend([{ type: 'set', asns: [2] }], [1])).toEqual([
      { type: 'sequence', asns: [1] },
      { type: 'set', asns: [2] },
    ]);
    expect(AsPath.prepend(mixed, [])).toBe(mixed);
  });

  it('in words', () => {
    expect(AsPath.format(mixed)).toBe('65000 65001 {65002,65003}');
  });

  it('more than 255 numbers are several segments, which mean the same', () => {
    const long = Array.from({ length: 300 }, (_, i) => i + 1);
    const writer = new Writer();
    AsPath.encode(writer, AsPath.of(...long), 4);
    const back = AsPath.decode(new Reader(writer.finish()), 4);
    expect(back).toEqual([
      { type: 'sequence', asns: long.slice(0, 255) },
      { type: 'sequence', asns: long.slice(255) },
    ]);
  });

  it('property: what two octets cannot say is said again, and put back together (RFC 6793 §4.2.2, §4.2.3)', () => {
    const asns = fc.array(fc.integer({ min: 1, max: 0xffff_ffff }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(asns, asns, (older, newer) => {
        // Speakers of two octets on the way put their own numbers in front.
        const as4 = AsPath.of(...older);
        const path = AsPath.of(...newer.map(asn => (asn % 0xffff) + 1), ...older.map(asn => Math.min(asn, 23456)));
        expect(AsPath.merge(path, as4)).toEqual(AsPath.of(...newer.map(asn => (asn % 0xffff) + 1), ...older));
      }),
    );
  });
});

describe('next hops', () => {
  it.each([
    ['::', false],
    ['::1', false],
    ['ff02::1', false],
    ['::ffff:0.0.0.0', false],
    ['0.0.0.0', false],
    ['127.0.0.1', false],
    ['192.0.2.1', true],
    ['fe80::1', true],
    ['2001:db8::1', true],
    ['::ffff:192.0.2.1', true],
  ])('%s can be sent to: %s', (text, usable) => {
    expect(NextHop.isUsable(ip(text))).toBe(usable);
  });

  it.each([
    ['ipv4-unicast', 4, false, true],
    ['ipv4-unicast', 16, false, false],
    ['ipv4-unicast', 16, true, true],
    ['ipv4-unicast', 32, true, true],
    ['ipv6-unicast', 16, false, true],
    ['ipv6-unicast', 32, false, true],
    ['ipv6-unicast', 4, true, false],
    ['ipv6-unicast', 24, false, false],
  ] as const)('%s of %i octets, extended %s: %s (RFC 2545 §3, RFC 8950 §3)', (family, length, extended, known) => {
    expect(NextHop.decode(new Uint8Array(length), family, extended) !== undefined).toBe(known);
  });

  it('a link-local address that stands alone in the second half is the next hop', () => {
    const octets = hex(`${'00'.repeat(16)} fe800000000000000000000000000001`);
    expect(NextHop.decode(octets, 'ipv6-unicast', false)).toEqual({ address: ip('fe80::1') });
  });

  it('in words', () => {
    expect(NextHop.format({ address: ip('2001:db8::1'), linkLocal: ip('fe80::1') })).toBe('2001:db8::1 (fe80::1)');
  });
});

describe('communities', () => {
  it.each([
    ['65000:100', 0xfde8_0064],
    ['0:0', 0],
    ['65535:65535', 0xffff_ffff],
    ['no-export', 0xffff_ff01],
    ['graceful-shutdown', 0xffff_0000],
    ['4259840100', 0xfde8_0064],
  ])('standard %s', (text, value) => {
    expect(StandardCommunity.parse(text)).toBe(value);
    expect(StandardCommunity.parse(StandardCommunity.format(value))).toBe(value);
  });

  it.each([
    '99999999:1',
    '65536:1',
    '1:65536',
    '-1:1',
    '1:',
    ':',
    'a:b',
    '01:1',
    '1:2:3',
    '',
    '4294967296',
  ])('V8: no standard community: %s', text => {
    expect(StandardCommunity.parse(text)).toBeUndefined();
  });

  it('large (RFC 8092 §5)', () => {
    const value = { global: 4_200_000_000, local1: 1, local2: 2 };
    expect(LargeCommunity.parse('4200000000:1:2')).toEqual(value);
    expect(LargeCommunity.format(value)).toBe('4200000000:1:2');
  });

  it.each(['1:2', '1:2:3:4', 'lar:1:2:3', '4294967296:0:0', '1:2:x'])('V8: no large community: %s', text => {
    expect(LargeCommunity.parse(text)).toBeUndefined();
  });

  it.each([
    ['rt:65000:1', 0x0002_fde8_0000_0001n],
    ['soo:192.0.2.1:7', 0x0103_c000_0201_0007n],
    ['rt:4200000000:9', 0x0202_fa56_ea00_0009n],
    ['0x4300000000000001', 0x4300_0000_0000_0001n],
  ])('extended %s (RFC 4360 §3, RFC 5668)', (text, value) => {
    expect(ExtendedCommunity.parse(text)).toBe(value);
    expect(ExtendedCommunity.format(value)).toBe(text);
  });

  it.each([
    'rt:65000',
    'rt:65000:4294967296',
    'rt:192.0.2.1:65536',
    'rt:4200000000:65536',
    'xx:1:1',
    '0x12',
  ])('V8: no extended community: %s', text => {
    expect(ExtendedCommunity.parse(text)).toBeUndefined();
  });

  it('property: what is written is read back as the same value', () => {
    const u32 = fc.nat(0xffff_ffff);
    fc.assert(
      fc.property(u32, fc.bigInt(0n, 2n ** 64n - 1n), fc.tuple(u32, u32, u32), (standard, extended, [a, b, c]) => {
        const large = { global: a, local1: b, local2: c };
        expect(StandardCommunity.parse(StandardCommunity.format(standard))).toBe(standard);
        expect(ExtendedCommunity.parse(ExtendedCommunity.format(extended))).toBe(extended);
        expect(LargeCommunity.parse(LargeCommunity.format(large))).toEqual(large);
      }),
    );
  });

  it('the T bit keeps an extended community inside the AS (RFC 4360 §2)', () => {
    expect(ExtendedCommunity.isTransitive(0x0002_0000_0000_0000n)).toBe(true);
    expect(ExtendedCommunity.isTransitive(0x4002_0000_0000_0000n)).toBe(false);
  });
});

/** RFC 9234 §5: what we are to the other end, the OTC that is there, and what becomes of the route. */
describe('only to customer', () => {
  it.each([
    ['provider', 7, 'leak'],
    ['rs', 7, 'leak'],
    ['peer', 7, 'leak'],
    ['peer', 65001, undefined],
    ['customer', 7, undefined],
    ['rs-client', 7, undefined],
    ['customer', undefined, 65001],
    ['peer', undefined, 65001],
    ['rs-client', undefined, 65001],
    ['provider', undefined, undefined],
    ['rs', undefined, undefined],
    [undefined, 7, undefined],
  ] as const)('in from AS 65001, we are %s, OTC %s → %s', (local, otc, expected) => {
    expect(otcOnImport(local, otc, 65001)).toBe(expected);
  });

  it.each([
    ['customer', 7, 'leak'],
    ['peer', 7, 'leak'],
    ['rs-client', 7, 'leak'],
    ['provider', 7, undefined],
    ['rs', 7, undefined],
    ['provider', undefined, 65000],
    ['peer', undefined, 65000],
    ['rs', undefined, 65000],
    ['customer', undefined, undefined],
    ['rs-client', undefined, undefined],
    [undefined, 7, undefined],
  ] as const)('out from AS 65000, we are %s, OTC %s → %s', (local, otc, expected) => {
    expect(otcOnExport(local, otc, 65000)).toBe(expected);
  });
});

describe('families', () => {
  it('by number, by name, by address', () => {
    for (const family of Family.all) {
      const row = Family.row(family);
      expect(Family.of(row.afi, row.safi)).toBe(family);
      expect(Family.ofIp(row.ip)).toBe(family);
      expect(Family.all[row.index]).toBe(family);
    }
    expect(Family.of(25, 70)).toBeUndefined();
  });
});
