/**
 * The first BGP API: which CiliumBGPPeeringPolicy has a node, and what its virtual routers do there. Reference §1.1,
 * §2.1, §2.3-2.5, §1.1.6.
 */
import type { AdvertisedPathAttributes, CiliumBGPPeeringPolicy, VirtualRouter } from '../api/bgp-peering-policy.ts';
import type { Snapshot } from '../api/snapshot.ts';
import { sameValue } from '../net/equal.ts';
import { familyBits, IpAddress } from '../net/ip.ts';
import { Range } from '../net/range.ts';
import { peersByFamily, podCidrRoutes, podPoolRoutes } from './bgp-fixed.ts';
import { planPeer, unplanned } from './bgp-peer.ts';
import type { AttributeRule, FixedRoute, Grant, InstancePlan, MissingRoute, PeerPlan, RoutePlan } from './bgp-plan.ts';
import { noAttributes } from './bgp-plan.ts';
import { type NodeFacts, routerIdOf } from './node.ts';
import { PrefixSet, type RangeOfPrefixes } from './prefix-set.ts';
import { Refusal } from './reason.ts';
import type { ControlSettings } from './settings.ts';

/** The policies that select a node, oldest first (then by name): the first one has it. */
export function policiesFor(snapshot: Snapshot, node: NodeFacts): readonly CiliumBGPPeeringPolicy[] {
  return snapshot
    .list('CiliumBGPPeeringPolicy')
    .filter(policy => policy.spec.nodeSelector.matches(node.labels))
    .sort((a, b) => a.metadata.creationMs - b.metadata.creationMs || (a.metadata.name < b.metadata.name ? -1 : 1));
}

export function planPolicy(
  policy: CiliumBGPPeeringPolicy,
  snapshot: Snapshot,
  node: NodeFacts,
  settings: ControlSettings,
): readonly InstancePlan[] {
  return policy.spec.virtualRouters.map(router => planRouter(policy.metadata.name, router, snapshot, node, settings));
}

function planRouter(
  policy: string,
  router: VirtualRouter,
  snapshot: Snapshot,
  node: NodeFacts,
  settings: ControlSettings,
): InstancePlan {
  const annotation = node.virtualRouters.findLast(each => each.localASN === router.localASN);
  const routerId = annotation?.routerID ?? node.ipv4;
  const refusals = node.virtualRouterErrors.map(error => Refusal.of('bad-node-annotation', error));
  if (routerId === undefined) refusals.push(Refusal.of('no-router-id', node.name));
  const peers = planNeighbors(router, snapshot, settings);
  return {
    name: String(router.localASN),
    localAsn: router.localASN,
    routerId: routerId && routerIdOf(routerId),
    listenPort: annotation?.localPort,
    refusals,
    peers,
    routes: planRoutes(policy, router, peers, snapshot, node, settings),
  };
}

/** A second neighbor of one address would fight the first over its connections. */
function planNeighbors(router: VirtualRouter, snapshot: Snapshot, settings: ControlSettings): readonly PeerPlan[] {
  const seen = new Set<string>();
  return router.neighbors.map(neighbor => {
    const text = IpAddress.format(neighbor.peerAddress);
    if (seen.has(text)) {
      const base = { key: `${text}#AS${neighbor.peerASN}`, remoteText: text, asn: neighbor.peerASN, families: [] };
      return unplanned(base, 'skip', [Refusal.of('duplicate-peer', text)]);
    }
    seen.add(text);
    const { eBGPMultihopTTL, peerAddress, peerASN, peerPort, ...rest } = neighbor;
    const remote = { kind: 'address', address: peerAddress } as const;
    const { localASN: localAsn } = router;
    const { timers, gracefulRestart, families, authSecretRef } = rest;
    const about = {
      key: text,
      remote,
      remoteText: text,
      localAsn,
      asn: peerASN,
      port: peerPort,
      localAddress: undefined,
    };
    const how = { timers, gracefulRestart, families, authSecretRef, multihopTtl: eBGPMultihopTTL };
    return planPeer({ ...about, ...how }, snapshot, settings);
  });
}

function planRoutes(
  policy: string,
  router: VirtualRouter,
  peers: readonly PeerPlan[],
  snapshot: Snapshot,
  node: NodeFacts,
  settings: ControlSettings,
): RoutePlan {
  const grant: Grant = {
    from: `CiliumBGPPeeringPolicy ${policy}, virtual router ${router.localASN}`,
    attributes: noAttributes,
    peers: peersByFamily(peers),
  };
  const fixed: (FixedRoute | MissingRoute)[] = [];
  if (router.exportPodCIDR) fixed.push(...podCidrRoutes(node, grant, settings));
  if (router.podIPPoolSelector.requirements !== 'nothing')
    fixed.push(...podPoolRoutes(router.podIPPoolSelector, snapshot, node, grant, settings));
  const addresses = router.serviceAdvertisements;
  const aggregation = { ipv4: undefined, ipv6: undefined };
  return {
    rules: [{ grant, selector: router.serviceSelector, addresses, aggregation }],
    fixed: fixed.filter(route => 'prefix' in route),
    missing: fixed.filter(route => 'reason' in route),
    attributeRules: attributeRules(router, peers, snapshot, node),
  };
}

/** Neighbors of a rack say the same attributes over and over: one rule for all of them. */
function attributeRules(
  router: VirtualRouter,
  peers: readonly PeerPlan[],
  snapshot: Snapshot,
  node: NodeFacts,
): readonly AttributeRule[] {
  const rules: { said: AdvertisedPathAttributes; peers: string[] }[] = [];
  for (const [i, neighbor] of router.neighbors.entries()) {
    const peer = peers[i];
    if (peer === undefined || peer.state === 'skip') continue;
    for (const said of neighbor.advertisedPathAttributes) {
      const same = rules.find(rule => sameValue(rule.said, said));
      if (same === undefined) rules.push({ said, peers: [peer.key] });
      else if (!same.peers.includes(peer.key)) same.peers.push(peer.key);
    }
  }
  return rules.map(({ said, peers }) => {
    const { communities, largeCommunities, localPreference } = said;
    const prefixes = PrefixSet.of(prefixesOf(said, snapshot, node));
    return { peers, prefixes, attributes: { communities, largeCommunities, localPreference } };
  });
}

function prefixesOf(
  { selectorType, selector }: AdvertisedPathAttributes,
  snapshot: Snapshot,
  node: NodeFacts,
): readonly RangeOfPrefixes[] {
  switch (selectorType) {
    case 'PodCIDR':
      if (!selector.matches(node.podCidrLabels)) return [];
      return node.podCidrs.map(prefix => ({ range: Range.ofPrefix(prefix), length: prefix.length }));
    case 'CiliumLoadBalancerIPPool':
      // Host routes inside the blocks; a block from start to stop is as good as one written as a CIDR.
      return snapshot
        .list('CiliumLoadBalancerIPPool')
        .filter(pool => !pool.spec.disabled && selector.matches(pool.metadata.labels))
        .flatMap(pool => pool.spec.blocks)
        .map(({ range }) => ({ range, length: familyBits[range.first.family] }));
    case 'CiliumPodIPPool':
      return snapshot
        .list('CiliumPodIPPool')
        .filter(pool => selector.matches(pool.selectorLabels))
        .flatMap(({ spec }) => [spec.ipv4, spec.ipv6].filter(family => family !== undefined))
        .flatMap(({ cidrs, maskSize }) => cidrs.map(cidr => ({ range: Range.ofPrefix(cidr), length: maskSize })));
  }
}
