/** What a measurement on Kubernetes needs: an API server, a product beside it as it is installed, a client. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '../src/kube/connection.ts';
import { kubeconfigCredentials } from '../src/kube/kubeconfig.ts';
import { LineSplitter } from '../src/kube/lines.ts';
import { systemClock } from '../src/runtime/clock.ts';
import { type ApiServer, startApiServer } from '../test/support/kube/api-server.ts';
import { Router } from '../test/support/kube/router.ts';
import { cpuOf, nodeObject, type Product, type Program, Running, site } from './bench-kube-product.ts';

/** Since the last `mark`, by user: requests without watches that only go on. */
export type Requests = Readonly<Record<string, number>>;

export class Cluster {
  readonly server: ApiServer;
  readonly router = new Router(site.router.address, site.router.port, site.router.asn);
  readonly client: Connection;
  /** Addresses by Service, and when a watch showed them. */
  readonly addresses = new Map<string, { readonly address: string; readonly atMs: number }>();
  readonly #watch: Connection;
  readonly #end = new AbortController();
  readonly #product: Product;
  readonly #running: Running[] = [];
  readonly #kubeconfigs: ReadonlyMap<Program, string>;
  #marked = 0;

  static async start(product: Product): Promise<Cluster> {
    const server = await startApiServer({ audit: true });
    server.kubectl(['apply', '--server-side', '-f', '-'], product.manifests());
    for (const object of [nodeObject, ...product.objects]) {
      for (let attempt = 1; ; attempt++) {
        const said = server.admin.tryKubectl(['apply', '--server-side', '-f', '-'], JSON.stringify(object));
        if (said.status === 0) break;
        if (attempt === 20) throw new Error(said.err);
        await delay(250);
      }
    }
    return new Cluster(server, product);
  }

  private constructor(server: ApiServer, product: Product) {
    this.server = server;
    this.#product = product;
    const { kubeconfig } = server.admin;
    const document = JSON.parse(readFileSync(kubeconfig, 'utf8'));
    const connect = () =>
      new Connection(kubeconfigCredentials(kubeconfig, document, systemClock), systemClock, Math.random);
    this.client = connect();
    this.#watch = connect();
    const kubeconfigOf = ({ account }: Program) => server.serviceAccount(product.namespace, account).kubeconfig;
    this.#kubeconfigs = new Map(product.programs.map(each => [each, kubeconfigOf(each)]));
    void this.#follow();
  }

  /** All programs of the product, ready and with a session to the router. */
  async run(): Promise<readonly Running[]> {
    const started: Running[] = [];
    for (const [program, kubeconfig] of this.#kubeconfigs) {
      const running = new Running(program, kubeconfig);
      this.#running.push(running);
      started.push(running);
      await running.ready();
    }
    while (!this.router.up) await delay(50);
    await delay(1000);
    return started;
  }

  /** From a Service's creation: milliseconds when the API server answered. Rejects when it refused. */
  async create(name: string): Promise<number> {
    const spec = {
      type: 'LoadBalancer',
      // There are 2,768 of them by default.
      allocateLoadBalancerNodePorts: false,
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

  /** By which of the product's accounts, and what: `herald-operator patch services/status`. */
  requests(): Requests {
    const counts: Record<string, number> = {};
    const own = `system:serviceaccount:${this.#product.namespace}:`;
    for (const { verb, user, objectRef } of this.server.audit().slice(this.#marked)) {
      if (!user.username.startsWith(own)) continue;
      const name = user.username.slice(own.length);
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
    for (const each of this.#running) await each.stop();
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

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
