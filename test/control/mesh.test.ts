/** Our own cluster as the mesh sees it, and where mesh and BGP meet. Cluster mesh reference §1.2-1.4. */
import { describe, expect, it } from 'vitest';
import type { KindName, Kinds } from '../../src/api/kinds.ts';
import { SnapshotBuilder } from '../../src/api/snapshot.ts';
import { originOfCommunities, podImportPolicy } from '../../src/control/mesh-bgp.ts';
import { MeshNodes, ownClusterConfig } from '../../src/control/mesh-nodes.ts';
import { NodeRecord } from '../../src/mesh/node-record.ts';
import { RemoteCluster } from '../../src/mesh/remote-cluster.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';
import { MeshPublished } from '../../src/runtime/mesh-publish.ts';
import { prefix, text } from '../mesh/world.ts';
import { accepted } from '../support/parsed.ts';

const own = { name: 'west', id: 1 };
const raw = (name: string, address: string, ...podCIDRs: readonly string[]) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, labels: { 'kubernetes.io/hostname': name } },
  spec: { podCIDRs },
  status: {
    addresses: [
      { type: 'InternalIP', address },
      { type: 'Hostname', address: name },
    ],
  },
});

function put<K extends KindName>(builder: SnapshotBuilder, kind: K, object: unknown): void {
  const value: Kinds[K] = accepted(kind, object);
  builder.put(kind, value);
}

describe('our own nodes', () => {
  it('are published as others read them, byte for byte the same while nothing changed', () => {
    const builder = new SnapshotBuilder();
    put(builder, 'Node', raw('n1', '192.168.1.1', '10.1.1.0/24', 'fd00:1:1::/64'));
    const nodes = new MeshNodes(own, 'kubernetes');
    const values = nodes.values(builder.snapshot());
    expect([...values].map(([key, value]) => [key, text(value)])).toEqual([
      [
        'cilium/state/nodes/v1/west/n1',
        '{"Name":"n1","Cluster":"west","IPAddresses":[{"Type":"InternalIP","IP":"192.168.1.1"}],' +
          '"IPv4AllocCIDR":{"IP":"10.1.1.0","Mask":"////AA=="},"IPv4SecondaryAllocCIDRs":null,' +
          '"IPv6AllocCIDR":{"IP":"fd00:1:1::","Mask":"//////////8AAAAAAAAAAA=="},"IPv6SecondaryAllocCIDRs":null,' +
          '"IPv4HealthIP":"","IPv6HealthIP":"","IPv4IngressIP":"","IPv6IngressIP":"","ClusterID":1,"Source":"k8s",' +
          '"EncryptionKey":0,"Labels":{"kubernetes.io/hostname":"n1"},"Annotations":null,' +
          '"WireguardPubKey":"","BootID":""}',
      ],
    ]);
    put(builder, 'Node', {
      ...raw('n1', '192.168.1.1', '10.1.1.0/24', 'fd00:1:1::/64'),
      spec: { podCIDRs: ['10.1.1.0/24', 'fd00:1:1::/64'], unschedulable: true },
    });
    expect(nodes.values(builder.snapshot())).toBe(values);
    const list = nodes.nodes(builder.snapshot());
    put(builder, 'Node', raw('n2', '192.168.1.2', '10.1.2.0/24'));
    const after = nodes.nodes(builder.snapshot());
    expect(after.map(each => each.name)).toEqual(['n1', 'n2']);
    expect(after[0]).toBe(list[0]);
    builder.delete('Node', '', 'n2');
    expect(nodes.nodes(builder.snapshot()).map(each => each.name)).toEqual(['n1']);
    builder.delete('Node', '', 'n1');
    expect(nodes.nodes(builder.snapshot())).toEqual([]);
  });

  it('have secondary networks and a CiliumNode’s addresses', () => {
    const builder = new SnapshotBuilder();
    put(builder, 'CiliumNode', {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNode',
      metadata: { name: 'n1' },
      spec: {
        addresses: [
          { type: 'InternalIP', ip: '192.168.1.1' },
          { type: 'CiliumInternalIP', ip: '10.1.1.9' },
        ],
        ipam: { podCIDRs: ['10.1.9.0/24', '10.1.1.0/24'] },
      },
    });
    const nodes = new MeshNodes(own, 'cluster-pool');
    const [value] = nodes.values(builder.snapshot()).values();
    const record = NodeRecord.read(value ?? new Uint8Array());
    if ('reason' in record) throw new Error(record.detail);
    expect([record.ipv4Cidr, ...record.ipv4Secondary].map(each => each && Prefix.format(each))).toEqual([
      '10.1.1.0/24',
      '10.1.9.0/24',
    ]);
    expect(record.source).toBe('custom-resource');
    expect(nodes.nodes(builder.snapshot())[0]?.addresses.map(IpAddress.format)).toEqual(['192.168.1.1']);
  });
});

describe('what is published', () => {
  const nodes = new Map([['cilium/state/nodes/v1/west/n1', new Uint8Array([1])]]);

  it('is a configuration that passes another cluster’s rules', () => {
    const remote = new RemoteCluster('west', { own: { name: 'east', id: 2 }, clustersMax: 255 });
    expect(remote.configure(ownClusterConfig(own, 255), () => undefined)).toMatchObject({
      kind: 'begin',
      config: { id: 1, syncedCanaries: true },
    });
    expect(text(ownClusterConfig(own, 255))).toBe(
      '{"id":1,"capabilities":{"syncedCanaries":true,"maxConnectedClusters":255}}',
    );
  });

  it('has every canary that readers wait for, and a sign of life each minute', () => {
    const published = new MeshPublished(own, 255);
    const wallMs = Date.UTC(2026, 0, 1, 12, 0, 10);
    const set = published.set(nodes, wallMs);
    expect([...set.last.keys()]).toEqual(
      ['nodes', 'services', 'identities', 'ip'].map(each => `cilium/synced/west/cilium/state/${each}/v1`),
    );
    expect(text(set.values.get('cilium/.heartbeat') ?? new Uint8Array())).toBe('2026-01-01T12:00:10Z');
    expect(published.set(nodes, wallMs + 49_000)).toBe(set);
    const next = published.set(nodes, wallMs + 51_000);
    expect([next === set, next.last === set.last]).toEqual([false, true]);
  });
});

describe('BGP', () => {
  it('gives nothing unless asked, then only pod ranges, and a default route only by name', () => {
    expect(podImportPolicy({ ranges: [], defaultRoute: false })).toMatchObject({ statements: [], otherwise: 'reject' });
    const all = podImportPolicy({ ranges: [prefix('0.0.0.0/0')], defaultRoute: false });
    expect(all.statements.map(each => each.action)).toEqual(['reject', 'accept']);
    expect(podImportPolicy({ ranges: [], defaultRoute: true }).statements.map(each => each.action)).toEqual(['accept']);
  });

  it('says which cluster a route comes from by a large community (RFC 8092)', () => {
    expect(
      originOfCommunities([
        { global: 65001, local1: 1, local2: 2 },
        { global: 65001, local1: 0x6d657368, local2: 7 },
      ]),
    ).toBe(7);
    expect([originOfCommunities([]), originOfCommunities(undefined)]).toEqual([undefined, undefined]);
  });
});
