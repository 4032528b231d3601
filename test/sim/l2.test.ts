/** One owner per address, seed by seed: five nodes, two hundred addresses, and all that can go wrong between them. */
import { describe, expect, it } from 'vitest';
import { runDay } from './l2-turmoil.ts';

/** `SIM_SEED=7 vitest run test/sim/l2.test.ts` replays one; `SIM_SEEDS=50` tries so many, `npm run sim:l2` 1,000. */
const { SIM_SEED, SIM_SEEDS } = process.env;
const seeds = SIM_SEED ? [Number(SIM_SEED)] : Array.from({ length: Number(SIM_SEEDS ?? 6) }, (_, i) => i + 1);

describe('L2 nodes with a store and a LAN that delay, drop, reorder and part', () => {
  it.each(seeds)('seed %i: one answerer at most at every instant, and one when all is well (E17, E19, E20)', seed => {
    expect(runDay(seed)).toEqual([]);
  });
});
