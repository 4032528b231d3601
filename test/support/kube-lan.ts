/**
 * A small cluster on one Ethernet segment: nodes in network namespaces, each with an installed agent under its own
 * service account, an API server that they reach and that can be taken from them, a router that they peer with (FRR),
 * and a client that asks for addresses every few milliseconds.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { ProbeReport } from '../../scripts/failover-l2-probe.ts';
import type { Router } from './daemons/daemon.ts';
import { startDaemon } from './daemons/start.ts';
import { InstalledCluster, type RoleProcess } from './kube/cluster.ts';
import { type Namespace, Net } from './netns.ts';
import { heraldPath, root } from './run-herald.ts';
import { eventually } from './wait.ts';

export const nodeAsn = 65001;
export const routerAsn = 65010;
export const routerAddress = '10.77.0.200';

/** The API server, nodes and clients are machines of their own: what else this one has to do must not hold them up. */
const ahead = ['nice', '-n', '-15'];
/** Enough that a machine which stands still for seconds ends no session: that is no fault of those under test. */
const holdSeconds = 60;
export const leaseSeconds = 6;
const probeEveryMs = 10;
/** What was asked this lately may yet be answered. */
const answerMaxMs = 20;

/** Held addresses that an agent says were not answered, since it stood still, are answered again in this time. */
const silencedMaxMs = 5000;

/** From one moment of CLOCK_MONOTONIC to another, in milliseconds. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** CLOCK_MONOTONIC, as the client has it. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export class LanNode {
  readonly name: string;
  readonly address: string;
  readonly namespace: Namespace;
  readonly mac: string;
  readonly #cluster: InstalledCluster;
  #cut: (() => Promise<void>) | undefined;
  #agent: RoleProcess | undefined;

  constructor(cluster: InstalledCluster, name: string, address: string, namespace: Namespace) {
    this.#cluster = cluster;
    this.name = name;
    this.address = address;
    this.namespace = namespace;
    this.mac = namespace.run('cat', '/sys/class/net/eth0/address').trim();
  }

  get agent(): RoleProcess {
    if (this.#agent === undefined) throw new Error(`${this.name} has no agent yet`);
    return this.#agent;
  }

  /**
   * When what its agent holds without the API server need not be answered, by its own word: it stood still for longer
   * than what is held without anybody's leave lasts, and looks whether somebody else has it before it goes on.
   */
  get silences(): readonly Span[] {
    const toMonotonicMs = nowMs() - Date.now();
    return this.agent.lines().flatMap(({ why, time, lateMs = 0 }) => {
      if (why !== 'stood-still' && why !== 'link-silent') return [];
      const saidMs = Date.parse(String(time)) + toMonotonicMs;
      return [{ fromMs: saidMs - Number(lateMs) - probeEveryMs, toMs: saidMs + silencedMaxMs }];
    });
  }

  /** The way to the API server: there, or gone with all connections. */
  async reach(state: 'there' | 'gone'): Promise<void> {
    await this.#cut?.();
    this.#cut = state === 'there' ? await this.#cluster.server.reachFrom(this.namespace) : undefined;
  }

  async start(): Promise<void> {
    // One path that every machine has; the other one outlives its agent by design.
    const words = ['--l2-datapath', 'socket', '--l2-lease-duration', `${leaseSeconds}s`];
    const command = [...ahead, heraldPath, 'agent'];
    this.#agent = await this.#cluster.run('agent', { node: this.name, in: this.namespace, words, command });
  }
}

export class KubeLan {
  readonly cluster: InstalledCluster;
  readonly nodes: readonly LanNode[];
  readonly router: Router;
  readonly operator: RoleProcess;
  readonly #net: Net;
  readonly #client: Namespace;
  #probe: { readonly child: ChildProcess; readonly lines: Interface } | undefined;

  /** With so many nodes, `n1` on, whose agents are ready, and an operator outside; nothing to announce yet. */
  static async start(count: number): Promise<KubeLan> {
    const net = new Net();
    let cluster: InstalledCluster | undefined;
    let router: Router | undefined;
    try {
      const numbers = Array.from({ length: count }, (_, i) => i + 1);
      const spaces = numbers.map(n => net.namespace(`n${n}`));
      const [client, tor] = [net.namespace('client'), net.namespace('tor')];
      net.segment([
        ...spaces.map((each, i) => ({
          in: each,
          link: 'eth0',
          addresses: [`${nodeAddress(i + 1)}/16`, `fd77::${i + 1}/64`],
        })),
        { in: client, link: 'eth0', addresses: ['10.77.0.100/16', 'fd77::100/64'] },
        { in: tor, link: 'eth0', addresses: [`${routerAddress}/16`, 'fd77::200/64'] },
      ]);
      router = await startDaemon('frr', tor, {
        asn: routerAsn,
        routerId: routerAddress,
        addresses: [routerAddress],
        peers: numbers.map(n => ({ address: nodeAddress(n), asn: nodeAsn, passive: true, holdSeconds })),
      });
      cluster = await InstalledCluster.start([], { command: ahead });
      const installed = cluster;
      const nodes = numbers.map((n, i) => new LanNode(installed, `n${n}`, nodeAddress(n), spaces[i] ?? client));
      await cluster.apply(...nodes.map(nodeObject));
      const operator = await cluster.run('operator', { node: 'control', command: [...ahead, heraldPath, 'operator'] });
      await Promise.all(nodes.map(node => node.reach('there').then(() => node.start())));
      for (const each of [operator, ...nodes.map(node => node.agent)]) await each.ready();
      return new KubeLan({ cluster, nodes, router, operator, net, client });
    } catch (error) {
      await router?.stop(true);
      await cluster?.stop();
      net.close();
      throw error;
    }
  }

  private constructor(made: {
    readonly cluster: InstalledCluster;
    readonly nodes: readonly LanNode[];
    readonly router: Router;
    readonly operator: RoleProcess;
    readonly net: Net;
    readonly client: Namespace;
  }) {
    this.cluster = made.cluster;
    this.nodes = made.nodes;
    this.router = made.router;
    this.operator = made.operator;
    this.#net = made.net;
    this.#client = made.client;
  }

  /** From now on the client asks for these. */
  startProbe(addresses: readonly string[]): void {
    const mac = this.#client.run('cat', '/sys/class/net/eth0/address').trim();
    const script = join(root, 'scripts', 'failover-l2-probe.ts');
    const words = [...ahead, process.execPath, script, 'eth0', mac, String(probeEveryMs), ...addresses];
    const [command = '', ...rest] = this.#client.inside(...words);
    const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#probe = { child, lines: createInterface({ input: child.stdout }) };
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

  /** By address the one node that answered all questions of the last moment; undefined while it is not so. */
  async owners(forMs = 500): Promise<ReadonlyMap<string, LanNode> | undefined> {
    const report = await this.seen(nowMs() - forMs, nowMs() - answerMaxMs);
    if (report.questions === 0) return undefined;
    const owners = new Map<string, LanNode>();
    for (const { address, changes } of report.addresses) {
      const [only, ...more] = changes;
      const node = this.nodes.find(each => each.mac === only?.macs[0]);
      if (more.length > 0 || only?.macs.length !== 1 || node === undefined) return undefined;
      owners.set(address, node);
    }
    return owners;
  }

  settled(what: string): Promise<ReadonlyMap<string, LanNode>> {
    return eventually(`${what}: each address is answered by one node`, () => this.owners(), {
      limitMs: 60_000,
      everyMs: 100,
      detail: () => this.logs(),
    });
  }

  logs(): string {
    const all = [this.operator, ...this.nodes.map(node => node.agent)];
    return all.map(each => `--- ${each.node}\n${each.log()}`).join('\n');
  }

  async close(): Promise<void> {
    this.#probe?.child.stdin?.end('end\n');
    await this.cluster.stop();
    await this.router.stop();
    this.#net.close();
  }
}

function nodeAddress(n: number): string {
  return `10.77.0.${n}`;
}

function nodeObject({ name, address }: LanNode): object {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { rack: 'a' } },
    status: { addresses: [{ type: 'InternalIP', address }] },
  };
}
