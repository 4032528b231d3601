/**
 * NOTIFICATION, its texts and its hard reset, and ROUTE-REFRESH: RFC 4271 §4.5, RFC 9003, RFC 8538, RFC 2918, RFC
 * 7313.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BgpError } from '../../src/bgp/error.ts';
import { HEADER_OCTETS } from '../../src/bgp/message.ts';
import { Notification } from '../../src/bgp/notification.ts';
import {
  cease,
  decodeNotification,
  describeNotification,
  encodeNotification,
  hardReset,
} from '../../src/bgp/notification-codec.ts';
import { decodeRouteRefresh, encodeRouteRefresh } from '../../src/bgp/route-refresh.ts';
import { hex, message, toHex } from './hex.ts';

const decode = (octets: Uint8Array) => decodeNotification(octets, 0, octets.length);

describe('NOTIFICATION (RFC 4271 §4.5)', () => {
  it.each(Notification.names)('%s: octets ↔ value, and its name', name => {
    const value = Notification.of(name, hex('0102'));
    const octets = encodeNotification(value);
    expect([...octets]).toEqual([value.code, value.subcode, 1, 2]);
    expect(decode(octets)).toEqual(value);
    expect(Notification.nameOf(value)).toBe(name);
  });

  it('no two errors share their numbers', () => {
    const numbers = Notification.names.map(name => toHex(encodeNotification(Notification.of(name))));
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  it.each([
    ['06 02', 'cease: administrative shutdown'],
    ['06 63', 'cease: subcode 99'],
    ['04 00', 'hold timer expired'],
    ['06 00', 'cease'],
    ['4d 01', 'code 77, subcode 1'],
  ])('%s in words', (octets, words) => {
    expect(Notification.format(decode(hex(octets)))).toBe(words);
  });

  it('one octet of data is written (RFC 6608 §4)', () => {
    expect(toHex(encodeNotification(Notification.of('unexpected message in OpenSent', hex('02'))))).toBe('050102');
  });
});

describe('shutdown communication (RFC 8203, RFC 9003)', () => {
  it('text ↔ octets', () => {
    const value = cease('administrative shutdown', 'Müller was here');
    expect(toHex(encodeNotification(value))).toBe('0602104dc3bc6c6c657220776173206865 7265'.replace(' ', ''));
    expect(describeNotification(value)).toBe('cease: administrative shutdown "Müller was here"');
  });

  it('255 octets at most, cut between characters', () => {
    const value = cease('administrative reset', 'ä'.repeat(200));
    expect(value.data).toHaveLength(255);
    expect(describeNotification(value)).toBe(`cease: administrative reset "${'ä'.repeat(127)}"`);
  });

  it.each([
    ['without data', '06 02'],
    ['with length 0', '06 02 00'],
    ['longer than the message', '06 02 05 6162'],
    ['not UTF-8', '06 02 02 c328'],
    ['of another Cease', '06 05 02 6162'],
  ])('no text: %s', (_title, octets) => {
    const value = decode(hex(octets));
    expect(describeNotification(value)).toBe(Notification.format(value));
  });

  it('control characters do not reach a terminal', () => {
    expect(describeNotification(decode(hex('06 02 05 61 1b 5b 0a 62')))).toBe('cease: administrative shutdown "a [ b"');
  });
});

describe('hard reset (RFC 8538 §3.1)', () => {
  it('carries its reason', () => {
    const value = hardReset(cease('administrative shutdown', 'bye'));
    expect(toHex(encodeNotification(value))).toBe('0609060203627965');
    expect(describeNotification(value)).toBe('cease: hard reset (cease: administrative shutdown "bye")');
  });

  it('without a reason it is still one', () => {
    expect(describeNotification(decode(hex('06 09')))).toBe('cease: hard reset');
    expect(Notification.is(decode(hex('06 09')), 'hard reset')).toBe(true);
  });

  it('property: nothing a peer can put in makes describing it throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 2, maxLength: 80 }), octets => {
        expect(typeof describeNotification(decode(octets))).toBe('string');
      }),
    );
  });
});

describe('ROUTE-REFRESH (RFC 2918 §3, RFC 7313 §3.2)', () => {
  it.each([
    ['request', '0001 00 01', { afi: 1, safi: 1, subtype: 0 }],
    ['BoRR', '0002 01 01', { afi: 2, safi: 1, subtype: 1 }],
    ['EoRR', '0002 02 01', { afi: 2, safi: 1, subtype: 2 }],
  ])('%s: octets ↔ value', (_title, body, value) => {
    const octets = message(5, body);
    expect(toHex(encodeRouteRefresh(value))).toBe(toHex(octets));
    expect(decodeRouteRefresh(octets, HEADER_OCTETS, octets.length)).toEqual(value);
  });

  it('ORF entries behind a request are ignored (RFC 5291 was not agreed on)', () => {
    const octets = message(5, '0001 00 01 01 40 0000');
    expect(decodeRouteRefresh(octets, HEADER_OCTETS, octets.length)).toEqual({ afi: 1, safi: 1, subtype: 0 });
  });

  it('BoRR of another length is refused with the whole message (RFC 7313 §5)', () => {
    const octets = message(5, '0001 01 01 00');
    try {
      decodeRouteRefresh(octets, HEADER_OCTETS, octets.length);
      expect.unreachable();
    } catch (error) {
      expect((error as BgpError).notification).toEqual(Notification.of('invalid message length', octets));
    }
  });
});
