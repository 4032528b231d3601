/** The package as `npm run build` makes it and `npm i -g` takes it, with no compiler to help. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from './support/run-herald.ts';

let prefix: string;
const installed = () => join(prefix, 'lib/node_modules/herald');
/** Node 24 first, as whoever installs the package has it; a compiler that is called fails. */
const env = {
  ...process.env,
  PATH: `${root}node_modules/node/bin:${process.env.PATH}`,
  CC: '/bin/false',
  CXX: '/bin/false',
};

beforeAll(() => {
  prefix = mkdtempSync(join(tmpdir(), 'herald-package-'));
  const tarball = execFileSync(process.execPath, [`${root}scripts/build.ts`], {
    cwd: root,
    encoding: 'utf8',
    env,
  }).trim();
  const words = [
    'install',
    '--global',
    '--prefix',
    prefix,
    '--loglevel=error',
    '--no-audit',
    '--no-fund',
    join(root, tarball),
  ];
  execFileSync('npm', words, { env, cwd: prefix, stdio: 'pipe' });
});

afterAll(() => rmSync(prefix, { recursive: true, force: true }));

const herald = (...words: string[]) =>
  execFileSync(join(prefix, 'bin/herald'), words, { env, cwd: prefix, encoding: 'utf8' });

describe('the installed package', () => {
  it('runs from the path it is installed under', () => {
    expect(herald('--version')).toBe(`herald ${JSON.parse(readFileSync(`${root}package.json`, 'utf8')).version}\n`);
    expect(herald('--help')).toContain('Usage: herald COMMAND');
  });

  it('does the main job on the examples it brings', () => {
    const example = join(prefix, 'example');
    cpSync(join(installed(), 'examples/dual-stack'), example, { recursive: true });
    const said = herald(
      'run',
      '--manifests',
      example,
      '--state',
      join(prefix, 'state'),
      '--once',
      '-o',
      'json',
      '--log-level',
      'silent',
    );
    expect(JSON.parse(said).allocated.length).toBeGreaterThan(0);
    expect(herald('check', example)).toContain('0 errors');
    expect(herald('crds')).toContain('kind: CustomResourceDefinition');
  });

  it('holds compiled code alone, and no package but koffi', () => {
    expect(readdirSync(join(installed(), 'dist')).every(name => name.endsWith('.js'))).toBe(true);
    expect(existsSync(join(installed(), 'src'))).toBe(false);
    const packages = existsSync(join(installed(), 'node_modules'))
      ? readdirSync(join(installed(), 'node_modules'))
      : [];
    expect(packages.filter(name => name !== '.package-lock.json').sort()).toEqual(['@koromix', 'koffi']);
  });

  it('loads only what a command uses: --help no schema, no YAML, no log, no native code', () => {
    // Node reports every module it evaluates to a loader hook; this one keeps the list.
    const spy = `import { registerHooks } from 'node:module';
registerHooks({ load(url, context, next) { process.stderr.write(url + '\\n'); return next(url, context); } });`;
    const words = [
      '--import',
      `data:text/javascript,${encodeURIComponent(spy)}`,
      join(installed(), 'dist/main.js'),
      '--help',
    ];
    const { stderr } = spawnSync(process.execPath, words, { env, encoding: 'utf8' });
    const chunks = stderr.split('\n').flatMap(url => /dist\/(.*)$/.exec(url)?.[1] ?? []);
    const bytes = chunks.reduce((sum, name) => sum + statSync(join(installed(), 'dist', name)).size, 0);
    expect(chunks.length).toBeGreaterThan(1);
    expect(bytes).toBeLessThan(40_000);
    expect(stderr).not.toContain('koffi');
  });
});
