/**
 * Where the mesh and BGP meet: which routes are taken from peers, which of other clusters' PodCIDRs a gateway says to
 * its routers, and the large community (RFC 8092) that says which cluster they come from, so that none comes back.
 */
import type { Announcement } from '../bgp/announcement.ts';
import type { LargeCommunity } from '../bgp/community.ts';
import { Policy, type PrefixRange } from '../bgp/policy.ts';
import type { PodRoute } from '../mesh/routing.ts';
import { familyBits } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import type { DesiredInstance } from './desired.ts';

/** What is taken from peers for pods. */
export interface PodImport {
  /** None: nothing is taken. */
  readonly ranges: readonly Prefix[];
  readonly defaultRoute: boolean;
}

/** In the second field: "mesh" in ASCII. The first is the announcing AS, the third the origin cluster's ID. */
const originMark = 0x6d657368;

/** For a peer's import: only prefixes inside the pod ranges, and default routes where asked for. */
export function podImportPolicy({ ranges, defaultRoute }: PodImport): Policy {
  if (ranges.length === 0 && !defaultRoute) return Policy.none;
  const inside = ranges.map(
    (prefix): PrefixRange => ({ prefix, ge: prefix.length, le: familyBits[prefix.address.family] }),
  );
  const defaults: readonly PrefixRange[] = (['ipv4', 'ipv6'] as const).map(family => ({
    prefix: { address: { family, value: 0n }, length: 0 },
  }));
  return {
    statements: [
      // A range of everything does not mean the default route: that is asked for by itself.
      ...(defaultRoute ? [] : [{ name: 'no default route', match: { prefixes: defaults }, action: 'reject' as const }]),
      { name: 'pods', match: { prefixes: [...inside, ...(defaultRoute ? defaults : [])] }, action: 'accept' },
    ],
    otherwise: 'reject',
  };
}

/** The ID of the cluster that a route says it comes from. */
export function originOfCommunities(communities: readonly LargeCommunity[] | undefined): number | undefined {
  return communities?.find(each => each.local1 === originMark)?.local2;
}

/**
 * Other clusters' PodCIDRs for all peers. What we only know the way to from BGP is not said: whoever told us would send
 * to us what we send to it.
 */
function remoteAnnouncements(
  routes: readonly PodRoute[],
  idOf: (cluster: string) => number | undefined,
  asn: number,
): readonly Announcement[] {
  return routes.flatMap(({ prefix, vias, origins }): Announcement[] => {
    const [origin] = origins;
    const id = origin?.kind === 'node' ? idOf(origin.cluster) : undefined;
    if (id === undefined || vias.some(via => via.way === 'bgp')) return [];
    return [{ prefix, largeCommunities: [{ global: asn, local1: originMark, local2: id }] }];
  });
}

/**
 * What instances announce, and for each the other clusters' PodCIDRs besides; the same values while nothing changed.
 */
export class MeshAnnouncements {
  readonly #made = new Map<string, { readonly inputs: readonly unknown[]; readonly instance: DesiredInstance }>();

  with(
    instances: readonly DesiredInstance[],
    routes: readonly PodRoute[],
    idOf: (cluster: string) => number | undefined,
  ): readonly DesiredInstance[] {
    return instances.map(instance => {
      const { name, localAsn } = instance.plan;
      if (localAsn === undefined) return instance;
      const inputs = [instance.plan, instance.routes, instance.announcements, routes];
      const before = this.#made.get(name);
      if (before?.inputs.every((each, i) => each === inputs[i])) return before.instance;
      const remote = remoteAnnouncements(routes, idOf, localAsn);
      // One that says the same is the same value: the speaker is told of changes alone.
      const had = new Map(before?.instance.announcements.map(each => [JSON.stringify(textual(each)), each]));
      const kept = remote.map(each => had.get(JSON.stringify(textual(each))) ?? each);
      const made = { ...instance, announcements: [...instance.announcements, ...kept] };
      this.#made.set(name, { inputs, instance: made });
      return made;
    });
  }
}

function textual({ prefix, largeCommunities }: Announcement): unknown {
  return [Prefix.format(prefix), largeCommunities];
}
