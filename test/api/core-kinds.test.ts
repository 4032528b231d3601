/** The other kinds that are read: EndpointSlice, Node, Namespace, Lease, CiliumNode, CiliumPodIPPool. */
import { describe, expect, it } from 'vitest';
import { Lease } from '../../src/api/lease.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';
import { accepted, allFaults, altered, faults, good } from '../support/parsed.ts';

const ip = (text: string) => IpAddress.parse(text);

describe('EndpointSlice', () => {
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'web-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'] }],
  };
  const state = { ready: true, serving: true, terminating: false };

  it('names its Service; ports and nodes may be absent', () => {
    const read = good('EndpointSlice', slice);
    expect(read).toMatchObject({ serviceName: 'web', addressType: 'IPv4', ports: [] });
    expect(read.endpoints).toEqual([{ addresses: [ip('10.0.0.1')], nodeName: undefined, ...state }]);
    expect(good('EndpointSlice', altered(slice, 'metadata.labels', {})).serviceName).toBeUndefined();
    expect(good('EndpointSlice', altered(slice, 'endpoints', null)).endpoints).toEqual([]);
  });

  it.each([
    [undefined, state],
    [{}, state],
    [{ ready: null }, state],
    [{ ready: false }, { ready: false, serving: false, terminating: false }],
    [
      { ready: false, serving: true, terminating: true },
      { ready: false, serving: true, terminating: true },
    ],
  ])('conditions %j are %j', (conditions, wanted) => {
    expect(good('EndpointSlice', altered(slice, 'endpoints[0].conditions', conditions)).endpoints[0]).toMatchObject(
      wanted,
    );
  });

  it('§2.4: the stand-in endpoint of gateways is on no node', () => {
    const read = good('EndpointSlice', altered(slice, 'endpoints', [{ addresses: ['192.192.192.192'], nodeName: '' }]));
    expect(read.endpoints[0]?.nodeName).toBeUndefined();
  });

  it('names of hosts are no addresses, and no fault', () => {
    const raw = { ...slice, addressType: 'FQDN', endpoints: [{ addresses: ['db.example'] }] };
    expect(good('EndpointSlice', raw).endpoints[0]?.addresses).toEqual([]);
  });

  it.each([
    ['addressType', undefined, 'missing'],
    ['addressType', 'ipv4', 'not-allowed-value'],
    ['endpoints', {}, 'wrong-type'],
  ])('%s = %j is refused: %s', (path, value, code) => {
    expect(faults(altered(slice, path, value))).toEqual([`error ${code} ${path}`]);
  });
});

describe('Node', () => {
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' }, spec: {}, status: {} };
  const annotated = (annotations: Record<string, string>) => altered(node, 'metadata.annotations', annotations);
  const key = 'cilium.io/bgp-virtual-router.';

  it('reads addresses, pod CIDRs, readiness, cordon', () => {
    const addresses = [
      { type: 'InternalIP', address: '10.0.0.1' },
      { type: 'Hostname', address: 'n1' },
      { type: 'InternalIP', address: 'fd00::1' },
    ];
    const raw = {
      ...node,
      spec: { podCIDR: '10.1.0.0/24', podCIDRs: ['10.1.0.0/24', 'fd01::/64'], unschedulable: true },
      status: { addresses, conditions: [{ type: 'Ready', status: 'True' }] },
    };
    const read = good('Node', raw);
    expect(read.spec.podCIDRs.map(Prefix.format)).toEqual(['10.1.0.0/24', 'fd01::/64']);
    expect(read.status.addresses.map(each => IpAddress.format(each.address))).toEqual(['10.0.0.1', 'fd00::1']);
    expect([read.spec.unschedulable, read.status.ready]).toEqual([true, true]);
    expect(good('Node', altered(raw, 'spec.podCIDRs', null)).spec.podCIDRs).toHaveLength(1);
  });

  it('a pod CIDR that is none is left out with a warning: the node matters to more than BGP', () => {
    const raw = altered(node, 'spec.podCIDRs', ['x', '10.1.0.0/24']);
    expect(faults(raw)).toEqual(['warning bad-cidr spec.podCIDRs[0]']);
    expect(accepted('Node', raw).spec.podCIDRs.map(Prefix.format)).toEqual(['10.1.0.0/24']);
  });

  it.each([
    ['True', true],
    ['False', false],
    ['Unknown', false],
  ])('Ready %s is %s', (status, ready) => {
    expect(good('Node', altered(node, 'status.conditions', [{ type: 'Ready', status }])).status.ready).toBe(ready);
  });

  it.each([
    ['router-id=10.0.0.9,local-port=179', { routerID: ip('10.0.0.9'), localPort: 179 }],
    ['router-id=10.0.0.9', { routerID: ip('10.0.0.9'), localPort: undefined }],
    ['', { routerID: undefined, localPort: undefined }],
    ['router-id=10.0.0.1,router-id=10.0.0.2', { routerID: ip('10.0.0.2'), localPort: undefined }],
    ['colour=red,local-port,local-port=1=2,local-port=65535', { routerID: undefined, localPort: 65535 }],
    ['local-port=0', { routerID: undefined, localPort: 0 }],
  ])('§1.1.6: annotation %j', (value, wanted) => {
    const read = good('Node', annotated({ [`${key}65001`]: value, 'example.com/other': 'x' }));
    expect(read.virtualRouters).toEqual([{ localASN: 65001, ...wanted }]);
    expect(read.virtualRouterErrors).toEqual([]);
  });

  it.each([
    ['65001', 'router-id=fd00::1', 1],
    ['65001', 'router-id=167772161', 1],
    ['65001', 'router-id=0.0.0.0', 1],
    ['65001', 'local-port=65536', 1],
    ['65001', 'local-port=-1', 1],
    ['65001', 'local-port=bgp,router-id=x', 2],
    ['4294967296', '', 1],
    ['x', '', 1],
    ['65001.1', 'local-port=99999', 2],
  ])('§1.1.6: annotation %s%j is wrong, the Node is not', (asn, value, count) => {
    const raw = annotated({ [`${key}${asn}`]: value, [`${key}65009`]: 'local-port=1790' });
    const read = accepted('Node', raw);
    expect(read.virtualRouters).toEqual([{ localASN: 65009, routerID: undefined, localPort: 1790 }]);
    expect(read.virtualRouterErrors).toHaveLength(count);
    expect(allFaults(raw).map(fault => fault.code)).toEqual(Array(count).fill('bad-virtual-router-annotation'));
  });
});

describe('Lease', () => {
  const lease = (spec: unknown) => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'l' },
    spec,
  });

  it('reads times in microseconds', () => {
    const spec = {
      holderIdentity: 'n1',
      leaseDurationSeconds: 15,
      renewTime: '2024-05-01T12:00:00.250999Z',
      leaseTransitions: 3,
    };
    expect(good('Lease', lease(spec)).spec).toEqual({
      holderIdentity: 'n1',
      leaseDurationSeconds: 15,
      acquireMs: undefined,
      renewMs: Date.UTC(2024, 4, 1, 12, 0, 0, 250),
      leaseTransitions: 3,
      preferredHolder: '',
    });
  });

  it('is held by nobody when it says nothing', () => {
    for (const spec of [undefined, {}, { holderIdentity: null, renewTime: null }])
      expect(good('Lease', lease(spec)).spec).toMatchObject({
        holderIdentity: '',
        renewMs: undefined,
        leaseTransitions: 0,
      });
  });

  it('what is written is what was read', () => {
    const raw = {
      holderIdentity: 'n1',
      leaseDurationSeconds: 15,
      acquireTime: '2024-05-01T11:00:00.000000Z',
      renewTime: '2024-05-01T12:00:00.250000Z',
      leaseTransitions: 3,
      preferredHolder: 'n2',
    };
    expect(Lease.specToRaw(good('Lease', lease(raw)).spec)).toEqual(raw);
    expect(Lease.specToRaw(good('Lease', lease({})).spec)).toEqual({ leaseTransitions: 0 });
  });

  it('a time that is none is a warning', () => {
    expect(faults(lease({ renewTime: 'yesterday' }))).toEqual(['warning bad-format spec.renewTime']);
    expect(faults(lease({ leaseDurationSeconds: 0 }))).toEqual(['error out-of-range spec.leaseDurationSeconds']);
  });
});

describe('Namespace', () => {
  it('is its metadata', () => {
    const read = good('Namespace', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'shop', labels: { team: 'a' } },
    });
    expect(read.metadata).toMatchObject({ name: 'shop', namespace: '', labels: { team: 'a' } });
  });
});

describe('CiliumNode and CiliumPodIPPool', () => {
  it('the networks of a node, from one pool or from several; other fields are none of our business', () => {
    const ipam = {
      podCIDRs: ['10.1.0.0/24'],
      pools: { allocated: [{ pool: 'blue', cidrs: ['10.2.0.0/27', 'fd02::/96'] }] },
      other: 1,
    };
    const spec = { addresses: [{ type: 'InternalIP', ip: '10.0.0.1' }], ipam, health: { ipv4: '10.1.0.9' } };
    const read = good('CiliumNode', {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNode',
      metadata: { name: 'n1' },
      spec,
    }).spec;
    expect(read.podCIDRs.map(Prefix.format)).toEqual(['10.1.0.0/24']);
    expect(read.pools.map(each => [each.pool, ...each.cidrs.map(Prefix.format)])).toEqual([
      ['blue', '10.2.0.0/27', 'fd02::/96'],
    ]);
    expect(read.addresses).toEqual([{ type: 'InternalIP', address: ip('10.0.0.1') }]);
    expect(
      good('CiliumNode', { apiVersion: 'cilium.io/v2', kind: 'CiliumNode', metadata: { name: 'n1' } }).spec.pools,
    ).toEqual([]);
  });

  const pool = {
    apiVersion: 'cilium.io/v2alpha1',
    kind: 'CiliumPodIPPool',
    metadata: { name: 'blue', labels: { 'io.cilium.podippool.name': 'red' } },
    spec: {
      ipv4: { cidrs: ['10.2.0.0/16'], maskSize: 27 },
      ipv6: { cidrs: ['fd02::/64'], maskSize: 96 },
    },
  };

  it('§1.1.2: a pod pool is selected by its labels and its name, which cannot be spoofed', () => {
    const read = good('CiliumPodIPPool', pool);
    expect(read.selectorLabels).toMatchObject({ 'io.cilium.podippool.name': 'blue' });
    expect(read.spec.ipv4?.cidrs.map(Prefix.format)).toEqual(['10.2.0.0/16']);
    expect([read.spec.ipv4?.maskSize, read.spec.ipv6?.maskSize]).toEqual([27, 96]);
  });

  it('its networks are of the family they are listed under', () => {
    expect(faults(altered(pool, 'spec.ipv4.cidrs[0]', 'fd00::/64'))).toEqual(['error bad-cidr spec.ipv4.cidrs[0]']);
    expect(faults(altered(pool, 'spec.ipv4.maskSize', 33))).toEqual(['error out-of-range spec.ipv4.maskSize']);
  });
});
