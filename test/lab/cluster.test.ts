/** What a cluster adds to manifests: ClusterIPs, node ports, EndpointSlices, Node objects; the same each time. */
import { describe, expect, it } from 'vitest';
import type { RawObject } from '../../src/api/object.ts';
import { parseObject } from '../../src/api/parse.ts';
import { SnapshotBuilder } from '../../src/api/snapshot.ts';
import { type ClusterInput, desiredCluster } from '../../src/lab/cluster-desired.ts';
import type { ClusterFacts } from '../../src/lab/cluster-facts.ts';
import { at, textAt } from '../../src/lab/cluster-raw.ts';
import { admitServices } from '../../src/lab/cluster-services.ts';
import { podIdentity } from '../../src/lab/pods.ts';
import { Prefix } from '../../src/net/prefix.ts';

const prefixes = (...texts: string[]) => texts.map(text => Prefix.parse(text) ?? expect.unreachable(text));
const ipv4 = prefixes('10.96.0.0/16');
const dual = prefixes('10.96.0.0/16', 'fd00:96::/112');

function service(name: string, spec: RawObject = {}): RawObject {
  const ports = [{ port: 80, targetPort: 'http' }];
  return { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { selector: { app: 'web' }, ports, ...spec } };
}

const clusterIPs = (object: RawObject | undefined) => at(object, 'spec', 'clusterIPs') as readonly string[];

describe('a Service', () => {
  it.each<[string, RawObject, readonly Prefix[], readonly string[]]>([
    ['one address of the cluster’s first family', {}, dual, ['10.96.']],
    ['both families when it prefers both', { ipFamilyPolicy: 'PreferDualStack' }, dual, ['10.96.', 'fd00:96::']],
    ['one when the cluster has but one', { ipFamilyPolicy: 'PreferDualStack' }, ipv4, ['10.96.']],
    [
      'the family it names first',
      { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6'] },
      dual,
      ['fd00:96::', '10.96.'],
    ],
    ['the address it asks for', { clusterIP: '10.96.7.7' }, ipv4, ['10.96.7.7']],
    ['none when it is headless', { clusterIP: 'None' }, ipv4, ['None']],
  ])('has %s', (_, spec, subnets, begins) => {
    const [admitted] = admitServices([service('web', spec)], subnets);
    expect(clusterIPs(admitted).length).toBe(begins.length);
    for (const [i, begin] of begins.entries()) expect(clusterIPs(admitted)[i]).toMatch(new RegExp(`^${begin}`));
  });

  it('of type ExternalName is left as it is', () => {
    const external = service('x', { type: 'ExternalName', externalName: 'example.com' });
    expect(admitServices([external], ipv4)).toEqual([external]);
  });

  it.each<[string, RawObject, boolean]>([
    ['LoadBalancer', { type: 'LoadBalancer' }, true],
    ['NodePort', { type: 'NodePort' }, true],
    ['ClusterIP', {}, false],
    ['LoadBalancer that wants none', { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false }, false],
  ])('of type %s has a node port: %s', (_, spec, has) => {
    const [admitted] = admitServices([service('web', spec)], ipv4);
    const port = (at(admitted, 'spec', 'ports') as readonly RawObject[])[0]?.['nodePort'];
    if (has) expect(port).toSatisfy((value: number) => value >= 30_000 && value <= 32_767);
    else expect(port).toBeUndefined();
  });

  it('keeps what it was given, whoever comes before it; no two have the same', () => {
    const many = Array.from({ length: 300 }, (_, i) => service(`s${i}`, { type: 'NodePort' }));
    const tight = prefixes('10.96.0.0/23');
    const before = admitServices(many.slice(100), tight);
    const after = admitServices(many, tight, before);
    expect(after.slice(100)).toEqual(before);
    expect(new Set(after.map(each => clusterIPs(each)[0])).size).toBe(300);
    expect(
      new Set(after.flatMap(each => (at(each, 'spec', 'ports') as RawObject[]).map(p => p['nodePort']))).size,
    ).toBe(300);
  });

  it('that asks for an address has it, whoever had it', () => {
    const before = admitServices([service('a')], ipv4);
    const [given = ''] = clusterIPs(before[0]);
    const [a, b] = admitServices([service('a'), service('b', { clusterIP: given })], ipv4, before);
    expect(clusterIPs(b)).toEqual([given]);
    expect(clusterIPs(a)).not.toEqual([given]);
  });
});

const facts: ClusterFacts = {
  lab: 'x',
  folder: '/x',
  serviceSubnets: ['10.96.0.0/16'],
  nodes: [
    {
      name: 'cp',
      controlPlane: true,
      labels: {},
      nodeIps: ['10.0.0.1'],
      sharedIps: ['172.18.0.2'],
      podCidrs: ['10.1.0.0/24'],
    },
    {
      name: 'w',
      controlPlane: false,
      labels: { rack: 'r1' },
      nodeIps: ['10.0.0.2'],
      sharedIps: ['172.18.0.3'],
      podCidrs: ['10.1.1.0/24'],
    },
  ],
};

const deployment = (ports: readonly RawObject[]): RawObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: { replicas: 2, template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ ports }] } } },
});
const http = deployment([{ name: 'http', containerPort: 8080 }]);

/** What comes of it once all pods stand and Herald has read what was written. */
function settled(objects: readonly RawObject[]) {
  const empty = new SnapshotBuilder().snapshot();
  const base: ClusterInput = { facts, objects, services: [], planned: [], standing: new Set(), snapshot: empty };
  const first = desiredCluster(base);
  const standing = new Set(first.plan.pods.map(podIdentity));
  const second = desiredCluster({ ...base, services: first.services, planned: first.plan.pods, standing });
  const builder = new SnapshotBuilder();
  for (const raw of [...second.applied, ...second.made]) {
    const parsed = parseObject(raw);
    if (parsed.outcome === 'known') builder.put(parsed.object.kind, parsed.object);
    else if (parsed.outcome === 'refused') expect.unreachable(JSON.stringify(parsed.faults));
  }
  const again = {
    ...base,
    services: second.services,
    planned: second.plan.pods,
    standing,
    snapshot: builder.snapshot(),
  };
  return { first, desired: desiredCluster(again), again };
}

const named = (objects: readonly RawObject[], kind: string) => objects.filter(each => each['kind'] === kind);

describe('a cluster', () => {
  it('has a Node object for each node: labels, InternalIPs, PodCIDRs, Ready', () => {
    const { desired } = settled([]);
    const node = named(desired.made, 'Node')[1];
    expect(node).toMatchObject({
      metadata: { name: 'w', labels: { rack: 'r1' } },
      spec: { podCIDRs: ['10.1.1.0/24'] },
      status: { addresses: [{ type: 'InternalIP', address: '10.0.0.2' }, {}], conditions: [{ type: 'Ready' }] },
    });
  });

  it('leaves a node to the manifest that describes it', () => {
    const mine = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'w' }, spec: { podCIDR: '10.7.0.0/24' } };
    const { desired } = settled([mine, http]);
    expect(named(desired.made, 'Node').map(each => textAt(each, 'metadata', 'name'))).toEqual(['cp']);
    expect(desired.plan.pods.map(podIdentity)).toContain('default/web-1 w 10.7.0.2');
  });

  it('names pods as endpoints once they stand, by the numbers of their ports', () => {
    const { first, desired } = settled([service('web'), http]);
    expect(named(first.made, 'EndpointSlice')).toMatchObject([{ endpoints: [], ports: [] }]);
    expect(named(desired.made, 'EndpointSlice')).toMatchObject([
      {
        metadata: { name: 'web-ipv4', labels: { 'kubernetes.io/service-name': 'web' } },
        addressType: 'IPv4',
        endpoints: [
          { addresses: ['10.1.1.2'], nodeName: 'w', conditions: { ready: true } },
          { addresses: ['10.1.1.3'], nodeName: 'w' },
        ],
        ports: [{ name: '', protocol: 'TCP', port: 8080 }],
      },
    ]);
  });

  it('has a slice for each set of port numbers; a named port that a pod has not is left out', () => {
    const other = { ...deployment([{ name: 'http', containerPort: 9090 }]), metadata: { name: 'other' } };
    const none = { ...deployment([]), metadata: { name: 'none' } };
    const slices = named(settled([service('web'), http, other, none]).desired.made, 'EndpointSlice');
    expect(slices.map(each => at(each, 'ports'))).toEqual([
      [{ name: '', protocol: 'TCP', port: 8080 }],
      [{ name: '', protocol: 'TCP', port: 9090 }],
      [],
    ]);
    expect(slices.map(each => textAt(each, 'metadata', 'name'))).toEqual(['web-ipv4', 'web-ipv4-2', 'web-ipv4-3']);
  });

  it('writes no endpoints for a Service without a selector', () => {
    expect(named(settled([service('web', { selector: {} }), http]).desired.made, 'EndpointSlice')).toEqual([]);
  });

  it('lets pods listen where Services send to by number', () => {
    const { desired } = settled([service('web', { ports: [{ port: 80, targetPort: 9000 }] }), http]);
    const [pod] = desired.plan.pods;
    expect(pod && desired.ports.get(pod)).toEqual([
      { protocol: 'TCP', port: 8080 },
      { protocol: 'TCP', port: 9000 },
    ]);
  });

  it('serves LoadBalancer addresses on every node once Herald has given them', () => {
    const given = {
      ...service('web', { type: 'LoadBalancer' }),
      status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
    };
    const { desired } = settled([given, http]);
    expect([...desired.rules.keys()]).toEqual(['cp', 'w']);
    for (const text of desired.rules.values())
      expect(text).toContain('192.0.2.1 . tcp . 80 : goto external-default/web/tcp-80/ipv4');
  });

  it('is the same again when nothing changes', () => {
    const { desired, again } = settled([service('web', { type: 'LoadBalancer' }), http]);
    const next = desiredCluster({ ...again, services: desired.services, planned: desired.plan.pods });
    expect(next.made).toEqual(desired.made);
    expect(next.applied).toEqual(desired.applied);
    expect(next.rules).toEqual(desired.rules);
  });
});
