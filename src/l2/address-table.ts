/**
 * The addresses that this node answers for, in shared memory: one writer (the main thread), readers that never wait
 * (the responder). Which rows there are is one thing, until when they count another: two deadlines, one for rows in
 * mode `session`, one for rows in mode `hold`, both in milliseconds of CLOCK_BOOTTIME. A row answers while `now` is
 * before the deadline of its mode; rows in mode `listen` never answer, but what others say of them is noticed.
 *
 * A table with open addressing and rows that never move: a lookup finds what was there all the time. Every row has a
 * word with a generation and the state, which is written before and after its key is, so that a reader notices a row
 * that became another one under its hands. A deadline is read from one of two slots, the other is being written.
 */
import { type Family, IpAddress } from '../net/ip.ts';
import { Mac } from '../net/mac.ts';
import { type Drop, drops } from './drop.ts';

/**
 * `session`: ours by the store. `hold`: ours until somebody contradicts it, while the store is out of reach.
 * `listen`: not answered; heard.
 */
export type RowMode = 'session' | 'hold' | 'listen';

export interface OwnedRow {
  /** Index of the link. */
  readonly link: number;
  readonly address: IpAddress;
  readonly mode: RowMode;
}

export interface Deadlines {
  /** CLOCK_BOOTTIME in ms, up to which rows in mode `session` are answered; 0: not at all. */
  readonly sessionMs: number;
  readonly holdMs: number;
}

/** What became of a row, for `herald l2`. */
export interface RowStatus {
  readonly row: OwnedRow;
  /** A `hold` row that the responder gave up because another station spoke for the address. */
  readonly yielded: boolean;
  readonly answers: number;
  readonly lastAsker: { readonly address: IpAddress; readonly mac: Mac; readonly atMs: number } | undefined;
}

/** What a link has carried from other stations. */
export interface Wire {
  readonly link: number;
  /** CLOCK_BOOTTIME in ms of the last frame; 0: none yet. */
  readonly heardMs: number;
  /** Whose address a frame last gave as the sender's; undefined: none yet. */
  readonly speaker: IpAddress | undefined;
}

/** What `replaceAll` changed. */
export interface RowChanges {
  /** Answering now, and were not there before or only listened. */
  readonly added: readonly OwnedRow[];
  /** Keys that are gone. */
  readonly removed: readonly OwnedRow[];
}

/** Rows that a table has room for, unless said otherwise. Pages of the memory that no row is on are never touched. */
const ROWS_MAX_DEFAULT = 16_384;

/** Kinds of row, in the lowest three bits of a row's state; the rest is the generation. */
const EMPTY = 0;
const DELETED = 1;
const SESSION = 2;
const HOLD = 3;
const LISTEN = 4;
const YIELDED = 5;
const KIND = 7;
const kindOf = { session: SESSION, hold: HOLD, listen: LISTEN } as const satisfies Record<RowMode, number>;

/** Words of the head: slots, counter of the deadlines. */
const SLOTS = 0;
const DEADLINES = 1;
/** Where the numbers of the head begin, in 8 octets: two slots of two deadlines, answers, drops by their number. */
const DEADLINE_AT = 1;
const COUNTERS_AT = DEADLINE_AT + 4;
const COUNTERS = 64;
/** When each link last carried anything, in 8 octets by the last bits of its index; links that share them share it. */
const HEARD_AT = COUNTERS_AT + COUNTERS;
const WIRES = 64;
/** And who spoke there last, in words: the address in its mapped form. */
const SPEAKERS_AT = (HEARD_AT + WIRES) * 2;
const SPEAKER_WORDS = 4;
const HEAD_OCTETS = (SPEAKERS_AT + WIRES * SPEAKER_WORDS) * 4;

/** Words of a row: state, link (highest bit: IPv6), 4 of address, sequence of the asker, 4 + 2 of the asker. */
const LINK = 1;
const ADDRESS = 2;
const ASKER_SEQUENCE = 6;
const ASKER = 7;
const ASKER_MAC = 11;
/** In 8 octets: answers, time of the last one. */
const ANSWERS = 7;
const LAST_MS = 8;
const ROW_OCTETS = 72;
const ROW_WORDS = ROW_OCTETS / 4;
const ROW_NUMBERS = ROW_OCTETS / 8;

/** Times that a reader looks at something that is being written before it lets the frame go. */
const TRIES_MAX = 64;

/** What `find` returns for an address that has no row, here or on any link. */
const NO_ROW = -1;
export const ROW_ON_OTHER_LINK = -2;

/** Thrown when there are more rows than room: make a larger table and give the readers that one. */
export class TableFullError extends Error {
  override name = 'TableFullError';
}

export class AddressTable {
  /** What to give to a worker, which makes its own AddressTable of it. */
  readonly memory: SharedArrayBuffer | ArrayBuffer;
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;
  readonly #mask: number;
  /** The writer's own index: key → slot and row. */
  readonly #rows = new Map<string, { readonly slot: number; row: OwnedRow }>();

  constructor(memory: SharedArrayBuffer | ArrayBuffer) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
    this.#numbers = new Float64Array(memory);
    this.#mask = this.#word(SLOTS) - 1;
  }

  /** An empty table with room for `rowsMax` rows, in shared memory. */
  static make(rowsMax = ROWS_MAX_DEFAULT): AddressTable {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(rowsMax, 4) * 2));
    const memory = new SharedArrayBuffer(HEAD_OCTETS + slots * ROW_OCTETS);
    new Int32Array(memory)[SLOTS] = slots;
    return new AddressTable(memory);
  }

  /** Rows that fit. */
  get rowsMax(): number {
    return (this.#mask + 1) / 2;
  }

  // The writer.

  /** The whole set. A row that stays is not touched: it keeps its counters, and a `hold` row that yielded stays so. */
  replaceAll(rows: readonly OwnedRow[]): RowChanges {
    const wanted = new Map(rows.map(row => [keyOf(row), row]));
    if (wanted.size > this.rowsMax) throw new TableFullError(`${wanted.size} rows, room for ${this.rowsMax}`);
    const removed: OwnedRow[] = [];
    for (const [key, { slot, row }] of this.#rows)
      if (!wanted.has(key)) {
        this.#delete(slot);
        this.#rows.delete(key);
        removed.push(row);
      }
    const added: OwnedRow[] = [];
    for (const [key, row] of wanted) {
      const known = this.#rows.get(key);
      if (row.mode !== 'listen' && (known === undefined || known.row.mode === 'listen')) added.push(row);
      if (known === undefined) this.#rows.set(key, { slot: this.#insert(row), row });
      else if (known.row.mode !== row.mode) {
        this.#mode(known.slot, row.mode);
        known.row = row;
      }
    }
    return { added, removed };
  }

  /** Both at once for every reader. */
  setDeadlines({ sessionMs, holdMs }: Deadlines): void {
    const count = this.#word(DEADLINES) + 1;
    const at = DEADLINE_AT + (count & 1) * 2;
    this.#numbers[at] = sessionMs;
    this.#numbers[at + 1] = holdMs;
    Atomics.store(this.#words, DEADLINES, count | 0);
  }

  // What either side may ask.

  get deadlines(): Deadlines {
    for (let i = 0; i < TRIES_MAX; i++) {
      const count = Atomics.load(this.#words, DEADLINES);
      const at = DEADLINE_AT + (count & 1) * 2;
      const deadlines = { sessionMs: this.#number(at), holdMs: this.#number(at + 1) };
      if (Atomics.load(this.#words, DEADLINES) === count) return deadlines;
    }
    return { sessionMs: 0, holdMs: 0 };
  }

  /** Every row with what became of it, in no order. */
  status(): readonly RowStatus[] {
    return [...this.#rows.values()].map(({ slot, row }) => ({
      row,
      yielded: (Atomics.load(this.#words, this.#at(slot)) & KIND) === YIELDED,
      answers: this.#number(this.#numberAt(slot) + ANSWERS),
      lastAsker: this.#lastAsker(slot, row.address.family),
    }));
  }

  /** Frames answered, and dropped by reason, since the table was made. Reasons that never came up are left out. */
  counters(): { readonly answers: number; readonly drops: ReadonlyMap<Drop, number> } {
    const counted = drops.map((name, i) => [name, this.#number(COUNTERS_AT + i + 1)] as const);
    return { answers: this.#number(COUNTERS_AT), drops: new Map(counted.filter(([, count]) => count > 0)) };
  }

  /** What `link` has carried. The speaker may be another one's halves when it is being written: it is only a hint. */
  wire(link: number): Wire {
    const view = new DataView(new ArrayBuffer(16));
    for (let i = 0; i < SPEAKER_WORDS; i++) view.setInt32(i * 4, this.#word(speakerAt(link) + i));
    const speaker = IpAddress.unmapped(IpAddress.fromBytes('ipv6', new Uint8Array(view.buffer)));
    const heardMs = this.#number(HEARD_AT + (link & (WIRES - 1)));
    return { link, heardMs, speaker: IpAddress.isUnspecified(speaker) ? undefined : speaker };
  }

  // The reader. Nothing here allocates.

  /** Another station's frame came in. */
  noteHeard(link: number, nowMs: number): void {
    this.#numbers[HEARD_AT + (link & (WIRES - 1))] = nowMs;
  }

  /** Its sender's address is at `at`. */
  noteSpeaker(link: number, family: Family, frame: Uint8Array, at: number): void {
    const v4 = family === 'ipv4';
    const words = speakerAt(link);
    this.#words[words] = v4 ? 0 : word(frame, at);
    this.#words[words + 1] = v4 ? 0 : word(frame, at + 4);
    this.#words[words + 2] = v4 ? 0xffff : word(frame, at + 8);
    this.#words[words + 3] = word(frame, v4 ? at : at + 12);
  }

  /** The slot of the row for the address at `at`; NO_ROW or ROW_ON_OTHER_LINK. */
  find(link: number, family: Family, bytes: Uint8Array, at: number): number {
    const v4 = family === 'ipv4';
    const key = v4 ? link : link | -0x8000_0000;
    const a = v4 ? 0 : word(bytes, at);
    const b = v4 ? 0 : word(bytes, at + 4);
    const c = v4 ? 0xffff : word(bytes, at + 8);
    const d = word(bytes, v4 ? at : at + 12);
    let found = NO_ROW;
    let slot = hash(a, b, c, d) & this.#mask;
    for (let i = 0; i <= this.#mask; i++, slot = (slot + 1) & this.#mask) {
      const row = this.#at(slot);
      const state = Atomics.load(this.#words, row);
      if ((state & KIND) === EMPTY) return found;
      if ((state & KIND) === DELETED) continue;
      const same =
        this.#word(row + ADDRESS + 3) === d &&
        this.#word(row + ADDRESS + 2) === c &&
        this.#word(row + ADDRESS + 1) === b &&
        this.#word(row + ADDRESS) === a;
      const here = this.#word(row + LINK);
      // A row that became another one meanwhile was not ours before, or is no longer.
      if (!same || Atomics.load(this.#words, row) >> 3 !== state >> 3) continue;
      if (here === key) return slot;
      if (here < 0 === key < 0) found = ROW_ON_OTHER_LINK;
    }
    return found;
  }

  /** Undefined when the row may be answered at `nowMs`; otherwise why not. */
  refusal(slot: number, nowMs: number): 'listening' | 'deadline-passed' | undefined {
    const kind = Atomics.load(this.#words, this.#at(slot)) & KIND;
    if (kind !== SESSION && kind !== HOLD) return 'listening';
    for (let i = 0; i < TRIES_MAX; i++) {
      const count = Atomics.load(this.#words, DEADLINES);
      const deadlineMs = this.#number(DEADLINE_AT + (count & 1) * 2 + (kind === HOLD ? 1 : 0));
      if (Atomics.load(this.#words, DEADLINES) === count) return nowMs < deadlineMs ? undefined : 'deadline-passed';
    }
    return 'deadline-passed';
  }

  /** Gives a `hold` row up, at once. Whether it was one. */
  yieldHold(slot: number): boolean {
    const row = this.#at(slot);
    const state = Atomics.load(this.#words, row);
    const given = (state & ~KIND) | YIELDED;
    return (state & KIND) === HOLD && Atomics.compareExchange(this.#words, row, state, given) === state;
  }

  /** Counts an answer; the asker's IP address is at `askerAt` of the frame, its MAC at `macAt`. */
  answered(slot: number, family: Family, frame: Uint8Array, askerAt: number, macAt: number, nowMs: number): void {
    const row = this.#at(slot);
    const numbers = this.#numberAt(slot);
    this.#numbers[COUNTERS_AT] = this.#number(COUNTERS_AT) + 1;
    this.#numbers[numbers + ANSWERS] = this.#number(numbers + ANSWERS) + 1;
    Atomics.add(this.#words, row + ASKER_SEQUENCE, 1);
    const words = family === 'ipv4' ? 1 : 4;
    for (let i = 0; i < words; i++) this.#words[row + ASKER + i] = word(frame, askerAt + i * 4);
    this.#words[row + ASKER_MAC] = word(frame, macAt);
    this.#words[row + ASKER_MAC + 1] = word(frame, macAt + 2);
    this.#numbers[numbers + LAST_MS] = nowMs;
    Atomics.add(this.#words, row + ASKER_SEQUENCE, 1);
  }

  /** Counts a drop by the code that `respond` returns for it. */
  dropped(code: number): void {
    const at = COUNTERS_AT - code;
    this.#numbers[at] = this.#number(at) + 1;
  }

  // Inside.

  #insert(row: OwnedRow): number {
    const bytes = IpAddress.toBytes(IpAddress.mapped(row.address));
    const [a, b, c, d] = [word(bytes, 0), word(bytes, 4), word(bytes, 8), word(bytes, 12)];
    let slot = hash(a, b, c, d) & this.#mask;
    while ((this.#word(this.#at(slot)) & KIND) > DELETED) slot = (slot + 1) & this.#mask;
    const at = this.#at(slot);
    // A reader that still has the old row before it notices that the generation is another.
    this.#state(slot, DELETED);
    this.#words.set([row.address.family === 'ipv4' ? row.link : row.link | -0x8000_0000, a, b, c, d], at + LINK);
    this.#words.fill(0, at + ASKER_SEQUENCE, at + ROW_WORDS);
    this.#state(slot, kindOf[row.mode]);
    return slot;
  }

  /** Graves at the end of a run are given back, so that lookups of what is not there stay short. */
  #delete(slot: number): void {
    this.#state(slot, DELETED);
    const isKind = (at: number, kind: number) => (this.#word(this.#at(at)) & KIND) === kind;
    while (isKind((slot + 1) & this.#mask, EMPTY) && isKind(slot, DELETED)) {
      this.#state(slot, EMPTY);
      slot = (slot - 1) & this.#mask;
    }
  }

  /** The next generation of the row, in this state. */
  #state(slot: number, kind: number): void {
    const at = this.#at(slot);
    Atomics.store(this.#words, at, (((this.#word(at) >> 3) + 1) << 3) | kind | 0);
  }

  /** Of a row whose key stays, and with it the generation. */
  #mode(slot: number, mode: RowMode): void {
    const at = this.#at(slot);
    Atomics.store(this.#words, at, (this.#word(at) & ~KIND) | kindOf[mode]);
  }

  #lastAsker(slot: number, family: Family): RowStatus['lastAsker'] {
    const row = this.#at(slot);
    const bytes = new Uint8Array(24);
    const view = new DataView(bytes.buffer);
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const sequence = Atomics.load(this.#words, row + ASKER_SEQUENCE);
      if (sequence === 0) return undefined;
      for (let i = 0; i < 4; i++) view.setInt32(i * 4, this.#word(row + ASKER + i));
      view.setInt32(16, this.#word(row + ASKER_MAC));
      view.setInt32(18, this.#word(row + ASKER_MAC + 1));
      const atMs = this.#number(this.#numberAt(slot) + LAST_MS);
      if (sequence % 2 === 0 && Atomics.load(this.#words, row + ASKER_SEQUENCE) === sequence)
        return { address: IpAddress.fromBytes(family, bytes), mac: Mac.fromBytes(bytes, 16), atMs };
    }
    return undefined;
  }

  #at(slot: number): number {
    return HEAD_OCTETS / 4 + slot * ROW_WORDS;
  }

  #numberAt(slot: number): number {
    return HEAD_OCTETS / 8 + slot * ROW_NUMBERS;
  }

  #word(at: number): number {
    return this.#words[at] as number;
  }

  #number(at: number): number {
    return this.#numbers[at] as number;
  }
}

function speakerAt(link: number): number {
  return SPEAKERS_AT + (link & (WIRES - 1)) * SPEAKER_WORDS;
}

function keyOf({ link, address }: OwnedRow): string {
  return `${link} ${address.family} ${address.value}`;
}

/** Four octets, signed as they are in an Int32Array. */
function word(bytes: Uint8Array, at: number): number {
  return (octet(bytes, at) << 24) | (octet(bytes, at + 1) << 16) | (octet(bytes, at + 2) << 8) | octet(bytes, at + 3);
}

function octet(bytes: Uint8Array, at: number): number {
  return bytes[at] as number;
}

/** Mixes all 128 bits; the last ones of addresses in a pool differ the most. */
function hash(a: number, b: number, c: number, d: number): number {
  let h = Math.imul(a ^ 0x9e37_79b9, 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 15) ^ b, 0xc2b2_ae35);
  h = Math.imul(h ^ (h >>> 13) ^ c, 0x27d4_eb2f);
  h = Math.imul(h ^ (h >>> 15) ^ d, 0x85eb_ca6b);
  return (h ^ (h >>> 16)) >>> 0;
}
