/**
 * What our own cluster shows the others: its configuration, its nodes, a sign of life, and a canary for every resource
 * that readers wait for, those of which we have nothing included. Cluster mesh reference §1.1-1.3, §2.3.
 */
import { ownClusterConfig } from '../control/mesh-nodes.ts';
import { canaryValue } from '../mesh/canary.ts';
import type { ClusterIdentity, ClustersMax } from '../mesh/cluster.ts';
import { MeshKey, type Resource } from '../mesh/key.ts';
import type { Published } from './mesh-state.ts';

/** Readers take an etcd whose sign of life is twice this old for dead. */
export const heartbeatMs = 60_000;
/** A reader is not ready before it has seen each of these. */
const shown: readonly Resource[] = ['nodes', 'services', 'identities', 'ip'];

export class MeshPublished {
  readonly #own: ClusterIdentity;
  readonly #config: Uint8Array;
  #values: ReadonlyMap<string, Uint8Array> | undefined;
  #beat = 0;
  #set: Published | undefined;

  constructor(own: ClusterIdentity, clustersMax: ClustersMax) {
    this.#own = own;
    this.#config = ownClusterConfig(own, clustersMax);
  }

  /** `nodes` by key. The same value until they change or the next sign of life is due. */
  set(nodes: ReadonlyMap<string, Uint8Array>, wallMs: number): Published {
    const beat = Math.floor(wallMs / heartbeatMs);
    if (this.#set !== undefined && nodes === this.#values && beat === this.#beat) return this.#set;
    const { name } = this.#own;
    const config = MeshKey.clusterConfig(name);
    this.#values = nodes;
    this.#beat = beat;
    this.#set = {
      owned: [MeshKey.heartbeat, config, MeshKey.nodes(name), MeshKey.watched(`cilium/synced/${name}`)],
      values: new Map([...nodes, [config, this.#config], [MeshKey.heartbeat, canaryValue(wallMs)]]),
      last: this.#set?.last ?? new Map(shown.map(each => [MeshKey.canary(name, each), canaryValue(wallMs)])),
    };
    return this.#set;
  }

  /** Somebody else publishes: when we do again, it is from the beginning. */
  forget(): void {
    this.#set = undefined;
  }
}
