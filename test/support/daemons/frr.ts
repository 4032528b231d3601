/**
 * FRR: bgpd with zebra, which alone knows links (IPv6 next hops, router advertisements), or without it where IPv4 is
 * enough.
 */
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
  return routerOf(await Daemons.start(namespace, spec));
}

/** bgpd, mostly with zebra beside it, and vtysh to speak to them. */
class Daemons {
  readonly #namespace: Namespace;
  readonly #spec: RouterSpec;
  readonly #folder = makeFolder('frr');
  #running: Foreground[] = [];

  private constructor(namespace: Namespace, spec: RouterSpec) {
    this.#namespace = namespace;
    this.#spec = spec;
  }

  static async start(namespace: Namespace, spec: RouterSpec): Promise<Daemons> {
    const made = new Daemons(namespace, spec);
    await made.#run();
    return made;
  }

  async #run(): Promise<void> {
    const folder = this.#folder;
    writeFileSync(`${folder}/bgpd.conf`, config(this.#spec));
    mkdirSync(`${folder}/run`);
    // zebra drops root for a user of its own.
    for (const path of [folder, `${folder}/run`]) chmodSync(path, 0o777);
    const alone = this.#spec.alone === true;
    if (!alone) await this.#launch('zebra', ['-z', `${folder}/zserv`]);
    await this.#launch('bgpd', ['-S', '-f', `${folder}/bgpd.conf`, ...(alone ? ['-Z'] : ['-z', `${folder}/zserv`])]);
  }

  async #launch(daemon: 'zebra' | 'bgpd', options: readonly string[]): Promise<void> {
    const folder = this.#folder;
    const vty = ['-i', `${folder}/${daemon}.pid`, '--vty_socket', `${folder}/run`, '-A', '127.0.0.1', '-P', '0'];
    const words = [`/usr/lib/frr/${daemon}`, ...options, ...vty, '--log', 'stdout', '--log-level', 'notifications'];
    // What is stopped first takes the folder along.
    const process = new Foreground(this.#namespace, words, daemon === 'bgpd' ? { folder } : {});
    this.#running = [process, ...this.#running];
    await eventually(`${daemon} serves`, () => this.#vtysh(daemon, '-c', 'show version').includes('FRRouting'), {
      detail: () => process.said(),
      hopeless: () => process.exitCode !== undefined,
    });
  }

  #vtysh(daemon: string, ...words: readonly string[]): string {
    return this.#namespace.run('vtysh', '--vty_socket', `${this.#folder}/run`, '-d', daemon, ...words);
  }

  vtysh(...commands: readonly string[]): string {
    return this.#vtysh('bgpd', ...commands.flatMap(each => ['-c', each]));
  }

  /** Lines below `router bgp`, through a file: a command line would be too long for thousands. */
  edit(lines: readonly string[]): void {
    writeFileSync(`${this.#folder}/edit`, `${[`router bgp ${this.#spec.asn}`, ...lines, 'end'].join('\n')}\n`);
    this.#vtysh('bgpd', '-f', `${this.#folder}/edit`);
  }

  log(): string {
    return this.#running.map(each => each.said()).join('');
  }

  async stop(hard: boolean | undefined): Promise<void> {
    const [bgpd, zebra] = this.#running;
    await bgpd?.stop(hard === true ? 'SIGKILL' : 'SIGTERM');
    await zebra?.stop();
  }
}

function routerOf(daemons: Daemons): Router {
  const vtysh = (...commands: readonly string[]) => daemons.vtysh(...commands);
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
      daemons.edit(lines);
    },
    refresh(peer) {
      for (const family of ['ipv4', 'ipv6']) vtysh(`clear bgp ${family} unicast ${peer} soft in`);
    },
    reset: peer => void vtysh(`clear bgp ${peer}`),
    log: () => daemons.log(),
    stop: hard => daemons.stop(hard),
  };
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
      ? [' bgp graceful-restart', ' bgp graceful-restart restart-time 60', ' bgp graceful-restart preserve-fw-state']
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
