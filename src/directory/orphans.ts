/**
 * Records without an object: their manifest is gone. They are forgotten after a while and not at once, because many a
 * tool replaces a file by removing it first, and another process may have seen a new manifest before this one did.
 */
import type { Clock } from '../runtime/ports.ts';

export interface OrphansOptions {
  readonly clock: Clock;
  readonly graceMs: number;
  /** False while it cannot be said what is gone: a folder or a file that cannot be read. */
  readonly mayForget: () => boolean;
  readonly forget: (keys: readonly string[]) => Promise<void>;
}

export class Orphans {
  readonly #options: OrphansOptions;
  /** Key → since when. */
  readonly #since = new Map<string, number>();
  #cancel: (() => void) | undefined;

  constructor(options: OrphansOptions) {
    this.#options = options;
  }

  note(key: string, isOrphan: boolean): void {
    if (!isOrphan) this.#since.delete(key);
    else if (!this.#since.has(key)) this.#since.set(key, this.#options.clock.nowMs());
    if (isOrphan) this.#arm();
  }

  /** Something became readable again. */
  check(): void {
    if (this.#since.size > 0) this.#arm();
  }

  close(): void {
    this.#cancel?.();
    this.#since.clear();
  }

  #arm(): void {
    this.#cancel ??= this.#options.clock.after(this.#options.graceMs, () => this.#collect());
  }

  #collect(): void {
    this.#cancel = undefined;
    if (!this.#options.mayForget()) return;
    const untilMs = this.#options.clock.nowMs() - this.#options.graceMs;
    const due = [...this.#since].filter(([, sinceMs]) => sinceMs <= untilMs).map(([key]) => key);
    for (const key of due) this.#since.delete(key);
    if (this.#since.size > 0) this.#arm();
    if (due.length > 0) void this.#options.forget(due);
  }
}
