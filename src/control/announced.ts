/**
 * What a person wants to see of one node: what is announced, to whom and with which attributes, and what is not, with
 * the reason. Rows of plain text, for tables and for JSON; no secret ever gets here.
 */
import type { Snapshot } from '../api/snapshot.ts';
import type { Announcement } from '../bgp/announcement.ts';
import { LargeCommunity, StandardCommunity } from '../bgp/community.ts';
import { Prefix } from '../net/prefix.ts';
import { peerText, type RouteSource } from './bgp-plan.ts';
import type { DesiredInstance, NodeDesired } from './desired.ts';
import type { NodeL2Address } from './l2-node.ts';
import { type NotAnnouncedRow, notAnnouncedRows } from './not-announced.ts';

export interface AnnouncedRow {
  readonly node: string;
  readonly how: 'bgp' | 'l2';
  /** BGP: the instance. */
  readonly instance: string;
  /** A prefix over BGP, an address on the local network. */
  readonly what: string;
  /** `Service default/web LoadBalancerIP`, `PodCIDR`, `CiliumPodIPPool blue`, `Interface lo`. */
  readonly from: readonly string[];
  /** Peers, or interfaces. */
  readonly to: readonly string[];
  /** In words; empty when there is nothing to say. */
  readonly attributes: string;
}

export interface AnnouncedView {
  readonly announced: readonly AnnouncedRow[];
  readonly notAnnounced: readonly NotAnnouncedRow[];
}

export function announcedView(snapshot: Snapshot, desired: NodeDesired): AnnouncedView {
  const announced = [...desired.bgp.instances.flatMap(each => bgpRows(desired, each)), ...l2Rows(desired)];
  const notAnnounced = notAnnouncedRows(snapshot, desired, reachedAddresses(desired));
  return { announced, notAnnounced };
}

/** `Service namespace/name address` of what is announced one way or another. */
function reachedAddresses({ bgp, l2 }: NodeDesired): ReadonlySet<string> {
  const claims = bgp.instances.flatMap(each => each.routes).flatMap(route => route.claims);
  const overBgp = claims.flatMap(({ source }) =>
    source.kind === 'service' ? [`Service ${source.service} ${source.address}`] : [],
  );
  const overL2 = l2.addresses.flatMap(({ services, text }) => services.map(service => `Service ${service} ${text}`));
  return new Set([...overBgp, ...overL2]);
}

function bgpRows({ node }: NodeDesired, { plan, routes }: DesiredInstance): readonly AnnouncedRow[] {
  const peers = new Map(plan.peers.map(peer => [peer.key, peerText(peer)]));
  return routes.flatMap(({ prefix, claims, announcements }) =>
    announcements.map(said => ({
      node: node.name,
      how: 'bgp' as const,
      instance: plan.name,
      what: Prefix.format(prefix),
      from: [...new Set(claims.map(claim => sourceText(claim.source)))],
      to: (said.peers ?? []).map(key => peers.get(key) ?? key),
      attributes: attributesText(said),
    })),
  );
}

function l2Rows({ node, l2 }: NodeDesired): readonly AnnouncedRow[] {
  return l2.addresses
    .filter(({ refusal }) => refusal === undefined)
    .map(({ text, services, interfaces, links, able }) => ({
      node: node.name,
      how: 'l2' as const,
      instance: '',
      what: text,
      from: services.map(service => `Service ${service}`),
      to: interfacesText(interfaces, links),
      attributes: candidatesText(able.names),
    }));
}

/** A row is for reading: of hundreds of nodes the number says more than the names. */
function candidatesText(names: readonly string[]): string {
  if (names.length < 2) return '';
  return names.length > 5 ? `one of ${names.length} nodes` : `one of ${names.join(', ')}`;
}

function sourceText(source: RouteSource): string {
  switch (source.kind) {
    case 'service':
      return `Service ${source.service}`;
    case 'pod-cidr':
      return 'PodCIDR';
    case 'pod-pool':
      return `CiliumPodIPPool ${source.pool}`;
    case 'interface':
      return `Interface ${source.link}`;
  }
}

export function attributesText(said: Announcement): string {
  const parts: string[] = [];
  const list = (name: string, values: readonly string[]) =>
    values.length > 0 && parts.push(`${name} ${values.join(' ')}`);
  list('communities', (said.communities ?? []).map(StandardCommunity.format));
  list('large communities', (said.largeCommunities ?? []).map(LargeCommunity.format));
  if (said.localPref !== undefined) parts.push(`local preference ${said.localPref}`);
  return parts.join(', ');
}

function interfacesText(
  { expressions }: NodeL2Address['interfaces'],
  links: NodeL2Address['links'],
): readonly string[] {
  return links ?? expressions?.map(expression => `interfaces matching ${expression}`) ?? ['every interface'];
}
