/** CiliumBGPPeeringPolicy: the field tables of reference §1.1, row by row. */
import { describe, expect, it } from 'vitest';
import { LabelSelector } from '../../src/api/selector.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { accepted, altered, faults, good } from '../support/parsed.ts';

const minimal = {
  apiVersion: 'cilium.io/v2alpha1',
  kind: 'CiliumBGPPeeringPolicy',
  metadata: { name: 'rack0' },
  spec: { virtualRouters: [{ localASN: 64512, neighbors: [{ peerAddress: '10.0.0.1/32', peerASN: 64500 }] }] },
};
const router = 'spec.virtualRouters[0]';
const neighbor = `${router}.neighbors[0]`;
const parse = (path: string, value: unknown) => good('CiliumBGPPeeringPolicy', altered(minimal, path, value));
const firstNeighbor = (path: string, value: unknown) => parse(path, value).spec.virtualRouters[0]?.neighbors[0];

describe('CiliumBGPPeeringPolicy', () => {
  it('§1.1: defaults of everything that may be absent', () => {
    const { spec, status } = good('CiliumBGPPeeringPolicy', minimal);
    expect(spec).toEqual({
      nodeSelector: LabelSelector.everything,
      virtualRouters: [
        {
          localASN: 64512,
          exportPodCIDR: false,
          podIPPoolSelector: LabelSelector.nothing,
          serviceSelector: LabelSelector.nothing,
          serviceAdvertisements: ['LoadBalancerIP'],
          neighbors: [
            {
              peerAddress: IpAddress.parse('10.0.0.1'),
              peerPort: 179,
              peerASN: 64500,
              authSecretRef: undefined,
              eBGPMultihopTTL: 1,
              timers: { connectRetryTimeSeconds: 120, holdTimeSeconds: 90, keepAliveTimeSeconds: 30 },
              gracefulRestart: { enabled: false, restartTimeSeconds: 120 },
              families: [
                { afi: 'ipv4', safi: 'unicast' },
                { afi: 'ipv6', safi: 'unicast' },
              ],
              advertisedPathAttributes: [],
            },
          ],
        },
      ],
    });
    expect(status).toEqual({ conditions: [] });
  });

  it.each([
    ['spec', 'missing'],
    ['spec.virtualRouters', 'missing'],
    [`${router}.localASN`, 'missing'],
    [`${router}.neighbors`, 'missing'],
    [`${neighbor}.peerAddress`, 'missing'],
    [`${neighbor}.peerASN`, 'missing'],
  ])('§1.1: %s is required, null counts as absent', (path, code) => {
    expect(faults(altered(minimal, path, undefined))).toEqual([`error ${code} ${path}`]);
    expect(faults(altered(minimal, path, null))).toEqual([`error ${code} ${path}`]);
  });

  it.each([
    [`${router}.localASN`, 0, 4294967295],
    [`${neighbor}.peerASN`, 0, 4294967295],
    [`${neighbor}.peerPort`, 1, 65535],
    [`${neighbor}.eBGPMultihopTTL`, 1, 255],
    [`${neighbor}.connectRetryTimeSeconds`, 1, 2147483647],
    [`${neighbor}.holdTimeSeconds`, 3, 65535],
    [`${neighbor}.keepAliveTimeSeconds`, 1, 65535],
    [`${neighbor}.gracefulRestart.restartTimeSeconds`, 1, 4095],
  ])('§1.1: %s is from %d to %d', (path, min, max) => {
    // So that the timers agree with each other at every bound, and graceful restart has what it requires.
    const base = altered(
      altered(altered(minimal, `${neighbor}.holdTimeSeconds`, 65535), `${neighbor}.keepAliveTimeSeconds`, 1),
      `${neighbor}.gracefulRestart`,
      { enabled: true },
    );
    for (const fine of [min, max]) expect(faults(altered(base, path, fine))).toEqual([]);
    for (const bad of [min - 1, max + 1])
      expect(faults(altered(base, path, bad))).toEqual([`error out-of-range ${path}`]);
    for (const bad of ['5', 1.5, true, [], {}])
      expect(faults(altered(base, path, bad))).toEqual([`error wrong-type ${path}`]);
  });

  it.each([
    ['spec.virtualRouters', [], 'out-of-range'],
    [`${router}.neighbors`, [], 'out-of-range'],
    [`${router}.serviceAdvertisements`, ['NodePort'], 'not-allowed-value', '[0]'],
    [`${router}.exportPodCIDR`, 'true', 'wrong-type'],
    [`${neighbor}.families`, [{ afi: 'ipv5', safi: 'unicast' }], 'not-allowed-value', '[0].afi'],
    [`${neighbor}.families`, [{ afi: 'ipv4' }], 'missing', '[0].safi'],
    [`${neighbor}.gracefulRestart`, { restartTimeSeconds: 9 }, 'missing', '.enabled'],
    [`${neighbor}.advertisedPathAttributes`, [{ selectorType: 'Pool' }], 'not-allowed-value', '[0].selectorType'],
  ])('§1.1: %s = %j is refused: %s', (path, value, code, below = '') => {
    expect(faults(altered(minimal, path, value))).toEqual([`error ${code} ${path}${below}`]);
  });

  it.each([
    ['10.0.0.1/32', '10.0.0.1'],
    ['2001:db8::1/128', '2001:db8::1'],
    ['2001:DB8:0::1/128', '2001:db8::1'],
  ])('§1.1.3: peerAddress %s is %s', (text, address) => {
    expect(firstNeighbor(`${neighbor}.peerAddress`, text)?.peerAddress).toEqual(IpAddress.parse(address));
  });

  it.each([
    ['10.0.0.1', 'not-a-host-prefix'],
    ['10.0.0.1/24', 'not-a-host-prefix'],
    ['2001:db8::1/64', 'not-a-host-prefix'],
    ['10.0.0.1/33', 'not-a-host-prefix'],
    ['10.0.0.01/32', 'bad-address'],
    ['router/32', 'bad-address'],
    ['', 'bad-address'],
  ])('§1.1.3: peerAddress %j is refused: %s', (text, code) => {
    expect(faults(altered(minimal, `${neighbor}.peerAddress`, text))).toEqual([
      `error ${code} ${neighbor}.peerAddress`,
    ]);
  });

  it.each([
    [{ keepAliveTimeSeconds: 100 }, ['keepAliveTimeSeconds']],
    [{ holdTimeSeconds: 9 }, ['keepAliveTimeSeconds']],
    [{ holdTimeSeconds: 9, keepAliveTimeSeconds: 10 }, ['keepAliveTimeSeconds']],
    [{ holdTimeSeconds: 9, keepAliveTimeSeconds: 9 }, []],
    [{ keepAliveTimeSeconds: 90 }, []],
    [{ keepAliveTime: '100s' }, ['keepAliveTime']],
    [{ holdTime: '9s', keepAliveTime: '3s' }, []],
  ])('§1.1.3: keepalive above hold is refused after defaulting: %j', (timers, fields) => {
    const raw = altered(minimal, neighbor, { peerAddress: '10.0.0.1/32', peerASN: 1, ...timers });
    expect(faults(raw)).toEqual(fields.map(field => `error keepalive-above-hold ${neighbor}.${field}`));
  });

  it('§0.3: duration strings of the first releases are the seconds of the later ones', () => {
    const old = {
      peerAddress: '10.0.0.1/32',
      peerASN: 1,
      connectRetryTime: '2m5s',
      holdTime: '9s',
      keepAliveTime: '3.0s',
    };
    const now = {
      peerAddress: '10.0.0.1/32',
      peerASN: 1,
      connectRetryTimeSeconds: 125,
      holdTimeSeconds: 9,
      keepAliveTimeSeconds: 3,
    };
    expect(parse(neighbor, old)).toEqual(parse(neighbor, now));
  });

  it.each([
    ['holdTime', '2s', 'out-of-range'],
    ['holdTime', '19h', 'out-of-range'],
    ['holdTime', '90', 'bad-duration'],
    ['holdTime', '-90s', 'bad-duration'],
    ['keepAliveTime', '1500ms', 'bad-duration'],
    ['connectRetryTime', 'soon', 'bad-duration'],
    ['connectRetryTime', '9999999h', 'out-of-range'],
  ])('§0.3: %s %s is refused: %s', (field, text, code) => {
    expect(faults(altered(minimal, `${neighbor}.${field}`, text))).toEqual([`error ${code} ${neighbor}.${field}`]);
  });

  it('§1.1.3: a duration of zero counts as unset', () => {
    expect(firstNeighbor(`${neighbor}.holdTime`, '0s')?.timers.holdTimeSeconds).toBe(90);
  });

  it('the new spelling wins over the old one, with a warning', () => {
    const raw = altered(altered(minimal, `${neighbor}.holdTime`, '60s'), `${neighbor}.holdTimeSeconds`, 33);
    expect(faults(raw)).toEqual([`warning ignored-field ${neighbor}.holdTime`]);
    expect(accepted('CiliumBGPPeeringPolicy', raw).spec.virtualRouters[0]?.neighbors[0]?.timers.holdTimeSeconds).toBe(
      33,
    );
  });

  it('§2.1.4: two virtual routers with one localASN are refused', () => {
    const twin = { localASN: 64512, neighbors: [{ peerAddress: '10.0.0.2/32', peerASN: 1 }] };
    expect(faults(altered(minimal, 'spec.virtualRouters[1]', twin))).toEqual([
      'error duplicate-local-asn spec.virtualRouters[1].localASN',
    ]);
    expect(parse('spec.virtualRouters[1]', { ...twin, localASN: 64513 }).spec.virtualRouters).toHaveLength(2);
  });

  it('§0.4: an absent service selector means nothing, an empty one everything', () => {
    const selector = (value: unknown) =>
      parse(`${router}.serviceSelector`, value).spec.virtualRouters[0]?.serviceSelector;
    expect(selector(undefined)?.matches({ app: 'x' })).toBe(false);
    expect(selector({})?.matches({ app: 'x' })).toBe(true);
    const trick = { matchExpressions: [{ key: 'somekey', operator: 'NotIn', values: ['never-used-value'] }] };
    expect(selector(trick)?.matches({ app: 'x' })).toBe(true);
  });

  it('§1.1.4: communities by number and by name become one ascending set', () => {
    const attributes = {
      selectorType: 'CiliumLoadBalancerIPPool',
      communities: {
        standard: ['65535:65281', '64512:100', '7', '64512:100'],
        wellKnown: ['no-export', 'internet'],
        large: ['64512:100:1', '1:2:3', '64512:100:1'],
      },
      localPreference: 4294967295,
    };
    expect(firstNeighbor(`${neighbor}.advertisedPathAttributes`, [attributes])?.advertisedPathAttributes).toEqual([
      {
        selectorType: 'CiliumLoadBalancerIPPool',
        selector: LabelSelector.everything,
        communities: [0, 7, 64512 * 65536 + 100, 0xffff_ff01],
        largeCommunities: [
          { global: 1, local1: 2, local2: 3 },
          { global: 64512, local1: 100, local2: 1 },
        ],
        localPreference: 4294967295,
      },
    ]);
  });

  it.each([
    [
      'standard',
      ['0', '4294967295', '0:0', '65535:65535'],
      ['4294967296', '65536:1', '1:65536', '01:1', '1:1:1', 'x', '-1', ' 1', ''],
    ],
    ['large', ['0:0:0', '4294967295:4294967295:4294967295'], ['1:1', '1:1:4294967296', '1:1:1:1', '01:1:1', '']],
  ])('§1.1.4: bounds of %s communities', (field, fine, bad) => {
    const path = `${neighbor}.advertisedPathAttributes`;
    const raw = (text: string) =>
      altered(minimal, path, [{ selectorType: 'PodCIDR', communities: { [field]: [text] } }]);
    for (const text of fine) expect(faults(raw(text)), text).toEqual([]);
    for (const text of bad)
      expect(faults(raw(text)), text).toEqual([`error bad-format ${path}[0].communities.${field}[0]`]);
  });

  it('§1.1.4: the fourteen well-known names and their values', () => {
    const names: Record<string, [number, number]> = {
      internet: [0, 0],
      'planned-shut': [65535, 0],
      'accept-own': [65535, 1],
      'route-filter-translated-v4': [65535, 2],
      'route-filter-v4': [65535, 3],
      'route-filter-translated-v6': [65535, 4],
      'route-filter-v6': [65535, 5],
      'llgr-stale': [65535, 6],
      'no-llgr': [65535, 7],
      blackhole: [65535, 666],
      'no-export': [65535, 65281],
      'no-advertise': [65535, 65282],
      'no-export-subconfed': [65535, 65283],
      'no-peer': [65535, 65284],
    };
    for (const [wellKnown, [high, low]] of Object.entries(names)) {
      const attributes = [{ selectorType: 'PodCIDR', communities: { wellKnown: [wellKnown] } }];
      const read = firstNeighbor(`${neighbor}.advertisedPathAttributes`, attributes)?.advertisedPathAttributes[0]
        ?.communities;
      expect(read).toEqual([high * 65536 + low]);
    }
  });
});
