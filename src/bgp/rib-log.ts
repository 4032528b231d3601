/**
 * A change log of one family: rows whose route changed, in order. A reader is a position in it, so one that does
 * not read costs nothing but its place. A row is in the log once for every reader's purpose: only its newest entry
 * counts, which is the one that its version names; older ones are passed over. What all readers have passed is
 * forgotten; when superseded entries pile up because a reader stands still, the log is written anew without them.
 */
import { nextCapacity, resizedU32, type U32 } from './columns.ts';
import type { RibRows } from './rib-rows.ts';

const CHUNK = 4096;
const CHUNK_BITS = 12;
/** The log may hold this many superseded entries besides as many as there are rows. */
const SUPERSEDED_MAX = 65_536;

/** Where a reader is: its next entry. */
export interface LogReader {
  cursor: number;
}

export class RibLog {
  readonly #rows: RibRows;
  readonly #passed: (row: number) => void;
  /** By row: low 32 bits of the position of its newest entry. */
  #version: U32 = new Uint32Array(0);
  readonly #readers = new Set<LogReader>();
  #chunks: Uint32Array[] = [];
  /** A chunk to use again. */
  #spare: Uint32Array | undefined;
  /** Position of the first entry of the first chunk. */
  #base = 0;
  #end = 0;

  /** `passed` is told of each row without paths whose newest entry has been passed by every reader. */
  constructor(rows: RibRows, passed: (row: number) => void) {
    this.#rows = rows;
    this.#passed = passed;
  }

  get end(): number {
    return this.#end;
  }

  /** Adds a reader at the end. */
  join(reader: LogReader): void {
    reader.cursor = this.#end;
    this.#readers.add(reader);
  }

  leave(reader: LogReader): void {
    this.#readers.delete(reader);
    this.trim();
  }

  /** Says that the row changed. */
  append(row: number): void {
    if (this.#readers.size === 0) {
      if (this.#rows.head[row] === 0) this.#passed(row);
      return;
    }
    if (this.#end - this.#base > 2 * this.#rows.size + SUPERSEDED_MAX) this.#rewrite();
    this.#push(row);
  }

  /** The row at a position, or -1 when a later entry has taken its place. */
  at(position: number): number {
    const offset = position - this.#base;
    const row = (this.#chunks[offset >>> CHUNK_BITS] as Uint32Array)[offset & (CHUNK - 1)] as number;
    return this.#version[row] === position >>> 0 ? row : -1;
  }

  /** Whether the row has changed at or after this position. */
  changedSince(row: number, position: number): boolean {
    // A row that changed while nobody read is in no entry.
    if (position >= this.#end || row >= this.#version.length) return false;
    return (((this.#version[row] as number) - position) | 0) >= 0;
  }

  /** Whether somebody has yet to pass an entry of the row. */
  holds(row: number): boolean {
    return this.#readers.size > 0 && this.changedSince(row, this.#base);
  }

  /** Forgets chunks that every reader has passed. Call it when a reader has moved from one chunk to another. */
  trim(): void {
    let low = this.#end;
    for (const { cursor } of this.#readers) if (cursor < low) low = cursor;
    if (this.#readers.size > 0) low = this.#base + ((low - this.#base) & ~(CHUNK - 1));
    for (let position = this.#base; position < low; position++) {
      const row = this.at(position);
      if (row >= 0 && this.#rows.head[row] === 0) this.#passed(row);
    }
    if (this.#readers.size === 0) this.#chunks = [];
    else if (low > this.#base) [this.#spare] = this.#chunks.splice(0, (low - this.#base) >>> CHUNK_BITS);
    this.#base = low;
    if (this.#rows.size === 0) this.#version = resizedU32(this.#version, 0);
  }

  /** Whether a reader that moved between these positions left the first chunk. */
  leftFirstChunk(from: number, to: number): boolean {
    return from < this.#base + CHUNK && to >= this.#base + CHUNK;
  }

  #push(row: number): void {
    const offset = this.#end - this.#base;
    let chunk = this.#chunks[offset >>> CHUNK_BITS];
    if (chunk === undefined) {
      chunk = this.#spare ?? new Uint32Array(CHUNK);
      this.#spare = undefined;
      this.#chunks.push(chunk);
    }
    chunk[offset & (CHUNK - 1)] = row;
    if (row >= this.#version.length)
      this.#version = resizedU32(this.#version, nextCapacity(this.#version.length, row + 1));
    this.#version[row] = this.#end >>> 0;
    this.#end++;
  }

  /**
   * Appends what still counts once more, in order, to an empty log, and moves every reader to the entry it was
   * before.
   */
  #rewrite(): void {
    const [chunks, base, end] = [this.#chunks, this.#base, this.#end];
    const readers = [...this.#readers].sort((a, b) => a.cursor - b.cursor);
    const versions = this.#version;
    this.#chunks = [];
    this.#base = end;
    let next = 0;
    for (let position = base; position < end; position++) {
      for (let reader = readers[next]; reader !== undefined && reader.cursor <= position; reader = readers[++next])
        reader.cursor = this.#end;
      const offset = position - base;
      const row = (chunks[offset >>> CHUNK_BITS] as Uint32Array)[offset & (CHUNK - 1)] as number;
      if (versions[row] === position >>> 0) this.#push(row);
    }
    for (const reader of readers.slice(next)) reader.cursor = this.#end;
  }
}
