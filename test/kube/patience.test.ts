/** Whose silence it was: the other end's, or our own. */
import { expect, it } from 'vitest';
import { afterListening } from '../../src/kube/patience.ts';
import { ManualClock } from '../support/manual-clock.ts';

it('a timer that fires late because the process stood still waits for a moment more', async () => {
  const clock = new ManualClock();
  let fired = 0;
  const cancel = afterListening(clock, 1000, () => fired++);
  clock.stall(5000);
  expect(fired).toBe(0);
  await clock.advance(499);
  expect(fired).toBe(0);
  await clock.advance(1);
  expect(fired).toBe(1);
  cancel();
});

it('one that fires in time, fires; one that is cancelled never does', async () => {
  const clock = new ManualClock();
  let fired = 0;
  afterListening(clock, 1000, () => fired++);
  const cancel = afterListening(clock, 1000, () => (fired += 10));
  cancel();
  await clock.advance(1000);
  expect(fired).toBe(1);
  expect(clock.pending).toBe(0);
});
