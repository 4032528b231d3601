/** Every kind Herald reads. */
import type { CiliumBGPAdvertisement } from './bgp-advertisement.ts';
import type { CiliumBGPClusterConfig } from './bgp-cluster-config.ts';
import type { CiliumBGPNodeConfig } from './bgp-node-config.ts';
import type { CiliumBGPNodeConfigOverride } from './bgp-node-config-override.ts';
import type { CiliumBGPPeerConfig } from './bgp-peer-config.ts';
import type { CiliumBGPPeeringPolicy } from './bgp-peering-policy.ts';
import type { CiliumNode } from './cilium-node.ts';
import type { EndpointSlice } from './endpoint-slice.ts';
import type { CiliumL2AnnouncementPolicy } from './l2-announcement-policy.ts';
import type { Lease } from './lease.ts';
import type { CiliumLoadBalancerIPPool } from './load-balancer-ip-pool.ts';
import type { Namespace } from './namespace.ts';
import type { Node } from './node.ts';
import type { CiliumPodIPPool } from './pod-ip-pool.ts';
import type { Secret } from './secret.ts';
import type { Service } from './service.ts';

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
