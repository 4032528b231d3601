/**
 * A real etcd for tests, on loopback or in a namespace: started, killed, wiped, compacted; with TLS, users and roles as
 * Cilium's clusters have them where asked (reference §2.2). Each run of it has a cluster token of its own.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StateAccess } from '../../src/runtime/mesh-state.ts';
import { eventually } from '../support/wait.ts';

export const etcdMissing = ['/usr/bin/etcd', '/usr/bin/etcdctl', '/usr/bin/openssl'].find(path => !existsSync(path));

/** A certificate authority, and the certificates it gives. */
export class Authority {
  readonly folder = mkdtempSync(join(tmpdir(), 'hrld-ca-'));
  readonly ca = join(this.folder, 'ca.crt');
  readonly #issued = new Map<string, { cert: string; key: string }>();

  constructor(name = 'test') {
    openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '90',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      join(this.folder, 'ca.key'),
      '-out',
      this.ca,
    );
  }

  /** Files of a certificate for a common name, for server and client alike. */
  issue(cn: string, names = 'IP:127.0.0.1,DNS:localhost', days = 60): { cert: string; key: string } {
    const id = JSON.stringify([cn, names, days]);
    const had = this.#issued.get(id);
    if (had !== undefined) return had;
    const at = (suffix: string) => join(this.folder, `${this.#issued.size}-${cn}.${suffix}`);
    const issued = { cert: at('crt'), key: at('key') };
    writeFileSync(at('ext'), `subjectAltName=${names}\nextendedKeyUsage=serverAuth,clientAuth\n`);
    openssl(
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      `/CN=${cn}`,
      '-keyout',
      at('key'),
      '-out',
      at('csr'),
    );
    openssl(
      'x509',
      '-req',
      '-in',
      at('csr'),
      '-CA',
      this.ca,
      '-CAkey',
      join(this.folder, 'ca.key'),
      '-CAcreateserial',
      '-days',
      String(days),
      '-extfile',
      at('ext'),
      '-out',
      at('crt'),
    );
    this.#issued.set(id, issued);
    return issued;
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface EtcdOptions {
  readonly tls?: Authority;
  /** Authorities of clients, in a file; without it, the one that issued the server's certificate. */
  readonly clientCa?: string;
  /** Words that run a program somewhere else, such as in a namespace. */
  readonly inside?: readonly string[];
  /** Address to listen on, and names of its certificate. */
  readonly host?: string;
  readonly flags?: readonly string[];
}

/** Ended with this process, however that ends but by SIGKILL. */
const live = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of live) child.kill('SIGKILL');
});

export class Etcd {
  readonly folder = mkdtempSync(join(tmpdir(), 'hrld-etcd-'));
  readonly #options: EtcdOptions;
  readonly #ports: readonly [number, number];
  #child: ChildProcess | undefined;
  #generation = 0;

  private constructor(options: EtcdOptions, ports: readonly [number, number]) {
    this.#options = options;
    this.#ports = ports;
  }

  static async start(options: EtcdOptions = {}): Promise<Etcd> {
    const ports = options.inside === undefined ? await freePorts() : ([2379, 2380] as const);
    const etcd = new Etcd(options, ports);
    await etcd.begin();
    return etcd;
  }

  get endpoint(): string {
    const { tls, host = '127.0.0.1' } = this.#options;
    return `${tls === undefined ? 'http' : 'https'}://${host}:${this.#ports[0]}`;
  }

  /** How to get in, with the certificate of this name. */
  access(cn = 'remote', more: Partial<StateAccess> = {}): StateAccess {
    const { tls } = this.#options;
    const issued = tls?.issue(cn);
    return {
      endpoints: [this.endpoint],
      caFile: tls?.ca,
      certFile: issued?.cert,
      keyFile: issued?.key,
      username: undefined,
      password: undefined,
      hostAliases: new Map(),
      ...more,
    };
  }

  async begin(): Promise<void> {
    const { tls, clientCa = tls?.ca ?? '', inside = [], host = '127.0.0.1', flags = [] } = this.#options;
    const data = join(this.folder, 'data');
    mkdirSync(data, { recursive: true, mode: 0o700 });
    const server = tls?.issue('server', `IP:127.0.0.1,IP:${host},DNS:localhost,DNS:west.mesh.cilium.io`);
    const peer = `http://127.0.0.1:${this.#ports[1]}`;
    const clients =
      inside.length === 0 ? this.endpoint : `${this.endpoint},${this.endpoint.replace(host, '127.0.0.1')}`;
    const words = [
      ...inside,
      'etcd',
      '--data-dir',
      data,
      '--name',
      'e',
      '--listen-client-urls',
      clients,
      '--advertise-client-urls',
      this.endpoint,
      '--listen-peer-urls',
      peer,
      '--initial-advertise-peer-urls',
      peer,
      '--initial-cluster',
      `e=${peer}`,
      '--initial-cluster-token',
      `token-${this.#generation}`,
      ...flags,
      ...(server === undefined
        ? []
        : ['--cert-file', server.cert, '--key-file', server.key, '--trusted-ca-file', clientCa, '--client-cert-auth']),
    ];
    const [command = '', ...rest] = words;
    const log = openSync(join(this.folder, 'log'), 'a');
    this.#child = spawn(command, rest, { stdio: ['ignore', log, log] });
    closeSync(log);
    live.add(this.#child);
    await eventually('etcd answers', () => this.ctl('endpoint', 'status') !== '', {
      detail: () => readFileSync(join(this.folder, 'log'), 'utf8').slice(-3000),
      hopeless: () => this.#child?.exitCode !== null,
      limitMs: 60_000,
    });
  }

  /** `etcdctl …` as root; throws with what it said. */
  ctl(...words: string[]): string {
    const { inside = [] } = this.#options;
    const [command = '', ...rest] = [...inside, 'etcdctl', ...words];
    const env = {
      ...process.env,
      ETCDCTL_API: '3',
      ETCDCTL_ENDPOINTS: this.endpoint.replace(/\/\/[^:]+/, '//127.0.0.1'),
      ...this.#tlsEnv(),
    };
    return execFileSync(command, rest, { encoding: 'utf8', env, stdio: ['pipe', 'pipe', 'pipe'] });
  }

  put(key: string, value: string): void {
    this.ctl('put', key, value);
  }

  get(key: string): string | undefined {
    const [, value] = this.ctl('get', key).split('\n');
    return value;
  }

  keys(prefix: string): string[] {
    return this.ctl('get', '--prefix', '--keys-only', prefix)
      .split('\n')
      .filter(line => line !== '');
  }

  /** Users and roles as Cilium's initialisation makes them, authentication on at last (§2.2). */
  secure(cluster: string): void {
    const grants: Record<string, readonly (readonly [key: string, isPrefix: boolean])[]> = {
      remote: [
        ['cilium/.heartbeat', true],
        ['cilium/state/', true],
        [`cilium/cluster-config/${cluster}`, false],
        [`cilium/synced/${cluster}/`, true],
      ],
    };
    this.ctl('user', 'add', 'root', '--no-password');
    this.ctl('user', 'grant-role', 'root', 'root');
    for (const [role, keys] of Object.entries(grants)) {
      this.ctl('role', 'add', role);
      for (const [key, isPrefix] of keys)
        this.ctl('role', 'grant-permission', role, ...(isPrefix ? ['--prefix=true'] : []), 'read', key);
    }
    for (const user of ['remote']) {
      this.ctl('user', 'add', user, '--no-password');
      this.ctl('user', 'grant-role', user, user);
    }
    this.ctl('user', 'add', `admin-${cluster}`, '--no-password');
    this.ctl('user', 'grant-role', `admin-${cluster}`, 'root');
    this.ctl('auth', 'enable');
  }

  /** SIGKILL, or frozen and thawed. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child !== undefined) live.delete(child);
    if (child === undefined || child.exitCode !== null) return;
    const ended = new Promise(resolve => child.once('exit', resolve));
    child.kill('SIGCONT');
    child.kill('SIGKILL');
    await ended;
  }

  freeze(frozen: boolean): void {
    this.#child?.kill(frozen ? 'SIGSTOP' : 'SIGCONT');
  }

  /** Killed; all data is gone. `sameToken`: not even a new cluster ID tells of it. */
  async wipe(sameToken = false): Promise<void> {
    await this.kill();
    rmSync(join(this.folder, 'data'), { recursive: true, force: true });
    if (!sameToken) this.#generation++;
  }

  /** Everything older than now. */
  compact(): void {
    const [status] = JSON.parse(this.ctl('endpoint', 'status', '-w', 'json'));
    this.ctl('compact', String(status.Status.header.revision), '--physical=true');
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #tlsEnv(): Record<string, string> {
    const { tls } = this.#options;
    if (tls === undefined) return {};
    const { cert, key } = tls.issue('root');
    return { ETCDCTL_CACERT: tls.ca, ETCDCTL_CERT: cert, ETCDCTL_KEY: key };
  }
}

function openssl(...words: string[]): void {
  execFileSync('openssl', words, { stdio: 'pipe' });
}

/** Two that are free at the same moment. */
async function freePorts(): Promise<readonly [number, number]> {
  const servers = [createServer(), createServer()] as const;
  const port = (server: (typeof servers)[0]) =>
    new Promise<number>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
  const ports = await Promise.all([port(servers[0]), port(servers[1])] as const);
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))));
  return ports;
}
