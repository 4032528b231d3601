/**
 * Builds the programs that a real API server needs (the Kubernetes suites, `npm start -- --kube`) and that are not
 * here, once for this user, from Go modules whose versions and hashes are in kube/. Whatever goes wrong is one line:
 * what needs them then says so, or skips.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder, findProgram, type KubeProgram, kubernetesVersion } from '../src/lab/kube-programs.ts';

const moduleFolder = fileURLToPath(new URL('kube', import.meta.url));

/** Main packages, of the modules that kube/go.mod names. */
const packages = {
  etcd: 'go.etcd.io/etcd/server/v3',
  'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
  kubectl: 'k8s.io/kubernetes/cmd/kubectl',
  'kube-proxy': 'k8s.io/kubernetes/cmd/kube-proxy',
} as const satisfies Record<KubeProgram, string>;

const missing = (Object.keys(packages) as KubeProgram[]).filter(name => findProgram(name) === undefined);
if (missing.length > 0) await build();

async function build(): Promise<void> {
  const go = ['go', '/usr/local/go/bin/go'].find(path => spawnSync(path, ['version']).status === 0);
  if (go === undefined) {
    console.error(`herald: no ${missing.join(', ')} and no Go to build them: what needs a Kubernetes API is left out`);
    return;
  }
  const folder = cacheFolder();
  console.error(
    `herald: building ${missing.join(', ')} (Kubernetes ${kubernetesVersion}) into ${folder}, once; about 5 minutes`,
  );
  mkdirSync(folder, { recursive: true });
  for (const name of missing) {
    const said = await goBuild(go, name, folder);
    if (said !== undefined) {
      console.error(`herald: could not build ${name}: ${said}; what needs a Kubernetes API is left out`);
      return;
    }
  }
}

/** Undefined when it was built; otherwise why not. */
async function goBuild(go: string, name: KubeProgram, folder: string): Promise<string | undefined> {
  const unfinished = join(folder, `.${name}-${process.pid}`);
  const words = ['build', '-trimpath', '-buildvcs=false', '-ldflags', linkerFlags(), '-o', unfinished];
  const child = spawn(go, [...words, packages[name]], {
    cwd: moduleFolder,
    env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=readonly' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4096);
  });
  const status = await new Promise<number | null>(resolve => {
    child.once('error', () => resolve(null));
    child.once('close', resolve);
  });
  if (status === 0 && existsSync(unfinished)) {
    renameSync(unfinished, join(folder, name));
    return undefined;
  }
  rmSync(unfinished, { force: true });
  return said.trim().split('\n').at(-1) || `go build ended with ${status}`;
}

/** Without them the server calls itself v0.0.0, and clients misbehave. */
function linkerFlags(): string {
  const [major = '', minor = ''] = kubernetesVersion.slice(1).split('.');
  const facts = { gitVersion: kubernetesVersion, gitMajor: major, gitMinor: minor };
  const variables = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'];
  const set = variables.flatMap(name => Object.entries(facts).map(([key, value]) => `-X ${name}.${key}=${value}`));
  return ['-s', '-w', ...set].join(' ');
}
