/** Who talks to a lab's API server, and where their kubeconfigs are. */
import { join } from 'node:path';
import { LabFolder } from './cluster-facts.ts';
import type { Subject } from './kube-certificates.ts';

/** Where `herald install` puts Herald unless told otherwise, and with it the leases. */
export const heraldNamespace = 'kube-system';

const accounts = ['system:serviceaccounts', `system:serviceaccounts:${heraldNamespace}`, 'system:authenticated'];
const account = (name: string): Subject => ({
  name: `system:serviceaccount:${heraldNamespace}:${name}`,
  groups: accounts,
});

/** Who there is; RBAC says what they may do. */
export const identities = {
  admin: { name: 'admin', groups: ['system:masters'] },
  controller: { name: 'herald-lab', groups: ['system:masters'] },
  operator: account('herald-operator'),
  agent: account('herald-agent'),
  proxy: { name: 'system:kube-proxy' },
} as const satisfies Record<string, Subject>;
type KubeIdentity = keyof typeof identities;

export function kubeconfigOf(folder: string, identity: KubeIdentity): string {
  return join(LabFolder.kube(folder), `${identity}.kubeconfig`);
}
