/**
 * FRR, BIRD, GoBGP, OpenBGPD and Herald in one full mesh with 10,000 routes each, through a minute of announcements,
 * withdrawals and session resets at random; then all views are compared. `node scripts/mesh-bgp.ts [seed, default by
 * chance] [steps, default a minute's]`.
 */
import { meshMissing } from '../test/support/mesh.ts';
import { runMesh } from '../test/support/mesh-run.ts';

const CHURN_MS = 60_000;

const missing = meshMissing();
if (missing !== undefined) {
  console.error(`cannot run here: ${missing}`);
  process.exit(1);
}
const seed = Number(process.argv[2] ?? Math.floor(Math.random() * 2 ** 32));
const steps = process.argv[3] === undefined ? undefined : Number(process.argv[3]);
console.log(`seed ${seed}`);
const startMs = performance.now();
let churnEndMs: number | undefined;
const run = await runMesh({
  seed,
  routes: 10_000,
  changes: 200,
  resetEvery: 5,
  goOn(step) {
    churnEndMs ??= performance.now() + CHURN_MS;
    return steps === undefined ? performance.now() < churnEndMs : step < steps;
  },
  restMs: 180_000,
  say: line => console.log(`${((performance.now() - startMs) / 1000).toFixed(1)} s: ${line}`),
});
console.log(
  `${run.dropped} of Herald's sessions ended; ${run.compared} best paths and ${run.heard} heard paths compared`,
);
if (run.wrong > 0) {
  console.log(`${run.wrong} differ; seed ${seed}, ${run.steps} steps\n${run.faults.join('\n')}\n${run.log}`);
  process.exitCode = 1;
} else console.log('all the same');
