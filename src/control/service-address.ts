/** The addresses of a Service by kind, and why it has none to announce. The table of reference §2.4, and §2.15.2. */
import type { ServiceAddressType } from '../api/bgp-attributes.ts';
import { ObjectRef } from '../api/object.ts';
import type { Service } from '../api/service.ts';
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import type { Reason } from './reason.ts';

/** Who announces: decides which loadBalancerClass is ours. */
export type Announcer = 'bgp' | 'l2';

const announcerClass = {
  bgp: 'io.cilium/bgp-control-plane',
  l2: 'io.cilium/l2-announcer',
} as const satisfies Readonly<Record<Announcer, string>>;

/** One address in the three forms it is needed in. */
export interface ServiceAddress {
  readonly address: IpAddress;
  readonly host: Prefix;
  readonly text: string;
}

export interface ServiceFacts {
  readonly key: string;
  readonly service: Service;
  readonly addresses: Readonly<Record<ServiceAddressType, readonly ServiceAddress[]>>;
}

/** Derived once for each Service value: an unchanged Service is the same value in the next snapshot. */
const known = new WeakMap<Service, ServiceFacts>();

export function serviceFacts(service: Service): ServiceFacts {
  const before = known.get(service);
  if (before !== undefined) return before;
  const { spec, status, metadata } = service;
  const facts: ServiceFacts = {
    key: ObjectRef.key(metadata),
    service,
    addresses: {
      LoadBalancerIP: spec.type === 'LoadBalancer' ? forms(status.ingress) : [],
      ExternalIP: forms(spec.externalIPs),
      ClusterIP: forms(spec.clusterIPs),
    },
  };
  known.set(service, facts);
  return facts;
}

function forms(addresses: readonly IpAddress[]): readonly ServiceAddress[] {
  const byText = new Map<string, ServiceAddress>();
  for (const each of addresses) {
    const address = IpAddress.unmapped(each);
    const text = IpAddress.format(address);
    byText.set(text, { address, host: Prefix.host(address), text });
  }
  return [...byText.values()];
}

/** Why there is nothing of this kind to announce; undefined when there is. */
export function addressRefusal(facts: ServiceFacts, type: ServiceAddressType, by: Announcer): Reason | undefined {
  const { spec } = facts.service;
  if (type === 'LoadBalancerIP') {
    if (spec.type !== 'LoadBalancer') return 'not-load-balancer';
    if (isForeign(facts, by)) return 'foreign-class';
  }
  if (facts.addresses[type].length > 0) return undefined;
  return type === 'ClusterIP' ? 'headless' : 'no-address';
}

/** Whether the Service asks for somebody else by its class. Only Services of type LoadBalancer have one. */
export function isForeign(facts: ServiceFacts, by: Announcer): boolean {
  const { loadBalancerClass } = facts.service.spec;
  return loadBalancerClass !== undefined && loadBalancerClass !== announcerClass[by];
}

/** Whether traffic to an address of this kind must reach an endpoint on the node that announces it. */
export function isLocalOnly(facts: ServiceFacts, type: ServiceAddressType): boolean {
  const { externalTrafficPolicy, internalTrafficPolicy } = facts.service.spec;
  return (type === 'ClusterIP' ? internalTrafficPolicy : externalTrafficPolicy) === 'Local';
}
