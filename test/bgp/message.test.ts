/** Framing and header errors: RFC 4271 §4.1 and §6.1, RFC 8654 §4. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BgpError } from '../../src/bgp/error.ts';
import { encodeMessage, Framer, type MessageName } from '../../src/bgp/message.ts';
import { Notification } from '../../src/bgp/notification.ts';
import { hex, message, toHex } from './hex.ts';

const marker = 'ff'.repeat(16);

/** What a framer makes of octets that arrive in these pieces. */
function frames(pieces: readonly Uint8Array[], lengthMax?: number): { name: MessageName; body: string }[] {
  const framer = new Framer();
  if (lengthMax !== undefined) framer.lengthMax = lengthMax;
  const out: { name: MessageName; body: string }[] = [];
  for (const piece of pieces)
    framer.feed(piece, (name, bytes, at, end) => {
      out.push({ name, body: toHex(bytes.subarray(at, end)) });
      return true;
    });
  return out;
}

function refusal(bytes: Uint8Array, lengthMax?: number): Notification {
  try {
    frames([bytes], lengthMax);
  } catch (error) {
    if (error instanceof BgpError) return error.notification;
    throw error;
  }
  throw new Error('not refused');
}

const vectors: readonly (readonly [MessageName, string, number, string])[] = [
  ['keepalive', `${marker} 0013 04`, 4, ''],
  ['open', `${marker} 001d 01 04 fde9 005a 0a000001 00`, 1, '04fde9005a0a00000100'],
  ['update', `${marker} 0017 02 0000 0000`, 2, '00000000'],
  ['notification', `${marker} 0015 03 06 02`, 3, '0602'],
  ['routeRefresh', `${marker} 0017 05 0001 00 01`, 5, '00010001'],
];

describe('messages (RFC 4271 §4)', () => {
  it.each(vectors)('%s: octets ↔ message', (name, octets, _type, body) => {
    expect(toHex(encodeMessage(name, hex(body)))).toBe(toHex(hex(octets)));
    expect(frames([hex(octets)])).toEqual([{ name, body }]);
  });

  it.each(vectors)('%s: octet by octet', (name, octets, _type, body) => {
    expect(frames([...hex(octets)].map(octet => Uint8Array.of(octet)))).toEqual([{ name, body }]);
  });

  it.each(vectors)('%s: with the next message behind it', (name, octets, _type, body) => {
    const both = hex(octets + vectors[0]?.[1]);
    expect(frames([both])).toEqual([
      { name, body },
      { name: 'keepalive', body: '' },
    ]);
  });

  it('property: how octets are cut into pieces does not matter', () => {
    const anyVector = fc.constantFrom(...vectors);
    fc.assert(
      fc.property(fc.array(anyVector, { maxLength: 6 }), fc.array(fc.nat(60), { maxLength: 20 }), (chosen, cuts) => {
        const whole = hex(chosen.map(([, octets]) => octets).join(''));
        const pieces: Uint8Array[] = [];
        let at = 0;
        for (const cut of cuts) {
          pieces.push(whole.subarray(at, at + cut));
          at += cut;
        }
        pieces.push(whole.subarray(at));
        expect(frames(pieces)).toEqual(chosen.map(([name, , , body]) => ({ name, body })));
      }),
    );
  });

  it('stops reading as soon as it is told to', () => {
    const framer = new Framer();
    let seen = 0;
    const three = hex(`${marker} 0013 04`.repeat(3));
    framer.feed(three, () => ++seen < 2);
    expect(seen).toBe(2);
  });

  it('holds no more than one unfinished message', () => {
    const framer = new Framer();
    framer.feed(hex(`${marker} 0013 04 ${marker} 0fff 02 00`), () => true);
    expect(framer.heldLength).toBe(20);
  });
});

describe('message header errors (RFC 4271 §6.1)', () => {
  const table: readonly (readonly [string, string, Notification])[] = [
    ['a marker that is not all ones', `${'ff'.repeat(15)}00 0013 04`, Notification.of('connection not synchronized')],
    ['length 18', `${marker} 0012 04`, Notification.of('bad message length', hex('0012'))],
    ['length 4097', `${marker} 1001 02`, Notification.of('bad message length', hex('1001'))],
    ['KEEPALIVE of 20', `${marker} 0014 04 00`, Notification.of('bad message length', hex('0014'))],
    ['OPEN of 28', `${marker} 001c 01`, Notification.of('bad message length', hex('001c'))],
    ['UPDATE of 22', `${marker} 0016 02`, Notification.of('bad message length', hex('0016'))],
    ['NOTIFICATION of 20', `${marker} 0014 03`, Notification.of('bad message length', hex('0014'))],
    ['ROUTE-REFRESH of 22', `${marker} 0016 05`, Notification.of('bad message length', hex('0016'))],
    ['type 0', `${marker} 0013 00`, Notification.of('bad message type', hex('00'))],
    ['type 6', `${marker} 0013 06`, Notification.of('bad message type', hex('06'))],
  ];
  it.each(table)('%s', (_title, octets, expected) => {
    expect(refusal(hex(octets))).toEqual(expected);
  });

  it('extended messages: longer UPDATEs are taken once agreed on, OPEN never (RFC 8654 §4)', () => {
    const long = '00'.repeat(5000);
    expect(frames([message(2, long)], 65_535)).toEqual([{ name: 'update', body: long }]);
    expect(refusal(message(2, long))).toEqual(Notification.of('bad message length', hex('139b')));
    expect(refusal(message(1, long), 65_535)).toEqual(Notification.of('bad message length', hex('139b')));
  });
});
