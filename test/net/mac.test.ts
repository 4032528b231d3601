/** Mac: text, octets, group addresses. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ShortReadError } from '../../src/net/bytes.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Mac } from '../../src/net/mac.ts';

const anyMac = fc.integer({ min: 0, max: 2 ** 48 - 1 }).map((value): Mac => ({ value }));

describe('text', () => {
  it('is the identity, through colons and dashes in either case', () => {
    fc.assert(
      fc.property(anyMac, mac => {
        const text = Mac.format(mac);
        expect(text).toMatch(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);
        expect(Mac.parse(text)).toEqual(mac);
        expect(Mac.parse(text.toUpperCase().replaceAll(':', '-'))).toEqual(mac);
      }),
    );
  });

  it.each([
    '',
    '00:00:5e:00:53',
    '00:00:5e:00:53:00:01',
    '0:0:5e:0:53:0',
    '00:00-5e:00:53:00',
    '00005e005300',
    '0000.5e00.5300',
    '00:00:5e:00:53:0g',
    ' 00:00:5e:00:53:00',
    '00:00:5e:00:53:00\n',
  ])('refuses %j', text => expect(Mac.parse(text)).toBeUndefined());
});

describe('octets', () => {
  it('round trip, at any offset', () => {
    fc.assert(
      fc.property(anyMac, fc.nat(4), (mac, offset) => {
        const within = new Uint8Array(offset + 8);
        within.set(Mac.toBytes(mac), offset);
        expect(Mac.fromBytes(within, offset)).toEqual(mac);
      }),
    );
    expect([...Mac.toBytes({ value: 0x0102_0304_0506 })]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('are never taken from behind the end of a part of a buffer', () => {
    expect(() => Mac.fromBytes(new Uint8Array(14).subarray(0, 5))).toThrow(ShortReadError);
  });
});

describe('group addresses', () => {
  it.each([
    ['RFC 1112 §6.4', '224.0.0.1', '01:00:5e:00:00:01'],
    ['RFC 1112 §6.4: the 24th bit is lost', '239.129.2.3', '01:00:5e:01:02:03'],
    ['RFC 2464 §7: all nodes', 'ff02::1', '33:33:00:00:00:01'],
    ['RFC 2464 §7: solicited node', 'ff02::1:ff28:9c5a', '33:33:ff:28:9c:5a'],
  ])('%s: %s → %s', (_why, group, mac) => {
    const address = IpAddress.parse(group);
    const made = address && Mac.ofMulticast(address);
    expect(made && Mac.format(made)).toBe(mac);
    expect(made && Mac.isMulticast(made)).toBe(true);
  });

  it.each([
    ['ff:ff:ff:ff:ff:ff', true],
    ['01:00:00:00:00:00', true],
    ['02:00:00:00:00:01', false],
    ['fe:ff:ff:ff:ff:ff', false],
  ])('isMulticast(%s) is %s', (text, group) => {
    const mac = Mac.parse(text);
    expect(mac && Mac.isMulticast(mac)).toBe(group);
  });

  it('knows broadcast', () => {
    expect(Mac.format(Mac.broadcast)).toBe('ff:ff:ff:ff:ff:ff');
    expect(Mac.equals(Mac.broadcast, { value: 0xffff_ffff_ffff })).toBe(true);
  });
});
