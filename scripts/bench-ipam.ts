/**
 * `npm run bench:ipam`: what allocation costs, as medians over rounds. Objects are made like those of a store: an
 * unchanged one is the same value in the next snapshot. "control" is everything from the snapshot to the list of
 * statuses to write; "allocator" is the part of it that decides.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parseObject } from '../src/api/parse.ts';
import type { Service } from '../src/api/service.ts';
import { type Snapshot, SnapshotBuilder } from '../src/api/snapshot.ts';
import { IpamControl } from '../src/control/ipam.ts';
import { ipamDefaults, readClaim, readPool } from '../src/control/ipam-claims.ts';
import { Allocator } from '../src/ipam/allocator.ts';
import type { Claim } from '../src/ipam/claim.ts';
import { Conflict } from '../src/ipam/conflict.ts';
import { FreeRanges } from '../src/ipam/free-ranges.ts';
import type { Pool } from '../src/ipam/pool.ts';

const serviceCount = 100_000;
const poolCount = 1000;
const rounds = 5;
const smallRounds = 51;
const rows: (readonly [what: string, median: string, spread: string, goal: string])[] = [];

function known(raw: unknown) {
  const parsed = parseObject(raw);
  if (parsed.outcome !== 'known') throw new Error(JSON.stringify(parsed));
  return parsed.object;
}

type Shape = 'open' | 'selected' | 'ipv6';

function snapshotOf(shape: Shape): { builder: SnapshotBuilder; services: Service[] } {
  const builder = new SnapshotBuilder();
  for (let i = 0; i < poolCount; i++) {
    const cidr = shape === 'ipv6' ? `fd00:0:0:${i.toString(16)}::/64` : `10.${i >> 2}.${(i & 3) << 6}.0/24`;
    const serviceSelector = shape === 'selected' ? { matchLabels: { team: `team-${i}` } } : undefined;
    const spec = { blocks: [{ cidr }], ...(serviceSelector && { serviceSelector }) };
    const pool = known({
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumLoadBalancerIPPool',
      metadata: { name: `pool-${i}` },
      spec,
    });
    if (pool.kind === 'CiliumLoadBalancerIPPool') builder.put(pool.kind, pool);
  }
  const sample = known({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'sample', namespace: 'default' },
    spec: { type: 'LoadBalancer', ports: [{ port: 80 }], ipFamilies: [shape === 'ipv6' ? 'IPv6' : 'IPv4'] },
  });
  if (sample.kind !== 'Service') throw new Error('no Service');
  const services = Array.from({ length: serviceCount }, (_, i): Service => {
    const labels = { team: `team-${i % poolCount}`, app: `app-${i}` };
    const names = { namespace: `ns-${i % 500}`, name: `svc-${i}`, uid: String(i), generation: 1 };
    const creationMs = 1_700_000_000_000 + ((i * 7919) % serviceCount) * 1000;
    return { ...sample, metadata: { ...sample.metadata, ...names, labels, creationMs }, selectorLabels: labels };
  });
  for (const service of services) builder.put('Service', service);
  return { builder, services };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function time(work: () => unknown): number {
  const startMs = performance.now();
  work();
  return performance.now() - startMs;
}

function timeClean(work: () => unknown): number {
  collect();
  return time(work);
}

function report(what: string, timesMs: readonly number[], goal = ''): void {
  const spread = `${Math.min(...timesMs).toFixed(2)} to ${Math.max(...timesMs).toFixed(2)}`;
  rows.push([what, `${median(timesMs).toFixed(2)} ms`, spread, goal]);
}

// Garbage of the round before is none of the next one's business.
setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

function repeat(count: number, work: (round: number) => number): number[] {
  return Array.from({ length: count }, (_, round) => work(round));
}

/** The status of a Service as the store shows it after it was written. */
function shown(service: Service, control: IpamControl): Service {
  const { metadata } = service;
  const ingress = control.service(metadata.namespace, metadata.name)?.allocation.addresses ?? [];
  const condition = {
    type: 'cilium.io/IPAMRequestSatisfied',
    status: 'True',
    reason: 'satisfied',
    message: '',
    observedGeneration: 1,
  } as const;
  return { ...service, status: { ingress, conditions: [condition] } };
}

function benchShape(shape: Shape, words: string): void {
  const { builder, services } = snapshotOf(shape);
  const snapshot = builder.snapshot();
  const pools = snapshot.list('CiliumLoadBalancerIPPool').map(readPool);
  const claims = snapshot.list('Service').map(service => readClaim(service, ipamDefaults).claim);
  const fresh = () => new Allocator().allocate({ pools, claims, keepUncovered: false });
  fresh();
  const from = `${serviceCount / 1000}k Services, ${poolCount} pools ${words}`;
  report(
    `${from}: allocator, from nothing`,
    repeat(rounds, () => timeClean(fresh)),
    '< 1 s',
  );
  report(
    `${from}: control, from nothing`,
    repeat(rounds, () => timeClean(() => new IpamControl(ipamDefaults).reconcile(snapshot))),
    '< 1 s',
  );
  const control = new IpamControl(ipamDefaults);
  control.reconcile(snapshot);
  const settled = services.map(service => shown(service, control));
  for (const service of settled) builder.put('Service', service);
  const after = builder.snapshot();
  report(
    `${from}: control, restart`,
    repeat(rounds, () => timeClean(() => new IpamControl(ipamDefaults).reconcile(after))),
  );
  control.reconcile(after);
  report(
    `${from}: control, one Service changed`,
    repeat(smallRounds, round => oneChanged(control, builder, settled, round)),
    '< 5 ms',
  );
  report(
    `${from}: control, one Service gone, one new`,
    repeat(smallRounds, round => oneReplaced(control, builder, settled, round)),
    '< 5 ms',
  );
  report(
    `${from}: control, nothing changed`,
    repeat(smallRounds, () => time(() => control.reconcile(builder.snapshot()))),
  );
  report(`${from}: allocator, a pool edited`, poolEdits(pools, claims));
}

function oneChanged(control: IpamControl, builder: SnapshotBuilder, services: Service[], round: number): number {
  const at = (round * 977) % services.length;
  const service = services[at];
  if (service === undefined) throw new Error('no service');
  const { metadata } = service;
  const labels = { ...service.selectorLabels, round: String(round) };
  const changed = {
    ...service,
    metadata: { ...metadata, labels, generation: metadata.generation + 1 },
    selectorLabels: labels,
  };
  services[at] = changed;
  builder.put('Service', changed);
  const snapshot: Snapshot = builder.snapshot();
  return time(() => control.reconcile(snapshot));
}

function oneReplaced(control: IpamControl, builder: SnapshotBuilder, services: Service[], round: number): number {
  const gone = services[(round * 977 + 13) % services.length];
  if (gone === undefined) throw new Error('no service');
  builder.delete('Service', gone.metadata.namespace, gone.metadata.name);
  const name = `new-${round}`;
  const status = { ingress: [], conditions: [] };
  builder.put('Service', { ...gone, metadata: { ...gone.metadata, name, uid: name }, status });
  const snapshot = builder.snapshot();
  return time(() => control.reconcile(snapshot));
}

function poolEdits(pools: readonly Pool[], claims: readonly Claim[]): number[] {
  const allocator = new Allocator();
  allocator.allocate({ pools, claims, keepUncovered: false });
  return repeat(rounds, round => {
    const edited = pools.map((pool, i) => (i === 7 ? { ...pool, disabled: round % 2 === 0 } : pool));
    return time(() => allocator.allocate({ pools: edited, claims, keepUncovered: false }));
  });
}

/**
 * One address taken and given back, in pools of very different fill: the cost of a free range, not of a pool's size.
 */
function benchFill(): void {
  const base = 10n << 24n;
  const last = base + 2n ** 24n - 1n;
  const subnet = 0xfd00n << 112n;
  const million = Array.from({ length: 1_000_000 }, (_, i) => ({
    first: base + BigInt(i * 16),
    last: base + BigInt(i * 16 + 7),
  }));
  const cases = [
    ['an empty /8', new FreeRanges('ipv4', [{ first: base, last }])],
    ['a /8 with one free address', new FreeRanges('ipv4', [{ first: last, last }])],
    ['a /8 in a million runs', new FreeRanges('ipv4', million)],
    ['an empty /64', new FreeRanges('ipv6', [{ first: subnet, last: subnet + 2n ** 64n - 1n }])],
    ['a /0 of IPv6', new FreeRanges('ipv6', [{ first: 0n, last: 2n ** 128n - 1n }])],
  ] as const;
  const times = 20_000;
  for (const [name, free] of cases) {
    const once = () => {
      for (let i = 0; i < times; i++) {
        const value = free.lowest() ?? 0n;
        free.take(value);
        free.give(value);
      }
    };
    once();
    const perOne = repeat(rounds, () => (time(once) / times) * 1e6);
    rows.push([`${name}: lowest, take, give`, `${median(perOne).toFixed(0)} ns`, '', '']);
  }
}

function benchMemory(): void {
  for (const family of ['ipv4', 'ipv6'] as const) {
    const base = family === 'ipv4' ? 10n << 24n : 0xfd00n << 112n;
    const count = 1_000_000;
    const free = new FreeRanges(family, [{ first: base, last: base + BigInt(count * 3) }]);
    // Every third address taken, in an order that splits chunks everywhere.
    for (let i = 0, at = 0; i < count; i++, at = (at + 700_001) % count) free.take(base + BigInt(at * 3 + 1));
    const octets = (free.bytes / free.count).toFixed(1);
    rows.push([`a free range, ${family}, one of ${free.count} taken at random`, `${octets} octets`, '', '< 100']);
  }
}

function benchOverlaps(): void {
  const { builder } = snapshotOf('open');
  const [sample] = builder.snapshot().list('CiliumLoadBalancerIPPool').map(readPool);
  if (sample === undefined) throw new Error('no pool');
  const pools = Array.from({ length: 10_000 }, (_, i) => ({ ...sample, name: `pool-${i}`, createdMs: i }));
  const work = () => new Allocator().allocate({ pools, claims: [], keepUncovered: false });
  report(
    '10k pools that all overlap: conflicts and space',
    repeat(5, () => time(work)),
  );
  const allocator = new Allocator();
  allocator.allocate({ pools, claims: [], keepUncovered: false });
  const { conflict } = allocator.usage()[9] ?? {};
  if (conflict === undefined || Conflict.message(conflict) === '') throw new Error('no conflict found');
}

benchMemory();
benchFill();
benchShape('open', 'without selectors');
benchShape('selected', 'each for one label');
benchShape('ipv6', 'of /64');
benchOverlaps();
const width = Math.max(...rows.map(([what]) => what.length));
console.log(`Node ${process.version}, medians of ${rounds} to ${smallRounds} rounds\n`);
for (const [what, value, spread, goal] of rows) {
  const range = spread === '' ? '' : `(${spread})`;
  console.log(`${what.padEnd(width)}  ${value.padStart(14)}  ${range.padEnd(22)}  ${goal}`.trimEnd());
}
