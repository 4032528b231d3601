/**
 * The OPEN we send, and what comes of ours and theirs: acceptable or not (RFC 4271 §6.2, RFC 5492 §5, RFC 6286, RFC
 * 7607, RFC 9234 §4.2), and if so what this session may do.
 */
import { Writer } from '../net/bytes.ts';
import { AS_TRANS } from './as-path.ts';
import { type Capability, type CapabilityKind, encodeCapability, type FamilyPair } from './capability.ts';
import type { PeerConfig, Role } from './config.ts';
import { AFI_IPV6, Family } from './family.ts';
import { type ErrorName, Notification } from './notification.ts';
import type { Open } from './open.ts';
import { roleNumbers, roleOf, roleOpposite } from './role.ts';

/** Who speaks: the speaker's numbers as this peer is told them. */
export interface LocalIdentity {
  readonly asn: number;
  readonly routerId: number;
}

/** What both OPENs together allow. */
export interface Negotiated {
  readonly remoteAsn: number;
  readonly remoteRouterId: number;
  readonly internal: boolean;
  /** The smaller of both; 0: neither keepalives nor a hold timer. */
  readonly holdMs: number;
  readonly keepaliveMs: number;
  readonly families: readonly Family[];
  readonly fourOctetAs: boolean;
  readonly routeRefresh: boolean;
  readonly enhancedRefresh: boolean;
  readonly extendedMessages: boolean;
  /** Families whose next hop may be of the other kind (RFC 8950). */
  readonly extendedNextHop: readonly Family[];
  /** Undefined unless both ends offered it. */
  readonly gracefulRestart: NegotiatedRestart | undefined;
  /** What the peer said it is; undefined when it did not, or we have no role. */
  readonly remoteRole: Role | undefined;
}

/** The peer's side of graceful restart (RFC 4724 §3). */
export interface NegotiatedRestart {
  /** The peer has just restarted. */
  readonly restarting: boolean;
  /** Both ends keep routes over notifications (RFC 8538). */
  readonly notification: boolean;
  /** How long we keep the peer's routes while it is away. */
  readonly restartMs: number;
  /** Families it wants kept, and whether it kept forwarding over its last restart. */
  readonly families: readonly { readonly family: Family; readonly forwarding: boolean }[];
}

export interface OpenRefused {
  readonly refused: Notification;
  readonly detail: string;
}

/** Our OPEN to this peer. `restarting`: peers may still hold routes of our predecessor (RFC 4724 §4.1). */
export function openFor(config: PeerConfig, self: LocalIdentity, restarting: boolean): Open {
  const { capabilities: wanted, gracefulRestart } = config;
  const families = config.families.map(each => Family.row(each.family));
  const capabilities: Capability[] = families.map(({ afi, safi }) => ({ kind: 'multiprotocol', afi, safi }));
  if (wanted.routeRefresh) capabilities.push({ kind: 'route refresh' });
  if (wanted.extendedNextHop && families.some(row => row.ip === 'ipv4')) {
    const { afi, safi } = Family.row('ipv4-unicast');
    capabilities.push({ kind: 'extended next hop', entries: [{ afi, safi, nextHopAfi: AFI_IPV6 }] });
  }
  if (wanted.extendedMessages) capabilities.push({ kind: 'extended message' });
  if (config.role !== undefined) capabilities.push({ kind: 'role', role: roleNumbers[config.role.local] });
  if (gracefulRestart !== undefined)
    capabilities.push({
      kind: 'graceful restart',
      restarting,
      notification: gracefulRestart.notification,
      seconds: Math.min(Math.floor(gracefulRestart.restartMs / 1000), 4095),
      // Forwarding does not depend on this process, so it is always preserved.
      families: families.map(({ afi, safi }) => ({ afi, safi, forwarding: true })),
    });
  if (wanted.fourOctetAs) capabilities.push({ kind: 'four-octet AS', asn: self.asn });
  if (wanted.routeRefresh && wanted.enhancedRefresh) capabilities.push({ kind: 'enhanced refresh' });
  if (wanted.fqdn !== undefined) capabilities.push({ kind: 'FQDN', ...wanted.fqdn });
  return {
    asn16: self.asn > 0xffff ? AS_TRANS : self.asn,
    holdSeconds: Math.floor(config.timers.holdMs / 1000),
    routerId: self.routerId,
    capabilities,
  };
}

/**
 * The peer's AS: from the capability when it is there (RFC 6793 §4.1). Undefined when either of them is zero (RFC
 * 7607 §2).
 */
function remoteAsn(open: Open): number | undefined {
  const asn = last(open, 'four-octet AS')?.asn ?? open.asn16;
  return asn === 0 || open.asn16 === 0 ? undefined : asn;
}

/** Judges the peer's OPEN, in the order of RFC 4271 §6.2. */
export function negotiate(
  config: PeerConfig,
  self: LocalIdentity,
  sent: Open,
  received: Open,
): Negotiated | OpenRefused {
  const asn = remoteAsn(received);
  if (asn === undefined || !expected(config, self, asn)) return refuse('bad peer AS', `AS ${asn ?? 0}`);
  const internal = asn === self.asn;
  // RFC 6286 §2.1, §2.2: any number but zero, and within an AS not our own.
  if (received.routerId === 0 || (internal && received.routerId === self.routerId))
    return refuse('bad BGP identifier', received.routerId === 0 ? 'zero' : 'the same as ours');
  if (received.holdSeconds === 1 || received.holdSeconds === 2)
    return refuse('unacceptable hold time', `${received.holdSeconds} s`);
  const families = commonFamilies(config, received);
  if (families.length === 0) return refuse('unsupported capability', 'no family in common', requiredFamilies(sent));
  const role = checkRole(config, received);
  if (typeof role === 'object') return role;
  const holdMs = Math.min(sent.holdSeconds, received.holdSeconds) * 1000;
  const both = (kind: CapabilityKind) => last(sent, kind) !== undefined && last(received, kind) !== undefined;
  return {
    remoteAsn: asn,
    remoteRouterId: received.routerId,
    internal,
    holdMs,
    keepaliveMs: holdMs === 0 ? 0 : Math.min(config.timers.keepaliveMs, holdMs / 3),
    families,
    fourOctetAs: both('four-octet AS'),
    routeRefresh: both('route refresh'),
    enhancedRefresh: both('enhanced refresh'),
    extendedMessages: both('extended message'),
    extendedNextHop: extendedNextHop(sent, received).filter(family => families.includes(family)),
    gracefulRestart: restartOf(config, received),
    remoteRole: role,
  };
}

export function isRefused(outcome: Negotiated | OpenRefused): outcome is OpenRefused {
  return 'refused' in outcome;
}

function refuse(name: ErrorName, detail: string, data?: Uint8Array): OpenRefused {
  return { refused: Notification.of(name, data), detail };
}

function expected(config: PeerConfig, self: LocalIdentity, asn: number): boolean {
  if (config.asn === 'any') return true;
  if (config.asn === 'internal') return asn === self.asn;
  return config.asn === 'external' ? asn !== self.asn : asn === config.asn;
}

/** In our order. A peer that names no family at all speaks IPv4 unicast (RFC 4760 §8 made that optional only later). */
function commonFamilies(config: PeerConfig, received: Open): Family[] {
  const named = all(received, 'multiprotocol').map(({ afi, safi }) => Family.of(afi, safi));
  const theirs = all(received, 'multiprotocol').length === 0 ? ['ipv4-unicast' as const] : named;
  return config.families.map(each => each.family).filter(family => theirs.includes(family));
}

/** RFC 5492 §5: the capabilities whose absence is the reason. */
function requiredFamilies(sent: Open): Uint8Array {
  const writer = new Writer();
  for (const capability of all(sent, 'multiprotocol')) encodeCapability(writer, capability);
  return writer.finish();
}

/** RFC 9234 §4.2. Roles are for external sessions; several different ones are no role at all. */
function checkRole(config: PeerConfig, received: Open): Role | undefined | OpenRefused {
  if (config.role === undefined) return undefined;
  const numbers = new Set(all(received, 'role').map(each => each.role));
  const [number] = numbers;
  if (number === undefined) return config.role.strict ? refuse('role mismatch', 'the peer has no role') : undefined;
  const role = roleOf(number);
  if (numbers.size > 1 || role !== roleOpposite[config.role.local])
    return refuse('role mismatch', `${config.role.local} here, ${role ?? `role ${number}`} there`);
  return role;
}

function extendedNextHop(sent: Open, received: Open): Family[] {
  const families = (open: Open) =>
    all(open, 'extended next hop')
      .flatMap(each => each.entries)
      .filter(entry => entry.nextHopAfi === AFI_IPV6)
      .map(entry => Family.of(entry.afi, entry.safi));
  const theirs = families(received);
  return families(sent).filter((family): family is Family => family !== undefined && theirs.includes(family));
}

function restartOf(config: PeerConfig, received: Open): NegotiatedRestart | undefined {
  const theirs = last(received, 'graceful restart');
  if (config.gracefulRestart === undefined || theirs === undefined) return undefined;
  const configured = config.families.map(each => each.family);
  const known = ({ afi, safi, forwarding }: FamilyPair & { readonly forwarding: boolean }) => {
    const family = Family.of(afi, safi);
    return family !== undefined && configured.includes(family) ? [{ family, forwarding }] : [];
  };
  return {
    restarting: theirs.restarting,
    notification: theirs.notification && config.gracefulRestart.notification,
    restartMs: theirs.seconds * 1000,
    families: theirs.families.flatMap(known),
  };
}

function all<K extends CapabilityKind>(open: Open, kind: K): Extract<Capability, { kind: K }>[] {
  return open.capabilities.filter((each): each is Extract<Capability, { kind: K }> => each.kind === kind);
}

/** Of several, the last one counts (RFC 4724 §3 says so for its own; RFC 5492 §4 leaves it open). */
function last<K extends CapabilityKind>(open: Open, kind: K): Extract<Capability, { kind: K }> | undefined {
  return open.capabilities.findLast((each): each is Extract<Capability, { kind: K }> => each.kind === kind);
}
