/** Reader and Writer: round trip; a read that lacks octets moves nothing; a write that does not fit throws. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Reader, ShortReadError, Writer } from '../../src/net/bytes.ts';

/** One field: how it is written, how it is read back, and how many octets it takes. */
interface Field {
  readonly octets: number;
  readonly value: number | bigint | readonly number[];
  write(writer: Writer): void;
  read(reader: Reader): number | bigint | readonly number[];
}

const number = (octets: number, name: 'u8' | 'u16' | 'u24' | 'u32') =>
  fc.integer({ min: 0, max: 2 ** (8 * octets) - 1 }).map(
    (value): Field => ({
      octets,
      value,
      write: writer => void writer[name](value),
      read: reader => reader[name](),
    }),
  );

const anyField: fc.Arbitrary<Field> = fc.oneof(
  number(1, 'u8'),
  number(2, 'u16'),
  number(3, 'u24'),
  number(4, 'u32'),
  fc
    .bigInt(0n, 2n ** 64n - 1n)
    .map(
      (value): Field => ({ octets: 8, value, write: writer => void writer.u64(value), read: reader => reader.u64() }),
    ),
  fc.uint8Array({ maxLength: 40 }).map(
    (bytes): Field => ({
      octets: bytes.length,
      value: [...bytes],
      write: writer => void writer.put(bytes),
      read: reader => [...reader.take(bytes.length)],
    }),
  ),
);

function written(fields: readonly Field[]): Uint8Array {
  const writer = new Writer(1);
  for (const field of fields) field.write(writer);
  return writer.finish();
}

describe('round trip', () => {
  it('gives every field back, from the middle of a larger buffer too', () => {
    fc.assert(
      fc.property(fc.array(anyField), fc.nat(7), (fields, offset) => {
        const bytes = written(fields);
        const within = new Uint8Array(offset + bytes.length + 9).fill(0xee);
        within.set(bytes, offset);
        const reader = new Reader(within.subarray(offset), 0, bytes.length);
        for (const field of fields) expect(field.read(reader)).toEqual(field.value);
        expect(reader.remaining).toBe(0);
      }),
    );
  });

  it('is in network order', () => {
    const bytes = new Writer().u8(1).u16(0x0203).u24(0x04_0506).u32(0x0708_090a).u64(0x0b0c_0d0e_0f10_1112n).finish();
    expect([...bytes]).toEqual(Array.from({ length: 18 }, (_, i) => i + 1));
  });
});

describe('short reads', () => {
  it('throw ShortReadError and move nothing, wherever the octets stop', () => {
    fc.assert(
      fc.property(fc.array(anyField, { minLength: 1 }), fc.nat(), (fields, cut) => {
        const bytes = written(fields);
        fc.pre(bytes.length > 0);
        const end = cut % bytes.length;
        const reader = new Reader(bytes, 0, end);
        for (const field of fields) {
          const at = reader.at;
          if (field.octets <= reader.remaining) {
            field.read(reader);
            continue;
          }
          expect(() => field.read(reader)).toThrow(ShortReadError);
          expect(reader.at).toBe(at);
          return;
        }
        expect.unreachable('some field lacks octets');
      }),
    );
  });

  it.each([
    ['take', (reader: Reader, length: number) => reader.take(length)],
    ['sub', (reader: Reader, length: number) => reader.sub(length)],
    ['skip', (reader: Reader, length: number) => reader.skip(length)],
  ])('%s refuses what is not there, and lengths below zero', (_name, read) => {
    const reader = new Reader(new Uint8Array(8), 2, 6);
    for (const length of [5, 1000, -1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => read(reader, length)).toThrow(ShortReadError);
    expect(reader.remaining).toBe(4);
  });
});

describe('Reader', () => {
  it('sub reads its part only, and the outer one goes on behind it', () => {
    const reader = new Reader(Uint8Array.of(1, 2, 3, 4, 5));
    reader.skip(1);
    const part = reader.sub(2);
    expect(reader.u8()).toBe(4);
    expect([...part.rest()]).toEqual([2, 3]);
    expect(() => part.u8()).toThrow(ShortReadError);
    expect([...reader.rest()]).toEqual([5]);
    expect([...reader.rest()]).toEqual([]);
  });

  it('hands out views, not copies', () => {
    const bytes = Uint8Array.of(1, 2, 3);
    const view = new Reader(bytes).take(2);
    bytes[1] = 9;
    expect([...view]).toEqual([1, 9]);
  });

  it.each([
    [-1, 4],
    [0, 5],
    [3, 2],
    [5, 5],
    [Number.NaN, 4],
  ])('from %s to %s of four octets is our mistake', (at, end) => {
    expect(() => new Reader(new Uint8Array(4), at, end)).toThrow(RangeError);
  });
});

describe('Writer', () => {
  it.each([
    ['u8', (writer: Writer, value: number) => writer.u8(value), 8],
    ['u16', (writer: Writer, value: number) => writer.u16(value), 16],
    ['u24', (writer: Writer, value: number) => writer.u24(value), 24],
    ['u32', (writer: Writer, value: number) => writer.u32(value), 32],
    ['u64', (writer: Writer, value: number) => writer.u64(BigInt(Math.floor(value))), 64],
    ['patchU8', (writer: Writer, value: number) => writer.patchU8(0, value), 8],
    ['patchU16', (writer: Writer, value: number) => writer.patchU16(0, value), 16],
  ] as const)('%s throws for what does not fit, and writes nothing', (_name, write, bits) => {
    const writer = new Writer(2).u16(0);
    for (const value of [-1, 2 ** bits]) expect(() => write(writer, value)).toThrow(RangeError);
    if (bits < 64) for (const value of [0.5, Number.NaN]) expect(() => write(writer, value)).toThrow(RangeError);
    expect([...writer.finish()]).toEqual([0, 0]);
  });

  it('patches what has been written, and nothing else', () => {
    const writer = new Writer().u8(0).u16(0).u8(7);
    writer.patchU16(1, 0x1234).patchU8(0, writer.length);
    expect([...writer.finish()]).toEqual([4, 0x12, 0x34, 7]);
    for (const at of [3, 4, -1]) expect(() => writer.patchU16(at, 0)).toThrow(RangeError);
    for (const at of [4, -1]) expect(() => writer.patchU8(at, 0)).toThrow(RangeError);
  });

  it('finish is a copy that stays as it is', () => {
    const writer = new Writer(0).u8(1);
    const first = writer.finish();
    writer.patchU8(0, 2).u8(3);
    expect([...first]).toEqual([1]);
    expect([...writer.finish()]).toEqual([2, 3]);
  });
});
