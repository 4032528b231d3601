/** Herald as it is measured on Kubernetes: the built package, installed as its manifests say. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Product, type Program, site } from './bench-kube-product.ts';

const command = fileURLToPath(new URL('../build/herald/bin/herald', import.meta.url));
const ports = { operator: 21_792, agent: 21_793 } as const;

const objects = [
  {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumLoadBalancerIPPool',
    metadata: { name: 'pool' },
    spec: { blocks: [{ cidr: site.pool }] },
  },
  {
    apiVersion: 'cilium.io/v2alpha1',
    kind: 'CiliumBGPPeeringPolicy',
    metadata: { name: 'all' },
    spec: {
      virtualRouters: [
        {
          localASN: site.asn,
          serviceSelector: { matchExpressions: [{ key: 'nobody', operator: 'DoesNotExist' }] },
          neighbors: [
            {
              connectRetryTimeSeconds: 1,
              peerAddress: `${site.router.address}/32`,
              peerASN: site.router.asn,
              peerPort: site.router.port,
            },
          ],
        },
      ],
    },
  },
];

export const herald: Product = {
  name: 'Herald',
  missing: () => (existsSync(command) ? undefined : 'no build/herald: npm run build'),
  namespace: 'kube-system',
  manifests: () => {
    const install = spawnSync(command, ['install'], { encoding: 'utf8', maxBuffer: 2 ** 26 });
    if (install.status !== 0) throw new Error(install.stderr);
    return install.stdout;
  },
  objects,
  programs: [program('operator'), program('agent', ['--node', site.node])],
};

function program(role: keyof typeof ports, more: readonly string[] = []): Program {
  const listen = `127.0.0.1:${ports[role]}`;
  return {
    name: role,
    account: `herald-${role}`,
    command,
    words: (kubeconfig, folder) => [
      ...[role, '--kubeconfig', kubeconfig, '--socket', `${folder}/sock`, '--listen', listen],
      ...more,
    ],
    ready: `http://${listen}/readyz`,
  };
}
