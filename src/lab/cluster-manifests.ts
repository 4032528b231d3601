/**
 * The user's manifests as they stand, watched, of whatever kind; and the files that stand for an API server's objects.
 * A file that is broken for now counts as it was before.
 */
import { mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { RawObject } from '../api/object.ts';
import { ManifestFolder } from '../directory/folder.ts';
import { isBroken, isMapping, type Manifest, readManifest } from '../directory/manifest.ts';
import { loadManifest } from '../directory/manifest-file.ts';
import { refOf } from '../directory/record.ts';
import type { Clock, Log } from '../runtime/ports.ts';
import { keyOf, textAt } from './cluster-raw.ts';

/** One folder with links to all that was named: numbered, so that what was named first comes first. */
export function linkManifests(folder: string, paths: readonly string[]): void {
  mkdirSync(folder, { recursive: true });
  const digits = String(paths.length).length;
  for (const [i, path] of paths.entries())
    symlinkSync(path, join(folder, `${String(i + 1).padStart(digits, '0')}-${basename(path)}`));
}

export class UserManifests {
  readonly #folder: ManifestFolder;
  readonly #files = new Map<string, Manifest>();
  #objects: readonly RawObject[] | undefined;

  /** `changed` is told when something may be different. */
  constructor(root: string, env: { readonly clock: Clock; readonly log: Log }, changed: () => void) {
    this.#folder = new ManifestFolder(
      { root, ...env },
      {
        look: path => this.#look(path, env.log),
        gone: path => {
          this.#files.delete(path);
        },
        settled: () => {
          this.#objects = undefined;
          changed();
        },
      },
    );
  }

  start(): void {
    this.#folder.start();
  }

  close(): void {
    this.#folder.close();
  }

  /** In the order of paths, and in that of each file; of two that are the same object the first. */
  objects(): readonly RawObject[] {
    this.#objects ??= distinct(
      [...this.#files]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .flatMap(([, manifest]) => manifest.documents.flatMap(({ content }) => content.items.map(({ raw }) => raw))),
    );
    return this.#objects;
  }

  #look(path: string, log: Log): void {
    const before = this.#files.get(path);
    const manifest = loadManifest(path, before);
    if (!isBroken(manifest)) this.#files.set(path, manifest);
    else {
      log.warn('manifest not readable', { file: path });
      if (before === undefined) this.#files.set(path, manifest);
    }
  }
}

/** Objects that say who they are, each once. */
function distinct(objects: readonly RawObject[]): readonly RawObject[] {
  const seen = new Set<string>();
  return objects.filter(object => {
    if (!isMapping(object) || textAt(object, 'metadata', 'name') === '') return false;
    const key = `${textAt(object, 'apiVersion').split('/')[0]} ${textAt(object, 'kind')} ${keyOf(object)}`;
    return !seen.has(key) && seen.add(key) !== undefined;
  });
}

/** The files that stand for an API server's objects. */
export const objectFiles = { applied: 'applied.yaml', made: 'cluster.yaml' } as const;

/** A file of objects, each a document of JSON; written whole, and only when it says something new. */
export class ObjectFile {
  readonly #path: string;
  #text: string | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** What a former process wrote; none when there is none. */
  read(): readonly RawObject[] {
    try {
      const { documents } = readManifest(readFileSync(this.#path));
      return documents.flatMap(({ content }) => content.items.map(({ raw }) => raw));
    } catch {
      return [];
    }
  }

  /** Those of kinds that Herald reads. */
  write(about: string, objects: readonly RawObject[]): void {
    const documents = objects.filter(each => refOf(each) !== undefined).map(each => JSON.stringify(each, undefined, 2));
    const text = [`# ${about}`, ...documents].join('\n---\n');
    if (text === this.#text) return;
    // Hidden until it is whole.
    const draft = this.#path.replace(/([^/]+)$/, '.$1');
    writeFileSync(draft, `${text}\n`);
    renameSync(draft, this.#path);
    this.#text = text;
  }
}
