/** Service (v1): what asks for addresses, and what holds them. Reference §2.4, §2.8-2.13. */
import { z } from 'zod';
import { type Family, IpAddress } from '../net/ip.ts';
import { conditions, list, object, oneOf, port, readConditions, text, textMap, whole } from './fields.ts';
import { defineKind } from './kind.ts';
import type { Notes } from './notes.ts';
import type { Condition, ObjectMeta } from './object.ts';
import { type Labels, selectorLabels } from './selector.ts';
import { readAddresses } from './value-field.ts';

type ServiceType = 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
type TrafficPolicy = 'Cluster' | 'Local';
type IpFamilyPolicy = 'SingleStack' | 'PreferDualStack' | 'RequireDualStack';
export type Protocol = 'TCP' | 'UDP' | 'SCTP';

interface ServicePort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** A port of the pods, by number or by name; the same as `port` unless said. */
  readonly targetPort: number | string;
  readonly nodePort: number | undefined;
}

interface ServiceSpec {
  readonly type: ServiceType;
  /** Empty for headless and ExternalName services. */
  readonly clusterIPs: readonly IpAddress[];
  readonly externalIPs: readonly IpAddress[];
  readonly loadBalancerIP: IpAddress | undefined;
  readonly loadBalancerClass: string | undefined;
  readonly externalTrafficPolicy: TrafficPolicy;
  readonly internalTrafficPolicy: TrafficPolicy;
  readonly ipFamilyPolicy: IpFamilyPolicy | undefined;
  readonly ipFamilies: readonly Family[];
  /** Which pods; empty when somebody else writes the endpoints. */
  readonly selector: Labels;
  readonly ports: readonly ServicePort[];
}

export interface Service {
  readonly kind: 'Service';
  readonly metadata: ObjectMeta;
  /** What selectors on services see: its labels, and its namespace and name under the magic keys, which win. */
  readonly selectorLabels: Labels;
  readonly spec: ServiceSpec;
  readonly status: {
    /** `loadBalancer.ingress[].ip`, in order; entries with only a host name and unreadable ones are left out. */
    readonly ingress: readonly IpAddress[];
    readonly conditions: readonly Condition[];
  };
}

export const protocol = oneOf('The transport protocol.', ['TCP', 'UDP', 'SCTP']);
const trafficPolicy = oneOf('Cluster: any backend. Local: only backends on the same node.', ['Cluster', 'Local']);

const servicePort = object('A port of the Service.', {
  name: text('Tells the ports of a Service apart.').default(''),
  protocol: protocol.default('TCP'),
  port: port('Where clients connect.'),
  targetPort: z.union([z.int(), z.string()], 'a port number or a port name').optional(),
  nodePort: whole('The same service on every node.', 0, 65535).optional(),
});

const body = object('A Service.', {
  spec: object('What is wanted.', {
    type: oneOf('How it is exposed.', ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']).default('ClusterIP'),
    clusterIP: text('Old spelling of clusterIPs.').optional(),
    clusterIPs: list('Addresses inside the cluster.', text('An address.')).optional(),
    externalIPs: list('Addresses that reach a node by other means.', text('An address.')).default([]),
    loadBalancerIP: text('The address asked for.').optional(),
    loadBalancerClass: text('Who is to serve it.').optional(),
    externalTrafficPolicy: trafficPolicy.default('Cluster'),
    internalTrafficPolicy: trafficPolicy.default('Cluster'),
    ipFamilyPolicy: oneOf('How many families.', ['SingleStack', 'PreferDualStack', 'RequireDualStack']).optional(),
    ipFamilies: list('Which families.', oneOf('A family.', ['IPv4', 'IPv6'])).default([]),
    selector: textMap('Which pods.').default({}),
    ports: list('Its ports.', servicePort).default([]),
  }).prefault({}),
});

const status = object('What came of it.', {
  loadBalancer: object('Addresses that were given.', {
    ingress: list('Its addresses.', object('One address.', { ip: text('An address.').optional() })).default([]),
  }).prefault({}),
  conditions,
});

const families = { IPv4: 'ipv4', IPv6: 'ipv6' } as const;

export const serviceKind = defineKind({
  kind: 'Service',
  group: '',
  versions: ['v1'],
  plural: 'services',
  scope: 'Namespaced',
  body,
  status,
  read: ({ body: { spec }, status, metadata, notes }): Service => ({
    kind: 'Service',
    metadata,
    selectorLabels: selectorLabels('service', metadata),
    spec: {
      type: spec.type,
      clusterIPs: readClusterIPs(spec, notes),
      externalIPs: readAddresses(spec.externalIPs, 'spec.externalIPs', notes),
      loadBalancerIP: spec.loadBalancerIP
        ? readAddresses([spec.loadBalancerIP], 'spec.loadBalancerIP', notes)[0]
        : undefined,
      loadBalancerClass: spec.loadBalancerClass || undefined,
      externalTrafficPolicy: spec.externalTrafficPolicy,
      internalTrafficPolicy: spec.internalTrafficPolicy,
      ipFamilyPolicy: spec.ipFamilyPolicy,
      ipFamilies: spec.ipFamilies.map(family => families[family]),
      selector: spec.selector,
      ports: spec.ports.map(({ targetPort, ...each }) => ({
        nodePort: undefined,
        ...each,
        targetPort: targetPort ?? each.port,
      })),
    },
    status: {
      ingress: status.loadBalancer.ingress.flatMap(({ ip }) => IpAddress.parse(ip ?? '') ?? []),
      conditions: readConditions(status.conditions),
    },
  }),
});

/** `None` and empty text are how headless and ExternalName services say that they have none. */
function readClusterIPs(spec: z.output<typeof body>['spec'], notes: Notes): readonly IpAddress[] {
  const { clusterIPs = [], clusterIP = '' } = spec;
  const texts = (clusterIPs.length > 0 ? clusterIPs : [clusterIP]).filter(each => each !== '' && each !== 'None');
  return readAddresses(texts, 'spec.clusterIPs', notes);
}
