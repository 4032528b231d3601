/** `herald bgp …`: what a running speaker holds, as tables for people and as JSON. */

import type { RoutesJson } from '../runtime/speaker-routes.ts';
import type { PeerJson, PoliciesJson, RouteJson, SummaryJson } from '../runtime/speaker-views.ts';
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
  about: `Every peer with what was negotiated; one peer with everything there is to say about it.

  herald bgp peers
  herald bgp peers 10.0.0.2`,
  options: shared,
  async run({ args, options, streams }) {
    const { peers } = (await ask(options.socket, '/bgp/summary')) as SummaryJson;
    const [key] = args;
    const chosen = key === undefined ? peers : peers.filter(each => each.peer === key);
    if (chosen.length === 0 && key !== undefined) throw new CommandError(`there is no peer '${key}'`);
    if (options.output === 'json') streams.out(json(chosen));
    else streams.out(key === undefined ? peerTable(chosen) : chosen.map(details).join('\n'));
    return 0;
  },
});

export const bgpRoutes = defineCommand({
  name: 'bgp routes',
  operands: 'loc|in|out [ipv4|ipv6] [PREFIX|ADDRESS]',
  count: { min: 1, max: 3 },
  about: `Routes: chosen ones and their rivals (loc, with the step that decided), what peers said (in), what peers are
told (out). A prefix shows itself, an address the prefixes that hold it.

  herald bgp routes loc ipv4
  herald bgp routes in --peer 10.0.0.2
  herald bgp routes loc 192.0.2.1`,
  options: {
    ...shared,
    peer: { type: 'string', value: 'PEER', about: 'only this peer: its name or address' },
    limit: { type: 'string', default: '1000', value: 'ROWS', about: 'at most so many rows' },
  },
  async run({ args, options, streams }) {
    const [which = '', ...rest] = args;
    if (!['loc', 'in', 'out'].includes(which)) throw new UsageError(`routes takes loc, in or out, not '${which}'`);
    const query = new URLSearchParams({ table: which });
    for (const word of rest) query.set(word === 'ipv4' || word === 'ipv6' ? 'family' : 'prefix', word);
    if (options.peer !== undefined) query.set('peer', options.peer);
    query.set('limit', String(numberOption('limit', options.limit, { min: 1, max: 100_000 })));
    const answer = (await ask(options.socket, `/bgp/routes?${query}`)) as RoutesJson;
    if (options.output === 'json') streams.out(json(answer.routes));
    else streams.out(routeTable(which, answer.routes));
    if (answer.truncated) streams.err(`herald: there are more than ${answer.routes.length}; --limit shows them\n`);
    return 0;
  },
});

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

function peerTable(peers: readonly PeerJson[]): string {
  const rows = peers.map(peer => {
    const counts = Object.values(peer.families);
    const sum = (pick: 'received' | 'accepted' | 'advertised') =>
      counts.reduce((total, each) => total + (each?.[pick] ?? 0), 0);
    const asn = peer.asn ?? peer.configuredAsn;
    const up = peer.upSeconds === undefined ? '' : duration(peer.upSeconds);
    return [
      peer.peer,
      asn,
      peer.state,
      up,
      sum('received'),
      sum('accepted'),
      sum('advertised'),
      peer.upSeconds === undefined ? peer.lastError : '',
    ];
  });
  return table(['PEER', 'ASN', 'STATE', 'UP', 'RECEIVED', 'ACCEPTED', 'ADVERTISED', 'LAST ERROR'], rows);
}

function details(peer: PeerJson): string {
  const { received, sent } = peer.messages;
  const messages = (Object.keys(received) as (keyof typeof received)[]).map(kind => [kind, received[kind], sent[kind]]);
  const lines: readonly (readonly [string, string | number | undefined])[] = [
    ['peer', peer.peer],
    ['description', peer.description],
    ['state', peer.state],
    ['AS number', peer.asn ?? peer.configuredAsn],
    ['router ID', peer.routerId],
    ['local', peer.local],
    ['remote', peer.remote],
    ['up', peer.upSeconds === undefined ? undefined : duration(peer.upSeconds)],
    ['next attempt', peer.retrySeconds === undefined ? undefined : `in ${peer.retrySeconds} s`],
    ['timers', peer.timers && `hold ${peer.timers.holdSeconds} s, keepalive ${peer.timers.keepaliveSeconds} s`],
    ['negotiated', peer.negotiated.join(', ')],
    ['capabilities sent', peer.capabilitiesSent.join(', ')],
    ['capabilities received', peer.capabilitiesReceived.join(', ')],
    ['established', `${peer.established} times, ${peer.dropped} lost`],
    ['last error', peer.lastError],
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  const text = lines.flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [`${name.padEnd(width)}  ${value}\n`],
  );
  const families = Object.entries(peer.families).map(([family, counts]) => [
    family,
    counts?.received,
    counts?.accepted,
    counts?.stale,
    counts?.advertised,
  ]);
  return `${text.join('')}\n${table(['FAMILY', 'RECEIVED', 'ACCEPTED', 'STALE', 'ADVERTISED'], families)}\n${table(['MESSAGES', 'RECEIVED', 'SENT'], messages)}`;
}

function routeTable(which: string, routes: readonly RouteJson[]): string {
  const rows = routes.map(route => {
    const communities = [route.communities, route.largeCommunities, route.extendedCommunities]
      .flatMap(list => list ?? [])
      .join(' ');
    const state = [
      route.best ? 'best' : '',
      route.step ?? '',
      route.ineligible ?? '',
      route.stale ? 'stale' : '',
      route.pending ? 'pending' : '',
    ];
    const path = [route.asPath, route.origin].filter(each => each !== undefined && each !== '').join(' ');
    const own = which === 'loc' && route.peer === undefined ? 'originated' : route.peer;
    return [
      route.prefix,
      own,
      route.nextHop,
      path,
      route.localPref,
      route.med,
      communities,
      state.filter(each => each !== '').join(', '),
    ];
  });
  return table(['PREFIX', 'PEER', 'NEXT HOP', 'PATH', 'PREF', 'MED', 'COMMUNITIES', 'STATE'], rows);
}

/** `3d04h`, `2h05m`, `1m09s`, `12s`. */
function duration(seconds: number): string {
  const pad = (value: number) => String(value).padStart(2, '0');
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  if (days > 0) return `${days}d${pad(hours)}h`;
  if (hours > 0) return `${hours}h${pad(minutes)}m`;
  return minutes > 0 ? `${minutes}m${pad(seconds % 60)}s` : `${seconds}s`;
}
