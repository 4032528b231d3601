/**
 * Preloaded into the nodes of the fail-over rig: the time of day as the process sees it, off by LAB_CLOCK_MS
 * milliseconds, and by 30 s more after each first of two SIGUSR2. Clocks that only go on are left alone, as they are
 * where somebody sets a clock.
 */
import { isMainThread } from 'node:worker_threads';

const stepMs = 30_000;
const fromMs = Number(process.env.LAB_CLOCK_MS ?? 0);
let offMs = fromMs;
const RightDate = Date;

globalThis.Date = class extends RightDate {
  constructor(...given: unknown[]) {
    super(...((given.length === 0 ? [RightDate.now() + offMs] : given) as [number]));
  }

  static override now(): number {
    return RightDate.now() + offMs;
  }
} as DateConstructor;

// Threads of the process do without: their clock is CLOCK_BOOTTIME.
if (isMainThread)
  process.on('SIGUSR2', () => {
    offMs = offMs === fromMs ? fromMs + stepMs : fromMs;
  });
