/** Prefixes of given lengths inside given ranges: what a route policy's prefix set says, asked by binary search. */
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import { Range } from '../net/range.ts';

/** Prefixes of exactly `length` bits that lie inside `range`, which may begin and end anywhere. */
export interface RangeOfPrefixes {
  readonly range: Range;
  readonly length: number;
}

export interface PrefixSet {
  /** By length, then by first address; no two of one length and family overlap. */
  readonly ranges: readonly RangeOfPrefixes[];
}

export const PrefixSet = {
  of(ranges: readonly RangeOfPrefixes[]): PrefixSet {
    const sorted = [...ranges].sort((a, b) => a.length - b.length || Range.compare(a.range, b.range));
    const merged: RangeOfPrefixes[] = [];
    for (const each of sorted) {
      const last = merged.at(-1);
      if (last === undefined || last.length !== each.length || !Range.overlaps(last.range, each.range)) {
        merged.push(each);
        continue;
      }
      const end = IpAddress.compare(last.range.last, each.range.last) < 0 ? each.range.last : last.range.last;
      merged[merged.length - 1] = { length: last.length, range: { first: last.range.first, last: end } };
    }
    return { ranges: merged };
  },

  has({ ranges }: PrefixSet, prefix: Prefix): boolean {
    const { address, length } = prefix;
    let low = 0;
    let high = ranges.length;
    // The last range of this length that does not begin above the prefix is the only one that can hold it.
    while (low < high) {
      const middle = (low + high) >>> 1;
      const each = ranges[middle];
      const above = each === undefined || (each.length - length || IpAddress.compare(each.range.first, address)) > 0;
      if (above) high = middle;
      else low = middle + 1;
    }
    const found = ranges[low - 1];
    if (found === undefined || found.length !== length || !Range.contains(found.range, address)) return false;
    return Prefix.last(prefix).value <= found.range.last.value;
  },
};
