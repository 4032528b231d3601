/** GoBGP: gobgpd, spoken to with its own command line. */
import { writeFileSync } from 'node:fs';
import { Json } from '../json.ts';
import type { Namespace } from '../netns.ts';
import { eventually } from '../wait.ts';
import {
  type Family,
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

export async function startGobgp(namespace: Namespace, spec: RouterSpec): Promise<Router> {
  const folder = makeFolder('gobgp');
  writeFileSync(`${folder}/gobgpd.toml`, config(spec));
  const words = ['gobgpd', '-f', `${folder}/gobgpd.toml`, '--pprof-disable', '-l', 'info', '-p'];
  const gobgpd = new Foreground(namespace, words, { folder });
  const gobgp = (...command: string[]) => namespace.run('gobgp', ...command);
  await eventually('gobgpd serves', () => gobgp('global').includes('AS:'), {
    detail: () => gobgpd.said(),
    hopeless: () => gobgpd.exitCode !== undefined,
  });
  const change = (add: readonly string[], remove: readonly string[]) => {
    const line = (verb: string, prefix: string) =>
      `gobgp global rib ${verb} ${prefix} -a ${familyOf(prefix)} >/dev/null`;
    const script = [...remove.map(each => line('del', each)), ...add.map(each => line('add', each))];
    if (script.length === 0) return;
    writeFileSync(`${folder}/change.sh`, `set -e\n${script.join('\n')}\n`);
    namespace.run('sh', `${folder}/change.sh`);
  };
  change(spec.networks ?? [], []);

  return {
    kind: 'gobgp',
    established() {
      const peers = Json.parse(gobgp('-j', 'neighbor')).list;
      // Session state 6 is Established (api/gobgp.proto, PeerState.SessionState).
      return peers.flatMap(peer => (peer.get('state', 'session_state').number === 6 ? [addressOf(peer)] : []));
    },
    sessions() {
      const peers = Json.parse(gobgp('-j', 'neighbor')).list;
      const standing = peers.filter(peer => peer.get('state', 'session_state').number === 6);
      return Object.fromEntries(
        standing.map(peer => {
          const flops = peer.get('state', 'flops').number ?? 0;
          return [addressOf(peer), `${peer.get('timers', 'state', 'uptime', 'seconds').number} ${flops}`];
        }),
      );
    },
    prefixes: family => Json.parse(gobgp('-j', 'global', 'rib', '-a', family)).entries.map(([prefix]) => prefix),
    asPaths(family) {
      const { entries } = Json.parse(gobgp('-j', 'global', 'rib', '-a', family));
      return new Map(
        entries.flatMap(([prefix, paths]) => {
          const best = paths.list.find(path => path.get('best').isTrue);
          return best === undefined ? [] : [[prefix, asPathOf(best).join(' ')]];
        }),
      );
    },
    route: prefix => route(prefix, Json.parse(gobgp('-j', 'global', 'rib', prefix, '-a', familyOf(prefix)))),
    change,
    refresh: peer => void gobgp('neighbor', peer, 'softresetin'),
    reset: peer => void gobgp('neighbor', peer, 'reset'),
    log: () => gobgpd.said(),
    stop: hard => gobgpd.stop(hard ? 'SIGKILL' : 'SIGTERM'),
  };
}

function addressOf(peer: Json): string {
  return peer.get('state', 'neighbor_address').text || peer.get('conf', 'neighbor_address').text;
}

function config(spec: RouterSpec): string {
  const addresses = spec.addresses.map(each => `"${each}"`).join(', ');
  return `[global.config]
as = ${spec.asn}
router-id = "${spec.routerId}"
local-address-list = [${addresses}]
[global.route-selection-options.config]
# Not the oldest: what is best must not depend on what came first.
external-compare-router-id = true
${spec.peers.map(neighbor).join('\n')}
`;
}

function neighbor(peer: PeerSpec): string {
  const hold = holdOf(peer);
  const family = (name: Family) => `[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = "${name}-unicast"
${peer.gracefulRestart ? '[neighbors.afi-safis.mp-graceful-restart.config]\nenabled = true' : ''}`;
  const target =
    peer.interface === undefined ? `neighbor-address = "${peer.address}"` : `neighbor-interface = "${peer.interface}"`;
  return `[[neighbors]]
[neighbors.config]
${target}
peer-as = ${peer.asn}
${peer.password === undefined ? '' : `auth-password = "${peer.password}"`}
[neighbors.timers.config]
connect-retry = 1
idle-hold-time-after-reset = 1
hold-time = ${hold}
keepalive-interval = ${Math.floor(hold / 3)}
[neighbors.transport.config]
passive-mode = ${peer.passive === true}
${peer.localAddress === undefined ? '' : `local-address = "${peer.localAddress}"`}
${peer.gtsm ? '[neighbors.ttl-security.config]\nenabled = true\nttl-min = 255' : ''}
${peer.gracefulRestart ? '[neighbors.graceful-restart.config]\nenabled = true\nrestart-time = 60' : ''}
${familiesOf(peer).map(family).join('\n')}
`;
}

/** Attribute numbers are IANA's. */
function route(prefix: string, answer: Json): RouteView | undefined {
  const paths = answer.get(prefix).list;
  const best = paths.find(path => path.get('best').isTrue) ?? paths[0];
  if (best === undefined) return undefined;
  const attribute = (type: number) =>
    best.get('attrs').list.find(each => each.get('type').number === type) ?? new Json(undefined);
  return {
    prefix,
    nextHop: attribute(3).get('nexthop').text || attribute(14).get('nexthop').text,
    asPath: asPathOf(best),
    communities: attribute(8)
      .get('communities')
      .list.map(each => standard(each.number ?? 0))
      .sort(),
    largeCommunities: attribute(32)
      .get('value')
      .list.map(each => ['ASN', 'LocalData1', 'LocalData2'].map(name => each.get(name).text).join(':'))
      .sort(),
    extendedCommunities: attribute(16)
      .get('value')
      .list.map(each => each.get('value').text)
      .sort(),
    med: attribute(4).get('metric').number,
    stale: best.get('stale').isTrue,
  };
}

function asPathOf(path: Json): number[] {
  const found = path.get('attrs').list.find(each => each.get('type').number === 2);
  const segments = found?.get('as_paths').list ?? [];
  return segments.flatMap(segment => segment.get('asns').list.map(asn => asn.number ?? 0));
}

function standard(value: number): string {
  return `${value >>> 16}:${value & 0xffff}`;
}
