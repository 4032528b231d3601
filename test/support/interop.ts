/** Herald and one other daemon at the two ends of a link, and the words both sides' configurations share. */
import {
  type DaemonKind,
  daemonMissing,
  type Family,
  type PeerSpec,
  type Router,
  type RouterSpec,
} from './daemons/daemon.ts';
import { startDaemon } from './daemons/start.ts';
import { HeraldSpeaker, type SpeakerFileText } from './herald-speaker.ts';
import { type Namespace, Net, namespacesMissing } from './netns.ts';
import { eventually } from './wait.ts';

/** Needs four octets (RFC 6793). */
export const HERALD_ASN = 4_200_000_001;
export const ROUTER_ASN = 4_200_000_002;
export const heraldAddress = { ipv4: '10.0.0.1', ipv6: '2001:db8::1' } as const satisfies Record<Family, string>;
export const routerAddress = { ipv4: '10.0.0.2', ipv6: '2001:db8::2' } as const satisfies Record<Family, string>;
export const heraldNetworks = ['192.0.2.0/24', '2001:db8:1::/48'] as const;
export const routerNetworks = ['198.51.100.0/24', '2001:db8:2::/48'] as const;

/** Why tests with this daemon cannot run here, for the line that a skipped one says; undefined when they can. */
export function interopMissing(kind: DaemonKind): string | undefined {
  const program = daemonMissing(kind);
  return program === undefined ? namespacesMissing() : `${program} is not installed`;
}

export interface PairOptions {
  /** What the session runs over. `link-local` and `unnumbered` are IPv6. */
  readonly over?: Family | 'link-local' | 'unnumbered';
  /** Who opens the connection; the other one waits for it. */
  readonly opens?: 'herald' | 'router' | 'both';
  /** Of Herald's peer, besides who it is. */
  readonly heraldPeer?: SpeakerFileText;
  /** Of Herald's file, besides its peer. */
  readonly heraldFile?: SpeakerFileText;
  readonly routerPeer?: Partial<PeerSpec>;
  readonly routerAsn?: number;
}

export interface Pair {
  readonly net: Net;
  readonly heraldSide: Namespace;
  readonly routerSide: Namespace;
  readonly herald: HeraldSpeaker;
  readonly router: Router;
  readonly routerSpec: RouterSpec;
  /** How each calls the other. */
  readonly heraldPeer: string;
  readonly routerPeer: string;
  readonly heraldFile: SpeakerFileText;
  stop(): Promise<void>;
}

export async function startPair(kind: DaemonKind, options: PairOptions = {}): Promise<Pair> {
  const net = new Net();
  const [heraldSide, routerSide] = [net.namespace('herald'), net.namespace(kind)];
  const bare = options.over === 'unnumbered';
  const addresses = (from: Record<Family, string>) => (bare ? [] : [`${from.ipv4}/24`, `${from.ipv6}/64`]);
  net.link(
    { in: heraldSide, link: 'eth0', addresses: addresses(heraldAddress) },
    { in: routerSide, link: 'eth0', addresses: addresses(routerAddress) },
  );
  const ends = endsOf(options.over ?? 'ipv4', heraldSide, routerSide);
  const heraldFile = fileOf(options, ends.router);
  const started: { stop(): Promise<void> }[] = [];
  const stop = async () => {
    await Promise.all(started.map(each => each.stop()));
    net.close();
  };
  try {
    const routerSpec: RouterSpec = {
      asn: options.routerAsn ?? ROUTER_ASN,
      routerId: '10.0.0.2',
      addresses: bare ? [] : [routerAddress.ipv4, routerAddress.ipv6],
      networks: routerNetworks,
      peers: [
        {
          ...ends.herald,
          asn: HERALD_ASN,
          passive: options.opens === 'herald',
          ...options.routerPeer,
        },
      ],
    };
    const router = await startDaemon(kind, routerSide, routerSpec);
    started.push(router);
    const herald = await HeraldSpeaker.start(heraldSide, heraldFile);
    started.push(herald);
    return {
      net,
      heraldSide,
      routerSide,
      herald,
      router,
      routerSpec,
      heraldFile,
      stop,
      heraldPeer: ends.router,
      routerPeer: ends.herald.interface ?? ends.herald.address,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Both ends' view of the other: Herald's peer as text, the router's as a spec. */
function endsOf(over: NonNullable<PairOptions['over']>, heraldSide: Namespace, routerSide: Namespace) {
  if (over === 'unnumbered') return { router: 'eth0', herald: { address: '', interface: 'eth0' } };
  if (over === 'link-local')
    return {
      router: `${routerSide.linkLocal('eth0')}%eth0`,
      herald: { address: `${heraldSide.linkLocal('eth0')}%eth0` },
    };
  return { router: routerAddress[over], herald: { address: heraldAddress[over], localAddress: routerAddress[over] } };
}

function fileOf(options: PairOptions, router: string): SpeakerFileText {
  return {
    asn: HERALD_ASN,
    routerId: '10.0.0.1',
    listen: [{}],
    peers: [
      {
        ...(options.over === 'unnumbered' ? { interface: router } : { address: router }),
        asn: options.routerAsn ?? ROUTER_ASN,
        passive: options.opens === 'router',
        timers: { holdSeconds: 9, connectRetrySeconds: 1 },
        import: 'all',
        export: 'all',
        ...options.heraldPeer,
      },
    ],
    originate: [{ prefixes: heraldNetworks }],
    ...options.heraldFile,
  };
}

/** Both are established, the router has our prefixes of these families and we have its own of those. */
export async function converged(pair: Pair, ours: readonly Family[] = ['ipv4', 'ipv6'], theirs = ours): Promise<void> {
  const { herald, router } = pair;
  const detail = () => `--- herald\n${herald.log().slice(-4000)}\n--- ${router.kind}\n${router.log().slice(-4000)}`;
  await herald.established();
  await eventually(`${router.kind} says established`, () => router.established().length === 1, { detail });
  for (const family of ours) {
    const network = networkOf(heraldNetworks, family);
    await eventually(`${router.kind} has ${network}`, () => router.route(network) !== undefined, { detail });
  }
  for (const family of theirs) {
    const network = networkOf(routerNetworks, family);
    await eventually(`Herald has ${network}`, async () => (await herald.best(network)) !== undefined, { detail });
  }
}

export function networkOf(networks: readonly string[], family: Family): string {
  const found = networks.find(network => network.includes(':') === (family === 'ipv6'));
  if (found === undefined) throw new Error(`no ${family} network`);
  return found;
}
