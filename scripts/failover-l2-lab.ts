/**
 * The lab that fail-overs are measured in: nodes in network namespaces on one bridge, each with a `herald run` of its
 * own over one folder of state, and a client that asks for every address every few milliseconds. Each node reaches the
 * state by a path of its own, which can be taken away from it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { ask } from '../src/cli/client.ts';
import { LockFile } from '../src/directory/lock.ts';
import { systemClock } from '../src/runtime/clock.ts';
import type { L2View } from '../src/runtime/l2-view.ts';
import { type Namespace, Net } from '../test/support/netns.ts';
import { heraldPath, root } from '../test/support/run-herald.ts';
import { eventually } from '../test/support/wait.ts';
import type { ProbeReport } from './failover-l2-probe.ts';

export type Manifest = { readonly [key: string]: unknown };

export interface LabOptions {
  readonly datapath: 'socket' | 'ebpf';
  readonly everyMs?: number;
  /** Below 0: ahead of other work on the machine, nodes and client alike. */
  readonly nice?: number;
  /** More options of `herald run` on every node. */
  readonly words?: readonly string[];
}

/** CLOCK_MONOTONIC, as the client has it. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export const vips = ['10.77.1.1', '10.77.1.2', '10.77.1.3', '10.77.1.4'] as const;
export const vips6 = ['fd77::1:1', 'fd77::1:2'] as const;
const nodeNames = ['n1', 'n2', 'n3'] as const;

/** What comes after `nice`, which becomes what it runs. */
function niceWords({ nice = 0 }: LabOptions): readonly string[] {
  return ['-n', String(nice)];
}

export class LabNode {
  readonly name: string;
  readonly namespace: Namespace;
  readonly mac: string;
  readonly #lab: Lab;
  readonly #port: string;
  readonly #folder: string;
  #process: ChildProcess | undefined;

  constructor(lab: Lab, name: string, namespace: Namespace, port: string) {
    this.#lab = lab;
    this.name = name;
    this.namespace = namespace;
    this.#port = port;
    this.#folder = join(lab.folder, name);
    mkdirSync(this.#folder);
    symlinkSync(lab.stateDir, join(this.#folder, 'state'));
    this.mac = namespace.run('cat', '/sys/class/net/eth0/address').trim();
  }

  get socketPath(): string {
    return join(this.#folder, 'herald.sock');
  }

  get runs(): boolean {
    return this.#process !== undefined && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Off by how much its clock is from when it is started next on. */
  clockMs = 0;

  /** `herald run`, without waiting for anything. */
  start(...words: readonly string[]): void {
    const log = openSync(join(this.#folder, 'log'), 'a');
    const { folder, options } = this.#lab;
    const run = ['run', '--node', this.name, '--manifests', join(folder, 'manifests'), '--listen', 'off'];
    const where = ['--state', join(this.#folder, 'state'), '--socket', this.socketPath];
    const how = ['--l2-datapath', options.datapath, ...(options.words ?? []), ...words];
    // Not `ip netns exec`: its mounts would end with the process, and what is pinned in the kernel with them.
    const enter = [`--net=/run/netns/${this.namespace.name}`, heraldPath];
    const all = [...niceWords(options), 'nsenter', ...enter, ...run, ...where, ...how];
    const preload = `--import ${new URL('failover-l2-clock.ts', import.meta.url)}`;
    const env = { ...process.env, NODE_OPTIONS: preload, LAB_CLOCK_MS: String(this.clockMs) };
    this.#process = spawn('nice', all, { stdio: ['ignore', log, log], env });
    closeSync(log);
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  /** Its clock is set 30 s ahead, or back again. */
  stepClock(): void {
    this.signal('SIGUSR2');
  }

  async ended(): Promise<void> {
    await eventually(`${this.name} ends`, () => !this.runs, { limitMs: 20_000 });
  }

  link(state: 'up' | 'down'): void {
    this.namespace.ip('link', 'set', 'eth0', state);
    // An IPv6 address goes with the link.
    if (state === 'up') this.namespace.ip('addr', 'replace', this.#lab.address6(this.name), 'dev', 'eth0', 'nodad');
  }

  /** The bridge lets nothing through, and the link does not notice. */
  lan(state: 'there' | 'gone'): void {
    this.#lab.bridge.run('bridge', 'link', 'set', 'dev', this.#port, 'state', state === 'there' ? '3' : '0');
  }

  /**
   * The process stands still. Not in the middle of a write: it would keep the folder's lock, which no API server has.
   */
  async freeze(): Promise<void> {
    await this.#lab.betweenWrites(() => this.signal('SIGSTOP'));
  }

  /** The node's path to the state leads nowhere, or to it again; nobody else notices. Not in the middle of a write. */
  async store(state: 'there' | 'gone'): Promise<void> {
    await this.#lab.betweenWrites(() => this.#point(state));
  }

  #point(state: 'there' | 'gone'): void {
    const path = join(this.#folder, 'state');
    const target = state === 'there' ? this.#lab.stateDir : join(this.#folder, 'out-of-reach', 'state');
    symlinkSync(target, `${path}.new`);
    renameSync(`${path}.new`, path);
  }

  async view(): Promise<L2View> {
    return (await ask(this.socketPath, '/l2')) as L2View;
  }

  log(): string {
    return readFileSync(join(this.#folder, 'log'), 'utf8').slice(-6000);
  }
}

export class Lab {
  readonly options: LabOptions;
  readonly folder: string;
  readonly stateDir: string;
  readonly bridge: Namespace;
  readonly nodes: readonly LabNode[];
  readonly #net = new Net();
  readonly client: Namespace;
  #probe: { readonly child: ChildProcess; readonly lines: Interface } | undefined;

  constructor(options: LabOptions) {
    this.options = options;
    // In memory: what is measured is not the disk.
    this.folder = mkdtempSync('/dev/shm/hrld-l2-');
    this.stateDir = join(this.folder, 'store');
    mkdirSync(this.stateDir);
    mkdirSync(join(this.folder, 'manifests'));
    this.bridge = this.#net.namespace('lan');
    this.bridge.ip('link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0', 'mcast_snooping', '0');
    this.bridge.ip('link', 'set', 'br0', 'up');
    this.client = this.#attach('client', '10.77.0.100/16', 'fd77::100/64');
    this.nodes = nodeNames.map(name => {
      const namespace = this.#attach(name, this.address4(name), this.address6(name));
      return new LabNode(this, name, namespace, `p-${name}`);
    });
  }

  address4(name: string): string {
    return `10.77.0.${name.slice(1)}/16`;
  }

  address6(name: string): string {
    return `fd77::${name.slice(1)}/64`;
  }

  #attach(name: string, ...addresses: readonly string[]): Namespace {
    const namespace = this.#net.namespace(name);
    const port = `p-${name}`;
    this.#net.link({ in: namespace, link: 'eth0', addresses }, { in: this.bridge, link: port });
    this.bridge.ip('link', 'set', port, 'master', 'br0');
    return namespace;
  }

  node(name: string): LabNode {
    const found = this.nodes.find(each => each.name === name);
    if (found === undefined) throw new Error(`there is no node ${name}`);
    return found;
  }

  /** The objects of one file, replaced in one step; none removes it. */
  apply(name: string, ...objects: readonly Manifest[]): void {
    const path = join(this.folder, 'manifests', `${name}.yaml`);
    if (objects.length === 0) {
      rmSync(path, { force: true });
      return;
    }
    writeFileSync(`${path}.new`, objects.map(each => JSON.stringify(each)).join('\n---\n'));
    renameSync(`${path}.new`, path);
  }

  /** While nobody writes to the state. */
  async betweenWrites(act: () => void): Promise<void> {
    const lock = new LockFile(join(this.stateDir, 'lock'), systemClock);
    await lock.acquire(10_000);
    try {
      act();
    } finally {
      lock.release();
    }
  }

  startProbe(): void {
    const { everyMs = 5 } = this.options;
    const mac = this.client.run('cat', '/sys/class/net/eth0/address').trim();
    const script = join(root, 'scripts', 'failover-l2-probe.ts');
    const words = [process.execPath, script, 'eth0', mac, String(everyMs), ...vips, ...vips6];
    const enter = `--net=/run/netns/${this.client.name}`;
    const all = [...niceWords(this.options), 'nsenter', enter, ...words];
    const child = spawn('nice', all, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#probe = { child, lines: createInterface({ input: child.stdout }) };
  }

  /** For other tools to have the client's link to themselves. */
  stopProbe(): void {
    this.#probe?.child.stdin?.end('end\n');
    this.#probe = undefined;
  }

  /** What the client saw between two moments. */
  async seen(fromMs: number, toMs: number): Promise<ProbeReport> {
    const probe = this.#probe;
    if (probe === undefined) throw new Error('startProbe comes first');
    if (probe.child.exitCode !== null) throw new Error('the client ended');
    const line = new Promise<string>(resolve => probe.lines.once('line', resolve));
    probe.child.stdin?.write(`${fromMs} ${toMs}\n`);
    return JSON.parse(await line) as ProbeReport;
  }

  /** By address, who answers: one station each, all the time since `forMs` ago; undefined while it is not so. */
  async owners(forMs = 500): Promise<ReadonlyMap<string, LabNode> | undefined> {
    const report = await this.seen(nowMs() - forMs, nowMs() - 20);
    if (report.questions === 0) return undefined;
    const owners = new Map<string, LabNode>();
    for (const { address, changes } of report.addresses) {
      const [only, ...more] = changes;
      const node = this.nodes.find(each => each.mac === only?.macs[0]);
      if (more.length > 0 || only?.macs.length !== 1 || node === undefined) return undefined;
      owners.set(address, node);
    }
    return owners;
  }

  async settled(what: string, limitMs = 60_000): Promise<ReadonlyMap<string, LabNode>> {
    return await eventually(`${what}: each address answered by one station`, () => this.owners(), {
      limitMs,
      everyMs: 100,
      detail: () => this.logs(),
    });
  }

  logs(): string {
    return this.nodes.map(node => `--- ${node.name}\n${node.log()}`).join('\n');
  }

  async close(): Promise<void> {
    this.stopProbe();
    for (const node of this.nodes) {
      node.signal('SIGCONT');
      node.signal('SIGKILL');
    }
    for (const node of this.nodes) await node.ended();
    for (const node of this.nodes) node.namespace.run(heraldPath, 'l2', 'cleanup');
    this.#net.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
