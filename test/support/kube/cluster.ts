/**
 * A cluster without its machines: an API server in which Herald is installed, and the installed roles as processes,
 * each under its own service account. An agent may be in a network namespace, as if that were its node.
 */
import type { ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from '../../../src/cli/client.ts';
import { freePort } from '../../../src/lab/kube-port.ts';
import type { Namespace } from '../netns.ts';
import { type Finished, herald, heraldPath } from '../run-herald.ts';
import { eventually } from '../wait.ts';
import { type ApiServer, type ApiServerOptions, startApiServer } from './api-server.ts';
import type { Identity } from './identity.ts';
import { ProcessFolder } from './process.ts';

export type InstalledRole = 'operator' | 'agent';

export interface RoleOptions {
  /** The name of the process, and of the node it is on. */
  readonly node: string;
  readonly in?: Namespace;
  readonly words?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** What starts it; default: `herald ROLE`. */
  readonly command?: readonly string[];
  /** The user it becomes: what it is given is that user's. */
  readonly userId?: number;
}

export class InstalledCluster {
  readonly server: ApiServer;
  readonly namespace: string;
  readonly #processes = new ProcessFolder();
  readonly #identities: Readonly<Record<InstalledRole, Identity>>;

  /** `words` are those of `herald install`. */
  static async start(words: readonly string[] = [], options: ApiServerOptions = {}): Promise<InstalledCluster> {
    const starting = startApiServer(options);
    const texts = Promise.all([herald('crds', '--all'), herald('install', ...words)]);
    const server = await starting;
    try {
      server.kubectl(['apply', '-f', '-'], (await texts).map(outOf).join('\n---\n'));
      server.kubectl(['wait', '--for=condition=Established', 'crd', '--all']);
      const at = words.indexOf('--namespace');
      return new InstalledCluster(server, at < 0 ? 'kube-system' : (words[at + 1] ?? ''));
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  private constructor(server: ApiServer, namespace: string) {
    this.server = server;
    this.namespace = namespace;
    this.#identities = {
      operator: server.serviceAccount(namespace, 'herald-operator'),
      agent: server.serviceAccount(namespace, 'herald-agent'),
    };
  }

  /** Applied one by one: a kind is served within a second of its definition. */
  async apply(...objects: readonly object[]): Promise<void> {
    for (const object of objects)
      await eventually('it is taken', () => this.server.kubectl(['apply', '-f', '-'], JSON.stringify(object)) !== '', {
        everyMs: 200,
      });
  }

  user(role: InstalledRole): string {
    return this.#identities[role].user;
  }

  /** Resolves when it answers its probes, ready or not. */
  async run(role: InstalledRole, options: RoleOptions): Promise<RoleProcess> {
    const { kubeconfig } = this.#identities[role];
    if (options.userId !== undefined) {
      chownSync(kubeconfig, options.userId, options.userId);
      for (const folder of [this.server.folder, this.#processes.path]) chmodSync(folder, 0o711);
    }
    const port = options.in === undefined ? await freePort() : 9879;
    const started = new RoleProcess(this.#processes, role, port, options, [
      ...(options.command ?? [heraldPath, role]),
      `--kubeconfig=${kubeconfig}`,
      `--namespace=${this.namespace}`,
      `--listen=127.0.0.1:${port}`,
    ]);
    await started.answers('/healthz');
    return started;
  }

  async stop(): Promise<void> {
    await this.#processes.close();
    await this.server.stop();
  }
}

export class RoleProcess {
  readonly node: string;
  readonly state: string;
  readonly #processes: ProcessFolder;
  readonly #name: string;
  readonly #port: number;
  readonly #in: Namespace | undefined;
  readonly #child: ChildProcess;

  constructor(
    processes: ProcessFolder,
    role: InstalledRole,
    port: number,
    options: RoleOptions,
    command: readonly string[],
  ) {
    this.node = options.node;
    this.#processes = processes;
    this.#name = `${role}-${options.node}`;
    this.#port = port;
    this.#in = options.in;
    this.state = join(processes.path, this.#name);
    mkdirSync(this.state, { recursive: true });
    if (options.userId !== undefined) chownSync(this.state, options.userId, options.userId);
    const words = [...command, `--state=${this.state}`, ...(options.words ?? [])];
    const env = { ...process.env, NODE_NAME: options.node, ...options.env };
    this.#child = processes.run(this.#name, options.in?.inside(...words) ?? words, env);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get socketPath(): string {
    return join(this.state, 'herald.sock');
  }

  /** HTTP status of one of its probes; undefined when nobody answers within the time a kubelet gives. */
  async probe(path: '/healthz' | '/readyz', timeoutMs = 5000): Promise<number | undefined> {
    const url = `http://127.0.0.1:${this.#port}${path}`;
    if (this.#in !== undefined) {
      const code = this.#in.run(
        'sh',
        '-c',
        `curl -s -m ${timeoutMs / 1000} -o /dev/null -w '%{http_code}' ${url} || :`,
      );
      return Number(code) || undefined;
    }
    try {
      return (await fetch(url, { signal: AbortSignal.timeout(timeoutMs), headers: { connection: 'close' } })).status;
    } catch {
      return undefined;
    }
  }

  async answers(path: '/healthz' | '/readyz'): Promise<this> {
    await eventually(`${this.#name} answers ${path}`, async () => (await this.probe(path)) === 200, {
      limitMs: 60_000,
      detail: () => this.log(),
      hopeless: () => this.#child.exitCode !== null || this.#child.signalCode !== null,
    });
    return this;
  }

  ready(): Promise<this> {
    return this.answers('/readyz');
  }

  async status(): Promise<Readonly<Record<string, unknown>>> {
    return (await ask(this.socketPath, '/status')) as Readonly<Record<string, unknown>>;
  }

  log(): string {
    return this.#processes.said(this.#name);
  }

  /** Lines of JSON that it wrote, from the first to the last whole one. */
  lines(): readonly Readonly<Record<string, unknown>>[] {
    const lines = this.#processes.said(this.#name, Number.POSITIVE_INFINITY).split('\n').slice(0, -1);
    return lines.flatMap(line => (line.startsWith('{') ? [JSON.parse(line)] : []));
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves to its exit status, or to the signal that ended it. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals> {
    const child = this.#child;
    const how = () => child.signalCode ?? child.exitCode;
    const ended = how() === null ? new Promise<void>(resolve => child.once('exit', () => resolve())) : undefined;
    child.kill(signal);
    await ended;
    return how() ?? 0;
  }
}

function outOf({ status, out, err }: Finished): string {
  if (status !== 0) throw new Error(err);
  return out;
}
