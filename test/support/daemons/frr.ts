/** FRR: bgpd with zebra, which alone knows links (IPv6 next hops, router advertisements), or without it where IPv4 is enough. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { Json } from '../json.ts';
import type { Namespace } from '../netns.ts';
import { eventually } from '../wait.ts';
import {
  Foreground,
  familiesOf,
  familyOf,
  holdOf,
  makeFolder,
  ofFamily,
  type PeerSpec,
  type Router,
  type RouterSpec,
  type RouteView,
} from './daemon.ts';

export async function startFrr(namespace: Namespace, spec: RouterSpec): Promise<Router> {
  const folder = makeFolder('frr');
  writeFileSync(`${folder}/bgpd.conf`, config(spec));
  mkdirSync(`${folder}/run`);
  // zebra drops root for a user of its own.
  for (const path of [folder, `${folder}/run`]) chmodSync(path, 0o777);
  const common = [
    '--vty_socket',
    `${folder}/run`,
    '-A',
    '127.0.0.1',
    '-P',
    '0',
    '--log',
    'stdout',
    '--log-level',
    'notifications',
  ];
  const zebra =
    spec.alone !== true
      ? new Foreground(namespace, [
          '/usr/lib/frr/zebra',
          '-i',
          `${folder}/zebra.pid`,
          '-z',
          `${folder}/zserv`,
          ...common,
        ])
      : undefined;
  if (zebra !== undefined) await eventually('zebra serves', () => probe(namespace, folder, 'zebra'));
  const socket = spec.alone !== true ? ['-z', `${folder}/zserv`] : ['-Z'];
  const bgpd = new Foreground(
    namespace,
    ['/usr/lib/frr/bgpd', '-f', `${folder}/bgpd.conf`, '-S', '-i', `${folder}/bgpd.pid`, ...socket, ...common],
    { folder },
  );
  const vtysh = (...commands: string[]) =>
    namespace.run('vtysh', '--vty_socket', `${folder}/run`, '-d', 'bgpd', ...commands.flatMap(each => ['-c', each]));
  await eventually('bgpd serves', () => probe(namespace, folder, 'bgpd'), {
    detail: () => bgpd.said(),
    hopeless: () => bgpd.exitCode !== undefined,
  });
  const edit = (lines: readonly string[]) => {
    // A file: a command line would be too long for thousands.
    writeFileSync(`${folder}/edit`, `${[`router bgp ${spec.asn}`, ...lines, 'end'].join('\n')}\n`);
    namespace.run('vtysh', '--vty_socket', `${folder}/run`, '-d', 'bgpd', '-f', `${folder}/edit`);
  };

  return {
    kind: 'frr',
    established() {
      const seen = new Set<string>();
      for (const family of ['ipv4', 'ipv6']) {
        const summary = Json.parse(vtysh(`show bgp ${family} unicast summary json`));
        for (const [address, peer] of summary.get('peers').entries)
          if (peer.get('state').text === 'Established') seen.add(address);
      }
      return [...seen];
    },
    sessions() {
      const { entries } = Json.parse(vtysh('show bgp neighbors json'));
      return Object.fromEntries(
        entries.flatMap(([address, peer]) =>
          peer.get('bgpState').text === 'Established' ? [[address, countOf(peer)]] : [],
        ),
      );
    },
    prefixes(family) {
      const { entries } = Json.parse(vtysh(`show bgp ${family} unicast json`)).get('routes');
      return entries.flatMap(([prefix, paths]) =>
        paths.list.some(path => path.get('bestpath').isTrue) ? [prefix] : [],
      );
    },
    asPaths(family) {
      const { entries } = Json.parse(vtysh(`show bgp ${family} unicast json`)).get('routes');
      return new Map(
        entries.flatMap(([prefix, paths]) => {
          const best = paths.list.find(path => path.get('bestpath').isTrue);
          return best === undefined ? [] : [[prefix, best.get('path').text]];
        }),
      );
    },
    route: prefix => route(prefix, Json.parse(vtysh(`show bgp ${familyOf(prefix)} unicast ${prefix} json`))),
    change(add, remove) {
      const lines = (['ipv4', 'ipv6'] as const).flatMap(family => [
        `address-family ${family} unicast`,
        ...ofFamily(remove, family).map(prefix => `no network ${prefix}`),
        ...ofFamily(add, family).map(prefix => `network ${prefix}`),
        'exit-address-family',
      ]);
      edit(lines);
    },
    refresh(peer) {
      for (const family of ['ipv4', 'ipv6']) vtysh(`clear bgp ${family} unicast ${peer} soft in`);
    },
    reset: peer => void vtysh(`clear bgp ${peer}`),
    log: () => bgpd.said() + (zebra?.said() ?? ''),
    async stop(hard) {
      await bgpd.stop(hard ? 'SIGKILL' : 'SIGTERM');
      await zebra?.stop();
    },
  };
}

function probe(namespace: Namespace, folder: string, daemon: string): boolean {
  return namespace
    .run('vtysh', '--vty_socket', `${folder}/run`, '-d', daemon, '-c', 'show version')
    .includes('FRRouting');
}

function config(spec: RouterSpec): string {
  const lines = [
    'frr defaults traditional',
    `router bgp ${spec.asn}`,
    ` bgp router-id ${spec.routerId}`,
    ' no bgp ebgp-requires-policy',
    ' no bgp network import-check',
    ' coalesce-time 20',
    // Not the oldest: what is best must not depend on what came first.
    ' bgp bestpath compare-routerid',
    ' no bgp default ipv4-unicast',
    ...(spec.peers.some(peer => peer.gracefulRestart)
      ? [' bgp graceful-restart', ' bgp graceful-restart restart-time 60']
      : []),
    ...spec.peers.flatMap(neighbor),
  ];
  for (const family of ['ipv4', 'ipv6'] as const) {
    lines.push(` address-family ${family} unicast`);
    for (const peer of spec.peers) {
      if (!familiesOf(peer).includes(family)) continue;
      lines.push(`  neighbor ${nameOf(peer)} activate`);
    }
    lines.push(...ofFamily(spec.networks, family).map(prefix => `  network ${prefix}`), ' exit-address-family');
  }
  return `${lines.join('\n')}\n`;
}

/** Its age in seconds is rounded anew each time it is asked; these are not. */
function countOf(peer: Json): string {
  return ['connectionsEstablished', 'connectionsDropped'].map(name => peer.get(name).number).join(' ');
}

function nameOf(peer: PeerSpec): string {
  return peer.interface ?? peer.address.split('%')[0] ?? peer.address;
}

function neighbor(peer: PeerSpec): string[] {
  const name = nameOf(peer);
  const zone = peer.address.split('%')[1];
  return [
    peer.interface === undefined
      ? ` neighbor ${name} remote-as ${peer.asn}`
      : ` neighbor ${name} interface remote-as ${peer.asn}`,
    ` neighbor ${name} timers ${Math.floor(holdOf(peer) / 3)} ${holdOf(peer)}`,
    ` neighbor ${name} timers connect 1`,
    ` neighbor ${name} advertisement-interval 0`,
    ...(zone === undefined ? [] : [` neighbor ${name} interface ${zone}`]),
    ...(peer.passive ? [` neighbor ${name} passive`] : []),
    ...(peer.password === undefined ? [] : [` neighbor ${name} password ${peer.password}`]),
    ...(peer.gtsm ? [` neighbor ${name} ttl-security hops 1`] : []),
    ...(peer.localAddress === undefined ? [] : [` neighbor ${name} update-source ${peer.localAddress}`]),
    ...(peer.extendedNextHop ? [` neighbor ${name} capability extended-nexthop`] : []),
  ];
}

function route(prefix: string, answer: Json): RouteView | undefined {
  const best = answer.get('paths').list.find(path => path.get('bestpath', 'overall').isTrue);
  if (best === undefined) return undefined;
  const hops = best.get('nexthops').list;
  const hop = hops.find(each => each.get('used').isTrue) ?? hops[0];
  const words = (name: string) =>
    best
      .get(name, 'string')
      .text.split(' ')
      .filter(word => word !== '')
      .sort();
  return {
    prefix,
    nextHop: hop?.get('ip').text ?? '',
    asPath: best
      .get('aspath', 'segments')
      .list.flatMap(segment => segment.get('list').list.map(asn => asn.number ?? 0)),
    communities: words('community'),
    largeCommunities: words('largeCommunity'),
    extendedCommunities: words('extendedCommunity'),
    med: best.get('metric').number,
    stale: best.get('stale').isTrue,
  };
}
