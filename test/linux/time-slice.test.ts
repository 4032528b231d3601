/** The slice that a thread asks for, as the kernel shows it in proc(5). */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const shown = '/proc/self/sched';
/** Kernels of before 6.12 have no slice of a thread's own; some do not show it. */
const missing = existsSync(shown) && /^se\.slice /m.test(readFileSync(shown, 'utf8')) ? undefined : 'no se.slice here';
const file = fileURLToPath(new URL('../../src/linux/time-slice.ts', import.meta.url));
const program = `
  import { readFileSync } from 'node:fs';
  import { takeShortTurns } from '${file}';
  const lines = () => readFileSync('${shown}', 'utf8').split('\\n');
  const shown = () => Object.fromEntries(lines().map(line => line.split(/ *: */)));
  const [before, taken, after] = [shown(), await takeShortTurns(), shown()];
  console.log(JSON.stringify({ before, taken, after }));
`;

describe.skipIf(missing !== undefined)(`short turns${missing ? `: skipped, ${missing}` : ''}`, () => {
  it.each([0, 5])('are the least there is, at the same priority as before: nice %i', nice => {
    const words = ['-n', String(nice), process.execPath, '--input-type=module', '-e', program];
    const { stdout, stderr } = spawnSync('nice', words, { encoding: 'utf8' });
    expect(stderr).toBe('');
    const { before, taken, after } = JSON.parse(stdout) as {
      readonly before: Record<string, string>;
      readonly taken: boolean;
      readonly after: Record<string, string>;
    };
    expect(taken).toBe(true);
    expect(after['se.slice']).toBe('100000');
    expect([after['policy'], after['prio']]).toEqual([before['policy'], before['prio']]);
  });
});
