/**
 * `npm run bench:start`: how long the command line takes to say something, beside bare Node, in interleaved runs.
 * The compiled package is measured as `npm i -g` installs it, and the checkout as bin/herald runs it.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const rounds = 21;
const node = `${root}node_modules/node/bin/node`;

const built = spawnSync(node, [`${root}scripts/build.ts`], { cwd: root, encoding: 'utf8' });
if (built.status !== 0) throw new Error(built.stderr);
const prefix = mkdtempSync(join(tmpdir(), 'herald-prefix-'));

try {
  const tarball = join(root, built.stdout.trim());
  const install = spawnSync('npm', ['install', '--global', '--prefix', prefix, '--loglevel=error', tarball], {
    encoding: 'utf8',
  });
  if (install.status !== 0) throw new Error(install.stderr);

  const subjects: readonly [name: string, words: readonly [string, ...string[]]][] = [
    ['node -e 0', [node, '-e', '0']],
    ['herald --help (package)', [`${prefix}/bin/herald`, '--help']],
    ['herald --help (checkout)', [`${root}bin/herald`, '--help']],
  ];
  const times = subjects.map(() => [] as number[]);
  const env = { ...process.env, PATH: `${root}node_modules/node/bin:${process.env.PATH}` };
  for (let round = 0; round < rounds; round++) {
    for (const [i, [name, [command, ...args]]] of subjects.entries()) {
      const startMs = performance.now();
      const { status } = spawnSync(command, args, { env, stdio: 'ignore' });
      if (status !== 0) throw new Error(`${name} ended with ${status}`);
      times[i]?.push(performance.now() - startMs);
    }
  }
  const medians = times.map(each => each.sort((a, b) => a - b)[rounds >> 1] ?? Number.NaN);
  for (const [i, [name]] of subjects.entries()) {
    const above = (medians[i] ?? 0) - (medians[0] ?? 0);
    console.log(
      `${name.padEnd(26)} ${medians[i]?.toFixed(1).padStart(7)} ms  ${i === 0 ? '' : `+${above.toFixed(1)} ms`}`,
    );
  }
} finally {
  rmSync(prefix, { recursive: true, force: true });
}
