/**
 * Adj-RIB-Out of one peer in one family: which prefixes the peer has been told, where it is in the change log, and
 * the walk over the whole table that an initial update or a refresh is. What it is told is decided at the moment it
 * is written, never before.
 */

import { IpAddress } from '../net/ip.ts';
import { attributeCode, FLAG_EXTENDED_LENGTH } from './attribute.ts';
import type { AttributeStore } from './attribute-store.ts';
import { Bits } from './columns.ts';
import { type ExportGroup, NOTE_FOREIGN_NEXT_HOP } from './group.ts';
import type { LogReader, RibLog } from './rib-log.ts';
import type { RibOwn } from './rib-own.ts';
import { type Packer, writeHeader } from './rib-packer.ts';
import { OWN_SLOT } from './rib-paths.ts';
import {
  ACT_ANNOUNCE,
  ACT_NOTHING,
  ACT_WITHDRAW,
  type Acts,
  type PieceReader,
  type SharedPieces,
  takePiece,
} from './rib-share.ts';
import type { RibTable } from './rib-table.ts';
import type { PeerView } from './rib-view.ts';
import { HEADER_OCTETS } from './update.ts';

const TYPE_UPDATE = 2;
const TYPE_ROUTE_REFRESH = 5;
/** Message subtypes of ROUTE-REFRESH (RFC 7313 §3.2). */
const BORR = 1;
const EORR = 2;
const REFRESH_OCTETS = HEADER_OCTETS + 4;
/** The longest End-of-RIB: MP_UNREACH_NLRI without prefixes (RFC 4724 §2). */
const MARKER_OCTETS_MAX = HEADER_OCTETS + 4 + 6;

/** What all of them share. */
export interface AdjOutContext {
  readonly exports: AttributeStore;
  readonly packer: Packer;
  readonly own: RibOwn;
  readonly acts: Acts;
}

export class AdjOut implements LogReader, PieceReader {
  cursor = 0;
  readonly told = new Bits();
  readonly table: RibTable;
  group: ExportGroup;
  /** Peers that are only told what we originate do not look at the changes of anything else. */
  log: RibLog;
  readonly #cx: AdjOutContext;
  readonly slot: number;
  readonly #key: string;
  readonly #address: Uint8Array;
  readonly #enhanced: boolean;
  /** Rows that the walk has yet to visit; none when the two are equal. */
  #walkAt = 0;
  #walkEnd = 0;
  /** To be written before the walk goes on, and after it. */
  #begin = false;
  #endOfRib = false;
  #endOfRefresh = false;

  constructor(cx: AdjOutContext, table: RibTable, group: ExportGroup, slot: number, view: PeerView) {
    this.#cx = cx;
    this.table = table;
    this.group = group;
    this.slot = slot;
    this.#key = view.key;
    this.#address = IpAddress.toBytes(view.remoteAddress);
    this.#enhanced = view.enhancedRefresh;
    this.#endOfRib = view.endOfRib.includes(table.family.family);
    this.log = group.policy.tellsLearned ? table.log : table.ownLog;
    this.log.join(this);
    this.walk();
  }

  /** The peer is of another group now: it is told what differs. */
  become(group: ExportGroup): void {
    this.group = group;
    const { log, ownLog } = this.table;
    if (group.policy.tellsLearned && this.log === ownLog) {
      const from = this.cursor;
      this.log = log;
      log.join(this);
      // What it has not read is not to be forgotten before it has.
      for (let position = from; position < ownLog.end; position++) {
        const row = ownLog.at(position);
        if (row >= 0) log.append(row);
      }
      ownLog.leave(this);
    }
    this.walk();
  }

  /** Tells everything again, to a peer of this group. */
  walk(): void {
    this.#walkAt = 0;
    this.#walkEnd = this.table.rows.top;
  }

  /** The initial update has been held back: it begins now. */
  restart(): void {
    this.log.join(this);
    this.walk();
  }

  /** The peer asked for everything again (RFC 2918, RFC 7313). */
  refresh(): void {
    this.walk();
    if (!this.#enhanced) return;
    this.#begin = true;
    this.#endOfRefresh = true;
  }

  get hasOutput(): boolean {
    if (this.table.deferred) return false;
    const marked = this.#begin || this.#endOfRib || this.#endOfRefresh;
    return marked || this.#walkAt < this.#walkEnd || this.cursor < this.log.end;
  }

  /** Whether the row's newest state has not been written yet. */
  isPending(row: number): boolean {
    return (row >= this.#walkAt && row < this.#walkEnd) || this.log.changedSince(row, this.cursor);
  }

  /** Writes messages to `out` from `at` on while they fit; returns where they end. */
  write(out: Uint8Array, at: number): number {
    if (this.table.deferred) return at;
    for (;;) {
      const [before, cursor, walk] = [at, this.cursor, this.#walkAt];
      at = this.#writeChanges(out, at);
      if (this.cursor === this.log.end) at = this.#writeWalk(out, at);
      if (at === before && this.cursor === cursor && this.#walkAt === walk) return at;
    }
  }

  /** The set of `exports` that the peer is to be told for the row; 0: nothing. It may be gone after the next call. */
  exportOf(row: number): number {
    const { table, group } = this;
    const { paths } = table;
    let path = table.best(row);
    if (path === 0) return 0;
    const slot = paths.slot[path] as number;
    if (slot === this.slot) {
      this.#cx.acts.personal = true;
      return 0;
    }
    if (slot === OWN_SLOT) {
      if (!this.#cx.own.isForAll(table, path)) this.#cx.acts.personal = true;
      path = this.#cx.own.pathFor(table, path, this.#key);
      if (path === 0) return 0;
    }
    const set = paths.effective(path);
    const { classes } = group.policy;
    const { index } = table.family;
    const prefixClass = classes.none ? 0 : classes.of(index, table.rows, row);
    const made = group.lookUp(set, slot, index, prefixClass, false);
    if (made === 0 || (group.note & NOTE_FOREIGN_NEXT_HOP) === 0) return made;
    this.#cx.acts.personal = true;
    if (!this.#isOwnAddress(made)) return made;
    return group.lookUp(set, slot, index, prefixClass, true);
  }

  dispose(): void {
    this.log.leave(this);
  }

  /** RFC 4271 §5.1.3: no peer is told its own address as next hop. */
  #isOwnAddress(set: number): boolean {
    const { exports } = this.#cx;
    const at = exports.at(set);
    const length = exports.bytes[at] as number;
    const address = this.#address;
    // Inside the attributes it follows ORIGIN and AS_PATH, and is looked for there.
    const from = length === 0 ? nextHopAt(exports.bytes, at + 1, at + (exports.length[set] as number)) : at + 1;
    if (from < 0 || (length === 0 ? 4 : Math.min(length, 16)) !== address.length) return false;
    return address.every((octet, i) => exports.bytes[from + i] === octet);
  }

  #writeChanges(out: Uint8Array, at: number): number {
    const { log } = this;
    while (this.cursor < log.end && log.at(this.cursor) < 0) this.cursor++;
    const from = this.cursor;
    // While a walk is under way, which changes are told now depends on how far it is.
    const alone = this.#walkAt < this.#walkEnd;
    const piece = alone ? undefined : this.#pieces?.find(this.table, this, false, from, log.end, out.length - at);
    if (piece !== undefined) {
      at = takePiece(piece, this, out, at);
      this.cursor = piece.to;
    } else if (from < log.end) {
      this.#beginBatch(out, at);
      while (this.cursor < log.end) {
        const row = log.at(this.cursor);
        // What the walk has yet to come to it will tell.
        const later = row >= this.#walkAt && row < this.#walkEnd && !this.told.has(row);
        if (row >= 0 && !later && !this.#add(row)) break;
        this.cursor++;
      }
      at = this.#endBatch(out, at, alone, false, from, this.cursor);
    }
    if (log.leftFirstChunk(from, this.cursor)) log.trim();
    return at;
  }

  #writeWalk(out: Uint8Array, at: number): number {
    const { rows, family } = this.table;
    if (this.#begin && at + REFRESH_OCTETS <= out.length) {
      at = this.#writeRefresh(out, at, BORR);
      this.#begin = false;
    }
    if (this.#begin) return at;
    const end = Math.min(this.#walkEnd, rows.top);
    if (this.#walkAt < end) at = this.#writeRows(out, at, end);
    if (this.#walkAt < end) return at;
    this.#walkAt = this.#walkEnd = 0;
    if (this.#endOfRib && at + MARKER_OCTETS_MAX <= out.length) {
      at = writeEndOfRib(out, at, family.afi, family.safi);
      this.#endOfRib = false;
    }
    if (this.#endOfRefresh && !this.#endOfRib && at + REFRESH_OCTETS <= out.length) {
      at = this.#writeRefresh(out, at, EORR);
      this.#endOfRefresh = false;
    }
    return at;
  }

  /** Goes on with the walk, to row `end` at most. */
  #writeRows(out: Uint8Array, at: number, end: number): number {
    const { rows } = this.table;
    const from = this.#walkAt;
    const piece = this.#pieces?.find(this.table, this, true, from, end, out.length - at);
    if (piece !== undefined) {
      this.#walkAt = piece.to;
      return takePiece(piece, this, out, at);
    }
    this.#beginBatch(out, at);
    while (this.#walkAt < end && (!rows.inUse(this.#walkAt) || this.#add(this.#walkAt))) this.#walkAt++;
    return this.#endBatch(out, at, false, true, from, this.#walkAt);
  }

  /** None for a peer that became one that is told only our own, and still reads everything. */
  get #pieces(): SharedPieces | undefined {
    const { tellsLearned } = this.group.policy;
    return tellsLearned === (this.log === this.table.log) ? this.group.shared[this.table.family.index] : undefined;
  }

  #beginBatch(out: Uint8Array, at: number): void {
    const { table, group } = this;
    const multiprotocol = group.multiprotocol[table.family.index] === true;
    this.#cx.packer.begin(table, multiprotocol, group.messageMax, out.length - at);
    this.#cx.acts.begin();
  }

  #endBatch(out: Uint8Array, at: number, alone: boolean, walk: boolean, from: number, to: number): number {
    const { acts, packer } = this.#cx;
    const end = packer.finish(out, at);
    if (!alone && !acts.personal && this.group.members > 1 && to > from)
      this.#pieces?.keep(this.table, this.log, walk, from, to, out, at, end, acts);
    return end;
  }

  /** Adds the row to the batch as it is now; false when there is no room. */
  #add(row: number): boolean {
    const { packer, acts } = this.#cx;
    if (!this.group.policy.tellsLearned && !this.table.own.has(row) && !this.told.has(row)) return true;
    const set = this.exportOf(row);
    if (set !== 0 && packer.fits(set, this.group.messageMax)) {
      if (!packer.announce(row, set)) return false;
      this.told.add(row);
      acts.add(row, ACT_ANNOUNCE);
      return true;
    }
    if (!this.told.has(row)) {
      acts.add(row, ACT_NOTHING);
      return true;
    }
    if (!packer.withdraw(row)) return false;
    this.told.remove(row);
    acts.add(row, ACT_WITHDRAW);
    return true;
  }

  #writeRefresh(out: Uint8Array, at: number, subtype: number): number {
    const { afi, safi } = this.table.family;
    writeHeader(out, at, REFRESH_OCTETS, TYPE_ROUTE_REFRESH);
    at += HEADER_OCTETS;
    out[at] = afi >>> 8;
    out[at + 1] = afi;
    out[at + 2] = subtype;
    out[at + 3] = safi;
    return at + 4;
  }
}

function nextHopAt(bytes: Uint8Array, at: number, end: number): number {
  while (at < end) {
    const wide = ((bytes[at] as number) & FLAG_EXTENDED_LENGTH) !== 0;
    const value = at + (wide ? 4 : 3);
    if (bytes[at + 1] === attributeCode.nextHop) return value;
    at = value + (wide ? ((bytes[at + 2] as number) << 8) + (bytes[at + 3] as number) : (bytes[at + 2] as number));
  }
  return -1;
}

/** RFC 4724 §2: for IPv4 unicast an empty UPDATE, else an empty MP_UNREACH_NLRI. */
function writeEndOfRib(out: Uint8Array, at: number, afi: number, safi: number): number {
  const plain = afi === 1 && safi === 1;
  const octets = HEADER_OCTETS + 4 + (plain ? 0 : 6);
  writeHeader(out, at, octets, TYPE_UPDATE);
  const body = [0, 0, 0, 6, 0x80, 15, 3, afi >>> 8, afi & 255, safi];
  if (plain) body.splice(3, 7, 0);
  out.set(body, at + HEADER_OCTETS);
  return at + octets;
}
