/** fast-check arbitraries for addresses, prefixes and ranges: many zeros, many neighbours, all ends of the space. */
import fc from 'fast-check';
import { type Family, familyBits, familyMax, type IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';
import type { Range } from '../../src/net/range.ts';

export const anyFamily: fc.Arbitrary<Family> = fc.constantFrom('ipv4', 'ipv6');

/** Any value of the family; one in three is sparse (single bits), close to the ends, or IPv4-mapped. */
export function anyValue(family: Family): fc.Arbitrary<bigint> {
  const max = familyMax[family];
  const near = fc.bigInt(0n, 16n);
  const bit = fc.integer({ min: 0, max: familyBits[family] - 1 }).map(at => 1n << BigInt(at));
  return fc.oneof(
    { weight: 4, arbitrary: fc.bigInt(0n, max) },
    near,
    near.map(value => max - value),
    fc.tuple(bit, bit).map(([a, b]) => a | b),
    fc.bigInt(0n, familyMax.ipv4).map(value => (family === 'ipv4' ? value : (0xffffn << 32n) | value)),
  );
}

export const anyAddress: fc.Arbitrary<IpAddress> = anyFamily.chain(addressOf);

export function addressOf(family: Family): fc.Arbitrary<IpAddress> {
  return anyValue(family).map(value => ({ family, value }));
}

export function prefixOf(family: Family): fc.Arbitrary<Prefix> {
  const length = fc.integer({ min: 0, max: familyBits[family] });
  return fc.tuple(addressOf(family), length).map(([address, bits]) => Prefix.of(address, bits));
}

export const anyPrefix: fc.Arbitrary<Prefix> = anyFamily.chain(prefixOf);

/** Prefixes drawn from a space so small that they meet, cover and repeat one another. */
export const crowdedPrefix: fc.Arbitrary<Prefix> = fc
  .tuple(anyFamily, fc.bigInt(0n, 31n), fc.integer({ min: 0, max: 9 }), fc.boolean())
  .map(([family, value, length, high]) => {
    const bits = familyBits[family];
    // Either the first bits of the address vary or the last ones: short prefixes, or long ones with much in common.
    return high
      ? Prefix.of({ family, value: value << BigInt(bits - 5) }, Math.min(length, 6))
      : Prefix.of({ family, value }, bits - length);
  });

export const anyRange: fc.Arbitrary<Range> = anyFamily.chain(rangeOf);

export function rangeOf(family: Family): fc.Arbitrary<Range> {
  return fc.tuple(addressOf(family), addressOf(family)).map(([a, b]) => {
    return a.value <= b.value ? { first: a, last: b } : { first: b, last: a };
  });
}
