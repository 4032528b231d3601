/**
 * One family's routes: prefixes, their paths with the best one first, and the log of what changed. Every change to a
 * path goes through here, so that references, counts, best paths and the log always agree.
 */
import { Bits } from './columns.ts';
import type { Decision } from './decision.ts';
import type { FamilyRow } from './family.ts';
import type { RibAttributes } from './rib-attributes.ts';
import { RibLog } from './rib-log.ts';
import { OWN_SLOT, PATH_STALE, RibPaths } from './rib-paths.ts';
import { RibRows } from './rib-rows.ts';

/** What one peer has in one family's table. */
export interface PathCounts {
  received: number;
  accepted: number;
  stale: number;
}

export class RibTable {
  readonly family: FamilyRow;
  readonly rows: RibRows;
  readonly paths = new RibPaths();
  readonly log: RibLog;
  /** Rows that this speaker itself has, or had, a path for. */
  readonly own = new Bits();
  /** The changes of those rows alone, for peers that are told nothing else. */
  readonly ownLog: RibLog;
  /** Rows that have a best path. */
  bestCount = 0;
  /** Nobody is told anything of it for now. */
  deferred = false;
  readonly #attributes: RibAttributes;
  readonly #decision: Decision;

  constructor(family: FamilyRow, attributes: RibAttributes, decision: Decision, seed: number) {
    this.family = family;
    this.rows = new RibRows(family.bits === 32 ? 1 : 4, seed);
    // A row is forgotten when the readers of both logs know that it is gone.
    this.log = new RibLog(this.rows, row => {
      if (!this.own.has(row)) this.rows.free(row);
    });
    this.ownLog = new RibLog(this.rows, row => {
      this.own.remove(row);
      if (!this.log.holds(row)) this.rows.free(row);
    });
    this.#attributes = attributes;
    this.#decision = decision;
  }

  /** The best path of a row, or 0. */
  best(row: number): number {
    const head = this.rows.head[row] as number;
    return head !== 0 && this.paths.effective(head) !== 0 ? head : 0;
  }

  /**
   * The path that `slot` has for the row, or 0. For a slot that has several, see `OWN_SLOT`, the one with this `raw`.
   */
  pathOf(row: number, slot: number, raw: number): number {
    const { slot: slots, next, raw: raws } = this.paths;
    let path = this.rows.head[row] as number;
    while (path !== 0 && (slots[path] !== slot || (slot === OWN_SLOT && raws[path] !== raw)))
      path = next[path] as number;
    return path;
  }

  /** `slot` says this about the row, in place of what it said before. `effective` 0: it is not eligible. */
  put(row: number, slot: number, raw: number, effective: number, flags: number, counts: PathCounts): void {
    const path = this.pathOf(row, slot, raw);
    if (path !== 0) {
      this.#replace(row, path, raw, effective, flags, counts);
      return;
    }
    const added = this.paths.allocate(slot, raw, effective, flags);
    if (slot === OWN_SLOT) this.own.add(row);
    else this.#attributes.store.retain(raw);
    if (effective !== 0) this.#attributes.store.retain(effective);
    counts.received++;
    if (effective !== 0) counts.accepted++;
    const head = this.rows.head[row] as number;
    if (head === 0) {
      this.rows.head[row] = added;
      this.rows.step[row] = 0;
      if (effective === 0) return;
      this.bestCount++;
      this.#changed(row);
      return;
    }
    const had = this.best(row) !== 0;
    this.paths.next[added] = this.paths.next[head] as number;
    this.paths.next[head] = added;
    if (effective !== 0) this.#chooseAgain(row, had, had ? this.paths.effective(head) : 0, head);
  }

  /** `slot` no longer says anything about the row. */
  remove(row: number, path: number, counts: PathCounts): void {
    const { paths, rows } = this;
    const head = rows.head[row] as number;
    const effective = paths.effective(path);
    const next = paths.next[path] as number;
    if (path === head) rows.head[row] = next;
    else {
      let before = head;
      while (paths.next[before] !== path) before = paths.next[before] as number;
      paths.next[before] = next;
    }
    counts.received--;
    if (effective !== 0) counts.accepted--;
    if (((paths.flags[path] as number) & PATH_STALE) !== 0) counts.stale--;
    if (paths.slot[path] !== OWN_SLOT) this.#attributes.store.release(paths.raw[path] as number);
    this.#attributes.store.release(effective);
    paths.free(path);
    if (path === head && effective !== 0) this.#chooseAgain(row, true, 0, 0);
    else if (effective !== 0) this.#chooseAgain(row, true, paths.effective(head), head);
    else if (rows.head[row] === 0) this.#changed(row);
  }

  /** What import makes of a path has changed, or only its flags. */
  revise(row: number, path: number, effective: number, flags: number, counts: PathCounts): void {
    this.#replace(row, path, this.paths.raw[path] as number, effective, flags, counts);
  }

  /** Says that the row changed for somebody though its best path did not. */
  touch(row: number): void {
    this.#changed(row);
  }

  /** What is asked about a peer that has a path has changed: the best path may be another one, or go to others. */
  reconsider(row: number): void {
    const head = this.rows.head[row] as number;
    const effective = this.paths.effective(head);
    this.#chooseAgain(row, effective !== 0, effective, head);
    this.touch(row);
  }

  #changed(row: number): void {
    const isOwn = this.own.has(row);
    this.log.append(row);
    if (isOwn) this.ownLog.append(row);
  }

  #replace(row: number, path: number, raw: number, effective: number, flags: number, counts: PathCounts): void {
    const { paths } = this;
    const store = this.#attributes.store;
    const [oldRaw, old] = [paths.raw[path] as number, paths.effective(path)];
    const head = this.rows.head[row] as number;
    const best = paths.effective(head);
    counts.stale += ((flags & PATH_STALE) >>> 4) - (((paths.flags[path] as number) & PATH_STALE) >>> 4);
    if (raw !== oldRaw) store.retain(raw);
    if (effective !== old && effective !== 0) store.retain(effective);
    paths.flags[path] = flags;
    paths.raw[path] = raw;
    paths.setEffective(path, effective);
    if (raw !== oldRaw) store.release(oldRaw);
    if (effective === old) return;
    counts.accepted += (effective === 0 ? 0 : 1) - (old === 0 ? 0 : 1);
    this.#chooseAgain(row, best !== 0, best, head);
    store.release(old);
  }

  /**
   * Puts the best path first. `had`: there was a best one, `effective` and `path` being its set and itself, or 0 when
   * it is gone.
   */
  #chooseAgain(row: number, had: boolean, effective: number, path: number): void {
    const { paths, rows } = this;
    const head = rows.head[row] as number;
    let best: number;
    if (head === 0 || paths.next[head] === 0) {
      best = head !== 0 && paths.effective(head) !== 0 ? head : 0;
      rows.step[row] = 0;
    } else {
      best = this.#decision.choose(paths, head);
      rows.step[row] = this.#decision.step;
    }
    if (best !== 0 && best !== head) {
      let before = head;
      while (paths.next[before] !== best) before = paths.next[before] as number;
      paths.next[before] = paths.next[best] as number;
      paths.next[best] = head;
      rows.head[row] = best;
    }
    this.bestCount += (best === 0 ? 0 : 1) - (had ? 1 : 0);
    if (best === path && best !== 0 && paths.effective(best) === effective) return;
    if (best === 0 && !had) return;
    this.#changed(row);
  }
}
