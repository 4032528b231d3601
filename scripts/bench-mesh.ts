/**
 * A large mesh on one node: 250 clusters of 100 nodes in a real etcd are read, made into routes and written into the
 * kernel of a network namespace; then single nodes change, from the write into etcd to the route in the kernel.
 *
 *     npm run bench:mesh [CLUSTERS [NODES]]
 *     npm run bench:mesh -- 10 100 --keys 1000000
 *
 * With --keys the first cluster's nodes are so many keys of rubbish, in an etcd of its own: what that costs, and
 * whether the others notice.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SnapshotBuilder } from '../src/api/snapshot.ts';
import { MeshNodes } from '../src/control/mesh-nodes.ts';
import { EtcdState } from '../src/etcd/state.ts';
import { NetlinkRoutes } from '../src/linux/kernel-routes.ts';
import { loadLibc } from '../src/linux/libc.ts';
import { NetlinkThread } from '../src/linux/netlink-thread.ts';
import { ClusterConfig } from '../src/mesh/cluster-config.ts';
import { MeshKey } from '../src/mesh/key.ts';
import { NodeRecord } from '../src/mesh/node-record.ts';
import type { PeerFile } from '../src/mesh/peer-file.ts';
import { MeshRefusal } from '../src/mesh/reason.ts';
import { IpAddress } from '../src/net/ip.ts';
import { Prefix } from '../src/net/prefix.ts';
import { systemClock as clock } from '../src/runtime/clock.ts';
import { MeshPeers } from '../src/runtime/mesh-peers.ts';
import { MeshPlane } from '../src/runtime/mesh-plane.ts';
import { ClusterRecords } from '../src/runtime/mesh-records.ts';
import type { Store } from '../src/runtime/ports.ts';
import { Etcd } from '../test/etcd/server.ts';
import { recordingLog } from '../test/support/recording-log.ts';
import { eventually } from '../test/support/wait.ts';

const given = parseArgs({ allowPositionals: true, options: { keys: { type: 'string', default: '0' } } });
const clusterCount = Number(given.positionals[0] ?? 250);
const nodeCount = Number(given.positionals[1] ?? 100);
const floodCount = Number(given.values.keys);
const words = [String(clusterCount), String(nodeCount), '--keys', String(floodCount)];
const changeCount = 50;
const floodPage = 5_000;
/** As bin/herald starts an agent. */
const agentFlags = ['--max-semi-space-size=2'];
const agentEnv = { NODE_COMPILE_CACHE: `${tmpdir()}/node-compile-cache`, MALLOC_ARENA_MAX: '1' };
const namespace = `hrld-${process.pid}-bench`;

if (process.env['BENCH_MESH_INSIDE'] === undefined) {
  execFileSync('ip', ['netns', 'add', namespace]);
  try {
    const profile = process.env['BENCH_MESH_NODE_FLAGS']?.split(' ') ?? [];
    const flags = ['--expose-gc', ...agentFlags, ...profile];
    const begin = ['netns', 'exec', namespace, process.execPath, ...flags, fileURLToPath(import.meta.url)];
    const env = { ...agentEnv, ...process.env, BENCH_MESH_INSIDE: '1' };
    const { status } = spawnSync('ip', [...begin, ...words], { stdio: 'inherit', env });
    process.exitCode = status ?? 1;
  } finally {
    execFileSync('ip', ['netns', 'del', namespace]);
  }
}

const nameOf = (cluster: number) => `cluster-${cluster}`;
const nodeName = (node: number) => `node-${String(node).padStart(3, '0')}`;

function prefixOf(text: string): Prefix {
  const prefix = Prefix.parse(text);
  if (prefix === undefined) throw new Error(text);
  return prefix;
}

function addressOf(text: string): IpAddress {
  const address = IpAddress.parse(text);
  if (address === undefined) throw new Error(text);
  return address;
}

function record(cluster: number, node: number, address = `172.16.${cluster}.${node}`): string {
  const value = NodeRecord.write({
    name: nodeName(node),
    cluster: nameOf(cluster),
    clusterId: cluster,
    addresses: [{ type: 'InternalIP', address: addressOf(address) }],
    ipv4Cidr: prefixOf(`10.${cluster}.${node}.0/24`),
    ipv4Secondary: [],
    ipv6Cidr: undefined,
    ipv6Secondary: [],
    ipv4Health: undefined,
    ipv6Health: undefined,
    ipv4Ingress: undefined,
    ipv6Ingress: undefined,
    source: 'custom-resource',
    encryptionKey: 0,
    labels: {
      'kubernetes.io/hostname': nodeName(node),
      'kubernetes.io/arch': 'amd64',
      'topology.kubernetes.io/zone': 'z1',
    },
    annotations: undefined,
    wireguardKey: '',
    bootId: 'c1d2cda2-aca0-4033-abca-3843298860b9',
  });
  return Buffer.from(value).toString();
}

async function fill(endpoint: string): Promise<void> {
  for (let cluster = floodCount > 0 ? 2 : 1; cluster <= clusterCount; cluster++) {
    const config = ClusterConfig.write({
      id: cluster,
      syncedCanaries: true,
      cached: false,
      maxConnectedClusters: 255,
      serviceExportsEnabled: undefined,
      endpointSlicesExportMode: '',
    });
    const puts: [string, string | Uint8Array][] = [
      [MeshKey.clusterConfig(nameOf(cluster)), config],
      [MeshKey.canary(nameOf(cluster), 'nodes'), 'true'],
    ];
    for (let node = 1; node <= nodeCount; node++)
      puts.push([MeshKey.node(nameOf(cluster), nodeName(node)), record(cluster, node)]);
    await putAll(endpoint, puts);
  }
}

/** The first cluster, whose nodes are none. */
async function flood(endpoint: string): Promise<void> {
  const config = '{"id":1,"capabilities":{"syncedCanaries":true,"maxConnectedClusters":255}}';
  await putAll(endpoint, [
    [MeshKey.clusterConfig(nameOf(1)), config],
    [MeshKey.canary(nameOf(1), 'nodes'), 'true'],
  ]);
  for (let at = 0; at < floodCount; at += floodPage) {
    const keys = Array.from({ length: Math.min(floodPage, floodCount - at) }, (_, i) => `rubbish-${at + i}`);
    await putAll(
      endpoint,
      keys.map(key => [MeshKey.node(nameOf(1), key), '{}']),
    );
  }
}

async function putAll(endpoint: string, puts: readonly (readonly [string, string | Uint8Array])[]): Promise<void> {
  const base64 = (value: string | Uint8Array) => Buffer.from(value).toString('base64');
  const success = puts.map(([key, value]) => ({ requestPut: { key: base64(key), value: base64(value) } }));
  const answer = await fetch(`${endpoint}/v3/kv/txn`, { method: 'POST', body: JSON.stringify({ success }) });
  if (!answer.ok) throw new Error(await answer.text());
}

/** A store without objects: our own cluster has no nodes here. */
function emptyStore(): Store {
  const snapshot = new SnapshotBuilder().snapshot();
  const never = () => Promise.reject(new Error('not here'));
  return {
    start: () => Promise.resolve(),
    snapshot: () => snapshot,
    subscribe: () => () => {},
    applyStatus: never,
    read: never,
    put: never,
    remove: never,
    campaign: () => ({ leading: false, close: () => {} }),
    record: () => {},
    close: () => Promise.resolve(),
  } as unknown as Store;
}

async function inside(): Promise<void> {
  execFileSync('sh', [
    '-c',
    `ip link set lo up; ip link add eth0 type veth peer name eth1; ip addr add 172.16.255.1/12 dev eth0
     ip link set eth0 up; ip link set eth1 up`,
  ]);
  const folder = mkdtempSync(`${tmpdir()}/hrld-bench-`);
  const flags = ['--max-txn-ops', '10000'];
  const etcd = await Etcd.start({ inside: ['env'], flags });
  const flooded = floodCount > 0 ? await Etcd.start({ flags }) : undefined;
  const thread = new NetlinkThread(await loadLibc());
  try {
    // In a process of its own: what it takes to write is not what it takes to read.
    const env = { ...process.env, BENCH_MESH_FILL: etcd.endpoint, BENCH_MESH_FLOOD: flooded?.endpoint };
    const filled = spawnSync(process.execPath, [fileURLToPath(import.meta.url), ...words], { stdio: 'inherit', env });
    if (filled.status !== 0) throw new Error('etcd could not be filled');
    await measure(etcd, flooded, thread, folder);
  } finally {
    await thread.close();
    await etcd.stop();
    await flooded?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A node that is on the link of all others. */
function meshOf(thread: NetlinkThread, folder: string) {
  const own = { name: 'own', id: 255 };
  const log = recordingLog();
  const kernel = new NetlinkRoutes(thread);
  let plane: MeshPlane | undefined;
  const records = new ClusterRecords(`${folder}/mesh`, clock, log);
  const open = (access: PeerFile) => new EtcdState({ access, clock, random: Math.random });
  const changed = () => plane?.wake();
  const peers = new MeshPeers({ rules: { own, clustersMax: 255 }, open, clock, log, records, changed });
  const links = [{ name: 'eth0', up: true, addresses: [{ address: addressOf('172.16.255.1'), length: 12 }] }];
  plane = new MeshPlane({
    store: emptyStore(),
    clock,
    log,
    random: Math.random,
    node: 'self',
    own,
    clustersMax: 255,
    nodes: new MeshNodes(own, 'kubernetes'),
    rules: { mode: 'auto', podRanges: [], importDefault: false, overlayLink: 'herald.vx' },
    overlay: { name: 'herald.vx', vni: 1, port: 4789 },
    host: () => ({ links: links as never, defaultRoutes: [] }),
    speakers: () => [],
    kernel,
    peers,
    ownState: undefined,
    changed: () => {},
  });
  return { plane, peers, kernel };
}

async function measure(etcd: Etcd, flooded: Etcd | undefined, thread: NetlinkThread, folder: string): Promise<void> {
  const { plane, peers, kernel } = meshOf(thread, folder);
  const wanted = (clusterCount - (flooded === undefined ? 0 : 1)) * nodeCount;
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  const startMs = clock.nowMs();
  const cpu = process.cpuUsage();
  plane.start();
  const access = etcd.access();
  const accessOf = (i: number) => (i === 0 ? (flooded?.access() ?? access) : access);
  peers.apply(new Map(Array.from({ length: clusterCount }, (_, i) => [nameOf(i + 1), accessOf(i)])));
  await eventually('all nodes are known', () => plane.routes.routes.length === wanted, {
    limitMs: 120_000,
    everyMs: 5,
  });
  const knownMs = clock.nowMs() - startMs;
  const readPeak = process.memoryUsage.rss();
  await eventually('all routes are in the kernel', () => kernel.status().routes === wanted, {
    limitMs: 120_000,
    everyMs: 5,
  });
  const inKernelMs = clock.nowMs() - startMs;
  const spent = process.cpuUsage(cpu);
  const peak = process.memoryUsage.rss();
  globalThis.gc?.();
  const { heapUsed, external, heapTotal } = process.memoryUsage();
  const cpuBefore = process.cpuUsage();
  const delays = await changes(etcd);
  const changed = process.cpuUsage(cpuBefore);
  const sorted = delays.sort((a, b) => a - b);
  const ms = (value: number | undefined) => `${(value ?? Number.NaN).toFixed(1)} ms`;
  const mib = (octets: number) => `${Math.round(octets / 2 ** 20)} MiB`;
  console.log(`${clusterCount} clusters of ${nodeCount} nodes, load average ${loadavg()[0]?.toFixed(1)}`);
  console.log(`all nodes known       ${ms(knownMs)}`);
  console.log(`processor time        ${ms((spent.user + spent.system) / 1000)}`);
  console.log(`resident when read    ${mib(readPeak)}`);
  console.log(`heap in use           ${mib(heapUsed)}, of ${mib(heapTotal)}, beside it ${mib(external)}`);
  console.log(`all routes in kernel  ${ms(inKernelMs)}`);
  console.log(
    `resident memory       ${mib(peak)} (${mib(before)} before), after collection ${mib(process.memoryUsage.rss())}`,
  );
  console.log(`one node changes: etcd → kernel  p50 ${ms(sorted[sorted.length >> 1])}, most ${ms(sorted.at(-1))}`);
  console.log(
    `of processor time a change, with writer and watcher  ${ms((changed.user + changed.system) / 1000 / changeCount)}`,
  );
  const [first] = peers.status();
  if (flooded !== undefined) console.log(`${floodCount} keys: ${first?.refusal && MeshRefusal.format(first.refusal)}`);
  peers.close();
  await plane.stop();
}

/** Nodes that move to another address, one after another, and are waited for in the kernel's own words. */
async function changes(etcd: Etcd): Promise<number[]> {
  const monitor = spawn('ip', ['monitor', 'nexthop'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  let heard = () => {};
  monitor.stdout.on('data', (text: Buffer) => {
    said = (said + text.toString()).slice(-100_000);
    heard();
  });
  const delays: number[] = [];
  try {
    // The monitor says nothing of when it begins to listen.
    await new Promise(resolve => setTimeout(resolve, 500));
    for (let i = 0; i < changeCount; i++) {
      const cluster = Math.max(floodCount > 0 ? 2 : 1, 1 + ((i * 37) % clusterCount));
      const node = 1 + ((i * 13) % nodeCount);
      // In a small mesh a node's turn comes again: each time it moves somewhere else.
      const to = `172.${17 + (i % 8)}.${cluster}.${node}`;
      const there = new Promise<void>(resolve => {
        heard = () => said.includes(`via ${to} `) && resolve();
      });
      const startMs = clock.nowMs();
      await put(etcd, MeshKey.node(nameOf(cluster), nodeName(node)), record(cluster, node, to));
      await there;
      delays.push(clock.nowMs() - startMs);
    }
  } finally {
    monitor.kill();
  }
  return delays;
}

async function put(etcd: Etcd, key: string, value: string): Promise<void> {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const body = JSON.stringify({ key: base64(key), value: base64(value) });
  const answer = await fetch(`${etcd.endpoint}/v3/kv/put`, { method: 'POST', body });
  if (!answer.ok) throw new Error(await answer.text());
}

const fillEndpoint = process.env['BENCH_MESH_FILL'];
const floodEndpoint = process.env['BENCH_MESH_FLOOD'];
if (fillEndpoint !== undefined) {
  await fill(fillEndpoint);
  if (floodEndpoint !== undefined) await flood(floodEndpoint);
} else if (process.env['BENCH_MESH_INSIDE'] !== undefined) await inside();
