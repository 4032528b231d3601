/**
 * `npm run test:start -- [--kube] [--times N]`: runs `npm start -- --once` as people do, and ends with 1 unless every
 * check holds, every command of the lab in the documents is among those it shows, and nothing is left: no namespace,
 * process, link, or file in /run and in the temporary folder that it is given.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { isOfLab, typed } from '../test/support/document-commands.ts';
import { hostLinks, leftovers } from '../test/support/lab-leftovers.ts';
import { root } from '../test/support/run-herald.ts';
import { labName } from './start-ask.ts';
import { kubeMissing, labMissing } from './start-lab.ts';

const { values } = parseArgs({
  options: { kube: { type: 'boolean', default: false }, times: { type: 'string', default: '1' } },
});
const missing = [...labMissing(), ...(values.kube ? kubeMissing() : [])];
const name = `npm start -- --once${values.kube ? ' --kube' : ''}`;
if (missing.length > 0) console.log(`${name}: skipped, needs ${missing.join(', ')}`);
else
  for (let run = 1; run <= Number(values.times); run++) {
    const problems = runOnce();
    for (const each of problems) console.error(`  ${each}`);
    if (problems.length > 0) process.exitCode = 1;
  }

/** Lines that say what is not as it should be. */
function runOnce(): readonly string[] {
  const folder = mkdtempSync(`${tmpdir()}/herald-test-start-`);
  const before = { links: hostLinks(), places: listed(folder) };
  const startedMs = performance.now();
  const words = [`${root}scripts/start.ts`, '--once', ...(values.kube ? ['--kube'] : [])];
  // What Node has compiled is kept for the next time.
  const env = { ...process.env, TMPDIR: folder, NODE_COMPILE_CACHE: `${tmpdir()}/node-compile-cache` };
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { cwd: root, encoding: 'utf8', env });
  const lines = stdout.split('\n');
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const steps = lines.find(line => line.startsWith('   steps: '))?.trim() ?? '';
  console.log(`${name}: status ${status} after ${seconds} s; ${steps}`);
  const left = listed(folder).filter(each => !before.places.includes(each));
  rmSync(folder, { recursive: true });
  return [
    ...(status === 0 ? [] : [`status ${status}`, ...lines.filter(line => !/^ {5}/.test(line))]),
    ...stderr.split('\n').filter(line => line !== ''),
    // With another source of objects it is brought up in other words.
    ...(values.kube ? [] : unshown(lines)),
    ...leftovers(labName, before.links).map(each => `left: ${each}`),
    ...left.map(each => `left: ${each}`),
  ];
}

/** Commands of the lab in the documents that nothing showed. With another address or node it is the same command. */
function unshown(lines: readonly string[]): readonly string[] {
  const kindOf = (line: string) =>
    /herald lab (?:exec \S+ \S+|up .*|\S+)/.exec(line)?.[0].replace(/exec \S+/, 'exec') ?? '';
  const shown = new Set(lines.filter(line => line.includes('$ bin/herald lab')).map(kindOf));
  const asked = new Set(typed.map(({ line }) => line).filter(line => isOfLab(line) && !line.includes('--kube')));
  return [...asked].filter(each => !shown.has(kindOf(each))).map(each => `in the documents, but not shown: ${each}`);
}

/** Named namespaces, and what lies in /run and in the temporary folder. */
function listed(temporary: string): readonly string[] {
  const namespaces = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' }).stdout.split('\n').filter(Boolean);
  const files = ['/run', temporary].flatMap(folder => readdirSync(folder).map(file => `${folder}/${file}`));
  return [...namespaces.map(each => `namespace ${each}`), ...files];
}
