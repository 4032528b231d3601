/** Clusters, nodes and links as tests write them down. */
import type { PodCluster, PodNode } from '../../src/mesh/pod-node.ts';
import type { PodRoutes } from '../../src/mesh/route-table.ts';
import { type LearnedRoute, PodVia, type RouteInputs, type RouteRules } from '../../src/mesh/routing.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
export const bytes = (value: string): Uint8Array => encoder.encode(value);
export const text = (value: Uint8Array): string => decoder.decode(value);

/** A node as another writer wrote it (reference §1.4). */
export const fixtureNode =
  '{"Name":"test-node-2","Cluster":"cluster3","IPAddresses":[{"Type":"InternalIP","IP":"172.18.0.3"},' +
  '{"Type":"InternalIP","IP":"fc00:c111::3"},{"Type":"CiliumInternalIP","IP":"10.244.1.130"},' +
  '{"Type":"CiliumInternalIP","IP":"fd00:10:244:1::9089"}],"IPv4AllocCIDR":{"IP":"10.244.1.0","Mask":"////AA=="},' +
  '"IPv4SecondaryAllocCIDRs":null,"IPv6AllocCIDR":{"IP":"fd00:10:244:1::","Mask":"//////////8AAAAAAAAAAA=="},' +
  '"IPv6SecondaryAllocCIDRs":null,"IPv4HealthIP":"10.244.1.153","IPv6HealthIP":"fd00:10:244:1::835d",' +
  '"IPv4IngressIP":"","IPv6IngressIP":"","ClusterID":3,"Source":"custom-resource","EncryptionKey":7,' +
  '"Labels":{"kubernetes.io/hostname":"test-node-2"},"Annotations":null,"WireguardPubKey":"",' +
  '"BootID":"c1d2cda2-aca0-4033-abca-3843298860b9"}';

export function address(value: string): IpAddress {
  const parsed = IpAddress.parse(value);
  if (parsed === undefined) throw new Error(`${value} is no address`);
  return parsed;
}

export function prefix(value: string): Prefix {
  const parsed = Prefix.parse(value);
  if (parsed === undefined) throw new Error(`${value} is no prefix`);
  return parsed;
}

/** `node('n1', '10.0.0.1', '10.244.1.0/24', …)`. */
export function node(name: string, addresses: string, ...cidrs: readonly string[]): PodNode {
  return {
    name,
    addresses: addresses === '' ? [] : addresses.split(' ').map(address),
    podCidrs: cidrs.map(prefix).sort(Prefix.compare),
  };
}

export function cluster(name: string, id: number, sinceMs: number, ...nodes: readonly PodNode[]): PodCluster {
  return { name, id, sinceMs, nodes };
}

export function learned(text: string, hops: string, more: Partial<LearnedRoute> = {}): LearnedRoute {
  const nextHops = hops.split(' ').map(each => {
    const [at = '', link] = each.split('%');
    return { address: address(at), link };
  });
  return { prefix: prefix(text), nextHops, from: ['tor'], origin: undefined, ...more };
}

export const rules: RouteRules = {
  mode: 'auto',
  podRanges: [prefix('10.0.0.0/8'), prefix('fd00::/8')],
  importDefault: false,
  overlayLink: 'herald.vx',
};

/** Node n1 of west: 192.168.1.1 on eth0, pods 10.1.1.0/24. */
export function inputs(more: Partial<RouteInputs> = {}): RouteInputs {
  return {
    self: 'n1',
    own: cluster('west', 1, 0, node('n1', '192.168.1.1', '10.1.1.0/24')),
    clusters: [],
    learned: [],
    links: [
      { name: 'lo', up: true, addresses: [{ address: address('127.0.0.1'), length: 8 }] },
      {
        name: 'eth0',
        up: true,
        addresses: [
          { address: address('192.168.1.1'), length: 24 },
          { address: address('fd01::1'), length: 64 },
        ],
      },
    ],
    guarded: [],
    rules,
    ...more,
  };
}

/** `10.1.2.0/24 via 192.168.1.2 dev eth0 (direct)`, a line a route. */
export function lines({ routes }: PodRoutes): string[] {
  return routes.map(({ prefix, vias }) => `${Prefix.format(prefix)} ${vias.map(PodVia.format).join(', ')}`);
}
