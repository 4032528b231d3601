/**
 * The control plane on every folder of examples/ but install/, from files alone. Shows which addresses the Services get
 * and what every node would announce, and to whom; no network is touched.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The exit status. */
export function startFiles(): number {
  const examples = readdirSync(`${root}examples`, { withFileTypes: true })
    // What installs Herald in a cluster announces nothing.
    .filter(entry => entry.isDirectory() && entry.name !== 'install')
    .map(entry => entry.name)
    .sort();
  const state = mkdtempSync(join(tmpdir(), 'herald-start-'));
  let failed = 0;
  try {
    for (const name of examples) {
      const title = readFileSync(`${root}examples/${name}/README.md`, 'utf8').split('\n')[0]?.replace(/^#\s*/, '');
      const folder = existsSync(`${root}examples/${name}/manifests`) ? `${name}/manifests` : name;
      const words = ['run', '--manifests', `examples/${folder}`, '--state', join(state, name), '--once'];
      console.log(`\n# ${title}\n$ bin/herald ${words.join(' ')}\n`);
      const { status } = spawnSync(`${root}bin/herald`, [...words, '--log-level', 'warn'], {
        cwd: root,
        stdio: 'inherit',
      });
      if (status !== 0) failed++;
    }
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
  console.log(`
Next: edit a manifest and watch what changes:
$ bin/herald run --manifests examples/home-lab-l2 --state /tmp/herald
$ bin/herald status --socket /tmp/herald/herald.sock
`);
  return failed === 0 ? 0 : 1;
}
