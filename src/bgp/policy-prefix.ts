/**
 * Prefix lists, compiled: does a row's prefix lie in any of the ranges? One look-up for each different length in the
 * list.
 */
import { IpAddress } from '../net/ip.ts';
import { Family } from './family.ts';
import type { PrefixRange } from './policy.ts';
import type { RibRows } from './rib-rows.ts';

/** Longest and shortest prefixes that a range admits. */
interface Bounds {
  readonly min: number;
  readonly max: number;
}

/** The ranges of one family. */
class PrefixSet {
  /** Length of the range's own prefix → its words → bounds. */
  readonly #byLength = new Map<number, Map<string | number, Bounds[]>>();

  add(range: PrefixRange, bits: number): void {
    const { address, length } = range.prefix;
    const min = range.ge ?? length;
    const max = range.le ?? (range.ge === undefined ? length : bits);
    const same = this.#byLength.get(length) ?? new Map<string | number, Bounds[]>();
    this.#byLength.set(length, same);
    const bytes = new DataView(IpAddress.toBytes(address).buffer);
    const words = Array.from({ length: bits / 32 }, (_, i) => bytes.getInt32(i * 4));
    const key = words.length === 1 ? (words[0] as number) : words.join();
    same.set(key, [...(same.get(key) ?? []), { min, max }]);
  }

  has(rows: RibRows, row: number): boolean {
    const length = rows.length[row] as number;
    for (const [base, same] of this.#byLength) {
      if (base > length) continue;
      for (const { min, max } of same.get(masked(rows, row, base)) ?? [])
        if (length >= min && length <= max) return true;
    }
    return false;
  }
}

function masked(rows: RibRows, row: number, length: number): string | number {
  const at = row * rows.words;
  if (rows.words === 1) return (rows.key[at] as number) & maskWord(length);
  let key = '';
  for (let i = 0; i < 4; i++) key += `${i === 0 ? '' : ','}${(rows.key[at + i] as number) & maskWord(length - i * 32)}`;
  return key;
}

function maskWord(bits: number): number {
  return bits <= 0 ? 0 : bits >= 32 ? -1 : -1 << (32 - bits);
}

/** All prefix lists of a policy. A prefix's class says which of them it is in; equal classes get equal answers. */
export class PrefixClasses {
  /** By list, then by family index. */
  readonly #lists: (readonly PrefixSet[])[] = [];
  /** Only with more lists than a number has bits: classes are then numbered as they come up. */
  readonly #numbers = new Map<string, number>();
  readonly #members: string[] = [];

  /** The number of the list, for `isIn`. */
  add(ranges: readonly PrefixRange[]): number {
    const sets = Family.all.map(() => new PrefixSet());
    for (const range of ranges) {
      const row = Family.row(Family.ofIp(range.prefix.address.family));
      sets[row.index]?.add(range, row.bits);
    }
    return this.#lists.push(sets) - 1;
  }

  /** 0 for every prefix when there are no lists. */
  of(family: number, rows: RibRows, row: number): number {
    if (this.#lists.length === 0) return 0;
    if (this.#lists.length <= 31)
      return this.#lists.reduce((sum, sets, i) => (sets[family]?.has(rows, row) ? sum | (1 << i) : sum), 0);
    const member = this.#lists.map(sets => (sets[family]?.has(rows, row) ? '1' : '0')).join('');
    const known = this.#numbers.get(member);
    if (known !== undefined) return known;
    this.#numbers.set(member, this.#members.length);
    return this.#members.push(member) - 1;
  }

  get none(): boolean {
    return this.#lists.length === 0;
  }

  isIn(prefixClass: number, list: number): boolean {
    if (this.#lists.length <= 31) return ((prefixClass >>> list) & 1) === 1;
    return this.#members[prefixClass]?.[list] === '1';
  }
}
