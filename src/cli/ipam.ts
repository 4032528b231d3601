/** `herald ipam`, `herald ipam plan`, `herald ipam explain`: who has which address, what a change would do, and why. */
import { IpamControl } from '../control/ipam.ts';
import {
  type AllocationRow,
  type ExplanationView,
  explainService,
  type IpamView,
  ipamView,
  type PlanView,
  type PoolRow,
  planIpam,
} from '../control/ipam-view.ts';
import { ask, defaultStateDir, socketOption } from './client.ts';
import { CommandError, defineCommand, type OptionValues, outputOption, UsageError } from './command.ts';
import { fileOptions, fileSettings, readFolders } from './ipam-source.ts';
import { json, table } from './table.ts';

const sourceOptions = { ...fileOptions, socket: socketOption, output: outputOption } as const;

export const ipam = defineCommand({
  name: 'ipam',
  about: `Shows every pool (how much of it is used, by whom it may be used, whether it conflicts) and every Service
that asks for addresses: what it has, from where, since when, with whom it shares, and what it lacks and why.

  herald ipam
  herald ipam --manifests examples/home-lab-l2 --state /tmp/herald`,
  options: sourceOptions,
  async run({ options, streams }) {
    const { manifests } = options;
    const view =
      manifests === undefined
        ? ((await ask(options.socket, '/ipam')) as IpamView)
        : ipamView(await controlFrom(manifests, options));
    if (options.output === 'json') streams.out(json(view));
    else streams.out(`${poolTable(view.pools)}\n${allocationTable(view.allocations)}`);
    return 0;
  },
});

export const ipamExplain = defineCommand({
  name: 'ipam explain',
  operands: 'NAMESPACE/NAME',
  count: { min: 1, max: 1 },
  about: `Says why a Service has the addresses it has, or none: what it asks for, what every pool answers to that,
and who is in the way.

  herald ipam explain default/web
  herald ipam explain default/web --manifests examples/home-lab-l2`,
  options: sourceOptions,
  async run({ args: [path = ''], options, streams }) {
    const [namespace = '', name = '', ...rest] = path.split('/');
    if (namespace === '' || name === '' || rest.length > 0)
      throw new UsageError(`name the Service as NAMESPACE/NAME, not '${path}'`);
    const { manifests } = options;
    const view =
      manifests === undefined
        ? ((await ask(options.socket, `/ipam/explain?service=${encodeURIComponent(path)}`)) as ExplanationView)
        : explainService(await controlFrom(manifests, options), fileSettings(options), namespace, name);
    if (view === undefined) throw new CommandError(`there is no Service ${path}`);
    streams.out(options.output === 'json' ? json(view) : explanationText(view));
    return 0;
  },
});

export const ipamPlan = defineCommand({
  name: 'ipam plan',
  about: `Says which Services would gain, lose or move addresses if these manifests were in force, and why, before
they are. Who holds what now is read from the state folder of the running process; nothing is written.
The status is 1 when a Service would lose or move an address.

  herald ipam plan --manifests changed/
  herald ipam plan --manifests changed/ --state /tmp/herald`,
  options: { ...fileOptions, state: { ...fileOptions.state, default: defaultStateDir }, output: outputOption },
  async run({ options, streams }) {
    if (options.manifests === undefined) throw new UsageError('which manifests? name their folder with --manifests');
    const plan = planIpam(await readFolders(options.manifests, options.state), fileSettings(options));
    streams.out(options.output === 'json' ? json(plan) : planText(plan));
    return plan.changes.some(change => change.outcome !== 'gain') ? 1 : 0;
  },
});

async function controlFrom(manifests: string, options: OptionValues<typeof fileOptions>): Promise<IpamControl> {
  const control = new IpamControl(fileSettings(options));
  control.reconcile(await readFolders(manifests, options.state));
  return control;
}

function poolTable(pools: readonly PoolRow[]): string {
  if (pools.length === 0) return 'there is no pool\n';
  const rows = pools.map(({ name, total, used, available, state, conflict, selector }) => [
    ...[name, total, used, available, state, selector, conflict],
  ]);
  const columns = ['POOL', 'SIZE', 'USED', 'AVAILABLE', 'STATE', 'SERVICES', 'CONFLICT'];
  return pools.some(pool => pool.conflict !== '')
    ? table(columns, rows)
    : table(
        columns.slice(0, -1),
        rows.map(row => row.slice(0, -1)),
      );
}

function allocationTable(allocations: readonly AllocationRow[]): string {
  if (allocations.length === 0) return 'no Service asks for an address\n';
  const rows = allocations.flatMap(({ service, held, since, lacking }) => {
    const first = held.map(({ address, pool, sharedWith }, i) => [
      ...[i === 0 ? service : '', address, pool ?? 'unreadable pool', i === 0 ? (since ?? '') : ''],
      ...[sharedWith.join(', '), i === 0 ? lacking.join('; ') : ''],
    ]);
    return first.length > 0 ? first : [[service, 'none', '', since ?? '', '', lacking.join('; ')]];
  });
  return table(['SERVICE', 'ADDRESS', 'POOL', 'SINCE', 'SHARED WITH', 'LACKING'], rows);
}

function explanationText(view: ExplanationView): string {
  if (view.notOurs !== undefined) return `${view.service} is given nothing here: ${view.notOurs}.\n`;
  const lines = [`${view.service} asks for ${view.asks}.`, ...view.unreadable.map(each => `  cannot be read: ${each}`)];
  for (const { address, pool, sharedWith } of view.held) {
    const origin = pool === undefined ? ', kept for a pool that cannot be read' : ` from pool ${pool}`;
    const shared = sharedWith.length === 0 ? '' : `, shared with ${sharedWith.join(', ')}`;
    lines.push(`It has ${address}${origin}${shared}.`);
  }
  for (const { message, details } of view.refusals)
    lines.push(`It lacks: ${message}.`, ...details.map(each => `  ${each}`));
  const answers = view.pools.map(({ pool, text }) => `  ${pool} ${text}`);
  return `${[...lines, '', 'Pools, in the order in which they are asked:', ...answers].join('\n')}\n`;
}

function planText({ changes, unchanged, unreadablePools }: PlanView): string {
  const rows = changes.map(({ service, outcome, before, after, why }) => [
    ...[outcome, service, before.join(', ') || 'none', after.join(', ') || 'none', why.join('; ')],
  ]);
  const count = (outcome: string) => changes.filter(change => change.outcome === outcome).length;
  const pools = unreadablePools.map(name => `pool ${name} cannot be read: what it gave is kept\n`).join('');
  const [gain, lose, move] = (['gain', 'lose', 'move'] as const).map(count);
  const summary = `${gain} would gain, ${lose} would lose, ${move} would move, ${unchanged} stay as they are\n`;
  return `${rows.length === 0 ? '' : `${table(['WOULD', 'SERVICE', 'NOW', 'THEN', 'WHY'], rows)}\n`}${pools}${summary}`;
}
