/**
 * What is known about one other cluster: its configuration and its nodes, as far as they passed the rules. Values come
 * in as they are read, in any order and as often as they like. A value that is refused changes nothing: what was known
 * before stays. Reference §1.2-1.4, §2.3.
 */
import type { ClusterIdentity, ClustersMax } from './cluster.ts';
import { ClusterConfig } from './cluster-config.ts';
import { MeshKey } from './key.ts';
import { NodeRecord } from './node-record.ts';
import { PodNode } from './pod-node.ts';
import { MeshRefusal } from './reason.ts';

/** Nodes that one cluster may have; Kubernetes itself is tested with half of it. */
export const nodesMax = 10_000;

export interface RemoteClusterRules {
  readonly own: ClusterIdentity;
  readonly clustersMax: ClustersMax;
}

/** What a configuration led to. */
export type ConfigOutcome =
  /** The first one, or another ID or place of state than before: whatever was read must be read again. */
  | { readonly kind: 'begin'; readonly config: ClusterConfig }
  | { readonly kind: 'same'; readonly config: ClusterConfig }
  | { readonly kind: 'refused'; readonly refusal: MeshRefusal };

export class RemoteCluster {
  readonly name: string;
  readonly #rules: RemoteClusterRules;
  readonly #nodes = new Map<string, PodNode>();
  #list: readonly PodNode[] | undefined;
  #config: ClusterConfig | undefined;
  #rejected = 0;
  #lastRejection: MeshRefusal | undefined;

  constructor(name: string, rules: RemoteClusterRules) {
    this.name = name;
    this.#rules = rules;
  }

  /** The last one that was not refused. */
  get config(): ClusterConfig | undefined {
    return this.#config;
  }

  /** Values for nodes that were refused so far, and why the last one was. */
  get rejected(): { readonly count: number; readonly last: MeshRefusal | undefined } {
    return { count: this.#rejected, last: this.#lastRejection };
  }

  /** By name. The same list while nothing changed. */
  get nodes(): readonly PodNode[] {
    this.#list ??= [...this.#nodes.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    return this.#list;
  }

  /** `idHolder`: which other cluster has an ID. Another ID than before drains the nodes, whatever comes of it. */
  configure(bytes: Uint8Array, idHolder: (id: number) => string | undefined): ConfigOutcome {
    const config = ClusterConfig.read(bytes);
    if ('reason' in config) return { kind: 'refused', refusal: config };
    if (this.#config !== undefined && config.id !== this.#config.id) this.drain();
    const holder = idHolder(config.id);
    const { own, clustersMax } = this.#rules;
    const inUse = holder === undefined ? undefined : MeshRefusal.of('id-in-use', `${config.id}, by ${holder}`);
    const refusal = ClusterConfig.refusal(config, own, clustersMax) ?? inUse;
    if (refusal !== undefined) return { kind: 'refused', refusal };
    const before = this.#config;
    this.#config = config;
    const begins = before === undefined || before.cached !== config.cached;
    return { kind: begins ? 'begin' : 'same', config };
  }

  /** What was known before this process: it stands until something else is read. */
  restore(id: number, cached: boolean, nodes: readonly PodNode[]): void {
    const config = {
      id,
      cached,
      syncedCanaries: true,
      maxConnectedClusters: this.#rules.clustersMax,
      serviceExportsEnabled: undefined,
      endpointSlicesExportMode: '',
    };
    if (ClusterConfig.refusal(config, this.#rules.own, this.#rules.clustersMax) !== undefined) return;
    this.#config = config;
    for (const node of nodes.slice(0, nodesMax)) this.#nodes.set(node.name, node);
    this.#list = undefined;
  }

  /** Forgets the nodes and the configuration: the ID is free again. */
  drain(): void {
    this.#nodes.clear();
    this.#list = undefined;
    this.#config = undefined;
  }

  /** `suffix`: what follows the watched prefix in the key. True when the nodes changed. */
  put(suffix: string, bytes: Uint8Array): boolean {
    const node = this.#accept(suffix, bytes);
    if ('reason' in node) {
      this.#rejected++;
      this.#lastRejection = node;
      return false;
    }
    const before = this.#nodes.get(suffix);
    if (before !== undefined && PodNode.equals(before, node)) return false;
    this.#nodes.set(suffix, node);
    this.#list = undefined;
    return true;
  }

  delete(suffix: string): boolean {
    if (!this.#nodes.delete(suffix)) return false;
    this.#list = undefined;
    return true;
  }

  /** Forgets the nodes that are not among these: all there are was read. True when the nodes changed. */
  retain(suffixes: ReadonlySet<string>): boolean {
    const gone = [...this.#nodes.keys()].filter(suffix => !suffixes.has(suffix));
    return gone.map(suffix => this.delete(suffix)).length > 0;
  }

  #accept(suffix: string, bytes: Uint8Array): PodNode | MeshRefusal {
    const record = NodeRecord.read(bytes);
    if ('reason' in record) return MeshRefusal.of(record.reason, `${shown(suffix)}: ${record.detail}`);
    const { name, cluster, clusterId } = record;
    if (name === '' || cluster === '') return MeshRefusal.of('no-name', shown(suffix));
    if (cluster !== this.name) return MeshRefusal.of('wrong-cluster', `${shown(suffix)} says ${shown(cluster)}`);
    if (MeshKey.join(name) !== suffix) return MeshRefusal.of('wrong-key', `${shown(suffix)} says ${shown(name)}`);
    const { clustersMax } = this.#rules;
    if (clusterId < 1 || clusterId > clustersMax)
      return MeshRefusal.of('id-out-of-range', `${shown(suffix)}: ${clusterId}, of ${clustersMax}`);
    if (clusterId !== this.#config?.id) {
      const told = this.#config === undefined ? 'the cluster has none' : `the cluster has ${this.#config.id}`;
      return MeshRefusal.of('wrong-id', `${shown(suffix)} has ${clusterId}, ${told}`);
    }
    if (this.#nodes.size >= nodesMax && !this.#nodes.has(suffix))
      return MeshRefusal.of('too-many-keys', `more than ${nodesMax} nodes`);
    return PodNode.ofRecord(record);
  }
}

/** Whatever a stranger wrote, fit for one line. */
function shown(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
