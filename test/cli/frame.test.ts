/** The frame around every command: help, usage errors, exit statuses, signals. */
import { describe, expect, it } from 'vitest';
import {
  type Command,
  CommandError,
  defineCommand,
  durationOption,
  numberOption,
  type Streams,
  UsageError,
} from '../../src/cli/command.ts';
import { commands } from '../../src/cli/commands.ts';
import { commandHelp } from '../../src/cli/help.ts';
import { run } from '../../src/cli/main.ts';
import { json, table } from '../../src/cli/table.ts';
import { herald } from '../support/run-herald.ts';

function streams(): Streams & { written: { out: string; err: string } } {
  const written = { out: '', err: '' };
  return {
    written,
    out: text => {
      written.out += text;
    },
    err: text => {
      written.err += text;
    },
    isTerminal: false,
    width: 120,
  };
}

async function typed(...words: string[]) {
  const to = streams();
  const status = await run(words, to, new AbortController().signal);
  return { status, ...to.written };
}

describe('herald', () => {
  it('explains itself: --help lists every command with a line about it', async () => {
    const { status, out, err } = await typed('--help');
    expect([status, err]).toEqual([0, '']);
    for (const [name, { summary }] of Object.entries(commands))
      expect(out).toMatch(new RegExp(`^  ${name} +${summary}$`, 'm'));
  });

  it('without words shows the help and counts it as wrong usage', async () => {
    expect(await typed()).toMatchObject({ status: 2 });
  });

  it.each([
    [['nonsense'], "no command 'nonsense'; `herald --help` lists them"],
    [['check'], 'too few operands; see `herald check --help`'],
    [['check', '--nonsense', 'x'], "unknown option '--nonsense'; see `herald check --help`"],
    [['check', 'x', '-o', 'xml'], "--output takes table, json, not 'xml'"],
    [['constructor'], "no command 'constructor'; `herald --help` lists them"],
  ])('%j is wrong usage: status 2, one line that says what to do', async (words, line) => {
    const { status, out, err } = await typed(...words);
    expect([status, out]).toEqual([2, '']);
    expect(err).toBe(`herald: ${line}\n`);
  });

  it('every command loads, carries the name it is listed under, and has help with every option', async () => {
    for (const [name, listed] of Object.entries(commands)) {
      const command = await listed.load();
      expect(command.name).toBe(name);
      const help = commandHelp(command);
      expect(help.split('\n')[0]).toContain(`herald ${name}`);
      for (const option of Object.keys(command.options)) expect(help).toContain(`--${option}`);
      expect(command.about.length, name).toBeGreaterThan(60);
    }
  });
});

describe('the exit status', () => {
  const failing = (error: Error): Command =>
    defineCommand({
      name: 'x',
      about: '',
      options: {},
      run: async () => {
        throw error;
      },
    });

  it.each([
    ['wrong usage', new UsageError('say it so'), 2],
    ['a failure of the world', new CommandError('no Herald answers'), 1],
    ['a system error', Object.assign(new Error('EACCES: no'), { code: 'EACCES', syscall: 'open' }), 1],
    ['a bug', new TypeError('x is undefined'), 1],
  ])('of %s', async (_, error, status) => {
    const to = streams();
    const loaded = { ...commands, x: { summary: '', load: async () => failing(error) } };
    expect(await run(['x'], to, new AbortController().signal, loaded)).toBe(status);
    expect(to.written.err).toContain(error.message);
    // Only our own bugs show a stack.
    expect(to.written.err.trimEnd().split('\n').length > 1).toBe(error instanceof TypeError);
  });
});

describe('option values', () => {
  it.each([
    ['200ms', 200],
    ['15s', 15_000],
    ['1.5m', 90_000],
    ['2h', 7_200_000],
  ])('duration %s is %d ms', (text, ms) => expect(durationOption('x', text)).toBe(ms));

  it.each(['', '15', '-1s', '1 s', '1d', 's'])('duration %j is refused', text => {
    expect(() => durationOption('grace', text)).toThrow('--grace takes a duration');
  });

  it.each(['', '-1', '1.5', '0x10', '70000'])('number %j outside 0..65535 is refused', text => {
    expect(() => numberOption('port', text, { min: 0, max: 65_535 })).toThrow('--port takes a whole number');
  });
});

describe('what commands print', () => {
  it('a table has columns as wide as their widest cell and no trailing blanks', () => {
    expect(
      table(
        ['NAME', 'N'],
        [
          ['a', 1],
          ['longer', undefined],
        ],
      ),
    ).toBe('NAME    N\na       1\nlonger\n');
  });

  it('json writes numbers beyond 2^53 as decimal text', () => {
    expect(JSON.parse(json({ size: 2n ** 64n }))).toEqual({ size: '18446744073709551616' });
  });
});

describe('bin/herald', () => {
  it('runs from any folder and hands on the exit status', async () => {
    expect(await herald('--version')).toMatchObject({ status: 0, out: 'herald 0.1.0\n' });
    expect(await herald('nonsense')).toMatchObject({ status: 2, out: '' });
  });
});
