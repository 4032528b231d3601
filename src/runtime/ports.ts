/**
 * What the loop needs from the world, each as small as it can be. Every port has a real implementation at the edge and
 * one for tests that is as deterministic as the core (test/support/).
 */
import type { ObjectRef, RawObject } from '../api/object.ts';
import type { Snapshot } from '../api/snapshot.ts';

/** Time and timers. `nowMs` never goes back and keeps counting while the machine sleeps; `wallMs` is for people. */
export interface Clock {
  nowMs(): number;
  wallMs(): number;
  /** Calls `fn` once, `delayMs` from now. The result cancels it. */
  after(delayMs: number, fn: () => void): () => void;
}

/** One line an event: `log.info('address allocated', { service: 'default/web', address: '192.0.2.1' })`. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}
export type LogFields = Readonly<Record<string, unknown>>;

/** An occurrence that a user should be able to see beside the object (events.k8s.io/v1). `reason` is a stable code. */
export interface EventRecord {
  readonly about: ObjectRef;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

/** Somebody else wrote first: read again and decide again. */
export class ConflictError extends Error {
  override name = 'ConflictError';
}

/** A candidacy for leadership. */
export interface Campaign {
  readonly leading: boolean;
  /** Gives leadership up, for another to have at once, or stops running for it. */
  close(): void;
}

/**
 * Where objects live. Readers are level-triggered: a wake-up says nothing but "look again".
 * Writes reject with ConflictError, or with the world's own error when the store is out of reach.
 */
export interface Store {
  /** Resolves when the first full snapshot stands. */
  start(): Promise<void>;
  /** The same value until something changes; an object that did not change is the same value in the next one. */
  snapshot(): Snapshot;
  /** The result unsubscribes. */
  subscribe(wake: () => void): () => void;
  /**
   * Server-side apply of a status: `manager` states everything it has to say about the object's status; its former
   * statements that are not repeated are removed, other managers' are left alone. Top-level fields are owned whole,
   * `conditions` one by one by type. Resolves to false when nothing had to be written. An empty status lets go of all.
   */
  applyStatus(ref: ObjectRef, manager: string, status: RawObject): Promise<boolean>;
  /** The object as stored, for compare-and-swap; undefined when there is none. */
  read(ref: ObjectRef): Promise<RawObject | undefined>;
  /**
   * Writes an object Herald itself owns (leases, node configurations). `resourceVersion` is that of the object it
   * replaces, or undefined when there must be none; otherwise ConflictError. Resolves to the new resource version.
   */
  put(object: RawObject, resourceVersion: string | undefined): Promise<string>;
  /** Removes an object that `put` made. ConflictError unless it has that resource version; fine when it is gone. */
  remove(ref: ObjectRef, resourceVersion: string): Promise<void>;
  /**
   * Runs for leadership under `name` among all processes on this store; at most one leads. `changed` is told when that
   * begins or ends for this one. Only after `start`.
   */
  campaign(name: string, changed: () => void): Campaign;
  record(event: EventRecord): void;
  close(): Promise<void>;
}

/** A part of the world that can be made to look as desired. `D` is the whole desired state of that part. */
export interface Target<D> {
  readonly name: string;
  /**
   * Observes, diffs and changes what differs. Applying the same again changes nothing. Rejects when it must be retried.
   */
  apply(desired: D, signal: AbortSignal): Promise<void>;
}
