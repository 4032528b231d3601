/**
 * Makes the package that `npm i -g` takes: build/herald/ and build/herald-VERSION.tgz. The sources are compiled and
 * bundled into dist/, one chunk for each thing that is loaded by itself, so that a command loads only what it uses.
 * Everything but koffi is bundled: koffi brings a binary for the machine it is installed on. An argument names another
 * folder than build/.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = resolve(process.argv[2] ?? `${root}build`);
const stage = `${out}/herald`;
const { name, version, description, dependencies } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));

rmSync(stage, { recursive: true, force: true });
mkdirSync(`${stage}/bin`, { recursive: true });

const bundle = await rolldown({
  // The program, its threads and the lab's own process, which it finds by these names.
  input: {
    main: `${root}src/main.ts`,
    'nd-worker': `${root}src/linux/nd-worker.ts`,
    'nl-worker': `${root}src/linux/nl-worker.ts`,
    'cluster-controller': `${root}src/lab/cluster-controller.ts`,
  },
  platform: 'node',
  external: ['koffi'],
  cwd: root,
  onLog: (level, log) => {
    if (level !== 'warn') return;
    throw new Error(`bundling: ${log.message}`);
  },
});
await bundle.write({
  dir: `${stage}/dist`,
  format: 'esm',
  minify: { compress: true, mangle: false, codegen: true },
  sourcemap: false,
  entryFileNames: '[name].js',
  chunkFileNames: '[name]-[hash].js',
});
await bundle.close();

for (const file of ['bin/herald', 'README.md', 'crds', 'docs', 'examples']) {
  if (existsSync(root + file)) cpSync(root + file, `${stage}/${file}`, { recursive: true });
}
chmodSync(`${stage}/bin/herald`, 0o755);
writeFileSync(
  `${stage}/package.json`,
  `${JSON.stringify(
    {
      name,
      version,
      description,
      type: 'module',
      bin: { herald: 'bin/herald' },
      engines: { node: '>=24' },
      dependencies: { koffi: dependencies.koffi },
    },
    null,
    2,
  )}\n`,
);

const pack = spawnSync('npm', ['pack', '--silent', '--pack-destination', out], {
  cwd: stage,
  encoding: 'utf8',
});
if (pack.status !== 0) throw new Error(`npm pack: ${pack.stderr}`);
console.log(`${process.argv[2] === undefined ? 'build' : out}/${pack.stdout.trim()}`);
