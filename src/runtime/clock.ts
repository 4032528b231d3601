/** The real clock. CLOCK_MONOTONIC through performance.now(): it never jumps, whatever NTP does to the wall. */
import { performance } from 'node:perf_hooks';
import type { Clock } from './ports.ts';

/** setTimeout takes 32 bits; a longer wait is cut into pieces of this. */
const delayMaxMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, fn) {
    // A timer waits a millisecond at least; this comes when what the kernel has for us now has been read.
    if (delayMs <= 0) {
      const immediate = setImmediate(fn);
      return () => clearImmediate(immediate);
    }
    let timer: NodeJS.Timeout;
    const arm = (leftMs: number) => {
      const pieceMs = Math.min(Math.max(leftMs, 0), delayMaxMs);
      timer = setTimeout(() => (leftMs > delayMaxMs ? arm(leftMs - delayMaxMs) : fn()), pieceMs);
    };
    arm(delayMs);
    return () => clearTimeout(timer);
  },
};
