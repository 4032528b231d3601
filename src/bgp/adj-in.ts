/**
 * Adj-RIB-In: one UPDATE's octets (RFC 4271 §4.3, RFC 4760) become paths in the tables. Everything is judged before
 * anything is applied. Attributes that the RIB has seen before cost a hash and a comparison; new ones that are
 * ordinary a scan; only the rest goes through attribute-check.ts, which knows what each error leads to (RFC 7606).
 */
import {
  type AttributeCheck,
  type AttributeFault,
  attributeCode,
  FLAG_EXTENDED_LENGTH,
  FLAG_TRANSITIVE,
} from './attribute.ts';
import { checkAttributes } from './attribute-check.ts';
import { BgpError } from './error.ts';
import { Family, familyRows } from './family.ts';
import { isNlri, nlriWord } from './nlri.ts';
import { Notification } from './notification.ts';
import { FACT_LOCAL_PREF, FACT_REFLECTED, type RibAttributes } from './rib-attributes.ts';
import { encodeSet } from './rib-codec.ts';
import type { RibPeer } from './rib-peer.ts';
import type { RibTable } from './rib-table.ts';
import type { UpdateOutcome } from './rib-view.ts';
import { UpdateParts } from './update.ts';

const noFaults: readonly AttributeFault[] = [];

/** Prefixes of a message that share a family and a fate. */
interface Part {
  /** Family index; -1: no such part. */
  family: number;
  at: number;
  end: number;
  /** Attribute set to announce them with; 0: withdraw them. */
  raw: number;
}

export class AdjIn {
  readonly #attributes: RibAttributes;
  readonly #tables: readonly RibTable[];
  readonly #parts = UpdateParts.empty();
  /** Withdrawn: the message's own field and MP_UNREACH_NLRI; announced: its own field and MP_REACH_NLRI. */
  readonly #withdrawn: Part = { family: -1, at: 0, end: 0, raw: 0 };
  readonly #unreach: Part = { family: -1, at: 0, end: 0, raw: 0 };
  readonly #nlri: Part = { family: -1, at: 0, end: 0, raw: 0 };
  readonly #reach: Part = { family: -1, at: 0, end: 0, raw: 0 };
  readonly #scratch = new Uint8Array(65_536);
  readonly #outcome: { -readonly [K in keyof UpdateOutcome]: UpdateOutcome[K] } = {
    announced: 0,
    withdrawn: 0,
    endOfRib: undefined,
    faults: noFaults,
  };

  constructor(attributes: RibAttributes, tables: readonly RibTable[]) {
    this.#attributes = attributes;
    this.#tables = tables;
  }

  receive(peer: RibPeer, bytes: Uint8Array, at: number, end: number): UpdateOutcome {
    const parts = this.#parts;
    const outcome = this.#outcome;
    UpdateParts.read(parts, bytes, at, end);
    outcome.announced = outcome.withdrawn = 0;
    outcome.endOfRib = undefined;
    outcome.faults = noFaults;
    this.#withdrawn.family = parts.withdrawnEnd > parts.withdrawnAt ? 0 : -1;
    this.#withdrawn.at = parts.withdrawnAt;
    this.#withdrawn.end = parts.withdrawnEnd;
    this.#nlri.family = parts.nlriEnd > parts.attributesEnd ? 0 : -1;
    this.#nlri.at = parts.attributesEnd;
    this.#nlri.end = parts.nlriEnd;
    this.#unreach.family = this.#reach.family = -1;
    if (end - at === 4) outcome.endOfRib = 'ipv4-unicast';
    this.#checkNlri(bytes, this.#withdrawn);
    this.#checkNlri(bytes, this.#nlri);
    if (parts.attributesEnd > parts.attributesAt || this.#nlri.family >= 0) this.#readAttributes(peer, bytes);
    this.#apply(peer, bytes, this.#withdrawn);
    this.#apply(peer, bytes, this.#unreach);
    this.#apply(peer, bytes, this.#nlri);
    this.#apply(peer, bytes, this.#reach);
    return outcome;
  }

  /** A field whose prefixes cannot be told apart ends the session (RFC 7606 §5.3). */
  #checkNlri(bytes: Uint8Array, part: Part): void {
    if (part.family < 0 || isNlri(bytes, part.at, part.end, familyRows[part.family]?.bits ?? 0)) return;
    throw new BgpError(Notification.of('invalid network field'));
  }

  #readAttributes(peer: RibPeer, bytes: Uint8Array): void {
    const { attributesAt: at, attributesEnd: end } = this.#parts;
    if (peer.context.fourOctetAs) {
      const plain = this.#nlri.family >= 0 ? this.#take(peer, bytes, at, end) : 0;
      if (plain !== 0) {
        this.#hold(this.#nlri, plain);
        return;
      }
      if (this.#nlri.family < 0 && this.#readMultiprotocol(peer, bytes, at, end)) return;
    }
    this.#readCarefully(peer, bytes, at, end);
  }

  /** The id of an ordinary set that this peer may send, or 0. */
  #take(peer: RibPeer, bytes: Uint8Array, at: number, end: number): number {
    const id = this.#attributes.take(bytes, at, end);
    if (id === 0) return 0;
    const { context } = peer;
    const strange =
      !context.internal && ((this.#attributes.facts[id] as number) & (FACT_LOCAL_PREF | FACT_REFLECTED)) !== 0;
    const first = context.firstAs === undefined || this.#attributes.neighbor[id] === (context.firstAs | 0);
    if (!strange && first) return id;
    if (this.#attributes.store.references[id] === 0) this.#attributes.store.release(id);
    return 0;
  }

  /**
   * Attributes of a message whose prefixes are all in MP_REACH_NLRI or MP_UNREACH_NLRI: the rest of them with the
   * next hop from there is a set. False when anything is out of the ordinary.
   */
  #readMultiprotocol(peer: RibPeer, bytes: Uint8Array, at: number, end: number): boolean {
    const scratch = this.#scratch;
    let length = 0;
    let reachAt = 0;
    let reachEnd = 0;
    let unreachAt = 0;
    let unreachEnd = 0;
    while (at < end) {
      const wide = ((bytes[at] as number) & FLAG_EXTENDED_LENGTH) !== 0;
      if (end - at < (wide ? 4 : 3)) return false;
      const code = bytes[at + 1] as number;
      const octets = wide ? ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number) : (bytes[at + 2] as number);
      const value = at + (wide ? 4 : 3);
      const next = value + octets;
      if (next > end || code === attributeCode.nextHop) return false;
      if (code === attributeCode.mpReach || code === attributeCode.mpUnreach) {
        const reach = code === attributeCode.mpReach;
        // Optional and not transitive, once each.
        if (((bytes[at] as number) & 0xc0) !== 0x80 || (reach ? reachAt : unreachAt) !== 0) return false;
        if (reach) [reachAt, reachEnd] = [value, next];
        else [unreachAt, unreachEnd] = [value, next];
      } else for (; at < next; at++) scratch[length++] = bytes[at] as number;
      at = next;
    }
    if (unreachAt !== 0 && !this.#readUnreach(peer, bytes, unreachAt, unreachEnd)) return false;
    if (reachAt !== 0) return this.#readReach(peer, bytes, reachAt, reachEnd, length);
    if (length > 0) return false;
    const unreach = this.#unreach;
    if (unreach.family >= 0 && unreach.at === unreach.end && this.#withdrawn.family < 0)
      this.#outcome.endOfRib = Family.all[unreach.family];
    return true;
  }

  #readUnreach(_peer: RibPeer, bytes: Uint8Array, at: number, end: number): boolean {
    if (end - at < 3) return false;
    const family = familyIndex(bytes, at);
    if (family < 0) return true;
    this.#unreach.family = family;
    this.#unreach.at = at + 3;
    this.#unreach.end = end;
    this.#checkNlri(bytes, this.#unreach);
    return true;
  }

  #readReach(peer: RibPeer, bytes: Uint8Array, at: number, end: number, length: number): boolean {
    if (end - at < 5) return false;
    const family = familyIndex(bytes, at);
    const octets = bytes[at + 3] as number;
    const nlri = at + 4 + octets + 1;
    if (family < 0 || nlri > end) return false;
    const native = family === 0 ? octets === 4 : octets === 16 || octets === 32;
    if (!native) return false;
    const scratch = this.#scratch;
    scratch[length] = FLAG_TRANSITIVE;
    scratch[length + 1] = attributeCode.nextHop;
    scratch[length + 2] = octets;
    for (let i = 0; i < octets; i++) scratch[length + 3 + i] = bytes[at + 4 + i] as number;
    const raw = this.#take(peer, scratch, 0, length + 3 + octets);
    if (raw === 0) return false;
    this.#hold(this.#reach, raw);
    this.#reach.family = family;
    this.#reach.at = nlri;
    this.#reach.end = end;
    this.#checkReach(bytes);
    return true;
  }

  /** As `checkNlri`, but what has been taken for the prefixes is let go first. */
  #checkReach(bytes: Uint8Array): void {
    const { family, at, end, raw } = this.#reach;
    if (isNlri(bytes, at, end, familyRows[family]?.bits ?? 0)) return;
    this.#attributes.store.release(raw);
    throw new BgpError(Notification.of('invalid network field'));
  }

  #readCarefully(peer: RibPeer, bytes: Uint8Array, at: number, end: number): void {
    const carries = this.#nlri.family >= 0 ? 'nlri' : 'nothing';
    const check = checkAttributes(bytes, at, end, carries, peer.context);
    if (check.treatment === 'session-reset') throw new BgpError(check.notification);
    this.#outcome.faults = check.faults;
    this.#place(this.#unreach, check.mpUnreach);
    this.#place(this.#reach, check.mpReach);
    this.#checkNlri(bytes, this.#unreach);
    this.#checkNlri(bytes, this.#reach);
    this.#nlri.raw = this.#reach.raw = 0;
    if (check.treatment !== 'treat-as-withdraw') this.#takeChecked(check);
  }

  #place(part: Part, mp: { readonly family: Family | undefined; nlriAt: number; nlriEnd: number } | undefined): void {
    part.family = mp?.family === undefined ? -1 : Family.row(mp.family).index;
    part.at = mp?.nlriAt ?? 0;
    part.end = mp?.nlriEnd ?? 0;
  }

  #takeChecked(check: Exclude<AttributeCheck, { treatment: 'session-reset' }>): void {
    const { attributes, mpReach } = check;
    if (this.#nlri.family >= 0 && attributes.nextHop)
      this.#hold(this.#nlri, encodeSet(this.#attributes, attributes, { address: attributes.nextHop }));
    if (this.#reach.family >= 0 && mpReach?.nextHop)
      this.#hold(this.#reach, encodeSet(this.#attributes, attributes, mpReach.nextHop));
  }

  #apply(peer: RibPeer, bytes: Uint8Array, part: Part): void {
    if (part.family < 0) return;
    const table = this.#tables[part.family];
    // A family that was not negotiated is passed over (RFC 4760 §8).
    if (table !== undefined && peer.out[part.family] !== undefined) {
      if (part.raw === 0) this.#withdraw(peer, table, bytes, part);
      else this.#announce(peer, table, bytes, part);
    }
    this.#attributes.store.release(part.raw);
    part.raw = 0;
  }

  /** The part keeps the set until it has been applied. */
  #hold(part: Part, id: number): void {
    this.#attributes.store.retain(id);
    part.raw = id;
  }

  #withdraw(peer: RibPeer, table: RibTable, bytes: Uint8Array, part: Part): void {
    const { rows } = table;
    const wide = rows.words === 4;
    const counts = peer.counts[part.family];
    if (counts === undefined) return;
    let count = 0;
    for (let at = part.at; at < part.end; count++) {
      const length = bytes[at] as number;
      const w0 = nlriWord(bytes, at, length, 0);
      const w1 = wide ? nlriWord(bytes, at, length, 4) : 0;
      const w2 = wide ? nlriWord(bytes, at, length, 8) : 0;
      const row = rows.find(w0, w1, w2, wide ? nlriWord(bytes, at, length, 12) : 0, length);
      at += 1 + ((length + 7) >>> 3);
      const path = row < 0 ? 0 : table.pathOf(row, peer.slot, 0);
      if (path !== 0) table.remove(row, path, counts);
    }
    this.#outcome.withdrawn += count;
  }

  #announce(peer: RibPeer, table: RibTable, bytes: Uint8Array, part: Part): void {
    const { rows } = table;
    const wide = rows.words === 4;
    const { classes } = peer.import.policy;
    const counts = peer.counts[part.family];
    if (counts === undefined) return;
    let effective = classes.none ? peer.import.effective(part.raw, part.family, 0) : 0;
    let flags = peer.import.reason;
    let count = 0;
    for (let at = part.at; at < part.end; count++) {
      const length = bytes[at] as number;
      const w0 = nlriWord(bytes, at, length, 0);
      const w1 = wide ? nlriWord(bytes, at, length, 4) : 0;
      const w2 = wide ? nlriWord(bytes, at, length, 8) : 0;
      const row = rows.obtain(w0, w1, w2, wide ? nlriWord(bytes, at, length, 12) : 0, length);
      at += 1 + ((length + 7) >>> 3);
      if (!classes.none) {
        effective = peer.import.effective(part.raw, part.family, classes.of(part.family, rows, row));
        flags = peer.import.reason;
      }
      table.put(row, peer.slot, part.raw, effective, flags, counts);
    }
    this.#outcome.announced += count;
  }
}

/** Of the AFI and SAFI at `at`; -1: a family this speaker does not carry. */
function familyIndex(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== 0 || bytes[at + 2] !== 1) return -1;
  const afi = bytes[at + 1] as number;
  return afi === 1 ? 0 : afi === 2 ? 1 : -1;
}
