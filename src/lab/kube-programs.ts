/**
 * Where kube-apiserver, etcd, kubectl and kube-proxy are. Looked for in KUBEBUILDER_ASSETS, on the PATH if the version
 * is new enough, and in the user's cache directory, into which a checkout builds them once.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

export const kubernetesVersion = 'v1.34.4';

interface Program {
  readonly askVersion: readonly string[];
  /** The least that is taken from the PATH. */
  readonly min: readonly number[];
}

const programs = {
  // From 3.5.13 on the API server can ask it how far a watch has come, and lists from its own cache.
  etcd: { askVersion: ['--version'], min: [3, 5, 13] },
  'kube-apiserver': { askVersion: ['--version'], min: [1, 33] },
  // One minor version from the server's, else it warns of the skew.
  kubectl: { askVersion: ['version', '--client'], min: [1, 33] },
  'kube-proxy': { askVersion: ['--version'], min: [1, 33] },
} as const satisfies Record<string, Program>;
export type KubeProgram = keyof typeof programs;

export function cacheFolder(): string {
  const caches = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  return join(caches, 'herald', `kubernetes-${kubernetesVersion}`);
}

const found = new Map<KubeProgram, string | undefined>();

/** The path of a program, or undefined. */
export function findProgram(name: KubeProgram): string | undefined {
  if (!found.has(name)) found.set(name, look(name));
  return found.get(name);
}

/** The path of a program that must be there. */
export function program(name: KubeProgram): string {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`there is no ${name} here`);
  return path;
}

/** Folders that nodes of a cluster run programs of. */
export function kubeFolders(): readonly string[] {
  return (['kubectl', 'kube-proxy'] as const).flatMap(name => {
    const path = findProgram(name);
    return path === undefined ? [] : [dirname(path)];
  });
}

/** What an API server of one's own is lacking here. */
export function missingForServer(also: readonly KubeProgram[] = []): readonly (KubeProgram | 'openssl')[] {
  const names = [...(['etcd', 'kube-apiserver', 'kubectl'] as const), ...also];
  const missing = names.filter(name => findProgram(name) === undefined);
  return spawnSync('openssl', ['version']).status === 0 ? missing : [...missing, 'openssl'];
}

function look(name: KubeProgram): string | undefined {
  const assets = process.env['KUBEBUILDER_ASSETS'];
  if (assets && existsSync(join(assets, name))) return join(assets, name);
  for (const folder of (process.env['PATH'] ?? '').split(':')) {
    const path = join(folder, name);
    if (folder !== '' && existsSync(path) && isNewEnough(path, programs[name])) return path;
  }
  const cached = join(cacheFolder(), name);
  return existsSync(cached) ? cached : undefined;
}

function isNewEnough(path: string, { askVersion, min }: Program): boolean {
  const said = spawnSync(path, [...askVersion], { encoding: 'utf8', timeout: 10_000 }).stdout ?? '';
  const version = /(\d+)\.(\d+)\.(\d+)/.exec(said)?.slice(1).map(Number);
  if (version === undefined) return false;
  const differing = min.findIndex((least, i) => version[i] !== least);
  return differing < 0 || (version[differing] ?? 0) > (min[differing] ?? 0);
}
