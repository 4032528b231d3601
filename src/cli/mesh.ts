/** `herald mesh …`: the other clusters and the routes to pods, of a running Herald; and the kernel cleaned of them. */
import type { MeshPeerJson, MeshRouteJson, MeshStatusJson } from '../runtime/mesh-views.ts';
import { ask, socketOption } from './client.ts';
import { defineCommand, numberOption, orCommandError, outputOption } from './command.ts';
import { json, table } from './table.ts';

const shared = { socket: socketOption, output: outputOption } as const;

export const meshStatus = defineCommand({
  name: 'mesh status',
  about: `Every other cluster: whether it is ready, its nodes, when they last changed, how often it was lost, when our
certificate for it ends, and why it is not ready. Ends with 1 when one is not, or when clusters overlap.

  herald mesh status
  herald mesh status -o json`,
  options: shared,
  async run({ options, streams }) {
    const status = (await ask(options.socket, '/mesh/status')) as MeshStatusJson;
    streams.out(options.output === 'json' ? json(status) : statusText(status));
    return status.peers.every(each => each.ready) && status.conditions.length === 0 ? 0 : 1;
  },
});

export const meshRoutesCommand = defineCommand({
  name: 'mesh routes',
  operands: '[ADDRESS]',
  count: { min: 0, max: 1 },
  about: `Routes to pods; with an address everybody who knows a route for it, which one is used, why the others not.

  herald mesh routes
  herald mesh routes 10.2.1.7`,
  options: shared,
  async run({ args, options, streams }) {
    const [address = ''] = args;
    const routes = (await ask(options.socket, `/mesh/routes?${new URLSearchParams({ address })}`)) as MeshRouteJson[];
    if (options.output === 'json') streams.out(json(routes));
    else streams.out(routesText(routes, address));
    return 0;
  },
});

export const meshFlush = defineCommand({
  name: 'mesh flush',
  about: `Removes every route, next hop and overlay link that Herald has put into this host's kernel, when no agent runs
any more. A running one puts them back.

  herald mesh flush`,
  options: {
    'mesh-table': { type: 'string', default: '254', value: 'TABLE', about: 'routing table the routes are in' },
  },
  async run({ options, streams }) {
    const number = numberOption('mesh-table', options['mesh-table'], { min: 1, max: 2 ** 32 - 1 });
    const [{ loadLibc }, { NetlinkThread }, { NetlinkRoutes }] = await Promise.all([
      import('../linux/libc.ts'),
      import('../linux/netlink-thread.ts'),
      import('../linux/kernel-routes.ts'),
    ]);
    const thread = new NetlinkThread(await loadLibc());
    try {
      const status = await orCommandError(new NetlinkRoutes(thread, { table: number }).flush());
      for (const { what, reason, detail } of status.refusals) streams.err(`herald: ${what}: ${reason} ${detail}\n`);
      streams.out('routes to pods are gone\n');
      return status.refusalsTotal === 0 ? 0 : 1;
    } finally {
      await thread.close();
    }
  },
});

function statusText({ cluster, id, peers, publishing, routes, kernel, conditions }: MeshStatusJson): string {
  const lines = [
    `cluster ${cluster} (ID ${id}), ${peers.filter(each => each.ready).length}/${peers.length} other clusters ready\n`,
  ];
  if (peers.length > 0) lines.push(`\n${peersTable(peers)}`);
  for (const peer of peers.filter(each => !each.ready))
    lines.push(`\n${peer.cluster}: ${peer.message}\n  to change that: ${peer.fix}\n`);
  for (const peer of peers.filter(each => each.rejected > 0))
    lines.push(`\n${peer.cluster}: ${peer.rejected} values refused, the last because ${peer.lastRejection}\n`);
  const ways = Object.entries(routes.byWay).map(([way, count]) => `${count} ${way}`);
  lines.push(
    `\nroutes: ${routes.total} wanted${ways.length > 0 ? ` (${ways.join(', ')})` : ''}, ${routes.refused} refused`,
  );
  lines.push(
    kernel === undefined ? '\n' : `, ${kernel.routes} in the kernel${routes.held ? ', waiting for all peers' : ''}\n`,
  );
  for (const each of [...(kernel?.problems ?? []), ...(kernel?.refusals ?? [])]) lines.push(`  ${each}\n`);
  if (publishing !== undefined) {
    const state =
      publishing.lastError ?? (publishing.unwritten === 0 ? 'all written' : `${publishing.unwritten} keys to write`);
    lines.push(`our state: ${publishing.endpoint}, ${state}\n`);
  }
  for (const { type, message } of conditions) lines.push(`${type}: ${message}\n`);
  return lines.join('');
}

function peersTable(peers: readonly MeshPeerJson[]): string {
  return table(
    ['CLUSTER', 'ID', 'READY', 'NODES', 'LAST CHANGE', 'LOST', 'CERTIFICATE UNTIL', 'ETCD'],
    peers.map(each => [
      each.cluster,
      each.id,
      each.ready ? 'yes' : `no: ${each.reason}`,
      each.nodes,
      each.changed ?? 'never',
      each.failures,
      each.certificateEnds ?? '-',
      each.endpoint,
    ]),
  );
}

function routesText(routes: readonly MeshRouteJson[], address: string): string {
  if (routes.length === 0) return address === '' ? 'no routes\n' : `nobody knows a route to ${address}\n`;
  const rows = routes.filter(each => each.refused === undefined);
  const text =
    rows.length === 0
      ? ''
      : table(
          ['PREFIX', 'WAY', 'FROM'],
          rows.map(each => [each.prefix, each.via.join(', '), each.from.join(', ')]),
        );
  const refused = routes.filter(each => each.refused !== undefined);
  return (
    text +
    refused
      .map(
        each =>
          `${each.prefix} from ${each.from.join(', ')}\n  not used: ${each.refused}\n  to change that: ${each.fix}\n`,
      )
      .join('')
  );
}
