/** kube-proxy itself, in nftables mode, on each node of a lab with a real API server: it carries Services' traffic. */
import type { Member } from './agents.ts';
import { LabFolder } from './cluster-facts.ts';
import { kubeconfigOf } from './kube-identities.ts';
import { program } from './kube-programs.ts';
import type { LabParts } from './lab-parts.ts';
import type { Place } from './place.ts';

/** Connection tracking is this host's: its limits are left alone. */
const flags = [
  '--proxy-mode=nftables',
  '--detect-local-mode=NodeCIDR',
  '--conntrack-max-per-core=0',
  '--conntrack-min=0',
  '--conntrack-tcp-timeout-established=0',
  '--conntrack-tcp-timeout-close-wait=0',
] as const;

export async function startProxies({ folder }: LabParts, nodes: readonly Place[]): Promise<readonly Member[]> {
  const kubeconfig = `--kubeconfig=${kubeconfigOf(folder, 'proxy')}`;
  return await Promise.all(
    nodes.map(async place => {
      const name = `kube-proxy-${place.name}`;
      const log = LabFolder.log(folder, name);
      const words = [program('kube-proxy'), kubeconfig, `--hostname-override=${place.name}`, ...flags];
      return { name, log, pid: await place.spawn(words, { log }), socket: undefined };
    }),
  );
}
