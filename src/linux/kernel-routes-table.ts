/**
 * Every route that is wanted or there: an open-addressed table in typed arrays, for there may be a hundred thousand of
 * them. A row says what the route leads to as wanted and as the kernel has it; they differ where there is work.
 */
import type { Family } from '../net/ip.ts';
import { nowhere, type RouteKey } from './rtnetlink-routes.ts';

const rowsMin = 64;
const GONE = 0xffff;
/** More rows than these are not remembered one by one. */
const touchedMax = 4096;
const REFUSED = 1;
const HELD = 2;

/** What `Row` numbers mean: valid until the next row is made or `sweep`. */
export class RouteTable {
  #mask = rowsMin - 1;
  #used = 0;
  #count = 0;
  /** Family and length of the row; 0 for a free one, GONE for one that was taken. */
  #kinds = new Uint16Array(rowsMin);
  #words = new Uint32Array(rowsMin * 4);
  #want = new Uint32Array(rowsMin);
  #have = new Uint32Array(rowsMin);
  #refused = new Uint8Array(rowsMin);
  #there = 0;
  #refusedCount = 0;
  /** Rows to look at; or all of them. */
  #touched: number[] = [];
  #isAll = true;

  /** The row of the route, made where there is none. */
  row(key: RouteKey): number {
    if ((this.#used + 1) * 4 > this.#kinds.length * 3) this.#rebuild();
    return this.#rowOf(key, true);
  }

  /** The row of the route; -1 where there is none. */
  find(key: RouteKey): number {
    return this.#rowOf(key, false);
  }

  want(row: number): number {
    return this.#want[row] ?? 0;
  }

  have(row: number): number {
    return this.#have[row] ?? 0;
  }

  isRefused(row: number): boolean {
    return this.#refused[row] === REFUSED;
  }

  setWant(row: number, to: number): void {
    this.#want[row] = to;
    if (this.#refused[row] === REFUSED) this.#refusedCount--;
    this.#refused[row] = 0;
    this.#touch(row);
  }

  setHave(row: number, to: number): void {
    this.#there += Number(to !== nowhere.none) - Number(this.#have[row] !== nowhere.none);
    this.#have[row] = to;
    this.#touch(row);
  }

  /** The kernel did not take it: not to be tried again until it is wanted differently, or everything is listed anew. */
  refuse(row: number): void {
    if (this.#refused[row] !== REFUSED) this.#refusedCount++;
    this.#refused[row] = REFUSED;
  }

  /** What it leads to is not there: not to be tried until `forgiveTo`, and not to stay where it led before. */
  hold(row: number): void {
    this.#refused[row] = HELD;
  }

  /** Rows to be written. */
  *toWrite(): Iterable<number> {
    const [want, have, refused] = [this.#want, this.#have, this.#refused];
    for (const row of this.#scope())
      if (want[row] !== have[row] && refused[row] === 0 && want[row] !== nowhere.none) yield row;
  }

  /** Rows to be removed. */
  *toRemove(): Iterable<number> {
    const [want, have, refused] = [this.#want, this.#have, this.#refused];
    for (const row of this.#scope())
      if (have[row] !== nowhere.none && (refused[row] === HELD || (want[row] === nowhere.none && refused[row] === 0)))
        yield row;
  }

  /** Nothing is wanted any more. */
  unwant(): void {
    this.#want.fill(nowhere.none);
    this.#refused.fill(0);
    this.#refusedCount = 0;
    this.#isAll = true;
  }

  /** Of this family nothing is known to be in the kernel, and nothing refused. */
  forget(family: Family): void {
    for (let row = 0; row < this.#kinds.length; row++) {
      const kind = this.#kinds[row];
      if (!isUsed(kind) || familyOfKind(kind) !== family) continue;
      this.setHave(row, nowhere.none);
      if (this.#refused[row] === REFUSED) this.#refusedCount--;
      this.#refused[row] = 0;
    }
    this.#isAll = true;
  }

  /** What waited for one of these groups may be tried. */
  forgiveTo(ids: ReadonlySet<number>): void {
    if (ids.size === 0) return;
    const [want, refused] = [this.#want, this.#refused];
    for (let row = 0; row < want.length; row++) {
      if (refused[row] !== HELD || !ids.has(want[row] ?? 0)) continue;
      refused[row] = 0;
      this.#touch(row);
    }
  }

  /** Routes to these groups went with them. */
  dropTo(ids: ReadonlySet<number>): void {
    if (ids.size === 0) return;
    const [want, have] = [this.#want, this.#have];
    for (let row = 0; row < have.length; row++) {
      if (have[row] === nowhere.none || !ids.has(have[row] ?? 0)) continue;
      this.setHave(row, nowhere.none);
      if (want[row] !== nowhere.none) this.hold(row);
    }
  }

  /** All work is done: rows that are neither wanted nor there are free again. */
  sweep(): void {
    const [kinds, want, have] = [this.#kinds, this.#want, this.#have];
    for (const row of this.#scope()) {
      if (want[row] !== nowhere.none || have[row] !== nowhere.none || !isUsed(kinds[row])) continue;
      kinds[row] = GONE;
      this.#count--;
    }
    this.#touched = [];
    this.#isAll = false;
  }

  /** How many are in the kernel. */
  get there(): number {
    return this.#there;
  }

  /** How many the kernel refused. */
  get refused(): number {
    return this.#refusedCount;
  }

  keyOf(row: number): RouteKey {
    const kind = this.#kinds[row] ?? 0;
    const family = familyOfKind(kind);
    const address = new Uint8Array(family === 'ipv4' ? 4 : 16);
    const view = new DataView(address.buffer);
    for (let word = 0; word * 4 < address.length; word++) view.setUint32(word * 4, this.#words[row * 4 + word] ?? 0);
    return { family, length: kind & 0xff, address };
  }

  #rowOf({ family, length, address }: RouteKey, make: boolean): number {
    const view = new DataView(address.buffer, address.byteOffset, address.length);
    const a = view.getUint32(0);
    if (family === 'ipv4') return this.#place(kindOf(family, length), a, 0, 0, 0, make);
    const [b, c, d] = [view.getUint32(4), view.getUint32(8), view.getUint32(12)];
    return this.#place(kindOf(family, length), a, b, c, d, make);
  }

  /** Rows that anything changed about since `sweep`. */
  *#scope(): Iterable<number> {
    if (!this.#isAll) {
      // Those that are touched meanwhile are looked at in the next round.
      for (let i = 0, end = this.#touched.length; i < end; i++) yield this.#touched[i] ?? 0;
    } else for (let row = 0; row < this.#kinds.length; row++) if (isUsed(this.#kinds[row])) yield row;
  }

  #touch(row: number): void {
    if (this.#isAll) return;
    this.#touched.push(row);
    if (this.#touched.length > touchedMax) this.#isAll = true;
  }

  #place(kind: number, a: number, b: number, c: number, d: number, make: boolean): number {
    const [kinds, words] = [this.#kinds, this.#words];
    let row = hash(kind, a, b, c, d) & this.#mask;
    let free = -1;
    for (; kinds[row] !== 0; row = (row + 1) & this.#mask) {
      const at = row * 4;
      if (kinds[row] === GONE) free = free < 0 ? row : free;
      else if (kinds[row] !== kind || words[at] !== a || words[at + 1] !== b) continue;
      else if (words[at + 2] === c && words[at + 3] === d) return row;
    }
    if (!make) return -1;
    if (free < 0) this.#used++;
    else row = free;
    kinds[row] = kind;
    words.set([a, b, c, d], row * 4);
    this.#want[row] = nowhere.none;
    this.#have[row] = nowhere.none;
    this.#refused[row] = 0;
    this.#count++;
    return row;
  }

  #rebuild(): void {
    const [kinds, words, want, have, refused] = [this.#kinds, this.#words, this.#want, this.#have, this.#refused];
    let size = rowsMin;
    while (size < (this.#count + 1) * 2) size *= 2;
    this.#mask = size - 1;
    this.#used = 0;
    this.#count = 0;
    this.#isAll = true;
    this.#kinds = new Uint16Array(size);
    this.#words = new Uint32Array(size * 4);
    this.#want = new Uint32Array(size);
    this.#have = new Uint32Array(size);
    this.#refused = new Uint8Array(size);
    for (let row = 0; row < kinds.length; row++) {
      if (!isUsed(kinds[row])) continue;
      const [a = 0, b = 0, c = 0, d = 0] = words.subarray(row * 4, row * 4 + 4);
      const to = this.#place(kinds[row] ?? 0, a, b, c, d, true);
      this.#want[to] = want[row] ?? 0;
      this.#have[to] = have[row] ?? 0;
      this.#refused[to] = refused[row] ?? 0;
    }
  }
}

function isUsed(kind: number | undefined): boolean {
  return kind !== 0 && kind !== GONE;
}

function familyOfKind(kind = 0): Family {
  return kind >= 0x600 ? 'ipv6' : 'ipv4';
}

/** Never 0, never GONE. */
function kindOf(family: Family, length: number): number {
  return (family === 'ipv4' ? 0x400 : 0x600) | length;
}

/** MurmurHash3's mixing, a word at a time. */
function hash(kind: number, a: number, b: number, c: number, d: number): number {
  let h = mix(kind, a);
  h = mix(h, b);
  h = mix(h, c);
  h = mix(h, d);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function mix(h: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  h ^= Math.imul(k, 0x1b873593);
  h = (h << 13) | (h >>> 19);
  return (Math.imul(h, 5) + 0xe6546b64) | 0;
}
