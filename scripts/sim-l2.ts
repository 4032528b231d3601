/**
 * Many bad days for five L2 nodes: `node scripts/sim-l2.ts --seeds 1000`, `--from 401` to begin elsewhere. A seed that
 * fails is printed with what went wrong, and is had again by `--from <seed> --seeds 1`.
 */
import { parseArgs } from 'node:util';
import { runDay } from '../test/sim/l2-turmoil.ts';

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '1000' }, from: { type: 'string', default: '1' } },
});
const from = Number(values.from);
const seeds = Number(values.seeds);
let failed = 0;
for (let seed = from; seed < from + seeds; seed++) {
  const faults = runDay(seed);
  if (faults.length === 0) continue;
  failed++;
  console.log(`seed ${seed}:\n  ${faults.join('\n  ')}`);
}
console.log(`${seeds} seeds from ${from}: ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
