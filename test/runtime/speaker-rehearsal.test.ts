/** Rehearsed sessions go all the way, and give way. */
import { describe, expect, it } from 'vitest';
import { loadLibc } from '../../src/linux/libc.ts';
import { connectPair } from '../../src/linux/stream-pair.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { type ConnectPair, rehearseSessions } from '../../src/runtime/speaker-rehearsal.ts';

const libc = await loadLibc();
const connect: ConnectPair = (ends, near, far) => connectPair(libc, ends, near, far);

describe('a rehearsal', () => {
  it('brings every session up, and they say what every peer says', async () => {
    expect(await rehearseSessions(systemClock, connect, () => true)).toBe(300);
  });

  it('ends as soon as a real peer is there', async () => {
    let turns = 0;
    expect(await rehearseSessions(systemClock, connect, () => turns++ < 100)).toBeLessThan(101);
    expect(turns).toBe(101);
  });
});
