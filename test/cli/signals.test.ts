/** What the frame does with signals when a command does not end by itself. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { root } from '../support/run-herald.ts';

async function start() {
  const child = spawn(process.execPath, [`${root}test/support/stubborn-command.ts`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const ended = new Promise<number | null>(resolve => child.once('close', status => resolve(status)));
  await once(child.stdout, 'data');
  return { child, ended, err: () => err };
}

describe('a command that does not end when told to', () => {
  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('is ended at once by a second signal, here %s', async (second, status) => {
    const { child, ended, err } = await start();
    child.kill('SIGTERM');
    await once(child.stdout, 'data');
    child.kill(second);
    expect(await ended).toBe(status);
    expect(err()).toBe('');
  });

  it('is ended when the time to drain is over, with 1 and a line that says so', async () => {
    const { child, ended, err } = await start();
    child.kill('SIGTERM');
    expect(await ended).toBe(1);
    expect(err()).toBe('herald: still busy 5 s after SIGTERM; leaving\n');
  });
});
