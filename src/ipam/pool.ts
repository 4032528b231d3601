/** Addresses to give, in the allocator's own words (reference §1.3, §2.14). */
import type { Family, IpAddress } from '../net/ip.ts';
import { Range } from '../net/range.ts';

export interface PoolBlock {
  readonly range: Range;
  /** Written as a CIDR: only then can its first and last address be held back. */
  readonly cidr: boolean;
}

export interface PoolSelector {
  /** Equal keys select the same claims. */
  readonly key: string;
  /** For people. */
  readonly text: string;
  /** A label that every claim it selects must have, if there is one: what lets the allocator skip it for the others. */
  readonly anchor: { readonly key: string; readonly value: string } | undefined;
  matches(labels: Readonly<Record<string, string>>): boolean;
}

export interface Pool {
  readonly name: string;
  readonly createdMs: number;
  readonly blocks: readonly PoolBlock[];
  readonly allowFirstLast: boolean;
  readonly disabled: boolean;
  readonly selector: PoolSelector;
}

/** A run of addresses by value, both ends included; the family is known from where it is. */
export interface Interval {
  readonly first: bigint;
  readonly last: bigint;
}

export const Pool = {
  /**
   * Whether two versions of a pool mean the same: a pool's status changes with every allocation, its meaning does not.
   */
  same(a: Pool, b: Pool): boolean {
    return (
      a === b ||
      (a.name === b.name &&
        a.createdMs === b.createdMs &&
        a.allowFirstLast === b.allowFirstLast &&
        a.disabled === b.disabled &&
        a.selector.key === b.selector.key &&
        a.blocks.length === b.blocks.length &&
        a.blocks.every((block, i) => sameBlock(block, b.blocks[i])))
    );
  },

  /** The older first, and by name where they are of one age. */
  compareAge(a: Pool, b: Pool): number {
    return a.createdMs - b.createdMs || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
  },

  /** The addresses of one family, held back or not: sorted, disjoint, with a gap between any two. */
  intervals(pool: Pool, family: Family): Interval[] {
    const sorted = pool.blocks
      .filter(block => block.range.first.family === family)
      .map(({ range }) => ({ first: range.first.value, last: range.last.value }))
      .sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
    const out: { first: bigint; last: bigint }[] = [];
    for (const next of sorted) {
      const open = out.at(-1);
      if (open === undefined || next.first > open.last + 1n) out.push(next);
      else if (next.last > open.last) open.last = next.last;
    }
    return out;
  },

  /** The addresses of one family that are in the pool but not given to anybody, in ascending order. */
  heldBack(pool: Pool, family: Family): bigint[] {
    if (pool.allowFirstLast) return [];
    const out = new Set<bigint>();
    for (const { range, cidr } of pool.blocks) {
      if (!cidr || range.first.family !== family || Range.size(range) <= 2n) continue;
      out.add(range.first.value).add(range.last.value);
    }
    return [...out].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  },

  contains(pool: Pool, address: IpAddress): boolean {
    return pool.blocks.some(block => Range.contains(block.range, address));
  },
};

function sameBlock(a: PoolBlock, b: PoolBlock | undefined): boolean {
  return b !== undefined && a.cidr === b.cidr && (a.range === b.range || Range.equals(a.range, b.range));
}
