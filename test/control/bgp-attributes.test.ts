/** §2.5: attributes by pod pool, which go by the pool's mask size; and attributes that meet on one prefix. */
import { describe, expect, it } from 'vitest';
import type { PathAttributes } from '../../src/api/bgp-attributes.ts';
import { parseObject } from '../../src/api/parse.ts';
import { SnapshotBuilder } from '../../src/api/snapshot.ts';
import { mergeAttributes } from '../../src/control/bgp-plan.ts';
import { desiredForNode } from '../../src/control/desired.ts';
import { controlDefaults } from '../../src/control/settings.ts';
import { Prefix } from '../../src/net/prefix.ts';
import { put } from './scenario.ts';

function prefix(text: string): Prefix {
  const parsed = Prefix.parse(text);
  if (parsed === undefined) throw new Error(`${text} is no prefix`);
  return parsed;
}

function putPool(builder: SnapshotBuilder, name: string, cidr: string, maskSize: number): void {
  const raw = { apiVersion: 'cilium.io/v2alpha1', kind: 'CiliumPodIPPool', metadata: { name }, spec: {} };
  const parsed = parseObject(raw);
  if (parsed.outcome !== 'known' || parsed.object.kind !== 'CiliumPodIPPool') throw new Error('no pool');
  const ipv4 = { cidrs: [prefix(cidr)], maskSize };
  builder.put('CiliumPodIPPool', { ...parsed.object, spec: { ipv4, ipv6: undefined } });
}

describe('§2.5: pod pools', () => {
  it('prefixes of the mask size inside the pool get the attributes, others do not', () => {
    const builder = new SnapshotBuilder();
    putPool(builder, 'blue', '10.10.0.0/16', 26);
    putPool(builder, 'red', '10.20.0.0/16', 26);
    const allocated = [
      { pool: 'blue', cidrs: ['10.10.1.0/26', '10.10.2.0/27'] },
      { pool: 'red', cidrs: ['10.20.1.0/26'] },
    ];
    put(builder, {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNode',
      metadata: { name: 'n1' },
      spec: { addresses: [{ type: 'InternalIP', ip: '10.1.0.1' }], ipam: { pools: { allocated } } },
    });
    const attributes = {
      selectorType: 'CiliumPodIPPool',
      selector: { matchLabels: { 'io.cilium.podippool.name': 'blue' } },
      communities: { standard: ['64512:1'] },
    };
    const neighbor = { peerAddress: '10.0.0.1/32', peerASN: 65000, advertisedPathAttributes: [attributes] };
    put(builder, {
      apiVersion: 'cilium.io/v2alpha1',
      kind: 'CiliumBGPPeeringPolicy',
      metadata: { name: 'rack' },
      spec: { virtualRouters: [{ localASN: 65001, podIPPoolSelector: {}, neighbors: [neighbor] }] },
    });
    const settings = { ...controlDefaults, ipam: 'multi-pool' as const };
    const { announcements } = desiredForNode(builder.snapshot(), 'n1', settings).bgp.instances[0] ?? {};
    expect(announcements?.map(each => [Prefix.format(each.prefix), each.communities])).toEqual([
      ['10.10.1.0/26', [64512 * 65536 + 1]],
      ['10.10.2.0/27', undefined],
      ['10.20.1.0/26', undefined],
    ]);
  });
});

describe('§2.5: attributes that meet', () => {
  const none: PathAttributes = { communities: [], largeCommunities: [], localPreference: undefined };
  const large = (local2: number) => ({ global: 1, local1: 2, local2 });
  it.each<[string, PathAttributes[], PathAttributes]>([
    ['nothing', [], none],
    ['one', [{ ...none, localPreference: 5 }], { ...none, localPreference: 5 }],
    [
      'communities',
      [
        { ...none, communities: [3, 7] },
        { ...none, communities: [1, 7] },
      ],
      { ...none, communities: [1, 3, 7] },
    ],
    [
      'large communities',
      [
        { ...none, largeCommunities: [large(3)] },
        { ...none, largeCommunities: [large(1), large(3)] },
      ],
      { ...none, largeCommunities: [large(1), large(3)] },
    ],
    [
      'preferences',
      [{ ...none, localPreference: 0 }, none, { ...none, localPreference: 9 }],
      { ...none, localPreference: 9 },
    ],
    ['preference 0 and none', [{ ...none, localPreference: 0 }, none], { ...none, localPreference: 0 }],
  ])('%s', (_, all, merged) => {
    expect(mergeAttributes(all)).toEqual(merged);
    expect(mergeAttributes(all.toReversed())).toEqual(merged);
  });
});
