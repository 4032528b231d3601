/**
 * Which pods stand where: what the controllers of a cluster, its scheduler and its kubelets would make of Deployments
 * and their like. Pure. A pod that is there already stays where it is and keeps its address, as long as it may.
 */
import type { RawObject } from '../api/object.ts';
import { type Family, IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import { at, isKind, labelsAt, listAt, namespaceOf, selects, textAt, wholeAt } from './cluster-raw.ts';

type PodProtocol = 'TCP' | 'UDP';

/** Where a pod's containers listen. */
export interface PodPort {
  readonly name: string;
  readonly protocol: PodProtocol;
  readonly port: number;
}

export interface Pod {
  readonly namespace: string;
  /** `web-1`: the workload's name and a number, or the node's name for a pod on every node. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly PodPort[];
  readonly node: string;
  /** One for each family of its node's PodCIDRs. */
  readonly addresses: readonly IpAddress[];
}

/** A node that pods can be put on. */
export interface PodNode {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly podCidrs: readonly Prefix[];
  /** Neither cordoned nor kept free of pods, as a control-plane node beside workers is. */
  readonly schedulable: boolean;
}

export interface PodPlan {
  /** By workload, in the order of the manifests. */
  readonly pods: readonly Pod[];
  /** Pods that could be put nowhere, and why: a line each. */
  readonly pending: readonly string[];
}

/** The replicas of one workload that a lab carries; a manifest may ask for more than a machine has room for. */
const replicasMax = 50;

/** Kinds that make pods of a template. A pod of its own is its own template. */
const workloadKinds: readonly { readonly group: string; readonly kind: string; readonly scale: Workload['scale'] }[] = [
  { group: 'apps', kind: 'Deployment', scale: 'replicas' },
  { group: 'apps', kind: 'StatefulSet', scale: 'replicas' },
  { group: 'apps', kind: 'ReplicaSet', scale: 'replicas' },
  { group: 'apps', kind: 'DaemonSet', scale: 'nodes' },
  { group: '', kind: 'Pod', scale: 'one' },
];

interface Workload {
  readonly namespace: string;
  readonly name: string;
  readonly scale: 'replicas' | 'nodes' | 'one';
  readonly replicas: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly PodPort[];
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly nodeName: string;
}

/** `before` are the pods of the last plan. */
export function planPods(
  objects: readonly RawObject[],
  nodes: readonly PodNode[],
  before: readonly Pod[] = [],
): PodPlan {
  const known = new Map(before.map(pod => [podKey(pod), pod]));
  const wanted = workloadsOf(objects).flatMap(workload => wantedPods(workload, nodes));
  const kept = wanted.flatMap(each => {
    const pod = known.get(podKey(each));
    const node = nodes.find(({ name }) => name === pod?.node);
    return pod !== undefined && node !== undefined && each.fits(node) && holdsAddresses(node, pod) ? [pod] : [];
  });
  const used = new Set(kept.flatMap(pod => pod.addresses.map(IpAddress.format)));
  const load = new Map(nodes.map(({ name }) => [name, kept.filter(pod => pod.node === name).length]));
  const pods: Pod[] = [];
  const pending: string[] = [];
  for (const each of wanted) {
    const { namespace, name, labels, ports } = each;
    const old = kept.find(pod => podKey(pod) === podKey(each));
    const node = old === undefined ? leastLoaded(nodes.filter(each.fits), load) : undefined;
    const addresses = old?.addresses ?? (node && takeAddresses(node, used));
    if (addresses === undefined) {
      pending.push(`pod ${name} of ${namespace} is on no node: ${node ? 'its PodCIDR is full' : 'none fits'}`);
      continue;
    }
    if (node !== undefined) load.set(node.name, (load.get(node.name) ?? 0) + 1);
    pods.push({ namespace, name, labels, ports, node: old?.node ?? node?.name ?? '', addresses });
  }
  return { pods, pending };
}

export function podKey({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}

/** Names a pod together with what cannot be changed while it stands: `default/web-1 kind-worker 10.1.1.2`. */
export function podIdentity(pod: Pod): string {
  return [podKey(pod), pod.node, ...pod.addresses.map(IpAddress.format)].join(' ');
}

interface WantedPod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly PodPort[];
  readonly fits: (node: PodNode) => boolean;
}

function wantedPods(workload: Workload, nodes: readonly PodNode[]): readonly WantedPod[] {
  const { namespace, name, labels, ports, nodeSelector, nodeName } = workload;
  const fits = (node: PodNode) =>
    nodeName === '' ? node.schedulable && selects(nodeSelector, node.labels) : node.name === nodeName;
  if (workload.scale === 'one') return [{ namespace, name, labels, ports, fits }];
  if (workload.scale === 'nodes')
    return nodes
      .filter(fits)
      .map(node => ({ namespace, name: `${name}-${node.name}`, labels, ports, fits: each => each.name === node.name }));
  const count = Math.min(workload.replicas, replicasMax);
  return Array.from({ length: count }, (_, i) => ({ namespace, name: `${name}-${i + 1}`, labels, ports, fits }));
}

function workloadsOf(objects: readonly RawObject[]): readonly Workload[] {
  return objects.flatMap(object => {
    const row = workloadKinds.find(({ group, kind }) => isKind(object, group, kind));
    const name = textAt(object, 'metadata', 'name');
    if (row === undefined || name === '') return [];
    const template = row.scale === 'one' ? object : at(object, 'spec', 'template');
    return [
      {
        namespace: namespaceOf(object),
        name,
        scale: row.scale,
        replicas: wholeAt({ min: 0, max: 100_000 }, object, 'spec', 'replicas') ?? 1,
        labels: labelsAt(template, 'metadata', 'labels'),
        ports: listAt(template, 'spec', 'containers').flatMap(container => listAt(container, 'ports').flatMap(portOf)),
        nodeSelector: labelsAt(template, 'spec', 'nodeSelector'),
        nodeName: textAt(template, 'spec', 'nodeName'),
      },
    ];
  });
}

function portOf(raw: unknown): readonly PodPort[] {
  const port = wholeAt({ min: 1, max: 65_535 }, raw, 'containerPort');
  const protocol = textAt(raw, 'protocol') || 'TCP';
  if (port === undefined || (protocol !== 'TCP' && protocol !== 'UDP')) return [];
  return [{ name: textAt(raw, 'name'), protocol, port }];
}

/** The first of those with the fewest pods. */
function leastLoaded(nodes: readonly PodNode[], load: ReadonlyMap<string, number>): PodNode | undefined {
  const count = (node: PodNode) => load.get(node.name) ?? 0;
  return nodes.reduce<PodNode | undefined>(
    (best, node) => (best === undefined || count(node) < count(best) ? node : best),
    undefined,
  );
}

function holdsAddresses({ podCidrs }: PodNode, { addresses }: Pod): boolean {
  return addresses.length === podCidrs.length && podCidrs.every((cidr, i) => isIn(cidr, addresses[i]));
}

function isIn(cidr: Prefix, address: IpAddress | undefined): boolean {
  return address !== undefined && Prefix.contains(cidr, address);
}

/** The first that is free of each PodCIDR, behind the gateway's; undefined when there is none. */
function takeAddresses({ podCidrs }: PodNode, used: Set<string>): readonly IpAddress[] | undefined {
  if (podCidrs.length === 0) return undefined;
  const taken: IpAddress[] = [];
  for (const cidr of podCidrs) {
    const last = Prefix.last(cidr).value;
    let value = gatewayOf(cidr).value + 1n;
    while (value < last && used.has(formatted(cidr.address.family, value))) value++;
    if (value >= last) return undefined;
    taken.push(IpAddress.of(cidr.address.family, value));
  }
  for (const address of taken) used.add(IpAddress.format(address));
  return taken;
}

function formatted(family: Family, value: bigint): string {
  return IpAddress.format(IpAddress.of(family, value));
}

/** The node's own address towards its pods: the first of the PodCIDR. */
export function gatewayOf(cidr: Prefix): IpAddress {
  return IpAddress.of(cidr.address.family, cidr.address.value + 1n);
}
