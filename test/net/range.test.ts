/** Range: arithmetic, text, and the prefixes a range is made of. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { familyBits, IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';
import { Range } from '../../src/net/range.ts';
import { anyAddress, anyFamily, anyPrefix, anyRange, rangeOf } from '../support/net-arbitrary.ts';

/** A range that the test itself writes down. */
function range(first: string, last: string): Range {
  const [a, b] = [IpAddress.parse(first), IpAddress.parse(last)];
  const made = a && b && Range.of(a, b);
  if (made === undefined) throw new Error(`${first} - ${last} is no range`);
  return made;
}

describe('of', () => {
  it('takes ends of one family in order, and nothing else', () => {
    fc.assert(
      fc.property(anyAddress, anyAddress, (first, last) => {
        const sound = first.family === last.family && first.value <= last.value;
        expect(Range.of(first, last)).toEqual(sound ? { first, last } : undefined);
      }),
    );
  });
});

describe('arithmetic', () => {
  it('counts both ends', () => {
    expect(Range.size(range('10.0.0.1', '10.0.0.1'))).toBe(1n);
    expect(Range.size(range('0.0.0.0', '255.255.255.255'))).toBe(2n ** 32n);
    expect(Range.size(range('::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'))).toBe(2n ** 128n);
    fc.assert(
      fc.property(anyPrefix, each => {
        expect(Range.size(Range.ofPrefix(each))).toBe(Prefix.size(each));
      }),
    );
  });

  it('overlaps when an end of one lies in the other', () => {
    const pair = anyFamily.chain(family => fc.tuple(rangeOf(family), rangeOf(family)));
    fc.assert(
      fc.property(pair, ([a, b]) => {
        const meet = Range.contains(a, b.first) || Range.contains(a, b.last) || Range.contains(b, a.first);
        expect(Range.overlaps(a, b)).toBe(meet);
        expect(Range.overlaps(b, a)).toBe(meet);
      }),
    );
    expect(Range.overlaps(range('10.0.0.1', '10.0.0.4'), range('10.0.0.4', '10.0.0.9'))).toBe(true);
    expect(Range.overlaps(range('10.0.0.1', '10.0.0.3'), range('10.0.0.4', '10.0.0.9'))).toBe(false);
    expect(Range.overlaps(range('0.0.0.0', '0.0.0.9'), range('::', '::9'))).toBe(false);
  });

  it('sorts by family, first, then last', () => {
    const sorted = [
      range('9.0.0.0', '10.0.0.9'),
      range('10.0.0.1', '10.0.0.2'),
      range('10.0.0.1', '10.0.0.3'),
      range('::', '::1'),
    ];
    fc.assert(
      fc.property(fc.shuffledSubarray(sorted, { minLength: 4 }), each => {
        expect(each.sort(Range.compare)).toEqual(sorted);
      }),
    );
    for (const each of sorted) expect(Range.equals(each, { ...each })).toBe(true);
  });
});

describe('format', () => {
  it.each([
    ['192.0.2.1', '192.0.2.9', '192.0.2.1 - 192.0.2.9'],
    ['2001:DB8::1', '2001:DB8::0:2', '2001:db8::1 - 2001:db8::2'],
  ])('%s to %s', (first, last, text) => expect(Range.format(range(first, last))).toBe(text));
});

describe('toPrefixes', () => {
  it.each([
    ['10.0.0.0', '10.255.255.255', ['10.0.0.0/8']],
    ['0.0.0.0', '255.255.255.255', ['0.0.0.0/0']],
    ['255.255.255.255', '255.255.255.255', ['255.255.255.255/32']],
    ['10.0.0.1', '10.0.0.6', ['10.0.0.1/32', '10.0.0.2/31', '10.0.0.4/31', '10.0.0.6/32']],
    ['::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', ['::/0']],
    ['2001:db8::ffff', '2001:db8::1:0', ['2001:db8::ffff/128', '2001:db8::1:0/128']],
  ])('%s to %s', (first, last, prefixes) => {
    expect(Range.toPrefixes(range(first, last)).map(Prefix.format)).toEqual(prefixes);
  });

  it('covers exactly the range, in order, without a gap', () => {
    fc.assert(
      fc.property(anyRange, each => {
        const prefixes = Range.toPrefixes(each);
        let next = each.first.value;
        for (const prefix of prefixes) {
          expect(prefix).toEqual(Prefix.of(prefix.address, prefix.length));
          expect(prefix.address).toEqual({ family: each.first.family, value: next });
          next = Prefix.last(prefix).value + 1n;
        }
        expect(next).toBe(each.last.value + 1n);
        expect(prefixes.length).toBeLessThanOrEqual(2 * familyBits[each.first.family]);
      }),
    );
  });

  it('is minimal: none of them could be one bit wider and stay inside', () => {
    fc.assert(
      fc.property(anyRange, each => {
        for (const { address, length } of Range.toPrefixes(each)) {
          if (length === 0) continue;
          const wider = Prefix.of(address, length - 1);
          const inside = Range.contains(each, wider.address) && Range.contains(each, Prefix.last(wider));
          expect(inside).toBe(false);
        }
      }),
    );
  });
});
