/** The second generation of the BGP kinds: reference §1.4, row by row. */
import { describe, expect, it } from 'vitest';
import { CiliumBGPNodeConfig } from '../../src/api/bgp-node-config.ts';
import { CiliumBGPPeerConfigSpec } from '../../src/api/bgp-peer-config.ts';
import { LabelSelector } from '../../src/api/selector.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { accepted, altered, faults, good } from '../support/parsed.ts';

const head = (kind: string, version = 'v2') => ({ apiVersion: `cilium.io/${version}`, kind, metadata: { name: 'x' } });
const cluster = { ...head('CiliumBGPClusterConfig'), spec: { bgpInstances: [{ name: 'a', peers: [{ name: 'p' }] }] } };
const peerConfig = { ...head('CiliumBGPPeerConfig'), spec: {} };
const advertisement = {
  ...head('CiliumBGPAdvertisement'),
  spec: { advertisements: [{ advertisementType: 'PodCIDR' }] },
};
const override = { ...head('CiliumBGPNodeConfigOverride'), spec: { bgpInstances: [{ name: 'a' }] } };
const node = {
  ...head('CiliumBGPNodeConfig'),
  spec: { bgpInstances: [{ name: 'a', peers: [{ name: 'p', peerAddress: '10.0.0.1' }] }] },
};
const instance = 'spec.bgpInstances[0]';

describe('limits (§1.4)', () => {
  it.each([
    [cluster, `${instance}.localASN`, 1, 4294967295],
    [cluster, `${instance}.localPort`, 1, 65535],
    [cluster, `${instance}.peers[0].peerASN`, 0, 4294967295],
    [peerConfig, 'spec.transport.peerPort', 1, 65535],
    [peerConfig, 'spec.timers.connectRetryTimeSeconds', 1, 2147483647],
    [altered(peerConfig, 'spec.timers.keepAliveTimeSeconds', 1), 'spec.timers.holdTimeSeconds', 3, 65535],
    [altered(peerConfig, 'spec.timers.holdTimeSeconds', 65535), 'spec.timers.keepAliveTimeSeconds', 1, 65535],
    [altered(peerConfig, 'spec.gracefulRestart.enabled', true), 'spec.gracefulRestart.restartTimeSeconds', 1, 4095],
    [peerConfig, 'spec.ebgpMultihop', 1, 255],
    [peerConfig, 'spec.bfd.detectionMultiplier', 1, 255],
    [override, `${instance}.localASN`, 1, 4294967295],
    [override, `${instance}.localPort`, 1, 65535],
    [node, `${instance}.localASN`, 1, 4294967295],
    [node, `${instance}.peers[0].peerASN`, 0, 4294967295],
  ])('%o %s is from %d to %d', (raw, path, min, max) => {
    for (const fine of [min, max]) expect(faults(altered(raw, path, fine))).toEqual([]);
    for (const bad of [min - 1, max + 1])
      expect(faults(altered(raw, path, bad))).toEqual([`error out-of-range ${path}`]);
  });

  it.each([
    ['IPv4', 31],
    ['IPv6', 127],
  ])('aggregationLength%s is from 0 to %d', (family, max) => {
    const path = `spec.advertisements[0].service.aggregationLength${family}`;
    const raw = altered(advertisement, 'spec.advertisements[0]', {
      advertisementType: 'Service',
      service: { addresses: ['ClusterIP'] },
    });
    for (const fine of [0, max]) expect(faults(altered(raw, path, fine))).toEqual([]);
    for (const bad of [-1, max + 1]) expect(faults(altered(raw, path, bad))).toEqual([`error out-of-range ${path}`]);
  });

  it.each([cluster, node])('%o takes 1 to 16 instances, with names of 1 to 255 characters, none twice', raw => {
    const instances = (count: number) => Array.from({ length: count }, (_, i) => ({ name: `i${i}` }));
    for (const fine of [1, 16]) expect(faults(altered(raw, 'spec.bgpInstances', instances(fine)))).toEqual([]);
    for (const bad of [0, 17])
      expect(faults(altered(raw, 'spec.bgpInstances', instances(bad)))).toEqual([
        'error out-of-range spec.bgpInstances',
      ]);
    expect(faults(altered(raw, `${instance}.name`, 'n'.repeat(255)))).toEqual([]);
    for (const bad of ['', 'n'.repeat(256)])
      expect(faults(altered(raw, `${instance}.name`, bad))).toEqual([`error out-of-range ${instance}.name`]);
    expect(faults(altered(raw, 'spec.bgpInstances[1]', { name: 'a' }))).toEqual([
      'error duplicate spec.bgpInstances[1].name',
    ]);
    const twin = { name: 'p', peerAddress: '10.0.0.2' };
    expect(faults(altered(raw, `${instance}.peers[1]`, twin))).toEqual([`error duplicate ${instance}.peers[1].name`]);
  });
});

describe('CiliumBGPClusterConfig', () => {
  it('§1.4: defaults, in both versions', () => {
    const { spec } = good('CiliumBGPClusterConfig', cluster);
    const peer = { name: 'p', peerAddress: undefined, peerASN: 0, autoDiscovery: undefined, peerConfigRef: undefined };
    expect(spec).toEqual({
      nodeSelector: LabelSelector.everything,
      bgpInstances: [{ name: 'a', localASN: undefined, localPort: undefined, peers: [peer] }],
    });
    expect(good('CiliumBGPClusterConfig', { ...cluster, apiVersion: 'cilium.io/v2alpha1' }).spec).toEqual(spec);
  });

  it('§0.3: the group and kind that the first version had in peerConfigRef are let pass', () => {
    const ref = { group: 'cilium.io', kind: 'CiliumBGPPeerConfig', name: 'c' };
    const { spec } = good('CiliumBGPClusterConfig', altered(cluster, `${instance}.peers[0].peerConfigRef`, ref));
    expect(spec.bgpInstances[0]?.peers[0]?.peerConfigRef).toBe('c');
  });

  it.each([
    ['10.0.0.1', undefined],
    ['fd00::1', undefined],
    ['fe80::1%eth0', undefined],
    ['10.0.0.1/32', 'error bad-address'],
    ['10.0.0', 'error bad-address'],
    ['router', 'error bad-address'],
    ['', 'error bad-address'],
  ])('peerAddress %s: %s', (text, fault) => {
    const path = `${instance}.peers[0].peerAddress`;
    expect(faults(altered(cluster, path, text))).toEqual(fault === undefined ? [] : [`${fault} ${path}`]);
  });

  it.each([
    [
      { mode: 'DefaultGateway', defaultGateway: { addressFamily: 'ipv6' } },
      { mode: 'DefaultGateway', addressFamily: 'ipv6' },
    ],
    [
      { mode: 'Unnumbered', unnumbered: { interface: 'eth0' } },
      { mode: 'Unnumbered', interface: 'eth0' },
    ],
  ])('autoDiscovery %j', (raw, value) => {
    const read = good('CiliumBGPClusterConfig', altered(cluster, `${instance}.peers[0].autoDiscovery`, raw));
    expect(read.spec.bgpInstances[0]?.peers[0]?.autoDiscovery).toEqual(value);
  });

  it.each([
    [{ mode: 'DefaultGateway' }, 'error no-default-gateway-block', ''],
    [{ mode: 'Unnumbered', defaultGateway: { addressFamily: 'ipv4' } }, 'error no-unnumbered-block', ''],
    [{ mode: 'Magic' }, 'error not-allowed-value', '.mode'],
    [
      { mode: 'DefaultGateway', defaultGateway: { addressFamily: 'ip' } },
      'error not-allowed-value',
      '.defaultGateway.addressFamily',
    ],
    [{}, 'error missing', '.mode'],
  ])('autoDiscovery %j is refused: %s', (raw, fault, below) => {
    const path = `${instance}.peers[0].autoDiscovery`;
    expect(faults(altered(cluster, path, raw))).toEqual([`${fault} ${path}${below}`]);
  });
});

describe('CiliumBGPPeerConfig', () => {
  it('§1.4: an empty one is what a peer without a reference uses: session up, nothing advertised', () => {
    const { spec } = good('CiliumBGPPeerConfig', peerConfig);
    expect(spec).toEqual(CiliumBGPPeerConfigSpec.defaults());
    expect(spec).toEqual({
      transport: { peerPort: 179, sourceInterface: undefined },
      timers: { connectRetryTimeSeconds: 120, holdTimeSeconds: 90, keepAliveTimeSeconds: 30 },
      authSecretRef: undefined,
      gracefulRestart: { enabled: false, restartTimeSeconds: 120 },
      ebgpMultihop: 1,
      families: [
        { afi: 'ipv6', safi: 'unicast', advertisements: LabelSelector.nothing },
        { afi: 'ipv4', safi: 'unicast', advertisements: LabelSelector.nothing },
      ],
      bfd: {
        enabled: false,
        transmitIntervalMilliseconds: 300,
        receiveIntervalMilliseconds: 300,
        detectionMultiplier: 3,
      },
    });
  });

  it.each([
    [{ keepAliveTimeSeconds: 91 }, ['error keepalive-above-hold spec.timers.keepAliveTimeSeconds']],
    [{ holdTimeSeconds: 29 }, ['error keepalive-above-hold spec.timers.keepAliveTimeSeconds']],
    [{ keepAliveTimeSeconds: 90 }, []],
    [{ holdTimeSeconds: 3, keepAliveTimeSeconds: 3 }, []],
  ])('timers %j: %j', (timers, wanted) => {
    expect(faults(altered(peerConfig, 'spec.timers', timers))).toEqual(wanted);
  });

  it('absent advertisements mean none, empty ones all', () => {
    const families = [
      { afi: 'ipv4', safi: 'unicast' },
      { afi: 'ipv6', safi: 'unicast', advertisements: {} },
    ];
    const read = good('CiliumBGPPeerConfig', altered(peerConfig, 'spec.families', families)).spec.families;
    expect(read.map(each => each.advertisements.matches({}))).toEqual([false, true]);
  });
});

describe('CiliumBGPAdvertisement', () => {
  const none = { communities: [], largeCommunities: [], localPreference: undefined };
  const service = { addresses: ['LoadBalancerIP', 'ClusterIP', 'ExternalIP'] };

  it.each([
    [{ advertisementType: 'PodCIDR' }, { advertisementType: 'PodCIDR', attributes: none }],
    [
      { advertisementType: 'CiliumPodIPPool' },
      { advertisementType: 'CiliumPodIPPool', attributes: none, selector: LabelSelector.nothing },
    ],
    [
      { advertisementType: 'Service', service, selector: {} },
      {
        advertisementType: 'Service',
        attributes: none,
        selector: LabelSelector.everything,
        addresses: service.addresses,
        aggregationLengthIPv4: undefined,
        aggregationLengthIPv6: undefined,
      },
    ],
    [
      { advertisementType: 'Interface', interface: { name: 'lo' }, attributes: { localPreference: 7 } },
      { advertisementType: 'Interface', attributes: { ...none, localPreference: 7 }, interface: 'lo' },
    ],
  ])('%j', (raw, value) => {
    const read = good('CiliumBGPAdvertisement', altered(advertisement, 'spec.advertisements[0]', raw));
    expect(read.spec.advertisements).toEqual([value]);
  });

  it.each([
    [{ advertisementType: 'Service' }, 'error no-service-block', ''],
    [{ advertisementType: 'Interface', service }, 'error no-interface-block', ''],
    [{ advertisementType: 'PodCIDR', selector: {} }, 'error selector-forbidden', '.selector'],
    [{ advertisementType: 'Service', service: { addresses: [] } }, 'error out-of-range', '.service.addresses'],
    [{ advertisementType: 'Service', service: {} }, 'error missing', '.service.addresses'],
    [{ advertisementType: 'Nodes' }, 'error not-allowed-value', '.advertisementType'],
    [
      { advertisementType: 'PodCIDR', attributes: { communities: { wellKnown: ['x'] } } },
      'error not-allowed-value',
      '.attributes.communities.wellKnown[0]',
    ],
  ])('%j is refused: %s', (raw, fault, below) => {
    expect(faults(altered(advertisement, 'spec.advertisements[0]', raw))).toEqual([
      `${fault} spec.advertisements[0]${below}`,
    ]);
  });
});

describe('CiliumBGPNodeConfigOverride', () => {
  it('§1.4: what is absent is undefined, so that the cluster configuration stays', () => {
    const { spec } = good('CiliumBGPNodeConfigOverride', override);
    expect(spec.bgpInstances).toEqual([
      { name: 'a', routerID: undefined, localPort: undefined, localASN: undefined, peers: [] },
    ]);
  });

  it('reads addresses; a peer port is let pass and ignored', () => {
    const peers = [{ name: 'p', localAddress: 'fd00::9', localPort: 1790 }];
    const raw = altered(override, instance, { name: 'a', routerID: '10.0.0.9', peers });
    expect(good('CiliumBGPNodeConfigOverride', raw).spec.bgpInstances[0]).toMatchObject({
      routerID: IpAddress.parse('10.0.0.9'),
      peers: [{ name: 'p', localAddress: { address: IpAddress.parse('fd00::9'), zone: undefined } }],
    });
  });

  it.each(['fd00::1', '10.0.0', '167772161', ''])('routerID %s is no IPv4 address', text => {
    expect(faults(altered(override, `${instance}.routerID`, text))).toEqual([`error bad-address ${instance}.routerID`]);
  });

  it('needs at least one instance', () => {
    expect(faults(altered(override, 'spec.bgpInstances', []))).toEqual(['error out-of-range spec.bgpInstances']);
  });
});

describe('CiliumBGPNodeConfig', () => {
  const full = {
    bgpInstances: [
      {
        name: 'a',
        localASN: 65001,
        routerID: '10.0.0.9',
        localPort: 179,
        peers: [
          {
            name: 'p',
            peerAddress: '10.0.0.1',
            peerASN: 65000,
            localAddress: '10.0.0.9',
            peerConfigRef: { name: 'c' },
          },
          { name: 'q', peerAddress: 'fe80::1%eth0', peerInterface: 'eth0', peerASN: 0 },
          { name: 'r', autoDiscovery: { mode: 'DefaultGateway', defaultGateway: { addressFamily: 'ipv4' } } },
          { name: 's', autoDiscovery: { mode: 'Unnumbered', unnumbered: { interface: 'eth1' } } },
        ],
      },
      { name: 'b', peers: [] },
    ],
  };

  it('what is written is what was read', () => {
    const { spec } = good('CiliumBGPNodeConfig', { ...node, spec: full });
    expect(CiliumBGPNodeConfig.specToRaw(spec)).toEqual(full);
  });

  it('a peer has an address or a way to find one', () => {
    expect(faults(altered(node, `${instance}.peers[0]`, { name: 'p' }))).toEqual([
      `error no-peer-address ${instance}.peers[0]`,
    ]);
  });

  it('§1.4: the status is read, without what is wrong with it', () => {
    const peer = {
      name: 'p',
      peerAddress: '10.0.0.1',
      peeringState: 'established',
      routeCount: [{ afi: 'ipv4', safi: 'unicast', received: 3 }],
    };
    const bad = {
      name: 'q',
      peerAddress: 5,
      routeCount: [
        { afi: 'x', safi: 'unicast' },
        { afi: 'ipv6', safi: 'unicast' },
      ],
    };
    const status = { bgpInstances: [{ name: 'a', localASN: 65001, peers: [peer, bad] }] };
    const read = accepted('CiliumBGPNodeConfig', { ...node, status }).status;
    const rest = { peerASN: undefined, timers: undefined, establishedTime: undefined, peeringState: undefined };
    expect(read.bgpInstances).toEqual([
      {
        name: 'a',
        localASN: 65001,
        peers: [
          { ...rest, ...peer, routeCount: [{ afi: 'ipv4', safi: 'unicast', received: 3, advertised: undefined }] },
          {
            ...rest,
            name: 'q',
            peerAddress: '',
            routeCount: [{ afi: 'ipv6', safi: 'unicast', received: undefined, advertised: undefined }],
          },
        ],
      },
    ]);
    expect(faults({ ...node, status }).every(fault => fault.startsWith('warning'))).toBe(true);
  });
});
