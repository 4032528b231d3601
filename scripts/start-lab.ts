/** The lab of `npm start`: brought up, shown step by step, kept until Ctrl-C, and removed whatever happens. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { missingForServer, program } from '../src/lab/kube-programs.ts';
import { labName } from './start-ask.ts';
import { applyAndWatch } from './start-kube.ts';
import { Show } from './start-show.ts';
import { addresses, steps } from './start-steps.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const topology = 'examples/lab/topology.clab.yml';
/** Who started it, from before there is a lab until after it is gone: one whose starter has ended is left over. */
const starterFile = '/run/herald-start.pid';

/** Programs that the lab and its steps are made with, and Debian's packages of them. */
const programs: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  nft: 'nftables',
  vtysh: 'frr',
  arping: 'arping',
  ndisc6: 'ndisc6',
  curl: 'curl',
};

/** Empty when there is nothing to miss. */
export function labMissing(): readonly string[] {
  if (process.platform !== 'linux') return ['Linux'];
  const absent = Object.entries(programs).filter(
    ([name]) =>
      spawnSync('sh', ['-c', `command -v ${name}`], { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } }).status !== 0,
  );
  return [...(process.getuid?.() === 0 ? [] : ['root']), ...absent.map(([, from]) => `the package ${from}`)];
}

export interface StartOptions {
  /** It ends after the checks. */
  readonly once: boolean;
  /** Objects are in a real API server, applied with kubectl. */
  readonly kube: boolean;
}

/** Programs of Kubernetes are built where they can be; what is missing still comes back. */
export function kubeMissing(): readonly string[] {
  spawnSync(process.execPath, [`${root}scripts/kube-build.ts`], { stdio: 'inherit' });
  return missingForServer();
}

/** The exit status. */
export async function startLab({ once, kube }: StartOptions): Promise<number> {
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => abort.abort(signal));
  const show = new Show(abort.signal);
  const startedMs = performance.now();
  if (isTaken()) {
    console.error(`a lab ${labName} stands already; end it with: bin/herald lab down ${labName}`);
    return 1;
  }
  writeFileSync(starterFile, String(process.pid));
  try {
    show.step('The lab: two routers, three nodes, two clients');
    const manifests = 'examples/lab/manifests';
    const words = kube ? ['--kube', '--manifests', `${manifests}/nodes.yaml`] : ['--manifests', manifests];
    const up = await show.herald('lab', 'up', topology, ...words);
    show.check('everything stands', up.status === 0);
    // What is named above would be waited for in vain.
    if (up.status === 0) {
      await addresses(show, kube ? applyAndWatch : undefined);
      for (const step of steps) await step(show);
    }
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
    const { failed, checks } = show;
    show.say(`\n${checks - failed.length} of ${checks} checks hold, after ${seconds} s`);
    show.say(`   steps: ${show.stepSeconds.map(each => `${each.toFixed(1)} s`).join(', ')}`);
    for (const each of failed) show.say(`  ✗ ${each}`);
    if (!once) await stay(show, kube, abort.signal);
    return failed.length === 0 ? 0 : 1;
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    return 130;
  } finally {
    remove();
  }
}

/** By somebody else; a lab of a run that was killed is removed at once. */
function isTaken(): boolean {
  const starter = starterState();
  if (starter === 'runs') return true;
  if (!stands()) return false;
  if (starter === 'nobody') return true;
  console.log('removing what a former run left');
  herald('lab', 'down', labName);
  return false;
}

function stands(): boolean {
  const listed = JSON.parse(herald('lab', 'ls', '-o', 'json') || '[]') as { name: string }[];
  return listed.some(({ name }) => name === labName);
}

function starterState(): 'nobody' | 'runs' | 'ended' {
  if (!existsSync(starterFile)) return 'nobody';
  try {
    const words = readFileSync(`/proc/${Number(readFileSync(starterFile, 'utf8'))}/cmdline`, 'utf8');
    // Another process may have the number now.
    return words.includes('start.ts') ? 'runs' : 'ended';
  } catch {
    return 'ended';
  }
}

function stay(show: Show, kube: boolean, signal: AbortSignal): Promise<void> {
  const follow = kube ? kubeHint() : 'Edit examples/lab/manifests: the lab follows.';
  show.say(`
The lab stands until Ctrl-C. In another terminal:
  bin/herald lab ls
  bin/herald lab exec client bash
  bin/herald lab exec tor0 vtysh
  bin/herald l2 --socket /run/herald-lab/${labName}/sockets/agent-node0.sock
${follow}`);
  return new Promise(resolve => {
    // Signals alone do not keep a process alive.
    const alive = setInterval(() => {}, 60_000);
    const end = () => {
      clearInterval(alive);
      resolve();
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}

function kubeHint(): string {
  const kubectl = `${program('kubectl')} --kubeconfig /run/herald-lab/${labName}/kube/admin.kubeconfig`;
  return `The API server is yours:\n  ${kubectl} get services --all-namespaces --watch`;
}

function remove(): void {
  if (stands()) process.stdout.write(`\n$ bin/herald lab down\n${herald('lab', 'down', labName)}`);
  rmSync(starterFile, { force: true });
}

/** To its end, whatever signals come meanwhile. */
function herald(...words: string[]): string {
  const { stdout } = spawnSync(`${root}bin/herald`, words, { cwd: root, encoding: 'utf8', detached: true } as object);
  return String(stdout);
}
