/** One owner per address, seed by seed: five nodes, two hundred addresses, and all that can go wrong between them. */
import { describe, expect, it } from 'vitest';
import { Turmoil } from './l2-turmoil.ts';

/** `SIM_SEED=7 vitest run test/sim/l2.test.ts` replays one; `SIM_SEEDS=1000` tries so many. */
const { SIM_SEED, SIM_SEEDS } = process.env;
const seeds = SIM_SEED ? [Number(SIM_SEED)] : Array.from({ length: Number(SIM_SEEDS ?? 8) }, (_, i) => i + 1);

const ROUNDS = 3;

describe('L2 nodes with a store and a LAN that delay, drop, reorder and part', () => {
  it.each(seeds)('seed %i: one answerer at most at every instant, and one when all is well (E17, E19, E20)', seed => {
    const turmoil = new Turmoil(seed);
    turmoil.run(6_000);
    turmoil.checkAnswered();
    for (let round = 0; round < ROUNDS && turmoil.faults.length === 0; round++) {
      for (let i = 0; i < 25; i++) {
        turmoil.disturb();
        turmoil.run(400);
      }
      turmoil.calm();
      turmoil.run(22_000);
      for (let i = 0; i < 40 && turmoil.faults.length === 0; i++) {
        turmoil.checkAnswered();
        turmoil.run(25);
      }
    }
    expect(turmoil.faults).toEqual([]);
  });
});
