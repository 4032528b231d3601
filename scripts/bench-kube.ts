/**
 * What Herald costs on Kubernetes, and how fast it is there: `npm run bench:kube -- [STEP…]`. A real API server with
 * etcd, operator and agent of the built package under their own identities, one BGP peer; all on this machine.
 *
 *   footprint   start-up, resident memory and requests in a quiet time, with 0, 1,000 and 10,000 Services and slices
 *   latency     from the answer to `create` to the address and to the UPDATE, one by one; with 0 and 2,000 present
 *   bulk2000    Services created as fast as the API server takes them; bulk5000 likewise
 *   none        the same without Herald: what the API server takes by itself
 */
import { loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { Cluster, type HeraldProcess, roles } from './bench-kube-cluster.ts';

const workers = 8;
const latencyRounds = 100;
const quietSeconds = Number(process.env['QUIET_SECONDS'] ?? 60);

const steps: Readonly<Record<string, () => Promise<void>>> = {
  none: () =>
    withCluster(async cluster => {
      for (const count of [2000]) await bulk(cluster, count, []);
    }),
  footprint: async () => {
    for (const count of [0, 1000, 10_000]) await withCluster(cluster => footprint(cluster, count));
  },
  latency: async () => {
    for (const present of [0, 2000]) await withCluster(cluster => latency(cluster, present));
  },
  bulk2000: () => withCluster(async cluster => bulk(cluster, 2000, await both(cluster))),
  bulk5000: () => withCluster(async cluster => bulk(cluster, 5000, await both(cluster))),
};

async function withCluster(work: (cluster: Cluster) => Promise<void>): Promise<void> {
  const cluster = await Cluster.start();
  try {
    await work(cluster);
  } finally {
    await cluster.stop();
  }
}

async function both(cluster: Cluster): Promise<HeraldProcess[]> {
  const started: HeraldProcess[] = [];
  for (const role of roles) started.push(await cluster.run(role));
  await until(() => cluster.router.up, 'the BGP session');
  await delay(1000);
  return started;
}

/** Calls `make` for 0 to count - 1, several at a time. */
async function inParallel(count: number, make: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < count; i = next++) await make(i);
  };
  await Promise.all(Array.from({ length: workers }, worker));
}

async function footprint(cluster: Cluster, count: number): Promise<void> {
  const first = await both(cluster);
  await inParallel(count, async i => {
    await cluster.create(`svc-${i}`);
    await cluster.createSlice(`svc-${i}`, i);
  });
  await until(() => cluster.router.heardMs.size === count, 'all routes', 300_000);
  await delay(3000);
  cluster.mark();
  const before = first.map(each => each.cpu());
  await delay(quietSeconds * 1000);
  const requests = cluster.requests();
  for (const [i, each] of first.entries()) {
    const cpu = ((each.cpu() - (before[i] ?? 0)) / quietSeconds) * 100;
    line(
      `${count} Services, ${each.role}`,
      `${mib(each)}, ready after ${each.readyMs.toFixed(0)} ms, ${cpu.toFixed(2)}% of a core at rest`,
    );
  }
  line(`${count} Services, requests in ${quietSeconds} s`, JSON.stringify(requests));
  for (const each of first) await each.stop();
  if (count === 0) return;
  // As after a restart: everything is there already.
  for (const each of await both(cluster)) {
    await delay(3000);
    line(`${count} Services, ${each.role} anew`, `${mib(each)}, ready after ${each.readyMs.toFixed(0)} ms`);
  }
}

async function latency(cluster: Cluster, present: number): Promise<void> {
  await both(cluster);
  await inParallel(present, i => cluster.create(`old-${i}`));
  await until(() => cluster.router.heardMs.size === present, 'those before', 120_000);
  await delay(2000);
  const shown: number[] = [];
  const told: number[] = [];
  for (let i = 0; i < latencyRounds; i++) {
    const name = `new-${i}`;
    const createdMs = await cluster.create(name);
    const seen = await until(() => cluster.addresses.get(name), `an address for ${name}`);
    const heardMs = await until(() => cluster.router.heardMs.get(seen.address), `a route to ${name}`);
    shown.push(Math.max(0, seen.atMs - createdMs));
    told.push(Math.max(0, heardMs - createdMs));
    await delay(20);
  }
  line(`latency, ${present} present: status`, quantiles(shown));
  line(`latency, ${present} present: UPDATE`, quantiles(told));
}

async function bulk(cluster: Cluster, count: number, processes: readonly HeraldProcess[]): Promise<void> {
  cluster.mark();
  const apiBefore = cluster.apiCpu();
  const cpuBefore = processes.map(each => each.cpu());
  const startMs = performance.now();
  let lastMs = 0;
  await inParallel(count, async i => {
    lastMs = Math.max(lastMs, await cluster.create(`bulk-${i}`));
  });
  const created = (lastMs - startMs) / 1000;
  if (processes.length === 0) {
    const cpu = cluster.apiCpu() - apiBefore;
    line(`${count} Services, no Herald`, `created in ${created.toFixed(2)} s; API server ${cpu.toFixed(1)} s of CPU`);
    return;
  }
  await until(() => cluster.router.heardMs.size === count, 'all routes', 180_000);
  const addressMs = Math.max(...[...cluster.addresses.values()].map(each => each.atMs));
  const routeMs = Math.max(...cluster.router.heardMs.values());
  const seconds = (ms: number) => `${((ms - startMs) / 1000).toFixed(2)} s`;
  line(
    `${count} Services`,
    `created in ${created.toFixed(2)} s, addresses after ${seconds(addressMs)}, routes after ${seconds(routeMs)}`,
  );
  for (const [i, each] of processes.entries())
    line(`${count} Services, ${each.role}`, `${mib(each)}, ${(each.cpu() - (cpuBefore[i] ?? 0)).toFixed(1)} s of CPU`);
  line(`${count} Services, API server`, `${(cluster.apiCpu() - apiBefore).toFixed(1)} s of CPU`);
  await delay(3000);
  line(`${count} Services, requests`, JSON.stringify(cluster.requests()));
}

async function until<T>(probe: () => T | undefined | false, what: string, limitMs = 30_000): Promise<T> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    const value = probe();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > endMs) throw new Error(`never: ${what}`);
    await delay(1);
  }
}

function mib(process: HeraldProcess): string {
  const { now, peak } = process.memory();
  return `${now.toFixed(0)} MiB (at most ${peak.toFixed(0)})`;
}

function quantiles(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (q: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN).toFixed(1);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`;
}

function line(what: string, said: string): void {
  console.log(`${what.padEnd(36)} ${said}  [load ${loadavg()[0]?.toFixed(1)}]`);
}

const chosen = process.argv.slice(2);
for (const [name, step] of Object.entries(steps)) if (chosen.length === 0 || chosen.includes(name)) await step();
process.exit();
