/**
 * The state directory's memory: keys with JSON values, shared by the processes of one machine, in one append-only file.
 *
 * A line is `<crc32> <json>`: a header, then one line for each change, the last one of a key standing. Writers take the
 * lock, read what others appended, decide, append, and confirm after fdatasync. What a killed writer left behind half
 * is no line yet, and the next writer cuts it off; what was confirmed is a whole line on the disk. When most lines are
 * history the file is written anew beside itself and renamed over the old one. Readers need no lock: they go on reading
 * where they stopped, or all of it when it is another file.
 */
import {
  closeSync,
  fdatasync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import type { Clock, Log } from '../runtime/ports.ts';
import { LockFile } from './lock.ts';

const formatVersion = 1;
const lockWaitMaxMs = 5000;
const queueMax = 100_000;
const sync = promisify(fdatasync);

export interface Entry<V> {
  /** Grows with every change of anything: the value's version. */
  readonly seq: number;
  readonly value: V;
}

/** What one decision sees and changes. Changes are seen by the decisions after it. Throw before changing, not after. */
export interface Transaction<V> {
  get(key: string): Entry<V> | undefined;
  /** Gives the new version. */
  set(key: string, value: V): number;
  delete(key: string): void;
}

export interface JournalOptions<V> {
  readonly dir: string;
  readonly clock: Clock;
  readonly log: Log;
  /** A value that is none of ours is left out. */
  readonly isValue: (value: unknown) => value is V;
  /** Rewritten when it is larger than this and than three times what is alive in it. */
  readonly compactMinBytes?: number;
}

interface Kept<V> extends Entry<V> {
  readonly bytes: number;
}

interface Waiting<V> {
  /** Gives what confirms it. */
  readonly decide: (transaction: Transaction<V>) => () => void;
  readonly reject: (error: unknown) => void;
}

interface OpenFile {
  readonly fd: number;
  /** End of the last whole line that was read. */
  readonly end: number;
}

export class Journal<V> {
  /** Told which keys changed, whoever changed them. */
  onChange: (keys: readonly string[]) => void = () => {};
  readonly #options: JournalOptions<V>;
  readonly #path: string;
  readonly #lock: LockFile;
  #entries = new Map<string, Kept<V>>();
  #seq = 0;
  #liveBytes = 0;
  #file: OpenFile | undefined;
  #queue: Waiting<V>[] = [];
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(options: JournalOptions<V>) {
    this.#options = options;
    this.#path = join(options.dir, 'journal');
    mkdirSync(options.dir, { recursive: true, mode: 0o700 });
    this.#lock = new LockFile(join(options.dir, 'lock'), options.clock);
  }

  async open(): Promise<void> {
    await this.#lock.acquire(lockWaitMaxMs);
    try {
      this.#read();
      if (this.#file === undefined) this.#rewrite();
    } finally {
      this.#lock.release();
    }
  }

  get(key: string): Entry<V> | undefined {
    return this.#entries.get(key);
  }

  entries(): IterableIterator<[string, Entry<V>]> {
    return this.#entries.entries();
  }

  /**
   * `decide` is called once, with the newest state, while no other process can write. Resolves to what it gave when
   * its changes are on the disk; rejects with what it threw. Decisions that arrive together share one write.
   */
  transact<T>(decide: (transaction: Transaction<V>) => T): Promise<T> {
    if (this.#closed) return Promise.reject(new Error(`${this.#path}: closed`));
    if (this.#queue.length >= queueMax)
      return Promise.reject(new Error(`${this.#path}: ${queueMax} writes are waiting`));
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({
        decide: transaction => {
          const result = decide(transaction);
          return () => resolve(result);
        },
        reject,
      });
      this.#running ??= this.#run();
    });
  }

  /** Takes in what other processes wrote. */
  refresh(): void {
    if (this.#closed) return;
    this.#changed(this.#read());
  }

  /** Resolves when everything that was asked for is on the disk or refused. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    if (this.#file !== undefined) closeSync(this.#file.fd);
    this.#file = undefined;
  }

  #changed(keys: ReadonlySet<string>): void {
    if (keys.size > 0) this.onChange([...keys]);
  }

  async #run(): Promise<void> {
    // Whoever asks within the same turn shares the write.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#queue;
      this.#queue = [];
      try {
        await this.#write(batch);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#running = undefined;
  }

  async #write(batch: readonly Waiting<V>[]): Promise<void> {
    const confirmations: (() => void)[] = [];
    let changed: ReadonlySet<string>;
    // Somebody may have cleared it away; what is known is written again then.
    mkdirSync(this.#options.dir, { recursive: true, mode: 0o700 });
    await this.#lock.acquire(lockWaitMaxMs);
    try {
      const before = this.#read();
      if (this.#file === undefined) this.#rewrite();
      const draft = new Draft(this.#entries, this.#seq);
      for (const { decide, reject } of batch) {
        try {
          confirmations.push(decide(draft));
        } catch (error) {
          reject(error);
        }
      }
      this.#append(draft);
      changed = new Set([...before, ...draft.changes.keys()]);
      if (this.#isMostlyHistory()) this.#rewrite();
    } finally {
      this.#lock.release();
    }
    // Without the lock: whoever appends meanwhile waits for no disk but their own.
    if (this.#file !== undefined && changed.size > 0) await sync(this.#file.fd);
    this.#changed(changed);
    for (const confirm of confirmations) confirm();
  }

  #append(draft: Draft<V>): void {
    const file = this.#file;
    if (draft.changes.size === 0 || file === undefined) return;
    const { lines, kept } = draft.finish();
    if (fstatSync(file.fd).size > file.end) ftruncateSync(file.fd, file.end);
    try {
      writeFully(file.fd, lines, file.end);
    } catch (error) {
      ftruncateSync(file.fd, file.end);
      throw error;
    }
    this.#file = { fd: file.fd, end: file.end + lines.length };
    this.#seq = draft.seq;
    for (const [key, entry] of kept) this.#keep(key, entry);
  }

  #keep(key: string, entry: Kept<V> | undefined): void {
    this.#liveBytes -= this.#entries.get(key)?.bytes ?? 0;
    // Deleted first, so that the order is that of the last change.
    this.#entries.delete(key);
    if (entry === undefined) return;
    this.#entries.set(key, entry);
    this.#liveBytes += entry.bytes;
  }

  #isMostlyHistory(): boolean {
    const bytes = this.#file?.end ?? 0;
    return bytes > (this.#options.compactMinBytes ?? 4 * 1024 * 1024) && bytes > 3 * this.#liveBytes;
  }

  /** Writes everything anew and puts it in the file's place. Only with the lock. */
  #rewrite(): void {
    const entries = [...this.#entries].map(([key, entry]) => line({ seq: entry.seq, key, value: entry.value }));
    const content = Buffer.from(
      [line({ herald: 'state', version: formatVersion, seq: this.#seq }), ...entries].join(''),
    );
    const fd = openSync(`${this.#path}.new`, 'w+', 0o600);
    try {
      writeFully(fd, content, 0);
      fsyncSync(fd);
      renameSync(`${this.#path}.new`, this.#path);
      syncDirectory(this.#options.dir);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    if (this.#file !== undefined) closeSync(this.#file.fd);
    this.#file = { fd, end: content.length };
  }

  /** Reads on from where it stopped, or everything when the file was replaced; gives the keys that changed. */
  #read(): ReadonlySet<string> {
    const there = statSync(this.#path, { throwIfNoEntry: false });
    if (this.#file !== undefined && (there === undefined || !sameFile(there, fstatSync(this.#file.fd)))) {
      closeSync(this.#file.fd);
      this.#file = undefined;
      // Gone: what is known here is all there is, and the next write writes all of it.
      if (there !== undefined) return this.#reread();
    }
    if (this.#file === undefined && there !== undefined) return this.#reread();
    return this.#readOn();
  }

  #reread(): ReadonlySet<string> {
    const before = this.#entries;
    this.#entries = new Map();
    this.#liveBytes = 0;
    this.#file = { fd: openSync(this.#path, 'r+'), end: 0 };
    this.#readOn();
    const changed = new Set<string>();
    for (const [key, { seq }] of this.#entries) if (before.get(key)?.seq !== seq) changed.add(key);
    for (const key of before.keys()) if (!this.#entries.has(key)) changed.add(key);
    for (const [key, entry] of before) {
      // Unchanged values stay the same values.
      const now = this.#entries.get(key);
      if (now?.seq === entry.seq) this.#entries.set(key, entry);
    }
    return changed;
  }

  #readOn(): ReadonlySet<string> {
    const changed = new Set<string>();
    const file = this.#file;
    if (file === undefined) return changed;
    const size = fstatSync(file.fd).size;
    if (size <= file.end) return changed;
    const bytes = readRange(file.fd, file.end, size);
    const whole = bytes.lastIndexOf(0x0a) + 1;
    let damaged = 0;
    for (const text of bytes.toString('utf8', 0, whole).split('\n')) {
      if (text === '') continue;
      const key = this.#take(text);
      if (key === undefined) damaged++;
      else if (key !== '') changed.add(key);
    }
    this.#file = { fd: file.fd, end: file.end + whole };
    if (damaged > 0) this.#options.log.error('state damaged', { file: this.#path, linesLeftOut: damaged });
    return changed;
  }

  /** The key that changed, '' for the header, undefined for a line that is none of ours. */
  #take(text: string): string | undefined {
    const json = text.slice(9);
    if (text.slice(0, 9) !== `${checksum(json)} `) return undefined;
    // The checksum says that we wrote it, so it has the shape that we write.
    const parsed = JSON.parse(json) as { seq: number; key?: string; value?: unknown; version?: number };
    this.#seq = Math.max(this.#seq, parsed.seq);
    if (parsed.version !== undefined && parsed.version !== formatVersion)
      throw new Error(
        `${this.#path} has format ${parsed.version}; this Herald reads ${formatVersion}: use the other version`,
      );
    const { key, seq, value } = parsed;
    if (key === undefined) return '';
    this.#keep(key, this.#options.isValue(value) ? { seq, value, bytes: text.length + 1 } : undefined);
    return key;
  }
}

/** Changes of one batch, before they are written. */
class Draft<V> implements Transaction<V> {
  readonly changes = new Map<string, Entry<V> | undefined>();
  readonly #base: ReadonlyMap<string, Kept<V>>;
  seq: number;

  constructor(base: ReadonlyMap<string, Kept<V>>, seq: number) {
    this.#base = base;
    this.seq = seq;
  }

  get(key: string): Entry<V> | undefined {
    return this.changes.has(key) ? this.changes.get(key) : this.#base.get(key);
  }

  set(key: string, value: V): number {
    this.changes.delete(key);
    this.changes.set(key, { seq: ++this.seq, value });
    return this.seq;
  }

  delete(key: string): void {
    if (this.get(key) === undefined) return;
    this.seq++;
    this.changes.delete(key);
    this.changes.set(key, undefined);
  }

  finish(): { readonly lines: Buffer; readonly kept: readonly (readonly [string, Kept<V> | undefined])[] } {
    const lines: string[] = [];
    const kept = [...this.changes].map(([key, entry]) => {
      const text = line(entry === undefined ? { seq: this.seq, key } : { seq: entry.seq, key, value: entry.value });
      lines.push(text);
      return [key, entry && { ...entry, bytes: text.length }] as const;
    });
    return { lines: Buffer.from(lines.join('')), kept };
  }
}

function line(value: unknown): string {
  const json = JSON.stringify(value);
  return `${checksum(json)} ${json}\n`;
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}

function writeFully(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, position + done);
}

function readRange(fd: number, from: number, to: number): Buffer {
  const bytes = Buffer.allocUnsafe(to - from);
  let done = 0;
  while (done < bytes.length) {
    const count = readSync(fd, bytes, done, bytes.length - done, from + done);
    if (count === 0) break;
    done += count;
  }
  return bytes.subarray(0, done);
}

function sameFile(a: Stats, b: Stats): boolean {
  return a.ino === b.ino && a.dev === b.dev;
}

function syncDirectory(dir: string): void {
  const fd = openSync(dir, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
