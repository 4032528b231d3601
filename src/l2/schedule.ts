/**
 * When the owner of an address says so unasked: at once, 1.1 s apart for 5 s, then every `--garp-interval`. Switches
 * and hosts forget, and frames get lost (reference §4.7; RFC 5227 §2.3, RFC 4861 §7.2.6). Deadlines are data.
 */

const QUICK_MS = 1_100;
const QUICK_FOR_MS = 5_000;

/** One address's place in its schedule. */
export interface Schedule {
  readonly sinceMs: number;
  /** When to announce next; Infinity: never again. */
  readonly nextMs: number;
}

export const Schedule = {
  /** An address gained at `nowMs` is announced then. */
  begin(nowMs: number): Schedule {
    return { sinceMs: nowMs, nextMs: nowMs };
  },

  /** After an announcement at `nowMs`. `intervalMs` 0: not beyond the first five seconds. */
  after({ sinceMs }: Schedule, nowMs: number, intervalMs: number): Schedule {
    const quick = nowMs + QUICK_MS <= sinceMs + QUICK_FOR_MS;
    const waitMs = quick ? QUICK_MS : intervalMs > 0 ? intervalMs : Number.POSITIVE_INFINITY;
    return { sinceMs, nextMs: nowMs + waitMs };
  },
};
