/**
 * Events (events.k8s.io/v1) for people who look at an object. The same one again becomes a series of the first, told at
 * most once a minute; ordinary news is dropped when there is more of it than anybody reads, warnings wait for their
 * turn. Losing one is no failure.
 */
import { kinds } from '../api/kinds.ts';
import { ObjectRef, type RawObject } from '../api/object.ts';
import type { Clock, EventRecord, Log } from '../runtime/ports.ts';
import { isKind, listPath, type Resource } from './paths.ts';

export interface EventsEnv {
  readonly clock: Clock;
  readonly log: Log;
  /** `herald.io/operator` and who of them. */
  readonly controller: string;
  readonly instance: string;
  readonly send: (method: 'POST' | 'PATCH', path: string, body: RawObject) => Promise<RawObject>;
  /** Of the object as last seen. */
  readonly uidOf: (ref: ObjectRef) => string | undefined;
}

/** A series is over when nothing was added to it for this long. */
const seriesMs = 360_000;
const seriesTellMs = 60_000;
const seriesMax = 2000;
/** So many at once, and one more for each of these. */
const burst = 50;
const refillMs = 1000;
const waitingMax = 200;
/** An event comes when everything else is done: what it tells of is still on its way to others when it is recorded. */
const leisureMs = 200;

interface Series {
  readonly event: EventRecord;
  readonly name: string;
  readonly namespace: string;
  readonly beginWallMs: number;
  count: number;
  toldCount: number;
  toldMs: number;
  lastMs: number;
  cancel: () => void;
}

const resource: Resource = {
  kind: 'Event',
  apiVersion: 'events.k8s.io/v1',
  base: '/apis/events.k8s.io/v1',
  plural: 'events',
  isNamespaced: true,
};

export class Events {
  readonly #env: EventsEnv;
  /** By what they say; the one that was last added to at the end. */
  readonly #series = new Map<string, Series>();
  readonly #waiting: (() => Promise<void>)[] = [];
  #tokens = burst;
  #filledMs: number;
  #sequence = 0;
  #dropped = 0;
  #cancel: (() => void) | undefined;
  #closed = false;

  constructor(env: EventsEnv) {
    this.#env = env;
    this.#filledMs = env.clock.nowMs();
  }

  /** Events that nobody was told of, because there were too many. */
  get dropped(): number {
    return this.#dropped;
  }

  record(event: EventRecord): void {
    if (this.#closed) return;
    const nowMs = this.#env.clock.nowMs();
    const key = `${ObjectRef.format(event.about)} ${event.type} ${event.reason} ${event.message}`;
    const series = this.#series.get(key);
    this.#series.delete(key);
    if (series === undefined || nowMs - series.lastMs > seriesMs) {
      series?.cancel();
      this.#begin(key, event);
      return;
    }
    this.#series.set(key, series);
    series.count++;
    series.lastMs = nowMs;
    if (series.count - series.toldCount > 1) return;
    series.cancel = this.#env.clock.after(Math.max(0, series.toldMs + seriesTellMs - nowMs), () => {
      this.#enqueue(event.type, () => this.#tellSeries(series));
    });
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
    for (const { cancel } of this.#series.values()) cancel();
  }

  #begin(key: string, event: EventRecord): void {
    const { clock } = this.#env;
    const namespace = event.about.namespace || 'default';
    const name = `${event.about.name.slice(0, 200)}.${clock.wallMs().toString(16)}${(this.#sequence++).toString(16)}`;
    const nowMs = clock.nowMs();
    const told = { count: 1, toldCount: 1, toldMs: nowMs, lastMs: nowMs, cancel: () => {} };
    const series = { event, name, namespace, beginWallMs: clock.wallMs(), ...told };
    if (!this.#enqueue(event.type, () => this.#create(series))) return;
    this.#series.set(key, series);
    for (const [oldest, { cancel }] of this.#series) {
      if (this.#series.size <= seriesMax) break;
      cancel();
      this.#series.delete(oldest);
    }
  }

  /** False when it is dropped. */
  #enqueue(type: EventRecord['type'], send: () => Promise<void>): boolean {
    this.#refill();
    const mayWait = type === 'Warning' && this.#waiting.length < waitingMax;
    if (this.#tokens <= this.#waiting.length && !mayWait) {
      this.#dropped++;
      return false;
    }
    this.#waiting.push(send);
    this.#cancel ??= this.#env.clock.after(leisureMs, () => this.#drain());
    return true;
  }

  #refill(): void {
    const nowMs = this.#env.clock.nowMs();
    const more = Math.floor((nowMs - this.#filledMs) / refillMs);
    if (more <= 0) return;
    this.#tokens = Math.min(burst, this.#tokens + more);
    this.#filledMs += more * refillMs;
  }

  #drain(): void {
    this.#cancel = undefined;
    this.#refill();
    while (this.#tokens >= 1 && !this.#closed) {
      const send = this.#waiting.shift();
      if (send === undefined) return;
      this.#tokens--;
      send().catch(error => this.#env.log.debug('event not written', { error: String(error) }));
    }
    if (this.#closed || this.#waiting.length === 0) return;
    this.#cancel = this.#env.clock.after(refillMs, () => this.#drain());
  }

  async #create({ event, name, namespace, beginWallMs }: Series): Promise<void> {
    const { about, type, reason, message } = event;
    const uid = this.#env.uidOf(about);
    const regarding = { ...about, apiVersion: apiVersionOf(about.kind), ...(uid === undefined ? {} : { uid }) };
    await this.#env.send('POST', listPath(resource, namespace), {
      apiVersion: resource.apiVersion,
      kind: resource.kind,
      metadata: { name, namespace },
      eventTime: microTime(beginWallMs),
      reportingController: this.#env.controller,
      reportingInstance: this.#env.instance,
      action: 'Reconcile',
      reason,
      type,
      note: message.slice(0, 1024),
      regarding,
    });
  }

  async #tellSeries(series: Series): Promise<void> {
    const { clock } = this.#env;
    series.toldCount = series.count;
    series.toldMs = clock.nowMs();
    const lastObservedTime = microTime(clock.wallMs());
    const path = `${listPath(resource, series.namespace)}/${series.name}`;
    await this.#env.send('PATCH', path, { series: { count: series.count, lastObservedTime } });
  }
}

function apiVersionOf(kind: string): string {
  if (!isKind(kind)) return 'v1';
  const { group, versions } = kinds[kind];
  return group === '' ? versions[0] : `${group}/${versions[0]}`;
}

function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}
