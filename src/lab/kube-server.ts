/**
 * An API server of one's own: the words that start etcd and kube-apiserver as a cluster without machines, and what
 * lets somebody in. RBAC decides what they may do. Reached on this host's loopback address alone.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Certificate } from './kube-certificates.ts';
import { program } from './kube-programs.ts';

/** `etcd` and `peer` are etcd's own. */
export interface ServerPorts {
  readonly api: number;
  readonly etcd: number;
  readonly peer: number;
}

/** Files of the server in a folder: keys are made there before it starts. */
export const ServerFiles = {
  /** Name of the server's own certificate, as `Authority.issue` takes it. */
  certificate: 'server',
  accountsKey: (folder: string) => join(folder, 'service-accounts.key'),
  accountsPublicKey: (folder: string) => join(folder, 'service-accounts.pub'),
} as const;

export function etcdWords(folder: string, ports: ServerPorts): readonly string[] {
  const [client, peer] = [ports.etcd, ports.peer].map(port => `http://127.0.0.1:${port}`);
  const flags = {
    'data-dir': join(folder, 'etcd'),
    'listen-client-urls': client,
    'advertise-client-urls': client,
    'listen-peer-urls': peer,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': `default=${peer}`,
    'unsafe-no-fsync': 'true',
    'log-level': 'warn',
  };
  return [program('etcd'), ...words(flags)];
}

/** `ca` is the PEM file of whose certificates are believed; `serviceSubnets` one of each family, or one. */
export function apiServerWords(
  folder: string,
  ports: ServerPorts,
  { ca, serviceSubnets }: { readonly ca: string; readonly serviceSubnets: readonly string[] },
): readonly string[] {
  const flags = {
    'etcd-servers': `http://127.0.0.1:${ports.etcd}`,
    'cert-dir': join(folder, 'api'),
    'bind-address': '127.0.0.1',
    // Without a default route it would find no address of its own.
    'advertise-address': '127.0.0.1',
    'secure-port': String(ports.api),
    'tls-cert-file': join(folder, `${ServerFiles.certificate}.crt`),
    'tls-private-key-file': join(folder, `${ServerFiles.certificate}.key`),
    'client-ca-file': ca,
    'service-account-key-file': ServerFiles.accountsPublicKey(folder),
    'service-account-signing-key-file': ServerFiles.accountsKey(folder),
    'service-account-issuer': 'https://localhost',
    'authorization-mode': 'RBAC',
    'service-cluster-ip-range': serviceSubnets.join(','),
    // Nobody makes the default service account of a namespace, and no controller takes the taint off a new node.
    'disable-admission-plugins': 'ServiceAccount,TaintNodesByCondition',
    // Endpoints of the `kubernetes` Service are never asked for.
    'endpoint-reconciler-type': 'none',
  };
  return [program('kube-apiserver'), ...words(flags)];
}

function words(flags: Readonly<Record<string, string | undefined>>): readonly string[] {
  return Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
}

/** A kubeconfig with everything in it. */
export function kubeconfigText(server: string, ca: string, { certificate, key }: Certificate): string {
  const base64 = (path: string) => readFileSync(path).toString('base64');
  const name = 'herald';
  const document = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server, 'certificate-authority-data': base64(ca) } }],
    users: [{ name, user: { 'client-certificate-data': base64(certificate), 'client-key-data': base64(key) } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  };
  return `${JSON.stringify(document, null, 1)}\n`;
}
