/** kind's cluster file, and what kind and kubeadm make of it. */
import { describe, expect, it } from 'vitest';
import { readCluster } from '../../src/lab/kind.ts';
import type { Cluster, ClusterNode } from '../../src/lab/topology.ts';

const head = 'kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n';
const read = (lines: string) => readCluster({ file: '/labs/kind.yaml', text: `${head}${lines}` });

function clusterOf(lines: string): Cluster {
  const { value, faults } = read(lines);
  if (value === undefined) throw new Error(JSON.stringify(faults));
  return value;
}

const node = (role: string, fields = '') => `- role: ${role}\n${fields}`;
const nodes = (...all: readonly string[]) => `nodes:\n${all.join('')}`;
const patch = (kind: string, args: string) =>
  `  kubeadmConfigPatches:\n  - |\n    kind: ${kind}\n    nodeRegistration:\n      kubeletExtraArgs:\n${args}`;

describe('§2 names, in the order of the file', () => {
  it.each([
    ['none given', '', ['kind-control-plane']],
    ['the cluster’s name', 'name: c1\n', ['c1-control-plane']],
    [
      'numbers from the second of a role on',
      nodes(node('worker'), node('control-plane'), node('worker'), node('worker')),
      ['kind-worker', 'kind-control-plane', 'kind-worker2', 'kind-worker3'],
    ],
  ])('%s', (_, lines, names) => expect(clusterOf(lines).nodes.map(each => each.name)).toEqual(names));
});

describe('§2 subnets', () => {
  it.each([
    ['IPv4 by default', '', ['10.244.0.0/16'], ['10.96.0.0/16']],
    ['IPv6', 'networking: {ipFamily: ipv6}\n', ['fd00:10:244::/56'], ['fd00:10:96::/112']],
    [
      'both',
      'networking: {ipFamily: dual}\n',
      ['10.244.0.0/16', 'fd00:10:244::/56'],
      ['10.96.0.0/16', 'fd00:10:96::/112'],
    ],
    [
      'given',
      'networking: {ipFamily: dual, podSubnet: "fd00:10:1::/63, 10.1.0.0/16"}\n',
      ['fd00:10:1::/63', '10.1.0.0/16'],
      ['10.96.0.0/16', 'fd00:10:96::/112'],
    ],
  ])('%s', (_, lines, podSubnet, serviceSubnet) => {
    expect(clusterOf(lines)).toMatchObject({ podSubnet, serviceSubnet });
  });
});

describe('§2 what a node gets', () => {
  const three = nodes(node('worker'), node('control-plane'), node('worker'));
  const nodeIp = patch(
    'InitConfiguration',
    '        node-ip: "10.0.1.2,fd00:10:0:1::2"\n        node-labels: "rack=r0,zone=a"\n',
  );
  const listed = patch(
    'JoinConfiguration',
    '      - {name: node-ip, value: 10.0.2.2}\n      - {name: node-labels, value: x=y}\n',
  );
  it.each<[string, string, string, (node: ClusterNode) => unknown, unknown]>([
    ['/24 of podSubnet, control planes first', three, 'kind-control-plane', each => each.podCidrs, ['10.244.0.0/24']],
    ['then workers in their order', three, 'kind-worker', each => each.podCidrs, ['10.244.1.0/24']],
    ['the last', three, 'kind-worker2', each => each.podCidrs, ['10.244.2.0/24']],
    [
      '/64 of IPv6',
      `networking: {ipFamily: ipv6}\n${three}`,
      'kind-worker',
      each => each.podCidrs,
      ['fd00:10:244:1::/64'],
    ],
    [
      'none where podSubnet has none left',
      `networking: {ipFamily: dual, podSubnet: "10.1.0.0/16,fd00:10:1::/63"}\n${three}`,
      'kind-worker2',
      each => each.podCidrs,
      ['10.1.2.0/24'],
    ],
    ['an address of kind’s network', three, 'kind-worker', each => each.nodeIps, ['172.18.0.3']],
    [
      'of both families',
      `networking: {ipFamily: dual}\n${three}`,
      'kind-worker',
      each => each.nodeIps,
      ['172.18.0.3', 'fc00:f853:ccd:e793::3'],
    ],
    [
      'the addresses of node-ip',
      nodes(node('control-plane', nodeIp)),
      'kind-control-plane',
      each => each.nodeIps,
      ['10.0.1.2', 'fd00:10:0:1::2'],
    ],
    [
      'the labels of node-labels',
      nodes(node('control-plane', nodeIp)),
      'kind-control-plane',
      each => [each.labels['rack'], each.labels['zone']],
      ['r0', 'a'],
    ],
    [
      'arguments as a list (v1beta4)',
      nodes(node('control-plane'), node('worker', listed)),
      'kind-worker',
      each => [each.nodeIps, each.labels['x']],
      [['10.0.2.2'], 'y'],
    ],
    [
      'nothing of the other configuration',
      nodes(node('control-plane'), node('worker', nodeIp)),
      'kind-worker',
      each => each.nodeIps,
      ['172.18.0.3'],
    ],
    ['its host name as a label', three, 'kind-worker2', each => each.labels['kubernetes.io/hostname'], 'kind-worker2'],
    [
      'labels',
      nodes(node('control-plane', '  labels: {tier: front}\n')),
      'kind-control-plane',
      each => each.labels['tier'],
      'front',
    ],
  ])('%s', (_, lines, name, of, wanted) => {
    const found = clusterOf(lines).nodes.find(each => each.name === name);
    expect(found && of(found)).toEqual(wanted);
  });
});

describe('refused by name and line', () => {
  it.each([
    ['a role', nodes(node('control-plane'), node('etcd')), 'bad-value', 5],
    ['no control plane', nodes(node('worker')), 'missing-field', 3],
    ['a field that is not known', 'networkin: {}\n', 'unknown-field', 3],
    ['an address family', 'networking:\n  ipFamily: v4\n', 'bad-value', 4],
    ['a subnet of the other family', 'networking:\n  podSubnet: fd00::/56\n', 'bad-value', 4],
    ['a node-ip', nodes(node('control-plane', patch('InitConfiguration', '        node-ip: x\n'))), 'bad-value', 6],
    ['a patch that is no YAML', nodes(node('control-plane', '  kubeadmConfigPatches: ["a: ["]\n')), 'bad-value', 5],
  ])('%s', (_, lines, reason, line) => {
    expect(read(lines).faults?.map(fault => [fault.reason, fault.line])).toEqual([[reason, line]]);
  });

  it('another kind of object', () => {
    const { faults } = readCluster({ file: 'x', text: 'kind: Service\napiVersion: v1\n' });
    expect(faults?.map(fault => [fault.reason, fault.line])).toEqual([
      ['bad-value', 1],
      ['bad-value', 2],
    ]);
  });
});
