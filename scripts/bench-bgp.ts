/**
 * How fast the speaker is, beside the daemons that are installed: `npm run bench:bgp`.
 *
 * Builds its own load, runs Herald, FRR, BIRD, GoBGP and OpenBGPD (those found) one after the other in every round,
 * each in network namespaces made for it, and prints the medians: time, peak resident memory, processor time. Needs
 * root.
 */
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { namespacesMissing } from '../test/support/netns.ts';
import { cases, type Figures } from './bench-bgp-cases.ts';
import { type SubjectName, subjectNames, versionOf } from './bench-bgp-daemons.ts';

const { values: options } = parseArgs({
  options: {
    /** Smaller cases, one round, beside BIRD alone: for CI. */
    quick: { type: 'boolean', default: false },
    /** Names, or their beginnings, with commas between them. */
    case: { type: 'string' },
    daemon: { type: 'string' },
    rounds: { type: 'string' },
  },
});

const rounds = Number(options.rounds ?? (options.quick ? 1 : 3));
const figureNames = [
  'time s',
  'withdrawn s',
  'p50 ms',
  'p99 ms',
  'before MiB',
  'peak MiB',
  'CPU s',
  'held CPU %',
  'dropped',
] as const;

const missing = namespacesMissing();
if (missing !== undefined) {
  console.error(`bench:bgp ${missing}`);
  process.exit(1);
}

const found = subjectNames.flatMap(name => {
  if (!wanted(name, options.daemon ?? (options.quick ? 'herald,bird' : ''))) return [];
  const version = versionOf(name);
  return version === undefined ? [] : [{ name, version }];
});
console.log(`${found.map(({ name, version }) => `${name} ${version}`).join(', ')}`);
console.log(`${availableParallelism()} × ${cpus()[0]?.model}; medians of ${rounds} rounds\n`);

for (const [id, { title, quick, run }] of Object.entries(cases)) {
  if (!wanted(id, options.case ?? '', Object.keys(cases)) || (options.quick && !quick)) continue;
  const measured = new Map<SubjectName, Figures[]>();
  for (let round = 0; round < rounds; round++)
    for (const { name } of found) {
      try {
        const figures = await run(name);
        if (figures !== undefined) measured.set(name, [...(measured.get(name) ?? []), figures]);
      } catch (error) {
        console.error(`${id}: ${name}: ${error instanceof Error ? error.message : error}`);
        process.exitCode = 1;
      }
    }
  print(`${id}: ${title}`, measured);
}

/** Whether a name is in `list`, or begins with what is in it and is no name itself; with none, all do. */
function wanted(name: string, list: string, names: readonly string[] = subjectNames): boolean {
  return list.split(',').some(each => (names.includes(each) ? name === each : name.startsWith(each)));
}

function print(title: string, measured: ReadonlyMap<SubjectName, readonly Figures[]>): void {
  const names = figureNames.filter(name => [...measured.values()].some(([first]) => first?.[name] !== undefined));
  const rows = [...measured].map(([subject, runs]) => [subject, ...names.map(name => cell(name, runs))]);
  const table = [['', ...names], ...rows];
  const widths = ['', ...names].map((_, column) => Math.max(...table.map(row => row[column]?.length ?? 0)));
  console.log(title);
  for (const row of table) {
    const cells = row.map((text, i) => (i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0)));
    console.log(`  ${cells.join('  ')}`);
  }
  console.log();
}

function cell(name: string, runs: readonly Figures[]): string {
  const sorted = runs.map(figures => figures[name] ?? Number.NaN).sort((a, b) => a - b);
  const median = sorted[sorted.length >> 1] ?? Number.NaN;
  return median.toFixed(name.endsWith('MiB') || name === 'dropped' ? 0 : 2);
}
