/**
 * Two clusters of two nodes each, every node a router for a pod, with each cluster's state in an etcd of its own: TLS,
 * authentication and Cilium's roles. Both clusters are on one link, or behind a router each node has a link of its own
 * to. Every node runs the program as users do.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { ask } from '../../src/cli/client.ts';
import type { Family } from '../../src/net/ip.ts';
import type { MeshRouteJson, MeshStatusJson } from '../../src/runtime/mesh-views.ts';
import { Authority, Etcd, etcdMissing } from '../etcd/server.ts';
import { Foreground, makeFolder } from '../support/daemons/daemon.ts';
import type { Manifest } from '../support/herald-run.ts';
import { type Namespace, Net, namespacesMissing } from '../support/netns.ts';
import { heraldPath } from '../support/run-herald.ts';
import { eventually } from '../support/wait.ts';

export function meshLabMissing(): string | undefined {
  return etcdMissing === undefined ? namespacesMissing() : `${etcdMissing} is not installed`;
}

export const clusters = ['west', 'east'] as const;
export type Cluster = (typeof clusters)[number];

/** `on-link`: all on one Ethernet. `routed`: a link of its own from each node to one router. */
export type Topology = 'on-link' | 'routed';

export class MeshNode {
  readonly name: string;
  readonly cluster: Cluster;
  readonly number: number;
  readonly node: Namespace;
  readonly pod: Namespace;
  readonly address: string;
  readonly podNet: string;
  herald: Foreground | undefined;
  readonly folder = makeFolder('mesh');

  readonly address6: string;
  readonly #pods: readonly Family[];
  readonly #underlay: Family;
  readonly #annotations: Readonly<Record<string, string>>;

  constructor(net: Net, cluster: Cluster, number: number, options: MeshLabOptions) {
    const { topology, pods = ['ipv4'], underlay = 'ipv4' } = options;
    this.cluster = cluster;
    this.number = number;
    this.name = `${cluster}-${number}`;
    const id = clusters.indexOf(cluster) + 1;
    this.address = topology === 'on-link' ? `192.168.50.${id * 10 + number}` : `192.168.${id * 10 + number}.2`;
    this.podNet = `10.${id}.${number}.0/24`;
    this.address6 = topology === 'on-link' ? `fd50::${id}${number}` : `fd60:${id}${number}::2`;
    this.#pods = pods;
    this.#underlay = underlay;
    this.#annotations = options.annotations?.(this) ?? {};
    this.node = net.namespace(this.name);
    this.pod = net.namespace(`pod-${this.name}`);
    for (const knob of [
      'net.ipv4.ip_forward=1',
      'net.ipv4.conf.all.rp_filter=0',
      'net.ipv4.conf.default.rp_filter=0',
      'net.ipv6.conf.all.forwarding=1',
    ])
      this.node.run('sysctl', '-qw', knob);
    net.link(
      { in: this.node, link: 'cni0', addresses: [`${this.podGateway}/24`, this.podNet6.replace('/64', '1/64')] },
      { in: this.pod, link: 'eth0', addresses: [`${this.podAddress}/24`, `${this.podAddress6}/64`] },
    );
    this.pod.ip('route', 'add', 'default', 'via', this.podGateway);
    this.pod.ip('-6', 'route', 'add', 'default', 'via', this.podNet6.replace('/64', '1'));
  }

  get podNet6(): string {
    return `fd00:${clusters.indexOf(this.cluster) + 1}:${this.number}::/64`;
  }

  get podAddress6(): string {
    return this.podNet6.replace('/64', '10');
  }

  get podAddress(): string {
    return this.podNet.replace('0/24', '10');
  }

  get podGateway(): string {
    return this.podNet.replace('0/24', '1');
  }

  get manifest(): Manifest {
    const dual = this.#pods.includes('ipv6') && this.address6.startsWith('fd50');
    const addresses = this.#underlay === 'ipv6' ? [this.address6] : [this.address, ...(dual ? [this.address6] : [])];
    const nets = { ipv4: this.podNet, ipv6: this.podNet6 };
    return {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: this.name, labels: { cluster: this.cluster }, annotations: this.#annotations },
      spec: { podCIDRs: this.#pods.map(family => nets[family]) },
      status: { addresses: addresses.map(address => ({ type: 'InternalIP', address })) },
    };
  }

  get socket(): string {
    return `${this.folder}/state/herald.sock`;
  }

  async status(): Promise<MeshStatusJson> {
    return (await ask(this.socket, '/mesh/status')) as MeshStatusJson;
  }

  async routes(address = ''): Promise<readonly MeshRouteJson[]> {
    return (await ask(this.socket, `/mesh/routes?address=${address}`)) as readonly MeshRouteJson[];
  }

  cli(...words: string[]): string {
    return this.node.run(heraldPath, ...words);
  }

  /** What a command says that ends with a failure. */
  refuses(...words: string[]): string {
    const [command = '', ...rest] = this.node.inside(heraldPath, ...words);
    const done = spawnSync(command, rest, { encoding: 'utf8' });
    if (done.status === 0) throw new Error(`herald ${words.join(' ')} succeeded: ${done.stdout}`);
    return done.stdout + done.stderr;
  }

  /** True when every one of `count` pings came back. */
  reaches(other: MeshNode, count = 2): boolean {
    const addresses = { ipv4: other.podAddress, ipv6: other.podAddress6 };
    try {
      return this.#pods.every(family =>
        this.pod
          .run('ping', '-c', String(count), '-i', '0.1', '-W', '2', addresses[family])
          .includes(` ${count} received`),
      );
    } catch {
      return false;
    }
  }
}

export interface MeshLabOptions {
  readonly topology: Topology;
  /** Families that pods have networks of; IPv4. */
  readonly pods?: readonly Family[];
  /** What nodes say they are reached at; on one link with IPv6 pods both, otherwise IPv4. */
  readonly underlay?: Family;
  readonly words?: readonly string[];
  readonly annotations?: (node: MeshNode) => Readonly<Record<string, string>>;
  /** More manifests for each cluster's folder. */
  readonly manifests?: (node: MeshNode) => readonly Manifest[];
}

export class MeshLab {
  readonly net = new Net();
  readonly router: Namespace;
  readonly nodes: readonly MeshNode[];
  readonly authority = new Authority();
  readonly etcds: Record<Cluster, Etcd | undefined> = { west: undefined, east: undefined };
  readonly #options: MeshLabOptions;

  constructor(options: MeshLabOptions) {
    this.#options = options;
    const { topology } = options;
    this.router = this.net.namespace('tor');
    this.router.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
    this.nodes = clusters.flatMap(cluster => [1, 2].map(number => new MeshNode(this.net, cluster, number, options)));
    if (topology === 'on-link')
      this.net.segment(
        this.nodes.map(each => ({
          in: each.node,
          link: 'eth0',
          addresses: [`${each.address}/24`, `${each.address6}/64`],
        })),
      );
    else
      for (const each of this.nodes) {
        const [gateway, gateway6] = [each.address, each.address6].map(own => own.replace(/2$/, '1')) as [
          string,
          string,
        ];
        this.net.link(
          { in: each.node, link: 'eth0', addresses: [`${each.address}/24`, `${each.address6}/64`] },
          { in: this.router, link: each.name, addresses: [`${gateway}/24`, `${gateway6}/64`] },
        );
        each.node.ip('route', 'add', '192.168.0.0/16', 'via', gateway);
        each.node.ip('-6', 'route', 'add', 'fd60::/16', 'via', gateway6);
      }
  }

  node(cluster: Cluster, number: number): MeshNode {
    const found = this.nodes.find(each => each.cluster === cluster && each.number === number);
    if (found === undefined) throw new Error(`no node ${cluster}-${number}`);
    return found;
  }

  etcd(cluster: Cluster): Etcd {
    const etcd = this.etcds[cluster];
    if (etcd === undefined) throw new Error(`no etcd of ${cluster}`);
    return etcd;
  }

  /** Each cluster's etcd is on its first node. */
  async start(): Promise<void> {
    await Promise.all(
      clusters.map(async cluster => {
        const { node, address: host } = this.node(cluster, 1);
        this.etcds[cluster] = await Etcd.start({ tls: this.authority, inside: node.inside(), host });
        this.etcd(cluster).secure(cluster);
      }),
    );
    for (const node of this.nodes) this.prepare(node);
    for (const node of this.nodes) this.begin(node);
    await Promise.all(this.nodes.map(node => this.serves(node)));
  }

  /** Files of one node: the cluster's manifests, the peer's file, certificates. */
  prepare(node: MeshNode, members = this.nodes): void {
    const { folder, cluster } = node;
    for (const each of ['manifests', 'peers', 'state']) mkdirSync(`${folder}/${each}`, { recursive: true });
    this.manifests(node, members);
    const other = cluster === 'west' ? 'east' : 'west';
    writeFileSync(`${folder}/peers/${other}`, this.access(other, 'remote'));
    writeFileSync(`${folder}/own-etcd`, this.access(cluster, `admin-${cluster}`));
  }

  manifests(node: MeshNode, members: readonly MeshNode[]): void {
    const objects = [
      ...members.filter(each => each.cluster === node.cluster).map(each => each.manifest),
      ...(this.#options.manifests?.(node) ?? []),
    ];
    writeFileSync(`${node.folder}/manifests/all.yaml`, objects.map(each => JSON.stringify(each)).join('\n---\n'));
  }

  /** A peer's file in Cilium's format. */
  access(cluster: Cluster, cn: string): string {
    const { cert, key } = this.authority.issue(cn);
    const files = `trusted-ca-file: ${this.authority.ca}\nkey-file: ${key}\ncert-file: ${cert}`;
    return `endpoints:\n- ${this.etcd(cluster).endpoint}\n${files}\n`;
  }

  begin(node: MeshNode): void {
    const { folder, cluster } = node;
    const id = clusters.indexOf(cluster) + 1;
    node.herald = new Foreground(node.node, [
      heraldPath,
      'run',
      '--manifests',
      `${folder}/manifests`,
      '--state',
      `${folder}/state`,
      '--listen',
      'off',
      '--node',
      node.name,
      '--cluster-name',
      cluster,
      '--cluster-id',
      String(id),
      '--clustermesh-config',
      `${folder}/peers`,
      // One process of the cluster publishes.
      ...(node.number === 1 ? ['--mesh-etcd', `${folder}/own-etcd`] : ['--roles', 'agent']),
      ...(this.#options.words ?? []),
    ]);
  }

  async serves(node: MeshNode): Promise<void> {
    await eventually(`${node.name} is ready`, async () => (await node.status()).peers.every(each => each.ready), {
      limitMs: 60_000,
      detail: () => node.herald?.said() ?? '',
      hopeless: () => node.herald?.exitCode !== undefined,
    });
  }

  /** Pods of every pair of nodes reach each other. */
  async allReach(limitMs = 60_000): Promise<void> {
    for (const from of this.nodes)
      for (const to of this.nodes) {
        if (from === to) continue;
        await eventually(`a pod of ${from.name} reaches one of ${to.name}`, () => from.reaches(to, 1), {
          limitMs,
          detail: () => `${from.node.ip('route')}\n${from.node.ip('nexthop')}\n${from.herald?.said().slice(-3000)}`,
        });
      }
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map(each => each.herald?.stop()));
    await Promise.all(Object.values(this.etcds).map(each => each?.stop()));
    this.net.close();
    this.authority.close();
    for (const each of this.nodes) rmSync(each.folder, { recursive: true, force: true });
  }
}
