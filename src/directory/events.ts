/**
 * Events in the state directory: the last thousand, the same one again counted instead of repeated (events.k8s.io/v1
 * series).
 */
import { ObjectRef } from '../api/object.ts';
import type { Clock, EventRecord, Log } from '../runtime/ports.ts';
import type { Journal } from './journal.ts';
import { isMapping } from './manifest.ts';
import { isRecord, type ObjectRecord } from './record.ts';

export interface StoredEvent extends EventRecord {
  readonly count: number;
  /** RFC 3339. */
  readonly firstTime: string;
  readonly lastTime: string;
}

/** All that the state directory holds. */
export type Stored = ObjectRecord | StoredEvent;

const eventsMax = 1000;
const keyPrefix = 'event ';

export function isStored(value: unknown): value is Stored {
  return isRecord(value) || isEvent(value);
}

function isEvent(value: unknown): value is StoredEvent {
  return isMapping(value) && isMapping(value['about']) && typeof value['lastTime'] === 'string';
}

export class EventLog {
  readonly #journal: Journal<Stored>;
  readonly #clock: Clock;
  readonly #log: Log;
  /** By the time of their last occurrence. */
  readonly #keys = new Set<string>();
  #waiting = 0;

  constructor(journal: Journal<Stored>, clock: Clock, log: Log) {
    this.#journal = journal;
    this.#clock = clock;
    this.#log = log;
  }

  record(event: EventRecord): void {
    if (this.#waiting >= eventsMax) return;
    this.#waiting++;
    const key = `${keyPrefix}${ObjectRef.format(event.about)} ${event.type} ${event.reason} ${event.message}`;
    const now = new Date(this.#clock.wallMs()).toISOString();
    const { about, type, reason, message } = event;
    this.#journal
      .transact(transaction => {
        const before = eventOf(transaction.get(key)?.value);
        const count = (before?.count ?? 0) + 1;
        transaction.set(key, {
          about,
          type,
          reason,
          message,
          count,
          firstTime: before?.firstTime ?? now,
          lastTime: now,
        });
        this.#note(key);
        for (const oldest of [...this.#keys].slice(0, Math.max(0, this.#keys.size - eventsMax))) {
          transaction.delete(oldest);
          this.#keys.delete(oldest);
        }
      })
      .catch(error => this.#log.warn('event not written', { event: event.reason, error: String(error) }))
      .finally(() => this.#waiting--);
  }

  /** Told which of the journal's keys changed. */
  changed(keys: readonly string[]): void {
    for (const key of keys) {
      if (!key.startsWith(keyPrefix)) continue;
      if (this.#journal.get(key) === undefined) this.#keys.delete(key);
      else this.#note(key);
    }
  }

  list(): readonly StoredEvent[] {
    return [...this.#keys].flatMap(key => eventOf(this.#journal.get(key)?.value) ?? []);
  }

  #note(key: string): void {
    this.#keys.delete(key);
    this.#keys.add(key);
  }
}

function eventOf(value: Stored | undefined): StoredEvent | undefined {
  return isEvent(value) ? value : undefined;
}
