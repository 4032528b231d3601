/** EndpointSlice (discovery.k8s.io/v1): where a Service's backends are. Reference §2.4. */
import type { IpAddress } from '../net/ip.ts';
import type { ObjectMeta } from './object.ts';
import type { Protocol } from './service.ts';

export interface Endpoint {
  /** Unreadable addresses are left out; FQDN slices have none. */
  readonly addresses: readonly IpAddress[];
  /** Undefined when the endpoint is on no node: outside the cluster, or a stand-in. */
  readonly nodeName: string | undefined;
  /** Absent in the object counts as true. */
  readonly ready: boolean;
  /** Absent in the object counts as `ready`. */
  readonly serving: boolean;
  readonly terminating: boolean;
}

export interface EndpointSlice {
  readonly kind: 'EndpointSlice';
  readonly metadata: ObjectMeta;
  /** Label kubernetes.io/service-name: the Service, in the same namespace. */
  readonly serviceName: string | undefined;
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN';
  readonly endpoints: readonly Endpoint[];
  readonly ports: readonly { readonly name: string; readonly protocol: Protocol; readonly port: number | undefined }[];
}
