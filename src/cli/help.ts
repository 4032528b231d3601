/** The words of `--help`, made from the tables that parsing uses. */
import type { Command, Options } from './command.ts';
import { commands } from './commands.ts';

export function overview(): string {
  const names = Object.keys(commands);
  const width = Math.max(...names.map(name => name.length));
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return `Herald announces Kubernetes Services: LoadBalancer addresses from pools, told to routers over BGP. It reads
Cilium's manifests and needs no Cilium.

Usage: herald COMMAND [OPTION…]

${lines.join('\n')}

Try it:
  herald check examples/home-lab-l2           are these manifests right?
  herald run --manifests examples/home-lab-l2 --state /tmp/herald --once
                                              what would they do?

\`herald COMMAND --help\` explains one command. Tables are for people; -o json is for programs.
Exit status: 0 all is well, 1 faults were found or the work failed, 2 the call was wrong.
`;
}

export function commandHelp(command: Command): string {
  const usage = ['herald', command.name, command.operands, '[OPTION…]'].filter(word => word !== '').join(' ');
  const options = optionLines({ ...command.options, help: { type: 'boolean', short: 'h', about: 'this text' } });
  return `Usage: ${usage}\n\n${command.about.trim()}\n\n${options}\n`;
}

function optionLines(options: Options): string {
  const rows = Object.entries(options).map(([name, option]) => {
    const short = option.short === undefined ? '    ' : `-${option.short}, `;
    const flag = `${short}--${name}${option.value === undefined ? '' : ` ${option.value}`}`;
    const notes = [
      option.oneOf === undefined ? undefined : option.oneOf.join('|'),
      option.default === undefined ? undefined : `default ${option.default}`,
      option.multiple === undefined ? undefined : 'may be repeated',
    ].filter(note => note !== undefined);
    return { flag, about: `${option.about}${notes.length > 0 ? ` (${notes.join('; ')})` : ''}` };
  });
  const width = Math.max(...rows.map(row => row.flag.length));
  return rows.map(row => `  ${row.flag.padEnd(width)}  ${row.about}`).join('\n');
}
