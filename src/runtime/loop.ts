/**
 * The reconcile loop: wake → coalesce → snapshot → desired → each target. A wake-up carries nothing; desired state is
 * computed whole from the newest snapshot, so a restart is the same code path as any other pass. Each target is applied
 * by its own lane: one that fails backs off by itself, with jitter, and never holds up another.
 */
import type { Clock, Log, Target } from './ports.ts';

export interface LoopLimits {
  /** Wake-ups within this time of the first become one pass; 0: those of one turn of the event loop. */
  readonly coalesceMs: number;
  /**
   * So many passes may follow one another that closely, and one more for each `quickPassMs` since. A flood is taken in
   * larger portions: within `floodCoalesceMs`.
   */
  readonly quickPassesMax: number;
  readonly quickPassMs: number;
  readonly floodCoalesceMs: number;
  /** A pass without a wake-up, in case the world drifted. */
  readonly resyncMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
}

const defaultLimits: LoopLimits = {
  coalesceMs: 0,
  quickPassesMax: 8,
  quickPassMs: 10,
  floodCoalesceMs: 10,
  resyncMs: 300_000,
  backoffMinMs: 250,
  backoffMaxMs: 300_000,
};

/** A target with the part of the desired state that is its own; undefined: it is not ours to touch now. */
export interface Lane<D> {
  readonly target: Target<unknown>;
  readonly part: (desired: D) => unknown;
}

/** Binds a target to its part of the desired state, so that the two always agree in type. */
export function lane<D, P>(target: Target<P>, part: (desired: D) => P | undefined): Lane<D> {
  // The pair is closed over one P: what `part` gives is what `target` takes.
  return { target: target as Target<unknown>, part };
}

export interface LaneStatus {
  readonly target: string;
  /** True once the newest desired state has been applied. */
  readonly settled: boolean;
  readonly failures: number;
  /** Why the last attempt failed, in the world's words; undefined after a success. */
  readonly error: string | undefined;
}

export interface LoopEnv {
  readonly clock: Clock;
  readonly log: Log;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly limits?: Partial<LoopLimits>;
  /** Told after each pass how long computing took, in milliseconds. */
  readonly observePass?: (durationMs: number) => void;
}

export class ReconcileLoop<D> {
  readonly #compute: () => D;
  readonly #lanes: readonly RunningLane<D>[];
  readonly #env: LoopEnv;
  readonly #limits: LoopLimits;
  #cancelPass: (() => void) | undefined;
  #passDueMs = Number.POSITIVE_INFINITY;
  #woken = false;
  #quickPasses: number;
  #quickSinceMs: number;
  #stopped = false;
  #passes = 0;
  #waiting: (() => void)[] = [];

  /** `compute` reads the newest snapshot and gives the whole desired state; it is pure but for that reading. */
  constructor(compute: () => D, lanes: readonly Lane<D>[], env: LoopEnv) {
    this.#compute = compute;
    this.#env = env;
    this.#limits = { ...defaultLimits, ...env.limits };
    this.#quickPasses = this.#limits.quickPassesMax;
    this.#quickSinceMs = env.clock.nowMs();
    this.#lanes = lanes.map(each => new RunningLane(each, env, this.#limits, () => this.#tellSettled()));
  }

  /** Something changed, somewhere. Cheap, and safe to call at any time and any number of times. */
  wake(): void {
    this.#woken = true;
    const { coalesceMs, floodCoalesceMs } = this.#limits;
    this.#schedule(this.#mayBeQuick() ? coalesceMs : Math.max(coalesceMs, floodCoalesceMs));
  }

  /** Passes so far. */
  get passes(): number {
    return this.#passes;
  }

  /** True when nothing has happened since the last pass and every target has taken its result. */
  get settled(): boolean {
    return this.#passes > 0 && !this.#woken && this.#lanes.every(each => each.status().settled);
  }

  /** Resolves at the next moment, perhaps this one, at which the loop is settled. */
  whenSettled(): Promise<void> {
    if (this.settled) return Promise.resolve();
    return new Promise(resolve => this.#waiting.push(resolve));
  }

  status(): LaneStatus[] {
    return this.#lanes.map(each => each.status());
  }

  /** No further pass; resolves when no target is at work any more. What is being applied is aborted. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelPass?.();
    await Promise.all(this.#lanes.map(each => each.stop()));
  }

  #mayBeQuick(): boolean {
    const { quickPassesMax, quickPassMs } = this.#limits;
    const nowMs = this.#env.clock.nowMs();
    const more = Math.floor((nowMs - this.#quickSinceMs) / quickPassMs);
    if (more > 0) {
      this.#quickPasses = Math.min(quickPassesMax, this.#quickPasses + more);
      this.#quickSinceMs += more * quickPassMs;
    }
    return this.#quickPasses > 0;
  }

  #schedule(delayMs: number): void {
    const dueMs = this.#env.clock.nowMs() + delayMs;
    if (this.#stopped || dueMs >= this.#passDueMs) return;
    this.#cancelPass?.();
    this.#passDueMs = dueMs;
    this.#cancelPass = this.#env.clock.after(delayMs, () => this.#pass());
  }

  #pass(): void {
    this.#passDueMs = Number.POSITIVE_INFINITY;
    if (this.#woken) this.#quickPasses = Math.max(0, this.#quickPasses - 1);
    this.#woken = false;
    const startMs = this.#env.clock.nowMs();
    // A throw from here is our own mistake: it goes up and ends the process, and the supervisor starts a fresh one.
    const desired = this.#compute();
    this.#passes++;
    this.#env.observePass?.(this.#env.clock.nowMs() - startMs);
    for (const each of this.#lanes) each.offer(desired);
    this.#schedule(this.#limits.resyncMs);
    this.#tellSettled();
  }

  #tellSettled(): void {
    if (!this.settled) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

type LaneState<D> =
  | { readonly at: 'idle' }
  | { readonly at: 'applying'; readonly next: { readonly desired: D } | undefined }
  | { readonly at: 'waiting'; readonly desired: D; readonly cancel: () => void };

/** One target and its back-off. At most one apply at a time; what arrives meanwhile replaces what was waiting. */
class RunningLane<D> {
  readonly #lane: Lane<D>;
  readonly #env: LoopEnv;
  readonly #limits: LoopLimits;
  readonly #settled: () => void;
  readonly #abort = new AbortController();
  #state: LaneState<D> = { at: 'idle' };
  #running: Promise<void> = Promise.resolve();
  #failures = 0;
  #error: string | undefined;

  constructor(each: Lane<D>, env: LoopEnv, limits: LoopLimits, settled: () => void) {
    this.#lane = each;
    this.#env = env;
    this.#limits = limits;
    this.#settled = settled;
  }

  offer(desired: D): void {
    if (this.#abort.signal.aborted) return;
    if (this.#state.at === 'applying') this.#state = { at: 'applying', next: { desired } };
    else if (this.#state.at === 'waiting') this.#state = { ...this.#state, desired };
    else this.#apply(desired);
  }

  status(): LaneStatus {
    const settled = this.#state.at === 'idle' && this.#error === undefined;
    return { target: this.#lane.target.name, settled, failures: this.#failures, error: this.#error };
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    if (this.#state.at === 'waiting') this.#state.cancel();
    await this.#running;
  }

  #apply(desired: D): void {
    this.#state = { at: 'applying', next: undefined };
    this.#running = this.#attempt(desired).then(failure => this.#finished(desired, failure));
  }

  async #attempt(desired: D): Promise<unknown> {
    try {
      const part = this.#lane.part(desired);
      if (part !== undefined) await this.#lane.target.apply(part, this.#abort.signal);
      return undefined;
    } catch (error) {
      return error ?? new Error('rejected without a reason');
    }
  }

  #finished(desired: D, failure: unknown): void {
    const newest = this.#state.at === 'applying' && this.#state.next ? this.#state.next.desired : desired;
    const superseded = newest !== desired;
    this.#state = { at: 'idle' };
    if (this.#abort.signal.aborted) return;
    if (failure === undefined) {
      this.#failures = 0;
      this.#error = undefined;
      if (superseded) this.#apply(newest);
      else this.#settled();
      return;
    }
    this.#failures++;
    this.#error = failure instanceof Error ? failure.message : String(failure);
    const delayMs = this.#backoffMs();
    this.#env.log.warn('target failed', {
      target: this.#lane.target.name,
      error: this.#error,
      retryMs: Math.round(delayMs),
    });
    const cancel = this.#env.clock.after(delayMs, () => {
      if (this.#state.at === 'waiting') this.#apply(this.#state.desired);
    });
    this.#state = { at: 'waiting', desired: newest, cancel };
  }

  /** Doubles up to the maximum; the upper half is jitter, so that nodes that failed together do not retry together. */
  #backoffMs(): number {
    const { backoffMinMs, backoffMaxMs } = this.#limits;
    const fullMs = Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(this.#failures - 1, 30));
    return (fullMs / 2) * (1 + this.#env.random());
  }
}
