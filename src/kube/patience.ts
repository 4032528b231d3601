/**
 * Waiting for the other end, not for ourselves: when this process stood still, timers fire before what has arrived
 * meanwhile is looked at, and an answer in time would count as none.
 */
import type { Clock } from '../runtime/ports.ts';

/** A timer that is later than this has not waited for the other end alone. */
const lateMs = 200;
/** Then what has arrived gets this long to be seen. */
const graceMs = 500;

/** As Clock.after, and again for a moment as long as the timer came late. */
export function afterListening(clock: Clock, delayMs: number, fn: () => void): () => void {
  let cancel = () => {};
  const arm = (ms: number) => {
    const dueMs = clock.nowMs() + ms;
    cancel = clock.after(ms, () => (clock.nowMs() - dueMs > lateMs ? arm(graceMs) : fn()));
  };
  arm(delayMs);
  return () => cancel();
}
