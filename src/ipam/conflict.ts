/**
 * Pools that contain the same address: the younger one is marked, and one whose own blocks overlap marks itself
 * (reference §2.14). A marked pool gives nothing new and takes nothing away.
 */
import type { Family } from '../net/ip.ts';
import { Range } from '../net/range.ts';
import { lastAtMost } from './free-ranges.ts';
import { Pool } from './pool.ts';

/** `range` is the marked pool's own. */
export interface Conflict {
  readonly range: Range;
  readonly otherRange: Range;
  /** The pool's own name when it conflicts with itself. */
  readonly otherPool: string;
}

export const Conflict = {
  /** Word for word: people grep for it. */
  message({ range, otherRange, otherPool }: Conflict): string {
    const [mine, other] = [Range.format(range), Range.format(otherRange)];
    return `Pool conflicts since range '${mine}' overlaps range '${other}' from IP Pool '${otherPool}'`;
  },
};

/** Every pool that must be marked, by name. Costs n log n in the number of blocks, however much they overlap. */
export function findConflicts(pools: readonly Pool[]): Map<string, Conflict> {
  const found = new Map<string, Conflict>();
  const covered = { ipv4: new Covered(), ipv6: new Covered() } as const satisfies Record<Family, Covered>;
  for (const pool of [...pools].sort(Pool.compareAge)) {
    const conflict = withOlder(pool, covered) ?? withItself(pool);
    if (conflict !== undefined) found.set(pool.name, conflict);
    for (const { range } of pool.blocks) covered[range.first.family].add({ range, pool: pool.name });
  }
  return found;
}

function withOlder(pool: Pool, covered: Readonly<Record<Family, Covered>>): Conflict | undefined {
  for (const { range } of pool.blocks) {
    const older = covered[range.first.family].overlapping(range);
    if (older !== undefined) return { range, otherRange: older.range, otherPool: older.pool };
  }
  return undefined;
}

function withItself(pool: Pool): Conflict | undefined {
  const sorted = pool.blocks.map(block => block.range).sort(Range.compare);
  let widest: Range | undefined;
  for (const range of sorted) {
    if (widest !== undefined && Range.overlaps(widest, range))
      return { range, otherRange: widest, otherPool: pool.name };
    if (widest === undefined || widest.first.family !== range.first.family || range.last.value > widest.last.value)
      widest = range;
  }
  return undefined;
}

interface Owned {
  readonly range: Range;
  readonly pool: string;
}
interface Piece {
  first: bigint;
  last: bigint;
  readonly owned: Owned;
}

/** What the pools so far contain, as disjoint sorted pieces, each with one of the ranges that contain it whole. */
class Covered {
  readonly #pieces: Piece[] = [];

  /** A range that contains the lowest address which `range` shares with any of them. */
  overlapping(range: Range): Owned | undefined {
    const piece = this.#pieces[this.#firstEndingAt(range.first.value)];
    return piece !== undefined && piece.first <= range.last.value ? piece.owned : undefined;
  }

  /**
   * Pieces within the new range give way to it, those across its ends stay: one more piece at most, whatever it covers.
   */
  add(owned: Owned): void {
    let first = owned.range.first.value;
    let last = owned.range.last.value;
    let from = this.#firstEndingAt(first);
    const below = this.#pieces[from];
    if (below !== undefined && below.first < first) {
      if (below.last >= last) return;
      first = below.last + 1n;
      from++;
    }
    let to = from;
    for (let piece = this.#pieces[to]; piece !== undefined && piece.last <= last; piece = this.#pieces[to]) to++;
    const above = this.#pieces[to];
    if (above !== undefined && above.first <= last) last = above.first - 1n;
    this.#pieces.splice(from, to - from, ...(first <= last ? [{ first, last, owned }] : []));
  }

  /** Index of the first piece that does not end below `value`. */
  #firstEndingAt(value: bigint): number {
    return lastAtMost(this.#pieces.length, at => (this.#pieces[at]?.last ?? value) < value) + 1;
  }
}
