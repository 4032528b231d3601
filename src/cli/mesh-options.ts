/** The options of the mesh, and what they mean: who we are in it, where the others are, how their pods are reached. */
import type { PodImport } from '../control/mesh-bgp.ts';
import { ClusterIdentity, type ClustersMax } from '../mesh/cluster.ts';
import { type RouteRules, type RoutingMode, routingModes } from '../mesh/routing.ts';
import { Prefix } from '../net/prefix.ts';
import type { OverlayChoices } from '../runtime/mesh-kernel.ts';
import { numberOption, type Options, type OptionValues, UsageError } from './command.ts';

/** Of every command that works on the mesh's files. */
export const clusterOptions = {
  'cluster-name': {
    type: 'string',
    value: 'NAME',
    about: 'this cluster’s name in the mesh; naming it turns pod routes on',
  },
  'cluster-id': { type: 'string', default: '0', value: 'ID', about: 'this cluster’s ID in the mesh, from 1 on' },
  'clustermesh-config': {
    type: 'string',
    value: 'DIR',
    about: 'folder with one file for each other cluster, as Cilium has it; watched',
  },
  'max-connected-clusters': {
    type: 'string',
    oneOf: ['255', '511'],
    default: '255',
    value: 'COUNT',
    about: 'how many clusters the mesh is set up for',
  },
} as const satisfies Options;

export const meshOptions = {
  ...clusterOptions,
  'mesh-etcd': {
    type: 'string',
    value: 'FILE|URL',
    about: 'this cluster’s own etcd, where its state is published: a URL, or a file like those of other clusters',
  },
  'mesh-routing': {
    type: 'string',
    oneOf: routingModes,
    default: 'auto',
    value: 'WAY',
    about: 'how nodes are reached: as next hops on the link, as BGP taught, over VXLAN; auto takes the first there is',
  },
  'mesh-import': {
    type: 'string',
    multiple: true,
    value: 'CIDR',
    about: 'take routes for pods from BGP peers that lie in this range',
  },
  'mesh-import-default': { type: 'boolean', about: 'take a default route from BGP peers as well' },
  'mesh-advertise-remote': {
    type: 'boolean',
    about: 'announce other clusters’ PodCIDRs to BGP peers, marked with the cluster they come from',
  },
  'mesh-table': { type: 'string', default: '254', value: 'TABLE', about: 'routing table for pod routes (254: main)' },
  'mesh-vni': {
    type: 'string',
    default: '26732',
    value: 'VNI',
    about: 'identifier of the overlay; everywhere the same',
  },
  'mesh-vxlan-port': { type: 'string', default: '4789', value: 'PORT', about: 'UDP port of the overlay' },
} as const satisfies Options;

export interface MeshSettings {
  readonly own: ClusterIdentity;
  readonly clustersMax: ClustersMax;
  readonly folder: string | undefined;
  readonly etcd: string | undefined;
  readonly import: PodImport;
  readonly rules: RouteRules;
  readonly advertiseRemote: boolean;
  readonly table: number;
  readonly overlay: OverlayChoices;
}

/** Undefined: there is no mesh. */
export function meshSettings(options: OptionValues<typeof meshOptions>): MeshSettings | undefined {
  const own = ownCluster(options);
  const { 'clustermesh-config': folder, 'mesh-etcd': etcd } = options;
  if (own === undefined) {
    if (folder !== undefined || etcd !== undefined)
      throw new UsageError('a mesh needs --cluster-name and --cluster-id');
    return undefined;
  }
  if (own.id === 0 && (folder !== undefined || etcd !== undefined))
    throw new UsageError('with other clusters this one needs an ID: --cluster-id');
  const ranges = options['mesh-import'].flatMap(text => text.split(',')).map(prefixOf);
  const defaultRoute = options['mesh-import-default'];
  const overlay = {
    name: 'herald.vx',
    vni: numberOption('mesh-vni', options['mesh-vni'], { min: 1, max: 2 ** 24 - 1 }),
    port: numberOption('mesh-vxlan-port', options['mesh-vxlan-port'], { min: 1, max: 65_535 }),
  };
  return {
    own,
    clustersMax: options['max-connected-clusters'] === '511' ? 511 : 255,
    folder,
    etcd,
    import: { ranges, defaultRoute },
    rules: {
      mode: modeOf(options['mesh-routing']),
      podRanges: ranges,
      importDefault: defaultRoute,
      overlayLink: overlay.name,
    },
    advertiseRemote: options['mesh-advertise-remote'],
    table: numberOption('mesh-table', options['mesh-table'], { min: 1, max: 2 ** 32 - 1 }),
    overlay,
  };
}

/** ID 0: there are no other clusters. Undefined: nobody named it. */
export function ownCluster(options: OptionValues<typeof clusterOptions>): ClusterIdentity | undefined {
  const name = options['cluster-name'];
  if (name === undefined) return undefined;
  const max = options['max-connected-clusters'] === '511' ? 511 : 255;
  const id = numberOption('cluster-id', options['cluster-id'], { min: 0, max });
  const fault = ClusterIdentity.nameFault(name);
  if (fault !== undefined && (id !== 0 || name !== 'default'))
    throw new UsageError(`--cluster-name '${name}' ${fault}`);
  return { name, id };
}

function prefixOf(text: string): Prefix {
  const prefix = Prefix.parse(text.trim());
  if (prefix === undefined) throw new UsageError(`--mesh-import takes ranges such as 10.0.0.0/8, not '${text}'`);
  return prefix;
}

function modeOf(text: string): RoutingMode {
  return routingModes.find(each => each === text) ?? 'auto';
}
