/**
 * What Herald costs on Kubernetes, and how fast it is there: `npm run bench:kube -- [--peer metallb] [--rounds N]
 * [STEP…]`. A real API server with etcd, operator and agent of the built package under their own identities, one BGP
 * peer; all on this machine, anew for every round. With `--peer` each round of Herald is followed by one of the peer.
 *
 *   footprint0, 1000, 10000   start-up, resident memory and requests in a quiet time, with so many Services and slices
 *   latency0, 2000            from the answer to `create` to the address and to the UPDATE, one by one, beside so many
 *   bulk2000, 5000            Services created as fast as the API server takes them
 *   none                      2,000 created with nobody there: what the API server takes by itself
 *
 * The beginning of a name stands for all that begin so: `latency`.
 * Every line ends with how much of the machine other processes took meanwhile, and how much the host gave to others.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Cluster } from './bench-kube-cluster.ts';
import { herald } from './bench-kube-herald.ts';
import { metallb } from './bench-kube-metallb.ts';
import { ourCpu, type Product, type Running } from './bench-kube-product.ts';

const workers = 8;
const latencyRounds = 100;
const quietSeconds = Number(process.env['QUIET_SECONDS'] ?? 60);
const peers: Readonly<Record<string, Product>> = { metallb };

type Step = (product: Product) => Promise<void>;

const steps: Readonly<Record<string, Step>> = {
  none: product => withCluster(product, cluster => bulk(cluster, 'nobody', 2000, [])),
  ...counted('footprint', [0, 1000, 10_000], footprint),
  ...counted('latency', [0, 2000], latency),
  ...counted('bulk', [2000, 5000], async (cluster, who, count) => bulk(cluster, who, count, await cluster.run())),
};

/** A step for each number of Services. */
function counted(
  name: string,
  counts: readonly number[],
  work: (cluster: Cluster, who: string, count: number) => Promise<void>,
): Record<string, Step> {
  const step =
    (count: number): Step =>
    product =>
      withCluster(product, cluster => work(cluster, product.name, count));
  return Object.fromEntries(counts.map(count => [`${name}${count}`, step(count)]));
}

async function withCluster(product: Product, work: (cluster: Cluster) => Promise<void>): Promise<void> {
  const cluster = await Cluster.start(product);
  try {
    await work(cluster);
  } finally {
    await cluster.stop();
  }
}

/** Calls `make` for 0 to count - 1, several at a time. */
async function inParallel(count: number, make: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < count; i = next++) await make(i);
  };
  await Promise.all(Array.from({ length: workers }, worker));
}

async function footprint(cluster: Cluster, who: string, count: number): Promise<void> {
  const first = await cluster.run();
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
    const said = `${mib(each)}, ready after ${each.readyMs.toFixed(0)} ms, ${cpu.toFixed(2)}% of a core at rest`;
    line(`${who}, ${count} Services, ${each.name}`, said);
  }
  line(`${who}, ${count} Services, requests in ${quietSeconds} s`, JSON.stringify(requests));
  for (const each of first) await each.stop();
  if (count === 0) return;
  // As after a restart: everything is there already.
  for (const each of await cluster.run()) {
    await delay(3000);
    line(`${who}, ${count} Services, ${each.name} anew`, `${mib(each)}, ready after ${each.readyMs.toFixed(0)} ms`);
  }
}

/** By what was measured, over all rounds: for the table at the end. */
const measured = new Map<string, number[][]>();

async function latency(cluster: Cluster, who: string, present: number): Promise<void> {
  const running = await cluster.run();
  await inParallel(present, async i => {
    await cluster.createSlice(`old-${i}`, i);
    await cluster.create(`old-${i}`);
  });
  await until(() => cluster.router.heardMs.size === present, 'those before', 300_000);
  await delay(3000);
  cluster.mark();
  const cpuBefore = cpuNow(cluster, running);
  const [shown, told]: [number[], number[]] = [[], []];
  for (let i = 0; i < latencyRounds; i++) {
    const name = `new-${i}`;
    await cluster.createSlice(name, i);
    await delay(30);
    const createdMs = await cluster.create(name);
    const seen = await until(() => cluster.addresses.get(name), `an address for ${name}`);
    const heardMs = await until(() => cluster.router.heardMs.get(seen.address), `a route to ${name}`);
    shown.push(Math.max(0, seen.atMs - createdMs));
    told.push(Math.max(0, heardMs - createdMs));
    await delay(20);
  }
  for (const [what, values] of [['status', shown] as const, ['UPDATE', told] as const]) {
    const title = `${who}, ${present} present: ${what}`;
    line(title, quantiles(values));
    measured.set(title, [...(measured.get(title) ?? []), values]);
  }
  const spent = cpuNow(cluster, running).map(([name, seconds], i) => {
    const ms = ((seconds - (cpuBefore[i]?.[1] ?? 0)) * 1000) / latencyRounds;
    return `${name} ${ms.toFixed(1)}`;
  });
  line(`${who}, ${present} present: CPU ms a Service`, spent.join(', '));
  line(`${who}, ${present} present: requests`, JSON.stringify(cluster.requests()));
}

function cpuNow(cluster: Cluster, running: readonly Running[]): (readonly [name: string, seconds: number])[] {
  return [...running.map(each => [each.name, each.cpu()] as const), ['API server', cluster.apiCpu()]];
}

async function bulk(cluster: Cluster, who: string, count: number, running: readonly Running[]): Promise<void> {
  if (running.length > 0) await inParallel(count, i => cluster.createSlice(`bulk-${i}`, i));
  await delay(3000);
  cluster.mark();
  const title = `${count} Services, ${who}`;
  const cpuBefore = cpuNow(cluster, running);
  const startMs = performance.now();
  let lastMs = 0;
  await inParallel(count, async i => {
    lastMs = Math.max(lastMs, await cluster.create(`bulk-${i}`));
  });
  const seconds = (ms: number) => `${((ms - startMs) / 1000).toFixed(2)} s`;
  const created = `created in ${seconds(lastMs)}`;
  if (running.length === 0) line(title, created);
  else {
    await until(() => cluster.router.heardMs.size === count, 'all routes', 300_000);
    const addressMs = Math.max(...[...cluster.addresses.values()].map(each => each.atMs));
    const routeMs = Math.max(...cluster.router.heardMs.values());
    line(title, `${created}, addresses after ${seconds(addressMs)}, routes after ${seconds(routeMs)}`);
  }
  const spent = cpuNow(cluster, running).map(([name, s], i) => `${name} ${(s - (cpuBefore[i]?.[1] ?? 0)).toFixed(1)}`);
  line(`${title}, CPU s`, spent.join(', '));
  for (const each of running) line(`${title}, ${each.name}`, mib(each));
  if (running.length === 0) return;
  await delay(3000);
  line(`${title}, requests`, JSON.stringify(cluster.requests()));
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

function mib(running: Running): string {
  const { now, peak } = running.memory();
  return `${now.toFixed(0)} MiB (at most ${peak.toFixed(0)})`;
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

function quantiles(values: readonly number[]): string {
  const at = (q: number) => quantile(values, q).toFixed(1);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`;
}

/** Of the rounds: the median of their medians and its spread; p99 and maximum of all their values together. */
function summary(rounds: readonly (readonly number[])[]): string {
  const medians = rounds.map(each => quantile(each, 0.5));
  const [middle, min, max] = [quantile(medians, 0.5), Math.min(...medians), Math.max(...medians)];
  const all = rounds.flat();
  const spread = `${middle.toFixed(1)} ms (${min.toFixed(1)}..${max.toFixed(1)})`;
  return `p50 ${spread}, p99 ${quantile(all, 0.99).toFixed(1)} ms, max ${quantile(all, 1).toFixed(1)} ms`;
}

let before = machine();

/** Seconds of all processors so far. proc(5), /proc/stat. */
function machine(): { readonly all: number; readonly busy: number; readonly stolen: number; readonly ours: number } {
  const text = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? '';
  const times = text
    .split(/\s+/)
    .slice(1, 9)
    .map(jiffies => Number(jiffies) / 100);
  const [idle = 0, waiting = 0, , , stolen = 0] = times.slice(3);
  const all = times.reduce((sum, each) => sum + each, 0);
  return { all, busy: all - idle - waiting - stolen, stolen, ours: ourCpu() };
}

/** Of the time until the last line that was not printed along with another. */
let shares = '';

function line(what: string, said: string): void {
  const now = machine();
  const all = now.all - before.all;
  if (shares === '' || all > 1) {
    const percent = (seconds: number) => `${Math.max(0, (seconds / all) * 100).toFixed(0)}%`;
    const others = now.busy - before.busy - (now.ours - before.ours);
    shares = `others ${percent(others)}, stolen ${percent(now.stolen - before.stolen)}`;
    before = now;
  }
  console.log(`${what.padEnd(44)} ${said}  [${shares}]`);
}

const { values: options, positionals: chosen } = parseArgs({
  allowPositionals: true,
  options: { peer: { type: 'string' }, rounds: { type: 'string', default: '1' } },
});
const peer = options.peer === undefined ? undefined : peers[options.peer];
if (options.peer !== undefined && peer === undefined) throw new Error(`--peer is one of ${Object.keys(peers)}`);
const products = [herald, ...(peer === undefined ? [] : [peer])];
for (const each of products) {
  const missing = each.missing();
  if (missing !== undefined) throw new Error(missing);
}
const unknown = chosen.find(word => !Object.keys(steps).some(name => name.startsWith(word)));
if (unknown !== undefined) throw new Error(`no step begins with ${unknown}: ${Object.keys(steps).join(', ')}`);
for (const [name, step] of Object.entries(steps)) {
  if (chosen.length > 0 && !chosen.some(word => (word in steps ? word === name : name.startsWith(word)))) continue;
  for (let round = 0; round < Number(options.rounds); round++)
    for (const each of name === 'none' ? [herald] : products) await step(each);
}
for (const [title, rounds] of measured)
  if (rounds.length > 1) line(`${title}, ${rounds.length} rounds`, summary(rounds));
process.exit();
