/**
 * What the controller of a lab's cluster has to know beforehand, as a file in the lab's folder: the nodes that no
 * manifest describes, and where the manifests are. Everything else it sees for itself.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RawObject } from '../api/object.ts';
import { IpAddress } from '../net/ip.ts';
import { at, listAt, textAt } from './cluster-raw.ts';
import type { LabParts } from './lab-parts.ts';
import type { Place } from './place.ts';

export interface ClusterFacts {
  readonly lab: string;
  readonly folder: string;
  readonly serviceSubnets: readonly string[];
  readonly nodes: readonly FactNode[];
  /** Objects are in a real API server; otherwise in the lab's folder. */
  readonly kube?: KubeFacts | undefined;
}

export interface KubeFacts {
  /** On this host's loopback address. */
  readonly port: number;
  /** Path of a kubeconfig that may do everything. */
  readonly kubeconfig: string;
  /** kube-proxy itself carries Services' traffic: the lab's rules for it are not needed. */
  readonly hasProxy: boolean;
}

export interface FactNode {
  readonly name: string;
  readonly controlPlane: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** InternalIPs, without prefix length. */
  readonly nodeIps: readonly string[];
  /** On the network that all nodes share, without prefix length. */
  readonly sharedIps: readonly string[];
  readonly podCidrs: readonly string[];
}

/** As kind has them, for a lab without a cluster file. */
const serviceSubnets = { ipv4: '10.96.0.0/16', ipv6: 'fd00:10:96::/112' } as const;
const podCidr = {
  ipv4: (i: number) => `10.244.${i % 256}.0/24`,
  ipv6: (i: number) => `fd00:10:244:${i.toString(16)}::/64`,
} as const;

/** Where things are in a lab's folder. */
export const LabFolder = {
  facts: (folder: string) => join(folder, 'cluster.json'),
  /** Links to what the user named. */
  user: (folder: string) => join(folder, 'user'),
  /** What an API server would hold: all that Herald reads. */
  manifests: (folder: string) => join(folder, 'manifests'),
  state: (folder: string) => join(folder, 'state'),
  /** An API server's files. */
  kube: (folder: string) => join(folder, 'kube'),
  log: (folder: string, name: string) => join(folder, 'log', `${name}.log`),
  socket: (folder: string, name: string) => join(folder, 'sockets', `${name}.sock`),
} as const;

/** `described` are the user's own Node objects: those nodes are left to them. */
export async function gatherFacts(parts: LabParts, described: readonly RawObject[]): Promise<ClusterFacts> {
  const names = new Set(described.map(each => textAt(each, 'metadata', 'name')));
  const nodes: FactNode[] = (parts.cluster?.nodes ?? []).map(node => ({
    name: node.name,
    controlPlane: node.role === 'control-plane',
    labels: node.labels,
    nodeIps: node.nodeIps,
    sharedIps: node.eth0.map(each => each.split('/')[0] ?? ''),
    podCidrs: node.podCidrs,
  }));
  for (const { name, role, labels } of parts.topology.nodes) {
    const place = parts.places.get(name);
    const isNode = role === 'herald' && place !== undefined && place.about['network'] === undefined;
    if (!isNode || nodes.some(each => each.name === name)) continue;
    const { outside, management } = await addressesOf(place);
    const nodeIps = (['ipv4', 'ipv6'] as const).flatMap(
      family => outside.find(each => IpAddress.parse(each)?.family === family) ?? [],
    );
    const families =
      nodeIps.length > 0 ? nodeIps.flatMap(each => IpAddress.parse(each)?.family ?? []) : ['ipv4' as const];
    nodes.push({
      name,
      controlPlane: false,
      labels: { 'kubernetes.io/hostname': name, ...labels },
      nodeIps: nodeIps.length > 0 ? nodeIps : management,
      sharedIps: management,
      podCidrs: families.map(family => podCidr[family](nodes.length)),
    });
  }
  const { name: lab, folder } = parts;
  const kept = nodes.filter(each => !names.has(each.name));
  return { lab, folder, serviceSubnets: parts.cluster?.serviceSubnet ?? subnetsFor(nodes, described), nodes: kept };
}

/** Of the families that the nodes have for pods, IPv4 first. */
function subnetsFor(nodes: readonly FactNode[], described: readonly RawObject[]): readonly string[] {
  const cidrs = [
    ...nodes.flatMap(each => each.podCidrs),
    ...described.flatMap(each => listAt(each, 'spec', 'podCIDRs').map(String)),
  ];
  const hasIpv6 = cidrs.some(each => each.includes(':'));
  const hasIpv4 = cidrs.some(each => !each.includes(':')) || !hasIpv6;
  return [...(hasIpv4 ? [serviceSubnets.ipv4] : []), ...(hasIpv6 ? [serviceSubnets.ipv6] : [])];
}

/** Global addresses of a place: of its own links, and of the one to the management network. */
async function addressesOf(place: Place) {
  const { stdout } = await place.run(['ip', '-j', 'addr', 'show', 'scope', 'global']);
  const links: unknown = JSON.parse(stdout || '[]');
  const rows = listAt({ links }, 'links').map(link => ({
    name: textAt(link, 'ifname'),
    addresses: listAt(link, 'addr_info').flatMap(each => textAt(each, 'local') || []),
  }));
  const of = (isManagement: boolean) =>
    rows.filter(each => (each.name === 'eth0') === isManagement).flatMap(each => each.addresses);
  return { outside: of(false), management: of(true) };
}

/** The Node object that kubeadm and a kubelet would have made. */
export function nodeObject({ name, labels, nodeIps, podCidrs }: FactNode): RawObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels },
    spec: { podCIDR: podCidrs[0] ?? '', podCIDRs: podCidrs },
    status: {
      addresses: [...nodeIps.map(address => ({ type: 'InternalIP', address })), { type: 'Hostname', address: name }],
      conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'the place stands' }],
    },
  };
}

export function writeFacts(facts: ClusterFacts): void {
  writeFileSync(LabFolder.facts(facts.folder), JSON.stringify(facts, undefined, 2));
}

/** Written by `writeFacts`. */
export function readFacts(folder: string): ClusterFacts {
  return JSON.parse(readFileSync(LabFolder.facts(folder), 'utf8')) as ClusterFacts;
}

/** InternalIPs of a Node object. */
export function internalIpsOf(node: RawObject): readonly string[] {
  return listAt(node, 'status', 'addresses').flatMap(each =>
    textAt(each, 'type') === 'InternalIP' && typeof at(each, 'address') === 'string' ? [textAt(each, 'address')] : [],
  );
}
