/** Vectors of every path attribute, both ways: RFC 4271 §4.3 and the RFCs that attribute-table.ts names. */
import { describe, expect, it } from 'vitest';
import { AsPath } from '../../src/bgp/as-path.ts';
import { type AttributeContext, attributeCode, type PathAttributes } from '../../src/bgp/attribute.ts';
import { checkAttributes } from '../../src/bgp/attribute-check.ts';
import { attributeRow, attributeRows } from '../../src/bgp/attribute-table.ts';
import { NextHop } from '../../src/bgp/next-hop.ts';
import { attributesOf, check, encode, internal, twoOctet } from './attributes.ts';
import { hex, toHex } from './hex.ts';
import { ip } from './world.ts';

/** Attribute by attribute: octets on a four-octet session ↔ value. */
const vectors: readonly (readonly [name: string, octets: string, value: PathAttributes])[] = [
  ['ORIGIN igp', '40 01 01 00', { origin: 'igp' }],
  ['ORIGIN egp', '40 01 01 01', { origin: 'egp' }],
  ['ORIGIN incomplete', '40 01 01 02', { origin: 'incomplete' }],
  ['AS_PATH empty', '40 02 00', { asPath: [] }],
  ['AS_PATH sequence', '40 02 0a 02 02 0000fde8 fa56ea00', { asPath: AsPath.of(65000, 4_200_000_000) }],
  [
    'AS_PATH sequence and set',
    '40 02 10 02 01 0000fde8 01 02 0000fde9 0000fdea',
    {
      asPath: [
        { type: 'sequence', asns: [65000] },
        { type: 'set', asns: [65001, 65002] },
      ],
    },
  ],
  ['NEXT_HOP', '40 03 04 c0000201', { nextHop: ip('192.0.2.1') }],
  ['MULTI_EXIT_DISC', '80 04 04 ffffffff', { med: 0xffff_ffff }],
  ['LOCAL_PREF', '40 05 04 00000064', { localPref: 100 }],
  ['ATOMIC_AGGREGATE', '40 06 00', { atomicAggregate: true }],
  ['AGGREGATOR', 'c0 07 08 0000fde8 0a000001', { aggregator: { asn: 65000, address: 0x0a000001 } }],
  ['COMMUNITIES', 'c0 08 08 fde80064 ffffff01', { communities: [0xfde8_0064, 0xffff_ff01] }],
  ['ORIGINATOR_ID', '80 09 04 0a000002', { originatorId: 0x0a000002 }],
  ['CLUSTER_LIST', '80 0a 08 0a000003 0a000004', { clusterList: [0x0a000003, 0x0a000004] }],
  ['EXTENDED COMMUNITIES', 'c0 10 08 0002fde800000001', { extendedCommunities: [0x0002_fde8_0000_0001n] }],
  [
    'LARGE_COMMUNITY',
    'c0 20 0c fa56ea00 00000001 00000002',
    { largeCommunities: [{ global: 4_200_000_000, local1: 1, local2: 2 }] },
  ],
  ['OTC', 'c0 23 04 0000fde8', { otc: 65000 }],
  ['an unknown one', 'e0 63 03 010203', { unknown: [{ code: 0x63, flags: 0xe0, value: hex('010203') }] }],
];

describe('path attributes, each (RFC 4271 §4.3 and the RFCs of attribute-table.ts)', () => {
  it.each(vectors)('%s: octets ↔ value', (_name, octets, value) => {
    const outcome = check(octets);
    expect(outcome).toMatchObject({ treatment: 'ok', faults: [] });
    expect(attributesOf(outcome)).toEqual(value);
    expect(encode(value)).toBe(toHex(hex(octets)));
  });

  it.each(vectors)('%s: with another one behind it', (_name, octets, value) => {
    const behind = octets.startsWith('80 04') ? '40 06 00' : '80 04 04 00000007';
    const outcome = check(`${octets} ${behind}`);
    expect(attributesOf(outcome)).toEqual({
      ...value,
      ...(behind.startsWith('80') ? { med: 7 } : { atomicAggregate: true }),
    });
  });

  it.each(vectors)('%s: cut off anywhere is treated as withdrawn (RFC 7606 §4)', (_name, octets) => {
    const whole = hex(octets);
    for (let end = 1; end < whole.length; end++)
      expect(checkAttributes(whole, 0, end, 'nothing', internal).treatment).toBe('treat-as-withdraw');
  });

  it.each(vectors)('%s: with a length of two octets (RFC 4271 §4.3)', (_name, octets, value) => {
    const [flags, code, length, ...rest] = hex(octets);
    const long = Uint8Array.of((flags ?? 0) | 0x10, code ?? 0, 0, length ?? 0, ...rest);
    expect(attributesOf(checkAttributes(long, 0, long.length, 'nothing', internal))).toEqual(value);
  });

  it('all of them together, in the order of their numbers (RFC 4271 §5)', () => {
    const value: PathAttributes = Object.assign({}, ...vectors.map(([, , each]) => each));
    const outcome = check(encode(value));
    expect(outcome.treatment).toBe('ok');
    expect(attributesOf(outcome)).toEqual(value);
    const codes: number[] = [];
    const octets = hex(encode(value));
    for (let at = 0; at < octets.length; at += 3 + (octets[at + 2] as number)) codes.push(octets[at + 1] as number);
    expect(codes).toEqual([...codes].sort((a, b) => a - b));
  });

  it('a row is found by its number', () => {
    for (const row of attributeRows) expect(attributeRow(row.code)).toBe(row);
    expect(attributeRow(255)).toBeUndefined();
  });

  it('every row of the table has a vector', () => {
    const mp = [attributeCode.mpReach, attributeCode.mpUnreach, attributeCode.as4Path, attributeCode.as4Aggregator];
    const seen = new Set([...mp, ...vectors.map(([, octets]) => hex(octets)[1])]);
    expect(attributeRows.filter(row => !seen.has(row.code as never)).map(row => row.name)).toEqual([]);
  });
});

describe('two-octet sessions (RFC 6793)', () => {
  it('a path that fits needs no AS4_PATH', () => {
    expect(encode({ asPath: AsPath.of(65000, 65001) }, twoOctet)).toBe('4002060202fde8fde9');
  });

  it('a path that does not goes twice (§4.2.2)', () => {
    const octets = '40 02 06 02 02 fde8 5ba0 c0 11 0a 02 02 0000fde8 fa56ea00';
    expect(encode({ asPath: AsPath.of(65000, 4_200_000_000) }, twoOctet)).toBe(toHex(hex(octets)));
    expect(attributesOf(check(octets, twoOctet))).toEqual({ asPath: AsPath.of(65000, 4_200_000_000) });
  });

  it('AS4_PATH replaces the tail of AS_PATH (§4.2.3)', () => {
    const octets = '40 02 08 02 03 fde9 fde8 5ba0 c0 11 06 02 01 fa56ea00';
    expect(attributesOf(check(octets, twoOctet))).toEqual({ asPath: AsPath.of(65001, 65000, 4_200_000_000) });
  });

  it('AS4_PATH longer than AS_PATH is ignored (§4.2.3)', () => {
    const octets = '40 02 04 02 01 5ba0 c0 11 0a 02 02 fa56ea00 fa56ea01';
    expect(attributesOf(check(octets, twoOctet))).toEqual({ asPath: AsPath.of(23456) });
  });

  it('AGGREGATOR goes twice too, and is read back', () => {
    const octets = 'c0 07 06 5ba0 0a000001 c0 12 08 fa56ea00 0a000001';
    const value = { aggregator: { asn: 4_200_000_000, address: 0x0a000001 } };
    expect(encode(value, twoOctet)).toBe(toHex(hex(octets)));
    expect(attributesOf(check(octets, twoOctet))).toEqual(value);
  });

  it('an AGGREGATOR that is not AS_TRANS makes both AS4 attributes void (§4.2.3)', () => {
    const octets = '40 02 04 02 01 5ba0 c0 07 06 fde8 0a000001 c0 11 06 02 01 fa56ea00 c0 12 08 fa56ea00 0a000001';
    expect(attributesOf(check(octets, twoOctet))).toEqual({
      asPath: AsPath.of(23456),
      aggregator: { asn: 65000, address: 0x0a000001 },
    });
  });

  it('between speakers of four octets the AS4 attributes are discarded (§4.1)', () => {
    const outcome = check('40 02 06 02 01 0000fde8 c0 11 06 02 01 fa56ea00');
    expect(outcome).toMatchObject({ treatment: 'attribute-discard', faults: [{ code: 17, kind: 'not expected' }] });
    expect(attributesOf(outcome)).toEqual({ asPath: AsPath.of(65000) });
  });
});

describe('unknown attributes (RFC 4271 §5, §9)', () => {
  it('transitive ones are passed on with the partial bit set', () => {
    expect(attributesOf(check('c0 63 02 abcd'))).toEqual({
      unknown: [{ code: 0x63, flags: 0xe0, value: hex('abcd') }],
    });
    expect(encode(attributesOf(check('d0 63 0002 abcd')))).toBe('e06302abcd');
  });

  it('others are dropped without a word', () => {
    expect(check('80 63 02 abcd')).toMatchObject({ treatment: 'ok', attributes: {} });
  });

  it('more than 255 octets get a length of two', () => {
    const value = { unknown: [{ code: 99, flags: 0xe0, value: new Uint8Array(256) }] };
    expect(encode(value).slice(0, 8)).toBe('f0630100');
    expect(attributesOf(check(encode(value)))).toEqual(value);
  });
});

describe('MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760 §3, §4)', () => {
  const reach = (octets: string, cx = internal) => {
    const outcome = check(octets, cx);
    if (outcome.treatment === 'session-reset') throw new Error('session reset');
    return outcome.mpReach;
  };

  it.each([
    [
      'IPv6 with a global next hop',
      '0002 01 10 20010db8000000000000000000000001 00',
      'ipv6-unicast',
      { address: ip('2001:db8::1') },
    ],
    [
      'W11: IPv6 with a global and a link-local next hop (RFC 2545 §3)',
      '0002 01 20 20010db8000000000000000000000001 fe800000000000000000000000000001 00',
      'ipv6-unicast',
      { address: ip('2001:db8::1'), linkLocal: ip('fe80::1') },
    ],
    ['IPv4', '0001 01 04 c0000201 00', 'ipv4-unicast', { address: ip('192.0.2.1') }],
  ] as const)('%s: octets ↔ value', (_title, octets, family, nextHop) => {
    const head = hex(octets);
    const whole = `80 0e ${(head.length + 2).toString(16).padStart(2, '0')} ${octets} 08 0a`;
    expect(reach(whole)).toMatchObject({ family, nextHop, nlriAt: 3 + head.length, nlriEnd: 3 + head.length + 2 });
    expect(toHex(NextHop.encode(nextHop, family))).toBe(toHex(head.subarray(4, -1)));
  });

  it('W11: IPv4 with an IPv6 next hop, only where agreed on (RFC 8950 §3)', () => {
    const octets = '80 0e 15 0001 01 10 20010db8000000000000000000000001 00';
    const agreed: AttributeContext = { ...internal, extendedNextHop: ['ipv4-unicast'] };
    expect(reach(octets, agreed)).toMatchObject({ family: 'ipv4-unicast', nextHop: { address: ip('2001:db8::1') } });
    expect(check(octets).treatment).toBe('session-reset');
    expect(toHex(NextHop.encode({ address: ip('2001:db8::1') }, 'ipv4-unicast'))).toBe(
      toHex(hex(octets).subarray(7, -1)),
    );
  });

  it('IPv6 over IPv4 has a mapped next hop', () => {
    expect(toHex(NextHop.encode({ address: ip('192.0.2.1') }, 'ipv6-unicast'))).toBe(
      '00000000000000000000ffffc0000201',
    );
  });

  it('a family nobody here carries is skipped whole', () => {
    expect(reach('80 0e 07 0019 46 00 00 ffff')).toMatchObject({
      afi: 25,
      safi: 70,
      family: undefined,
      nextHop: undefined,
    });
  });

  it('MP_UNREACH_NLRI', () => {
    const outcome = check('80 0f 05 0002 01 08 20');
    expect(outcome).toMatchObject({ mpUnreach: { family: 'ipv6-unicast', nlriAt: 6, nlriEnd: 8 } });
  });

  it('wrong flags still leave the prefixes to be withdrawn (RFC 7606 §3 c, j)', () => {
    const outcome = check('c0 0e 0b 0001 01 04 c0000201 00 08 0a');
    expect(outcome).toMatchObject({ treatment: 'treat-as-withdraw', mpReach: { family: 'ipv4-unicast' } });
  });
});
