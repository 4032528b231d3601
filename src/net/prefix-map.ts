/**
 * A map keyed by prefix: longest match of an address, the entries around a prefix and those inside it, and iteration in
 * the order of Prefix.compare.
 *
 * Each family is a binary trie whose one-way paths are compressed away: a walk passes the prefixes and forks on its
 * path, at most one for every bit, however large the map is. A node is a row of one Int32Array:
 *
 *     words of the prefix (1 for IPv4, 4 for IPv6) | its length | node on bit 0 | node on bit 1
 *
 * Node 0 is no node: a link of 0 leads nowhere. Its row holds the root on bit 0 and the first free row on bit 1.
 * A node without an entry only forks, so there are fewer of them than entries.
 */
import { type Family, familyBits, type IpAddress } from './ip.ts';
import type { Prefix } from './prefix.ts';

export interface PrefixEntry<V> {
  readonly prefix: Prefix;
  readonly value: V;
}

/** Holds prefixes of both families, IPv4 first. No value may be undefined or null. */
export class PrefixMap<V extends NonNullable<unknown>> implements Iterable<PrefixEntry<V>> {
  readonly #tries: Record<Family, Trie<V>> = { ipv4: new Trie('ipv4'), ipv6: new Trie('ipv6') };

  constructor(entries: Iterable<readonly [Prefix, V]> = []) {
    for (const [prefix, value] of entries) this.set(prefix, value);
  }

  get size(): number {
    return this.#tries.ipv4.size + this.#tries.ipv6.size;
  }

  /** Memory that the nodes take: in proportion to the entries that are there, not to those that have been. */
  get nodeOctets(): number {
    return this.#tries.ipv4.nodeOctets + this.#tries.ipv6.nodeOctets;
  }

  /** The value of exactly this prefix. */
  get(prefix: Prefix): V | undefined {
    return this.#tries[prefix.address.family].get(prefix)?.value;
  }

  set(prefix: Prefix, value: V): this {
    this.#tries[prefix.address.family].set({ prefix, value });
    return this;
  }

  /** Whether there was an entry to delete. */
  delete(prefix: Prefix): boolean {
    return this.#tries[prefix.address.family].delete(prefix);
  }

  /** The entry with the longest prefix that contains the address. */
  longestMatch(address: IpAddress): PrefixEntry<V> | undefined {
    return this.#tries[address.family].longestMatch(address);
  }

  /** Entries whose prefix covers this one, itself included, widest first: at most one for every length. */
  covering(prefix: Prefix): PrefixEntry<V>[] {
    return this.#tries[prefix.address.family].covering(prefix);
  }

  /** Entries whose prefix this one covers, itself included, in order. As for iteration, none may come or go. */
  coveredBy(prefix: Prefix): Generator<PrefixEntry<V>, void> {
    return this.#tries[prefix.address.family].coveredBy(prefix);
  }

  /** Entries that share an address with this prefix: those that cover it, then those inside, in order. */
  *overlapping(prefix: Prefix): Generator<PrefixEntry<V>, void> {
    for (const entry of this.covering(prefix)) if (entry.prefix.length < prefix.length) yield entry;
    yield* this.coveredBy(prefix);
  }

  /** All entries in order. An entry that comes or goes meanwhile makes the iteration throw; a new value does not. */
  *[Symbol.iterator](): Generator<PrefixEntry<V>, void> {
    yield* this.#tries.ipv4.all();
    yield* this.#tries.ipv6.all();
  }
}

/** Rows that a trie starts with, and never goes below. */
const ROWS_MIN = 16;

class Trie<V> {
  readonly #bits: number;
  /** 32-bit words in an address, which is also where the length stands in a row. */
  readonly #words: number;
  /** Numbers in a row. */
  readonly #stride: number;
  /** Where the link on bit 0 stands in a row; the one on bit 1 follows. */
  readonly #links: number;
  /** The address that a walk is looking for. No walk outlives the call that loaded it. */
  readonly #key: Int32Array;
  readonly #keyView: DataView;
  #rows: Int32Array;
  /** By node. */
  #entries: (PrefixEntry<V> | undefined)[] = [undefined];
  /** Rows in use, with row 0 and the forks. */
  #used = 1;
  #size = 0;
  /** Counts entries that came or went, so that an iteration notices it. */
  #version = 0;

  constructor(family: Family) {
    this.#bits = familyBits[family];
    this.#words = this.#bits / 32;
    this.#links = this.#words + 1;
    this.#stride = this.#words + 3;
    this.#key = new Int32Array(this.#words);
    this.#keyView = new DataView(new ArrayBuffer(16));
    this.#rows = new Int32Array(ROWS_MIN * this.#stride);
  }

  get size(): number {
    return this.#size;
  }

  get nodeOctets(): number {
    return this.#rows.byteLength;
  }

  get(prefix: Prefix): PrefixEntry<V> | undefined {
    this.#load(prefix.address);
    const node = this.#descend(prefix.length);
    return this.#length(node) === prefix.length ? this.#entries[node] : undefined;
  }

  set(entry: PrefixEntry<V>): void {
    const { address, length } = entry.prefix;
    this.#load(address);
    let link = this.#links;
    let node = this.#rows[link] as number;
    while (node !== 0 && this.#length(node) < length && this.#matches(node)) {
      link = this.#link(node, this.#keyBit(this.#length(node)));
      node = this.#rows[link] as number;
    }
    if (node === 0) this.#place(link, this.#add(length, entry));
    else if (this.#length(node) === length && this.#matches(node)) this.#fill(node, entry);
    else this.#insertAbove(link, node, entry);
  }

  delete({ address, length }: Prefix): boolean {
    this.#load(address);
    let above = 0;
    let aboveLink = 0;
    let link = this.#links;
    let node = this.#rows[link] as number;
    while (node !== 0 && this.#length(node) < length && this.#matches(node)) {
      above = node;
      aboveLink = link;
      link = this.#link(node, this.#keyBit(this.#length(node)));
      node = this.#rows[link] as number;
    }
    if (this.#length(node) !== length || !this.#matches(node) || this.#entries[node] === undefined) return false;
    this.#version++;
    this.#size--;
    this.#entries[node] = undefined;
    const spliced = this.#splice(link, node);
    if (spliced && above !== 0 && this.#entries[above] === undefined) this.#splice(aboveLink, above);
    if (this.#used * 4 < this.#entries.length && this.#entries.length > ROWS_MIN) this.#rebuild();
    return true;
  }

  longestMatch(address: IpAddress): PrefixEntry<V> | undefined {
    this.#load(address);
    let best: PrefixEntry<V> | undefined;
    let node = this.#rows[this.#links] as number;
    while (node !== 0 && this.#matches(node)) {
      best = this.#entries[node] ?? best;
      const length = this.#length(node);
      if (length === this.#bits) break;
      node = this.#rows[this.#link(node, this.#keyBit(length))] as number;
    }
    return best;
  }

  covering({ address, length }: Prefix): PrefixEntry<V>[] {
    this.#load(address);
    const found: PrefixEntry<V>[] = [];
    let node = this.#rows[this.#links] as number;
    while (node !== 0 && this.#length(node) <= length && this.#matches(node)) {
      const entry = this.#entries[node];
      if (entry !== undefined) found.push(entry);
      if (this.#length(node) === length) break;
      node = this.#rows[this.#link(node, this.#keyBit(this.#length(node)))] as number;
    }
    return found;
  }

  coveredBy({ address, length }: Prefix): Generator<PrefixEntry<V>, void> {
    this.#load(address);
    return this.#walk(this.#descend(length), this.#version);
  }

  all(): Generator<PrefixEntry<V>, void> {
    return this.#walk(this.#rows[this.#links] as number, this.#version);
  }

  /** A node before what it covers, bit 0 before bit 1: the order of Prefix.compare. */
  *#walk(top: number, version: number): Generator<PrefixEntry<V>, void> {
    const ahead = [top];
    for (;;) {
      if (this.#version !== version) throw new Error('the prefix map changed during an iteration');
      const node = ahead.pop();
      if (node === undefined) return;
      if (node === 0) continue;
      ahead.push(this.#rows[this.#link(node, 1)] as number, this.#rows[this.#link(node, 0)] as number);
      const entry = this.#entries[node];
      if (entry !== undefined) yield entry;
    }
  }

  /** The highest node inside the first `length` bits of the key: itself of that length, or all there is below it. */
  #descend(length: number): number {
    let node = this.#rows[this.#links] as number;
    while (node !== 0 && this.#length(node) < length) {
      if (!this.#matches(node)) return 0;
      node = this.#rows[this.#link(node, this.#keyBit(this.#length(node)))] as number;
    }
    return this.#common(node, length) === length ? node : 0;
  }

  /** Puts an entry where `link` led to `node`, which it does not lie in: over it, or beside it under a new fork. */
  #insertAbove(link: number, node: number, entry: PrefixEntry<V>): void {
    const { length } = entry.prefix;
    const common = this.#common(node, Math.min(length, this.#length(node)));
    const added = this.#add(length, entry);
    if (common === length) {
      this.#rows[this.#link(added, this.#nodeBit(node, common))] = node;
      this.#place(link, added);
      return;
    }
    const fork = this.#add(common, undefined);
    const bit = this.#keyBit(common);
    this.#rows[this.#link(fork, bit)] = added;
    this.#rows[this.#link(fork, 1 - bit)] = node;
    this.#place(link, fork);
  }

  /** Lets a link lead to a node that is new there, and counts its entry. */
  #place(link: number, node: number): void {
    this.#rows[link] = node;
    this.#size++;
    this.#version++;
  }

  /** Gives a node an entry: a new one to a fork, or another value for the same prefix. */
  #fill(node: number, entry: PrefixEntry<V>): void {
    if (this.#entries[node] === undefined) {
      this.#size++;
      this.#version++;
    }
    this.#entries[node] = entry;
  }

  /** Takes a node out that leads to one node at most; true when that left nothing in its place. */
  #splice(link: number, node: number): boolean {
    const zero = this.#rows[this.#link(node, 0)] as number;
    const one = this.#rows[this.#link(node, 1)] as number;
    if (zero !== 0 && one !== 0) return false;
    this.#rows[link] = zero | one;
    this.#free(node);
    return (zero | one) === 0;
  }

  /** A new node of the first `length` bits of the key, leading nowhere. */
  #add(length: number, entry: PrefixEntry<V> | undefined): number {
    const firstFree = this.#link(0, 1);
    let node = this.#rows[firstFree] as number;
    if (node !== 0) this.#rows[firstFree] = this.#rows[this.#link(node, 1)] as number;
    else {
      node = this.#entries.length;
      if ((node + 1) * this.#stride > this.#rows.length) this.#grow();
    }
    const row = node * this.#stride;
    this.#rows.set(this.#key, row);
    this.#rows[row + this.#words] = length;
    this.#rows[row + this.#links] = 0;
    this.#rows[row + this.#links + 1] = 0;
    this.#entries[node] = entry;
    this.#used++;
    return node;
  }

  #free(node: number): void {
    const firstFree = this.#link(0, 1);
    this.#rows[this.#link(node, 1)] = this.#rows[firstFree] as number;
    this.#rows[firstFree] = node;
    this.#used--;
  }

  #grow(): void {
    const grown = new Int32Array(this.#rows.length * 2);
    grown.set(this.#rows);
    this.#rows = grown;
  }

  /** Gives memory back after most entries have gone; their number pays for it. */
  #rebuild(): void {
    const entries = [...this.all()];
    this.#rows = new Int32Array(ROWS_MIN * this.#stride);
    this.#entries = [undefined];
    this.#used = 1;
    this.#size = 0;
    for (const entry of entries) this.set(entry);
  }

  /** The only work on bigints: one shift for an IPv6 address, none for IPv4. */
  #load({ value }: IpAddress): void {
    const view = this.#keyView;
    view.setBigUint64(8, value);
    if (this.#words === 1) {
      this.#key[0] = view.getInt32(12);
      return;
    }
    view.setBigUint64(0, value >> 64n);
    for (let word = 0; word < 4; word++) this.#key[word] = view.getInt32(word * 4);
  }

  #length(node: number): number {
    return this.#rows[node * this.#stride + this.#words] as number;
  }

  /** Index into the rows of the link that a node has on this bit. */
  #link(node: number, bit: number): number {
    return node * this.#stride + this.#links + bit;
  }

  #keyBit(at: number): number {
    return ((this.#key[at >> 5] as number) >>> (31 - (at & 31))) & 1;
  }

  #nodeBit(node: number, at: number): number {
    return ((this.#rows[node * this.#stride + (at >> 5)] as number) >>> (31 - (at & 31))) & 1;
  }

  /** Whether the key is one of the addresses of the node's prefix. */
  #matches(node: number): boolean {
    const length = this.#length(node);
    return this.#common(node, length) === length;
  }

  /** How many of the first `max` bits the key and a node have in common. */
  #common(node: number, max: number): number {
    const row = node * this.#stride;
    for (let word = 0; word * 32 < max; word++) {
      const difference = (this.#rows[row + word] as number) ^ (this.#key[word] as number);
      if (difference !== 0) return Math.min(max, word * 32 + Math.clz32(difference));
    }
    return max;
  }
}
