/** Peers and routes as tables for people. */
import type { PeerJson, RouteJson } from '../runtime/speaker-views.ts';
import { table } from './table.ts';

export function peerTable(peers: readonly PeerJson[]): string {
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

/** In the columns of Cilium's command line: the left ones are left blank in a peer's second row. */
export function peersByFamily(peers: readonly PeerJson[]): string {
  const columns = ['Node', 'Local AS', 'Peer AS', 'Peer Address', 'Session State', 'Uptime', 'Family'];
  const rows = peers.flatMap(peer => {
    const up = peer.upSeconds === undefined ? '' : duration(peer.upSeconds);
    const asn = peer.asn ?? peer.configuredAsn;
    const left = [peer.node, peer.localAsn, asn, addressOf(peer), peer.state.toLowerCase(), up];
    const families = Object.entries(peer.families);
    if (families.length === 0) return [left];
    return families.map(([family, counts], i) => [
      ...(i === 0 ? left : left.map(() => undefined)),
      family.replace('-', '/'),
      counts?.received,
      counts?.advertised,
    ]);
  });
  return table([...columns, 'Received', 'Advertised'], rows);
}

/** Without the port; the peer's name where it has not been found. */
export function addressOf({ remote, peer }: PeerJson): string {
  return remote === undefined ? peer : remote.slice(0, remote.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
}

/** In the columns of Cilium's command line, attributes in its notation. */
export function routesAsCilium(which: 'available' | 'advertised', routes: readonly RouteJson[]): string {
  const advertised = which === 'advertised';
  const rows = routes.map(route => [
    route.node,
    route.localAsn,
    ...(advertised ? [route.peer] : []),
    route.prefix,
    nextHopOf(route),
    route.ageSeconds === undefined ? '' : duration(route.ageSeconds),
    attributesOf(route),
  ]);
  const peer = advertised ? ['Peer'] : [];
  return table(['Node', 'VRouter', ...peer, 'Prefix', 'NextHop', 'Age', 'Attrs'], rows);
}

/** A route of our own that says `self` has the address that means none. */
function nextHopOf({ nextHop, prefix }: RouteJson): string {
  if (nextHop !== undefined && nextHop !== 'self') return nextHop;
  return prefix.includes(':') ? '::' : '0.0.0.0';
}

function attributesOf(route: RouteJson): string {
  const list = (name: string, values: readonly string[] | undefined, between = ', ') =>
    values === undefined || values.length === 0 ? [] : [`{${name}: ${values.join(between)}}`];
  const origins: Readonly<Record<string, string>> = { igp: 'i', egp: 'e', incomplete: '?' };
  return `[${[
    `{Origin: ${origins[route.origin ?? ''] ?? '?'}}`,
    ...list('AsPath', route.asPath === '' ? undefined : [route.asPath]),
    `{Nexthop: ${nextHopOf(route)}}`,
    ...list('Med', route.med === undefined ? undefined : [String(route.med)]),
    ...list('LocalPref', route.localPref === undefined ? undefined : [String(route.localPref)]),
    ...list('Communities', route.communities),
    ...list('LargeCommunities', route.largeCommunities),
  ].join(' ')}]`;
}

export function details(peer: PeerJson): string {
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
  const counts = table(['FAMILY', 'RECEIVED', 'ACCEPTED', 'STALE', 'ADVERTISED'], families);
  return `${text.join('')}\n${counts}\n${table(['MESSAGES', 'RECEIVED', 'SENT'], messages)}`;
}

export function routeTable(which: string, routes: readonly RouteJson[]): string {
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
