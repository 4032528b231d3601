/** What a lab needs of this host, by name; known before anything is made. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, missingForServer } from './kube-programs.ts';
import { frrMissing } from './router.ts';
import type { Topology } from './topology.ts';

/** Programs that places and links are made with, and Debian's packages of them. */
const programs: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  mount: 'mount',
  nsenter: 'util-linux',
  pivot_root: 'util-linux',
  unshare: 'util-linux',
};

/** Empty when there is nothing to miss. */
export function labMissing(topology: Topology): readonly string[] {
  if (process.platform !== 'linux') return ['a lab needs Linux: its nodes are network namespaces'];
  if (process.getuid?.() !== 0) return ['a lab needs root: it makes network namespaces and mounts'];
  const missing = Object.entries(programs).flatMap(([name, home]) =>
    isInstalled(name) ? [] : [`${name} is not installed (package ${home})`],
  );
  if (!/\toverlay$/m.test(readFileSync('/proc/filesystems', 'utf8')))
    missing.push('the kernel has no overlay file system (modprobe overlay)');
  const frr = topology.nodes.some(node => node.role === 'frr') ? frrMissing() : undefined;
  return frr === undefined ? missing : [...missing, frr];
}

/** For an API server of the lab's own. */
export function kubeMissing(): readonly string[] {
  const where = `KUBEBUILDER_ASSETS, the PATH or ${cacheFolder()}; scripts/kube-build.ts builds them`;
  const missing = missingForServer();
  return missing.length === 0 ? [] : [`--kube needs ${missing.join(', ')}: in ${where}`];
}

function isInstalled(program: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin', '/usr/bin', '/bin'];
  return folders.some(folder => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
