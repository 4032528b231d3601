/** A run of addresses of one family, both ends included. */
import { familyBits, IpAddress } from './ip.ts';
import { Prefix } from './prefix.ts';

/** `first` and `last` have one family and `first` is not above `last`. */
export interface Range {
  readonly first: IpAddress;
  readonly last: IpAddress;
}

export const Range = {
  /** Undefined when the ends differ in family or are the wrong way round. */
  of(first: IpAddress, last: IpAddress): Range | undefined {
    return first.family === last.family && first.value <= last.value ? { first, last } : undefined;
  },

  ofPrefix(prefix: Prefix): Range {
    return { first: prefix.address, last: Prefix.last(prefix) };
  },

  /** `192.0.2.1 - 192.0.2.9`, the way pool conditions write it. */
  format(range: Range): string {
    return `${IpAddress.format(range.first)} - ${IpAddress.format(range.last)}`;
  },

  /** Number of addresses: up to 2^128, hence a bigint. */
  size(range: Range): bigint {
    return range.last.value - range.first.value + 1n;
  },

  contains(range: Range, address: IpAddress): boolean {
    const { family, value } = address;
    return family === range.first.family && value >= range.first.value && value <= range.last.value;
  },

  overlaps(a: Range, b: Range): boolean {
    return a.first.family === b.first.family && a.first.value <= b.last.value && b.first.value <= a.last.value;
  },

  equals(a: Range, b: Range): boolean {
    return IpAddress.equals(a.first, b.first) && IpAddress.equals(a.last, b.last);
  },

  /** By first address, then by last. */
  compare(a: Range, b: Range): number {
    return IpAddress.compare(a.first, b.first) || IpAddress.compare(a.last, b.last);
  },

  /** The fewest prefixes that cover exactly this range, in ascending order: at most 2 × bits of the family. */
  toPrefixes(range: Range): Prefix[] {
    const { family } = range.first;
    const out: Prefix[] = [];
    let at = range.first.value;
    while (at <= range.last.value) {
      let host = 0;
      // Grow the block while it stays aligned at `at` and inside the range.
      while (host < familyBits[family] && ((at >> BigInt(host)) & 1n) === 0n) {
        if (at + (1n << BigInt(host + 1)) - 1n > range.last.value) break;
        host++;
      }
      out.push({ address: { family, value: at }, length: familyBits[family] - host });
      at += 1n << BigInt(host);
    }
    return out;
  },
};
