/** OpenBGPD: four processes under one, spoken to with bgpctl. */
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
  type PeerSpec,
  type Router,
  type RouterSpec,
  type RouteView,
} from './daemon.ts';

export async function startOpenbgpd(namespace: Namespace, spec: RouterSpec): Promise<Router> {
  const folder = makeFolder('openbgpd');
  // Its chroot; the Debian package makes it when its service starts.
  mkdirSync('/run/openbgpd', { recursive: true });
  writeFileSync(`${folder}/bgpd.conf`, config(spec, folder));
  chmodSync(`${folder}/bgpd.conf`, 0o600);
  const bgpd = new Foreground(namespace, ['/usr/sbin/bgpd', '-d', '-f', `${folder}/bgpd.conf`], { folder });
  const bgpctl = (...command: string[]) => namespace.run('bgpctl', '-s', `${folder}/ctl`, ...command);
  await eventually('bgpd serves', () => bgpctl('show', 'summary').includes('Neighbor'), {
    detail: () => bgpd.said(),
    hopeless: () => bgpd.exitCode !== undefined,
  });
  const change = (add: readonly string[], remove: readonly string[]) => {
    for (const [verb, prefixes] of [
      ['delete', remove],
      ['add', add],
    ] as const) {
      if (prefixes.length === 0) continue;
      writeFileSync(`${folder}/networks`, `${prefixes.join('\n')}\n`);
      namespace.run('sh', '-c', `bgpctl -s ${folder}/ctl network bulk ${verb} < ${folder}/networks`);
    }
  };
  change(spec.networks ?? [], []);

  return {
    kind: 'openbgpd',
    established() {
      const { list } = Json.parse(bgpctl('-j', 'show', 'neighbor')).get('neighbors');
      return list.flatMap(peer => (peer.get('state').text === 'Established' ? [peer.get('remote_addr').text] : []));
    },
    prefixes(family) {
      const { list } = Json.parse(bgpctl('-j', 'show', 'rib', family, 'selected')).get('rib');
      return list.map(each => each.get('prefix').text);
    },
    asPaths(family) {
      const { list } = Json.parse(bgpctl('-j', 'show', 'rib', family, 'selected')).get('rib');
      return new Map(list.map(each => [each.get('prefix').text, each.get('aspath').text]));
    },
    route: prefix => route(prefix, Json.parse(bgpctl('-j', 'show', 'rib', 'detail', prefix))),
    change,
    refresh: peer => void bgpctl('neighbor', peer, 'refresh'),
    reset: peer => void bgpctl('neighbor', peer, 'clear'),
    log: () => bgpd.said(),
    stop: hard => bgpd.stop(hard ? 'SIGKILL' : 'SIGTERM'),
  };
}

function config(spec: RouterSpec, folder: string): string {
  return `${[
    `AS ${spec.asn}`,
    `router-id ${spec.routerId}`,
    'fib-update no',
    'connect-retry 1',
    ...spec.addresses.map(address => `listen on ${address}`),
    `socket "${folder}/ctl"`,
    ...spec.peers.flatMap(peer => neighbor(spec, peer)),
    'allow from any',
    'allow to any',
  ].join('\n')}\n`;
}

function neighbor(spec: RouterSpec, peer: PeerSpec): string[] {
  const other = spec.addresses.find(address => familyOf(address) !== familyOf(peer.address));
  const sending = (family: 'ipv4' | 'ipv6') => (familiesOf(peer).includes(family) ? 'unicast' : 'none');
  return [
    `neighbor ${peer.address} {`,
    ` remote-as ${peer.asn}`,
    ` holdtime ${holdOf(peer)}`,
    ` announce IPv4 ${sending('ipv4')}`,
    ` announce IPv6 ${sending('ipv6')}`,
    ...(peer.passive ? [' passive'] : []),
    ...(peer.localAddress === undefined ? [] : [` local-address ${peer.localAddress}`]),
    ...(peer.localAddress === undefined || other === undefined ? [] : [` local-address ${other}`]),
    ...(peer.password === undefined ? [] : [` tcp md5sig password ${peer.password}`]),
    ...(peer.gtsm ? [' ttl-security yes'] : []),
    ...(peer.gracefulRestart ? [' announce restart yes'] : []),
    '}',
  ];
}

function route(prefix: string, answer: Json): RouteView | undefined {
  const best = answer.get('rib').list.find(each => each.get('best').isTrue && each.get('prefix').text === prefix);
  if (best === undefined) return undefined;
  const words = (name: string) =>
    best
      .get(name)
      .list.map(each => each.text)
      .sort();
  return {
    prefix,
    nextHop: best.get('exit_nexthop').text,
    asPath: best
      .get('aspath')
      .text.split(' ')
      .filter(word => word !== '')
      .map(Number),
    communities: words('communities'),
    largeCommunities: words('large_communities'),
    extendedCommunities: words('extended_communities'),
    med: best.get('metric').number,
    stale: best.get('stale').isTrue,
  };
}
