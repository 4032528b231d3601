/** Routes that come with a node: PodCIDRs, blocks of pod pools, addresses of interfaces. Reference §2.4. */
import type { LabelSelector } from '../api/selector.ts';
import type { Snapshot } from '../api/snapshot.ts';
import { Prefix } from '../net/prefix.ts';
import type { FixedRoute, Grant, MissingRoute, PeerPlan } from './bgp-plan.ts';
import { isAnnounceable, type NodeFacts } from './node.ts';
import { type ControlSettings, HostFacts } from './settings.ts';

/** Whoever can be told a route of the family: a session that stays as it was is told too. */
export function peersByFamily(peers: readonly PeerPlan[]): Grant['peers'] {
  const speaking = peers.filter(peer => peer.state !== 'skip');
  const of = (family: 'ipv4' | 'ipv6') =>
    speaking
      .filter(peer => peer.families.includes(family))
      .map(peer => peer.key)
      .sort();
  return { ipv4: of('ipv4'), ipv6: of('ipv6') };
}

export function podCidrRoutes(
  node: NodeFacts,
  grant: Grant,
  settings: ControlSettings,
): readonly (FixedRoute | MissingRoute)[] {
  const about = { what: 'PodCIDR', from: grant.from };
  if (settings.ipam === 'multi-pool') return [{ ...about, reason: 'pod-cidr-in-pools', detail: '' }];
  if (node.podCidrs.length === 0) return [{ ...about, reason: 'no-pod-cidr', detail: node.name }];
  return node.podCidrs.map(prefix => ({ prefix, source: { kind: 'pod-cidr' }, grant }));
}

export function podPoolRoutes(
  selector: LabelSelector,
  snapshot: Snapshot,
  node: NodeFacts,
  grant: Grant,
  settings: ControlSettings,
): readonly (FixedRoute | MissingRoute)[] {
  const about = { what: 'CiliumPodIPPool', from: grant.from };
  if (settings.ipam !== 'multi-pool')
    return [{ ...about, reason: 'not-multi-pool', detail: `--ipam ${settings.ipam}` }];
  const pools = snapshot.list('CiliumPodIPPool').filter(pool => selector.matches(pool.selectorLabels));
  const selected = new Set(pools.map(pool => pool.metadata.name));
  const routes = node.poolBlocks
    .filter(({ pool }) => selected.has(pool))
    .flatMap(({ pool, cidrs }) =>
      cidrs.map(prefix => ({ prefix, source: { kind: 'pod-pool', pool } as const, grant })),
    );
  return routes.length > 0 ? routes : [{ ...about, reason: 'no-pool-block', detail: selector.text }];
}

export function interfaceRoutes(
  name: string,
  grant: Grant,
  host: HostFacts | undefined,
): readonly (FixedRoute | MissingRoute)[] {
  const about = { what: 'Interface', from: grant.from, detail: name };
  const link = HostFacts.link(host, name);
  if (link === undefined) return [{ ...about, reason: 'interface-missing' }];
  if (!link.up) return [{ ...about, reason: 'interface-down' }];
  const usable = link.addresses.map(each => each.address).filter(isAnnounceable);
  if (usable.length === 0) return [{ ...about, reason: 'interface-without-address' }];
  return usable.map(address => ({ prefix: Prefix.host(address), source: { kind: 'interface', link: name }, grant }));
}
