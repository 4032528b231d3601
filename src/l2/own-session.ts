/**
 * This node's session: begun, renewed, gone on with after a restart of the process, let go. It says until when the node
 * may answer: never later than `durationMs` after the moment before the renewal was sent that the store took.
 */
import { type LeaseContent, Session } from './lease-record.ts';
import type { LeaseView, Write } from './lease-view.ts';
import type { OwnershipConfig, OwnershipTimes } from './ownership-event.ts';

/** `gone`: the process is to do nothing more: it left, or another process of this node goes on with the session. */
type Phase = 'running' | 'leaving' | 'restarting' | 'gone';

export interface SessionPut {
  readonly content: LeaseContent;
  readonly base: string | undefined;
}

export class OwnSession {
  readonly name: string;
  readonly #config: OwnershipConfig;
  #times: OwnershipTimes;
  #told: Readonly<Record<string, string>> = {};
  #phase: Phase = 'running';
  #id: string | undefined;
  /** Whether a write of this process under the id has been taken. */
  #written = false;
  #confirmed = false;
  #deadlineMs = 0;
  #dueMs = Number.NEGATIVE_INFINITY;
  #sentMs = Number.NEGATIVE_INFINITY;
  #askMs = Number.NEGATIVE_INFINITY;
  #begun = 0;
  #beat = 0;

  constructor(config: OwnershipConfig) {
    this.#config = config;
    this.#times = config.times;
    this.name = Session.nameOf(config.node);
  }

  /** Undefined while there is none. */
  get id(): string | undefined {
    return this.#id;
  }

  /** Up to when rows may be answered by it. */
  get deadlineMs(): number {
    return this.#deadlineMs;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** The view shows what this process wrote: what the view shows of ownerships is not older than that. */
  get confirmed(): boolean {
    return this.#confirmed;
  }

  isLive(nowMs: number): boolean {
    return this.#confirmed && nowMs < this.#deadlineMs;
  }

  /** When `due` has something, unless something happens. */
  nextMs(view: LeaseView, nowMs: number): number {
    if (this.#phase === 'gone') return Number.POSITIVE_INFINITY;
    if (view.get(this.name).outdated) return this.#isInDoubt(view) ? this.#askMs : Number.POSITIVE_INFINITY;
    const { renewMs } = this.#times;
    return view.isAwaited(this.name, nowMs - renewMs) ? this.#sentMs + renewMs : this.#dueMs;
  }

  tell(annotations: Readonly<Record<string, string>>): void {
    this.#told = annotations;
    this.#dueMs = Number.NEGATIVE_INFINITY;
  }

  retime(times: OwnershipTimes): void {
    this.#times = times;
    this.#dueMs = Number.NEGATIVE_INFINITY;
  }

  leave(how: 'leaving' | 'restarting'): void {
    if (this.#phase === 'gone') return;
    this.#phase = how;
    this.#dueMs = Number.NEGATIVE_INFINITY;
    if (this.#id === undefined) this.#phase = 'gone';
  }

  /** After what is believed of the Lease changed. */
  look(view: LeaseView, nowMs: number): 'same' | 'lost' | 'left' {
    const { lease, version, seen } = view.get(this.name);
    const session = lease && Session.read(lease);
    if (this.#id === undefined || session === undefined) return 'same';
    if (version === undefined) {
      // Removed. Whether it was over by then nobody can tell, unless it cannot have been.
      if (!this.#written || nowMs < this.#deadlineMs) return 'same';
      if (this.#phase !== 'running') this.#phase = 'gone';
      this.#end();
      return 'lost';
    }
    const { node, instance } = this.#config;
    const ours = session.id === this.#id && !session.over;
    if (ours && session.instance === instance) {
      this.#written = true;
      this.#confirmed ||= seen;
      return 'same';
    }
    if (!this.#written) {
      // What the process before wrote last may come in late; anything else is to be begun anew upon.
      if (!ours || session.node !== node) this.#end();
      return 'same';
    }
    // Another process runs it: this one has been replaced, and must not fight.
    const left = this.#phase === 'leaving' && session.id === this.#id;
    if (ours || this.#phase !== 'running') this.#phase = 'gone';
    this.#end();
    return left ? 'left' : 'lost';
  }

  /** A renewal that is to be written now. `cap`: deadlines that the process before left go no further. */
  due(view: LeaseView, nowMs: number): (SessionPut & { readonly capMs: number | undefined }) | undefined {
    if (this.#phase === 'gone' || nowMs < this.#dueMs) return undefined;
    if (view.isAwaited(this.name, nowMs - this.#times.renewMs)) return undefined;
    const { lease, version, outdated } = view.get(this.name);
    if (outdated) return undefined;
    const before = lease && Session.read(lease);
    const { node, instance } = this.#config;
    let capMs: number | undefined;
    if (this.#id === undefined) {
      const goesOn = before !== undefined && !before.over && version !== undefined;
      this.#id = goesOn ? before.id : `${instance}.${++this.#begun}`;
      capMs = goesOn ? nowMs + this.#durationMs : 0;
    }
    const over = this.#phase === 'leaving';
    const durationMs = this.#durationMs;
    const session = { node, id: this.#id, instance, over, endedBy: node, durationMs };
    this.#sentMs = nowMs;
    this.#dueMs = nowMs + this.#times.renewMs;
    // Should the store take this and nobody hear of it, others count from now.
    this.#deadlineMs = over ? 0 : Math.min(this.#deadlineMs, nowMs + durationMs);
    return { content: Session.write(session, ++this.#beat, this.#told), base: version, capMs };
  }

  /**
   * Whether the store is to be asked what it has: it may have taken a renewal that nobody heard of, and a view that is
   * slow to show it must not cost the session.
   */
  asks(view: LeaseView, nowMs: number): boolean {
    if (this.#phase === 'gone' || nowMs < this.#askMs || !this.#isInDoubt(view)) return false;
    this.#askMs = nowMs + this.#times.renewMs;
    return true;
  }

  /** The store took a renewal of this process. Whether the process has thereby left. */
  written(write: Write, nowMs: number): boolean {
    const { content } = write;
    const session = content && Session.read({ ...content, resourceVersion: '' });
    if (session === undefined || session.id !== this.#id) return false;
    this.#written = true;
    this.#dueMs = Math.min(this.#dueMs, write.sentMs + this.#times.renewMs);
    if (session.over) {
      this.#phase = 'gone';
      this.#end();
      return true;
    }
    this.#deadlineMs = Math.max(this.#deadlineMs, write.sentMs + session.durationMs);
    if (this.#phase !== 'restarting' || session.durationMs < this.#durationMs) return false;
    this.#phase = 'gone';
    return nowMs < this.#deadlineMs;
  }

  failed(nowMs: number): void {
    this.#dueMs = nowMs + this.#times.retryMs;
  }

  /** The view moved on, and a write that was in conflict can be tried again. */
  retry(): void {
    this.#dueMs = Number.NEGATIVE_INFINITY;
  }

  #isInDoubt(view: LeaseView): boolean {
    return view.get(this.name).outdated && view.doubts(this.name).size > 0;
  }

  get #durationMs(): number {
    const { sessionMs } = this.#times;
    return this.#phase === 'restarting' ? Math.max(sessionMs, this.#config.restartGraceMs) : sessionMs;
  }

  #end(): void {
    this.#id = undefined;
    this.#written = false;
    this.#confirmed = false;
    this.#deadlineMs = 0;
    this.#dueMs = Number.NEGATIVE_INFINITY;
  }
}
