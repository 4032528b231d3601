/**
 * Our own cluster as the mesh sees it, from Node and CiliumNode objects: what routes are made from, and what other
 * clusters are shown. A node whose objects did not change is the same value. Cluster mesh reference §1.2-1.4.
 */
import type { CiliumNode } from '../api/cilium-node.ts';
import type { Node } from '../api/node.ts';
import type { Snapshot } from '../api/snapshot.ts';
import type { ClusterIdentity, ClustersMax } from '../mesh/cluster.ts';
import { ClusterConfig } from '../mesh/cluster-config.ts';
import { MeshKey } from '../mesh/key.ts';
import { NodeRecord, type RecordAddress } from '../mesh/node-record.ts';
import { PodNode } from '../mesh/pod-node.ts';
import { IpAddress } from '../net/ip.ts';
import { nodeFacts } from './node.ts';
import type { PodIpam } from './settings.ts';

interface Known {
  readonly node: Node | undefined;
  readonly cilium: CiliumNode | undefined;
  readonly record: NodeRecord;
  readonly podNode: PodNode;
  /** As it is published. */
  readonly value: Uint8Array;
}

export class MeshNodes {
  readonly #own: ClusterIdentity;
  readonly #ipam: PodIpam;
  #known: ReadonlyMap<string, Known> = new Map();
  #lists: readonly unknown[] = [];
  #nodes: readonly PodNode[] = [];
  #values: ReadonlyMap<string, Uint8Array> = new Map();

  constructor(own: ClusterIdentity, ipam: PodIpam) {
    this.#own = own;
    this.#ipam = ipam;
  }

  /** By name; the same list while none changed. */
  nodes(snapshot: Snapshot): readonly PodNode[] {
    this.#update(snapshot);
    return this.#nodes;
  }

  /** What other clusters are shown of each, by key; the same map while none changed. */
  values(snapshot: Snapshot): ReadonlyMap<string, Uint8Array> {
    this.#update(snapshot);
    return this.#values;
  }

  #update(snapshot: Snapshot): void {
    const lists = [snapshot.list('Node'), snapshot.list('CiliumNode')];
    const [nodes = [], ciliums = []] = lists;
    if (
      lists.every(
        (list, i) =>
          list === this.#lists[i] ||
          (list.length === 0 && this.#lists[i] !== undefined && lengthOf(this.#lists[i]) === 0),
      )
    )
      return;
    this.#lists = lists;
    const names = new Set([...nodes, ...ciliums].map(each => each.metadata.name));
    const known = new Map<string, Known>();
    let changed = names.size !== this.#known.size;
    for (const name of [...names].sort()) {
      const before = this.#known.get(name);
      const now = this.#node(snapshot, name, before);
      changed ||= now.value !== before?.value;
      known.set(name, now);
    }
    this.#known = known;
    if (!changed) return;
    this.#nodes = [...known.values()].map(each => each.podNode);
    this.#values = new Map([...known].map(([name, each]) => [MeshKey.node(this.#own.name, name), each.value]));
  }

  #node(snapshot: Snapshot, name: string, before: Known | undefined): Known {
    const node = snapshot.get('Node', '', name);
    const cilium = snapshot.get('CiliumNode', '', name);
    if (before !== undefined && before.node === node && before.cilium === cilium) return before;
    const record = this.#record(snapshot, name, node, cilium);
    const value = NodeRecord.write(record);
    const same = before !== undefined && sameOctets(before.value, value);
    if (same) return { ...before, node, cilium };
    const podNode = PodNode.ofRecord(record);
    const kept = before !== undefined && PodNode.equals(before.podNode, podNode) ? before.podNode : podNode;
    return { node, cilium, record, podNode: kept, value };
  }

  #record(snapshot: Snapshot, name: string, node: Node | undefined, cilium: CiliumNode | undefined): NodeRecord {
    const { podCidrs, poolBlocks, labels } = nodeFacts(snapshot, name, this.#ipam);
    const cidrs = [...podCidrs, ...poolBlocks.flatMap(each => each.cidrs)];
    const [ipv4Cidr, ...ipv4Secondary] = cidrs.filter(each => each.address.family === 'ipv4');
    const [ipv6Cidr, ...ipv6Secondary] = cidrs.filter(each => each.address.family === 'ipv6');
    return {
      name,
      cluster: this.#own.name,
      clusterId: this.#own.id,
      addresses: addressesOf(node, cilium),
      ipv4Cidr,
      ipv4Secondary,
      ipv6Cidr,
      ipv6Secondary,
      ipv4Health: undefined,
      ipv6Health: undefined,
      ipv4Ingress: undefined,
      ipv6Ingress: undefined,
      source: cilium === undefined ? 'k8s' : 'custom-resource',
      encryptionKey: 0,
      labels,
      annotations: undefined,
      wireguardKey: '',
      bootId: '',
    };
  }
}

/** The configuration that others read first. */
export function ownClusterConfig({ id }: ClusterIdentity, clustersMax: ClustersMax): Uint8Array {
  return ClusterConfig.write({
    id,
    syncedCanaries: true,
    cached: false,
    maxConnectedClusters: clustersMax,
    serviceExportsEnabled: undefined,
    endpointSlicesExportMode: '',
  });
}

function addressesOf(node: Node | undefined, cilium: CiliumNode | undefined): readonly RecordAddress[] {
  const all = [...(node?.status.addresses ?? []), ...(cilium?.spec.addresses ?? [])];
  const byText = new Map(all.map(({ type, address }) => [`${type} ${IpAddress.format(address)}`, { type, address }]));
  return [...byText.values()];
}

function lengthOf(list: unknown): number {
  return Array.isArray(list) ? list.length : -1;
}

function sameOctets(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, i) => octet === b[i]);
}
