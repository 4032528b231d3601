/**
 * A folder of manifest files, watched: which files are there, and which to look at again. inotify through fs.watch,
 * one watch a directory; polling where the system has no watches left. A wake-up may be lost (a full inotify queue, a
 * network file system), so the folder is also walked every now and then. Symbolic links are followed, to files and to
 * directories, and where they lead is watched too: a mounted ConfigMap changes by swapping the link `..data`.
 *
 * Hidden entries (`.git`, `..data`, an editor's `.x.swp`) are no manifests.
 */
import { type FSWatcher, lstatSync, readdirSync, realpathSync, type Stats, statSync, watch } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { Clock, Log } from '../runtime/ports.ts';
import { isManifestName } from './manifest-file.ts';

/** What is told about files; paths are as found under the root. */
export interface FolderObserver {
  /** A file is new, or may have changed. */
  look(path: string): void;
  gone(path: string): void;
  /** Everything that was noticed has been told. `problem` is set while the folder itself cannot be read. */
  settled(problem: string | undefined): void;
}

export interface FolderOptions {
  readonly root: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly watch?: typeof watch;
}

/** A file is looked at when it has been quiet for this long, and at the latest after the second time. */
const quietMs = 12;
const unquietMaxMs = 45;
const pollMs = 75;
const walkMs = 30_000;
/** More names than this at once: walking the folder is cheaper, and misses nothing. */
const namesMax = 500;
const nestingMax = 32;
/** File times are that coarse: a file as young as this may change once more and look the same. */
const racyMs = 50;

export class ManifestFolder {
  readonly #root: string;
  readonly #options: FolderOptions;
  readonly #observer: FolderObserver;
  readonly #watch: typeof watch;
  readonly #files = new Map<string, string>();
  /** Watched directories, by path, with what tells that another one stands there now. */
  readonly #watchers = new Map<string, { readonly watcher: FSWatcher | undefined; readonly id: string }>();
  /** Symbolic links → where they led. */
  readonly #links = new Map<string, string>();
  /** Outside the tree: directory → names in it that the way to the root leads through. */
  readonly #anchors = new Map<string, Set<string>>();
  readonly #used = new Set<string>();
  readonly #dirty = new Set<string>();
  #walkDue = false;
  #firstDirtyMs: number | undefined;
  #cancelSettle = () => {};
  #cancelWalk = () => {};
  #polling = false;
  #closed = false;
  #problem: string | undefined;

  constructor(options: FolderOptions, observer: FolderObserver) {
    this.#options = options;
    this.#observer = observer;
    this.#root = resolve(options.root);
    this.#watch = options.watch ?? watch;
  }

  /** Tells of everything that is there, then of every change, until close(). */
  start(): void {
    this.#walk();
  }

  /** Looks at this file once more. */
  retry(path: string, afterMs: number): void {
    this.#options.clock.after(afterMs, () => this.#note(path));
  }

  close(): void {
    this.#closed = true;
    this.#cancelSettle();
    this.#cancelWalk();
    for (const { watcher } of this.#watchers.values()) watcher?.close();
    this.#watchers.clear();
  }

  /** Waits for quiet, so that a file written in pieces is read once. */
  #note(path: string | undefined): void {
    if (this.#closed) return;
    if (path === undefined || this.#dirty.size >= namesMax) this.#walkDue = true;
    else this.#dirty.add(path);
    const nowMs = this.#options.clock.nowMs();
    this.#firstDirtyMs ??= nowMs;
    const delayMs = Math.max(0, Math.min(quietMs, this.#firstDirtyMs + unquietMaxMs - nowMs));
    this.#cancelSettle();
    this.#cancelSettle = this.#options.clock.after(delayMs, () => this.#settle());
  }

  #settle(): void {
    this.#firstDirtyMs = undefined;
    if (this.#walkDue || this.#problem !== undefined || !this.#rootStands()) {
      this.#walk();
      return;
    }
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    // First what is there: a renamed file's objects must not be gone in between.
    const vanished = dirty.filter(path => statOf(path) === undefined);
    for (const path of dirty) if (!vanished.includes(path)) this.#examine(path);
    for (const path of vanished) this.#examine(path);
    this.#observer.settled(undefined);
  }

  #rootStands(): boolean {
    const stats = statSync(this.#root, { throwIfNoEntry: false });
    return stats !== undefined && this.#watchers.get(this.#root)?.id === idOf(stats);
  }

  /** Compares everything with what was known. */
  #walk(): void {
    const { clock } = this.#options;
    const startMs = clock.nowMs();
    this.#walkDue = false;
    this.#dirty.clear();
    this.#used.clear();
    const seen = new Set<string>();
    try {
      this.#watchTheWay();
      this.#walkDirectory(this.#root, statSync(this.#root), [], seen);
      this.#problem = undefined;
      for (const path of [...this.#files.keys()]) if (!seen.has(path)) this.#forget(path);
      for (const path of [...this.#watchers.keys()]) if (!this.#used.has(path)) this.#unwatch(path);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      // What stood there last stays in force.
      this.#problem = `cannot read the manifests: ${error.message}`;
      this.#unwatch(this.#root);
    }
    this.#observer.settled(this.#problem);
    const costMs = clock.nowMs() - startMs;
    const isUrgent = this.#polling || this.#problem !== undefined;
    this.#cancelWalk();
    this.#cancelWalk = clock.after(isUrgent ? Math.max(pollMs, 10 * costMs) : Math.max(walkMs, 300 * costMs), () => {
      if (!this.#closed) this.#walk();
    });
  }

  /** The root may go away and come back, and any part of its path may be a link that is swapped. */
  #watchTheWay(): void {
    this.#anchors.clear();
    for (let path = this.#root; path !== dirname(path); path = dirname(path)) {
      if (path !== this.#root && !isLink(path)) continue;
      const dir = dirname(path);
      this.#anchors.set(dir, (this.#anchors.get(dir) ?? new Set()).add(basename(path)));
      this.#watchDirectory(dir, undefined);
    }
  }

  /** `above` are the directories on the way here: a link back to one of them is not followed. */
  #walkDirectory(path: string, stats: Stats, above: readonly string[], seen: Set<string>): void {
    const id = idOf(stats);
    if (above.includes(id) || above.length >= nestingMax) return;
    // Watched before it is read, so that nothing falls in between.
    this.#watchDirectory(path, id);
    const below = [...above, id];
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue;
      const child = join(path, entry.name);
      if (entry.isFile()) {
        if (isManifestName(entry.name)) this.#walkFile(child, seen);
      } else if (entry.isDirectory()) this.#walkAny(child, below, seen);
      else if (entry.isSymbolicLink()) {
        this.#followLink(child);
        this.#walkAny(child, below, seen);
      }
    }
  }

  #walkAny(path: string, above: readonly string[], seen: Set<string>): void {
    const stats = statOf(path);
    if (stats === 'unreadable') this.#keep(path, seen);
    else if (stats?.isFile() && isManifestName(path)) this.#walkFile(path, seen, stats);
    if (stats === 'unreadable' || !stats?.isDirectory()) return;
    try {
      this.#walkDirectory(path, stats, above, seen);
    } catch (error) {
      // Removed just now, or forbidden. The rest goes on.
      if (!isSystemError(error)) throw error;
      if (!isGone(error)) this.#keep(path, seen);
    }
  }

  /** What is known of it, and below it, stays: it cannot be read, which is not to be gone. */
  #keep(path: string, seen: Set<string>): void {
    this.#options.log.warn('manifests not readable', { path });
    for (const file of this.#files.keys()) if (file === path || file.startsWith(`${path}/`)) seen.add(file);
  }

  #walkFile(path: string, seen: Set<string>, known?: Stats): void {
    const stats = known ?? statOf(path);
    if (stats === undefined) return;
    seen.add(path);
    if (stats === 'unreadable') return;
    const signature = this.#signature(stats);
    if (this.#files.get(path) === signature) return;
    this.#files.set(path, signature);
    this.#observer.look(path);
  }

  /** Something happened to this path. */
  #examine(path: string): void {
    if (isLink(path)) this.#followLink(path);
    const stats = statOf(path);
    if (stats === 'unreadable') return;
    if (stats?.isFile() && isManifestName(path)) {
      // Looked at whatever its times say.
      this.#files.delete(path);
      this.#walkFile(path, new Set(), stats);
      return;
    }
    if (stats === undefined && this.#files.has(path)) {
      this.#forget(path);
      return;
    }
    const prefix = `${path}/`;
    const seen = new Set<string>();
    if (stats?.isDirectory()) this.#walkAny(path, [], seen);
    else for (const dir of [...this.#watchers.keys()]) if (dir === path || dir.startsWith(prefix)) this.#unwatch(dir);
    for (const file of [...this.#files.keys()])
      if (file === path || (file.startsWith(prefix) && !seen.has(file))) this.#forget(file);
  }

  #forget(path: string): void {
    this.#files.delete(path);
    this.#links.delete(path);
    this.#observer.gone(path);
  }

  #signature({ ino, size, mtimeMs, ctimeMs }: Stats): string {
    const isRacy = this.#options.clock.wallMs() - mtimeMs < racyMs;
    return `${ino} ${size} ${mtimeMs} ${ctimeMs}${isRacy ? ' racy' : ''}`;
  }

  #followLink(path: string): void {
    try {
      const real = realpathSync(path);
      this.#links.set(path, real);
      this.#watchDirectory(dirname(real), undefined);
    } catch {
      // It leads nowhere yet.
      this.#links.delete(path);
    }
  }

  /** `id` tells directories of the tree from those that are watched only for what a link leads to. */
  #watchDirectory(path: string, id: string | undefined): void {
    this.#used.add(path);
    const known = this.#watchers.get(path);
    if (known !== undefined && (id === undefined || known.id === id)) return;
    this.#unwatch(path);
    this.#watchers.set(path, { watcher: this.#newWatcher(path), id: id ?? '' });
  }

  #newWatcher(path: string): FSWatcher | undefined {
    if (this.#polling) return undefined;
    try {
      const watcher = this.#watch(path, { persistent: true }, (_, name) => this.#noticed(path, name));
      watcher.on('error', error => this.#poll(error));
      return watcher;
    } catch (error) {
      if (isGone(error)) throw error;
      this.#poll(error);
      return undefined;
    }
  }

  /** ENOSPC and EMFILE: the system has no watches left (fs.inotify.max_user_watches, max_user_instances). */
  #poll(error: unknown): void {
    if (this.#polling || this.#closed) return;
    this.#polling = true;
    const said = error instanceof Error ? error.message : String(error);
    this.#options.log.warn('watching not possible, polling instead', {
      folder: this.#root,
      everyMs: pollMs,
      error: said,
    });
    this.#note(undefined);
  }

  #unwatch(path: string): void {
    this.#watchers.get(path)?.watcher?.close();
    this.#watchers.delete(path);
  }

  #noticed(dir: string, name: string | null): void {
    if (this.#closed) return;
    const isOfTree = dir === this.#root || dir.startsWith(`${this.#root}/`);
    if (!isOfTree) {
      // On the way to the folder, or something behind a link.
      if (this.#anchors.get(dir)?.has(name ?? '') || this.#links.size > 0) this.#note(undefined);
      return;
    }
    if (name === null || name === basename(dir)) {
      // The directory itself: removed perhaps, and its watch with it.
      this.#unwatch(dir);
      this.#note(undefined);
    }
    // Links may lead through hidden entries; nothing else that is hidden matters.
    if (name === null || (name.startsWith('.') && this.#links.size === 0)) return;
    const path = join(dir, name);
    this.#note(name.startsWith('.') || this.#links.has(path) ? undefined : path);
  }
}

function idOf(stats: Stats): string {
  return `${stats.dev}:${stats.ino}:${stats.birthtimeMs}`;
}

/** Undefined when nothing is there, or a link that leads nowhere. */
function statOf(path: string): Stats | 'unreadable' | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    return isGone(error) ? undefined : 'unreadable';
  }
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}

function isSystemError(error: unknown): error is Error & { readonly code: unknown } {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}

/** ELOOP: a link in a circle. */
const goneCodes = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

function isGone(error: unknown): boolean {
  return isSystemError(error) && goneCodes.has(String(error.code));
}
