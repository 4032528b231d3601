/**
 * Keeps a copy of one kind's objects in step with the API server: a list, then a watch from the list's version on, for
 * as long as it takes. A streaming list (KEP-3157) where it is served, else pages. What has been said stays while the
 * server is away; a watch that broke goes on from where it was, and starts over only when that is gone (410).
 */
import type { RawObject } from '../api/object.ts';
import type { Clock } from '../runtime/ports.ts';
import { type Api, ApiError } from './api.ts';
import { headOf, keyOf } from './cache.ts';
import { LineSplitter } from './lines.ts';
import { acceptMetadata, isOlder, listPath, type Query, type Resource } from './paths.ts';
import { afterListening } from './patience.ts';

export interface Sink {
  put(resource: Resource, object: RawObject): void;
  delete(resource: Resource, object: RawObject): void;
  /** The objects with these keys are all there are. */
  keepOnly(keys: ReadonlySet<string>): void;
}

export type ReflectorState =
  /** Not in step yet: not everything that there is has been heard of. */
  | { readonly at: 'starting'; readonly sinceMs: number }
  /** In step. */
  | { readonly at: 'watching' }
  /** There is no such kind on this server; that is in step as well. */
  | { readonly at: 'absent' }
  /** Out of step since. What was heard before stands; `isFirst`: that was not all there is. */
  | {
      readonly at: 'broken';
      readonly sinceMs: number;
      /** Answers in a row that refused. */
      readonly refusals: number;
      readonly error: Error;
      readonly isFirst: boolean;
    };

export interface ReflectorOptions {
  readonly api: Api;
  readonly clock: Clock;
  readonly random: () => number;
  /** Versions of the kind, the best first. */
  readonly resources: readonly [Resource, ...Resource[]];
  readonly namespace?: string | undefined;
  readonly selectors?: { readonly fieldSelector?: string | undefined; readonly labelSelector?: string | undefined };
  /** Only who the objects are is fetched. */
  readonly metadataOnly?: boolean | undefined;
  readonly sink: Sink;
  /** Given, a list is kept until it is whole, and goes to the sink in one call of this: nobody sees half of one. */
  readonly together?: ((work: () => void) => void) | undefined;
  /** Told when the state becomes another one. */
  readonly moved: (state: ReflectorState) => void;
  /** Tells about a kind that is not found; without it that is a failure like another. */
  readonly definition?: Definition;
}

/** Whether a kind is defined on this server. */
export interface Definition {
  /** Of a kind that was not found: whether that is because there is none, or it may be served in a moment. */
  whyMissing(signal: AbortSignal): Promise<'absent' | 'unknown' | 'retry'>;
  /** Resolves when it is worth asking again: to true because it is there. */
  appears(signal: AbortSignal): Promise<boolean>;
}

const pageSize = 500;
/** A watch that is this old is opened again, so that servers can share the load anew. */
const watchMinSeconds = 2400;
const watchMaxSeconds = 3600;
/** Bookmarks come every minute. */
const silentMaxMs = 600_000;
const backoffMinMs = 200;
const backoffMaxMs = 15_000;
const brokenMaxMs = 1000;
/** A watch that ends sooner has not worked. */
const livedMs = 1000;
/** Between two events of a streaming list; servers of before that kind of list never say that it is at its end. */
const listSilentMaxMs = 3000;

/** What a reflector has to do next. */
type Progress = { readonly version: string | undefined; readonly streams: 'yes' | 'no' | 'not now' };

export class Reflector {
  readonly #options: ReflectorOptions;
  readonly #end = new AbortController();
  #resources: readonly Resource[];
  #state: ReflectorState;
  /** Everything up to this version has been heard; undefined: nothing to go on from. */
  #progress: Progress = { version: undefined, streams: 'yes' };
  #failures = 0;

  constructor(options: ReflectorOptions) {
    this.#options = options;
    this.#resources = options.resources;
    this.#state = { at: 'starting', sinceMs: options.clock.nowMs() };
  }

  get state(): ReflectorState {
    return this.#state;
  }

  /** In the version that is served, as far as is known. */
  get resource(): Resource {
    return this.#resources[0] ?? this.#options.resources[0];
  }

  start(): void {
    void this.#run();
  }

  close(): void {
    this.#end.abort(new Error('closed'));
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#end.signal.aborted) {
      const startMs = clock.nowMs();
      try {
        if (this.#progress.version === undefined && this.#progress.streams !== 'yes') await this.#listPages();
        await this.#watch();
        if (clock.nowMs() - startMs >= livedMs) this.#failures = 0;
        else await this.#backOff();
      } catch (error) {
        if (this.#end.signal.aborted) return;
        await this.#failed(error instanceof Error ? error : new Error(String(error)));
      }
    }
  }

  async #failed(error: Error): Promise<void> {
    const { code, reason } = error instanceof ApiError ? error : { code: 0, reason: '' };
    const isGone = code === 410 || reason === 'Expired' || reason === 'Gone';
    const cannotStream =
      [400, 422].includes(code) && this.#progress.version === undefined && this.#progress.streams === 'yes';
    if (isGone) {
      this.#progress = { ...this.#progress, version: undefined };
      this.#broke(error, false);
    } else if (cannotStream) this.#progress = { version: undefined, streams: 'no' };
    else if (error instanceof EndlessListError) this.#progress = { version: undefined, streams: 'not now' };
    else if (code === 404 && this.#options.definition !== undefined)
      return await this.#missing(error, this.#options.definition);
    else this.#broke(error);
    // A connection that cannot be had is waited for where it is opened, by all together.
    const isOut = !(error instanceof ApiError);
    if (error instanceof EndlessListError) return;
    if (!isGone && !cannotStream) await this.#backOff(isOut ? brokenMaxMs : backoffMaxMs);
    // Starting over again and again would be worse than being late.
    else if (++this.#failures > 2) await this.#backOff();
  }

  async #missing(error: Error, definition: Definition): Promise<void> {
    const { signal } = this.#end;
    this.#resources = [...this.#resources.slice(1), ...this.#resources.slice(0, 1)];
    this.#progress = { ...this.#progress, version: undefined };
    const why = await definition.whyMissing(signal);
    // A server that has just begun knows of no kinds for a moment: what was heard is not given up for that.
    const wasThere = this.#state.at === 'watching' || (this.#state.at === 'broken' && !this.#state.isFirst);
    if (why === 'absent' || (why === 'unknown' && !wasThere)) {
      if (this.#state.at !== 'absent') {
        this.#options.sink.keepOnly(new Set());
        this.#move({ at: 'absent' });
      }
      const isThere = await definition.appears(signal);
      if (isThere) this.#move({ at: 'starting', sinceMs: this.#options.clock.nowMs() });
      this.#failures = 0;
      return;
    }
    if (wasThere) this.#broke(error);
    await this.#backOff();
  }

  #broke(error: Error, isRefusal = error instanceof ApiError): void {
    const before = this.#state;
    const isFirst = before.at === 'starting' || (before.at === 'broken' && before.isFirst);
    const sinceMs = 'sinceMs' in before ? before.sinceMs : this.#options.clock.nowMs();
    const refusals = isRefusal ? (before.at === 'broken' ? before.refusals : 0) + 1 : 0;
    // Who answers, if only to refuse, is back: how long he was away says nothing about how long he will refuse.
    if (refusals === 1) this.#failures = 0;
    this.#move({ at: 'broken', sinceMs, refusals, error, isFirst });
  }

  #move(state: ReflectorState): void {
    this.#state = state;
    if (!this.#end.signal.aborted) this.#options.moved(state);
  }

  async #backOff(maxMs = backoffMaxMs): Promise<void> {
    const { clock, random } = this.#options;
    const fullMs = Math.min(maxMs, backoffMinMs * 2 ** Math.min(this.#failures++, 20));
    await new Promise<void>(resolve => {
      const done = () => {
        cancel();
        this.#end.signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = clock.after((fullMs / 2) * (1 + random()), done);
      this.#end.signal.addEventListener('abort', done);
    });
  }

  #path(query: Query): string {
    const { namespace, selectors } = this.#options;
    return listPath(this.resource, namespace, { ...selectors, ...query });
  }

  async #listPages(): Promise<void> {
    const { api } = this.#options;
    const sink = this.#listSink();
    const keys = new Set<string>();
    let next: string | undefined;
    let version = '';
    do {
      const path = this.#path({ limit: pageSize, continue: next });
      const page = await api.list({ method: 'GET', path, signal: this.#end.signal, ...this.#accept('list') });
      const { items, metadata } = page as {
        readonly items?: unknown;
        readonly metadata?: Readonly<Record<string, unknown>>;
      };
      for (const item of (Array.isArray(items) ? items : []) as readonly RawObject[]) {
        keys.add(keyOf(headOf(item)));
        sink.put(this.resource, item);
      }
      version = String(metadata?.['resourceVersion'] ?? '');
      next = typeof metadata?.['continue'] === 'string' ? metadata['continue'] : undefined;
    } while (next);
    sink.keepOnly(keys);
    this.#progress = { version, streams: this.#progress.streams === 'no' ? 'no' : 'yes' };
  }

  /** For one list, and what comes after it. */
  #listSink(): Sink {
    const { sink, together } = this.#options;
    return together === undefined ? sink : wholeLists(sink, together);
  }

  #accept(what: 'list' | 'watch') {
    return this.#options.metadataOnly ? { accept: acceptMetadata[what] } : {};
  }

  /** From `version` on, or from a streaming list; resolves when the server has had enough. */
  async #watch(): Promise<void> {
    const { api, clock, random } = this.#options;
    const { version } = this.#progress;
    const timeoutSeconds = Math.round(watchMinSeconds + random() * (watchMaxSeconds - watchMinSeconds));
    const query = { watch: true, allowWatchBookmarks: true, timeoutSeconds };
    const from =
      version === undefined
        ? { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' }
        : { resourceVersion: version };
    const sink = version === undefined ? this.#listSink() : this.#options.sink;
    const stream = new EventStream(sink, this.resource, version, () => this.#move({ at: 'watching' }));
    const silence = new AbortController();
    let heardMs = clock.nowMs();
    let cancel = () => {};
    const look = () => {
      const leftMs = (stream.isListing ? listSilentMaxMs : silentMaxMs) - (clock.nowMs() - heardMs);
      if (leftMs > 0) cancel = afterListening(clock, leftMs, look);
      else silence.abort(stream.isListing ? new EndlessListError() : new Error('nothing was heard for too long'));
    };
    cancel = afterListening(clock, listSilentMaxMs, look);
    try {
      await api.stream(
        { path: this.#path({ ...query, ...from }), ...this.#accept('watch') },
        () => {
          if (version !== undefined) this.#move({ at: 'watching' });
        },
        bytes => {
          heardMs = clock.nowMs();
          stream.push(bytes);
        },
        AbortSignal.any([this.#end.signal, silence.signal]),
      );
    } finally {
      cancel();
      if (stream.version !== undefined) this.#progress = { ...this.#progress, version: stream.version };
    }
  }
}

function wholeLists(sink: Sink, together: (work: () => void) => void): Sink {
  let held: (() => void)[] | undefined = [];
  const say = (work: () => void) => void (held === undefined ? work() : held.push(work));
  return {
    put: (resource, object) => say(() => sink.put(resource, object)),
    delete: (resource, object) => say(() => sink.delete(resource, object)),
    keepOnly(keys) {
      const list = held ?? [];
      held = undefined;
      together(() => {
        for (const each of list) each();
        sink.keepOnly(keys);
      });
    },
  };
}

interface WatchEvent {
  readonly type?: unknown;
  readonly object?: unknown;
}

/** A streaming list of which nothing more was heard. */
class EndlessListError extends Error {
  override name = 'EndlessListError';
}

/** One watch's events into the sink. */
class EventStream {
  readonly #sink: Sink;
  readonly #resource: Resource;
  readonly #listed: () => void;
  readonly #lines = new LineSplitter(line => this.#event(line));
  /** Of the streaming list, until it is whole. */
  #keys: Set<string> | undefined;
  #version: string | undefined;

  constructor(sink: Sink, resource: Resource, version: string | undefined, listed: () => void) {
    this.#sink = sink;
    this.#resource = resource;
    this.#version = version;
    this.#listed = listed;
    this.#keys = version === undefined ? new Set() : undefined;
  }

  get isListing(): boolean {
    return this.#keys !== undefined;
  }

  /** Up to which everything has been heard; undefined while the list is not whole. */
  get version(): string | undefined {
    return this.isListing ? undefined : this.#version;
  }

  push(bytes: Buffer): void {
    this.#lines.push(bytes);
  }

  #event(line: string): void {
    const { type, object } = JSON.parse(line) as WatchEvent;
    if (typeof object !== 'object' || object === null) throw new Error(`a watch event without an object: ${type}`);
    const raw = object as RawObject;
    if (type === 'ERROR') {
      const { code, reason, message } = raw as {
        readonly code?: number;
        readonly reason?: string;
        readonly message?: string;
      };
      throw new ApiError(code ?? 500, reason ?? '', message ?? 'the watch failed');
    }
    const { version } = headOf(raw);
    // A server that was set back (its store restored from a copy) goes on counting below what we have heard.
    if (version !== '' && this.#version !== undefined && !this.isListing && isOlder(version, this.#version))
      throw new ApiError(410, 'Expired', `version ${version} came after ${this.#version}`);
    if (type === 'BOOKMARK') this.#bookmark(raw);
    else if (type === 'DELETED') this.#sink.delete(this.#resource, raw);
    else {
      this.#keys?.add(keyOf(headOf(raw)));
      this.#sink.put(this.#resource, raw);
    }
    if (version !== '') this.#version = version;
  }

  #bookmark(raw: RawObject): void {
    const metadata = raw['metadata'] as { readonly annotations?: Readonly<Record<string, string>> } | undefined;
    if (this.#keys === undefined || metadata?.annotations?.['k8s.io/initial-events-end'] !== 'true') return;
    this.#sink.keepOnly(this.#keys);
    this.#keys = undefined;
    this.#listed();
  }
}
