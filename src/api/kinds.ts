/** Every kind Herald reads: the table of their definitions, and of the values they are parsed to. */
import { bgpAdvertisementKind, type CiliumBGPAdvertisement } from './bgp-advertisement.ts';
import { bgpClusterConfigKind, type CiliumBGPClusterConfig } from './bgp-cluster-config.ts';
import { bgpNodeConfigKind, type CiliumBGPNodeConfig } from './bgp-node-config.ts';
import { bgpNodeConfigOverrideKind, type CiliumBGPNodeConfigOverride } from './bgp-node-config-override.ts';
import { bgpPeerConfigKind, type CiliumBGPPeerConfig } from './bgp-peer-config.ts';
import { bgpPeeringPolicyKind, type CiliumBGPPeeringPolicy } from './bgp-peering-policy.ts';
import { type CiliumNode, ciliumNodeKind } from './cilium-node.ts';
import { type EndpointSlice, endpointSliceKind } from './endpoint-slice.ts';
import type { Kind } from './kind.ts';
import { type CiliumL2AnnouncementPolicy, l2AnnouncementPolicyKind } from './l2-announcement-policy.ts';
import { type Lease, leaseKind } from './lease.ts';
import { type CiliumLoadBalancerIPPool, loadBalancerIpPoolKind } from './load-balancer-ip-pool.ts';
import { type Namespace, namespaceKind } from './namespace.ts';
import { type Node, nodeKind } from './node.ts';
import { type CiliumPodIPPool, podIpPoolKind } from './pod-ip-pool.ts';
import { type Secret, secretKind } from './secret.ts';
import { type Service, serviceKind } from './service.ts';

/** A kind's name → the value an object of that kind is parsed to. */
export interface Kinds {
  readonly CiliumBGPAdvertisement: CiliumBGPAdvertisement;
  readonly CiliumBGPClusterConfig: CiliumBGPClusterConfig;
  readonly CiliumBGPNodeConfig: CiliumBGPNodeConfig;
  readonly CiliumBGPNodeConfigOverride: CiliumBGPNodeConfigOverride;
  readonly CiliumBGPPeerConfig: CiliumBGPPeerConfig;
  readonly CiliumBGPPeeringPolicy: CiliumBGPPeeringPolicy;
  readonly CiliumL2AnnouncementPolicy: CiliumL2AnnouncementPolicy;
  readonly CiliumLoadBalancerIPPool: CiliumLoadBalancerIPPool;
  readonly CiliumNode: CiliumNode;
  readonly CiliumPodIPPool: CiliumPodIPPool;
  readonly EndpointSlice: EndpointSlice;
  readonly Lease: Lease;
  readonly Namespace: Namespace;
  readonly Node: Node;
  readonly Secret: Secret;
  readonly Service: Service;
}
export type KindName = keyof Kinds;
export type KnownObject = Kinds[KindName];

export const kinds: { readonly [K in KindName]: Kind<Kinds[K]> } = {
  CiliumBGPAdvertisement: bgpAdvertisementKind,
  CiliumBGPClusterConfig: bgpClusterConfigKind,
  CiliumBGPNodeConfig: bgpNodeConfigKind,
  CiliumBGPNodeConfigOverride: bgpNodeConfigOverrideKind,
  CiliumBGPPeerConfig: bgpPeerConfigKind,
  CiliumBGPPeeringPolicy: bgpPeeringPolicyKind,
  CiliumL2AnnouncementPolicy: l2AnnouncementPolicyKind,
  CiliumLoadBalancerIPPool: loadBalancerIpPoolKind,
  CiliumNode: ciliumNodeKind,
  CiliumPodIPPool: podIpPoolKind,
  EndpointSlice: endpointSliceKind,
  Lease: leaseKind,
  Namespace: namespaceKind,
  Node: nodeKind,
  Secret: secretKind,
  Service: serviceKind,
};

const byGroupAndName = new Map<string, Kind<KnownObject>>(
  Object.values<Kind<KnownObject>>(kinds).map(kind => [`${kind.group}/${kind.kind}`, kind]),
);

/** By API group, empty for the core one, and kind. */
export function kindOf(group: string, kind: string): Kind<KnownObject> | undefined {
  return byGroupAndName.get(`${group}/${kind}`);
}
