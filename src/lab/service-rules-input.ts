/** What the service rules are made of: Services and EndpointSlices as the store has them. Pure. */
import type { EndpointSlice } from '../api/endpoint-slice.ts';
import { ObjectRef, type RawObject } from '../api/object.ts';
import type { Service } from '../api/service.ts';
import type { Snapshot } from '../api/snapshot.ts';
import { Prefix } from '../net/prefix.ts';
import { keyOf, listAt, textAt } from './cluster-raw.ts';
import type { RuleEndpoint, RuleService } from './service-rules.ts';

/** `raw` are the same Services with what Herald does not read: affinity and source ranges. */
export function ruleServices(snapshot: Snapshot, raw: readonly RawObject[]): readonly RuleService[] {
  const raws = new Map(raw.map(each => [keyOf(each), each]));
  const slices = Map.groupBy(snapshot.list('EndpointSlice'), each => `${each.metadata.namespace}/${each.serviceName}`);
  return snapshot
    .list('Service')
    .filter(({ spec }) => spec.type !== 'ExternalName')
    .map(service => {
      const name = ObjectRef.key(service.metadata);
      const { spec, status } = service;
      return {
        name,
        clusterIPs: spec.clusterIPs,
        externalIPs: spec.externalIPs,
        loadBalancerIPs: spec.type === 'LoadBalancer' ? status.ingress : [],
        sourceRanges: listAt(raws.get(name), 'spec', 'loadBalancerSourceRanges').flatMap(
          each => Prefix.parse(String(each).trim()) ?? [],
        ),
        externalTrafficPolicy: spec.externalTrafficPolicy,
        internalTrafficPolicy: spec.internalTrafficPolicy,
        clientAffinity: textAt(raws.get(name), 'spec', 'sessionAffinity') === 'ClientIP',
        ports: spec.ports.map(port => ({
          protocol: port.protocol,
          port: port.port,
          nodePort: spec.type === 'ClusterIP' ? undefined : port.nodePort,
          endpoints: endpointsOf(port, slices.get(name) ?? []),
        })),
      };
    });
}

/** Those that are ready; where none is, those that still serve while they end. */
function endpointsOf(
  { name, protocol }: Service['spec']['ports'][number],
  slices: readonly EndpointSlice[],
): readonly RuleEndpoint[] {
  const all = slices.flatMap(({ ports, endpoints }) => {
    const port = ports.find(each => each.name === name && each.protocol === protocol)?.port;
    if (port === undefined) return [];
    return endpoints.flatMap(({ addresses, nodeName: node, ready, serving, terminating }) =>
      addresses.map(address => ({ address, port, node, isReady: ready, isLast: serving && terminating })),
    );
  });
  const ready = all.filter(each => each.isReady);
  return ready.length > 0 ? ready : all.filter(each => each.isLast);
}
