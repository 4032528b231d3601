/** `herald bgp …`: what a running speaker holds, as tables for people and as JSON. */

import type { RoutesJson } from '../runtime/speaker-routes.ts';
import type { PoliciesJson, SummaryJson } from '../runtime/speaker-views.ts';
import { addressOf, details, peersByFamily, peerTable, routesAsCilium, routeTable } from './bgp-tables.ts';
import { ask, socketOption } from './client.ts';
import { CommandError, defineCommand, numberOption, outputOption, UsageError } from './command.ts';
import { json, table } from './table.ts';

const shared = { socket: socketOption, output: outputOption } as const;

export const bgpSummary = defineCommand({
  name: 'bgp summary',
  about: `Routes per address family, and every peer in one line.

  herald bgp summary
  herald bgp summary -o json`,
  options: shared,
  async run({ options, streams }) {
    const summary = (await ask(options.socket, '/bgp/summary')) as SummaryJson;
    if (options.output === 'json') streams.out(json(summary));
    else {
      const families = Object.entries(summary.families).map(([family, counts]) => [
        family,
        counts.locRib,
        counts.paths,
        counts.attributeSets,
      ]);
      streams.out(table(['FAMILY', 'PREFIXES', 'PATHS', 'ATTRIBUTE SETS'], families));
      streams.out(`\n${peerTable(summary.peers)}`);
    }
    return 0;
  },
});

export const bgpPeers = defineCommand({
  name: 'bgp peers',
  operands: '[PEER]',
  count: { min: 0, max: 1 },
  about: `Every peer, a row for each of its families; one peer with everything there is to say about it.

  herald bgp peers
  herald bgp peers 10.0.0.2`,
  options: shared,
  async run({ args, options, streams }) {
    const { peers } = (await ask(options.socket, '/bgp/summary')) as SummaryJson;
    const [key] = args;
    const chosen = key === undefined ? peers : peers.filter(each => each.peer === key || addressOf(each) === key);
    if (chosen.length === 0 && key !== undefined) throw new CommandError(`there is no peer '${key}'`);
    if (options.output === 'json') streams.out(json(chosen));
    else streams.out(key === undefined ? peersByFamily(chosen) : chosen.map(details).join('\n'));
    return 0;
  },
});

export const bgpRoutes = defineCommand({
  name: 'bgp routes',
  operands: 'loc|in|out|available|advertised [ipv4|ipv6] [unicast] [vrouter ASN] [peer ADDRESS] [PREFIX|ADDRESS]',
  count: { min: 0, max: 8 },
  about: `Routes: chosen ones and their rivals (loc, with the step that decided), what peers said (in), what peers are
told (out). A prefix shows itself, an address the prefixes that hold it. In the words and columns of Cilium's command
line: our own routes (available), and what each peer is told of them (advertised).

  herald bgp routes available ipv4 unicast
  herald bgp routes advertised ipv6 unicast peer 10.0.0.2
  herald bgp routes loc ipv4
  herald bgp routes loc 192.0.2.1`,
  options: {
    ...shared,
    peer: { type: 'string', value: 'PEER', about: 'only this peer: its name or address' },
    instance: { type: 'string', value: 'INSTANCE', about: 'only this BGP instance: its name or AS number' },
    limit: { type: 'string', default: '1000', value: 'ROWS', about: 'at most so many rows' },
  },
  async run({ args, options, streams }) {
    const [which = 'available', ...rest] = args;
    const table = tables[which];
    if (table === undefined) throw new UsageError(`routes takes ${Object.keys(tables).join(', ')}, not '${which}'`);
    const query = routeQuery(rest);
    query.set('table', table);
    if (which === 'available') query.set('own', '');
    if (args.length === 0) query.set('family', 'ipv4');
    if (options.peer !== undefined) query.set('peer', options.peer);
    if (options.instance !== undefined) query.set('instance', options.instance);
    query.set('limit', String(numberOption('limit', options.limit, { min: 1, max: 100_000 })));
    const answer = (await ask(options.socket, `/bgp/routes?${query}`)) as RoutesJson;
    if (options.output === 'json') streams.out(json(answer.routes));
    else if (which === 'available' || which === 'advertised') streams.out(routesAsCilium(which, answer.routes));
    else streams.out(routeTable(which, answer.routes));
    if (answer.truncated) streams.err(`herald: there are more than ${answer.routes.length}; --limit shows them\n`);
    return 0;
  },
});

const tables: Readonly<Record<string, string>> = {
  available: 'loc',
  advertised: 'out',
  loc: 'loc',
  in: 'in',
  out: 'out',
};

/** The words after the table's: each by itself, but for those that say what the next one is. */
function routeQuery(words: readonly string[]): URLSearchParams {
  const query = new URLSearchParams();
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    if (word === 'unicast') continue;
    if (word === 'ipv4' || word === 'ipv6') query.set('family', word);
    else if (word === 'vrouter' || word === 'instance') query.set('instance', words[++i] ?? '');
    else if (word === 'peer' || word === 'neighbor') query.set('peer', words[++i] ?? '');
    else query.set('prefix', word);
  }
  return query;
}

export const bgpPolicies = defineCommand({
  name: 'bgp policies',
  about: `What each peer's routes go through, in and out, and every named policy.

  herald bgp policies -o json`,
  options: shared,
  async run({ options, streams }) {
    const policies = (await ask(options.socket, '/bgp/policies')) as PoliciesJson;
    if (options.output === 'json') streams.out(json(policies));
    else {
      const short = (policy: unknown) => (typeof policy === 'string' ? policy : JSON.stringify(policy));
      streams.out(
        table(
          ['PEER', 'IMPORT', 'EXPORT'],
          policies.peers.map(each => [each.peer, short(each.import), short(each.export)]),
        ),
      );
      const named = Object.entries(policies.named);
      if (named.length > 0)
        streams.out(
          `\n${table(
            ['POLICY', 'STATEMENTS'],
            named.map(([name, policy]) => [name, JSON.stringify(policy)]),
          )}`,
        );
    }
    return 0;
  },
});
