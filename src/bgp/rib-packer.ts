/**
 * Prefixes → UPDATE messages (RFC 4271 §4.3, RFC 4760): prefixes with one attribute set share messages, withdrawn
 * ones go first. A batch is gathered only as far as it is sure to fit, so nothing is ever left over.
 */
import { attributeCode, FLAG_EXTENDED_LENGTH, FLAG_OPTIONAL } from './attribute.ts';
import type { AttributeStore } from './attribute-store.ts';
import { nlriOctets, writeNlri } from './nlri.ts';
import type { RibTable } from './rib-table.ts';
import { HEADER_OCTETS } from './update.ts';

/** As many /32s as 40 KiB hold; longer batches would only pack a little better. */
const BATCH_MAX = 8192;
const TYPE_UPDATE = 2;
/** Header, and the lengths of withdrawn routes and of attributes. */
const FRAME_OCTETS = HEADER_OCTETS + 4;
/** MP_REACH_NLRI and MP_UNREACH_NLRI around next hop and prefixes: with a length of two octets always. */
const REACH_OCTETS = 4 + 5;
const UNREACH_OCTETS = 4 + 3;

export class Packer {
  readonly #exports: AttributeStore;
  // Entry i: a row, and the entry after it in its bucket (-1: none). Bucket 0 is the withdrawn prefixes.
  readonly #rows = new Uint32Array(BATCH_MAX);
  readonly #nextEntry = new Int32Array(BATCH_MAX);
  #entries = 0;
  readonly #set = new Uint32Array(BATCH_MAX + 1);
  readonly #first = new Int32Array(BATCH_MAX + 1);
  readonly #last = new Int32Array(BATCH_MAX + 1);
  /** Octets of prefixes in the bucket's last message. */
  readonly #fill = new Uint32Array(BATCH_MAX + 1);
  #buckets = 1;
  /** Set → bucket, by open addressing; an entry counts only with the mark of this batch. */
  readonly #index = new Uint32Array(2 * BATCH_MAX);
  readonly #marks = new Uint32Array(2 * BATCH_MAX);
  #mark = 0;
  #lastBucket = 0;
  // The batch: where it goes, and how much of the room is spoken for.
  #table: RibTable | undefined;
  #multiprotocol = false;
  #messageMax = 0;
  #room = 0;

  constructor(exports: AttributeStore) {
    this.#exports = exports;
  }

  get entries(): number {
    return this.#entries;
  }

  /**
   * Begins a batch that may take `room` octets in messages of at most `messageMax`. `multiprotocol`: withdraw by
   * MP_UNREACH_NLRI.
   */
  begin(table: RibTable, multiprotocol: boolean, messageMax: number, room: number): void {
    this.#table = table;
    this.#multiprotocol = multiprotocol;
    this.#messageMax = messageMax;
    this.#room = room;
    this.#entries = 0;
    this.#buckets = 1;
    this.#first[0] = -1;
    this.#set[0] = 0;
    this.#mark = (this.#mark + 1) >>> 0;
    if (this.#mark === 0) {
      this.#marks.fill(0);
      this.#mark = 1;
    }
    this.#lastBucket = 0;
  }

  /** False when there is no room for it. */
  withdraw(row: number): boolean {
    return this.#add(0, row, this.#withdrawalOverhead());
  }

  /** False when there is no room for it. The set is one of `exports`. */
  announce(row: number, set: number): boolean {
    const bucket = this.#set[this.#lastBucket] === set ? this.#lastBucket : this.#bucketOf(set);
    this.#lastBucket = bucket;
    return this.#add(bucket, row, this.#overhead(set));
  }

  /** Writes the messages from `at` on; returns where they end. The batch is over. */
  finish(out: Uint8Array, at: number): number {
    for (let bucket = 0; bucket < this.#buckets; bucket++) {
      const set = this.#set[bucket] as number;
      let entry = this.#first[bucket] as number;
      if (entry < 0) continue;
      const overhead = bucket === 0 ? this.#withdrawalOverhead() : this.#overhead(set);
      while (entry >= 0) {
        const nlri = bucket === 0 ? this.#openWithdrawal(out, at) : this.#openAnnouncement(out, at, set);
        entry = this.#prefixes(out, entry, nlri, this.#messageMax - overhead);
        at = bucket === 0 ? this.#closeWithdrawal(out, at) : this.#closeAnnouncement(out, at, set);
      }
      if (bucket > 0) this.#exports.release(set);
    }
    this.#entries = 0;
    this.#buckets = 1;
    return at;
  }

  /** Whether a set leaves room for a prefix in a message at all. */
  fits(set: number, messageMax: number): boolean {
    return this.#overhead(set) + 17 <= messageMax;
  }

  #end = 0;

  #withdrawalOverhead(): number {
    return FRAME_OCTETS + (this.#multiprotocol ? UNREACH_OCTETS : 0);
  }

  #overhead(set: number): number {
    const nextHop = this.#exports.bytes[this.#exports.at(set)] as number;
    const attributes = (this.#exports.length[set] as number) - 1;
    return FRAME_OCTETS + attributes + (nextHop === 0 ? 0 : REACH_OCTETS);
  }

  #add(bucket: number, row: number, overhead: number): boolean {
    const octets = nlriOctets(this.#table?.rows.length[row] as number);
    const last = this.#first[bucket] as number;
    const more = last < 0 || overhead + (this.#fill[bucket] as number) + octets > this.#messageMax;
    const cost = octets + (more ? overhead : 0);
    if (cost > this.#room || this.#entries === BATCH_MAX) return false;
    this.#room -= cost;
    this.#fill[bucket] = more ? octets : (this.#fill[bucket] as number) + octets;
    const entry = this.#entries++;
    this.#rows[entry] = row;
    this.#nextEntry[entry] = -1;
    if (last < 0) {
      this.#first[bucket] = entry;
      if (bucket > 0) this.#exports.retain(this.#set[bucket] as number);
    } else this.#nextEntry[this.#last[bucket] as number] = entry;
    this.#last[bucket] = entry;
    return true;
  }

  #bucketOf(set: number): number {
    const mask = this.#index.length - 1;
    let at = Math.imul(set, 0x9e3779b1) >>> 15;
    for (at &= mask; this.#marks[at] === this.#mark; at = (at + 1) & mask) {
      const bucket = this.#index[at] as number;
      if (this.#set[bucket] === set) return bucket;
    }
    if (this.#buckets === this.#set.length) return this.#buckets - 1;
    const bucket = this.#buckets++;
    this.#marks[at] = this.#mark;
    this.#index[at] = bucket;
    this.#set[bucket] = set;
    this.#first[bucket] = -1;
    return bucket;
  }

  /**
   * Writes prefixes of a bucket into `octets` of room at most; returns the first entry that had none, or -1. Sets
   * `#end`.
   */
  #prefixes(out: Uint8Array, entry: number, at: number, octets: number): number {
    const { rows } = this.#table as RibTable;
    const limit = at + octets;
    while (entry >= 0) {
      const row = this.#rows[entry] as number;
      if (at + nlriOctets(rows.length[row] as number) > limit) break;
      at = writeNlri(rows, row, out, at);
      entry = this.#nextEntry[entry] as number;
    }
    this.#end = at;
    return entry;
  }

  /** The start of a message that withdraws; returns where its prefixes go. */
  #openWithdrawal(out: Uint8Array, at: number): number {
    at += HEADER_OCTETS;
    if (!this.#multiprotocol) return at + 2;
    putU16(out, at, 0);
    out[at + 4] = FLAG_OPTIONAL | FLAG_EXTENDED_LENGTH;
    out[at + 5] = attributeCode.mpUnreach;
    return this.#putFamily(out, at + 8);
  }

  #closeWithdrawal(out: Uint8Array, begin: number): number {
    const body = begin + HEADER_OCTETS;
    let end = this.#end;
    if (this.#multiprotocol) {
      putU16(out, body + 2, end - body - 4);
      putU16(out, body + 6, end - body - 8);
    } else {
      putU16(out, body, end - body - 2);
      putU16(out, end, 0);
      end += 2;
    }
    writeHeader(out, begin, end - begin, TYPE_UPDATE);
    return end;
  }

  /**
   * The start of a message that announces; returns where its prefixes go. MP_REACH_NLRI is the first attribute (RFC
   * 7606 §5.1).
   */
  #openAnnouncement(out: Uint8Array, at: number, set: number): number {
    const { bytes } = this.#exports;
    const from = this.#exports.at(set);
    const nextHop = bytes[from] as number;
    at += HEADER_OCTETS;
    putU16(out, at, 0);
    at += 4;
    if (nextHop === 0) {
      const octets = (this.#exports.length[set] as number) - 1;
      putU16(out, at - 2, octets);
      for (let i = 1; i <= octets; i++) out[at++] = bytes[from + i] as number;
      return at;
    }
    out[at] = FLAG_OPTIONAL | FLAG_EXTENDED_LENGTH;
    out[at + 1] = attributeCode.mpReach;
    at = this.#putFamily(out, at + 4);
    for (let i = 0; i <= nextHop; i++) out[at++] = bytes[from + i] as number;
    out[at++] = 0;
    return at;
  }

  #closeAnnouncement(out: Uint8Array, begin: number, set: number): number {
    const { bytes } = this.#exports;
    const body = begin + HEADER_OCTETS;
    let from = this.#exports.at(set);
    const last = from + (this.#exports.length[set] as number);
    const nextHop = bytes[from] as number;
    let end = this.#end;
    if (nextHop !== 0) {
      putU16(out, body + 6, end - body - 8);
      for (from += 1 + nextHop; from < last; from++) out[end++] = bytes[from] as number;
      putU16(out, body + 2, end - body - 4);
    }
    writeHeader(out, begin, end - begin, TYPE_UPDATE);
    return end;
  }

  #putFamily(out: Uint8Array, at: number): number {
    const { afi, safi } = (this.#table as RibTable).family;
    putU16(out, at, afi);
    out[at + 2] = safi;
    return at + 3;
  }
}

function putU16(out: Uint8Array, at: number, value: number): void {
  out[at] = value >>> 8;
  out[at + 1] = value;
}

/** RFC 4271 §4.1. */
export function writeHeader(out: Uint8Array, at: number, length: number, type: number): void {
  for (let i = 0; i < 16; i++) out[at + i] = 0xff;
  putU16(out, at + 16, length);
  out[at + 18] = type;
}
