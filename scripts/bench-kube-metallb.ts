/**
 * MetalLB as it is measured on Kubernetes: controller and speaker with BGP in their own implementation, built once for
 * this user from the Go module, installed from the manifests that are in it. Its webhooks, which check its own objects
 * when they are written, are left out: nothing serves them outside a cluster.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Product, type Program, site } from './bench-kube-product.ts';

const go = 'go.universe.tf/metallb';
const version = 'v0.16.1';
const namespace = 'metallb-system';
const folder = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'herald', `metallb-${version}`);
const kinds = /^kind: (Namespace|CustomResourceDefinition|ServiceAccount|(Cluster)?Role(Binding)?|ConfigMap|Secret)$/m;
const ports = {
  controller: { health: 21_794, metrics: 21_795 },
  speaker: { health: 21_796, metrics: 21_797 },
} as const;
type Name = keyof typeof ports;
const names = Object.keys(ports) as readonly Name[];

const objects = [
  ...names.map(name => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: 'metallb', component: name } },
    spec: { nodeName: site.node, containers: [{ name, image: name }] },
  })),
  {
    apiVersion: 'metallb.io/v1beta1',
    kind: 'IPAddressPool',
    metadata: { name: 'pool', namespace },
    spec: { addresses: [site.pool] },
  },
  {
    apiVersion: 'metallb.io/v1beta2',
    kind: 'BGPPeer',
    metadata: { name: 'router', namespace },
    spec: {
      myASN: site.asn,
      peerASN: site.router.asn,
      peerAddress: site.router.address,
      peerPort: site.router.port,
      routerID: site.routerId,
    },
  },
  { apiVersion: 'metallb.io/v1beta1', kind: 'BGPAdvertisement', metadata: { name: 'all', namespace }, spec: {} },
];

export const metallb: Product = {
  name: `MetalLB ${version}`,
  missing: () => {
    const absent = () => names.some(name => !existsSync(join(folder, name)));
    if (!absent()) return undefined;
    console.error(`building MetalLB ${version} into ${folder}, once; some minutes`);
    const words = ['install', '-trimpath', '-ldflags', '-s -w', ...names.map(name => `${go}/${name}@${version}`)];
    const env = { ...process.env, GOBIN: folder, CGO_ENABLED: '0' };
    const built = spawnSync('go', words, { env, stdio: ['ignore', 'ignore', 'inherit'], cwd: '/' });
    return built.status === 0 && !absent() ? undefined : 'MetalLB cannot be built here: that takes Go and its proxy';
  },
  namespace,
  manifests: () => {
    const { stdout } = spawnSync('go', ['mod', 'download', '-json', `${go}@${version}`], {
      encoding: 'utf8',
      cwd: '/',
    });
    const { Dir: source } = JSON.parse(stdout) as { readonly Dir: string };
    const all = readFileSync(join(source, 'config/manifests/metallb-native.yaml'), 'utf8').split(/^---$/m);
    return all.filter(each => kinds.test(each)).join('---\n');
  },
  objects,
  programs: names.map(program),
};

function program(name: Name): Program {
  const { health, metrics } = ports[name];
  return {
    name,
    account: name,
    command: join(folder, name),
    words: () => [
      ...['--port', String(metrics), '--health-probe-port', String(health)],
      ...['--namespace', namespace, '--pod-name', name],
      ...(name === 'controller' ? ['--webhook-mode', 'disabled'] : ['--node-name', site.node]),
    ],
    env: kubeconfig => ({ KUBECONFIG: kubeconfig, METALLB_BGP_TYPE: 'native' }),
    ready: `http://127.0.0.1:${health}/readyz`,
  };
}
