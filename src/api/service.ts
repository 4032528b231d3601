/** Service (v1): what asks for addresses, and what holds them. Reference §2.4, §2.8-2.13. */
import type { Family, IpAddress } from '../net/ip.ts';
import type { Condition, ObjectMeta } from './object.ts';
import type { Labels } from './selector.ts';

export type ServiceType = 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
export type TrafficPolicy = 'Cluster' | 'Local';
export type IpFamilyPolicy = 'SingleStack' | 'PreferDualStack' | 'RequireDualStack';
export type Protocol = 'TCP' | 'UDP' | 'SCTP';

export interface ServicePort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** A port of the pods, by number or by name; the same as `port` unless said. */
  readonly targetPort: number | string;
  readonly nodePort: number | undefined;
}

export interface ServiceSpec {
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
