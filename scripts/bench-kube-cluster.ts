/** What a measurement on Kubernetes needs: an API server, Herald's roles beside it as they are installed, a client. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Connection } from '../src/kube/connection.ts';
import { kubeconfigCredentials } from '../src/kube/kubeconfig.ts';
import { LineSplitter } from '../src/kube/lines.ts';
import { systemClock } from '../src/runtime/clock.ts';
import { type ApiServer, startApiServer } from '../test/support/kube/api-server.ts';
import type { Identity } from '../test/support/kube/identity.ts';
import { Router } from '../test/support/kube/router.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const herald = `${root}build/herald/bin/herald`;
const router = { address: '127.0.0.2', port: 21_791, asn: 65002 };
const node = 'node-1';
export const roles = ['operator', 'agent'] as const;
export type Role = (typeof roles)[number];

const objects = [
  {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: node, annotations: { 'cilium.io/bgp-virtual-router.65001': 'router-id=10.0.0.1' } },
    spec: { podCIDR: '10.1.0.0/24', podCIDRs: ['10.1.0.0/24'] },
  },
  {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumLoadBalancerIPPool',
    metadata: { name: 'pool' },
    spec: { blocks: [{ cidr: '10.128.0.0/16' }] },
  },
  {
    apiVersion: 'cilium.io/v2alpha1',
    kind: 'CiliumBGPPeeringPolicy',
    metadata: { name: 'all' },
    spec: {
      virtualRouters: [
        {
          localASN: 65001,
          serviceSelector: { matchExpressions: [{ key: 'nobody', operator: 'DoesNotExist' }] },
          neighbors: [
            {
              connectRetryTimeSeconds: 1,
              peerAddress: `${router.address}/32`,
              peerASN: router.asn,
              peerPort: router.port,
            },
          ],
        },
      ],
    },
  },
];

/** Since the last `mark`, by user: requests without watches that only go on. */
export type Requests = Readonly<Record<string, number>>;

export class Cluster {
  readonly server: ApiServer;
  readonly router = new Router(router.address, router.port, router.asn);
  readonly client: Connection;
  /** Addresses by Service, and when a watch showed them. */
  readonly addresses = new Map<string, { readonly address: string; readonly atMs: number }>();
  readonly #watch: Connection;
  readonly #end = new AbortController();
  readonly #processes: HeraldProcess[] = [];
  readonly #identities: Readonly<Record<Role, Identity>>;
  #marked = 0;

  static async start(): Promise<Cluster> {
    const server = await startApiServer({ audit: true });
    const install = spawnSync(herald, ['install'], { encoding: 'utf8', maxBuffer: 2 ** 26 });
    if (install.status !== 0) throw new Error(install.stderr);
    server.kubectl(['apply', '--server-side', '-f', '-'], install.stdout);
    for (const object of objects) {
      for (let attempt = 1; ; attempt++) {
        const said = server.admin.tryKubectl(['apply', '--server-side', '-f', '-'], JSON.stringify(object));
        if (said.status === 0) break;
        if (attempt === 20) throw new Error(said.err);
        await delay(250);
      }
    }
    return new Cluster(server);
  }

  private constructor(server: ApiServer) {
    this.server = server;
    const { kubeconfig } = server.admin;
    const document = JSON.parse(readFileSync(kubeconfig, 'utf8'));
    const connect = () =>
      new Connection(kubeconfigCredentials(kubeconfig, document, systemClock), systemClock, Math.random);
    this.client = connect();
    this.#watch = connect();
    this.#identities = {
      operator: server.serviceAccount('kube-system', 'herald-operator'),
      agent: server.serviceAccount('kube-system', 'herald-agent'),
    };
    void this.#follow();
  }

  /** Started and ready. */
  async run(role: Role): Promise<HeraldProcess> {
    const process = new HeraldProcess(role, this.#identities[role].kubeconfig);
    this.#processes.push(process);
    await process.ready();
    return process;
  }

  /** From a Service's creation: milliseconds when the API server answered. Rejects when it refused. */
  async create(name: string): Promise<number> {
    const spec = {
      type: 'LoadBalancer',
      ports: [{ name: 'http', port: 80, targetPort: 8080 }],
      selector: { app: name },
    };
    await this.post('/api/v1/namespaces/default/services', {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name },
      spec,
    });
    return performance.now();
  }

  async createSlice(service: string, i: number): Promise<void> {
    await this.post('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${service}-x`, labels: { 'kubernetes.io/service-name': service } },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
      endpoints: [0, 1, 2].map(k => ({
        addresses: [`10.1.${(i >> 8) & 255}.${i & 255}`],
        nodeName: `node-${k + 1}`,
        conditions: { ready: true },
      })),
    });
  }

  async post(path: string, body: object): Promise<void> {
    const request = { method: 'POST', path, body: JSON.stringify(body), timeoutMs: 30_000 };
    const answer = await this.client.request({ ...request, headers: { 'content-type': 'application/json' } });
    if (answer.status >= 300) throw new Error(answer.text);
  }

  /** Requests from here on are counted. */
  mark(): void {
    this.#marked = this.server.audit().length;
  }

  /** By whom and what: `herald-operator patch services/status`. */
  requests(): Requests {
    const counts: Record<string, number> = {};
    for (const { verb, user, objectRef } of this.server.audit().slice(this.#marked)) {
      const name = /^system:serviceaccount:kube-system:(.*)$/.exec(user.username)?.[1];
      if (name === undefined) continue;
      const what = [objectRef?.resource, objectRef?.subresource].filter(Boolean).join('/');
      const key = `${name} ${verb} ${what}`;
      counts[key] = (counts[key] ?? 0) + 1;
    }
    return counts;
  }

  /** Seconds of CPU of the API server so far. */
  apiCpu(): number {
    const words = `--secure-port=${this.server.port}`;
    const found = readdirSync('/proc').find(pid => /^\d+$/.test(pid) && commandOf(pid).includes(words));
    return found === undefined ? Number.NaN : cpuOf(found);
  }

  async stop(): Promise<void> {
    this.#end.abort(new Error('done'));
    for (const each of this.#processes) await each.stop();
    this.router.close();
    this.client.close();
    this.#watch.close();
    await this.server.stop();
  }

  /** Notes when each Service shows its address. */
  async #follow(): Promise<void> {
    const lines = new LineSplitter(line => {
      const atMs = performance.now();
      const { object } = JSON.parse(line) as { readonly object: ServiceShape };
      const address = object.status?.loadBalancer?.ingress?.[0]?.ip;
      const { name } = object.metadata;
      if (address !== undefined && !this.addresses.has(name)) this.addresses.set(name, { address, atMs });
    });
    const path = '/api/v1/namespaces/default/services?watch=1&timeoutSeconds=3600';
    const request = { method: 'GET', path, timeoutMs: 30_000, signal: this.#end.signal };
    await this.#watch.request(request, { take: bytes => lines.push(bytes), begun: () => {} }).catch(error => {
      if (!this.#end.signal.aborted) throw error;
    });
  }
}

interface ServiceShape {
  readonly metadata: { readonly name: string };
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] } };
}

/** Seconds of user and system time. */
function cpuOf(pid: string | number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

const ports = { operator: 21_792, agent: 21_793 } as const;

/** One role of the built package. */
export class HeraldProcess {
  readonly role: Role;
  readonly #folder = mkdtempSync(join(tmpdir(), 'herald-bench-'));
  readonly #child: ChildProcess;
  readonly #startMs = performance.now();
  readyMs = Number.NaN;

  constructor(role: Role, kubeconfig: string) {
    this.role = role;
    const state = role === 'agent' ? ['--node', node] : [];
    const words = [role, '--kubeconfig', kubeconfig, '--socket', `${this.#folder}/sock`, ...state];
    const log = openSync(`${this.#folder}/log`, 'w');
    this.#child = spawn(herald, [...words, '--listen', `127.0.0.1:${ports[role]}`], { stdio: ['ignore', log, log] });
    closeSync(log);
    process.once('exit', () => this.#child.kill('SIGKILL'));
  }

  async ready(): Promise<void> {
    const endMs = performance.now() + 60_000;
    while (Number.isNaN(this.readyMs)) {
      if (performance.now() > endMs || this.#child.exitCode !== null) throw new Error(this.#log());
      await delay(5);
      const answer = await fetch(`http://127.0.0.1:${ports[this.role]}/readyz`).catch(() => undefined);
      if (answer?.status === 200) this.readyMs = performance.now() - this.#startMs;
    }
  }

  /** MiB: resident now, and at most so far. */
  memory(): { readonly now: number; readonly peak: number } {
    const status = readFileSync(`/proc/${this.#pid()}/status`, 'utf8');
    const field = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
    return { now: field('VmRSS'), peak: field('VmHWM') };
  }

  /** Seconds of CPU so far. */
  cpu(): number {
    return cpuOf(this.#pid());
  }

  async stop(): Promise<void> {
    const ended = new Promise(resolve => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    if (this.#child.exitCode === null && this.#child.signalCode === null) await ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #log(): string {
    return readFileSync(`${this.#folder}/log`, 'utf8');
  }

  /** The launcher may have started the node it wants. */
  #pid(): number {
    const pid = this.#child.pid ?? 0;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
    return Number(children[0] ?? pid);
  }
}
