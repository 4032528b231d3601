/**
 * What changed between two snapshots. Lists are sorted and an unchanged object is the same value, so a walk over both that
 * compares by identity finds the few changes among many objects in microseconds.
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
  if (before === after) return;
  let i = 0;
  let j = 0;
  while (i < before.length || j < after.length) {
    const a = before[i];
    const b = after[j];
    if (a === b) {
      i++;
      j++;
      continue;
    }
    const order = a === undefined ? 1 : b === undefined ? -1 : compareNames(a.metadata, b.metadata);
    if (order <= 0) i++;
    if (order >= 0) j++;
    changed(order <= 0 ? a : undefined, order >= 0 ? b : undefined);
  }
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

/** The services that are not what they were the last time, themselves or by their endpoints, by `namespace/name`. */
export class ServiceChanges {
  #services: readonly Service[] = [];
  #slices: readonly EndpointSlice[] = [];

  take(snapshot: Snapshot): ReadonlySet<string> {
    const keys = new Set<string>();
    const services = snapshot.list('Service');
    forEachChange(this.#services, services, (before, after) => {
      const service = after ?? before;
      if (service !== undefined) keys.add(ObjectRef.key(service.metadata));
    });
    const slices = snapshot.list('EndpointSlice');
    forEachChange(this.#slices, slices, (before, after) => {
      for (const slice of [before, after]) if (slice?.serviceName !== undefined) keys.add(serviceKeyOf(slice));
    });
    this.#services = services;
    this.#slices = slices;
    return keys;
  }
}

/** `namespace/name` of the Service that an EndpointSlice belongs to; the slice must name one. */
export function serviceKeyOf(slice: EndpointSlice): string {
  return `${slice.metadata.namespace}/${slice.serviceName}`;
}
