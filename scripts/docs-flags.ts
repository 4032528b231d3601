/** docs/flags.md: every command and its options, out of the tables that parse them. */
import { isDeepStrictEqual } from 'node:util';
import type { Command, Option } from '../src/cli/command.ts';
import { commands } from '../src/cli/commands.ts';

const head = `# Commands and flags

Made by \`npm run docs\` out of the tables that parse the command line. Every command takes \`--help\`. Exit status: 0
all is well, 1 faults were found or the work failed, 2 the call was wrong. \`herald install --set KEY=VALUE\` takes the
flags of \`operator\` and \`agent\`.
`;

/** The command whose options others share. */
const whole = 'run';

export async function flagsPage(): Promise<string> {
  const all = await Promise.all(
    Object.values(commands).map(async ({ summary, load }) => ({ summary, command: await load() })),
  );
  const shared = all.find(({ command }) => command.name === whole)?.command;
  return [head, ...all.map(({ summary, command }) => section(summary, command, shared))].join('\n');
}

function section(summary: string, command: Command, shared: Command | undefined): string {
  const { name, operands, options } = command;
  const title = `## herald ${name}${operands === '' ? '' : ` ${operands}`}\n\n${summary}.\n`;
  const others = Object.entries(shared?.options ?? {});
  const mine = Object.entries(options);
  const isPart = mine.every(([key, option]) => isDeepStrictEqual(option, shared?.options[key]));
  if (name !== whole && isPart && mine.length > others.length / 2) {
    const without = others.filter(([key]) => options[key] === undefined).map(([key]) => `\`--${key}\``);
    return `${title}\nThe flags of \`herald ${whole}\`, but for ${without.join(', ')}.\n`;
  }
  if (mine.length === 0) return title;
  const rows = mine.map(([key, option]) => `| ${flag(key, option)} | ${preset(option)} | ${about(option)} |`);
  return `${title}\n| flag | default | what |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
}

function flag(key: string, { short, value, alias }: Option): string {
  const names = [
    ...(short === undefined ? [] : [`-${short}`]),
    `--${key}`,
    ...(alias === undefined ? [] : [`--${alias}`]),
  ];
  const operand = value === undefined ? '' : ` ${value.replaceAll('|', '\\|')}`;
  return names.map(each => `\`${each}${operand}\``).join(', ');
}

function preset(option: Option): string {
  return option.default === undefined ? '' : `\`${option.default}\``;
}

function about({ about: text, oneOf, multiple }: Option): string {
  const notes = [...(oneOf === undefined ? [] : [oneOf.join(', ')]), ...(multiple ? ['may be repeated'] : [])];
  return `${text}${notes.length > 0 ? ` (${notes.join('; ')})` : ''}`.replaceAll('|', '\\|');
}
