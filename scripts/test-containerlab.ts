/**
 * `npm run test:containerlab`: the topology of examples/lab under containerlab itself, with an image of Herald built
 * from our Containerfile: deployed, checked as `herald lab verify` checks a lab, destroyed. Where containerlab or a
 * Docker engine is missing it says so in one line, and that it was skipped.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseYaml } from '../src/directory/yaml.ts';
import type { Check } from '../src/lab/verify.ts';
import { containerChecks } from './containerlab-checks.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = `${root}examples/lab`;
/** From our Containerfile, and the same with the programs that `exec` lines are made of. */
const images = { herald: 'herald:containerlab-test', node: 'herald:containerlab-test-tools' };
const settledMaxMs = 120_000;

const missing = missingHere();
if (missing.length === 0) process.exitCode = await test();
else console.log(`npm run test:containerlab: skipped, needs ${missing.join(' and ')}`);

function missingHere(): readonly string[] {
  const works = (command: string, ...words: string[]) => spawnSync(command, words, { timeout: 20_000 }).status === 0;
  return [
    ...(process.getuid?.() === 0 ? [] : ['root']),
    ...(works('containerlab', 'version') ? [] : ['containerlab']),
    ...(works('docker', 'info') ? [] : ['a Docker engine']),
  ];
}

/** The exit status. */
async function test(): Promise<number> {
  const work = mkdtempSync(join(tmpdir(), 'herald-containerlab-'));
  const topology = join(work, 'herald.clab.yml');
  try {
    build(work);
    writeFileSync(topology, JSON.stringify(ours(work), undefined, 2));
    run('containerlab', 'deploy', '--reconfigure', '-t', topology);
    const checks = await settled(topology);
    for (const { ok, what, from, to, seen } of checks)
      console.log([ok ? 'ok' : 'FAILED', what, from, to, seen].join('  '));
    const failed = checks.filter(({ ok }) => !ok).length;
    console.log(`${checks.length - failed} of ${checks.length} checks hold under containerlab`);
    return failed === 0 && checks.length > 0 ? 0 : 1;
  } finally {
    spawnSync('containerlab', ['destroy', '--cleanup', '-t', topology], { stdio: 'inherit' });
    rmSync(work, { recursive: true, force: true });
  }
}

function run(command: string, ...words: string[]): void {
  console.log(`$ ${command} ${words.join(' ')}`);
  const { status } = spawnSync(command, words, { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Error(`${command} ended with ${status}`);
}

function build(work: string): void {
  run('docker', 'build', '-f', 'Containerfile', '-t', images.herald, '.');
  const file = join(work, 'Containerfile');
  writeFileSync(
    file,
    `FROM ${images.herald}
USER root
RUN apt-get update && apt-get install -y --no-install-recommends iproute2 procps
`,
  );
  run('docker', 'build', '-f', file, '-t', images.node, work);
}

type Node = { [key: string]: unknown };

/** The topology as it is, but for how Herald starts: here no lab starts it, so its container does. */
function ours(work: string): unknown {
  const document = parseYaml(readFileSync(`${folder}/topology.clab.yml`, 'utf8')) as {
    topology: { groups: Record<'tor' | 'node', Node> };
  };
  const state = join(work, 'state');
  mkdirSync(state);
  chmodSync(state, 0o777);
  const { tor, node } = document.topology.groups;
  tor['binds'] = (tor['binds'] as string[]).map(each => resolve(folder, each));
  node['image'] = images.node;
  node['user'] = 'root';
  node['binds'] = [`${folder}/manifests:/lab/manifests:ro`, `${state}:/lab/state`];
  // The node's name is its container's host name.
  node['cmd'] = 'run --manifests /lab/manifests --state /lab/state --socket /run/herald.sock --listen off';
  return document;
}

/** Looks again until all is well, or for long enough. */
async function settled(topology: string): Promise<readonly Check[]> {
  for (const endMs = performance.now() + settledMaxMs; ; await delay(1000)) {
    const checks = await containerChecks(topology);
    if (performance.now() > endMs || (checks.length > 0 && checks.every(({ ok }) => ok))) return checks;
  }
}
