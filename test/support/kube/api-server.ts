/**
 * A real kube-apiserver with an etcd of its own, for one test file. Ready in a few seconds, away and back on the same
 * port when a test wants that, gone at the end. RBAC decides: whoever is not the admin needs roles and bindings.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Authority, type Subject, writeKeyPair } from '../../../src/lab/kube-certificates.ts';
import { freePort } from '../../../src/lab/kube-port.ts';
import { apiServerWords, etcdWords, ServerFiles, type ServerPorts } from '../../../src/lab/kube-server.ts';
import type { Namespace } from '../netns.ts';
import { eventually } from '../wait.ts';
import { Identity } from './identity.ts';
import { ProcessFolder } from './process.ts';

export interface ApiServerOptions {
  /** Keeps a record of every request, for `audit()`. */
  readonly audit?: boolean;
  /** More flags of kube-apiserver. */
  readonly flags?: readonly string[];
  /** What starts its programs: `nice` and the like. */
  readonly command?: readonly string[];
}

/** One request as the API server's audit log tells it (level Metadata). */
export interface AuditEvent {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly requestURI: string;
  readonly userAgent?: string;
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource?: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly responseStatus?: { readonly code: number };
  readonly requestReceivedTimestamp: string;
}

const readyMaxMs = 120_000;

export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const server = new ApiServer(options, { api: await freePort(), etcd: await freePort(), peer: await freePort() });
  try {
    await server.begin();
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

export class ApiServer {
  readonly url: string;
  readonly port: number;
  readonly admin: Identity;
  readonly #options: ApiServerOptions;
  readonly #ports: ServerPorts;
  readonly #processes = new ProcessFolder();
  readonly #authority: Authority;
  readonly #identities: Identity[] = [];
  #etcd: ChildProcess | undefined;
  #api: ChildProcess | undefined;
  #relay: ChildProcess | undefined;

  constructor(options: ApiServerOptions, ports: ServerPorts) {
    this.#options = options;
    this.#ports = ports;
    this.port = ports.api;
    this.url = `https://127.0.0.1:${ports.api}`;
    this.#authority = new Authority(this.folder);
    this.#authority.issue(ServerFiles.certificate, { name: 'kube-apiserver' });
    writeKeyPair(ServerFiles.accountsKey(this.folder), ServerFiles.accountsPublicKey(this.folder));
    writeFileSync(join(this.folder, 'audit.yaml'), auditPolicy);
    this.admin = this.identity({ name: 'admin', groups: ['system:masters'] });
  }

  /** Certificates, kubeconfigs, logs, etcd's data. */
  get folder(): string {
    return this.#processes.path;
  }

  /** PEM file of the authority that signed the server's certificate. */
  get caPath(): string {
    return this.#authority.certificate;
  }

  /** Somebody with a certificate and a kubeconfig; what they may do is up to RBAC. */
  identity(subject: Subject): Identity {
    const id = `user-${this.#identities.length}`;
    const certificate = this.#authority.issue(id, subject);
    const made = new Identity(subject.name, join(this.folder, id), this.url, this.caPath, certificate);
    this.#identities.push(made);
    return made;
  }

  /** Who a pod with this service account is. */
  serviceAccount(namespace: string, name: string): Identity {
    const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'];
    return this.identity({ name: `system:serviceaccount:${namespace}:${name}`, groups });
  }

  /** As the admin; throws with what kubectl said. `input` is its standard input. */
  kubectl(words: readonly string[], input?: string): string {
    return this.admin.kubectl(words, input);
  }

  /** Every finished request so far, oldest first. */
  audit(): readonly AuditEvent[] {
    const lines = readFileSync(join(this.folder, 'audit.log'), 'utf8').split('\n');
    return lines.filter(line => line.endsWith('}')).map(line => JSON.parse(line) as AuditEvent);
  }

  /** Starts what does not run: at first, and after `killApi` or `killEtcd`. Resolves when it is ready. */
  async begin(): Promise<void> {
    this.#etcd ??= this.#startEtcd();
    this.#api ??= this.#startApi();
    const ended = () => [this.#etcd, this.#api].some(each => each?.exitCode !== null || each.signalCode !== null);
    await eventually('the API server is ready', () => this.#isReady(), {
      limitMs: readyMaxMs,
      everyMs: 50,
      hopeless: ended,
      detail: () => `${this.#processes.said('etcd')}\n${this.#processes.said('kube-apiserver')}`,
    });
  }

  /** The API server is away, at once; `begin` brings it back. */
  async killApi(): Promise<void> {
    await end(this.#api);
    this.#api = undefined;
    for (const each of this.#identities) each.forget();
  }

  /** The API server's store is away, at once; `begin` brings it back with what it held. */
  async killEtcd(): Promise<void> {
    await end(this.#etcd);
    this.#etcd = undefined;
  }

  /** etcd forgets every revision but the newest: a watch from an older one gets 410 Gone. */
  async compact(): Promise<void> {
    const { header } = await this.#askEtcd('range', { key: btoa('/') });
    await this.#askEtcd('compaction', { revision: header.revision, physical: true });
  }

  /**
   * Makes the server's URL, and with it every kubeconfig, good in a network namespace that has no way here. The result
   * cuts the namespace off, all its connections too; asking again mends it.
   */
  async reachFrom(namespace: Namespace): Promise<() => Promise<void>> {
    const socket = join(this.folder, 'api.sock');
    if (this.#relay === undefined) this.#relay = this.#run('relay', relay(socket, String(this.port)));
    const name = `relay-${namespace.name}`;
    const child = this.#run(name, namespace.inside(...relay(String(this.port), socket)));
    const probe = `exec 3<>/dev/tcp/127.0.0.1/${this.port}`;
    await eventually(`${namespace.name} reaches the API server`, () => namespace.run('bash', '-c', probe) === '', {
      detail: () => this.#processes.said(name),
    });
    return () => end(child);
  }

  /** Memory of the API server and etcd is given back; nothing of either stays. */
  async stop(): Promise<void> {
    for (const each of this.#identities) each.forget();
    await this.#processes.close();
  }

  async #isReady(): Promise<boolean> {
    const { status } = await this.admin.request('GET', '/readyz');
    if (status !== 200) return false;
    return (await this.admin.request('GET', '/api/v1/namespaces/default')).status === 200;
  }

  async #askEtcd(what: string, body: object): Promise<{ readonly header: { readonly revision: string } }> {
    const url = `http://127.0.0.1:${this.#ports.etcd}/v3/kv/${what}`;
    const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`etcd ${what}: ${await response.text()}`);
    return (await response.json()) as { readonly header: { readonly revision: string } };
  }

  #run(name: string, words: readonly string[]): ChildProcess {
    return this.#processes.run(name, [...(this.#options.command ?? []), ...words]);
  }

  #startEtcd(): ChildProcess {
    return this.#run('etcd', etcdWords(this.folder, this.#ports));
  }

  #startApi(): ChildProcess {
    mkdirSync(join(this.folder, 'api'), { recursive: true });
    const server = { ca: this.caPath, serviceSubnets: ['10.96.0.0/16', 'fd00:96::/112'] };
    const audit = [
      `--audit-policy-file=${join(this.folder, 'audit.yaml')}`,
      `--audit-log-path=${join(this.folder, 'audit.log')}`,
    ];
    const words = apiServerWords(this.folder, this.#ports, server);
    const more = [...(this.#options.audit ? audit : []), ...(this.#options.flags ?? [])];
    return this.#run('kube-apiserver', [...words, ...more]);
  }
}

function relay(from: string, to: string): string[] {
  return [process.execPath, fileURLToPath(new URL('relay.ts', import.meta.url)), from, to];
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise(resolve => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

/** Every request once, when it is answered; a watch when it begins, so that one that never ends is seen. */
const auditPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: None
    users: [admin, 'system:apiserver', 'system:anonymous']
  - level: Metadata
`;
