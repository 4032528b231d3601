/**
 * All parsed objects at one moment. Immutable: what a reader holds never changes under it, and an object that did not
 * change is the same value in the next snapshot, so that whatever was derived from it can be kept by identity.
 */
import type { KindName, Kinds } from './kinds.ts';
import { type Fault, ObjectRef } from './object.ts';

/** An object that parsing refused, or accepted with warnings: whoever owns its kind turns the faults into a condition. */
export interface FaultyObject {
  readonly ref: ObjectRef;
  readonly generation: number;
  readonly faults: readonly Fault[];
}

export interface Snapshot {
  /** Sorted by namespace and name, so that nothing depends on the order in which objects arrived. */
  list<K extends KindName>(kind: K): readonly Kinds[K][];
  get<K extends KindName>(kind: K, namespace: string, name: string): Kinds[K] | undefined;
  /** Sorted by kind, namespace and name. */
  readonly faulty: readonly FaultyObject[];
}

type Entry = { readonly metadata: { readonly namespace: string; readonly name: string } };

/** What is being changed; `snapshot()` freezes it at the cost of what changed since the last call. */
export class SnapshotBuilder {
  readonly #kinds = new Map<KindName, Map<string, Entry>>();
  readonly #lists = new Map<KindName, readonly Entry[]>();
  readonly #faulty = new Map<string, FaultyObject>();
  readonly #dirty = new Set<KindName>();
  #faultyDirty = false;
  #last: Snapshot | undefined;

  /** Adds or replaces an object. */
  put<K extends KindName>(kind: K, object: Kinds[K]): void {
    this.#of(kind).set(ObjectRef.key(object.metadata), object);
    this.#dirty.add(kind);
  }

  delete(kind: KindName, namespace: string, name: string): void {
    if (this.#of(kind).delete(ObjectRef.key({ namespace, name }))) this.#dirty.add(kind);
  }

  /** States what is wrong with an object; no faults forgets it. */
  fault(object: FaultyObject): void {
    const key = ObjectRef.format(object.ref);
    if (object.faults.length > 0) this.#faulty.set(key, object);
    else if (!this.#faulty.delete(key)) return;
    this.#faultyDirty = true;
  }

  /** The same value as before when nothing changed. */
  snapshot(): Snapshot {
    if (this.#last !== undefined && this.#dirty.size === 0 && !this.#faultyDirty) return this.#last;
    for (const kind of this.#dirty) this.#lists.set(kind, sorted(this.#of(kind)));
    const lists = new Map(this.#lists);
    const faulty = this.#faultyDirty || this.#last === undefined ? sortedFaults(this.#faulty) : this.#last.faulty;
    this.#dirty.clear();
    this.#faultyDirty = false;
    this.#last = new Frozen(lists, faulty);
    return this.#last;
  }

  #of(kind: KindName): Map<string, Entry> {
    let objects = this.#kinds.get(kind);
    if (objects === undefined) this.#kinds.set(kind, (objects = new Map()));
    return objects;
  }
}

class Frozen implements Snapshot {
  readonly #lists: ReadonlyMap<KindName, readonly Entry[]>;
  readonly faulty: readonly FaultyObject[];

  constructor(lists: ReadonlyMap<KindName, readonly Entry[]>, faulty: readonly FaultyObject[]) {
    this.#lists = lists;
    this.faulty = faulty;
  }

  list<K extends KindName>(kind: K): readonly Kinds[K][] {
    // The builder's typed put() is the only way in, so a kind's list holds that kind's objects.
    return (this.#lists.get(kind) ?? []) as readonly Kinds[K][];
  }

  get<K extends KindName>(kind: K, namespace: string, name: string): Kinds[K] | undefined {
    const list = this.list(kind);
    let low = 0;
    let high = list.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const object = list[middle];
      if (object === undefined) return undefined;
      const order = compareNames(object.metadata, { namespace, name });
      if (order === 0) return object;
      if (order < 0) low = middle + 1;
      else high = middle - 1;
    }
    return undefined;
  }
}

function sorted(objects: ReadonlyMap<string, Entry>): readonly Entry[] {
  return [...objects.values()].sort((a, b) => compareNames(a.metadata, b.metadata));
}

function sortedFaults(faulty: ReadonlyMap<string, FaultyObject>): readonly FaultyObject[] {
  const kind = (object: FaultyObject) => object.ref.kind;
  return [...faulty.values()].sort((a, b) => compareText(kind(a), kind(b)) || compareNames(a.ref, b.ref));
}

/** By code unit, as kubectl lists: no locale. */
export function compareNames(a: Entry['metadata'], b: Entry['metadata']): number {
  return compareText(a.namespace, b.namespace) || compareText(a.name, b.name);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
