/** The objects of the fail-over rig: nodes, a pool, Services with the addresses that the client asks for, a policy. */
import type { Manifest } from './failover-l2-lab.ts';

export function nodeObject(name: string, more: { cordoned?: boolean; labels?: Manifest } = {}): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { rack: 'a', ...more.labels } },
    spec: { unschedulable: more.cordoned ?? false },
    status: { addresses: [{ type: 'InternalIP', address: `10.77.0.${name.slice(1)}` }] },
  };
}

export const pool: Manifest = {
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumLoadBalancerIPPool',
  metadata: { name: 'lan' },
  spec: { blocks: [{ cidr: '10.77.1.0/24' }, { cidr: 'fd77::1:0/112' }] },
};

export const policy: Manifest = {
  apiVersion: 'cilium.io/v2alpha1',
  kind: 'CiliumL2AnnouncementPolicy',
  metadata: { name: 'lan' },
  spec: { loadBalancerIPs: true, interfaces: ['^eth0$'], nodeSelector: { matchLabels: { rack: 'a' } } },
};

/** `addresses`: one of a family, or one of each. */
export function serviceObject(name: string, addresses: readonly string[], local = false): Manifest {
  const families = addresses.map(address => (address.includes(':') ? 'IPv6' : 'IPv4'));
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name,
      namespace: 'default',
      labels: { app: name },
      annotations: { 'lbipam.cilium.io/ips': addresses.join(',') },
    },
    spec: {
      type: 'LoadBalancer',
      ipFamilyPolicy: families.length > 1 ? 'RequireDualStack' : 'SingleStack',
      ipFamilies: families,
      externalTrafficPolicy: local ? 'Local' : 'Cluster',
      ports: [{ name: 'http', port: 80 }],
    },
  };
}

/** Ready endpoints of a Service, one on each of these nodes. */
export function sliceObject(service: string, nodes: readonly string[]): Manifest {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${service}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    endpoints: nodes.map(nodeName => ({
      addresses: [`10.244.0.${nodeName.slice(1)}`],
      nodeName,
      conditions: { ready: true },
    })),
    ports: [{ name: 'http', port: 8080 }],
  };
}
