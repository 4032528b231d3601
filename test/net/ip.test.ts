/** IpAddress: the grammar of inet_pton(3), the canonical text of RFC 5952, octets, and the special ranges. */
import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ShortReadError } from '../../src/net/bytes.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { addressOf, anyAddress } from '../support/net-arbitrary.ts';

/** Text, and what it is in canonical form. */
const accepted: readonly (readonly [why: string, text: string, canonical: string])[] = [
  ['dotted quad', '192.0.2.1', '192.0.2.1'],
  ['lowest IPv4', '0.0.0.0', '0.0.0.0'],
  ['highest IPv4', '255.255.255.255', '255.255.255.255'],
  ['RFC 4291 §2.2.1: full form', 'ABCD:EF01:2345:6789:ABCD:EF01:2345:6789', 'abcd:ef01:2345:6789:abcd:ef01:2345:6789'],
  ['RFC 4291 §2.2.1: short groups', '2001:DB8:0:0:8:800:200C:417A', '2001:db8::8:800:200c:417a'],
  ['RFC 4291 §2.2.2: multicast', 'FF01:0:0:0:0:0:0:101', 'ff01::101'],
  ['RFC 4291 §2.2.2: loopback', '0:0:0:0:0:0:0:1', '::1'],
  ['RFC 4291 §2.2.2: unspecified', '0:0:0:0:0:0:0:0', '::'],
  ['RFC 4291 §2.2.2: nothing before ::', '::1', '::1'],
  ['RFC 4291 §2.2.2: nothing after ::', '2001:db8::', '2001:db8::'],
  ['RFC 4291 §2.2.3: IPv4-compatible', '0:0:0:0:0:0:13.1.68.3', '::d01:4403'],
  ['RFC 4291 §2.2.3: IPv4-mapped', '0:0:0:0:0:FFFF:129.144.52.38', '::ffff:129.144.52.38'],
  ['RFC 4291 §2.2.3: IPv4-mapped, compressed', '::FFFF:129.144.52.38', '::ffff:129.144.52.38'],
  ['RFC 4291 §2.2.3: dots after any six groups', '1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
  [
    'RFC 5952 §2.2: :: for a single group is read',
    '2001:db8:aaaa:bbbb:cccc:dddd::1',
    '2001:db8:aaaa:bbbb:cccc:dddd:0:1',
  ],
  ['RFC 5952 §4.1: leading zeros', '2001:0db8::0001', '2001:db8::1'],
  ['RFC 5952 §4.2.1: as short as possible', '2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
  ['RFC 5952 §4.2.1: as short as possible, group', '2001:db8::0:1', '2001:db8::1'],
  ['RFC 5952 §4.2.2: one zero group stays', '2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['RFC 5952 §4.2.3: the longest run', '2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
  ['RFC 5952 §4.2.3: the first of equal runs', '2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['RFC 5952 §4.3: lower case', '2001:DB8::AAAA', '2001:db8::aaaa'],
  ['RFC 5952 §5: mapped with dots', '::ffff:c000:0201', '::ffff:192.0.2.1'],
  ['RFC 5952 §5: the mapped zero', '::ffff:0:0', '::ffff:0.0.0.0'],
  ['one group away from mapped', '::fffe:c000:201', '::fffe:c000:201'],
  [
    'the longest text there is',
    'ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255',
    'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  ],
];

/** Text that inet_pton(3) refuses. */
const refused: readonly (readonly [why: string, text: string])[] = [
  ['nothing', ''],
  ['a name', 'localhost'],
  ['leading zero', '192.0.2.01'],
  ['leading zeros', '010.0.0.1'],
  ['two zeros', '00.0.0.0'],
  ['octal', '0300.0.2.1'],
  ['hexadecimal', '0xc0.0.2.1'],
  ['one number', '3221225985'],
  ['hexadecimal number', '0xc0000201'],
  ['short form, two parts', '10.1'],
  ['short form, three parts', '10.1.1'],
  ['five parts', '10.1.1.1.1'],
  ['an empty part', '10..1.1'],
  ['a dot at the end', '10.1.1.1.'],
  ['a dot at the start', '.10.1.1.1'],
  ['256', '10.1.1.256'],
  ['four digits', '10.1.1.1000'],
  ['a sign', '+10.1.1.1'],
  ['minus', '10.1.1.-1'],
  ['a blank before', ' 10.1.1.1'],
  ['a blank behind', '10.1.1.1 '],
  ['a line break behind', '10.1.1.1\n'],
  ['a NUL behind', '10.1.1.1\0'],
  ['digits of another script', '١٠.1.1.1'],
  ['fullwidth digits', '１０.1.1.1'],
  ['an exponent', '1e1.1.1.1'],
  ['a prefix length', '10.1.1.1/32'],
  ['a port', '10.1.1.1:179'],
  ['IPv4 with a zone', '10.1.1.1%eth0'],
  ['one colon', ':'],
  ['three colons', ':::'],
  ['four colons', '::::'],
  ['two ::', '1::2::3'],
  ['a colon at the start', ':1:2:3:4:5:6:7'],
  ['a colon at the end', '1:2:3:4:5:6:7:'],
  ['a colon at the end after ::', '1::2:'],
  ['a colon at the start before ::', ':1::2'],
  ['seven groups', '1:2:3:4:5:6:7'],
  ['nine groups', '1:2:3:4:5:6:7:8:9'],
  ['eight groups and ::', '1:2:3:4::5:6:7:8'],
  ['eight groups behind ::', '::1:2:3:4:5:6:7:8'],
  ['five digits', '2001:db8::12345'],
  ['five digits with a leading zero', '2001:db8::01234'],
  ['no hexadecimal digit', '2001:db8::g'],
  ['0x in a group', '::0x1'],
  ['brackets', '[::1]'],
  ['a zone that nobody asked for', 'fe80::1%eth0'],
  ['a prefix length', '::1/128'],
  ['a blank inside', '2001: db8::1'],
  ['RFC 4291 §2.2.3: dots not at the end', '::ffff:1.2.3.4:5'],
  ['dots at the start', '1.2.3.4::'],
  ['dots before ::', '::ffff:1.2.3.4::'],
  ['dots twice', '::1.2.3.4:1.2.3.4'],
  ['dots after seven groups', '1:2:3:4:5:6:7:1.2.3.4'],
  ['dots after five groups', '1:2:3:4:5:1.2.3.4'],
  ['leading zero in the dots', '::ffff:1.2.3.04'],
  ['short dots', '::ffff:1.2.3'],
  ['256 in the dots', '::ffff:1.2.3.256'],
];

describe('parse and format', () => {
  it.each(accepted)('%s: %s is %s', (_why, text, canonical) => {
    const address = IpAddress.parse(text);
    expect(address && IpAddress.format(address)).toBe(canonical);
    expect(isIP(text)).not.toBe(0);
  });

  it.each(refused)('refuses %s: %j', (_why, text) => {
    expect(IpAddress.parse(text)).toBeUndefined();
    // Node's own check takes a zone id, which inet_pton(3) does not.
    if (!text.includes('%')) expect(isIP(text)).toBe(0);
  });

  it('is the identity, through canonical text', () => {
    fc.assert(
      fc.property(anyAddress, address => {
        const text = IpAddress.format(address);
        expect(IpAddress.parse(text)).toEqual(address);
        expect(isIP(text)).toBe(address.family === 'ipv4' ? 4 : 6);
      }),
      { numRuns: 2000 },
    );
  });

  it('writes what the WHATWG URL parser writes, but for mapped addresses (RFC 5952 §5)', () => {
    fc.assert(
      fc.property(addressOf('ipv6'), address => {
        fc.pre(address.value >> 32n !== 0xffffn);
        expect(`[${IpAddress.format(address)}]`).toBe(new URL(`http://[${IpAddress.format(address)}]`).hostname);
      }),
    );
  });

  it('agrees with the system about text made of the right characters', () => {
    const soup = fc.string({ unit: fc.constantFrom(...'0019aF:.::'), maxLength: 24 });
    const quads = fc.array(fc.constantFrom('0', '00', '1', '09', '10', '255', '256', ''), {
      minLength: 3,
      maxLength: 5,
    });
    const groups = fc.array(fc.constantFrom('0', '1', 'ffff', '0000', '12345', '', '1.2.3.4'), { maxLength: 10 });
    const text = fc.oneof(
      soup,
      quads.map(each => each.join('.')),
      groups.map(each => each.join(':')),
    );
    fc.assert(
      fc.property(text, each => {
        const family = IpAddress.parse(each)?.family;
        expect(family === undefined ? 0 : family === 'ipv4' ? 4 : 6).toBe(isIP(each));
      }),
      { numRuns: 5000 },
    );
  });
});

describe('RFC 4007 §11: zone ids, where they are asked for', () => {
  it.each([
    ['fe80::1%eth0', 'fe80::1', 'eth0'],
    ['fe80::1%2', 'fe80::1', '2'],
    ['fe80::1', 'fe80::1', undefined],
    ['10.0.0.1', '10.0.0.1', undefined],
  ])('%s', (text, address, zone) => {
    expect(IpAddress.parseZoned(text)).toEqual({ address: IpAddress.parse(address), zone });
  });

  it.each([
    'fe80::1%',
    'fe80::1%a%b',
    'fe80::1%a b',
    'fe80::1%eth0/64',
    '%eth0',
    '10.0.0.1%eth0',
    'fe80::%1::2',
    'fe80::1%a-name-over-fifteen',
  ])('refuses %s', text => expect(IpAddress.parseZoned(text)).toBeUndefined());
});

describe('octets', () => {
  it('round trip, at any offset', () => {
    fc.assert(
      fc.property(anyAddress, fc.nat(5), (address, offset) => {
        const bytes = IpAddress.toBytes(address);
        expect(bytes).toHaveLength(address.family === 'ipv4' ? 4 : 16);
        const within = new Uint8Array(offset + bytes.length + 3);
        within.set(bytes, offset);
        expect(IpAddress.fromBytes(address.family, within, offset)).toEqual(address);
      }),
    );
  });

  it('are in network order', () => {
    const address = IpAddress.fromBytes(
      'ipv6',
      Uint8Array.from({ length: 16 }, (_, i) => i),
    );
    expect(IpAddress.format(address)).toBe('1:203:405:607:809:a0b:c0d:e0f');
    expect(IpAddress.format(IpAddress.fromBytes('ipv4', Uint8Array.of(192, 0, 2, 1)))).toBe('192.0.2.1');
  });

  it('are never taken from behind the end of a part of a buffer', () => {
    const part = new Uint8Array(32).subarray(0, 15);
    expect(() => IpAddress.fromBytes('ipv6', part)).toThrow(ShortReadError);
    expect(() => IpAddress.fromBytes('ipv4', part, 12)).toThrow(ShortReadError);
    expect(() => IpAddress.fromBytes('ipv4', part.subarray(4), -4)).toThrow(ShortReadError);
    expect(IpAddress.fromBytes('ipv4', part, 11).value).toBe(0n);
  });
});

describe('values', () => {
  it.each([
    ['ipv4', -1n],
    ['ipv4', 2n ** 32n],
    ['ipv6', -1n],
    ['ipv6', 2n ** 128n],
  ] as const)('of(%s, %s) throws', (family, value) => {
    expect(() => IpAddress.of(family, value)).toThrow(RangeError);
  });

  it('sort by family, then by value', () => {
    fc.assert(
      fc.property(anyAddress, anyAddress, (a, b) => {
        const order = Math.sign(IpAddress.compare(a, b));
        expect(order).toBe(-Math.sign(IpAddress.compare(b, a)) + 0);
        expect(order === 0).toBe(IpAddress.equals(a, b));
        if (a.family === b.family) expect(order).toBe(Number(a.value > b.value) - Number(a.value < b.value));
        else expect(order).toBe(a.family === 'ipv4' ? -1 : 1);
      }),
    );
  });

  it('RFC 4291 §2.5.5.2: mapped and unmapped undo each other', () => {
    fc.assert(
      fc.property(addressOf('ipv4'), address => {
        expect(IpAddress.unmapped(IpAddress.mapped(address))).toEqual(address);
        expect(IpAddress.format(IpAddress.mapped(address))).toBe(`::ffff:${IpAddress.format(address)}`);
      }),
    );
    for (const text of ['10.0.0.1', '::1', '::10.0.0.1', '1::ffff:10.0.0.1']) {
      const address = IpAddress.parse(text);
      expect(address && IpAddress.unmapped(address)).toEqual(address);
    }
  });

  it.each([
    ['isUnspecified', ['0.0.0.0', '::'], ['0.0.0.1', '::1', '::ffff:0.0.0.0']],
    ['isLoopback', ['127.0.0.1', '127.255.255.255', '::1'], ['126.255.255.255', '128.0.0.0', '::', '::2']],
    ['isMulticast', ['224.0.0.0', '239.255.255.255', 'ff02::1'], ['223.255.255.255', '240.0.0.0', 'fe80::1']],
    ['isLinkLocal', ['169.254.0.0', '169.254.255.255', 'fe80::', 'febf::1'], ['169.253.255.255', 'fec0::', 'fe7f::1']],
  ] as const)('%s', (name, yes, no) => {
    const holds = (text: string) => {
      const address = IpAddress.parse(text);
      return address && IpAddress[name](address);
    };
    expect(yes.map(holds)).toEqual(yes.map(() => true));
    expect(no.map(holds)).toEqual(no.map(() => false));
  });
});
