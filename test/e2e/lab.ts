/**
 * One node between two routers, FRR and GoBGP, each on a link of its own with both families; and the objects of that
 * node.
 */
import { daemonMissing, type PeerSpec, type Router } from '../support/daemons/daemon.ts';
import { startDaemon } from '../support/daemons/start.ts';
import { HeraldRun, type Manifest } from '../support/herald-run.ts';
import { type Namespace, Net, namespacesMissing } from '../support/netns.ts';
import { eventually } from '../support/wait.ts';

export const nodeAsn = 65001;
export const frrAsn = 65010;
export const gobgpAsn = 65020;

export const addresses = {
  frr: { ipv4: '10.0.1.2', ipv6: '2001:db8:1::2', node4: '10.0.1.1', node6: '2001:db8:1::1' },
  gobgp: { ipv4: '10.0.2.2', ipv6: '2001:db8:2::2', node4: '10.0.2.1', node6: '2001:db8:2::1' },
} as const;

export function labMissing(): string | undefined {
  const program = daemonMissing('frr') ?? daemonMissing('gobgp');
  return program === undefined ? namespacesMissing() : `${program} is not installed`;
}

export interface Lab {
  readonly node: Namespace;
  readonly frr: Router;
  readonly gobgp: Router;
  readonly herald: HeraldRun;
  close(): Promise<void>;
}

/** The routers wait for the node. FRR is spoken to over IPv4, GoBGP over IPv6. */
export async function startLab(
  manifests: Readonly<Record<string, readonly Manifest[]>>,
  options: { readonly frr?: Partial<PeerSpec>; readonly words?: readonly string[] } = {},
): Promise<Lab> {
  const net = new Net();
  const started: { stop(): Promise<void> }[] = [];
  const close = async () => {
    await Promise.all(started.map(each => each.stop()));
    net.close();
  };
  try {
    const [node, frrSide, gobgpSide] = [net.namespace('n1'), net.namespace('frr'), net.namespace('gobgp')];
    // Which default route there is is a test's to say, not that of a router's advertisements.
    for (const knob of ['all', 'default']) node.run('sysctl', '-qw', `net.ipv6.conf.${knob}.accept_ra=0`);
    for (const [link, side] of [
      ['frr', frrSide],
      ['gobgp', gobgpSide],
    ] as const) {
      const { ipv4, ipv6, node4, node6 } = addresses[link];
      net.link(
        { in: node, link, addresses: [`${node4}/24`, `${node6}/64`] },
        { in: side, link: 'eth0', addresses: [`${ipv4}/24`, `${ipv6}/64`] },
      );
    }
    const [frr, gobgp] = await Promise.all([
      startDaemon('frr', frrSide, {
        asn: frrAsn,
        routerId: '10.0.1.2',
        addresses: [addresses.frr.ipv4],
        peers: [{ address: addresses.frr.node4, asn: nodeAsn, passive: true, ...options.frr }],
      }),
      startDaemon('gobgp', gobgpSide, {
        asn: gobgpAsn,
        routerId: '10.0.2.2',
        addresses: [addresses.gobgp.ipv6],
        peers: [{ address: addresses.gobgp.node6, asn: nodeAsn, passive: true }],
      }),
    ]);
    started.push(frr, gobgp);
    const herald = await HeraldRun.start(node, manifests, '--node', 'n1', ...(options.words ?? []));
    started.push({ stop: () => herald.close() });
    return { node, frr, gobgp, herald, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The router has exactly these prefixes, of both families. */
export async function holds(lab: Lab, router: Router, ...prefixes: readonly string[]): Promise<void> {
  const wanted = [...prefixes].sort();
  await eventually(
    `${router.kind} holds ${wanted.join(', ')}`,
    () => JSON.stringify([...router.prefixes('ipv4'), ...router.prefixes('ipv6')].sort()) === JSON.stringify(wanted),
    {
      limitMs: 20_000,
      detail: () =>
        `it holds ${[...router.prefixes('ipv4'), ...router.prefixes('ipv6')]}\n${lab.herald.log().slice(-4000)}`,
    },
  );
}

export const node = (more: { labels?: Manifest; unschedulable?: boolean } = {}): Manifest => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'n1', labels: { rack: 'a', ...more.labels } },
  spec: { podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'], unschedulable: more.unschedulable ?? false },
  status: { addresses: [{ type: 'InternalIP', address: addresses.frr.node4 }] },
});

export const pool: Manifest = {
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumLoadBalancerIPPool',
  metadata: { name: 'blue', labels: { color: 'blue' } },
  spec: { blocks: [{ cidr: '192.0.2.0/24' }, { cidr: '2001:db8:99::/64' }] },
};

/** Dual-stack, with the addresses it asks for. */
export const service = (name: string, host: number, labels: Manifest = {}): Manifest => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: {
    name,
    namespace: 'default',
    labels,
    annotations: { 'lbipam.cilium.io/ips': `192.0.2.${host},2001:db8:99::${host}` },
  },
  spec: {
    type: 'LoadBalancer',
    ipFamilyPolicy: 'RequireDualStack',
    ipFamilies: ['IPv4', 'IPv6'],
    clusterIP: `10.96.0.${host}`,
    ports: [{ name: 'http', port: 80 }],
  },
});

/** The prefixes of such services. */
export const prefixesOf = (...hosts: readonly number[]): readonly string[] =>
  hosts.flatMap(host => [`192.0.2.${host}/32`, `2001:db8:99::${host}/128`]);

export const podPrefixes = ['10.244.1.0/24', 'fd00:244:1::/64'] as const;
