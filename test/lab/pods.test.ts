/** Pods out of workloads: on which nodes, with which addresses, and what stays when the manifests change. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RawObject } from '../../src/api/object.ts';
import { type PodNode, planPods, podIdentity } from '../../src/lab/pods.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';

const node = (name: string, cidrs: string, more: Partial<PodNode> = {}): PodNode => ({
  name,
  labels: { 'kubernetes.io/hostname': name },
  podCidrs: cidrs.split(',').map(each => Prefix.parse(each) ?? expect.unreachable(each)),
  schedulable: true,
  ...more,
});
const nodes = [
  node('cp', '10.1.0.0/24', { schedulable: false }),
  node('w1', '10.1.1.0/24'),
  node('w2', '10.1.2.0/24', { labels: { disk: 'ssd' } }),
];

function workload(kind: string, name: string, spec: RawObject = {}, podSpec: RawObject = {}): RawObject {
  const containers = [{ name: 'web', ports: [{ containerPort: 8080, name: 'http' }] }];
  const template = { metadata: { labels: { app: name } }, spec: { containers, ...podSpec } };
  return { apiVersion: 'apps/v1', kind, metadata: { name }, spec: { template, ...spec } };
}

const shown = (objects: readonly RawObject[], among: readonly PodNode[] = nodes) =>
  planPods(objects, among).pods.map(podIdentity);

describe('pods', () => {
  it('of a Deployment are spread over the nodes that take pods', () => {
    expect(shown([workload('Deployment', 'web', { replicas: 3 })])).toEqual([
      'default/web-1 w1 10.1.1.2',
      'default/web-2 w2 10.1.2.2',
      'default/web-3 w1 10.1.1.3',
    ]);
  });

  it('of a DaemonSet are one on each of them', () => {
    expect(shown([workload('DaemonSet', 'log')])).toEqual(['default/log-w1 w1 10.1.1.2', 'default/log-w2 w2 10.1.2.2']);
  });

  it('go where their node selector says, or their node name', () => {
    expect(shown([workload('Deployment', 'a', { replicas: 2 }, { nodeSelector: { disk: 'ssd' } })])).toEqual([
      'default/a-1 w2 10.1.2.2',
      'default/a-2 w2 10.1.2.3',
    ]);
    expect(shown([workload('StatefulSet', 'b', {}, { nodeName: 'cp' })])).toEqual(['default/b-1 cp 10.1.0.2']);
  });

  it('of their own are what they are', () => {
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'x' }, spec: { containers: [] } };
    expect(shown([pod])).toEqual(['x/p w1 10.1.1.2']);
  });

  it('have an address of each family that their node has', () => {
    const dual = [node('w', '10.1.0.0/24,fd00:1::/64')];
    expect(shown([workload('Deployment', 'web')], dual)).toEqual(['default/web-1 w 10.1.0.2 fd00:1::2']);
  });

  it('listen where their containers do', () => {
    const [pod] = planPods([workload('Deployment', 'web')], nodes).pods;
    expect(pod?.ports).toEqual([{ name: 'http', protocol: 'TCP', port: 8080 }]);
  });

  it('that fit nowhere are named', () => {
    const stray = workload('Deployment', 'web', {}, { nodeSelector: { disk: 'none' } });
    expect(planPods([stray], nodes)).toEqual({ pods: [], pending: ['pod web-1 of default is on no node: none fits'] });
    const full = [node('w', '10.1.0.0/30')];
    expect(planPods([workload('Deployment', 'web', { replicas: 2 })], full).pending).toEqual([
      'pod web-2 of default is on no node: its PodCIDR is full',
    ]);
  });

  it('stay where they are while others come and go', () => {
    const two = [workload('Deployment', 'web', { replicas: 2 }), workload('Deployment', 'api', { replicas: 2 })];
    const before = planPods(two, nodes).pods;
    const more = [workload('Deployment', 'new', { replicas: 3 }), ...two];
    const after = planPods(more, nodes, before).pods.map(podIdentity);
    for (const pod of before) expect(after).toContain(podIdentity(pod));
  });

  it('never share an address, lie in their node’s PodCIDR, and planning again changes nothing', () => {
    const counts = fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 5 });
    fc.assert(
      fc.property(counts, counts, (first, second) => {
        const objects = (sizes: readonly number[]) =>
          sizes.map((replicas, i) => workload('Deployment', `d${i}`, { replicas }));
        const before = planPods(objects(first), nodes).pods;
        const { pods } = planPods(objects(second), nodes, before);
        const addresses = pods.flatMap(pod => pod.addresses.map(IpAddress.format));
        expect(new Set(addresses).size).toBe(addresses.length);
        for (const pod of pods) {
          const cidrs = nodes.find(({ name }) => name === pod.node)?.podCidrs ?? [];
          for (const [i, cidr] of cidrs.entries())
            expect(Prefix.contains(cidr, pod.addresses[i] ?? expect.unreachable())).toBe(true);
        }
        expect(planPods(objects(second), nodes, pods).pods).toEqual(pods);
      }),
    );
  });
});
