/**
 * EndpointSlices of Services that select pods, as a cluster's endpoint-slice controller would write them. Pure: one
 * slice for each Service, family, and set of port numbers that its pods give its ports.
 */
import type { RawObject } from '../api/object.ts';
import { IpAddress } from '../net/ip.ts';
import { labelsAt, listAt, namespaceOf, selects, textAt, wholeAt } from './cluster-raw.ts';
import type { Pod } from './pods.ts';

/** `pods` are those that stand; Services are as admitted. */
export function endpointSlices(services: readonly RawObject[], pods: readonly Pod[]): readonly RawObject[] {
  return services.flatMap(service => {
    const chosen = podsOf(service, pods);
    if (chosen === undefined) return [];
    return listAt(service, 'spec', 'ipFamilies').flatMap(family =>
      family === 'IPv4' || family === 'IPv6' ? slicesOf(service, family, chosen) : [],
    );
  });
}

/** Undefined: somebody else writes the Service's endpoints. */
function podsOf(service: RawObject, pods: readonly Pod[]): readonly Pod[] | undefined {
  const selector = labelsAt(service, 'spec', 'selector');
  if (Object.keys(selector).length === 0 || textAt(service, 'spec', 'type') === 'ExternalName') return undefined;
  return pods.filter(pod => pod.namespace === namespaceOf(service) && selects(selector, pod.labels));
}

/** Ports of pods that Services name by number: pods listen there though their containers say nothing of it. */
export function targetPorts(services: readonly RawObject[], pod: Pod): readonly { protocol: string; port: number }[] {
  return services
    .filter(service => podsOf(service, [pod])?.length === 1)
    .flatMap(service => listAt(service, 'spec', 'ports').flatMap(port => resolved(port, pod) ?? []));
}

interface SlicePort {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
}

function slicesOf(service: RawObject, addressType: 'IPv4' | 'IPv6', pods: readonly Pod[]): readonly RawObject[] {
  const family = addressType === 'IPv4' ? 'ipv4' : 'ipv6';
  const groups = new Map<string, { readonly ports: readonly SlicePort[]; readonly endpoints: RawObject[] }>();
  for (const pod of pods) {
    const address = pod.addresses.find(each => each.family === family);
    if (address === undefined) continue;
    const ports = listAt(service, 'spec', 'ports').flatMap(port => resolved(port, pod) ?? []);
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, endpoints: [] };
    groups.set(key, group);
    group.endpoints.push({
      addresses: [IpAddress.format(address)],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: pod.node,
      targetRef: { kind: 'Pod', namespace: pod.namespace, name: pod.name },
    });
  }
  // A Service without pods has a slice that says so.
  if (groups.size === 0) groups.set('', { ports: [], endpoints: [] });
  const name = textAt(service, 'metadata', 'name');
  return [...groups.values()].map(({ ports, endpoints }, i) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-${family}${i === 0 ? '' : `-${i + 1}`}`,
      namespace: namespaceOf(service),
      labels: { 'kubernetes.io/service-name': name, 'endpointslice.kubernetes.io/managed-by': 'herald-lab' },
    },
    addressType,
    endpoints,
    ports,
  }));
}

/** A Service's port on this pod; undefined where it names a port that the pod has not. */
function resolved(port: unknown, pod: Pod): SlicePort | undefined {
  const protocol = textAt(port, 'protocol') || 'TCP';
  const name = textAt(port, 'name');
  const target = textAt(port, 'targetPort');
  if (target !== '') {
    const found = pod.ports.find(each => each.name === target && each.protocol === protocol);
    return found && { name, protocol, port: found.port };
  }
  const bounds = { min: 1, max: 65_535 };
  const number = wholeAt(bounds, port, 'targetPort') || wholeAt(bounds, port, 'port');
  return number === undefined ? undefined : { name, protocol, port: number };
}
