/** BIRD 2: one process, its configuration rewritten and reloaded for every change. It answers in text only. */
import { writeFileSync } from 'node:fs';
import type { Namespace } from '../netns.ts';
import { eventually } from '../wait.ts';
import {
  type Family,
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

export async function startBird(namespace: Namespace, spec: RouterSpec): Promise<Router> {
  const folder = makeFolder('bird');
  const networks = new Set(spec.networks);
  const writeNetworks = () => {
    for (const family of ['ipv4', 'ipv6'] as const)
      writeFileSync(
        `${folder}/${family}`,
        ofFamily([...networks], family)
          .map(each => `route ${each} blackhole;\n`)
          .join(''),
      );
  };
  writeNetworks();
  writeFileSync(`${folder}/bird.conf`, config(spec, folder));
  const words = ['bird', '-f', '-c', `${folder}/bird.conf`, '-s', `${folder}/ctl`, '-P', `${folder}/pid`];
  const bird = new Foreground(namespace, words, { folder });
  const birdc = (command: string) => namespace.run('sh', '-c', `birdc -s ${folder}/ctl ${command} || true`);
  await eventually('bird serves', () => birdc('show status').includes('Daemon is up'), {
    detail: () => bird.said(),
    hopeless: () => bird.exitCode !== undefined,
  });
  const protocol = (address: string) => `p${spec.peers.findIndex(peer => peer.address === address)}`;

  return {
    kind: 'bird',
    established() {
      const rows = birdc('show protocols').split('\n');
      return spec.peers.flatMap((peer, i) =>
        rows.some(row => new RegExp(`^p${i} .*Established`).test(row)) ? [peer.address] : [],
      );
    },
    prefixes: family => tableOf(birdc(`show route table ${tables[family]} primary`)),
    asPaths: family => asPathsOf(birdc(`show route table ${tables[family]} primary all`)),
    route: prefix => route(prefix, birdc(`show route for ${prefix} table ${tables[familyOf(prefix)]} primary all`)),
    change(add, remove) {
      for (const prefix of remove) networks.delete(prefix);
      for (const prefix of add) networks.add(prefix);
      writeNetworks();
      birdc('configure');
    },
    refresh: peer => void birdc(`reload in ${protocol(peer)}`),
    reset: peer => void birdc(`restart ${protocol(peer)}`),
    log: () => bird.said(),
    stop: hard => bird.stop(hard ? 'SIGKILL' : 'SIGTERM'),
  };
}

const tables = { ipv4: 'master4', ipv6: 'master6' } as const satisfies Record<Family, string>;

function config(spec: RouterSpec, folder: string): string {
  return `${[
    `router id ${spec.routerId};`,
    'log stderr all;',
    'protocol device { }',
    `protocol static s4 { ipv4;\ninclude "${folder}/ipv4";\n}`,
    `protocol static s6 { ipv6;\ninclude "${folder}/ipv6";\n}`,
    ...spec.peers.map((peer, i) => `protocol bgp p${i} {\n${peerLines(spec, peer).join('\n')}\n}`),
  ].join('\n')}\n`;
}

function peerLines(spec: RouterSpec, peer: PeerSpec): string[] {
  const hold = holdOf(peer);
  // A local address that is not of the session's family: what BIRD says next hops of the other family are.
  const other = spec.addresses.find(address => familyOf(address) !== familyOf(peer.address));
  const channel = (family: Family) => {
    const foreign = family !== familyOf(peer.address);
    const nextHop = foreign && !peer.extendedNextHop && other !== undefined ? ` next hop address ${other};` : '';
    const extended = peer.extendedNextHop ? ' extended next hop yes;' : '';
    return ` ${family} { import all; export all;${nextHop}${extended} };`;
  };
  const [address = '', zone] = peer.address.split('%');
  return [
    ` local ${peer.localAddress ?? ''} as ${spec.asn};`,
    ` neighbor ${address}${zone === undefined ? '' : `%${zone}`} as ${peer.asn};`,
    ` hold time ${hold}; keepalive time ${Math.floor(hold / 3)};`,
    ' connect delay time 1; connect retry time 1; error wait time 1, 2; direct;',
    ...(peer.passive ? [' passive yes;'] : []),
    ...(peer.password === undefined ? [] : [` password "${peer.password}";`]),
    ...(peer.gtsm ? [' ttl security yes;'] : []),
    ' enable extended messages yes;',
    ` graceful restart ${peer.gracefulRestart ? 'yes' : 'aware'};`,
    ...familiesOf(peer).map(channel),
  ];
}

function tableOf(answer: string): string[] {
  return answer.split('\n').flatMap(line => /^([0-9a-f:.]+\/[0-9]+) /.exec(line)?.[1] ?? []);
}

/** Only of routes that have one. */
function asPathsOf(answer: string): Map<string, string> {
  const paths = new Map<string, string>();
  let prefix = '';
  for (const line of answer.split('\n')) {
    prefix = /^([0-9a-f:.]+\/[0-9]+) /.exec(line)?.[1] ?? prefix;
    const path = /^\s+BGP\.as_path: (.*)$/.exec(line)?.[1];
    if (path !== undefined) paths.set(prefix, path);
  }
  return paths;
}

/** `BGP.community: (65000,1) (65000,2)` as `65000:1`. */
function route(prefix: string, answer: string): RouteView | undefined {
  if (!answer.includes(`${prefix} `)) return undefined;
  const value = (name: string) => new RegExp(`^\\s*BGP\\.${name}: (.*)$`, 'm').exec(answer)?.[1] ?? '';
  const tuples = (name: string) =>
    [...value(name).matchAll(/\(([^)]*)\)/g)].map(([, each = '']) => each.replaceAll(/,\s*/g, ':')).sort();
  return {
    prefix,
    nextHop: value('next_hop').split(' ')[0] ?? '',
    asPath: value('as_path')
      .split(' ')
      .filter(word => /^[0-9]+$/.test(word))
      .map(Number),
    communities: tuples('community'),
    largeCommunities: tuples('large_community'),
    extendedCommunities: tuples('ext_community'),
    med: value('med') === '' ? undefined : Number(value('med')),
    stale: answer.includes('stale'),
  };
}
