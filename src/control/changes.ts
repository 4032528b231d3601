/**
 * What changed between two snapshots. Lists are sorted and an unchanged object is the same value, so a walk over both
 * that compares by identity finds the few changes among many objects in microseconds.
 */
import type { EndpointSlice } from '../api/endpoint-slice.ts';
import { ObjectRef } from '../api/object.ts';
import type { Service } from '../api/service.ts';
import { compareNames, type Snapshot } from '../api/snapshot.ts';
import { commonEnds } from '../net/equal.ts';

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
  const { head, tail } = commonEnds(before, after);
  const beforeEnd = before.length - tail;
  const afterEnd = after.length - tail;
  let i = head;
  let j = head;
  while (i < beforeEnd || j < afterEnd) {
    const a = i < beforeEnd ? before[i] : undefined;
    const b = j < afterEnd ? after[j] : undefined;
    const order = a === undefined ? 1 : b === undefined ? -1 : compareNames(a.metadata, b.metadata);
    if (order <= 0) i++;
    if (order >= 0) j++;
    if (a !== b) changed(order <= 0 ? a : undefined, order >= 0 ? b : undefined);
  }
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
  const { head, tail } = commonEnds(before.from, after);
  const beforeEnd = before.from.length - tail;
  const to: R[] = [];
  let at = head;
  for (const value of after.slice(head, after.length - tail)) {
    let known = before.from[at];
    while (at < beforeEnd && known !== undefined && known !== value && compare(known, value) < 0)
      known = before.from[++at];
    to.push(at < beforeEnd && known === value ? (before.to[at++] as R) : make(value));
  }
  return { from: after, to: before.to.slice(0, head).concat(to, before.to.slice(beforeEnd)) };
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
