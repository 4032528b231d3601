/**
 * What is known about one node, from the Node object and, where present, the CiliumNode: labels, addresses, PodCIDRs,
 * pool blocks, virtual-router annotations. Reference §1.1.6, §2.4.
 */
import type { CiliumNode } from '../api/cilium-node.ts';
import type { Node, VirtualRouterAnnotation } from '../api/node.ts';
import type { Labels } from '../api/selector.ts';
import type { Snapshot } from '../api/snapshot.ts';
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import { type ControlSettings, HostFacts, type PodIpam } from './settings.ts';

/** Kubernetes' own label for "no external load balancer traffic here"; its value does not matter (KEP-1143). */
const excludeLabel = 'node.kubernetes.io/exclude-from-external-load-balancers';

export interface PoolBlocks {
  readonly pool: string;
  readonly cidrs: readonly Prefix[];
}

export interface NodeFacts {
  readonly name: string;
  /** The Node's labels, which win over the CiliumNode's. */
  readonly labels: Labels;
  /** The CiliumNode's own labels, or the Node's where there is none: v1 selectors on PodCIDRs are matched on these. */
  readonly podCidrLabels: Labels;
  /** The IPv4 InternalIP: the router ID unless somebody gives another. */
  readonly ipv4: IpAddress | undefined;
  /** Ascending. Empty with multi-pool IPAM, where a node holds blocks of pools. */
  readonly podCidrs: readonly Prefix[];
  /** By pool name. Empty but with multi-pool IPAM. */
  readonly poolBlocks: readonly PoolBlocks[];
  readonly excluded: boolean;
  readonly cordoned: boolean;
  readonly virtualRouters: readonly VirtualRouterAnnotation[];
  readonly virtualRouterErrors: readonly string[];
}

/** Everything a node's plan is made from. */
export interface NodeInputs {
  readonly snapshot: Snapshot;
  readonly node: NodeFacts;
  readonly settings: ControlSettings;
  readonly host: HostFacts | undefined;
}

/**
 * A node that no object describes has no labels, so that only selectors that match everything select it, and its
 * address is what the host shows.
 */
export function nodeFacts(snapshot: Snapshot, name: string, ipam: PodIpam, host?: HostFacts): NodeFacts {
  const node = snapshot.get('Node', '', name);
  const cilium = snapshot.get('CiliumNode', '', name);
  const facts = factsOf(name, node, cilium, ipam);
  return node === undefined && cilium === undefined ? { ...facts, ipv4: hostIpv4(host) } : facts;
}

/** The first that means something beyond the host, on the link of the default route if there is one. */
function hostIpv4(host: HostFacts | undefined): IpAddress | undefined {
  const route = HostFacts.defaultRoute(host, 'ipv4');
  const links = [HostFacts.link(host, route?.link ?? ''), ...(host?.links ?? [])].filter(link => link !== undefined);
  const addresses = links.flatMap(link => link.addresses.map(each => each.address));
  return addresses.find(address => address.family === 'ipv4' && isAnnounceable(address));
}

/** Addresses that mean something beyond their host and link. */
export function isAnnounceable(address: IpAddress): boolean {
  const mapped = IpAddress.unmapped(address) !== address;
  return (
    !mapped && !IpAddress.isLoopback(address) && !IpAddress.isMulticast(address) && !IpAddress.isLinkLocal(address)
  );
}

/** Every node that a Node or a CiliumNode describes, by name; and `extra`, the node we are, even if none does. */
export function allNodeFacts(snapshot: Snapshot, ipam: PodIpam, extra?: string): readonly NodeFacts[] {
  const names = new Set(snapshot.list('Node').map(node => node.metadata.name));
  for (const node of snapshot.list('CiliumNode')) names.add(node.metadata.name);
  if (extra !== undefined) names.add(extra);
  return [...names].sort().map(name => nodeFacts(snapshot, name, ipam));
}

function factsOf(name: string, node: Node | undefined, cilium: CiliumNode | undefined, ipam: PodIpam): NodeFacts {
  const labels = { ...cilium?.metadata.labels, ...node?.metadata.labels };
  return {
    name,
    labels,
    podCidrLabels: cilium?.metadata.labels ?? labels,
    ipv4: internalIpv4(node, cilium),
    podCidrs: podCidrsOf(node, cilium, ipam),
    poolBlocks: ipam === 'multi-pool' ? blocksOf(cilium) : [],
    excluded: Object.hasOwn(labels, excludeLabel),
    cordoned: node?.spec.unschedulable ?? false,
    virtualRouters: node?.virtualRouters ?? [],
    virtualRouterErrors: node?.virtualRouterErrors ?? [],
  };
}

function internalIpv4(node: Node | undefined, cilium: CiliumNode | undefined): IpAddress | undefined {
  const all = [...(node?.status.addresses ?? []), ...(cilium?.spec.addresses ?? [])];
  return all.find(({ type, address }) => type === 'InternalIP' && address.family === 'ipv4')?.address;
}

/** With IPAM by Kubernetes the Node's own list counts, and a CiliumNode's where the Node has none. */
function podCidrsOf(node: Node | undefined, cilium: CiliumNode | undefined, ipam: PodIpam): readonly Prefix[] {
  if (ipam === 'multi-pool') return [];
  const ofNode = node?.spec.podCIDRs ?? [];
  const chosen = ipam === 'kubernetes' && ofNode.length > 0 ? ofNode : (cilium?.spec.podCIDRs ?? []);
  return [...chosen].sort(Prefix.compare);
}

function blocksOf(cilium: CiliumNode | undefined): readonly PoolBlocks[] {
  const blocks = (cilium?.spec.pools ?? []).map(({ pool, cidrs }) => ({
    pool,
    cidrs: [...cidrs].sort(Prefix.compare),
  }));
  return blocks.sort((a, b) => (a.pool < b.pool ? -1 : a.pool > b.pool ? 1 : 0));
}

/** The 32-bit number that BGP uses as an identifier, from an IPv4 address. */
export function routerIdOf(address: IpAddress): number {
  return Number(IpAddress.unmapped(address).value & 0xffff_ffffn);
}
