/** OPEN and capabilities both ways, and the OPENs of four daemons: RFC 4271 §4.2 and §6.2, RFC 5492, RFC 9072. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Capability, decodeCapability, encodeCapability } from '../../src/bgp/capability.ts';
import { BgpError } from '../../src/bgp/error.ts';
import { HEADER_OCTETS } from '../../src/bgp/message.ts';
import { Notification } from '../../src/bgp/notification.ts';
import { decodeOpen, encodeOpen, type Open } from '../../src/bgp/open.ts';
import { Reader, ShortReadError, Writer } from '../../src/net/bytes.ts';
import { hex, message, toHex } from './hex.ts';

function decode(octets: Uint8Array): Open {
  return decodeOpen(octets, HEADER_OCTETS, octets.length);
}

function refusal(octets: Uint8Array): Notification {
  try {
    decode(octets);
  } catch (error) {
    if (error instanceof BgpError) return error.notification;
    throw error;
  }
  throw new Error('not refused');
}

const capabilities: readonly (readonly [title: string, octets: string, value: Capability])[] = [
  ['multiprotocol IPv4 (RFC 4760 §8)', '01 04 0001 00 01', { kind: 'multiprotocol', afi: 1, safi: 1 }],
  ['multiprotocol IPv6', '01 04 0002 00 01', { kind: 'multiprotocol', afi: 2, safi: 1 }],
  ['multiprotocol of a family nobody here carries', '01 04 0019 00 46', { kind: 'multiprotocol', afi: 25, safi: 70 }],
  ['route refresh (RFC 2918 §2)', '02 00', { kind: 'route refresh' }],
  [
    'extended next hop (RFC 8950 §4)',
    '05 06 0001 0001 0002',
    { kind: 'extended next hop', entries: [{ afi: 1, safi: 1, nextHopAfi: 2 }] },
  ],
  ['extended message (RFC 8654 §3)', '06 00', { kind: 'extended message' }],
  ['role customer (RFC 9234 §4.1)', '09 01 03', { kind: 'role', role: 3 }],
  [
    'graceful restart with R, N and one family kept (RFC 4724 §3, RFC 8538 §2)',
    '40 0a c078 0001 01 80 0002 01 00',
    {
      kind: 'graceful restart',
      restarting: true,
      notification: true,
      seconds: 120,
      families: [
        { afi: 1, safi: 1, forwarding: true },
        { afi: 2, safi: 1, forwarding: false },
      ],
    },
  ],
  [
    'graceful restart that only promises End-of-RIB',
    '40 02 0000',
    { kind: 'graceful restart', restarting: false, notification: false, seconds: 0, families: [] },
  ],
  ['four-octet AS (RFC 6793 §3)', '41 04 fa56ea0a', { kind: 'four-octet AS', asn: 4_200_000_010 }],
  ['enhanced refresh (RFC 7313 §3.1)', '46 00', { kind: 'enhanced refresh' }],
  ['FQDN', '49 07 02 746f 03 6f7267', { kind: 'FQDN', host: 'to', domain: 'org' }],
  ['unknown, kept as it is (RFC 5492 §3)', '77 03 010203', { kind: 'unknown', code: 0x77, value: hex('010203') }],
];

describe('capabilities (RFC 5492 §4)', () => {
  it.each(capabilities)('%s: octets ↔ value', (_title, octets, value) => {
    const reader = new Reader(hex(octets));
    expect(decodeCapability(reader)).toEqual(value);
    expect(reader.remaining).toBe(0);
    const writer = new Writer();
    encodeCapability(writer, value);
    expect(toHex(writer.finish())).toBe(toHex(hex(octets)));
  });

  it.each(capabilities)('%s: with a tail, which is left alone', (_title, octets, value) => {
    const reader = new Reader(hex(`${octets} ffff`));
    expect(decodeCapability(reader)).toEqual(value);
    expect(reader.remaining).toBe(2);
  });

  it.each(capabilities)('%s: cut off anywhere is a short read', (_title, octets) => {
    const whole = hex(octets);
    for (let end = 0; end < whole.length; end++)
      expect(() => decodeCapability(new Reader(whole, 0, end))).toThrow(ShortReadError);
  });

  it.each([
    ['multiprotocol of 5', '01 05 0001 00 01 00'],
    ['route refresh of 1', '02 01 00'],
    ['extended message of 1', '06 01 00'],
    ['role of 2', '09 02 03 00'],
    ['four-octet AS of 5', '41 05 0000fde8 00'],
    ['enhanced refresh of 1', '46 01 00'],
  ])('a known one with octets too many is malformed: %s', (_title, octets) => {
    expect(decodeCapability(new Reader(hex(octets)))).toBeUndefined();
  });
});

/** As four daemons of Debian 12 sent them. */
const captures: readonly (readonly [string, string, Partial<Open>, readonly string[]])[] = [
  [
    'FRR 8.4.4',
    '00790104fdf200b40a0000015c02060104000100010206010400020001020280000202020002024600020641040000fdf20202060002' +
      '0a450800010101000201010206490402766d00020c400ac07800010180000201800210470e0001018000000000020180000000',
    { asn16: 65010, holdSeconds: 180, routerId: 0x0a000001 },
    [
      'multiprotocol',
      'multiprotocol',
      'unknown 128',
      'route refresh',
      'enhanced refresh',
      'four-octet AS 65010',
      'extended message',
      'unknown 69',
      'FQDN',
      'graceful restart 120',
      'unknown 71',
    ],
  ],
  [
    'BIRD 2.0.12',
    '005001045ba000f00a000001330231010400010001010400020001020005060001000100020600090100400a007800010100000201004104' +
      'fa56ea0a46004700',
    { asn16: 23456, holdSeconds: 240, routerId: 0x0a000001 },
    [
      'multiprotocol',
      'multiprotocol',
      'route refresh',
      'extended next hop',
      'extended message',
      'role',
      'graceful restart 120',
      'four-octet AS 4200000010',
      'enhanced refresh',
      'unknown 71',
    ],
  ],
  [
    'GoBGP 3.10',
    '004d0104fdf2005a0a00000130022e0200490402766d0001040001000101040002000141040000fdf2400a407800010100000201000506' +
      '000100010002',
    { asn16: 65010, holdSeconds: 90, routerId: 0x0a000001 },
    [
      'route refresh',
      'FQDN',
      'multiprotocol',
      'multiprotocol',
      'four-octet AS 65010',
      'graceful restart 120',
      'extended next hop',
    ],
  ],
  [
    'OpenBGPD 7.7',
    '00390104fdf2005a0a0000011c021a01040001000101040002000102004002800041040000fdf24600',
    { asn16: 65010, holdSeconds: 90, routerId: 0x0a000001 },
    [
      'multiprotocol',
      'multiprotocol',
      'route refresh',
      'graceful restart 0',
      'four-octet AS 65010',
      'enhanced refresh',
    ],
  ],
];

function brief(capability: Capability): string {
  switch (capability.kind) {
    case 'unknown':
      return `unknown ${capability.code}`;
    case 'four-octet AS':
      return `four-octet AS ${capability.asn}`;
    case 'graceful restart':
      return `graceful restart ${capability.seconds}`;
    default:
      return capability.kind;
  }
}

describe('OPEN (RFC 4271 §4.2)', () => {
  it.each(captures)('W3: as %s sends it', (_daemon, octets, fields, names) => {
    const open = decode(hex('ff'.repeat(16) + octets));
    expect(open).toMatchObject(fields);
    expect(open.capabilities.map(brief)).toEqual(names);
  });

  it.each(captures)('what %s says is read back from our own encoding of it', (_daemon, octets) => {
    const open = decode(hex('ff'.repeat(16) + octets));
    expect(decode(encodeOpen(open))).toEqual(open);
  });

  it('W1: AS 12345, hold time 4 s', () => {
    const open: Open = { asn16: 12345, holdSeconds: 4, routerId: 0xc0000201, capabilities: [] };
    const octets = message(1, '04 3039 0004 c0000201 00');
    expect(toHex(encodeOpen(open))).toBe(toHex(octets));
    expect(decode(octets)).toEqual(open);
  });

  it('W3: an Arista with AS 65001 and one capability a parameter', () => {
    const open = decode(message(1, '04 fde9 00b4 0a000001 0e 02 02 02 00 02 08 01 04 0001 00 01 02 00'));
    expect(open.capabilities.map(each => each.kind)).toEqual(['route refresh', 'multiprotocol', 'route refresh']);
  });

  it('extended optional parameters are read (RFC 9072 §2)', () => {
    const open = decode(message(1, '04 fde9 005a 0a000001 ff ff 0009 02 0006 01 04 0001 00 01'));
    expect(open.capabilities).toEqual([{ kind: 'multiprotocol', afi: 1, safi: 1 }]);
  });

  it('extended optional parameters are written when 255 octets do not do, and only then (RFC 9072 §2)', () => {
    const many: Capability[] = Array.from({ length: 3 }, (_, i) => ({
      kind: 'unknown',
      code: 200 + i,
      value: new Uint8Array(100),
    }));
    const open: Open = { asn16: 65001, holdSeconds: 90, routerId: 1, capabilities: many };
    const octets = encodeOpen(open);
    expect(toHex(octets.subarray(28, 32))).toBe(`ffff${(306 + 3).toString(16).padStart(4, '0')}`);
    expect(decode(octets)).toEqual(open);
    const few = encodeOpen({ ...open, capabilities: many.slice(0, 2) });
    expect(few[28]).toBe(206);
    expect(decode(few).capabilities).toEqual(many.slice(0, 2));
  });

  const refused: readonly (readonly [string, string, Notification])[] = [
    ['version 3', '03 fde9 005a 0a000001 00', Notification.of('unsupported version number', hex('0004'))],
    [
      'a parameter that is not capabilities',
      '04 fde9 005a 0a000001 03 01 01 00',
      Notification.of('unsupported optional parameter'),
    ],
    ['parameters longer than the message', '04 fde9 005a 0a000001 05 02 02', Notification.of('unspecific OPEN error')],
    [
      'parameters shorter than the message',
      '04 fde9 005a 0a000001 02 02 00 00',
      Notification.of('unspecific OPEN error'),
    ],
    ['octets behind no parameters', '04 fde9 005a 0a000001 00 00', Notification.of('unspecific OPEN error')],
    [
      'a capability longer than its parameter',
      '04 fde9 005a 0a000001 04 02 02 02 05',
      Notification.of('unspecific OPEN error'),
    ],
    [
      'a four-octet AS of three',
      '04 fde9 005a 0a000001 07 02 05 41 03 000001',
      Notification.of('unspecific OPEN error'),
    ],
    ['an extended length cut off', '04 fde9 005a 0a000001 ff ff 00', Notification.of('unspecific OPEN error')],
  ];
  it.each(refused)('refused: %s (RFC 4271 §6.2)', (_title, body, expected) => {
    expect(refusal(message(1, body))).toEqual(expected);
  });

  const octet = fc.nat(255);
  const anyCapability: fc.Arbitrary<Capability> = fc.oneof(
    fc.constantFrom(...capabilities.map(([, , value]) => value)),
    fc.record({
      kind: fc.constant('unknown' as const),
      code: fc.integer({ min: 128, max: 255 }),
      value: fc.uint8Array({ maxLength: 80 }),
    }),
    fc.record({ kind: fc.constant('role' as const), role: octet }),
  );
  const anyOpen: fc.Arbitrary<Open> = fc.record({
    asn16: fc.nat(65535),
    holdSeconds: fc.nat(65535),
    routerId: fc.nat(0xffff_ffff),
    capabilities: fc.array(anyCapability, { maxLength: 12 }),
  });

  it('property: decode(encode(open)) is open', () => {
    fc.assert(
      fc.property(anyOpen, open => {
        expect(decode(encodeOpen(open))).toEqual(open);
      }),
    );
  });
});
