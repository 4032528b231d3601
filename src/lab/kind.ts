/**
 * kind's cluster file → a Cluster as kind and kubeadm would have made it: node names, labels, addresses, PodCIDRs; or
 * every fault in the file by name and line.
 */
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import { type KubeletSettings, kubeletSettings } from './kind-kubeadm.ts';
import type { Cluster, ClusterNode, LabRead } from './topology.ts';
import { type FieldRules, openFile, Section } from './topology-file.ts';

const topFields: FieldRules = {
  kind: 'read',
  apiVersion: 'read',
  name: 'read',
  networking: 'read',
  nodes: 'read',
  kubeadmConfigPatches: 'read',
  kubeadmConfigPatchesJSON6902: 'passed',
  containerdConfigPatches: 'passed',
  containerdConfigPatchesJSON6902: 'passed',
  featureGates: 'passed',
  runtimeConfig: 'passed',
};
const networkingFields: FieldRules = {
  ipFamily: 'read',
  podSubnet: 'read',
  serviceSubnet: 'read',
  apiServerAddress: 'passed',
  apiServerPort: 'passed',
  disableDefaultCNI: 'read',
  kubeProxyMode: 'read',
  dnsSearch: 'passed',
};
const nodeFields: FieldRules = {
  role: 'read',
  labels: 'read',
  kubeadmConfigPatches: 'read',
  image: 'passed',
  extraMounts: 'passed',
  extraPortMappings: 'passed',
  kubeadmConfigPatchesJSON6902: 'passed',
};

type IpFamily = Cluster['ipFamily'];

/** kind's own, by address family. */
const defaultSubnets: Readonly<Record<IpFamily, { readonly pod: string; readonly service: string }>> = {
  ipv4: { pod: '10.244.0.0/16', service: '10.96.0.0/16' },
  ipv6: { pod: 'fd00:10:244::/56', service: 'fd00:10:96::/112' },
  dual: { pod: '10.244.0.0/16,fd00:10:244::/56', service: '10.96.0.0/16,fd00:10:96::/112' },
};

/** The network that kind's containers are on, with its gateway first. */
export const clusterNetwork = { ipv4Subnet: '172.18.0.0/16', ipv6Subnet: 'fc00:f853:ccd:e793::/64' } as const;

/** What each node gets of podSubnet. */
const podCidrLength = { ipv4: 24, ipv6: 64 } as const;

export function readCluster(source: { readonly file: string; readonly text: string }): LabRead<Cluster> {
  const { file, root } = openFile(source.text);
  if (root === undefined) return file.result<Cluster>(undefined);
  root.hold(topFields);
  if (root.text('kind')?.value !== 'Cluster') root.fault('kind', 'bad-value', "a cluster file has 'kind: Cluster'");
  const version = root.text('apiVersion')?.value ?? '';
  if (!/^kind\.(x-k8s\.io|sigs\.k8s\.io)\//.test(version))
    root.fault('apiVersion', 'bad-value', "write 'apiVersion: kind.x-k8s.io/v1alpha4'");
  const name = root.text('name')?.value ?? 'kind';
  if (!/^[a-z0-9.-]+$/.test(name)) root.fault('name', 'bad-value', `'${name}' is no name of a cluster`);
  const networking = root.section('networking')?.hold(networkingFields) ?? new Section(file, 'networking', {});
  const ipFamily = networking.choice('ipFamily', ['ipv4', 'ipv6', 'dual']) ?? 'ipv4';
  const podSubnet = subnets(networking, 'podSubnet', ipFamily, defaultSubnets[ipFamily].pod);
  const serviceSubnet = subnets(networking, 'serviceSubnet', ipFamily, defaultSubnets[ipFamily].service);
  const nodes = new Joining({ name, ipFamily, podSubnet }, root).nodes();
  return file.result<Cluster>({ file: source.file, name, ipFamily, podSubnet, serviceSubnet, nodes });
}

/** One prefix for each family, as the file has them. */
function subnets(networking: Section, key: string, ipFamily: IpFamily, fallback: string): readonly string[] {
  const parts = (networking.text(key)?.value ?? fallback).split(',').map(part => part.trim());
  const prefixes = parts.map(part => Prefix.parse(part));
  const families = prefixes.map(prefix => prefix?.address.family).sort();
  const wanted = ipFamily === 'dual' ? ['ipv4', 'ipv6'] : [ipFamily];
  if (families.join() !== wanted.join())
    networking.fault(key, 'bad-value', `'${parts.join()}' is not one prefix of ${wanted.join(' and one of ')}`);
  return prefixes.flatMap(prefix => (prefix === undefined ? [] : [Prefix.format(prefix)]));
}

interface RawNode {
  readonly name: string;
  readonly line: number;
  readonly role: ClusterNode['role'];
  readonly labels: Readonly<Record<string, string>>;
  readonly kubelet: KubeletSettings;
}

/** Nodes get their addresses and PodCIDRs in the order of joining: control planes first. */
class Joining {
  readonly #cluster: Pick<Cluster, 'name' | 'ipFamily' | 'podSubnet'>;
  readonly #root: Section;

  constructor(cluster: Pick<Cluster, 'name' | 'ipFamily' | 'podSubnet'>, root: Section) {
    this.#cluster = cluster;
    this.#root = root;
  }

  nodes(): readonly ClusterNode[] {
    const raw = this.#raw();
    if (!raw.some(each => each.role === 'control-plane'))
      this.#root.fault('nodes', 'missing-field', "a cluster has a node with 'role: control-plane'");
    const joining = [...raw].sort((a, b) => rank(a.role) - rank(b.role));
    const made = new Map(joining.map((each, i) => [each.name, this.#joined(each, i)]));
    return raw.flatMap(({ name }) => made.get(name) ?? []);
  }

  #raw(): readonly RawNode[] {
    const { file } = this.#root;
    const items = this.#root.list('nodes');
    const counts = { 'control-plane': 0, worker: 0 };
    const named = (section: Section): RawNode => {
      const role = section.choice('role', ['control-plane', 'worker']) ?? 'control-plane';
      const order = ++counts[role];
      const name = `${this.#cluster.name}-${role}${order === 1 ? '' : order}`;
      const configuration = role === 'control-plane' && order === 1 ? 'InitConfiguration' : 'JoinConfiguration';
      const patches = [this.#root, section];
      const kubelet = kubeletSettings(patches, configuration);
      return { name, line: section.line, role, labels: section.pairs('labels'), kubelet };
    };
    if (items.length === 0) return [named(new Section(file, 'nodes', {}))];
    return items.flatMap(({ value, path }) => {
      const section = file.section(value, path)?.hold(nodeFields);
      return section === undefined ? [] : [named(section)];
    });
  }

  #joined({ name, line, role, labels, kubelet }: RawNode, order: number): ClusterNode {
    const eth0 = [clusterNetwork.ipv4Subnet, clusterNetwork.ipv6Subnet].map(subnet => nth(subnet, order + 2));
    const families = this.#cluster.ipFamily === 'dual' ? ['ipv4', 'ipv6'] : [this.#cluster.ipFamily];
    const own = eth0.map(each => each.replace(/\/.*/, '')).filter(each => families.includes(familyOf(each)));
    return {
      name,
      line,
      role,
      labels: {
        'beta.kubernetes.io/arch': 'amd64',
        'beta.kubernetes.io/os': 'linux',
        'kubernetes.io/arch': 'amd64',
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        ...(role === 'control-plane' ? { 'node-role.kubernetes.io/control-plane': '' } : {}),
        ...labels,
        ...kubelet.nodeLabels,
      },
      nodeIps: kubelet.nodeIps.length > 0 ? kubelet.nodeIps : own,
      eth0,
      podCidrs: this.#cluster.podSubnet.flatMap(subnet => podCidr(subnet, order) ?? []),
    };
  }
}

function rank(role: ClusterNode['role']): number {
  return role === 'control-plane' ? 0 : 1;
}

function familyOf(address: string): string {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}

/** The subnet's address number `n`, with the subnet's length. */
function nth(subnet: string, n: number): string {
  const prefix = parsed(subnet);
  const { family, value } = prefix.address;
  return `${IpAddress.format(IpAddress.of(family, value + BigInt(n)))}/${prefix.length}`;
}

/** The node's part of a podSubnet; undefined when the subnet has no part left for it. */
function podCidr(subnet: string, order: number): string | undefined {
  const prefix = parsed(subnet);
  const { family, value } = prefix.address;
  const length = Math.max(podCidrLength[family], prefix.length);
  if (BigInt(order) >= 1n << BigInt(length - prefix.length)) return undefined;
  const hostBits = BigInt((family === 'ipv4' ? 32 : 128) - length);
  return Prefix.format(Prefix.of(IpAddress.of(family, value + (BigInt(order) << hostBits)), length));
}

function parsed(subnet: string): Prefix {
  const prefix = Prefix.parse(subnet);
  if (prefix === undefined) throw new Error(`${subnet} is no prefix`);
  return prefix;
}
