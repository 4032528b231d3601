/** Rehearsed sessions go all the way, and give way. */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/runtime/clock.ts';
import { rehearseSessions } from '../../src/runtime/speaker-rehearsal.ts';

describe('a rehearsal', () => {
  it('brings every session up: a mirror says all that a peer has to', async () => {
    expect(await rehearseSessions(systemClock, () => true)).toBe(300);
  });

  it('ends as soon as a real peer is there', async () => {
    let turns = 0;
    expect(await rehearseSessions(systemClock, () => turns++ < 100)).toBeLessThan(101);
    expect(turns).toBe(101);
  });
});
