/**
 * Objects as watches tell of them → snapshots. What changed without meaning anything here (a heartbeat, somebody's
 * bookkeeping) leaves the object the value it was and wakes nobody; an edit that cannot be read leaves what was
 * understood before, beside its faults.
 */
import { type KindName, type KnownObject, kinds } from '../api/kinds.ts';
import { ObjectRef, type RawObject } from '../api/object.ts';
import { parseObject } from '../api/parse.ts';
import { type Snapshot, SnapshotBuilder } from '../api/snapshot.ts';
import { sameValue } from '../net/equal.ts';
import { isOlder } from './paths.ts';
import { type Told, toldBy } from './statements.ts';

interface Entry {
  /** Of the newest state seen, which may mean the same as `object` does. */
  readonly version: string;
  readonly uid: string;
  readonly object: KnownObject | undefined;
  readonly hasFaults: boolean;
  readonly told: Told | undefined;
}

/** Who an object is, beside its name, and what is said about it. */
export interface Known {
  readonly version: string;
  readonly uid: string;
  readonly told: Told | undefined;
}

/** Notes that only their writers read, and which may be as large as the object. */
const idleAnnotations = [
  'kubectl.kubernetes.io/last-applied-configuration',
  'endpoints.kubernetes.io/last-change-trigger-time',
  'control-plane.alpha.kubernetes.io/leader',
];

export class Cache {
  readonly #builder = new SnapshotBuilder();
  readonly #entries = new Map<KindName, Map<string, Entry>>();
  /** Our own writes that no watch has shown yet. */
  readonly #written = new Map<string, Known>();
  readonly #keepsTold: ReadonlySet<KindName>;
  readonly #changed: () => void;
  #snapshot: Snapshot = this.#builder.snapshot();
  #isDirty = false;
  #isHeld = false;

  /** `keepsTold`: kinds whose statuses this process states. `changed` is called when there is a new snapshot. */
  constructor(keepsTold: ReadonlySet<KindName>, changed: () => void) {
    this.#keepsTold = keepsTold;
    this.#changed = changed;
  }

  snapshot(): Snapshot {
    if (!this.#isDirty) return this.#snapshot;
    this.#isDirty = false;
    this.#snapshot = this.#builder.snapshot();
    return this.#snapshot;
  }

  partial(isPartial: boolean): void {
    if (this.snapshot().isPartial === isPartial) return;
    this.#builder.partial(isPartial);
    this.#touch();
  }

  /** Nobody is told of what `work` puts and deletes before all of it is done. */
  together(work: () => void): void {
    this.#isHeld = true;
    try {
      work();
    } finally {
      this.#isHeld = false;
      if (this.#isDirty) this.#changed();
    }
  }

  /** What is known of an object, by a watch or from our own write, whichever is newer. */
  known(ref: ObjectRef): Known | undefined {
    return this.#written.get(ObjectRef.format(ref)) ?? this.#kind(ref.kind as KindName).get(keyOf(ref));
  }

  /** An answer to a write of ours: what it says about the status is known before a watch tells. */
  wrote(ref: ObjectRef, raw: RawObject): Known {
    const { version, uid } = headOf(raw);
    const known = { version, uid, told: toldBy(raw) };
    const newest = this.known(ref);
    // The watch may have been faster than the answer, or the answer to a later write.
    if (newest === undefined || isOlder(newest.version, version)) this.#written.set(ObjectRef.format(ref), known);
    return known;
  }

  /**
   * For a version that a snapshot showed, the newest one that means the same: what changed since may be what nobody
   * here can see.
   */
  newestVersion(ref: ObjectRef, version: string): string {
    const entry = this.#kind(ref.kind as KindName).get(keyOf(ref));
    return entry?.object?.metadata.resourceVersion === version ? entry.version : version;
  }

  /** False for what is no object with a name. */
  put(kind: KindName, apiVersion: string, raw: RawObject): boolean {
    const { name, namespace, version, uid } = headOf(raw);
    if (name === '') return false;
    const ref = { kind, namespace, name };
    const key = keyOf(ref);
    const before = this.#kind(kind).get(key);
    if (before?.version === version && before.uid === uid) return true;
    const parsed = parseObject(withoutIdle(raw, kind, apiVersion));
    const told = this.#keepsTold.has(kind) ? this.#toldBy(ref, version, raw) : undefined;
    const faults = parsed.outcome === 'known' ? parsed.warnings : parsed.outcome === 'refused' ? parsed.faults : [];
    const stands = before?.uid === uid ? before.object : undefined;
    const now = parsed.outcome === 'known' ? parsed.object : stands;
    const object = stands !== undefined && now !== undefined && meansTheSame(stands, now) ? stands : now;
    this.#kind(kind).set(key, { version, uid, object, told, hasFaults: faults.length > 0 });
    this.#settleWrite(ref, version);
    if (object !== before?.object) {
      if (object === undefined) this.#builder.delete(kind, namespace, name);
      else this.#builder.put(kind, object as never);
      this.#touch();
    }
    if (faults.length > 0 || before?.hasFaults === true) {
      const generation = parsed.outcome === 'known' ? parsed.object.metadata.generation : generationOf(raw);
      this.#builder.fault({ ref, generation, faults });
      this.#touch();
    }
    return true;
  }

  delete(kind: KindName, raw: RawObject): void {
    const { name, namespace } = headOf(raw);
    this.#drop({ kind, namespace, name });
  }

  /** After a whole list: what was not in it is gone. */
  keepOnly(kind: KindName, listed: ReadonlySet<string>): void {
    for (const key of [...this.#kind(kind).keys()]) {
      if (listed.has(key)) continue;
      const slash = key.indexOf('/');
      this.#drop({ kind, namespace: key.slice(0, Math.max(0, slash)), name: key.slice(slash + 1) });
    }
  }

  #drop(ref: ObjectRef): void {
    const kind = ref.kind as KindName;
    const before = this.#kind(kind).get(keyOf(ref));
    if (before === undefined) return;
    this.#kind(kind).delete(keyOf(ref));
    this.#written.delete(ObjectRef.format(ref));
    this.#builder.delete(kind, ref.namespace, ref.name);
    if (before.hasFaults) this.#builder.fault({ ref, generation: 0, faults: [] });
    this.#touch();
  }

  #kind(kind: KindName): Map<string, Entry> {
    let entries = this.#entries.get(kind);
    if (entries === undefined) {
      entries = new Map();
      this.#entries.set(kind, entries);
    }
    return entries;
  }

  /** The echo of our own write says what its answer said. */
  #toldBy(ref: ObjectRef, version: string, raw: RawObject): Told | undefined {
    const written = this.#written.size === 0 ? undefined : this.#written.get(ObjectRef.format(ref));
    return written?.version === version ? written.told : toldBy(raw);
  }

  #settleWrite(ref: ObjectRef, version: string): void {
    if (this.#written.size === 0) return;
    const key = ObjectRef.format(ref);
    const written = this.#written.get(key);
    if (written !== undefined && !isOlder(version, written.version)) this.#written.delete(key);
  }

  /** Who was told and has not looked yet will see this as well. */
  #touch(): void {
    if (this.#isDirty) return;
    this.#isDirty = true;
    if (!this.#isHeld) this.#changed();
  }
}

/** `namespace/name`, as a list's keys are compared. */
export function keyOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return namespace === '' ? name : `${namespace}/${name}`;
}

export function headOf(raw: RawObject) {
  const metadata = mapping(raw['metadata']) ?? {};
  const text = (field: string) => (typeof metadata[field] === 'string' ? metadata[field] : '');
  return {
    name: text('name'),
    namespace: text('namespace'),
    version: text('resourceVersion'),
    uid: text('uid'),
  };
}

function generationOf(raw: RawObject): number {
  const generation = mapping(raw['metadata'])?.['generation'];
  return typeof generation === 'number' ? generation : 0;
}

function meansTheSame(a: KnownObject, b: KnownObject): boolean {
  const { metadata: ofA, ...restA } = a;
  const { metadata: ofB, ...restB } = b;
  return sameValue({ ...ofA, resourceVersion: '' }, { ...ofB, resourceVersion: '' }) && sameValue(restA, restB);
}

/** Entries of a list do not say what they are. */
function withoutIdle(raw: RawObject, kind: KindName, apiVersion: string): RawObject {
  const metadata = mapping(raw['metadata']) ?? {};
  const { managedFields: _, ...kept } = metadata;
  const annotations = mapping(metadata['annotations']);
  if (annotations === undefined || !idleAnnotations.some(key => Object.hasOwn(annotations, key)))
    return { ...raw, apiVersion, kind: kinds[kind].kind, metadata: kept };
  const useful = Object.entries(annotations).filter(([key]) => !idleAnnotations.includes(key));
  return { ...raw, apiVersion, kind: kinds[kind].kind, metadata: { ...kept, annotations: Object.fromEntries(useful) } };
}

function mapping(value: unknown): RawObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as RawObject) : undefined;
}
