/**
 * The mesh in `herald install --set mesh.…`: which options the two roles get, and which Secrets they see as files. The
 * folders are Cilium's, for files in these Secrets name each other by their whole path. Cluster mesh reference §2.1.
 */
import type { RawObject } from '../api/object.ts';
import { UsageError } from './command.ts';
import type { InstalledRole, InstallSettings } from './install-settings.ts';
import { ownCluster } from './mesh-options.ts';

const both = ['operator', 'agent'] as const;

/** Options by another name, for the roles that do something with them. */
export const meshAliases = {
  'mesh.cluster-name': { option: 'cluster-name', roles: both, about: 'naming it turns pod routes on' },
  'mesh.cluster-id': { option: 'cluster-id', roles: both, about: 'from 1 on; needed where there are other clusters' },
  'mesh.max-clusters': { option: 'max-connected-clusters', roles: both, about: '255 or 511' },
  'mesh.etcd': { option: 'mesh-etcd', roles: ['operator'], about: 'URL of this cluster’s own etcd, to publish in' },
  'mesh.routing': { option: 'mesh-routing', roles: ['agent'], about: 'auto, direct, bgp or vxlan' },
  'mesh.import': { option: 'mesh-import', roles: ['agent'], about: 'CIDR,…: pod ranges that are taken from BGP' },
  'mesh.advertise-remote': { option: 'mesh-advertise-remote', roles: ['agent'], about: 'true: says them over BGP' },
} as const satisfies Record<
  string,
  { readonly option: string; readonly roles: readonly InstalledRole[]; readonly about: string }
>;

export const meshKeys = {
  'mesh.peers-secret': {
    default: 'herald-clustermesh',
    about: 'Secret with a file for each other cluster; it may come later',
  },
  'mesh.etcd-secret': { default: '', about: 'Secret with etcd.config, and its certificates, instead of mesh.etcd' },
} as const;

const folders = { peers: '/var/lib/cilium/clustermesh', etcd: '/var/lib/etcd-secrets' } as const;

/** What a role is told besides what was set. Throws UsageError for a mesh that nobody could run. */
export function meshPresets(
  role: InstalledRole,
  options: Readonly<Record<string, string>>,
  etcdSecret: string,
): Readonly<Record<string, string>> {
  const own = ownCluster({
    'cluster-name': options['cluster-name'],
    'cluster-id': options['cluster-id'] ?? '0',
    'clustermesh-config': undefined,
    'max-connected-clusters': options['max-connected-clusters'] ?? '255',
  });
  const asked = Object.values(meshAliases).find(({ option }) => options[option] !== undefined);
  if (own === undefined) {
    if (asked !== undefined || etcdSecret !== '') throw new UsageError('a mesh needs --set mesh.cluster-name');
    return {};
  }
  if (own.id === 0) {
    if (options['mesh-etcd'] !== undefined || etcdSecret !== '')
      throw new UsageError('with other clusters this one needs an ID: --set mesh.cluster-id');
    return {};
  }
  if (role === 'agent') return { 'clustermesh-config': folders.peers };
  return etcdSecret === '' ? {} : { 'mesh-etcd': `${folders.etcd}/etcd.config` };
}

interface Mounted {
  readonly mounts: readonly RawObject[];
  readonly volumes: readonly RawObject[];
}

/** Secrets that a role sees as files, which follow what is in them. */
export function meshMounts(role: InstalledRole, { keys, options }: InstallSettings): Mounted {
  const seen: { readonly name: string; readonly folder: string; readonly secret: RawObject }[] = [];
  if (role === 'agent' && options.agent['clustermesh-config'] === folders.peers)
    seen.push({
      name: 'clustermesh',
      folder: folders.peers,
      secret: { secretName: keys['mesh.peers-secret'], optional: true },
    });
  if (role === 'operator' && keys['mesh.etcd-secret'] !== '')
    seen.push({ name: 'mesh-etcd', folder: folders.etcd, secret: { secretName: keys['mesh.etcd-secret'] } });
  return {
    mounts: seen.map(({ name, folder }) => ({ name, mountPath: folder, readOnly: true })),
    volumes: seen.map(({ name, secret }) => ({ name, secret })),
  };
}
