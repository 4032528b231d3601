/**
 * What changed between two snapshots. Lists are sorted and an unchanged object is the same value, so a walk over both
 * that compares by identity finds the few changes among many objects in microseconds.
 */
import type { EndpointSlice } from '../api/endpoint-slice.ts';
import { ObjectRef } from '../api/object.ts';
import type { Service } from '../api/service.ts';
import { compareNames, type Snapshot } from '../api/snapshot.ts';

interface Named {
  readonly metadata: { readonly namespace: string; readonly name: string };
}

/** Calls `changed` for every object that is new (`before` undefined), gone (`after` undefined) or another value. */
export function forEachChange<T extends Named>(
  before: readonly T[],
  after: readonly T[],
  changed: (before: T | undefined, after: T | undefined) => void,
): void {
  const { start, beforeEnd, afterEnd } = difference(before, after);
  let i = start;
  let j = start;
  while (i < beforeEnd || j < afterEnd) {
    const a = i < beforeEnd ? before[i] : undefined;
    const b = j < afterEnd ? after[j] : undefined;
    const order = a === undefined ? 1 : b === undefined ? -1 : compareNames(a.metadata, b.metadata);
    if (order <= 0) i++;
    if (order >= 0) j++;
    if (a !== b) changed(order <= 0 ? a : undefined, order >= 0 ? b : undefined);
  }
}

/**
 * Where two lists differ: both are alike before `start` and from their ends on. Tight loops, for these lists are long.
 */
function difference<T>(before: readonly T[], after: readonly T[]) {
  let start = 0;
  let beforeEnd = before.length;
  let afterEnd = after.length;
  if (before === after) return { start: beforeEnd, beforeEnd, afterEnd };
  while (start < beforeEnd && start < afterEnd && before[start] === after[start]) start++;
  while (beforeEnd > start && afterEnd > start && before[beforeEnd - 1] === after[afterEnd - 1]) {
    beforeEnd--;
    afterEnd--;
  }
  return { start, beforeEnd, afterEnd };
}

/** A sorted list, and what was made of each of its values. */
export interface Mapped<T, R> {
  readonly from: readonly T[];
  readonly to: readonly R[];
}

/** As `after.map(make)`; a value that was already in `before` keeps what was made of it. */
export function mapChanged<T extends object, R>(
  before: Mapped<T, R>,
  after: readonly T[],
  compare: (a: T, b: T) => number,
  make: (value: T) => R,
): Mapped<T, R> {
  if (after === before.from) return before;
  const { start, beforeEnd, afterEnd } = difference(before.from, after);
  const to = before.to.slice(0, start);
  let at = start;
  for (const value of after.slice(start, afterEnd)) {
    let known = before.from[at];
    while (at < beforeEnd && known !== undefined && known !== value && compare(known, value) < 0)
      known = before.from[++at];
    const kept = at < beforeEnd && known === value ? before.to.slice(at, ++at) : [make(value)];
    to.push(...kept);
  }
  return { from: after, to: to.concat(before.to.slice(beforeEnd)) };
}

/** `value` takes the place of what sorts equal to `at`; undefined only removes it. */
export interface Replacement<T> {
  readonly at: T;
  readonly value: T | undefined;
}

/** `sorted` with the changes worked in; one change costs one copy, no sort. No two changes are at the same place. */
export function withChanges<T extends object>(
  sorted: readonly T[],
  changes: readonly Replacement<T>[],
  compare: (a: T, b: T) => number,
): readonly T[] {
  if (changes.length === 0) return sorted;
  const out: T[] = [];
  let from = 0;
  const copyUpTo = (end: number) => {
    for (; from < end; from++) {
      const item = sorted[from];
      if (item !== undefined) out.push(item);
    }
  };
  for (const { at, value } of [...changes].sort((a, b) => compare(a.at, b.at))) {
    copyUpTo(lowerBound(sorted, at, from, compare));
    const here = sorted[from];
    if (here !== undefined && compare(here, at) === 0) from++;
    if (value !== undefined) out.push(value);
  }
  copyUpTo(sorted.length);
  return out;
}

function lowerBound<T extends object>(
  sorted: readonly T[],
  at: T,
  from: number,
  compare: (a: T, b: T) => number,
): number {
  let low = from;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = sorted[middle];
    if (item !== undefined && compare(item, at) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What became of Services since the last look: by `namespace/name`; undefined is gone. */
export type ServiceChanges = ReadonlyMap<string, Service | undefined>;

/** Finds the Services that are not what they were the last time, themselves or by their endpoints. */
export class ServiceWatch {
  #services: readonly Service[] = [];
  #slices: readonly EndpointSlice[] = [];
  #started = false;

  /** Nothing the first time: whoever begins, begins with all of them. */
  take(snapshot: Snapshot): ServiceChanges {
    const changes = new Map<string, Service | undefined>();
    if (this.#started) this.#collect(snapshot, changes);
    this.#started = true;
    this.#services = snapshot.list('Service');
    this.#slices = snapshot.list('EndpointSlice');
    return changes;
  }

  #collect(snapshot: Snapshot, changes: Map<string, Service | undefined>): void {
    forEachChange(this.#services, snapshot.list('Service'), (before, after) => {
      const service = after ?? before;
      if (service !== undefined) changes.set(ObjectRef.key(service.metadata), after);
    });
    forEachChange(this.#slices, snapshot.list('EndpointSlice'), (before, after) => {
      for (const slice of [before, after]) {
        if (slice?.serviceName === undefined) continue;
        const { namespace } = slice.metadata;
        changes.set(serviceKeyOf(slice), snapshot.get('Service', namespace, slice.serviceName));
      }
    });
  }
}

/** `namespace/name` of the Service that an EndpointSlice belongs to; the slice must name one. */
export function serviceKeyOf(slice: EndpointSlice): string {
  return `${slice.metadata.namespace}/${slice.serviceName}`;
}
