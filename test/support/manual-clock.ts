/** A clock that stands still until a test moves it. Timers fire in order of their time, then of their making. */
import type { Clock } from '../../src/runtime/ports.ts';

interface Timer {
  readonly dueMs: number;
  readonly fn: () => void;
}

export class ManualClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<Timer>();

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return Date.UTC(2026, 0, 1) + this.#nowMs;
  }

  after(delayMs: number, fn: () => void): () => void {
    const timer = { dueMs: this.#nowMs + Math.max(0, delayMs), fn };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get pending(): number {
    return this.#timers.size;
  }

  /** As after a stall: the time has passed, and every timer that was due meanwhile fires late, at once. */
  stall(byMs: number): void {
    this.#nowMs += byMs;
    const late = [...this.#timers].filter(timer => timer.dueMs <= this.#nowMs).sort((a, b) => a.dueMs - b.dueMs);
    for (const timer of late) if (this.#timers.delete(timer)) timer.fn();
  }

  /** Moves time on; between timers, everything that is ready to run in the microtask queue has run. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#nowMs + byMs;
    for (;;) {
      await settle();
      const next = [...this.#timers].filter(timer => timer.dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.fn();
    }
    this.#nowMs = endMs;
  }
}

/** Lets promise callbacks run that wait for nothing outside. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
