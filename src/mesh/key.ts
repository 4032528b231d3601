/**
 * Keys of the state that clusters show each other, in Cilium Cluster Mesh's layout: path elements joined by `/`,
 * nothing escaped. Reference §1.1, §1.3.
 */

/** What a cluster may export, each with its own prefix and its own canary. */
export type Resource = 'nodes' | 'services' | 'identities' | 'ip' | 'endpointslices' | 'serviceexports';

const statePrefix = 'cilium/state';
const cachePrefix = 'cilium/cache';

export const MeshKey = {
  /** Time of the last sign of life of the cluster's own writer. */
  heartbeat: 'cilium/.heartbeat',

  /** Doubled slashes collapse, a trailing one goes; `.` and `..` are names like any other. */
  join(...parts: readonly string[]): string {
    return parts
      .join('/')
      .replace(/\/{2,}/g, '/')
      .replace(/\/$/, '');
  },

  /** What is watched ends in a slash, so that `foo` never matches `foobar`. */
  watched(prefix: string): string {
    return `${MeshKey.join(prefix)}/`;
  },

  clusterConfig(cluster: string): string {
    return MeshKey.join('cilium/cluster-config', cluster);
  },

  /** Where a resource of a cluster is, `cilium/state/nodes/v1`; `cached`: in a mirror, below `cilium/cache`. */
  resource(resource: Resource, cached = false): string {
    const key = MeshKey.join(statePrefix, resource, 'v1');
    return cached ? MeshKey.toCache(key) : key;
  },

  /** To be watched for the nodes of a cluster. */
  nodes(cluster: string, cached = false): string {
    return MeshKey.watched(MeshKey.join(MeshKey.resource('nodes', cached), cluster));
  },

  node(cluster: string, node: string): string {
    return MeshKey.join(MeshKey.resource('nodes'), cluster, node);
  },

  /** Says that everything of a resource has been written at least once. */
  canary(cluster: string, resource: Resource, cached = false): string {
    return MeshKey.join('cilium/synced', cluster, MeshKey.resource(resource, cached));
  },

  toCache(key: string): string {
    return key === statePrefix || key.startsWith(`${statePrefix}/`) ? cachePrefix + key.slice(statePrefix.length) : key;
  },
};
