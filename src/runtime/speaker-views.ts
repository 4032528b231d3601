/**
 * A speaker as JSON for people and programs: addresses as text, names instead of numbers. Made on demand, never on the
 * hot path.
 */
import { AsPath } from '../bgp/as-path.ts';
import type { PathAttributes } from '../bgp/attribute.ts';
import type { Capability } from '../bgp/capability.ts';
import { ExtendedCommunity, LargeCommunity, StandardCommunity } from '../bgp/community.ts';
import { Family, familyRows } from '../bgp/family.ts';
import { NextHop } from '../bgp/next-hop.ts';
import { Policy } from '../bgp/policy.ts';
import type { AdvertisedView, PeerCounts, RibCounts, RouteView } from '../bgp/rib-view.ts';
import type { Speaker } from '../bgp/speaker.ts';
import type { MessageCounts, PeerStatus } from '../bgp/speaker-status.ts';
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import { formatEndpoint } from './speaker-log.ts';

type PerFamily<T> = Partial<Record<Family, T>>;

/** A speaker that people may look at. One that runs by itself has no node and no instance. */
export interface ShownSpeaker {
  readonly node: string;
  readonly instance: string;
  readonly asn: number | undefined;
  readonly speaker: Speaker;
  readonly policies: Readonly<Record<string, Policy>>;
  /** Of what is originated, by prefix: wall time at which the speaker got it. */
  readonly originatedMs: () => ReadonlyMap<string, number>;
}

export interface PeerJson {
  readonly node: string;
  readonly instance: string;
  readonly localAsn: number | undefined;
  readonly peer: string;
  readonly description?: string | undefined;
  readonly state: string;
  /** As configured: a number, `internal`, `external` or `any`. */
  readonly configuredAsn: number | string;
  readonly asn: number | undefined;
  readonly routerId: string | undefined;
  readonly local: string | undefined;
  readonly remote: string | undefined;
  readonly upSeconds: number | undefined;
  readonly retrySeconds: number | undefined;
  readonly families: PerFamily<PeerCounts>;
  readonly stale: readonly Family[];
  readonly endOfRibReceived: readonly Family[];
  readonly timers: { readonly holdSeconds: number; readonly keepaliveSeconds: number } | undefined;
  readonly negotiated: readonly string[];
  readonly capabilitiesSent: readonly string[];
  readonly capabilitiesReceived: readonly string[];
  readonly messages: { readonly received: MessageCounts; readonly sent: MessageCounts };
  readonly established: number;
  readonly dropped: number;
  readonly lastError: string | undefined;
}

export interface SummaryJson {
  readonly families: Record<Family, RibCounts>;
  readonly peers: readonly PeerJson[];
}

export interface RouteJson {
  readonly node?: string | undefined;
  readonly instance?: string | undefined;
  readonly localAsn?: number | undefined;
  readonly prefix: string;
  /** Of a route of our own: since the speaker got it, and since this peer could be told. */
  readonly ageSeconds?: number | undefined;
  /** Absent for a route of our own, and for what a peer is told. */
  readonly peer?: string | undefined;
  readonly nextHop: string | undefined;
  readonly asPath: string;
  readonly origin: string | undefined;
  readonly localPref?: number | undefined;
  readonly med?: number | undefined;
  readonly communities?: readonly string[] | undefined;
  readonly extendedCommunities?: readonly string[] | undefined;
  readonly largeCommunities?: readonly string[] | undefined;
  readonly best?: boolean | undefined;
  /** What decided: for the best path, what put it first; for another, where it lost. */
  readonly step?: string | undefined;
  readonly ineligible?: string | undefined;
  readonly stale?: boolean | undefined;
  readonly pending?: boolean | undefined;
  readonly unknownAttributes?: readonly number[] | undefined;
}

const noCounts: RibCounts = { locRib: 0, paths: 0, attributeSets: 0 };

export function summaryJson(shown: readonly ShownSpeaker[], nowMs: number): SummaryJson {
  const counts = familyRows.map(({ family }) => {
    const all = shown.map(({ speaker }) => speaker.rib?.counts(family) ?? noCounts);
    const sum = (field: keyof RibCounts) => all.reduce((total, each) => total + each[field], 0);
    return [family, { locRib: sum('locRib'), paths: sum('paths'), attributeSets: sum('attributeSets') }] as const;
  });
  return {
    families: Object.fromEntries(counts) as Record<Family, RibCounts>,
    peers: shown.flatMap(each => each.speaker.peers(nowMs).map(peer => peerJson(each, peer))),
  };
}

function peerJson({ node, instance, asn, speaker }: ShownSpeaker, peer: PeerStatus): PeerJson {
  const { config, negotiated } = peer;
  const seconds = (ms: number | undefined) => (ms === undefined ? undefined : Math.round(ms / 1000));
  const families: PerFamily<PeerCounts> = {};
  for (const { family } of config.families) {
    const counts = speaker.rib?.peerCounts(peer.slot, family);
    if (counts !== undefined) families[family] = { ...counts };
  }
  return {
    node,
    instance,
    localAsn: asn,
    peer: peer.key,
    description: config.description,
    state: peer.state,
    configuredAsn: config.asn,
    asn: peer.remoteAsn,
    routerId: peer.remoteRouterId === undefined ? undefined : quad(peer.remoteRouterId),
    local: peer.local && formatEndpoint(peer.local),
    remote: peer.remote && formatEndpoint(peer.remote),
    upSeconds: seconds(peer.upMs),
    retrySeconds: seconds(peer.retryMs),
    families,
    stale: peer.stale,
    endOfRibReceived: peer.endOfRibReceived,
    timers: negotiated && { holdSeconds: negotiated.holdMs / 1000, keepaliveSeconds: negotiated.keepaliveMs / 1000 },
    negotiated: negotiated === undefined ? [] : agreed(negotiated),
    capabilitiesSent: peer.capabilitiesSent.map(capabilityText),
    capabilitiesReceived: peer.capabilitiesReceived.map(capabilityText),
    messages: { received: peer.received, sent: peer.sent },
    established: peer.established,
    dropped: peer.dropped,
    lastError: peer.lastError,
  };
}

function agreed(negotiated: NonNullable<PeerStatus['negotiated']>): string[] {
  return [
    ...negotiated.families,
    ...(negotiated.fourOctetAs ? ['four-octet AS'] : []),
    ...(negotiated.routeRefresh ? ['route refresh'] : []),
    ...(negotiated.enhancedRefresh ? ['enhanced refresh'] : []),
    ...(negotiated.extendedMessages ? ['extended message'] : []),
    ...negotiated.extendedNextHop.map(family => `extended next hop ${family}`),
    ...(negotiated.gracefulRestart === undefined ? [] : ['graceful restart']),
    ...(negotiated.remoteRole === undefined ? [] : [`role ${negotiated.remoteRole}`]),
  ];
}

function capabilityText(capability: Capability): string {
  switch (capability.kind) {
    case 'multiprotocol':
      return `multiprotocol ${Family.of(capability.afi, capability.safi) ?? `${capability.afi}/${capability.safi}`}`;
    case 'four-octet AS':
      return `four-octet AS ${capability.asn}`;
    case 'role':
      return `role ${capability.role}`;
    case 'graceful restart':
      return `graceful restart ${capability.seconds} s${capability.restarting ? ', restarted' : ''}`;
    case 'FQDN':
      return `FQDN ${capability.host.replace(/\p{Cc}+/gu, ' ')}`;
    case 'unknown':
      return `code ${capability.code}`;
    default:
      return capability.kind;
  }
}

/** `keyOf`: the key of a peer slot. */
export function routeJson(route: RouteView, keyOf: (slot: number) => string | undefined): RouteJson {
  return {
    prefix: Prefix.format(route.prefix),
    peer: route.peer === undefined ? undefined : keyOf(route.peer),
    nextHop: route.nextHop === undefined ? 'self' : nextHopText(route.nextHop),
    ...attributesJson(route.attributes),
    best: route.best || undefined,
    step: route.step,
    ineligible: route.ineligible,
    stale: route.stale || undefined,
  };
}

export function advertisedJson(route: AdvertisedView): RouteJson {
  return {
    prefix: Prefix.format(route.prefix),
    nextHop: route.nextHop && nextHopText(route.nextHop),
    ...attributesJson(route.attributes),
    pending: route.pending || undefined,
  };
}

function attributesJson(from: PathAttributes) {
  return {
    asPath: AsPath.format(from.asPath ?? []),
    origin: from.origin,
    localPref: from.localPref,
    med: from.med,
    communities: from.communities?.map(StandardCommunity.format),
    extendedCommunities: from.extendedCommunities?.map(ExtendedCommunity.format),
    largeCommunities: from.largeCommunities?.map(LargeCommunity.format),
    unknownAttributes: from.unknown?.map(attribute => attribute.code),
  };
}

export interface PoliciesJson {
  readonly named: Readonly<Record<string, unknown>>;
  readonly peers: readonly {
    readonly instance: string;
    readonly peer: string;
    readonly import: unknown;
    readonly export: unknown;
  }[];
}

export function policiesJson(shown: readonly ShownSpeaker[], nowMs: number): PoliciesJson {
  const named = Object.assign({}, ...shown.map(each => each.policies)) as Readonly<Record<string, Policy>>;
  const nameOf = (policy: Policy) =>
    Object.entries({ all: Policy.all, none: Policy.none, originated: Policy.originated, ...named }).find(
      ([, each]) => each === policy,
    )?.[0];
  const peers = shown.flatMap(({ instance, speaker }) =>
    speaker.peers(nowMs).map(({ key, config }) => ({
      instance,
      peer: key,
      import: nameOf(config.import) ?? policyJson(config.import),
      export: nameOf(config.export) ?? policyJson(config.export),
    })),
  );
  return {
    named: Object.fromEntries(Object.entries(named).map(([name, policy]) => [name, policyJson(policy)])),
    peers,
  };
}

/** Prefixes, addresses and communities as text; everything else as it is. */
function policyJson(policy: Policy): unknown {
  return { statements: policy.statements.map(each => textual(each)), otherwise: policy.otherwise };
}

function textual(value: unknown, key?: string): unknown {
  if (Array.isArray(value)) return value.map(each => textual(each, key));
  if (typeof value === 'bigint') return ExtendedCommunity.format(value);
  if (typeof value === 'number' && key === 'communities') return StandardCommunity.format(value);
  if (typeof value !== 'object' || value === null) return value;
  if ('address' in value && 'length' in value) return Prefix.format(value as Prefix);
  if ('family' in value && 'value' in value) return IpAddress.format(value as IpAddress);
  if ('local1' in value) return LargeCommunity.format(value as LargeCommunity);
  // The lists inside keep the name of what they belong to.
  const down = (name: string) => (key === 'communities' ? key : name);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, textual(each, down(name))]));
}

/** Some routers say their link-local address twice. */
function nextHopText({ address, linkLocal }: NextHop): string {
  const twice = linkLocal !== undefined && IpAddress.equals(address, linkLocal);
  return NextHop.format({ address, linkLocal: twice ? undefined : linkLocal });
}

function quad(value: number): string {
  return IpAddress.format({ family: 'ipv4', value: BigInt(value) });
}
