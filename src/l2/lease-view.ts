/**
 * What this node believes of the Leases: the store's view, which is a prefix of what was written, with the node's own
 * writes laid over it until the view has caught up; and the writes whose outcome nobody knows yet. A write is a
 * compare-and-swap, so what is in doubt dies with the version that it was based on.
 */
import type { LeaseContent, SeenLease } from './lease-record.ts';

export interface Write {
  readonly request: number;
  readonly name: string;
  /** Undefined: there must be none. */
  readonly base: string | undefined;
  /** Undefined: a removal. */
  readonly content: LeaseContent | undefined;
  readonly sentMs: number;
}

export interface Believed {
  /** What the Lease says; of one that is absent, what it said last. */
  readonly lease: SeenLease | undefined;
  /** To base a write on; undefined: it is absent. */
  readonly version: string | undefined;
  /** When this process saw the version change. */
  readonly changedMs: number;
  /** The store's view shows this version. */
  readonly seen: boolean;
  /** Versions that the view may still show, older than this one. */
  readonly superseded: ReadonlySet<string | undefined>;
  /** A write was based on an old version: the view has to move on first. */
  readonly outdated: boolean;
}

const unknown: Believed = {
  lease: undefined,
  version: undefined,
  changedMs: Number.NEGATIVE_INFINITY,
  seen: true,
  superseded: new Set(),
  outdated: false,
};

export class LeaseView {
  readonly #believed = new Map<string, Believed>();
  readonly #writes = new Map<number, Write>();
  /** Writes by Lease that have no result and are still awaited, or not any more. */
  readonly #doubts = new Map<string, Set<Write>>();
  #shown = new Map<string, SeenLease>();

  get(name: string): Believed {
    return this.#believed.get(name) ?? unknown;
  }

  names(): Iterable<string> {
    return this.#believed.keys();
  }

  /** Writes without a result whose base still stands: each may yet be done. */
  doubts(name: string): ReadonlySet<Write> {
    return this.#doubts.get(name) ?? none;
  }

  /** The whole view; names of those that changed by it. */
  see(leases: readonly SeenLease[], nowMs: number): ReadonlySet<string> {
    const changed = new Set<string>();
    const shown = new Map<string, SeenLease>();
    for (const lease of leases) {
      shown.set(lease.name, lease);
      if (this.#show(lease.name, lease, nowMs)) changed.add(lease.name);
    }
    for (const name of this.#shown.keys())
      if (!shown.has(name) && this.#show(name, undefined, nowMs)) changed.add(name);
    this.#shown = shown;
    return changed;
  }

  sent(write: Write): void {
    this.#writes.set(write.request, write);
    const doubts = this.#doubts.get(write.name) ?? new Set();
    this.#doubts.set(write.name, doubts.add(write));
  }

  /** The write that the store took; undefined when that is no news any more. */
  written(request: number, version: string, nowMs: number): Write | undefined {
    const write = this.#end(request);
    if (write === undefined) return undefined;
    const before = this.get(write.name);
    if (before.version !== write.base) return write;
    const lease = write.content === undefined ? undefined : { ...write.content, resourceVersion: version };
    this.#believe(write.name, {
      lease,
      version: lease?.resourceVersion,
      changedMs: nowMs,
      seen: false,
      superseded: new Set([...before.superseded, before.version]),
      outdated: false,
    });
    return write;
  }

  conflict(request: number): Write | undefined {
    const write = this.#end(request);
    const before = write && this.get(write.name);
    if (write && before && before.version === write.base) this.#believe(write.name, { ...before, outdated: true });
    return write;
  }

  /** No result, and none that will be waited for; it stays in doubt. */
  failed(request: number): Write | undefined {
    const write = this.#writes.get(request);
    this.#writes.delete(request);
    return write;
  }

  /** What the store itself has: when that is what a write in doubt said, it was taken, and this is its result. */
  found(lease: SeenLease, nowMs: number): Write | undefined {
    for (const write of this.doubts(lease.name)) {
      if (write.content === undefined || !says(lease, write.content)) continue;
      this.#writes.set(write.request, write);
      return this.written(write.request, lease.resourceVersion, nowMs);
    }
    return undefined;
  }

  /** Whether a result is awaited that was asked for after `sinceMs`. */
  isAwaited(name: string, sinceMs: number): boolean {
    for (const write of this.doubts(name)) if (write.sentMs > sinceMs && this.#writes.has(write.request)) return true;
    return false;
  }

  forget(name: string): void {
    const { version, seen } = this.get(name);
    if (version === undefined && seen) this.#believed.delete(name);
  }

  #end(request: number): Write | undefined {
    const write = this.#writes.get(request);
    if (write === undefined) return undefined;
    this.#writes.delete(request);
    this.#doubts.get(write.name)?.delete(write);
    return write;
  }

  /** Whether what is believed changed, or turned out to be seen. */
  #show(name: string, lease: SeenLease | undefined, nowMs: number): boolean {
    const before = this.get(name);
    const version = lease?.resourceVersion;
    if (before.superseded.has(version)) return false;
    if (before.version === version) {
      const news = !before.seen || before.outdated;
      // Absent before and absent now: the view has not moved on from what a write was based on.
      if (!before.seen) this.#believe(name, { ...before, seen: true, superseded: new Set() });
      return news;
    }
    const last = lease ?? before.lease;
    this.#believe(name, {
      lease: last,
      version,
      changedMs: nowMs,
      seen: true,
      superseded: new Set(),
      outdated: false,
    });
    return true;
  }

  #believe(name: string, next: Believed): void {
    const before = this.get(name);
    this.#believed.set(name, next);
    // Nothing that is based on another version can be done any more.
    if (before.version !== next.version) {
      const doubts = this.#doubts.get(name);
      for (const write of doubts ?? []) if (write.base !== next.version) doubts?.delete(write);
      if (doubts?.size === 0) this.#doubts.delete(name);
    }
  }
}

const none: ReadonlySet<Write> = new Set();

/** No two writes say the same: each has the mark of its process, and its number there. */
function says({ holder, annotations }: SeenLease, content: LeaseContent): boolean {
  return (
    holder === content.holder && Object.entries(content.annotations).every(([key, text]) => annotations[key] === text)
  );
}
