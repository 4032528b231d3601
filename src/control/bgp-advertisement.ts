/**
 * Which CiliumBGPAdvertisements the families of which peers select, turned into rules: one grant for each entry, with
 * the peers that may be told. Reference §1.4, §2.4, §2.5.
 */
import type { Advertisement } from '../api/bgp-advertisement.ts';
import type { FamilyWithAdvertisements } from '../api/bgp-attributes.ts';
import type { Labels } from '../api/selector.ts';
import type { Family } from '../net/ip.ts';
import { interfaceRoutes, podCidrRoutes, podPoolRoutes } from './bgp-fixed.ts';
import type { FixedRoute, Grant, MissingRoute, PeerPlan, RoutePlan, ServiceRule } from './bgp-plan.ts';
import type { NodeInputs } from './node.ts';

/** A peer and what its families select. */
export interface Speaking {
  readonly plan: PeerPlan;
  readonly families: readonly FamilyWithAdvertisements[];
}

export function planAdvertisements(peers: readonly Speaking[], inputs: NodeInputs): RoutePlan {
  const rules: ServiceRule[] = [];
  const fixed: (FixedRoute | MissingRoute)[] = [];
  for (const { metadata, spec } of inputs.snapshot.list('CiliumBGPAdvertisement')) {
    const told = peersTold(peers, metadata.labels);
    if (told.ipv4.length === 0 && told.ipv6.length === 0) continue;
    for (const [i, entry] of spec.advertisements.entries()) {
      const from = `CiliumBGPAdvertisement ${metadata.name}, advertisements[${i}]`;
      const grant: Grant = { from, attributes: entry.attributes, peers: told };
      if (entry.advertisementType === 'Service') rules.push(serviceRule(entry, grant));
      else fixed.push(...fixedRoutes(entry, grant, inputs));
    }
  }
  return {
    rules,
    fixed: fixed.filter(route => 'prefix' in route),
    missing: fixed.filter(route => 'reason' in route),
    attributeRules: [],
  };
}

function peersTold(peers: readonly Speaking[], labels: Labels): Grant['peers'] {
  const of = (family: Family) =>
    peers
      .filter(({ plan }) => plan.state !== 'skip' && plan.families.includes(family))
      .filter(({ families }) => families.some(each => selects(each, family, labels)))
      .map(({ plan }) => plan.key)
      .sort();
  return { ipv4: of('ipv4'), ipv6: of('ipv6') };
}

function selects(each: FamilyWithAdvertisements, family: Family, labels: Labels): boolean {
  return each.afi === family && each.safi === 'unicast' && each.advertisements.matches(labels);
}

type ServiceEntry = Extract<Advertisement, { advertisementType: 'Service' }>;

function serviceRule(entry: ServiceEntry, grant: Grant): ServiceRule {
  const { selector, addresses, aggregationLengthIPv4: ipv4, aggregationLengthIPv6: ipv6 } = entry;
  return { grant, selector, addresses, aggregation: { ipv4, ipv6 } };
}

function fixedRoutes(
  entry: Exclude<Advertisement, ServiceEntry>,
  grant: Grant,
  { snapshot, node, settings, host }: NodeInputs,
): readonly (FixedRoute | MissingRoute)[] {
  switch (entry.advertisementType) {
    case 'PodCIDR':
      return podCidrRoutes(node, grant, settings);
    case 'CiliumPodIPPool':
      return podPoolRoutes(entry.selector, snapshot, node, grant, settings);
    case 'Interface':
      return interfaceRoutes(entry.interface, grant, host);
  }
}
