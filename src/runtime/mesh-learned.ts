/**
 * What BGP peers taught us, as routes for pods: best paths with those that are as good but for a tie-break, the cluster
 * they say they come from, and the link where their next hop means something on one link only.
 */
import type { DecisionStep } from '../bgp/decision.ts';
import { Family } from '../bgp/family.ts';
import type { RouteView } from '../bgp/rib-view.ts';
import type { PeerStatus } from '../bgp/speaker-status.ts';
import { originOfCommunities } from '../control/mesh-bgp.ts';
import type { GuardedAddress, LearnedRoute } from '../mesh/routing.ts';
import { sameValue } from '../net/equal.ts';
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import type { ShownSpeaker } from './speaker-views.ts';

/** Paths that lost only here are as good: they share the load (RFC 4271 §9.1.2.2 f, g). */
const tieBreaks: ReadonlySet<DecisionStep | undefined> = new Set(['router ID', 'cluster list length', 'peer address']);
/** More routes are not taken: a fabric that tells a whole Internet has been misconfigured. */
const learnedMax = 200_000;

export class MeshLearned {
  #routes: readonly LearnedRoute[] = [];
  #byPrefix: ReadonlyMap<string, LearnedRoute> = new Map();

  /** Of now. A route that did not change is the same value, and so is the list. */
  read(speakers: readonly ShownSpeaker[], nowMs: number): readonly LearnedRoute[] {
    const found = new Map<string, LearnedRoute>();
    for (const { speaker } of speakers) {
      const peers = new Map(speaker.peers(nowMs).map(peer => [peer.slot, peer]));
      for (const family of Family.all)
        for (const paths of grouped(speaker.rib?.loc(family) ?? [])) {
          const route = learned(paths, peers);
          if (route === undefined) continue;
          const key = Prefix.format(route.prefix);
          if (found.size >= learnedMax || found.has(key)) continue;
          const before = this.#byPrefix.get(key);
          found.set(key, before !== undefined && sameValue(before, route) ? before : route);
        }
    }
    const same =
      found.size === this.#byPrefix.size && [...found].every(([key, route]) => this.#byPrefix.get(key) === route);
    if (!same) {
      this.#byPrefix = found;
      this.#routes = [...found.values()];
    }
    return this.#routes;
  }
}

/** Addresses that sessions run to. */
export function peerAddresses(speakers: readonly ShownSpeaker[], nowMs: number): readonly GuardedAddress[] {
  return speakers.flatMap(({ speaker }) =>
    speaker
      .peers(nowMs)
      .flatMap(({ key, config: { remote } }): GuardedAddress[] =>
        remote.kind === 'address' && !IpAddress.isLinkLocal(remote.address)
          ? [{ address: remote.address, what: `BGP peer ${key}` }]
          : [],
      ),
  );
}

/** The paths of one prefix after another, as the table gives them. */
function* grouped(routes: Iterable<RouteView>): Iterable<readonly RouteView[]> {
  let group: RouteView[] = [];
  for (const route of routes) {
    const [first] = group;
    if (first !== undefined && !Prefix.equals(first.prefix, route.prefix)) {
      yield group;
      group = [];
    }
    group.push(route);
  }
  if (group.length > 0) yield group;
}

function learned(paths: readonly RouteView[], peers: ReadonlyMap<number, PeerStatus>): LearnedRoute | undefined {
  const best = paths.find(path => path.best);
  // What we say ourselves is not learned, whoever says it as well.
  if (best === undefined || best.peer === undefined) return undefined;
  const chosen = paths.filter(path => path.best || (path.ineligible === undefined && tieBreaks.has(path.step)));
  const nextHops = chosen.flatMap(path => nextHopOf(path, peers) ?? []);
  if (nextHops.length === 0) return undefined;
  const from = chosen.map(path => (path.peer === undefined ? '' : (peers.get(path.peer)?.key ?? String(path.peer))));
  return { prefix: best.prefix, nextHops, from, origin: originOfCommunities(best.attributes.largeCommunities) };
}

function nextHopOf(
  { nextHop, peer }: RouteView,
  peers: ReadonlyMap<number, PeerStatus>,
): LearnedRoute['nextHops'][number] | undefined {
  if (nextHop === undefined || peer === undefined) return undefined;
  const status = peers.get(peer);
  const link = status === undefined ? undefined : linkOf(status);
  // On the session's own link the link-local address is the one that is surely there (RFC 2545 §3).
  if (nextHop.linkLocal !== undefined && link !== undefined) return { address: nextHop.linkLocal, link };
  return { address: nextHop.address, link: IpAddress.isLinkLocal(nextHop.address) ? link : undefined };
}

/** Of a session over link-local addresses. */
function linkOf({ config: { remote }, remote: connected }: PeerStatus): string | undefined {
  if (remote.kind === 'interface') return remote.interface;
  return (remote.kind === 'address' ? remote.zone : undefined) ?? connected?.zone;
}
