/**
 * The folder of peers, watched: one file for each other cluster. What counts is what files say, so that touching one
 * changes nothing and kubelet's swap of a symbolic link is followed. Cluster mesh reference §2.1.
 */
import { type FSWatcher, readdirSync, readFileSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { PeerFile } from '../mesh/peer-file.ts';
import type { Clock } from './ports.ts';

/** What a peer's file says, or what is wrong with it in words. */
export type FolderEntry = PeerFile | string;

const lookEveryMs = 2_000;
const fileOctetsMax = 65_536;
/** A mesh has at most 511 clusters. */
const filesMax = 600;

export interface PeerFolderOptions {
  readonly folder: string;
  /** A file of this name is not a peer. */
  readonly ownCluster: string;
  readonly parseYaml: (text: string) => unknown;
  readonly clock: Clock;
  /** By cluster: told at once, and whenever anything is different. A file that says the same is the same value. */
  readonly changed: (entries: ReadonlyMap<string, FolderEntry>) => void;
}

interface Seen {
  readonly text: string;
  readonly entry: FolderEntry;
}

export class PeerFolder {
  readonly #options: PeerFolderOptions;
  #files: ReadonlyMap<string, Seen> = new Map();
  #watcher: FSWatcher | undefined;
  #cancel = () => {};
  #closed = false;

  constructor(options: PeerFolderOptions) {
    this.#options = options;
    this.#look();
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
    this.#watcher?.close();
  }

  #look(): void {
    this.#cancel();
    if (this.#closed) return;
    this.#listen();
    const files = this.#read();
    const same = files.size === this.#files.size && [...files].every(([name, file]) => this.#files.get(name) === file);
    if (!same) {
      this.#files = files;
      this.#options.changed(new Map([...files].map(([name, { entry }]) => [name, entry])));
    }
    // Some file systems tell nothing.
    this.#cancel = this.#options.clock.after(lookEveryMs, () => this.#look());
  }

  #listen(): void {
    if (this.#watcher !== undefined) return;
    try {
      this.#watcher = watch(this.#options.folder, { persistent: false }, () => {
        this.#cancel();
        this.#cancel = this.#options.clock.after(20, () => this.#look());
      });
      this.#watcher.once('error', () => {
        this.#watcher?.close();
        this.#watcher = undefined;
      });
    } catch {
      // It is not there yet: the next look tries again.
    }
  }

  #read(): ReadonlyMap<string, Seen> {
    const { folder, ownCluster } = this.#options;
    const found = new Map<string, Seen>();
    for (const name of list(folder)) {
      if (name.startsWith('.') || name === ownCluster || found.size >= filesMax) continue;
      const text = readText(join(folder, name));
      if (text === undefined || !PeerFile.isOne(text)) continue;
      const before = this.#files.get(name);
      found.set(name, before?.text === text ? before : { text, entry: this.#parse(text) });
    }
    return found;
  }

  #parse(text: string): FolderEntry {
    try {
      return PeerFile.read(this.#options.parseYaml(text));
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function readText(path: string): string | undefined {
  try {
    const stat = statSync(path);
    return stat.isFile() && stat.size <= fileOctetsMax ? readFileSync(path, 'utf8') : undefined;
  } catch {
    return undefined;
  }
}
