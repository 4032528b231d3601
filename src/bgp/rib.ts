/**
 * The routing information bases of one speaker (RFC 4271 §3.2): what peers said (Adj-RIB-In), what was chosen
 * (Loc-RIB), and what each peer is to be told (Adj-RIB-Out, pulled as octets when its socket can take them). A peer
 * is a slot, a small integer that the speaker allocates and may use again once `peerDown` kept nothing.
 */
import { AdjIn } from './adj-in.ts';
import { AdjOut, type AdjOutContext } from './adj-out.ts';
import type { Announcement } from './announcement.ts';
import { AttributeStore } from './attribute-store.ts';
import { Decision } from './decision.ts';
import { Family, familyRows } from './family.ts';
import { type ExportContext, ExportGroup, groupKey } from './group.ts';
import { compilePolicy } from './policy-compile.ts';
import { RibAttributes } from './rib-attributes.ts';
import { RibImport } from './rib-import.ts';
import { RibOwn } from './rib-own.ts';
import { Packer } from './rib-packer.ts';
import { PATH_REASON, PATH_STALE, PATH_UNREFRESHED } from './rib-paths.ts';
import { isSameSource, RibPeer } from './rib-peer.ts';
import { RibReader } from './rib-read.ts';
import { Acts } from './rib-share.ts';
import { RibTable } from './rib-table.ts';
import type { AdvertisedView, PeerCounts, PeerView, RibCounts, RibSelf, RouteView, UpdateOutcome } from './rib-view.ts';

/** Slots run from 0 to here. */
const SLOT_MAX = 65_533;

export class Rib {
  readonly #self: RibSelf;
  readonly #attributes: RibAttributes;
  readonly #exports: AttributeStore;
  readonly #tables: readonly RibTable[];
  readonly #peers: (RibPeer | undefined)[] = [];
  /** Numbers given to peers so far; see RibPeer.source. */
  #sources = 0;
  readonly #groups = new Map<string, ExportGroup>();
  readonly #own: RibOwn;
  readonly #adjIn: AdjIn;
  readonly #outContext: AdjOutContext;
  readonly #exportContext: ExportContext;
  readonly #reader: RibReader;

  constructor(self: RibSelf) {
    this.#self = self;
    const seed = self.hashSeed ?? 0;
    const attributes = new RibAttributes(self);
    const exports = new AttributeStore(seed);
    const decision = new Decision({ attributes, peers: this.#peers });
    this.#attributes = attributes;
    this.#exports = exports;
    this.#tables = familyRows.map(row => new RibTable(row, attributes, decision, seed));
    this.#own = new RibOwn(attributes, this.#tables);
    this.#adjIn = new AdjIn(attributes, this.#tables);
    this.#outContext = { exports, packer: new Packer(exports), own: this.#own, acts: new Acts() };
    this.#exportContext = { self, attributes, exports, peers: this.#peers };
    this.#reader = new RibReader(attributes, exports, decision);
  }

  /**
   * A session came up: its initial table is now due. Routes kept from before stay stale until repeated or flushed.
   * Throws RangeError for a slot that is up or out of range.
   */
  peerUp(slot: number, view: PeerView): void {
    const kept = this.#peers[slot];
    if (!(slot >= 0 && slot <= SLOT_MAX) || kept?.up) throw new RangeError(`slot ${slot} is not free`);
    const imports = new RibImport(this.#attributes, this.#self, view, compilePolicy(view.import));
    if (kept === undefined) this.#peers[slot] = new RibPeer(slot, ++this.#sources, view, imports);
    else {
      this.#becomes(kept, view, imports);
      kept.up = true;
    }
    const peer = this.#peer(slot);
    if (view.families.length === 0) return;
    const group = this.#groupOf(view);
    for (const family of view.families) {
      const { index } = Family.row(family);
      group.members++;
      peer.out[index] = new AdjOut(this.#outContext, this.#table(index), group, slot, view);
    }
  }

  /**
   * The session is gone. Families in `keep` keep their routes, marked stale (RFC 4724 §4.2); all other routes are
   * withdrawn.
   */
  peerDown(slot: number, keep: readonly Family[]): void {
    const peer = this.#peer(slot);
    for (const [index, out] of peer.out.entries()) {
      if (out !== undefined) this.#leave(out);
      peer.out[index] = undefined;
    }
    peer.up = false;
    for (const [index, table] of this.#tables.entries()) {
      const stale = keep.includes(table.family.family);
      // What was stale already had its chance (RFC 4724 §4.2).
      this.#sweep(peer, index, flags => (!stale || (flags & PATH_STALE) !== 0 ? 'remove' : flags | PATH_STALE));
    }
    this.#forgetIfGone(peer);
  }

  /** Withdraws what is still stale: End-of-RIB came, or time is up. */
  flushStale(slot: number, family: Family): void {
    const peer = this.#peers[slot];
    if (peer === undefined) return;
    const { index } = Family.row(family);
    if ((peer.counts[index]?.stale ?? 0) > 0)
      this.#sweep(peer, index, flags => ((flags & PATH_STALE) !== 0 ? 'remove' : flags));
    this.#forgetIfGone(peer);
  }

  /**
   * Takes one UPDATE: octets `at` to `end` of `bytes`, after the 19-octet header. Nothing of `bytes` is kept.
   * Throws BgpError only where RFC 7606 demands that the session ends; then no part of the message has been applied.
   */
  receiveUpdate(slot: number, bytes: Uint8Array, at: number, end: number): UpdateOutcome {
    return this.#adjIn.receive(this.#peer(slot), bytes, at, end);
  }

  /** The peer says BoRR: what it does not repeat before `refreshEnd` is withdrawn then (RFC 7313 §4). */
  refreshBegin(slot: number, family: Family): void {
    this.#sweep(this.#peer(slot), Family.row(family).index, flags => flags | PATH_UNREFRESHED);
  }

  refreshEnd(slot: number, family: Family): void {
    const isLeft = (flags: number) => (flags & PATH_UNREFRESHED) !== 0;
    this.#sweep(this.#peer(slot), Family.row(family).index, flags => (isLeft(flags) ? 'remove' : flags));
  }

  /** The peer asked (RFC 2918): it is told the whole family again, between BoRR and EoRR where negotiated. */
  refresh(slot: number, family: Family): void {
    this.#peer(slot).out[Family.row(family).index]?.refresh();
  }

  /** Everything this speaker originates; what is in it twice for the same peers, the last one counts. */
  originate(all: readonly Announcement[]): void {
    this.#own.replace(all);
  }

  /**
   * Policies or another soft part of an established session changed: what differs is re-evaluated, nothing is reset.
   */
  setPeer(slot: number, view: PeerView): void {
    const peer = this.#peer(slot);
    this.#becomes(peer, view, new RibImport(this.#attributes, this.#self, view, compilePolicy(view.import)));
    for (const out of peer.out) {
      if (out === undefined) continue;
      const old = out.group;
      const group = this.#groupOf(view);
      group.members++;
      this.#quit(old);
      if (group !== old) out.become(group);
    }
  }

  /** While true nothing of the family is told to anyone: we restarted and wait for our peers (RFC 4724 §4.1). */
  defer(family: Family, deferred: boolean): void {
    const { index } = Family.row(family);
    const table = this.#table(index);
    if (table.deferred && !deferred)
      for (const peer of this.#peers) if (peer?.out[index]?.told.size === 0) peer.out[index]?.restart();
    table.deferred = deferred;
  }

  /** Octets for the peer may be there; after `pull` returned 0 they are not, until something changes. O(1). */
  hasOutput(slot: number): boolean {
    const out = this.#peers[slot]?.out;
    return out !== undefined && (out[0]?.hasOutput === true || out[1]?.hasOutput === true);
  }

  /**
   * Writes whole messages to `out` from `at` on, as many as fit, and returns how many octets. Needs room for one
   * message of the largest size: 4096 octets, or 65,535 with extended messages (RFC 8654). The newest state wins:
   * what changed twice since the last call is told once.
   */
  pull(slot: number, out: Uint8Array, at: number): number {
    const adj = this.#peers[slot]?.out;
    if (adj === undefined) return 0;
    let end = at;
    for (let index = 0; index < adj.length; index++) end = adj[index]?.write(out, end) ?? end;
    return end - at;
  }

  /** O(1). */
  counts(family: Family): RibCounts {
    const table = this.#table(Family.row(family).index);
    return { locRib: table.bestCount, paths: table.paths.size, attributeSets: this.#attributes.store.size };
  }

  /** O(1). All zero for a slot that nothing is known about. */
  peerCounts(slot: number, family: Family): PeerCounts {
    const { index } = Family.row(family);
    const peer = this.#peers[slot];
    const { received, accepted, stale } = peer?.counts[index] ?? { received: 0, accepted: 0, stale: 0 };
    return { received, accepted, stale, advertised: peer?.out[index]?.told.size ?? 0 };
  }

  /** Every path of every prefix in the family, best first within a prefix. Valid until the RIB changes. */
  loc(family: Family): Iterable<RouteView> {
    return this.#reader.paths(this.#table(Family.row(family).index), undefined);
  }

  /** What the peer said, before import policy. */
  adjIn(slot: number, family: Family): Iterable<RouteView> {
    return this.#reader.paths(this.#table(Family.row(family).index), slot);
  }

  /** What the peer has been told or is about to be. */
  adjOut(slot: number, family: Family): Iterable<AdvertisedView> {
    const out = this.#peers[slot]?.out[Family.row(family).index];
    return out === undefined ? [] : this.#reader.advertised(out);
  }

  /** Prefixes, paths and attribute sets kept in any way; 0 once all peers and own routes are gone. */
  get held(): number {
    const rows = this.#tables.reduce((sum, table) => sum + table.rows.size + table.paths.size, 0);
    return rows + this.#attributes.store.size + this.#exports.size;
  }

  #peer(slot: number): RibPeer {
    const peer = this.#peers[slot];
    if (peer === undefined) throw new RangeError(`slot ${slot} is not up`);
    return peer;
  }

  #table(index: number): RibTable {
    return this.#tables[index] as RibTable;
  }

  /** Goes through the peer's paths: `decide` gives the new flags of each, or has it removed. */
  #sweep(peer: RibPeer, index: number, decide: (flags: number) => number | 'remove'): void {
    const table = this.#table(index);
    const counts = peer.counts[index];
    if (counts === undefined || counts.received === 0) return;
    for (let row = 0; row < table.rows.top; row++) {
      if (!table.rows.inUse(row)) continue;
      const path = table.pathOf(row, peer.slot, 0);
      if (path === 0) continue;
      const decided = decide(table.paths.flags[path] as number);
      if (decided === 'remove') table.remove(row, path, counts);
      else table.revise(row, path, table.paths.effective(path), decided, counts);
    }
  }

  /** The peer's view changes while it has routes here. */
  #becomes(peer: RibPeer, view: PeerView, imports: RibImport): void {
    const old = peer.import;
    const same = isSameSource(peer.view, view);
    if (!same) peer.source = ++this.#sources;
    peer.become(view, imports);
    if (imports.key !== old.key || !same) this.#importAgain(peer, !same);
    old.dispose();
  }

  #importAgain(peer: RibPeer, judgeAgain: boolean): void {
    for (const [index, table] of this.#tables.entries()) {
      const counts = peer.counts[index];
      if (counts === undefined || counts.received === 0) continue;
      const { classes } = peer.import.policy;
      for (let row = 0; row < table.rows.top; row++) {
        const path = table.rows.inUse(row) ? table.pathOf(row, peer.slot, 0) : 0;
        if (path === 0) continue;
        const effective = peer.import.effective(
          table.paths.raw[path] as number,
          index,
          classes.of(index, table.rows, row),
        );
        const flags = ((table.paths.flags[path] as number) & ~PATH_REASON) | peer.import.reason;
        table.revise(row, path, effective, flags, counts);
        if (judgeAgain) table.reconsider(row);
      }
    }
  }

  #forgetIfGone(peer: RibPeer): void {
    if (peer.up || peer.counts.some(counts => counts.received > 0)) return;
    peer.import.dispose();
    this.#peers[peer.slot] = undefined;
  }

  /** Whoever joins it counts itself among its members. */
  #groupOf(view: PeerView): ExportGroup {
    const policy = compilePolicy(view.export);
    const key = groupKey(view, policy);
    const group = this.#groups.get(key) ?? new ExportGroup(key, this.#exportContext, view, policy);
    this.#groups.set(key, group);
    return group;
  }

  #leave(out: AdjOut): void {
    out.dispose();
    this.#quit(out.group);
  }

  #quit(group: ExportGroup): void {
    if (--group.members > 0) return;
    group.dispose();
    this.#groups.delete(group.key);
  }
}
