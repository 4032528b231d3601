/** `cilium/cluster-config/<name>`: what a cluster says about itself and its state. Reference §1.2, §1.3. */
import type { ClusterIdentity, ClustersMax } from './cluster.ts';
import { Fields, parseJson, writeJson } from './go-json.ts';
import { MeshRefusal } from './reason.ts';

/** Absent fields of the JSON are what a writer too old for them means: false, 0, undefined, ''. */
export interface ClusterConfig {
  readonly id: number;
  /** There are canaries: a resource is read once its canary is there. */
  readonly syncedCanaries: boolean;
  /** The state is a mirror's, below `cilium/cache`. */
  readonly cached: boolean;
  /** 255 or 511; 0: too old to say. */
  readonly maxConnectedClusters: number;
  /** Undefined: too old for it. */
  readonly serviceExportsEnabled: boolean | undefined;
  readonly endpointSlicesExportMode: string;
}

const exportModes = ['', 'services-and-endpointslices', 'endpointslices-only'];
const configOctetsMax = 65_536;

export const ClusterConfig = {
  read(bytes: Uint8Array): ClusterConfig | MeshRefusal {
    const bad = MeshRefusal.of('bad-cluster-config');
    const fields = bytes.length > configOctetsMax ? undefined : Fields.of(parseJson(bytes));
    const capabilities = Fields.of(fields?.get('capabilities') ?? {});
    if (fields === undefined || capabilities === undefined) return bad;
    const id = fields.get('id') ?? 0;
    const max = capabilities.get('maxConnectedClusters') ?? 0;
    const flags = ['syncedCanaries', 'cached', 'serviceExportsEnabled'].map(name => capabilities.get(name));
    const mode = capabilities.get('endpointSlicesExportMode') ?? '';
    if (!isUint32(id) || !isUint32(max) || typeof mode !== 'string' || !flags.every(isFlag)) return bad;
    const [syncedCanaries = false, cached = false, serviceExportsEnabled] = flags.filter(isFlag);
    return {
      id,
      syncedCanaries,
      cached,
      maxConnectedClusters: max,
      serviceExportsEnabled,
      endpointSlicesExportMode: mode,
    };
  },

  /** Fields that say nothing are left out. */
  write(config: ClusterConfig): Uint8Array {
    return writeJson({
      id: config.id || undefined,
      capabilities: {
        syncedCanaries: config.syncedCanaries || undefined,
        cached: config.cached || undefined,
        maxConnectedClusters: config.maxConnectedClusters || undefined,
        serviceExportsEnabled: config.serviceExportsEnabled,
        endpointSlicesExportMode: config.endpointSlicesExportMode || undefined,
      },
    });
  },

  /**
   * Why a peer with this configuration is refused; undefined: it is not. That its ID is nobody else's is for whoever
   * knows all peers.
   */
  refusal(config: ClusterConfig, own: ClusterIdentity, clustersMax: ClustersMax): MeshRefusal | undefined {
    const { id, maxConnectedClusters: theirs } = config;
    if (id === 0) return MeshRefusal.of('id-zero');
    if (id > clustersMax) return MeshRefusal.of('id-out-of-range', `${id}, of ${clustersMax}`);
    // A cluster that is too old to say has 255.
    if ((theirs === 0 ? 255 : theirs) !== clustersMax)
      return MeshRefusal.of('max-clusters-mismatch', `${theirs === 0 ? 'not said' : theirs}, here ${clustersMax}`);
    if (!exportModes.includes(config.endpointSlicesExportMode))
      return MeshRefusal.of('bad-export-mode', config.endpointSlicesExportMode.slice(0, 64));
    return id === own.id ? MeshRefusal.of('id-is-ours', String(id)) : undefined;
  },
};

function isUint32(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
}

function isFlag(value: unknown): value is boolean | undefined {
  return value === undefined || typeof value === 'boolean';
}
