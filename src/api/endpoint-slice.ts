/** EndpointSlice (discovery.k8s.io/v1): where a Service's backends are. Reference §2.4. */
import type { z } from 'zod';
import { IpAddress } from '../net/ip.ts';
import { flag, list, object, oneOf, text, whole } from './fields.ts';
import { defineKind } from './kind.ts';
import type { ObjectMeta } from './object.ts';
import { type Protocol, protocol } from './service.ts';

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

const endpoint = object('A backend, or several that are alike.', {
  addresses: list('Its addresses.', text('An address.')).default([]),
  nodeName: text('The node it is on.').optional(),
  conditions: object('Its state.', {
    ready: flag('Takes new connections.').optional(),
    serving: flag('Takes connections, ending or not.').optional(),
    terminating: flag('Is ending.').optional(),
  }).prefault({}),
});

const slicePort = object('A port of the backends.', {
  name: text('The port of the Service.').default(''),
  protocol: protocol.default('TCP'),
  port: whole('The port number; absent means all ports.', 0, 65535).optional(),
});

const body = object('An EndpointSlice.', {
  addressType: oneOf('What its addresses are.', ['IPv4', 'IPv6', 'FQDN']),
  endpoints: list('The backends.', endpoint).default([]),
  ports: list('Their ports.', slicePort).default([]),
});

export const endpointSliceKind = defineKind({
  kind: 'EndpointSlice',
  group: 'discovery.k8s.io',
  versions: ['v1'],
  plural: 'endpointslices',
  scope: 'Namespaced',
  body,
  status: object('EndpointSlices have none.', {}),
  read: ({ body, metadata }): EndpointSlice => ({
    kind: 'EndpointSlice',
    metadata,
    serviceName: metadata.labels['kubernetes.io/service-name'] || undefined,
    addressType: body.addressType,
    endpoints: body.endpoints.map(readEndpoint),
    ports: body.ports.map(each => ({ name: each.name, protocol: each.protocol, port: each.port })),
  }),
});

function readEndpoint({ addresses, nodeName, conditions }: z.output<typeof endpoint>): Endpoint {
  const ready = conditions.ready ?? true;
  return {
    addresses: addresses.flatMap(each => IpAddress.parse(each) ?? []),
    nodeName: nodeName || undefined,
    ready,
    serving: conditions.serving ?? ready,
    terminating: conditions.terminating ?? false,
  };
}
