/**
 * Messages written for one member of a group, kept a while for the others: a piece is what one batch came to, from
 * one place in the change log or in a walk over the table to another. Whether it fits another member is looked at row
 * by row, which is far less work than writing it anew.
 */
import type { RibLog } from './rib-log.ts';
import type { RibTable } from './rib-table.ts';

const PIECES_MAX = 16;
/** Rows that a piece may be about; a batch that looked at more is not kept. */
const ROWS_MAX = 16_384;

/** What the messages do about a row; nothing, for one that the peer has not been told and is not to be told. */
export const ACT_NOTHING = 0;
export const ACT_ANNOUNCE = 1;
export const ACT_WITHDRAW = 2;
export type Act = typeof ACT_NOTHING | typeof ACT_ANNOUNCE | typeof ACT_WITHDRAW;
const ACT_BITS = 2;
const ACT_MASK = 3;

export interface Piece {
  walk: boolean;
  /** Positions in the log, or rows of a walk. */
  from: number;
  to: number;
  /** The end of the log, and how often the rows had been begun anew, when it was written. */
  logEnd: number;
  era: number;
  octets: number;
  bytes: Uint8Array;
  /** Row and act in each. */
  acts: Uint32Array;
  actCount: number;
}

/** Rows and acts of the batch that is being written. */
export class Acts {
  readonly words = new Uint32Array(ROWS_MAX);
  count = 0;
  /** Something in it is only for the peer it is written for. */
  personal = false;

  begin(): void {
    this.count = 0;
    this.personal = false;
  }

  add(row: number, act: Act): void {
    if (this.count === ROWS_MAX) this.personal = true;
    else this.words[this.count++] = (row << ACT_BITS) | act;
  }
}

/** Who looks at a piece: what has it been told, and which routes are its own. */
export interface PieceReader {
  /** The log it reads, the same for all readers of a group's pieces. */
  readonly log: RibLog;
  readonly told: { has(row: number): boolean; add(row: number): void; remove(row: number): void };
  readonly slot: number;
}

/** The pieces of one group in one family. */
export class SharedPieces {
  readonly #pieces: Piece[] = [];
  #next = 0;

  /** The piece that begins here and fits a reader with this much room, or undefined. */
  find(
    table: RibTable,
    reader: PieceReader,
    walk: boolean,
    from: number,
    end: number,
    room: number,
  ): Piece | undefined {
    const era = table.rows.era;
    for (const piece of this.#pieces) {
      if (piece.from !== from || piece.walk !== walk || piece.era !== era || piece.octets > room) continue;
      // A row that came into use in the range since is in no act of the piece, and no entry of the reader's log.
      if (walk && piece.logEnd !== reader.log.end) continue;
      if (piece.to <= end && fits(piece, table, reader)) return piece;
    }
    return undefined;
  }

  /** Keeps what was just written, in place of the oldest piece. */
  keep(
    table: RibTable,
    log: RibLog,
    walk: boolean,
    from: number,
    to: number,
    out: Uint8Array,
    at: number,
    end: number,
    acts: Acts,
  ): void {
    const piece = this.#pieces[this.#next] ?? emptyPiece();
    this.#pieces[this.#next] = piece;
    this.#next = (this.#next + 1) % PIECES_MAX;
    piece.walk = walk;
    piece.from = from;
    piece.to = to;
    piece.logEnd = log.end;
    piece.era = table.rows.era;
    piece.octets = end - at;
    if (piece.bytes.length < piece.octets) piece.bytes = new Uint8Array(piece.octets);
    for (let i = 0; i < piece.octets; i++) piece.bytes[i] = out[at + i] as number;
    piece.actCount = acts.count;
    if (piece.acts.length < acts.count) piece.acts = new Uint32Array(acts.count);
    for (let i = 0; i < acts.count; i++) piece.acts[i] = acts.words[i] as number;
  }
}

/** Copies the piece and notes what the reader has now been told; returns where it ends. */
export function takePiece(piece: Piece, reader: PieceReader, out: Uint8Array, at: number): number {
  const { bytes, octets, acts, actCount } = piece;
  for (let i = 0; i < octets; i++) out[at + i] = bytes[i] as number;
  for (let i = 0; i < actCount; i++) {
    const word = acts[i] as number;
    if ((word & ACT_MASK) === ACT_ANNOUNCE) reader.told.add(word >>> ACT_BITS);
    else if ((word & ACT_MASK) === ACT_WITHDRAW) reader.told.remove(word >>> ACT_BITS);
  }
  return at + octets;
}

/** Nothing in it has changed since, and the reader would be told the same. */
function fits(piece: Piece, table: RibTable, reader: PieceReader): boolean {
  const { acts, actCount, logEnd } = piece;
  const { head } = table.rows;
  const { slot } = table.paths;
  for (let i = 0; i < actCount; i++) {
    const word = acts[i] as number;
    const row = word >>> ACT_BITS;
    const act = word & ACT_MASK;
    if (reader.log.changedSince(row, logEnd)) return false;
    const best = head[row] as number;
    if (best !== 0 && slot[best] === reader.slot) return false;
    if (act !== ACT_ANNOUNCE && reader.told.has(row) !== (act === ACT_WITHDRAW)) return false;
  }
  return true;
}

function emptyPiece(): Piece {
  const nothing = { bytes: new Uint8Array(0), acts: new Uint32Array(0), actCount: 0 };
  return { walk: false, from: 0, to: 0, logEnd: 0, era: 0, octets: 0, ...nothing };
}
