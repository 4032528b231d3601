/** Service: what is read, what is refused, what is passed over (reference §2.4, §2.10). */
import { describe, expect, it } from 'vitest';
import { parseObject } from '../../src/api/parse.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { accepted, altered, faults, good } from '../support/parsed.ts';

const minimal = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'shop', labels: { app: 'web' } },
  spec: {},
};
const ip = (text: string) => IpAddress.parse(text);

describe('Service', () => {
  it('defaults', () => {
    const service = good('Service', minimal);
    expect(service.spec).toEqual({
      type: 'ClusterIP',
      clusterIPs: [],
      externalIPs: [],
      loadBalancerIP: undefined,
      loadBalancerClass: undefined,
      externalTrafficPolicy: 'Cluster',
      internalTrafficPolicy: 'Cluster',
      ipFamilyPolicy: undefined,
      ipFamilies: [],
      selector: {},
      ports: [],
    });
    expect(service.status).toEqual({ ingress: [], conditions: [] });
    expect(good('Service', altered(minimal, 'spec', undefined)).spec).toEqual(service.spec);
  });

  it('reads everything there is', () => {
    const raw = {
      ...minimal,
      spec: {
        type: 'LoadBalancer',
        clusterIP: '10.96.0.1',
        clusterIPs: ['10.96.0.1', 'fd00::1'],
        externalIPs: ['198.51.100.1'],
        loadBalancerIP: '192.0.2.1',
        loadBalancerClass: 'io.cilium/bgp-control-plane',
        externalTrafficPolicy: 'Local',
        internalTrafficPolicy: 'Local',
        ipFamilyPolicy: 'RequireDualStack',
        ipFamilies: ['IPv4', 'IPv6'],
        selector: { app: 'web' },
        ports: [{ port: 53, protocol: 'UDP', name: 'dns', targetPort: 'dns', nodePort: 30053 }, { port: 80 }],
        sessionAffinity: 'None',
      },
      status: { loadBalancer: { ingress: [{ ip: '192.0.2.1', ipMode: 'VIP' }, { ip: 'fd00::9' }] } },
    };
    const { spec, status } = good('Service', raw);
    expect(spec).toEqual({
      type: 'LoadBalancer',
      clusterIPs: [ip('10.96.0.1'), ip('fd00::1')],
      externalIPs: [ip('198.51.100.1')],
      loadBalancerIP: ip('192.0.2.1'),
      loadBalancerClass: 'io.cilium/bgp-control-plane',
      externalTrafficPolicy: 'Local',
      internalTrafficPolicy: 'Local',
      ipFamilyPolicy: 'RequireDualStack',
      ipFamilies: ['ipv4', 'ipv6'],
      selector: { app: 'web' },
      ports: [
        { name: 'dns', protocol: 'UDP', port: 53, targetPort: 'dns', nodePort: 30053 },
        { name: '', protocol: 'TCP', port: 80, targetPort: 80, nodePort: undefined },
      ],
    });
    expect(status.ingress).toEqual([ip('192.0.2.1'), ip('fd00::9')]);
  });

  it('§2.4: ingress entries that are no address are passed over in silence', () => {
    const ingress = [{ hostname: 'a.example' }, { ip: '' }, { ip: '192.0.2.300' }, { ip: '192.0.2.7' }, {}];
    expect(good('Service', { ...minimal, status: { loadBalancer: { ingress } } }).status.ingress).toEqual([
      ip('192.0.2.7'),
    ]);
  });

  it.each([
    [{ clusterIP: 'None', clusterIPs: ['None'] }, []],
    [{ clusterIP: 'None' }, []],
    [{ clusterIP: '' }, []],
    [{ clusterIP: '10.96.0.1' }, ['10.96.0.1']],
  ])('§2.4: the cluster addresses of %j', (spec, wanted) => {
    expect(good('Service', { ...minimal, spec }).spec.clusterIPs).toEqual(wanted.map(ip));
  });

  it('§2.10: addresses that cannot be read are left out with a warning', () => {
    const raw = { ...minimal, spec: { externalIPs: ['x', '192.0.2.1'], loadBalancerIP: '1.2.3' } };
    expect(faults(raw)).toEqual([
      'warning bad-address spec.externalIPs[0]',
      'warning bad-address spec.loadBalancerIP[0]',
    ]);
    expect(accepted('Service', raw).spec.externalIPs).toEqual([ip('192.0.2.1')]);
  });

  it('P16: what selectors see has namespace and name under magic keys, which cannot be spoofed', () => {
    const spoof = { 'io.kubernetes.service.namespace': 'tenant-one', 'io.kubernetes.service.name': 'x', app: 'web' };
    expect(good('Service', altered(minimal, 'metadata.labels', spoof)).selectorLabels).toEqual({
      'io.kubernetes.service.namespace': 'shop',
      'io.kubernetes.service.name': 'web',
      app: 'web',
    });
  });

  it.each([
    ['spec.type', 'Loadbalancer', 'not-allowed-value'],
    ['spec.externalTrafficPolicy', 'local', 'not-allowed-value'],
    ['spec.ipFamilies', ['IPV4'], 'not-allowed-value', '[0]'],
    ['spec.ports', [{ port: 0 }], 'out-of-range', '[0].port'],
    ['spec.ports', [{ port: '80' }], 'wrong-type', '[0].port'],
    ['spec.ports', [{}], 'missing', '[0].port'],
    ['spec.ports', [{ port: 80, targetPort: [] }], 'wrong-type', '[0].targetPort'],
    ['spec.loadBalancerIP', 19, 'wrong-type'],
    ['spec.selector', { app: 5 }, 'wrong-type', '.app'],
    ['metadata.annotations', { 'lbipam.cilium.io/sharing-key': 5 }, 'wrong-type', '["lbipam.cilium.io/sharing-key"]'],
  ])('%s = %j is refused: %s', (path, value, code, below = '') => {
    expect(faults(altered(minimal, path, value))).toEqual([`error ${code} ${path}${below}`]);
  });

  it('a status somebody broke never refuses the Service', () => {
    for (const status of [
      5,
      [],
      'x',
      { loadBalancer: 7 },
      { loadBalancer: { ingress: 'x' } },
      { loadBalancer: { ingress: [5, { ip: 9 }] } },
    ]) {
      const raw = { ...minimal, status };
      expect(accepted('Service', raw).status).toEqual({ ingress: [], conditions: [] });
      expect(faults(raw).every(fault => fault.startsWith('warning '))).toBe(true);
    }
    const mixed = {
      loadBalancer: { ingress: [{ ip: 5 }, 'x', { ip: '192.0.2.4' }] },
      conditions: [{ type: 'a', status: 'True' }],
    };
    expect(accepted('Service', { ...minimal, status: mixed }).status).toEqual({
      ingress: [ip('192.0.2.4')],
      conditions: [{ type: 'a', status: 'True', reason: '', message: '' }],
    });
  });

  it('10,000 of them take well under half a second', () => {
    const raws = Array.from({ length: 10_000 }, (_, i) => ({
      ...minimal,
      metadata: {
        ...minimal.metadata,
        name: `web-${i}`,
        uid: `u${i}`,
        resourceVersion: `${i}`,
        creationTimestamp: '2024-05-01T12:00:00Z',
      },
      spec: {
        type: 'LoadBalancer',
        clusterIPs: ['10.96.0.1'],
        ports: [{ port: 80, targetPort: 8080 }],
        selector: { app: 'web' },
      },
      status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
    }));
    // Processor time, so that neighbours on the machine do not count; the best of three, so that compiling does not.
    const usedMs = [0, 1, 2].map(() => {
      const before = process.cpuUsage();
      for (const raw of raws) parseObject(raw);
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000;
    });
    expect(Math.min(...usedMs)).toBeLessThan(500);
  });
});
