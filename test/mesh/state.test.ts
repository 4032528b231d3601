/** State shared between clusters, byte for byte: keys, configurations, canaries, nodes. Reference §1.1-1.4. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canaryValue } from '../../src/mesh/canary.ts';
import { readCidr } from '../../src/mesh/cidr-json.ts';
import { ClusterIdentity } from '../../src/mesh/cluster.ts';
import { ClusterConfig } from '../../src/mesh/cluster-config.ts';
import { MeshKey } from '../../src/mesh/key.ts';
import { NodeRecord } from '../../src/mesh/node-record.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';
import { bytes, fixtureNode, text } from './world.ts';

describe('keys (§1.1, §1.3)', () => {
  it.each([
    [MeshKey.clusterConfig('cluster3'), 'cilium/cluster-config/cluster3'],
    [MeshKey.nodes('cluster3'), 'cilium/state/nodes/v1/cluster3/'],
    [MeshKey.nodes('cluster3', true), 'cilium/cache/nodes/v1/cluster3/'],
    [MeshKey.node('cluster3', 'test-node-2'), 'cilium/state/nodes/v1/cluster3/test-node-2'],
    [MeshKey.canary('cluster3', 'identities'), 'cilium/synced/cluster3/cilium/state/identities/v1'],
    [MeshKey.canary('cluster3', 'nodes', true), 'cilium/synced/cluster3/cilium/cache/nodes/v1'],
    [MeshKey.toCache('cilium/state/ip/v1'), 'cilium/cache/ip/v1'],
    [MeshKey.toCache('cilium/stateful'), 'cilium/stateful'],
    [MeshKey.join('a//b/', '/c/'), 'a/b/c'],
    [MeshKey.join('a', '..', 'b'), 'a/../b'],
    [MeshKey.watched('foo'), 'foo/'],
    [MeshKey.watched('foo//'), 'foo/'],
  ])('%s', (key, expected) => expect(key).toBe(expected));
});

describe('cluster-config (§1.2)', () => {
  const written =
    '{"id":3,"capabilities":{"syncedCanaries":true,"maxConnectedClusters":255,"serviceExportsEnabled":false,' +
    '"endpointSlicesExportMode":"services-and-endpointslices"}}';
  const config: ClusterConfig = {
    id: 3,
    syncedCanaries: true,
    cached: false,
    maxConnectedClusters: 255,
    serviceExportsEnabled: false,
    endpointSlicesExportMode: 'services-and-endpointslices',
  };

  it('is read to its values and written to the same bytes', () => {
    expect(ClusterConfig.read(bytes(written))).toEqual(config);
    expect(text(ClusterConfig.write(config))).toBe(written);
  });

  it('leaves out what says nothing, and reads that back', () => {
    const least = { ...config, syncedCanaries: false, serviceExportsEnabled: undefined, endpointSlicesExportMode: '' };
    expect(text(ClusterConfig.write(least))).toBe('{"id":3,"capabilities":{"maxConnectedClusters":255}}');
    expect(ClusterConfig.read(bytes('{"id":3,"capabilities":{"maxConnectedClusters":255}}'))).toEqual(least);
    expect(ClusterConfig.read(bytes('{}'))).toMatchObject({ id: 0, maxConnectedClusters: 0 });
  });

  it.each([
    '',
    'null',
    '[]',
    '3',
    '{',
    '{"id":-1}',
    '{"id":1.5}',
    '{"id":"3"}',
    '{"id":4294967296}',
    '{"capabilities":[]}',
    '{"capabilities":{"cached":1}}',
    '{"capabilities":{"endpointSlicesExportMode":3}}',
  ])('refuses %s', broken => expect(ClusterConfig.read(bytes(broken))).toMatchObject({ reason: 'bad-cluster-config' }));

  const own = { name: 'west', id: 1 };
  it.each([
    ['id 0', { id: 0 }, 255, 'id-zero'],
    ['id above the local maximum', { id: 256 }, 255, 'id-out-of-range'],
    ['the local id', { id: 1 }, 255, 'id-is-ours'],
    ['255 of a mesh of 511', { id: 3 }, 511, 'max-clusters-mismatch'],
    ['511 in a mesh of 255', { id: 3, maxConnectedClusters: 511 }, 255, 'max-clusters-mismatch'],
    ['nothing said in a mesh of 511', { id: 3, maxConnectedClusters: 0 }, 511, 'max-clusters-mismatch'],
    ['nothing said in a mesh of 255', { id: 3, maxConnectedClusters: 0 }, 255, undefined],
    ['511 of 511', { id: 300, maxConnectedClusters: 511 }, 511, undefined],
    ['an unknown export mode', { endpointSlicesExportMode: 'all' }, 255, 'bad-export-mode'],
    ['endpoint slices only', { endpointSlicesExportMode: 'endpointslices-only' }, 255, undefined],
  ] as const)('%s', (_, change, max, reason) => {
    expect(ClusterConfig.refusal({ ...config, ...change }, own, max)?.reason).toBe(reason);
  });
});

it('writes a canary as RFC 3339 in whole seconds (§1.3)', () => {
  expect(text(canaryValue(Date.UTC(2026, 10, 21, 12, 30, 5, 678)))).toBe('2026-11-21T12:30:05Z');
});

describe('names and IDs (§2.5)', () => {
  it.each([
    ['west', undefined],
    ['a', undefined],
    ['eu-1', undefined],
    ['-west', 'is not made'],
    ['west-', 'is not made'],
    ['West', 'is not made'],
    ['w.est', 'is not made'],
    ['', 'is not made'],
    ['default', 'is the name'],
    ['x'.repeat(33), 'is longer'],
  ])('name %s: %s', (name, fault) => {
    if (fault === undefined) expect(ClusterIdentity.nameFault(name)).toBeUndefined();
    else expect(ClusterIdentity.nameFault(name)).toContain(fault);
  });

  it.each([
    [0, 255, false],
    [1, 255, true],
    [255, 255, true],
    [256, 255, false],
    [511, 511, true],
    [512, 511, false],
  ] as const)('id %s of %s: %s', (id, max, fine) => expect(ClusterIdentity.idFault(id, max) === undefined).toBe(fine));
});

describe('a node (§1.4)', () => {
  it('is read to its values', () => {
    const record = NodeRecord.read(bytes(fixtureNode));
    expect(record).toMatchObject({ name: 'test-node-2', cluster: 'cluster3', clusterId: 3, encryptionKey: 7 });
    if ('reason' in record) throw new Error('refused');
    expect(record.addresses.map(each => `${each.type} ${IpAddress.format(each.address)}`)).toEqual([
      'InternalIP 172.18.0.3',
      'InternalIP fc00:c111::3',
      'CiliumInternalIP 10.244.1.130',
      'CiliumInternalIP fd00:10:244:1::9089',
    ]);
    expect([record.ipv4Cidr, record.ipv6Cidr].map(each => each && Prefix.format(each))).toEqual([
      '10.244.1.0/24',
      'fd00:10:244:1::/64',
    ]);
    expect(record.annotations).toBeUndefined();
  });

  it('is written to the bytes it was read from', () => {
    const record = NodeRecord.read(bytes(fixtureNode));
    if ('reason' in record) throw new Error('refused');
    expect(text(NodeRecord.write(record))).toBe(fixtureNode);
  });

  it('escapes and sorts as the other writers do', () => {
    const record = NodeRecord.read(bytes(fixtureNode));
    if ('reason' in record) throw new Error('refused');
    const odd = { ...record, labels: { b: '<&>\u2028', '10': 'x', '2': 'y', a: '"\\' } };
    expect(text(NodeRecord.write(odd))).toContain(
      '"Labels":{"10":"x","2":"y","a":"\\"\\\\","b":"\\u003c\\u0026\\u003e\\u2028"}',
    );
    expect(NodeRecord.read(NodeRecord.write(odd))).toEqual(odd);
  });

  it('takes names in any case, as the fixtures of other writers have them', () => {
    expect(NodeRecord.read(bytes('{"name":"n","CLUSTER":"c","clusterID":1,"more":[1]}'))).toMatchObject({
      name: 'n',
      cluster: 'c',
      clusterId: 1,
      addresses: [],
      ipv4Cidr: undefined,
    });
  });

  it.each([
    ['"10.244.1.0/24"', '10.244.1.0/24'],
    ['"10.244.1.9/24"', '10.244.1.0/24'],
    ['{"IP":"10.244.1.9","Mask":"////AA=="}', '10.244.1.0/24'],
    ['{"IP":"::ffff:10.244.1.9","Mask":"////////////////////AA=="}', '10.244.1.0/24'],
    ['{"IP":"10.244.1.9","Mask":"////////////////////AA=="}', '10.244.1.0/24'],
    ['{"ip":"fd00::1","mask":"//////////8AAAAAAAAAAA=="}', 'fd00::/64'],
    ['"::ffff:10.0.0.0/104"', '10.0.0.0/8'],
    ['null', undefined],
    ['{"IP":"","Mask":null}', undefined],
    ['{"IP":"10.0.0.0","Mask":"/wD/AA=="}', 'bad'],
    ['{"IP":"10.0.0.0","Mask":"////"}', 'bad'],
    ['{"IP":"10.0.0.0","Mask":null}', 'bad'],
    ['{"IP":"fd00::","Mask":"////AA=="}', 'bad'],
    ['"10.0.0.0"', 'bad'],
    ['7', 'bad'],
  ])('network %s is %s', (json, expected) => {
    const read = readCidr(JSON.parse(json));
    expect(read === undefined || read === 'bad' ? read : Prefix.format(read)).toBe(expected);
  });

  it.each([
    ['["x"]', 'bad-value'],
    ['{"Name":3}', 'bad-value'],
    ['{"IPAddresses":[{"Type":"InternalIP","IP":"10.0.0.300"}]}', 'bad-value'],
    ['{"IPv4AllocCIDR":"fd00::/64"}', 'bad-value'],
    ['{"IPv6AllocCIDR":"10.0.0.0/8"}', 'bad-value'],
    ['{"Labels":{"a":1}}', 'bad-value'],
    ['{"ClusterID":-1}', 'bad-value'],
  ])('%s is refused: %s', (json, reason) => expect(NodeRecord.read(bytes(json))).toMatchObject({ reason }));

  it('of 1 MiB is refused', () =>
    expect(NodeRecord.read(bytes(`{"Annotations":{"a":"${'x'.repeat(1024 * 1024)}"}}`))).toMatchObject({
      reason: 'value-too-large',
    }));

  it('never throws, whatever is read', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map(bytes),
          fc.object().map(each => bytes(JSON.stringify(each))),
        ),
        value => {
          NodeRecord.read(value);
          ClusterConfig.read(value);
        },
      ),
    );
  });
});
