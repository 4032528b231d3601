/** Cilium's clamps for the three numbers of a lease (reference §2.15 item 6). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clampLeaseTimes, leaseTimesDefault } from '../../src/control/l2-times.ts';

describe('L30: clamps', () => {
  it.each([
    ['what is sound stays', [15_000, 5000, 2000], [15_000, 5000, 2000]],
    ['Cilium’s tuned set', [3000, 1000, 200], [3000, 1000, 200]],
    ['a duration below a second', [500, 300, 100], [1000, 300, 100]],
    ['no deadline', [15_000, 0, 500], [15_000, 1000, 500]],
    ['no retry period', [15_000, 5000, 0], [15_000, 5000, 200]],
    ['a deadline as long as the duration', [10_000, 10_000, 2000], [10_000, 5000, 2000]],
    ['a deadline longer than the duration', [4000, 60_000, 100], [4000, 2000, 100]],
    ['a retry period that the deadline leaves no room for', [15_000, 2000, 2000], [15_000, 2000, 1000]],
    ['a retry period of exactly 1.2 to the deadline', [15_000, 1200, 1000], [15_000, 1200, 600]],
    ['everything at once', [1, 1e9, 1e9], [1000, 500, 250]],
    ['nothing at all', [0, 0, 0], [1000, 500, 200]],
  ])('%s', (_, [durationMs = 0, renewMs = 0, retryMs = 0], [duration, renew, retry]) => {
    const clamped = clampLeaseTimes({ durationMs, renewMs, retryMs });
    expect(clamped).toEqual({ durationMs: duration, renewMs: renew, retryMs: retry });
  });

  it('the defaults need none', () => {
    expect(clampLeaseTimes(leaseTimesDefault)).toEqual(leaseTimesDefault);
  });

  it('once is enough', () => {
    const ms = fc.double({ min: -1000, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(ms, ms, ms, (durationMs, renewMs, retryMs) => {
        const clamped = clampLeaseTimes({ durationMs, renewMs, retryMs });
        expect(clampLeaseTimes(clamped)).toEqual(clamped);
        expect(clamped.renewMs).toBeLessThan(clamped.durationMs);
      }),
    );
  });
});
