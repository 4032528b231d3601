/** `herald ipam`, `ipam plan` and `ipam explain` as a user runs them: from folders, and from a running process. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Json } from '../support/json.ts';
import { root, startHerald } from '../support/run-herald.ts';
import { eventually } from '../support/wait.ts';

const dir = mkdtempSync(join(tmpdir(), 'herald-ipam-test-'));
const manifests = join(dir, 'manifests');
const state = join(dir, 'state');

const herald = (...words: readonly string[]) => startHerald(words).finished;

beforeAll(async () => {
  cpSync(`${root}examples/home-lab-l2`, manifests, { recursive: true });
  const { status, err } = await herald('run', '--manifests', manifests, '--state', state, '--once');
  expect([status, err]).toEqual([0, '']);
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** The manifests with one text replaced by another. */
function changed(from: string, to: string): string {
  const copy = mkdtempSync(join(dir, 'changed-'));
  cpSync(manifests, copy, { recursive: true });
  for (const file of readdirSync(copy)) {
    const text = readFileSync(join(copy, file), 'utf8');
    if (file.endsWith('.yaml')) writeFileSync(join(copy, file), text.replaceAll(from, to));
  }
  return copy;
}

describe('from folders', () => {
  it('ipam: pools and allocations', async () => {
    const { status, out } = await herald('ipam', '--manifests', manifests, '--state', state);
    expect(status).toBe(0);
    expect(out).toMatch(/^home-lan {2}26 {4}2 {5}24 {9}gives {2}io\.kubernetes\.service\.namespace is home$/m);
    expect(out).toMatch(/^home\/jellyfin +192\.168\.1\.200 +home-lan +\d{4}-/m);
  });

  it('ipam -o json', async () => {
    const { out } = await herald('ipam', '--manifests', manifests, '--state', state, '-o', 'json');
    expect(Json.parse(out).get('pools', 0, 'total').value).toBe('26');
  });

  it('plan: nothing changes, status 0; and the state is not written on', async () => {
    const before = readFileSync(join(state, 'journal'));
    const { status, out } = await herald('ipam', 'plan', '--manifests', manifests, '--state', state);
    expect([status, out]).toEqual([0, '0 would gain, 0 would lose, 0 would move, 2 stay as they are\n']);
    expect(readFileSync(join(state, 'journal')).equals(before)).toBe(true);
  });

  it('plan: who would move and why, status 1', async () => {
    const copy = changed('start: 192.168.1.200', 'start: 192.168.1.205');
    const { status, out } = await herald('ipam', 'plan', '--manifests', copy, '--state', state);
    expect(status).toBe(1);
    expect(out).toMatch(
      /^move +home\/jellyfin +192\.168\.1\.200 +192\.168\.1\.205 +192\.168\.1\.200: no pool contains/m,
    );
    expect(out).toContain('0 would gain, 0 would lose, 1 would move, 1 stay as they are\n');
  });

  it('plan: a pool with a typing mistake takes nothing away', async () => {
    const copy = changed('192.168.1.224/28', '192.168.1.224/82');
    const { status, out } = await herald('ipam', 'plan', '--manifests', copy, '--state', state);
    expect([status, out]).toEqual([
      0,
      'pool home-lan cannot be read: what it gave is kept\n' +
        '0 would gain, 0 would lose, 0 would move, 2 stay as they are\n',
    ]);
  });

  it('explain', async () => {
    const { status, out } = await herald('ipam', 'explain', 'home/dns', '--manifests', manifests, '--state', state);
    expect(status).toBe(0);
    expect(out).toBe(
      'home/dns asks for 192.168.1.230.\nIt has 192.168.1.230 from pool home-lan.\n\n' +
        'Pools, in the order in which they are asked:\n' +
        '  home-lan holds an address of this service (192.168.1.230)\n',
    );
  });

  it.each([
    [['ipam', 'explain', 'nobody'], 2, /NAMESPACE\/NAME/],
    [['ipam', 'explain', 'home/nobody', '--manifests', manifests], 1, /there is no Service home\/nobody/],
    [['ipam', 'plan'], 2, /--manifests/],
    [['ipam', 'plan', '--manifests', '/nowhere/at/all'], 1, /there is no folder/],
    [['ipam', 'plan', '--manifests', manifests, '--state', '/nowhere/at/all'], 1, /there is no state folder/],
    [['ipam', '--socket', '/nowhere/herald.sock'], 1, /no Herald answers/],
  ])('%j ends with %d and one line', async (words, status, message) => {
    const finished = await herald(...words);
    expect(finished.status).toBe(status);
    expect(finished.err).toMatch(message);
    expect(finished.err.trimEnd().split('\n')).toHaveLength(1);
  });
});

describe('from a running process', () => {
  it('says the same', async () => {
    const own = join(dir, 'running');
    const words = ['run', '--manifests', manifests, '--state', own, '--roles', 'operator', '--listen', 'off'];
    const running = startHerald(words);
    const socket = join(own, 'herald.sock');
    try {
      await eventually('the socket', () => existsSync(socket));
      const row = /^home\/jellyfin +192\.168\.1\.200 +home-lan/m;
      await eventually('the allocation', async () => row.test((await herald('ipam', '--socket', socket)).out));
      const explained = await herald('ipam', 'explain', 'home/dns', '--socket', socket);
      expect(explained.out).toContain('It has 192.168.1.230 from pool home-lan.');
      const { status, err } = await herald('ipam', 'explain', 'home/nobody', '--socket', socket);
      expect([status, err]).toEqual([1, 'herald: there is no Service home/nobody\n']);
    } finally {
      running.child.kill('SIGTERM');
      await running.finished;
    }
  });
});
