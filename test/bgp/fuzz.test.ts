/** W4, bounded: the speaker under mutated conversations. `scripts/fuzz-bgp.ts` goes on for longer. */
import { describe, expect, it } from 'vitest';
import { fuzz } from './fuzz.ts';

describe('W4: mutated messages', () => {
  it.each([1, 2, 3, 4])('seed %i: nothing is thrown, and only the session they came on suffers', seed => {
    const { established, notifications } = fuzz(seed, 25_000);
    // The mutations reach what is behind OPEN, and every group of errors.
    expect(established).toBeGreaterThan(500);
    const groups = new Set([...notifications.keys()].map(name => name.split('/')[0]));
    expect([...groups]).toEqual(expect.arrayContaining(['1', '2', '3', '5', '6']));
  });
});
