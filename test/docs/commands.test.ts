/**
 * What the documents tell people to type does what it should: every command that needs no network of its own is run;
 * those of the lab are what `npm start` runs, which is run where there can be a lab; the rest is listed, with what it
 * needs. A command that is in none of these is an error.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { commands } from '../../src/cli/commands.ts';
import { isOfLab, pages, pageText, spans, typed } from '../support/document-commands.ts';
import { root } from '../support/run-herald.ts';

/** What it needs that a test has not, by its first words. */
const elsewhere: Readonly<Record<string, string>> = {
  'npm start': 'scripts/test-start.ts runs it, with --once, and with --kube',
  'npm test': 'is what runs this',
  'npm run build': 'test/package.test.ts runs it',
  podman: 'a container engine and a registry',
  kubectl: 'a cluster',
  'herald mesh connect': 'certificates of two clusters; test/etcd/connect.test.ts has them',
};
/** Goes on until it is ended. */
const isServing = (line: string) => /^herald run /.test(line) && !line.includes('--once');
const needed = (line: string) => Object.keys(elsewhere).find(each => line.startsWith(each));
const runnable = [
  ...new Set(
    typed
      .map(({ line }) => line)
      .filter(line => line.startsWith('herald ') && !isOfLab(line) && !isServing(line) && needed(line) === undefined),
  ),
];

const state = mkdtempSync(join(tmpdir(), 'herald-docs-'));
afterAll(() => rmSync(state, { recursive: true, force: true }));

function run(command: string, words: readonly string[]): Promise<{ status: number | null; out: string; err: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.on('data', chunk => {
      out += chunk;
    });
    child.stderr.on('data', chunk => {
      err += chunk;
    });
    child.once('error', reject);
    child.once('close', status => resolve({ status, out, err }));
  });
}

describe('commands in the documents', () => {
  it('each is run here, by `npm start` (scripts/test-start.ts), or listed with what it needs', () => {
    const unknown = typed.filter(
      ({ line }) => !runnable.includes(line) && !isOfLab(line) && !isServing(line) && needed(line) === undefined,
    );
    expect(unknown).toEqual([]);
  });

  it.each(runnable)('%s', async line => {
    // What is piped into kubectl is printed.
    const [own = ''] = line.split(' | ');
    const words = own.replace('herald', `${root}bin/herald`).replaceAll('/tmp/herald', `${state}/state`);
    const { status, err } = await run('sh', ['-c', words]);
    expect([words, status, err]).toEqual([words, 0, '']);
  });

  it('every `herald …` in a sentence is a command', () => {
    const names = Object.keys(commands);
    const said = spans.filter(({ line }) => /^herald [a-z]/.test(line));
    // Or the first word of several.
    const isOne = (line: string, name: string) =>
      `${line} `.startsWith(`herald ${name} `) || `herald ${name}`.startsWith(`${line} `);
    const unknown = said.filter(({ line }) => !names.some(name => isOne(line, name)));
    expect(unknown).toEqual([]);
  });

  it('every --flag in a sentence is one of a command', () => {
    const flags = readFileSync(`${root}docs/flags.md`, 'utf8');
    const others = ['--set', '--once', '--help'];
    const said = spans.filter(({ page, line }) => page !== 'docs/flags.md' && line.startsWith('--'));
    const unknown = said.filter(({ line }) => {
      const flag = line.split(/[ =]/)[0] ?? '';
      return !others.includes(flag) && !flag.endsWith('-…') && !flags.includes(`\`${flag}`);
    });
    expect(unknown).toEqual([]);
  });

  it('every link leads to a file', () => {
    const links = pages.flatMap(page =>
      [...pageText(page).matchAll(/\]\(([^)#:]+)\)/g)].map(([, to = '']) => ({ page, to })),
    );
    expect(links.filter(({ page, to }) => !existsSync(join(root, dirname(page), to)))).toEqual([]);
  });
});
