/**
 * How many requests are under way at a time, and which goes first. The API server is asked for no more than it takes:
 * a 429 (RFC 6585 §4) halves what is under way and holds everybody for as long as it says, and every second without
 * one lets one more through. Leases have a budget of their own, so nothing else is ever before a renewal.
 */
import type { Clock } from '../runtime/ports.ts';

/** First to last. */
const lanes = ['object', 'status', 'event'] as const;
export type Lane = (typeof lanes)[number];

export interface BudgetLimits {
  readonly inFlightMax: number;
  /** Events leave at least this many places to the others. */
  readonly eventsLeave: number;
  readonly growEveryMs: number;
}

const defaults: BudgetLimits = { inFlightMax: 24, eventsLeave: 20, growEveryMs: 1000 };
/** What a 429 without Retry-After asks for. */
const pauseMs = 1000;
const pauseMaxMs = 60_000;

interface Waiting {
  readonly go: () => void;
  readonly refuse: (reason: unknown) => void;
}

export class Budget {
  readonly #clock: Clock;
  readonly #limits: BudgetLimits;
  readonly #waiting: Readonly<Record<Lane, Set<Waiting>>> = { object: new Set(), status: new Set(), event: new Set() };
  #allowed: number;
  #inFlight = 0;
  #pausedUntilMs = 0;
  #grownMs = 0;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, limits: Partial<BudgetLimits> = {}) {
    this.#clock = clock;
    this.#limits = { ...defaults, ...limits };
    this.#allowed = this.#limits.inFlightMax;
  }

  /**
   * Runs `work` when its turn has come. Rejects when that is not within `waitMs`, and at once when `signal` says that
   * nobody waits for it any more.
   */
  async run<T>(lane: Lane, waitMs: number, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    if (this.#isQueued(lane) || !this.#mayGo(lane)) await this.#turn(lane, waitMs, signal);
    else this.#inFlight++;
    try {
      return await work();
    } finally {
      this.#inFlight--;
      this.#release();
    }
  }

  /** The API server is asked too much. */
  throttled(retryAfterMs: number | undefined): void {
    const nowMs = this.#clock.nowMs();
    const untilMs = nowMs + Math.min(pauseMaxMs, retryAfterMs ?? pauseMs);
    // Those that were under way together were refused together: that is one refusal.
    if (nowMs >= this.#pausedUntilMs) this.#allowed = Math.max(1, this.#allowed >> 1);
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, untilMs);
    this.#grownMs = untilMs;
  }

  #mayGo(lane: Lane): boolean {
    const nowMs = this.#clock.nowMs();
    if (nowMs < this.#pausedUntilMs) return false;
    const { inFlightMax, growEveryMs, eventsLeave } = this.#limits;
    const steps = Math.floor((nowMs - this.#grownMs) / growEveryMs);
    if (steps > 0) {
      this.#allowed = Math.min(inFlightMax, this.#allowed + steps);
      this.#grownMs = nowMs;
    }
    return this.#inFlight < (lane === 'event' ? Math.max(1, this.#allowed - eventsLeave) : this.#allowed);
  }

  /** Somebody of the lane, or of one before it, was here first. */
  #isQueued(lane: Lane): boolean {
    return lanes.slice(0, lanes.indexOf(lane) + 1).some(each => this.#waiting[each].size > 0);
  }

  #turn(lane: Lane, waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = () => waiting.refuse(new Error(`the API server is busy: no turn in ${Math.round(waitMs)} ms`));
      const cancel = this.#clock.after(waitMs, late);
      const aborted = () => waiting.refuse(signal?.reason);
      const end = () => {
        cancel();
        this.#waiting[lane].delete(waiting);
        signal?.removeEventListener('abort', aborted);
      };
      const waiting: Waiting = {
        go: () => {
          end();
          this.#inFlight++;
          resolve();
        },
        refuse: reason => {
          end();
          reject(reason);
        },
      };
      signal?.addEventListener('abort', aborted);
      this.#waiting[lane].add(waiting);
      this.#release();
    });
  }

  #release(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    for (const lane of lanes) {
      for (const waiting of this.#waiting[lane]) {
        if (!this.#mayGo(lane)) {
          const waitMs = this.#pausedUntilMs - this.#clock.nowMs();
          if (waitMs > 0) this.#cancel = this.#clock.after(waitMs, () => this.#release());
          return;
        }
        waiting.go();
      }
    }
  }
}
