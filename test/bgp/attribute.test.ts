import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AsPath } from '../../src/bgp/as-path.ts';
import {
  type AttributeCheck,
  type AttributeContext,
  attributeCode,
  type Carries,
  type PathAttributes,
} from '../../src/bgp/attribute.ts';
import { checkAttributes } from '../../src/bgp/attribute-check.ts';
import { encodeAttributes } from '../../src/bgp/attribute-encode.ts';
import { encodeMpReach, encodeMpUnreach } from '../../src/bgp/attribute-mp.ts';
import { attributeRow, attributeRows } from '../../src/bgp/attribute-table.ts';
import { Writer } from '../../src/net/bytes.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { hex, toHex } from './hex.ts';

const internal: AttributeContext = { fourOctetAs: true, internal: true, extendedNextHop: [] };
const external: AttributeContext = { ...internal, internal: false };
const twoOctet: AttributeContext = { ...internal, fourOctetAs: false };

function ip(text: string): IpAddress {
  const address = IpAddress.parse(text);
  if (address === undefined) throw new Error(text);
  return address;
}

function check(octets: string, cx = internal, carries: Carries = 'nothing'): AttributeCheck {
  const bytes = hex(octets);
  return checkAttributes(bytes, 0, bytes.length, carries, cx);
}

function attributesOf(outcome: AttributeCheck): PathAttributes {
  if (outcome.treatment === 'session-reset') throw new Error('session reset');
  return outcome.attributes;
}

function encode(attributes: PathAttributes, cx = internal): string {
  const writer = new Writer();
  encodeAttributes(writer, attributes, cx);
  return toHex(writer.finish());
}

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

/** RFC 7606 §7, attribute by attribute; `then` is the treatment on an internal session. */
const faults: readonly (readonly [title: string, octets: string, then: string, kind: string, notification: string])[] =
  [
    ['ORIGIN of length 2 (§7.1)', '40 01 02 00 00', 'treat-as-withdraw', 'length', '03 05 40 01 02 00 00'],
    ['ORIGIN 3 (§7.1)', '40 01 01 03', 'treat-as-withdraw', 'value', '03 06 40 01 01 03'],
    ['AS_PATH with one octet left over (§7.2)', '40 02 07 02 01 0000fde8 02', 'treat-as-withdraw', 'value', '03 0b'],
    ['AS_PATH segment that runs over (§7.2)', '40 02 06 02 02 0000fde8', 'treat-as-withdraw', 'value', '03 0b'],
    ['AS_PATH segment of none (§7.2)', '40 02 02 02 00', 'treat-as-withdraw', 'value', '03 0b'],
    ['AS_PATH segment of type 5 (§7.2)', '40 02 06 05 01 0000fde8', 'treat-as-withdraw', 'value', '03 0b'],
    ['AS_PATH with a confederation (RFC 5065 §5)', '40 02 06 03 01 0000fde8', 'treat-as-withdraw', 'value', '03 0b'],
    ['AS_PATH with AS 0 (RFC 7607 §2)', '40 02 06 02 01 00000000', 'treat-as-withdraw', 'AS zero', '03 0b'],
    ['NEXT_HOP of 5 (§7.3)', '40 03 05 c000020100', 'treat-as-withdraw', 'length', '03 05 40 03 05 c000020100'],
    ['MED of 3 (§7.4)', '80 04 03 000000', 'treat-as-withdraw', 'length', '03 05 80 04 03 000000'],
    ['LOCAL_PREF of 0 (§7.5)', '40 05 00', 'treat-as-withdraw', 'length', '03 05 40 05 00'],
    ['ATOMIC_AGGREGATE of 1 (§7.6)', '40 06 01 00', 'attribute-discard', 'length', '03 05 40 06 01 00'],
    [
      'AGGREGATOR of 6 on a four-octet session (§7.7)',
      'c0 07 06 fde8 0a000001',
      'attribute-discard',
      'length',
      '03 05 c0 07 06 fde8 0a000001',
    ],
    [
      'AGGREGATOR with AS 0 (RFC 7607 §2)',
      'c0 07 08 00000000 0a000001',
      'attribute-discard',
      'AS zero',
      '03 09 c0 07 08 00000000 0a000001',
    ],
    ['COMMUNITIES of 0 (§7.8)', 'c0 08 00', 'treat-as-withdraw', 'length', '03 05 c0 08 00'],
    ['COMMUNITIES of 5 (§7.8)', 'c0 08 05 0000000000', 'treat-as-withdraw', 'length', '03 05 c0 08 05 0000000000'],
    ['ORIGINATOR_ID of 3 (§7.9)', '80 09 03 000000', 'treat-as-withdraw', 'length', '03 05 80 09 03 000000'],
    ['CLUSTER_LIST of 0 (§7.10)', '80 0a 00', 'treat-as-withdraw', 'length', '03 05 80 0a 00'],
    [
      'EXTENDED COMMUNITIES of 7 (§7.14)',
      'c0 10 07 00000000000000',
      'treat-as-withdraw',
      'length',
      '03 05 c0 10 07 00000000000000',
    ],
    ['LARGE_COMMUNITY of 0 (RFC 8092 §6)', 'c0 20 00', 'treat-as-withdraw', 'length', '03 05 c0 20 00'],
    [
      'LARGE_COMMUNITY of 13 (RFC 8092 §6)',
      `c0 20 0d ${'00'.repeat(13)}`,
      'treat-as-withdraw',
      'length',
      `03 05 c0 20 0d ${'00'.repeat(13)}`,
    ],
    ['OTC of 3 (RFC 9234 §5)', 'c0 23 03 000000', 'treat-as-withdraw', 'length', '03 05 c0 23 03 000000'],
    ['ORIGIN marked optional (§3 c)', 'c0 01 01 00', 'treat-as-withdraw', 'flags', '03 04 c0 01 01 00'],
    ['MED marked transitive (§3 c)', 'c0 04 04 00000001', 'treat-as-withdraw', 'flags', '03 04 c0 04 04 00000001'],
    ['ATOMIC_AGGREGATE marked optional (§3 c)', 'c0 06 00', 'treat-as-withdraw', 'flags', '03 04 c0 06 00'],
    [
      'MP_REACH_NLRI marked transitive (§3 c)',
      'c0 0e 05 0001 01 00 00',
      'session-reset',
      'flags',
      '03 04 c0 0e 05 0001 01 00 00',
    ],
    [
      'MP_REACH_NLRI with a next hop of 5 (§7.11)',
      '80 0e 0a 0001 01 05 c000020100 00',
      'session-reset',
      'value',
      '03 09 80 0e 0a 0001 01 05 c000020100 00',
    ],
    ['MP_REACH_NLRI of 4 (§7.11)', '80 0e 04 0001 01 00', 'session-reset', 'value', '03 09 80 0e 04 0001 01 00'],
    ['MP_UNREACH_NLRI of 2 (§7.12)', '80 0f 02 0001', 'session-reset', 'value', '03 09 80 0f 02 0001'],
    ['an unknown well-known one (RFC 4271 §6.3)', '40 63 01 00', 'session-reset', 'unrecognized', '03 02 40 63 01 00'],
  ];

describe('malformed attributes (RFC 7606)', () => {
  it.each(faults)('%s → %s', (_title, octets, treatment, kind, notification) => {
    const outcome = check(octets);
    expect(outcome.treatment).toBe(treatment);
    const fault = outcome.faults[0];
    expect(fault?.kind).toBe(kind);
    const { code = 0, subcode = 0, data = [] } = fault?.notification ?? {};
    expect(toHex(Uint8Array.of(code, subcode, ...data))).toBe(toHex(hex(notification)));
  });

  it.each([
    ['LOCAL_PREF (§7.5)', '40 05 04 00000064'],
    ['ORIGINATOR_ID (§7.9)', '80 09 04 0a000002'],
    ['CLUSTER_LIST (§7.10)', '80 0a 04 0a000002'],
    ['LOCAL_PREF, however malformed', '40 05 01 00'],
  ])('from an external peer is discarded: %s', (_title, octets) => {
    const outcome = check(octets, external);
    expect(outcome).toMatchObject({ treatment: 'attribute-discard', faults: [{ kind: 'not expected' }] });
    expect(attributesOf(outcome)).toEqual({});
  });

  it('the first of two counts (§3 g)', () => {
    const outcome = check('80 04 04 00000001 80 04 04 00000002');
    expect(outcome).toMatchObject({ treatment: 'attribute-discard', faults: [{ code: 4, kind: 'duplicate' }] });
    expect(attributesOf(outcome)).toEqual({ med: 1 });
  });

  it.each([
    ['MP_REACH_NLRI', '80 0e 09 0001 01 04 c0000201 00'],
    ['MP_UNREACH_NLRI', '80 0f 03 0001 01'],
  ])('two of %s end the session (§3 g)', (_title, octets) => {
    const outcome = check(`${octets} ${octets}`);
    expect(outcome).toMatchObject({ treatment: 'session-reset', notification: { code: 3, subcode: 1 } });
  });

  it('the gravest fault decides (§3 h)', () => {
    expect(check('40 06 01 00 40 01 01 03').treatment).toBe('treat-as-withdraw');
    expect(check('40 01 01 03 40 63 01 00').treatment).toBe('session-reset');
  });

  it('W12: an attribute that runs over takes the rest with it, not the session (§4)', () => {
    const outcome = check('40 01 01 00 40 02 ff 02 01');
    expect(outcome).toMatchObject({ treatment: 'treat-as-withdraw', faults: [{ kind: 'overrun' }] });
    expect(attributesOf(outcome)).toEqual({ origin: 'igp' });
  });

  it('one or two octets at the end are no attribute (§4)', () => {
    expect(check('40 01 01 00 40').treatment).toBe('treat-as-withdraw');
    expect(check('40 01 01 00 50 02 00').treatment).toBe('treat-as-withdraw');
  });

  const enough = '40 01 01 00 40 02 06 02 01 0000fde8';
  it.each([
    ['nothing needs nothing', '', 'nothing', []],
    ['NLRI needs ORIGIN, AS_PATH and NEXT_HOP', '', 'nlri', [1, 2, 3]],
    ['MP_REACH_NLRI needs no NEXT_HOP (RFC 4760 §3)', '', 'mp-nlri', [1, 2]],
    ['MP_REACH_NLRI among them counts by itself', '80 0e 09 0001 01 04 c0000201 00', 'nothing', [1, 2]],
    ['NLRI with everything', `${enough} 40 03 04 c0000201`, 'nlri', []],
    ['MP_REACH_NLRI with everything', enough, 'mp-nlri', []],
  ] as const)('mandatory ones (§3 d): %s', (_title, octets, carries, missing) => {
    const outcome = check(octets, internal, carries);
    expect(outcome.faults.map(fault => fault.code)).toEqual(missing);
    expect(outcome.faults.every(fault => fault.kind === 'missing' && fault.notification.data[0] === fault.code)).toBe(
      true,
    );
    expect(outcome.treatment).toBe(missing.length > 0 ? 'treat-as-withdraw' : 'ok');
  });

  it.each([
    '0.0.0.0',
    '0.1.2.3',
    '127.0.0.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
  ])('NEXT_HOP %s is no host (RFC 4271 §6.3)', address => {
    const octets = `${enough} 40 03 04 ${toHex(IpAddress.toBytes(ip(address)))}`;
    expect(check(octets, internal, 'nlri').treatment).toBe('treat-as-withdraw');
    // Beside MP_REACH_NLRI alone it means nothing (RFC 4760 §3).
    expect(check(octets, internal, 'mp-nlri').treatment).toBe('ok');
  });

  it.each([
    ['its own', '0000fde8', 'ok'],
    ['another', '0000fde9', 'treat-as-withdraw'],
  ])('the leftmost AS of an external peer: %s (RFC 4271 §6.3)', (_title, first, treatment) => {
    const octets = `40 01 01 00 40 02 06 02 01 ${first} 40 03 04 c0000201`;
    expect(check(octets, { ...external, firstAs: 65000 }, 'nlri').treatment).toBe(treatment);
  });

  it('the partial bit alone is no fault (§3 c)', () => {
    expect(check('60 01 01 00').treatment).toBe('ok');
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
    const writer = new Writer();
    encodeMpReach(writer, family, nextHop);
    expect(toHex(writer.finish())).toBe(toHex(head));
  });

  it('W11: IPv4 with an IPv6 next hop, only where agreed on (RFC 8950 §3)', () => {
    const octets = '80 0e 15 0001 01 10 20010db8000000000000000000000001 00';
    const agreed: AttributeContext = { ...internal, extendedNextHop: ['ipv4-unicast'] };
    expect(reach(octets, agreed)).toMatchObject({ family: 'ipv4-unicast', nextHop: { address: ip('2001:db8::1') } });
    expect(check(octets).treatment).toBe('session-reset');
    const writer = new Writer();
    encodeMpReach(writer, 'ipv4-unicast', { address: ip('2001:db8::1') });
    expect(toHex(writer.finish())).toBe(toHex(hex(octets).subarray(3)));
  });

  it('IPv6 over IPv4 has a mapped next hop', () => {
    const writer = new Writer();
    encodeMpReach(writer, 'ipv6-unicast', { address: ip('192.0.2.1') });
    expect(toHex(writer.finish())).toBe('00020110 00000000000000000000ffffc0000201 00'.replaceAll(' ', ''));
  });

  it('a family nobody here carries is skipped whole', () => {
    expect(reach('80 0e 07 0019 46 00 00 ffff')).toMatchObject({
      afi: 25,
      safi: 70,
      family: undefined,
      nextHop: undefined,
    });
  });

  it('MP_UNREACH_NLRI: octets ↔ value', () => {
    const outcome = check('80 0f 05 0002 01 08 20');
    expect(outcome).toMatchObject({ mpUnreach: { family: 'ipv6-unicast', nlriAt: 6, nlriEnd: 8 } });
    const writer = new Writer();
    encodeMpUnreach(writer, 'ipv6-unicast');
    expect(toHex(writer.finish())).toBe('000201');
  });

  it('wrong flags still leave the prefixes to be withdrawn (RFC 7606 §3 c, j)', () => {
    const outcome = check('c0 0e 0b 0001 01 04 c0000201 00 08 0a');
    expect(outcome).toMatchObject({ treatment: 'treat-as-withdraw', mpReach: { family: 'ipv4-unicast' } });
  });
});

const u32 = fc.nat(0xffff_ffff);
const asn = fc.integer({ min: 1, max: 0xffff_ffff });
const some = <T>(each: fc.Arbitrary<T>) => fc.array(each, { minLength: 1, maxLength: 70 });
const anyPath = fc
  .array(fc.record({ type: fc.constantFrom('set' as const, 'sequence' as const), asns: some(asn) }), { maxLength: 3 })
  .filter(path => path.every((segment, i) => i === 0 || segment.type !== path[i - 1]?.type));
const anyAttributes: fc.Arbitrary<PathAttributes> = fc.record(
  {
    origin: fc.constantFrom('igp' as const, 'egp' as const, 'incomplete' as const),
    asPath: anyPath,
    nextHop: u32.map(value => IpAddress.of('ipv4', BigInt(value))),
    med: u32,
    localPref: u32,
    atomicAggregate: fc.constant(true as const),
    aggregator: fc.record({ asn, address: u32 }),
    communities: some(u32),
    originatorId: u32,
    clusterList: some(u32),
    extendedCommunities: some(fc.bigInt(0n, 2n ** 64n - 1n)),
    largeCommunities: some(fc.record({ global: u32, local1: u32, local2: u32 })),
    otc: u32,
    unknown: some(
      fc.record({
        code: fc.integer({ min: 36, max: 255 }),
        flags: fc.constant(0xe0),
        value: fc.uint8Array({ maxLength: 300 }),
      }),
    ).map(list => [...new Map(list.map(each => [each.code, each])).values()].sort((a, b) => a.code - b.code)),
  },
  { requiredKeys: [] },
);

describe('properties', () => {
  it('check(encode(attributes)) is attributes, with four octets', () => {
    fc.assert(
      fc.property(anyAttributes, attributes => {
        const outcome = check(encode(attributes));
        expect(outcome.faults).toEqual([]);
        expect(attributesOf(outcome)).toEqual(attributes);
      }),
    );
  });

  it('and with two', () => {
    fc.assert(
      fc.property(anyAttributes, attributes => {
        // An aggregator of two octets says that nobody on the way needed the AS4 attributes (RFC 6793 §4.2.3).
        fc.pre(!(attributes.aggregator && attributes.aggregator.asn <= 0xffff));
        expect(attributesOf(check(encode(attributes, twoOctet), twoOctet))).toEqual(attributes);
      }),
    );
  });

  it('no octets make the check throw', () => {
    const context = fc.constantFrom(internal, external, twoOctet);
    const carries = fc.constantFrom<Carries>('nothing', 'nlri', 'mp-nlri');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), context, carries, (octets, cx, what) => {
        const outcome = checkAttributes(octets, 0, octets.length, what, cx);
        expect(outcome.treatment === 'ok').toBe(outcome.faults.length === 0);
      }),
      { numRuns: 2000 },
    );
  });

  it('a flipped octet never makes the check throw either', () => {
    fc.assert(
      fc.property(anyAttributes, fc.nat(), fc.nat(255), (attributes, at, octet) => {
        const octets = hex(encode(attributes));
        if (octets.length > 0) octets[at % octets.length] = octet;
        checkAttributes(octets, 0, octets.length, 'nlri', internal);
      }),
      { numRuns: 2000 },
    );
  });

  it('a row is found by its number', () => {
    for (const row of attributeRows) expect(attributeRow(row.code)).toBe(row);
    expect(attributeRow(255)).toBeUndefined();
  });
});
