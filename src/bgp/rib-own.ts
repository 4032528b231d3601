/**
 * The routes this speaker originates: the whole set each time, compared with what is there. An announcement may be
 * for some peers only, so a prefix may have several paths of our own; which peers one is for is its audience, a small
 * number.
 */
import { commonEnds } from '../net/equal.ts';
import { IpAddress } from '../net/ip.ts';
import type { Announcement } from './announcement.ts';
import { AsPath } from './as-path.ts';
import type { PathAttributes } from './attribute.ts';
import { Family } from './family.ts';
import type { RibAttributes } from './rib-attributes.ts';
import { encodeSet } from './rib-codec.ts';
import { OWN_SLOT, PATH_WANTED } from './rib-paths.ts';
import type { PathCounts, RibTable } from './rib-table.ts';

/** The audience of announcements for everybody. */
const EVERYBODY = 0;

export class RibOwn {
  readonly #attributes: RibAttributes;
  readonly #tables: readonly RibTable[];
  readonly #counts: PathCounts = { received: 0, accepted: 0, stale: 0 };
  /** Audience → keys of peers. The first is everybody. */
  #audiences: (ReadonlySet<string> | undefined)[] = [undefined];
  #audienceByKeys = new Map<string, number>();
  /** By family index: what we have, as row and audience in turn. */
  #have: number[][] = Family.all.map(() => []);
  #all: readonly Announcement[] = [];
  // The last announcement encoded, for most are like the one before.
  #last: Announcement | undefined;
  #lastSet = 0;

  constructor(attributes: RibAttributes, tables: readonly RibTable[]) {
    this.#attributes = attributes;
    this.#tables = tables;
  }

  /** Whether a path of ours with this audience is for the peer. */
  isFor(audience: number, peer: string): boolean {
    return audience === EVERYBODY || this.#audiences[audience]?.has(peer) === true;
  }

  /** Whether the paths of ours that begin with `path` are the same for all peers. */
  isForAll(table: RibTable, path: number): boolean {
    const { slot, raw, next } = table.paths;
    for (; path !== 0; path = next[path] as number)
      if (slot[path] === OWN_SLOT && raw[path] !== EVERYBODY) return false;
    return true;
  }

  /**
   * The path of ours that this peer is told, beginning with `path`, or 0: one that names the peer before one for
   * everybody.
   */
  pathFor(table: RibTable, path: number, peer: string): number {
    const { slot, raw, next } = table.paths;
    let found = 0;
    for (; path !== 0; path = next[path] as number) {
      const audience = raw[path] as number;
      if (slot[path] !== OWN_SLOT || !this.isFor(audience, peer)) continue;
      if (found === 0 || rank(audience) < rank(raw[found] as number)) found = path;
    }
    return found;
  }

  replace(all: readonly Announcement[]): void {
    const before = this.#all;
    this.#all = all;
    if (all === before) return;
    const { head, tail } = commonEnds(before, all);
    const removed = before.slice(head, before.length - tail);
    const added = all.slice(head, all.length - tail);
    const few = removed.length + added.length < all.length;
    const places = few ? this.#placesOf(removed, added, before.length) : undefined;
    this.#replace(places?.gone ?? this.#have, added, places === undefined ? all : undefined, places?.kept);
  }

  /** What was `had` and is not among the wanted goes. */
  #replace(
    had: readonly (readonly number[])[],
    added: readonly Announcement[],
    whole: readonly Announcement[] | undefined,
    kept: readonly number[][] = Family.all.map(() => []),
  ): void {
    this.#have = Family.all.map(() => []);
    for (const announcement of whole ?? added) this.#want(announcement);
    this.#setLast(undefined, 0);
    for (const [index, table] of this.#tables.entries()) {
      const have = this.#have[index] ?? [];
      this.#removeUnwanted(table, had[index] ?? []);
      const { flags } = table.paths;
      for (const path of this.#paths(table, have)) flags[path] = (flags[path] as number) & ~PATH_WANTED;
      const all = kept[index] ?? [];
      for (const each of have) all.push(each);
      this.#have[index] = all;
    }
    if (had.some(each => each.length > 0)) this.#dropAudiences();
  }

  /**
   * Where the few that changed are: `gone` may have lost its announcement, `kept` did not. Undefined where an
   * announcement is in the set twice, before or now: then only going through all of them tells which one counts.
   */
  #placesOf(removed: readonly Announcement[], added: readonly Announcement[], before: number) {
    if (this.#have.reduce((sum, have) => sum + have.length / 2, 0) !== before) return undefined;
    const gone = Family.all.map((): number[] => []);
    const goneKeys = gone.map(() => new Set<number>());
    const newKeys = gone.map(() => new Set<number>());
    for (const announcement of removed) {
      const { index, row, audience } = this.#placeOf(announcement);
      gone[index]?.push(row, audience);
      goneKeys[index]?.add(keyOf(row, audience));
    }
    for (const announcement of added) {
      const { index, row, audience, table } = this.#placeOf(announcement);
      const key = keyOf(row, audience);
      const isTaken = table.pathOf(row, OWN_SLOT, audience) !== 0 && goneKeys[index]?.has(key) !== true;
      if (isTaken || newKeys[index]?.has(key) === true) return undefined;
      newKeys[index]?.add(key);
    }
    const kept = this.#have.map((have, index) => without(have, goneKeys[index] ?? new Set()));
    return { gone, kept };
  }

  #placeOf(announcement: Announcement) {
    const { index } = Family.row(Family.ofIp(announcement.prefix.address.family));
    const table = this.#tables[index] as RibTable;
    return { index, table, row: obtainRow(table, announcement), audience: this.#audience(announcement.peers) };
  }

  #want(announcement: Announcement): void {
    const { index, table, row, audience } = this.#placeOf(announcement);
    const { log, paths } = table;
    const old = table.pathOf(row, OWN_SLOT, audience);
    const flags = old === 0 ? 0 : (paths.flags[old] as number);
    const before = log.end;
    const set = this.#encode(announcement);
    const changed = old === 0 || paths.effective(old) !== set;
    table.put(row, OWN_SLOT, audience, set, flags | PATH_WANTED, this.#counts);
    // Another path may be the best one, and yet somebody is told this one.
    if (changed && log.end === before) table.touch(row);
    if ((flags & PATH_WANTED) === 0) this.#have[index]?.push(row, audience);
  }

  #removeUnwanted(table: RibTable, had: readonly number[]): void {
    for (let i = 0; i < had.length; i += 2) {
      const row = had[i] as number;
      const path = table.pathOf(row, OWN_SLOT, had[i + 1] as number);
      if (((table.paths.flags[path] as number) & PATH_WANTED) !== 0) continue;
      const before = table.log.end;
      table.remove(row, path, this.#counts);
      if (table.log.end === before && table.rows.head[row] !== 0) table.touch(row);
    }
  }

  *#paths(table: RibTable, have: readonly number[]): Iterable<number> {
    for (let i = 0; i < have.length; i += 2) yield table.pathOf(have[i] as number, OWN_SLOT, have[i + 1] as number);
  }

  /** Forgets audiences that no announcement has any more, so that their numbers can be used again. */
  #dropAudiences(): void {
    const used = new Set<number>();
    for (const have of this.#have) for (let i = 1; i < have.length; i += 2) used.add(have[i] as number);
    for (const [keys, audience] of this.#audienceByKeys) {
      if (used.has(audience)) continue;
      this.#audienceByKeys.delete(keys);
      this.#audiences[audience] = undefined;
    }
  }

  #audience(peers: readonly string[] | undefined): number {
    if (peers === undefined) return EVERYBODY;
    const keys = JSON.stringify([...new Set(peers)].sort());
    const known = this.#audienceByKeys.get(keys);
    if (known !== undefined) return known;
    const free = this.#audiences.indexOf(undefined, 1);
    const audience = free < 0 ? this.#audiences.length : free;
    this.#audiences[audience] = new Set(peers);
    this.#audienceByKeys.set(keys, audience);
    return audience;
  }

  #encode(announcement: Announcement): number {
    if (this.#last !== undefined && sameAttributes(this.#last, announcement)) return this.#lastSet;
    const { origin, localPref, med, prepend, communities, extendedCommunities, largeCommunities, nextHop } =
      announcement;
    const attributes: PathAttributes = {
      origin: origin ?? 'igp',
      asPath: AsPath.of(...(prepend ?? [])),
      ...(med !== undefined && { med }),
      ...(localPref !== undefined && { localPref }),
      ...(communities?.length && { communities }),
      ...(extendedCommunities?.length && { extendedCommunities }),
      ...(largeCommunities?.length && { largeCommunities }),
    };
    const address = nextHop === undefined || nextHop === 'self' ? undefined : nextHop;
    this.#setLast(announcement, encodeSet(this.#attributes, attributes, address && { address }));
    return this.#lastSet;
  }

  /** The last set stays while announcements are gone through, though no path may have it yet. */
  #setLast(announcement: Announcement | undefined, set: number): void {
    if (set !== 0) this.#attributes.store.retain(set);
    this.#attributes.store.release(this.#lastSet);
    this.#last = announcement;
    this.#lastSet = set;
  }
}

function keyOf(row: number, audience: number): number {
  return row * 2 ** 20 + audience;
}

/** Pairs of row and audience whose key is not among these: the list itself when it has none of them. */
function without(pairs: number[], keys: ReadonlySet<number>): number[] {
  if (keys.size === 0) return pairs;
  const out: number[] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    const [row, audience] = [pairs[i] as number, pairs[i + 1] as number];
    if (!keys.has(keyOf(row, audience))) out.push(row, audience);
  }
  return out;
}

/** One that names its peers goes before one for everybody. */
function rank(audience: number): number {
  return audience === EVERYBODY ? Number.POSITIVE_INFINITY : audience;
}

function obtainRow(table: RibTable, { prefix }: Announcement): number {
  const octets = new DataView(IpAddress.toBytes(prefix.address).buffer);
  const w = (index: number) => (index < table.rows.words ? octets.getInt32(index * 4) : 0);
  return table.rows.obtain(w(0), w(1), w(2), w(3), prefix.length);
}

function sameAttributes(a: Announcement, b: Announcement): boolean {
  const plain = a.origin === b.origin && a.localPref === b.localPref && a.med === b.med;
  const lists = sameList(a.prepend, b.prepend) && sameList(a.communities, b.communities);
  const others =
    sameList(a.extendedCommunities, b.extendedCommunities) && sameList(a.largeCommunities, b.largeCommunities);
  return plain && lists && others && sameNextHop(a.nextHop, b.nextHop);
}

function sameNextHop(a: Announcement['nextHop'], b: Announcement['nextHop']): boolean {
  return a === b || (typeof a === 'object' && typeof b === 'object' && IpAddress.equals(a, b));
}

function sameList<T>(a: readonly T[] | undefined, b: readonly T[] | undefined): boolean {
  return a === b || (a?.length === b?.length && a?.every((each, i) => each === b?.[i]) === true);
}
