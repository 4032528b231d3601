/**
 * One configured peer, of either generation, as the speaker's configuration: families, timers, transport, password.
 * Reference §1.1.3, §1.4, §2.3. A password that is asked for and cannot be had never becomes a session without one.
 */
import type { AddressFamily, BgpTimers, GracefulRestart } from '../api/bgp-attributes.ts';
import type { SecretValue } from '../api/secret.ts';
import type { Snapshot } from '../api/snapshot.ts';
import {
  capabilityDefaults,
  gracefulRestartDefaults,
  type PeerConfig,
  type Remote,
  timerDefaults,
} from '../bgp/config.ts';
import { Family as BgpFamily } from '../bgp/family.ts';
import { Policy } from '../bgp/policy.ts';
import type { Family, IpAddress } from '../net/ip.ts';
import type { PeerPlan } from './bgp-plan.ts';
import { podImportPolicy } from './mesh-bgp.ts';
import { Refusal } from './reason.ts';
import type { ControlSettings } from './settings.ts';

/** What the two generations have in common about a peer. */
export interface PeerInput {
  readonly key: string;
  readonly remote: Remote;
  readonly remoteText: string;
  readonly localAsn: number;
  /** 0: any. */
  readonly asn: number;
  readonly port: number;
  readonly localAddress: IpAddress | undefined;
  readonly timers: BgpTimers;
  readonly gracefulRestart: GracefulRestart;
  /** For external peers; ignored for internal ones. */
  readonly multihopTtl: number;
  readonly families: readonly AddressFamily[];
  readonly authSecretRef: string | undefined;
}

export function planPeer(input: PeerInput, snapshot: Snapshot, settings: ControlSettings): PeerPlan {
  const families = usableFamilies(input.families);
  const base = { key: input.key, remoteText: input.remoteText, asn: input.asn, families };
  if (families.length === 0) return unplanned(base, 'skip', [Refusal.of('no-usable-family')]);
  const ignored = input.families.filter(family => !isUsable(family)).map(({ afi, safi }) => `${afi}/${safi}`);
  const refusals = ignored.length === 0 ? [] : [Refusal.of('family-without-effect', ignored.join(', '))];
  const secret = password(input.authSecretRef, snapshot, settings);
  if (secret.refusal !== undefined) return unplanned(base, 'keep', [...refusals, secret.refusal]);
  return { ...base, state: 'run', config: peerConfig(input, families, settings), password: secret.password, refusals };
}

/** A peer that is not configured now, and why. */
export function unplanned(
  base: Pick<PeerPlan, 'key' | 'remoteText' | 'asn' | 'families'>,
  state: 'keep' | 'skip',
  refusals: readonly Refusal[],
): PeerPlan {
  return { ...base, state, config: undefined, password: undefined, refusals };
}

export function usableFamilies(families: readonly AddressFamily[]): readonly Family[] {
  return (['ipv4', 'ipv6'] as const).filter(ip => families.some(each => isUsable(each) && each.afi === ip));
}

function isUsable({ afi, safi }: AddressFamily): boolean {
  return (afi === 'ipv4' || afi === 'ipv6') && safi === 'unicast';
}

function password(
  ref: string | undefined,
  snapshot: Snapshot,
  settings: ControlSettings,
): { readonly password: SecretValue | undefined; readonly refusal?: Refusal } {
  if (ref === undefined) return { password: undefined };
  const where = `${settings.secretsNamespace}/${ref}`;
  const secret = snapshot.get('Secret', settings.secretsNamespace, ref);
  if (secret === undefined) return { password: undefined, refusal: Refusal.of('no-auth-secret', where) };
  const value = secret.data.get('password');
  if (value === undefined) return { password: undefined, refusal: Refusal.of('no-auth-password', where) };
  if (!isUsablePassword(value.reveal()))
    return { password: undefined, refusal: Refusal.of('bad-auth-password', where) };
  return { password: value };
}

/**
 * What the kernel takes as a key (TCP_MD5SIG_MAXKEYLEN), and what a configuration can hold. An empty one would be none.
 */
function isUsablePassword(octets: Uint8Array): boolean {
  if (octets.length === 0 || octets.length > 80) return false;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(octets);
    return true;
  } catch {
    return false;
  }
}

function peerConfig(input: PeerInput, families: readonly Family[], { podImport }: ControlSettings): PeerConfig {
  const { timers, gracefulRestart, remote } = input;
  const internal = input.asn === input.localAsn;
  const overIpv6 = remote.kind === 'interface' || (remote.kind === 'address' && remote.address.family === 'ipv6');
  return {
    key: input.key,
    remote,
    asn: input.asn === 0 ? 'any' : input.asn,
    transport: {
      port: input.port,
      passive: false,
      localAddress: input.localAddress,
      ttl: !internal && input.multihopTtl > 1 ? input.multihopTtl : undefined,
    },
    timers: {
      ...timerDefaults,
      holdMs: timers.holdTimeSeconds * 1000,
      keepaliveMs: timers.keepAliveTimeSeconds * 1000,
      connectRetryMs: timers.connectRetryTimeSeconds * 1000,
    },
    families: families.map(family => ({ family: BgpFamily.ofIp(family) })),
    // IPv4 prefixes over an IPv6 session: where the node has no IPv4 address on the link, only RFC 8950 can say the
    // next hop.
    capabilities: { ...capabilityDefaults, extendedNextHop: overIpv6 && families.includes('ipv4') },
    gracefulRestart: gracefulRestart.enabled
      ? { ...gracefulRestartDefaults, restartMs: gracefulRestart.restartTimeSeconds * 1000 }
      : undefined,
    routeReflectorClient: false,
    routeServerClient: false,
    nextHop: 'default',
    enforceFirstAs: true,
    allowOwnAs: 0,
    import: podImportPolicy(podImport),
    export: Policy.originated,
    gracefulShutdown: false,
  };
}
