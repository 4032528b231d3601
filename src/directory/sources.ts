/**
 * Which manifest says what about which object. An object that several documents describe is the one of the first: by
 * path, then by place in the file. A file that cannot be read to its end keeps what it last said in the part that is
 * missing, so that half a write takes nothing away.
 */
import { ObjectRef, type RawObject } from '../api/object.ts';
import { sameValue } from '../net/equal.ts';
import { type DocumentContent, isBroken, type Manifest, type ManifestItem } from './manifest.ts';
import { refOf } from './record.ts';

export interface Source {
  readonly path: string;
  readonly content: DocumentContent;
  readonly item: ManifestItem;
}

interface FileState {
  readonly manifest: Manifest;
  /** What counts: of the manifest as it is, and of former ones as long as it is broken. */
  readonly inForce: ReadonlySet<DocumentContent>;
}

interface Said {
  readonly ref: ObjectRef;
  /** In order; the first one stands. */
  readonly sources: readonly Source[];
  /** Of the first; the same value as long as it says the same. */
  readonly raw: RawObject;
}

export class Sources {
  readonly #files = new Map<string, FileState>();
  readonly #said = new Map<string, Said>();
  /** Where two documents describe one object. */
  readonly #contested = new Set<string>();

  manifestOf(path: string): Manifest | undefined {
    return this.#files.get(path)?.manifest;
  }

  get(key: string): Said | undefined {
    return this.#said.get(key);
  }

  keys(): IterableIterator<string> {
    return this.#said.keys();
  }

  files(): IterableIterator<[string, FileState]> {
    return this.#files.entries();
  }

  contested(): Iterable<Said> {
    return [...this.#contested].flatMap(key => this.#said.get(key) ?? []);
  }

  /** True while some file's content is not known: nothing can be said to be gone then. */
  get isBroken(): boolean {
    for (const { manifest } of this.#files.values()) if (isBroken(manifest)) return true;
    return false;
  }

  /** A file's new content, undefined when the file is gone. Gives the keys of the objects that this changes. */
  update(path: string, manifest: Manifest | undefined): readonly string[] {
    const before = this.#files.get(path);
    const inForce = manifest === undefined ? new Set<DocumentContent>() : inForceOf(manifest, before?.inForce);
    if (manifest === undefined) this.#files.delete(path);
    else this.#files.set(path, { manifest, inForce });
    const removed = [...(before?.inForce ?? [])].filter(content => !inForce.has(content));
    const added = [...inForce].filter(content => before === undefined || !before.inForce.has(content));
    const moved = new Map<string, ObjectRef>();
    const gone = new Set(removed);
    for (const content of removed) for (const { key, ref } of refsOf(content)) moved.set(key, ref);
    const more = new Map<string, Source[]>();
    for (const content of added) {
      for (const { key, ref, item } of refsOf(content)) {
        moved.set(key, ref);
        const sources = more.get(key);
        if (sources === undefined) more.set(key, [{ path, content, item }]);
        else sources.push({ path, content, item });
      }
    }
    return [...moved].filter(([key, ref]) => this.#settle(key, ref, gone, more.get(key) ?? [])).map(([key]) => key);
  }

  /** True when another object stands, or none. */
  #settle(key: string, ref: ObjectRef, gone: ReadonlySet<DocumentContent>, more: readonly Source[]): boolean {
    const before = this.#said.get(key);
    const left = before?.sources.filter(each => !gone.has(each.content)) ?? [];
    const sources = [...left, ...more];
    if (sources.length > 1) sources.sort((a, b) => this.#order(a, b));
    const [first] = sources;
    if (sources.length > 1) this.#contested.add(key);
    else this.#contested.delete(key);
    if (first === undefined) return this.#said.delete(key);
    const isSame = before !== undefined && sameValue(before.raw, first.item.raw);
    this.#said.set(key, { ref, sources, raw: isSame ? before.raw : first.item.raw });
    return !isSame;
  }

  #order(a: Source, b: Source): number {
    if (a.path !== b.path) return a.path < b.path ? -1 : 1;
    if (a.content === b.content) return a.content.items.indexOf(a.item) - b.content.items.indexOf(b.item);
    const order = [...(this.#files.get(a.path)?.inForce ?? [])];
    return order.indexOf(a.content) - order.indexOf(b.content);
  }
}

function inForceOf(manifest: Manifest, before: ReadonlySet<DocumentContent> | undefined): ReadonlySet<DocumentContent> {
  const contents = new Set(manifest.documents.map(each => each.content));
  if (before === undefined || !isBroken(manifest)) return contents;
  const repeated = new Set([...contents].flatMap(content => refsOf(content).map(({ key }) => key)));
  for (const content of before) if (!refsOf(content).some(({ key }) => repeated.has(key))) contents.add(content);
  return contents;
}

/** What of a document is an object that we know. */
function refsOf(content: DocumentContent): { key: string; ref: ObjectRef; item: ManifestItem }[] {
  return content.items.flatMap(item => {
    const ref = refOf(item.raw);
    return ref === undefined ? [] : [{ key: ObjectRef.format(ref), ref, item }];
  });
}
