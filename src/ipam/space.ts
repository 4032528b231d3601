/**
 * All pools as one address space: which pool contains an address, which may give one to a claim, and what is free.
 * Pools that do not conflict are disjoint, so an address has at most one of them; only they are ever given from. What
 * is held in a pool that conflicts stays held. A space is built anew when the meaning of any pool changes, never
 * patched.
 */
import type { Family, IpAddress } from '../net/ip.ts';
import { type Conflict, findConflicts } from './conflict.ts';
import { FreeRanges, lastAtMost } from './free-ranges.ts';
import { type Interval, Pool, type PoolSelector } from './pool.ts';

/** Counts of addresses; `total` is always `used + available`, and an address that is shared counts once. */
export interface PoolUsage {
  readonly pool: Pool;
  readonly conflict: Conflict | undefined;
  readonly total: bigint;
  readonly used: bigint;
  readonly available: bigint;
}

type Labels = Readonly<Record<string, string>>;
type PerFamily<T> = Readonly<Record<Family, T>>;
const families: readonly Family[] = ['ipv4', 'ipv6'];

/** One pool in the space. Where several contain an address, it is counted in the one that `Space.home` names. */
export class PoolSpace {
  readonly pool: Pool;
  /** Place among the pools in order of name, which is the order they give in. */
  readonly order: number;
  readonly conflict: Conflict | undefined;
  readonly group: Group;
  /** Undefined for a pool that conflicts: what is free there is another pool's to say. */
  readonly free: PerFamily<FreeRanges> | undefined;
  readonly intervals: PerFamily<readonly Interval[]>;
  readonly heldBack: PerFamily<ReadonlySet<bigint>>;
  #used = 0n;
  #usedHeldBack = 0n;
  #usage: PoolUsage | undefined;

  constructor(pool: Pool, order: number, conflict: Conflict | undefined, group: Group) {
    this.pool = pool;
    this.order = order;
    this.conflict = conflict;
    this.group = group;
    this.intervals = perFamily(family => Pool.intervals(pool, family));
    this.heldBack = perFamily(family => new Set(Pool.heldBack(pool, family)));
    this.free = conflict === undefined ? perFamily(family => freeRanges(pool, family, this.intervals)) : undefined;
  }

  /** Whether it gives addresses to new claims at all. */
  get gives(): boolean {
    return this.conflict === undefined && !this.pool.disabled;
  }

  hasFamily(family: Family): boolean {
    return this.intervals[family].length > 0;
  }

  /** Counts an address as held, which it must not be yet. */
  take({ family, value }: IpAddress): void {
    const free = this.free?.[family];
    free?.take(value);
    if (free?.size === 0n && this.gives) this.group.full(this.order, family);
    this.#count({ family, value }, 1n);
  }

  /** Counts a held address as free. */
  give({ family, value }: IpAddress): void {
    this.#count({ family, value }, -1n);
    if (this.heldBack[family].has(value)) return;
    const free = this.free?.[family];
    if (free === undefined) return;
    free.give(value);
    if (this.gives) this.group.room(this.order, family);
  }

  /** The same value until a count changes. */
  get usage(): PoolUsage {
    this.#usage ??= this.#counted();
    return this.#usage;
  }

  #count({ family, value }: IpAddress, by: bigint): void {
    this.#used += by;
    if (this.heldBack[family].has(value)) this.#usedHeldBack += by;
    this.#usage = undefined;
  }

  #counted(): PoolUsage {
    let total = this.#usedHeldBack;
    for (const family of families) {
      for (const { first, last } of this.intervals[family]) total += last - first + 1n;
      total -= BigInt(this.heldBack[family].size);
    }
    return { pool: this.pool, conflict: this.conflict, total, used: this.#used, available: total - this.#used };
  }
}

/** Pools with one selector: it is asked once for all of them. */
export class Group {
  readonly selector: PoolSelector;
  /** Whether any of them gives addresses of the family, full or not. */
  readonly serves: Record<Family, boolean> = { ipv4: false, ipv6: false };
  /** Order numbers of those that have a free address to give, ascending. */
  readonly #rooms: PerFamily<number[]> = { ipv4: [], ipv6: [] };

  constructor(selector: PoolSelector) {
    this.selector = selector;
  }

  /** Order number of the first pool with a free address. */
  first(family: Family): number | undefined {
    return this.#rooms[family][0];
  }

  room(order: number, family: Family): void {
    const rooms = this.#rooms[family];
    const at = lastAtMost(rooms.length, i => (rooms[i] ?? order) <= order);
    if (rooms[at] !== order) rooms.splice(at + 1, 0, order);
  }

  full(order: number, family: Family): void {
    const rooms = this.#rooms[family];
    const at = lastAtMost(rooms.length, i => (rooms[i] ?? order) <= order);
    if (rooms[at] === order) rooms.splice(at, 1);
  }
}

interface Owned extends Interval {
  readonly space: PoolSpace;
}
/** A block of a pool that conflicts, in ascending order of first; `reach` is the highest last so far. */
interface Overlaid extends Owned {
  readonly reach: bigint;
}

export class Space {
  /** In order of name. */
  readonly pools: readonly PoolSpace[];
  readonly #groups = new Map<string, Group>();
  readonly #anchored = new Map<string, Map<string, Group[]>>();
  readonly #unanchored: Group[] = [];
  readonly #disjoint: PerFamily<readonly Owned[]>;
  readonly #overlaid: PerFamily<readonly Overlaid[]>;

  constructor(pools: readonly Pool[]) {
    const conflicts = findConflicts(pools);
    const sorted = [...pools].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    this.pools = sorted.map((pool, order) => new PoolSpace(pool, order, conflicts.get(pool.name), this.#group(pool)));
    for (const space of this.pools) {
      for (const family of families) {
        if (!space.gives || !space.hasFamily(family)) continue;
        space.group.serves[family] = true;
        if (space.free?.[family].size !== 0n) space.group.room(space.order, family);
      }
    }
    const owned = perFamily(family => this.pools.flatMap(space => ownedBy(space, family)).sort(compareFirst));
    this.#disjoint = perFamily(family => owned[family].filter(({ space }) => space.conflict === undefined));
    this.#overlaid = perFamily(family => withReach(owned[family].filter(({ space }) => space.conflict !== undefined)));
  }

  /** The pools whose selectors may give to these labels, by selector. */
  groups(labels: Labels): Group[] {
    const out: Group[] = [];
    for (const group of this.#unanchored) if (group.selector.matches(labels)) out.push(group);
    for (const [key, byValue] of this.#anchored) {
      const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
      const groups = value === undefined ? undefined : byValue.get(value);
      if (groups === undefined) continue;
      for (const group of groups) if (group.selector.matches(labels)) out.push(group);
    }
    return out;
  }

  /** The first pool, by name, that has a free address of the family to give. */
  firstWithRoom(groups: readonly Group[], family: Family): PoolSpace | undefined {
    let best: number | undefined;
    for (const group of groups) {
      const order = group.first(family);
      if (order !== undefined && (best === undefined || order < best)) best = order;
    }
    return best === undefined ? undefined : this.pools[best];
  }

  /** The one pool that does not conflict and contains the address. */
  disjoint({ family, value }: IpAddress): PoolSpace | undefined {
    const list = this.#disjoint[family];
    const found = list[lastAtMost(list.length, at => (list[at]?.first ?? value) <= value)];
    return found !== undefined && found.last >= value ? found.space : undefined;
  }

  /** Where the address is counted: the pool that may give it, or else the oldest that contains it. */
  home(address: IpAddress): PoolSpace | undefined {
    return this.disjoint(address) ?? this.containing(address).next().value;
  }

  /** Every pool that contains the address: one that does not conflict first, then by age. */
  *containing(address: IpAddress): Generator<PoolSpace, undefined> {
    const first = this.disjoint(address);
    if (first !== undefined) yield first;
    const found: PoolSpace[] = [];
    const list = this.#overlaid[address.family];
    let at = lastAtMost(list.length, i => (list[i]?.first ?? 0n) <= address.value);
    for (let entry = list[at]; entry !== undefined && entry.reach >= address.value; entry = list[--at])
      if (entry.last >= address.value) found.push(entry.space);
    yield* found.sort((a, b) => Pool.compareAge(a.pool, b.pool));
    return undefined;
  }

  #group({ selector }: Pool): Group {
    const known = this.#groups.get(selector.key);
    if (known !== undefined) return known;
    const group = new Group(selector);
    this.#groups.set(selector.key, group);
    if (selector.anchor === undefined) {
      this.#unanchored.push(group);
      return group;
    }
    const { key, value } = selector.anchor;
    const byValue = this.#anchored.get(key) ?? new Map<string, Group[]>();
    this.#anchored.set(key, byValue);
    byValue.set(value, [...(byValue.get(value) ?? []), group]);
    return group;
  }
}

function perFamily<T>(of: (family: Family) => T): PerFamily<T> {
  return { ipv4: of('ipv4'), ipv6: of('ipv6') };
}

function freeRanges(pool: Pool, family: Family, intervals: PerFamily<readonly Interval[]>): FreeRanges {
  const free = new FreeRanges(family, intervals[family]);
  for (const value of Pool.heldBack(pool, family)) free.take(value);
  return free;
}

function ownedBy(space: PoolSpace, family: Family): Owned[] {
  return space.intervals[family].map(({ first, last }) => ({ first, last, space }));
}

function compareFirst(a: Owned, b: Owned): number {
  return a.first < b.first ? -1 : a.first > b.first ? 1 : 0;
}

function withReach(sorted: readonly Owned[]): Overlaid[] {
  let reach = 0n;
  return sorted.map(entry => {
    if (entry.last > reach) reach = entry.last;
    return { ...entry, reach };
  });
}
