/**
 * A node that is to take no more traffic for Services (excluded by its label, cordoned, or about to stop) says so
 * before it withdraws: its routes carry GRACEFUL_SHUTDOWN and the lowest preference (RFC 8326 §4), so that others have
 * taken over when they go.
 */
import type { Announcement } from '../bgp/announcement.ts';
import { wellKnownCommunities } from '../bgp/community.ts';
import { Prefix } from '../net/prefix.ts';
import type { Route } from './bgp-routes.ts';

/** What a node that leaves goes on saying for a while of what it said: the routes of Services, as the last choice. */
export function lastChoice(routes: readonly Route[]): readonly Announcement[] {
  return routes
    .filter(route => route.claims.every(claim => claim.source.kind === 'service'))
    .flatMap(route => route.announcements)
    .map(asLastChoice);
}

export function asLastChoice(announcement: Announcement): Announcement {
  const communities = new Set([...(announcement.communities ?? []), wellKnownCommunities['graceful-shutdown']]);
  return { ...announcement, localPref: 0, communities: [...communities].sort((a, b) => a - b) };
}

/** What is wanted, and of `held` what is not spoken of in it. */
export function withHeld(wanted: readonly Announcement[], held: readonly Announcement[]): readonly Announcement[] {
  if (held.length === 0) return wanted;
  const said = new Set(wanted.map(each => Prefix.format(each.prefix)));
  return [...wanted, ...held.filter(each => !said.has(Prefix.format(each.prefix)))];
}
