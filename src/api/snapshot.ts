/**
 * All parsed objects at one moment. Immutable: what a reader holds never changes under it, and an object that did not
 * change is the same value in the next snapshot, so that whatever was derived from it can be kept by identity.
 */
import { lowerBound, type Replacement, withChanges } from '../net/sorted.ts';
import type { KindName, Kinds } from './kinds.ts';
import { type Fault, ObjectRef } from './object.ts';

/** An object that parsing refused, or accepted with warnings: its kind's owner turns the faults into a condition. */
export interface FaultyObject {
  readonly ref: ObjectRef;
  readonly generation: number;
  readonly faults: readonly Fault[];
}

export interface Snapshot {
  /** Sorted by namespace and name, so that nothing depends on the order in which objects arrived. */
  list<K extends KindName>(kind: K): readonly Kinds[K][];
  get<K extends KindName>(kind: K, namespace: string, name: string): Kinds[K] | undefined;
  /** Kinds of which there are objects. */
  kinds(): readonly KindName[];
  /** Sorted by kind, namespace and name. */
  readonly faulty: readonly FaultyObject[];
  /** Something could not be read at all, so an object that is missing may merely be in there: absence says nothing. */
  readonly isPartial: boolean;
}

type Names = { readonly namespace: string; readonly name: string };
type Entry = { readonly metadata: Names };
/** What became of one object since the last snapshot. */
type Change = Replacement<Entry, Entry>;

/** What is being changed; `snapshot()` freezes it. One change among n objects costs one copy of their list, no sort. */
export class SnapshotBuilder {
  readonly #changes = new Map<KindName, Map<string, Change>>();
  readonly #faulty = new Map<string, FaultyObject>();
  #faultyDirty = false;
  #isPartial = false;
  #last: Snapshot = new Frozen(new Map(), [], false);
  #lists: ReadonlyMap<KindName, readonly Entry[]> = new Map();

  /** Adds or replaces an object. */
  put<K extends KindName>(kind: K, object: Kinds[K]): void {
    this.#change(kind, { at: object, value: object });
  }

  delete(kind: KindName, namespace: string, name: string): void {
    this.#change(kind, { at: { metadata: { namespace, name } }, value: undefined });
  }

  /** States what is wrong with an object; no faults forgets it. */
  fault(object: FaultyObject): void {
    const key = ObjectRef.format(object.ref);
    if (object.faults.length > 0) this.#faulty.set(key, object);
    else if (!this.#faulty.delete(key)) return;
    this.#faultyDirty = true;
  }

  /** States whether something could not be read at all. */
  partial(isPartial: boolean): void {
    this.#isPartial = isPartial;
  }

  /** The same value as before when nothing changed; a list whose objects did not change is the same list. */
  snapshot(): Snapshot {
    const same = this.#changes.size === 0 && !this.#faultyDirty && this.#isPartial === this.#last.isPartial;
    if (same) return this.#last;
    const lists = new Map(this.#lists);
    for (const [kind, changes] of this.#changes)
      lists.set(kind, withChanges(lists.get(kind) ?? [], [...changes.values()], compareEntries));
    this.#lists = lists;
    const faulty = this.#faultyDirty ? sortedFaults(this.#faulty) : this.#last.faulty;
    this.#last = new Frozen(lists, faulty, this.#isPartial);
    this.#changes.clear();
    this.#faultyDirty = false;
    return this.#last;
  }

  #change(kind: KindName, change: Change): void {
    let changes = this.#changes.get(kind);
    if (changes === undefined) {
      changes = new Map();
      this.#changes.set(kind, changes);
    }
    changes.set(ObjectRef.key(change.at.metadata), change);
  }
}

class Frozen implements Snapshot {
  readonly #lists: ReadonlyMap<KindName, readonly Entry[]>;
  readonly faulty: readonly FaultyObject[];
  readonly isPartial: boolean;

  constructor(lists: ReadonlyMap<KindName, readonly Entry[]>, faulty: readonly FaultyObject[], isPartial: boolean) {
    this.#lists = lists;
    this.faulty = faulty;
    this.isPartial = isPartial;
  }

  kinds(): readonly KindName[] {
    return [...this.#lists].filter(([, list]) => list.length > 0).map(([kind]) => kind);
  }

  list<K extends KindName>(kind: K): readonly Kinds[K][] {
    // The builder's typed put() is the only way in, so a kind's list holds that kind's objects.
    return (this.#lists.get(kind) ?? []) as readonly Kinds[K][];
  }

  get<K extends KindName>(kind: K, namespace: string, name: string): Kinds[K] | undefined {
    const list = this.list(kind);
    const at = { metadata: { namespace, name } };
    const object = list[lowerBound<Entry, Kinds[K]>(list, at, compareEntries)];
    return object !== undefined && compareEntries(object, at) === 0 ? object : undefined;
  }
}

function compareEntries(a: Entry, b: Entry): number {
  return compareNames(a.metadata, b.metadata);
}

function sortedFaults(faulty: ReadonlyMap<string, FaultyObject>): readonly FaultyObject[] {
  return [...faulty.values()].sort((a, b) => compareText(a.ref.kind, b.ref.kind) || compareNames(a.ref, b.ref));
}

/** By code unit, as kubectl lists: no locale. */
export function compareNames(a: Names, b: Names): number {
  return compareText(a.namespace, b.namespace) || compareText(a.name, b.name);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
