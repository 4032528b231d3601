/** `herald l2`, `herald l2 cleanup`: who answers for which address on the local networks. */
import type { L2Row, L2View } from '../runtime/l2-view.ts';
import { ask, socketOption } from './client.ts';
import { defineCommand, orCommandError, outputOption } from './command.ts';
import { json, table } from './table.ts';

export const l2 = defineCommand({
  name: 'l2',
  about: `Shows every address that is announced on local networks: for which Services, which node answers and since
when; where that is the node of the asked process, on which link with which MAC, by which datapath, how often, and who
asked last.
Then what keeps addresses from being answered, and what else on the host answers or refuses.

  herald l2 --socket /tmp/herald/herald.sock`,
  options: { socket: socketOption, output: outputOption },
  async run({ options, streams }) {
    const view = (await ask(options.socket, '/l2')) as L2View;
    streams.out(options.output === 'json' ? json(view) : viewText(view));
    return 0;
  },
});

export const l2Cleanup = defineCommand({
  name: 'l2 cleanup',
  about: `Removes what Herald left in the kernel of this host (programs, maps and links that answer for addresses), for
when no Herald is to run here any more. A running one loses its in-kernel path until it is started anew.

  herald l2 cleanup`,
  options: { output: outputOption },
  async run({ options, streams }) {
    const [{ pinPlaces }, { removeTcx }, { ownBpffs }] = await Promise.all([
      import('../linux/bpf-filesystem.ts'),
      import('../linux/tcx.ts'),
      import('./run-l2.ts'),
    ]);
    const removed = await orCommandError(removeTcx(pinPlaces(ownBpffs)));
    if (options.output === 'json') streams.out(json({ removed }));
    else streams.out(removed.length === 0 ? 'nothing was left\n' : removed.map(each => `removed ${each}\n`).join(''));
    return 0;
  },
});

function viewText({ node, state, rows, links, contradictions, drops, note }: L2View): string {
  const columns = ['ADDRESS', 'SERVICE', 'OWNER', 'SINCE', 'LINK', 'MAC', 'DATAPATH', 'ANSWERS', 'LAST ASKED BY'];
  const parts = [`node ${node}: ${state}${note === '' ? '' : `; ${note}`}\n`];
  if (rows.length > 0) parts.push(`\n${table(columns, rows.flatMap(rowCells))}`);
  const silent = rows.filter(row => row.reason !== '');
  for (const { address, message, fix } of silent)
    parts.push(`\n${address} is answered by nobody\n  because ${message}\n  to change that: ${fix}\n`);
  const bad = links.filter(each => each.problem !== '');
  if (bad.length > 0) parts.push(`\n${bad.map(({ link, problem }) => `interface ${link}: ${problem}\n`).join('')}`);
  if (contradictions.length > 0)
    parts.push(`\n${contradictions.map(({ name, message }) => `${name}: ${message}\n`).join('')}`);
  const counted = Object.entries(drops).sort(([, a], [, b]) => b - a);
  if (counted.length > 0) parts.push(`\n${table(['NOT ANSWERED BECAUSE', 'FRAMES'], counted)}`);
  return parts.join('');
}

function rowCells({ address, services, owner, since, links }: L2Row): readonly (readonly (string | number)[])[] {
  const head = [address, services.join(', '), owner === '' ? 'nobody' : owner, since];
  if (links.length === 0) return [[...head, '', '', '', '', '']];
  return links.map(({ link, mac, datapath, answers, lastAsker }, i) => [
    ...(i === 0 ? head : ['', '', '', '']),
    ...[link, mac, datapath, answers, lastAsker],
  ]);
}
