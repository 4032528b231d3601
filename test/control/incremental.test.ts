/**
 * What is remembered from pass to pass never shows: after any run of changes the answer is the one a fresh start gives,
 * and what a change does not touch is the same value as before.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SnapshotBuilder } from '../../src/api/snapshot.ts';
import { ClusterControl, desiredForNode, NodeControl } from '../../src/control/desired.ts';
import { controlDefaults, type HostFacts } from '../../src/control/settings.ts';
import { put } from './scenario.ts';

const color = fc.constantFrom('red', 'blue');
const address = fc.constantFrom('10.0.10.1', '10.0.10.2', '10.0.11.1', 'fd00::1');
const selector = fc.option(
  fc.oneof(
    fc.constant({}),
    color.map(value => ({ matchLabels: { color: value } })),
  ),
  {
    nil: undefined,
  },
);
const nodeName = fc.constantFrom('n1', 'n2');
const v2 = 'cilium.io/v2';
const v2alpha1 = 'cilium.io/v2alpha1';

function named(apiVersion: string, kind: string, names: readonly string[], rest: fc.Arbitrary<object>) {
  return fc
    .tuple(fc.constantFrom(...names), color, rest)
    .map(([name, value, fields]) => ({ apiVersion, kind, metadata: { name, labels: { color: value } }, ...fields }));
}

const service = named(
  'v1',
  'Service',
  ['a', 'b', 'c'],
  fc.record({
    spec: fc.record({
      type: fc.constantFrom('LoadBalancer', 'ClusterIP'),
      externalTrafficPolicy: fc.constantFrom('Local', 'Cluster'),
      externalIPs: fc.array(address, { maxLength: 1 }),
      clusterIP: fc.constantFrom('10.96.0.1', 'None'),
      ports: fc.constant([{ port: 80 }]),
    }),
    status: fc.array(address, { maxLength: 2 }).map(ips => ({ loadBalancer: { ingress: ips.map(ip => ({ ip })) } })),
  }),
);

const slice = fc
  .tuple(
    fc.constantFrom('a', 'b', 'c'),
    fc.constantFrom('1', '2'),
    fc.array(fc.tuple(nodeName, fc.boolean()), { maxLength: 2 }),
  )
  .map(([of, n, endpoints]) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${of}-${n}`, labels: { 'kubernetes.io/service-name': of } },
    addressType: 'IPv4',
    endpoints: endpoints.map(([node, ready]) => ({ addresses: ['10.2.0.1'], nodeName: node, conditions: { ready } })),
    ports: [{ port: 80 }],
  }));

const node = fc
  .tuple(nodeName, color, fc.boolean(), fc.integer({ min: 0, max: 9 }))
  .map(([name, value, excluded, heartbeat]) => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: { color: value, ...(excluded ? { 'node.kubernetes.io/exclude-from-external-load-balancers': '' } : {}) },
      resourceVersion: String(heartbeat),
    },
    spec: { podCIDRs: ['10.244.0.0/24'] },
    status: { addresses: [{ type: 'InternalIP', address: '10.1.0.1' }] },
  }));

const attribute = fc.constantFrom({ communities: { standard: ['64512:1'] } }, { localPreference: 50 }, undefined);
const policy = named(
  v2alpha1,
  'CiliumBGPPeeringPolicy',
  ['p', 'q'],
  fc.record({ nodeSelector: selector, serviceSelector: selector, attribute, second: fc.boolean() }).map(each => ({
    spec: {
      nodeSelector: each.nodeSelector,
      virtualRouters: [
        {
          localASN: 65001,
          exportPodCIDR: true,
          serviceSelector: each.serviceSelector,
          serviceAdvertisements: ['LoadBalancerIP', 'ExternalIP'],
          neighbors: [
            {
              peerAddress: '10.0.0.1/32',
              peerASN: 65000,
              advertisedPathAttributes: [{ selectorType: 'CiliumLoadBalancerIPPool', ...each.attribute }],
            },
            ...(each.second ? [{ peerAddress: '10.0.0.2/32', peerASN: 65000 }] : []),
          ],
        },
      ],
    },
  })),
);

const nodeConfig = named(
  v2,
  'CiliumBGPNodeConfig',
  ['n1', 'n2'],
  fc.constantFrom(65001, 65002).map(localASN => ({
    spec: {
      bgpInstances: [
        {
          name: 'main',
          localASN,
          peers: [
            { name: 't1', peerAddress: '10.0.0.1', peerASN: 65000, peerConfigRef: { name: 'x' } },
            { name: 't2', peerAddress: '10.0.0.2', peerASN: 65000, peerConfigRef: { name: 'y' } },
          ],
        },
      ],
    },
  })),
);

const peerConfig = named(
  v2,
  'CiliumBGPPeerConfig',
  ['x', 'y'],
  selector.map(advertisements => ({ spec: { families: [{ afi: 'ipv4', safi: 'unicast', advertisements }] } })),
);

const advertisement = named(
  v2,
  'CiliumBGPAdvertisement',
  ['x', 'y'],
  fc.record({ selector, attributes: attribute, aggregated: fc.boolean() }).map(({ aggregated, ...each }) => ({
    spec: {
      advertisements: [
        {
          advertisementType: 'Service',
          service: {
            addresses: ['LoadBalancerIP', 'ClusterIP'],
            ...(aggregated ? { aggregationLengthIPv4: 24 } : {}),
          },
          ...each,
        },
      ],
    },
  })),
);

const l2Policy = named(
  v2alpha1,
  'CiliumL2AnnouncementPolicy',
  ['x', 'y'],
  fc.record({
    spec: fc.record({
      nodeSelector: selector,
      serviceSelector: selector,
      interfaces: fc.constantFrom([], ['^eth0'], ['eth1']),
      loadBalancerIPs: fc.boolean(),
      externalIPs: fc.boolean(),
    }),
  }),
);

const pool = named(
  v2,
  'CiliumLoadBalancerIPPool',
  ['x'],
  fc.record({ spec: fc.constantFrom('10.0.10.0/24', '10.0.11.0/24').map(cidr => ({ blocks: [{ cidr }] })) }),
);

const clusterConfig = named(
  v2,
  'CiliumBGPClusterConfig',
  ['c', 'd'],
  selector.map(nodeSelector => ({
    spec: { nodeSelector, bgpInstances: [{ name: 'main', localASN: 65001, peers: [] }] },
  })),
);

const object = fc.oneof(
  { arbitrary: service, weight: 5 },
  { arbitrary: slice, weight: 4 },
  { arbitrary: node, weight: 2 },
  ...[policy, nodeConfig, peerConfig, advertisement, l2Policy, pool, clusterConfig].map(arbitrary => ({
    arbitrary: arbitrary as fc.Arbitrary<{ kind: string; metadata: { name: string } }>,
    weight: 1,
  })),
);
const change = fc.record({ object, gone: fc.boolean(), seen: fc.boolean() });
const host: HostFacts = {
  links: ['eth0', 'eth1'].map((name, i) => ({
    name,
    index: i + 1,
    up: true,
    mac: { value: 0x0200_0000_0001 + i },
    master: undefined,
    noArp: false,
    kind: undefined,
    mtu: 1500,
    addresses: [{ address: { family: 'ipv4', value: 0x0a00_00fan }, length: 8 }],
  })),
  defaultRoutes: [],
};

function apply(
  builder: SnapshotBuilder,
  raw: { readonly kind: string; readonly metadata: { name: string } },
  gone: boolean,
) {
  const namespaced = raw.kind === 'Service' || raw.kind === 'EndpointSlice';
  if (gone) builder.delete(raw.kind as never, namespaced ? 'default' : '', raw.metadata.name);
  else put(builder, raw);
}

describe('any run of changes', () => {
  it('ends where a fresh start would', () => {
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 25 }), changes => {
        const builder = new SnapshotBuilder();
        const [control, cluster] = [new NodeControl('n1', controlDefaults), new ClusterControl(controlDefaults)];
        for (const { object: raw, gone, seen } of changes) {
          apply(builder, raw, gone);
          if (!seen) continue;
          const snapshot = builder.snapshot();
          expect(control.desired(snapshot, host)).toEqual(desiredForNode(snapshot, 'n1', controlDefaults, host));
          expect(cluster.desired(snapshot)).toEqual(new ClusterControl(controlDefaults).desired(snapshot));
        }
      }),
      { numRuns: 400 },
    );
  });

  it('going back to an older snapshot gives the older answer', () => {
    fc.assert(
      fc.property(fc.array(change, { minLength: 2, maxLength: 15 }), changes => {
        const builder = new SnapshotBuilder();
        const snapshots = changes.map(({ object: raw, gone }) => {
          apply(builder, raw, gone);
          return builder.snapshot();
        });
        const control = new NodeControl('n1', controlDefaults);
        for (const snapshot of [...snapshots, ...snapshots.toReversed()])
          expect(control.desired(snapshot)).toEqual(desiredForNode(snapshot, 'n1', controlDefaults));
      }),
      { numRuns: 100 },
    );
  });
});

describe('what a change does not touch', () => {
  const base = (builder: SnapshotBuilder) => {
    const meta = (name: string) => ({ name, labels: { color: 'red' } });
    put(builder, { apiVersion: 'v1', kind: 'Node', metadata: meta('n1'), status: { addresses: [] } });
    const instance = {
      name: 'main',
      localASN: 65001,
      peers: [{ name: 't1', peerAddress: '10.0.0.1', peerASN: 65000, peerConfigRef: { name: 'x' } }],
    };
    put(builder, {
      apiVersion: v2,
      kind: 'CiliumBGPNodeConfig',
      metadata: meta('n1'),
      spec: { bgpInstances: [instance] },
    });
    const families = [{ afi: 'ipv4', safi: 'unicast', advertisements: {} }];
    put(builder, { apiVersion: v2, kind: 'CiliumBGPPeerConfig', metadata: meta('x'), spec: { families } });
    const entry = { advertisementType: 'Service', service: { addresses: ['LoadBalancerIP'] }, selector: {} };
    put(builder, {
      apiVersion: v2,
      kind: 'CiliumBGPAdvertisement',
      metadata: meta('x'),
      spec: { advertisements: [entry] },
    });
    const spec = { loadBalancerIPs: true };
    put(builder, { apiVersion: v2alpha1, kind: 'CiliumL2AnnouncementPolicy', metadata: meta('x'), spec });
    for (const n of [1, 2, 3]) putService(builder, n, {});
  };
  const putService = (builder: SnapshotBuilder, n: number, labels: Record<string, string>) =>
    put(builder, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: `s${n}`, labels },
      spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
      status: { loadBalancer: { ingress: [{ ip: `10.0.10.${n}` }] } },
    });

  it.each<[string, (builder: SnapshotBuilder) => void]>([
    [
      'a heartbeat of the node',
      b =>
        put(b, {
          apiVersion: 'v1',
          kind: 'Node',
          metadata: { name: 'n1', labels: { color: 'red' }, resourceVersion: '9' },
          status: { addresses: [] },
        }),
    ],
    [
      'counts in a pool’s status',
      b =>
        put(b, {
          apiVersion: v2,
          kind: 'CiliumLoadBalancerIPPool',
          metadata: { name: 'x' },
          spec: { blocks: [{ cidr: '10.0.10.0/24' }] },
        }),
    ],
    ['a label of a Service that nothing asks for', b => putService(b, 2, { other: 'label' })],
    [
      'endpoints of a Service that any node may answer for',
      b =>
        put(b, {
          apiVersion: 'discovery.k8s.io/v1',
          kind: 'EndpointSlice',
          metadata: { name: 's2-1', labels: { 'kubernetes.io/service-name': 's2' } },
          addressType: 'IPv4',
          endpoints: [{ addresses: ['10.2.0.1'], nodeName: 'n1', conditions: { ready: true } }],
        }),
    ],
  ])('%s: announcements and addresses are the very same lists', (_, touch) => {
    const builder = new SnapshotBuilder();
    base(builder);
    const control = new NodeControl('n1', controlDefaults);
    const before = control.desired(builder.snapshot());
    touch(builder);
    const after = control.desired(builder.snapshot());
    expect(before.bgp.instances[0]?.announcements).toHaveLength(3);
    expect(after.bgp.instances[0]?.plan).toBe(before.bgp.instances[0]?.plan);
    expect(after.bgp.instances[0]?.announcements).toBe(before.bgp.instances[0]?.announcements);
    expect(after.l2.addresses).toBe(before.l2.addresses);
  });
});
