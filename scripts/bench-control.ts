/**
 * What the control plane costs on one node with two BGP peers: from the store's event of a new Service to its UPDATE
 * handed to the sockets, with none and with 10,000 other Services there; 10,000 withdrawn in one pass; a full pass
 * over a large cluster. The peers are two `herald speaker` processes on loopback.
 *
 *   npm run bench:control
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { KnownObject } from '../src/api/kinds.ts';
import { parseObject } from '../src/api/parse.ts';
import { type Snapshot, SnapshotBuilder } from '../src/api/snapshot.ts';
import { ClusterControl, NodeControl } from '../src/control/desired.ts';
import { ipamDefaults } from '../src/control/ipam-claims.ts';
import { controlDefaults } from '../src/control/settings.ts';
import { loadLibc } from '../src/linux/libc.ts';
import { TcpTransport } from '../src/linux/tcp-transport.ts';
import { BgpTarget } from '../src/runtime/bgp-target.ts';
import { systemClock } from '../src/runtime/clock.ts';
import { ControlPlane, type Desired } from '../src/runtime/control-plane.ts';
import { lane } from '../src/runtime/loop.ts';
import { Metrics } from '../src/runtime/metrics.ts';
import type { Campaign, Log, Store } from '../src/runtime/ports.ts';
import type { Outgoing, Stream, StreamHandler, Transport } from '../src/runtime/transport.ts';

const port = 21_790;
const peers = ['127.0.0.2', '127.0.0.3'] as const;
const many = 10_000;
const rounds = 300;
const typeUpdate = 2;

/** A store that is nothing but its snapshot. */
class MemoryStore implements Store {
  readonly #builder = new SnapshotBuilder();
  #snapshot: Snapshot = this.#builder.snapshot();
  readonly #subscribers = new Set<() => void>();

  change(put: readonly KnownObject[], remove: readonly KnownObject[] = []): void {
    for (const object of put) this.#builder.put(object.kind, object as never);
    for (const { kind, metadata } of remove) this.#builder.delete(kind, metadata.namespace, metadata.name);
    this.#snapshot = this.#builder.snapshot();
    for (const wake of this.#subscribers) wake();
  }

  async start(): Promise<void> {}
  snapshot(): Snapshot {
    return this.#snapshot;
  }
  subscribe(wake: () => void): () => void {
    this.#subscribers.add(wake);
    return () => this.#subscribers.delete(wake);
  }
  async applyStatus(): Promise<boolean> {
    return false;
  }
  async read(): Promise<undefined> {
    return undefined;
  }
  async put(): Promise<string> {
    throw new Error('nothing is put here');
  }
  async remove(): Promise<void> {}
  campaign(): Campaign {
    throw new Error('nobody leads here');
  }
  record(): void {}
  async close(): Promise<void> {}
}

/** The kernel's TCP, with a note of when UPDATEs were handed to it. */
class Watched implements Transport {
  readonly #inner: TcpTransport;
  /** By remote address: when the last UPDATE was written, and how many octets of them. */
  readonly written = new Map<string, { atMs: number; octets: number }>();

  constructor(inner: TcpTransport) {
    this.#inner = inner;
  }

  connect(to: Outgoing, handler: { connected(stream: Stream): StreamHandler; failed(detail: string): void }) {
    const name = String(to.remote.address.value);
    return this.#inner.connect(to, {
      failed: detail => handler.failed(detail),
      connected: stream => {
        const write = stream.write.bind(stream);
        stream.write = bytes => {
          const taken = write(bytes);
          if (bytes[18] === typeUpdate) {
            const octets = (this.written.get(name)?.octets ?? 0) + bytes.length;
            this.written.set(name, { atMs: performance.now(), octets });
          }
          return taken;
        };
        return handler.connected(stream);
      },
    });
  }
  listen(...args: Parameters<Transport['listen']>) {
    return this.#inner.listen(...args);
  }
  discover(...args: Parameters<Transport['discover']>) {
    return this.#inner.discover(...args);
  }
  dropped() {
    return this.#inner.dropped();
  }
  close() {
    this.#inner.close();
  }

  octets(): number {
    return [...this.written.values()].reduce((sum, each) => sum + each.octets, 0);
  }
  lastMs(): number {
    return Math.max(...[...this.written.values()].map(each => each.atMs));
  }
}

function known(raw: unknown): KnownObject {
  const parsed = parseObject(raw);
  if (parsed.outcome !== 'known') throw new Error(JSON.stringify(parsed));
  return parsed.object;
}

const node = (name: string, i: number) =>
  known({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { rack: `r${i % 20}` } },
    spec: { podCIDRs: [`10.${i >> 8}.${i & 255}.0/24`] },
    status: { addresses: [{ type: 'InternalIP', address: `192.168.${i >> 8}.${i & 255}` }] },
  });

const service = (i: number, prefix = 'svc') =>
  known({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `${prefix}-${i}`, namespace: `ns-${i % 100}`, labels: { app: `app-${i % 50}` } },
    spec: {
      type: 'LoadBalancer',
      clusterIP: `10.96.${i >> 8}.${i & 255}`,
      ports: [{ port: 80 }],
      externalTrafficPolicy: prefix === 'svc' && i % 3 === 0 ? 'Local' : 'Cluster',
    },
    status: { loadBalancer: { ingress: [{ ip: `172.${prefix === 'svc' ? 16 : 20}.${i >> 8}.${i & 255}` }] } },
  });

const slice = (i: number, nodes: number) =>
  known({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `svc-${i}-x`, namespace: `ns-${i % 100}`, labels: { 'kubernetes.io/service-name': `svc-${i}` } },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8080, protocol: 'TCP' }],
    endpoints: [0, 1, 2].map(k => ({
      addresses: [`10.1.${(i + k) & 255}.${i & 255}`],
      nodeName: `node-${(i + k) % nodes}`,
      conditions: { ready: true },
    })),
  });

const policy = known({
  apiVersion: 'cilium.io/v2alpha1',
  kind: 'CiliumBGPPeeringPolicy',
  metadata: { name: 'all' },
  spec: {
    virtualRouters: [
      {
        localASN: 65001,
        exportPodCIDR: true,
        serviceSelector: {},
        neighbors: peers.map(address => ({
          peerAddress: `${address}/32`,
          peerASN: 65002,
          peerPort: port,
          connectRetryTimeSeconds: 1,
        })),
      },
    ],
  },
});

const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };

function resident(): string {
  return `${(process.memoryUsage.rss() / 2 ** 20).toFixed(0)} MiB`;
}

function quantile(sorted: readonly number[], q: number): string {
  return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN).toFixed(2);
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const endMs = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`never: ${what}`);
    await delay(1);
  }
}

/** Starts the two routers; the result ends them. */
function startPeers(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'herald-bench-'));
  const herald = fileURLToPath(new URL('../bin/herald', import.meta.url));
  const children = peers.map((address, i) => {
    const file = join(folder, `${i}.yaml`);
    const peer = { address: '127.0.0.1', asn: 65001, passive: true, import: 'all' };
    writeFileSync(
      file,
      JSON.stringify({ asn: 65002, routerId: `10.0.0.${i + 1}`, listen: [{ address, port }], peers: [peer] }),
    );
    return spawn(herald, ['speaker', '--config', file, '--log-level', 'error'], { stdio: 'inherit' });
  });
  // Whatever becomes of us.
  process.once('exit', () => {
    for (const child of children) child.kill('SIGKILL');
  });
  return () => {
    for (const child of children) child.kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  };
}

async function changes(others: number): Promise<void> {
  const store = new MemoryStore();
  const rest = Array.from({ length: others }, (_, i) => service(i));
  store.change([node('node-0', 0), policy, ...rest, ...rest.map((_, i) => slice(i, 1))]);
  const [clock, log, metrics] = [systemClock, quiet, new Metrics()];
  const watched = new Watched(new TcpTransport(await loadLibc(), clock));
  const random = Math.random;
  const bgp = new BgpTarget({ node: 'node-0', store, clock, log, metrics, random, transport: () => watched });
  const plane = new ControlPlane({
    ...{ store, clock, log, metrics, random, roles: new Set(['agent'] as const), node: 'node-0' },
    ...{ control: controlDefaults, ipam: ipamDefaults },
    lanes: [lane(bgp, (desired: Desired) => desired.node?.bgp)],
  });
  await plane.start();
  const advertised = () =>
    [...bgp.instances.values()].flatMap(({ speaker }) =>
      speaker
        .peers(clock.nowMs())
        .map(peer =>
          peer.upMs === undefined ? -1 : (speaker.rib?.peerCounts(peer.slot, 'ipv4-unicast').advertised ?? 0),
        ),
    );
  const all = (count: number) => () => advertised().length === 2 && advertised().every(each => each === count);
  await until(all(others + 1), 'everything is told');
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const added = service(i, 'new');
    await delay(5);
    const before = watched.octets();
    const startMs = performance.now();
    store.change([added]);
    // Both peers get the same octets: 40 or more each.
    while (watched.octets() < before + 80 && performance.now() < startMs + 1000)
      await new Promise(resolve => setImmediate(resolve));
    if (watched.octets() < before + 80) throw new Error('a new Service was not told');
    times.push(watched.lastMs() - startMs);
  }
  times.sort((a, b) => a - b);
  console.log(
    `new Service to UPDATE, ${others} others:`.padEnd(44),
    `median ${quantile(times, 0.5)} ms, p99 ${quantile(times, 0.99)} ms (${rounds} times)`,
  );
  if (others > 0) {
    const gone = store.snapshot().list('Service');
    const startMs = performance.now();
    store.change([], gone);
    await until(all(1), 'everything is withdrawn');
    console.log(
      `${gone.length} Services withdrawn in one pass:`.padEnd(44),
      `${(watched.lastMs() - startMs).toFixed(1)} ms to the last UPDATE`,
    );
  }
  await plane.stop();
  await bgp.stop({ kind: 'restart' });
}

/** A new process's first pass, and one after a change of one object. */
function fullPass(): void {
  const nodes = 500;
  const builder = new SnapshotBuilder();
  for (let i = 0; i < nodes; i++) builder.put('Node', node(`node-${i}`, i) as never);
  for (let i = 0; i < many; i++) {
    builder.put('Service', service(i) as never);
    builder.put('EndpointSlice', slice(i, nodes) as never);
  }
  builder.put('CiliumBGPPeeringPolicy', policy as never);
  const times: number[] = [];
  const one: number[] = [];
  for (let round = 0; round < 6; round++) {
    // Everything is another value: nothing is known from the pass before.
    const snapshot = builder.snapshot();
    const [control, cluster] = [new NodeControl('node-0', controlDefaults), new ClusterControl(controlDefaults)];
    const startMs = performance.now();
    control.desired(snapshot);
    cluster.desired(snapshot);
    times.push(performance.now() - startMs);
    if (round === 0) {
      const before = resident();
      globalThis.gc?.();
      console.log('resident with all objects and plans:'.padEnd(44), `${before}, ${resident()} once collected`);
    }
    for (let i = 0; i < 50; i++) {
      builder.put('Service', service(i + round * 50, 'new') as never);
      const next = builder.snapshot();
      const changeMs = performance.now();
      control.desired(next);
      cluster.desired(next);
      one.push(performance.now() - changeMs);
    }
  }
  const first = times[0] ?? Number.NaN;
  times.sort((a, b) => a - b);
  one.sort((a, b) => a - b);
  console.log(
    `full pass, ${many} Services and slices, ${nodes} nodes:`.padEnd(44),
    `first (cold) ${first.toFixed(0)} ms, median ${quantile(times, 0.5)} ms;`,
    `one more Service ${quantile(one, 0.5)} ms`,
  );
}

fullPass();
const stop = startPeers();
try {
  await changes(0);
  await changes(many);
  console.log('resident at the end:'.padEnd(44), resident());
} finally {
  stop();
}
