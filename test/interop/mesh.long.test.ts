/**
 * FRR, BIRD, GoBGP, OpenBGPD and Herald in one full mesh, through announcements, withdrawals and session resets at
 * random; at rest every daemon's view of every prefix, as its own command line tells it, is compared with Herald's.
 * `scripts/mesh-bgp.ts` is the long form.
 */
import { describe, expect, it } from 'vitest';
import { meshMissing } from '../support/mesh.ts';
import { type Announced, expectedViews } from '../support/mesh-model.ts';
import { runMesh } from '../support/mesh-run.ts';

describe('what a mesh settles on', () => {
  const shape = { asns: [65_001, 65_002, 65_003], sourceAsn: 65_100 };
  const views = (...announced: Record<string, number>[]) =>
    expectedViews(
      shape,
      announced.map((each): Announced => new Map(Object.entries(each))),
    ).map(view => view.get('p'));

  it('whoever does not originate has it from who does, not by a detour', () => {
    expect(views({ p: 0 }, {}, {})).toEqual(['65100 64600', '65001 65100 64600', '65001 65100 64600']);
  });

  it('the shorter AS path wins, wherever it is from (RFC 4271 §9.1.2.2 a)', () => {
    expect(views({ p: 2 }, { p: 0 }, {})).toEqual(['65002 65100 64600', '65100 64600', '65002 65100 64600']);
  });

  it('of equals the lowest router ID wins, and the source has the highest (RFC 4271 §9.1.2.2 f)', () => {
    expect(views({ p: 0 }, { p: 0 }, {})).toEqual(['65100 64600', '65100 64600', '65001 65100 64600']);
    expect(views({ p: 1 }, { p: 0 }, {})[0]).toBe('65002 65100 64600');
  });

  it('nobody has what nobody originates', () => {
    expect(views({}, {}, {})).toEqual([undefined, undefined, undefined]);
  });
});

const missing = meshMissing();
/**
 * Its resets are of Herald's sessions and by Herald too, and none of OpenBGPD's, which would wait for half a minute
 * after each.
 */
const seed = 56;
describe.skipIf(missing !== undefined)(
  `a mesh of five implementations${missing ? `: skipped, ${missing}` : ''}`,
  () => {
    it(`agrees on every prefix at rest (seed ${seed})`, { timeout: 300_000 }, async () => {
      const run = await runMesh({
        seed,
        routes: 400,
        changes: 100,
        resetEvery: 8,
        goOn: step => step < 32,
        restMs: 120_000,
      });
      expect(run.faults, `seed ${seed}\n${run.log}`).toEqual([]);
      expect(run.dropped).toBeGreaterThan(0);
      expect(run.compared).toBeGreaterThan(5 * 5 * 400 * 0.5);
    });
  },
);
