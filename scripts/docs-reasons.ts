/** docs/reasons.md: every condition, event and code with what to do, out of the tables of the sources. */
import { liveReasons, reasons } from '../src/control/reason.ts';
import { poolAnswerText, Refusal, Release } from '../src/ipam/reason.ts';
import { meshReasons } from '../src/mesh/reason.ts';
import { IpAddress } from '../src/net/ip.ts';
import * as codes from './docs-codes.ts';

const head = `# Conditions, events and codes

Made by \`npm run docs\` out of the sources. Codes never change; sentences may. \`herald explain service
NAMESPACE/NAME\` says which of them stands between a Service and its announcement, and \`herald announced\` lists all
that is not announced, each with its code.
`;

const example = IpAddress.parse('203.0.113.7');

export function reasonsPage(): string {
  const about = example === undefined ? {} : { address: example };
  return [
    head,
    section('Conditions', 'True is trouble, except where it says otherwise. They are written on the object itself.', [
      ['type', 'on', 'means', 'what to do'],
      ...Object.entries(codes.conditions).map(([type, { on, means, fix }]) => [code(type), on, means, fix]),
    ]),
    section('Events', 'Besides these, every condition that turns True is an event with the last part of its type.', [
      ['reason', 'on', 'means', 'what to do'],
      ...Object.entries(codes.events).map(([reason, { on, means, fix }]) => [code(reason), on, means, fix]),
    ]),
    section('Why something is not announced', 'From the node to the address, in the order in which it is asked.', [
      ['code', 'means', 'what to do'],
      ...Object.entries({ ...reasons, ...liveReasons }).map(([key, { sentence, fix }]) => [code(key), sentence, fix]),
    ]),
    section(
      'Why an address was not given',
      'Reasons of the condition cilium.io/IPAMRequestSatisfied are as Cilium’s.',
      [
        ['code', 'condition’s reason', 'means', 'what to do'],
        ...entries(codes.refusals).map(([reason, fix]) => [
          code(reason),
          code(Refusal.conditionReason({ reason })),
          Refusal.message({ reason, ...about, sharing: 'different sharing key' }),
          fix,
        ]),
      ],
    ),
    section('What that condition’s reasons ask for', '', [
      ['reason', 'what to do'],
      ...entries(codes.conditionReasons).map(([reason, fix]) => [code(reason), fix]),
    ]),
    section('Why an address was taken away', '', [
      ['code', 'means', 'what to do'],
      ...entries(codes.releases).map(([reason, fix]) => [
        code(reason),
        example === undefined ? '' : Release.text({ reason, address: example }),
        fix,
      ]),
    ]),
    section('What a pool answers (`herald ipam explain`)', '', [
      ['code', 'the pool …', 'what to do'],
      ...entries(codes.poolAnswers).map(([reason, fix]) => [code(reason), poolAnswerText(reason), fix]),
    ]),
    section('Whether a node answers for an address (`herald l2`)', '', pairs(codes.ownership)),
    section('The mesh (`herald mesh status`)', '', [
      ['code', 'means', 'what to do'],
      ...Object.entries(meshReasons).map(([key, { sentence, fix }]) => [code(key), sentence, fix]),
    ]),
    section('Routes that the kernel did not take (`herald mesh status`)', '', pairs(codes.kernelRefusals)),
    section('Faults in objects (`herald check`)', '', pairs(codes.faults)),
    section(
      'Frames that were not answered (`herald_l2_drops`)',
      'All are in the order of things; what deserves a look says so.',
      pairs(codes.drops),
    ),
  ].join('\n');
}

function pairs(table: Readonly<Record<string, string>>): string[][] {
  return [['code', 'means, and what to do'], ...Object.entries(table).map(([key, text]) => [code(key), text])];
}

function entries<K extends string>(table: Readonly<Record<K, string>>): [K, string][] {
  // The keys of a table that is typed by its keys.
  return Object.entries(table) as [K, string][];
}

function section(title: string, about: string, [heading = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const table = [line(heading), line(heading.map(() => '---')), ...rows.map(line)].join('\n');
  return `## ${title}\n\n${about === '' ? '' : `${about}\n\n`}${table}\n`;
}

function code(text: string): string {
  return `\`${text}\``;
}
