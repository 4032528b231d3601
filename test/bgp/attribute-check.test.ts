/**
 * What malformed attributes lead to: RFC 7606 throughout, RFC 4271 §6.3; and properties of reading and writing them.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Carries, PathAttributes } from '../../src/bgp/attribute.ts';
import { checkAttributes } from '../../src/bgp/attribute-check.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { attributesOf, check, encode, external, internal, twoOctet } from './attributes.ts';
import { hex, toHex } from './hex.ts';
import { ip } from './world.ts';

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
});
