/** Prefix sets answer what a scan over all ranges would. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PrefixSet, type RangeOfPrefixes } from '../../src/control/prefix-set.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';
import { Range } from '../../src/net/range.ts';

function hosts(first: string, last: string): RangeOfPrefixes {
  const [from, to] = [IpAddress.parse(first), IpAddress.parse(last)];
  const range = from && to && Range.of(from, to);
  if (range === undefined) throw new Error('no range');
  return { range, length: 32 };
}

function prefix(text: string): Prefix {
  const parsed = Prefix.parse(text);
  if (parsed === undefined) throw new Error('no prefix');
  return parsed;
}

describe('§2.5: blocks from start to stop', () => {
  const set = PrefixSet.of([
    hosts('10.0.0.5', '10.0.0.9'),
    hosts('10.0.0.8', '10.0.0.20'),
    hosts('10.0.1.0', '10.0.1.0'),
  ]);
  it.each([
    ['10.0.0.4/32', false],
    ['10.0.0.5/32', true],
    ['10.0.0.20/32', true],
    ['10.0.0.21/32', false],
    ['10.0.1.0/32', true],
    ['10.0.0.8/31', false],
    ['::5/128', false],
  ])('%s: %s', (text, inside) => {
    expect(PrefixSet.has(set, prefix(text))).toBe(inside);
  });
});

it('agrees with asking every range', () => {
  const address = fc.integer({ min: 0, max: 63 }).map(value => IpAddress.of('ipv4', BigInt(value)));
  const range = fc.tuple(address, address, fc.constantFrom(32, 31, 30)).map(([a, b, length]): RangeOfPrefixes => {
    const [first, last] = IpAddress.compare(a, b) <= 0 ? [a, b] : [b, a];
    return { range: { first, last }, length };
  });
  fc.assert(
    fc.property(fc.array(range, { maxLength: 8 }), address, fc.constantFrom(32, 31, 30), (ranges, at, length) => {
      const asked = Prefix.of(at, length);
      const last = Prefix.last(asked);
      const covered = (value: IpAddress) =>
        ranges.some(each => each.length === length && Range.contains(each.range, value));
      // Ranges that overlap count as one; ranges that merely touch do not.
      const inOne = PrefixSet.of(ranges).ranges.some(
        each => each.length === length && Range.contains(each.range, asked.address) && Range.contains(each.range, last),
      );
      expect(PrefixSet.has(PrefixSet.of(ranges), asked)).toBe(inOne);
      if (length === 32) expect(PrefixSet.has(PrefixSet.of(ranges), asked)).toBe(covered(asked.address));
    }),
  );
});
