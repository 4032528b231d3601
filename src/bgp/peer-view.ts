/** A session as the RIB has to know it: configuration, what was agreed on, and the two ends. */
import { IpAddress } from '../net/ip.ts';
import type { PeerConfig } from './config.ts';
import type { PeerView } from './rib-view.ts';
import type { LocalIdentity, Negotiated } from './session-negotiate.ts';
import type { ConnectionInfo } from './speaker-effect.ts';

export function peerView(
  config: PeerConfig,
  self: LocalIdentity,
  negotiated: Negotiated,
  info: ConnectionInfo,
): PeerView {
  const local = info.local.address;
  const known = [local, ...(info.localAddresses ?? [])];
  const onLink =
    info.local.zone !== undefined || ttlOf(config, negotiated.internal) === 1 || IpAddress.isLinkLocal(local);
  const global = known.find(each => each.family === 'ipv6' && !IpAddress.isLinkLocal(each));
  const linkLocal = known.find(each => each.family === 'ipv6' && IpAddress.isLinkLocal(each));
  return {
    key: config.key,
    kind: kindOf(config, negotiated.internal),
    asn: negotiated.remoteAsn,
    localAsn: self.asn,
    routerId: negotiated.remoteRouterId,
    remoteAddress: info.remote.address,
    localAddress: local,
    localIpv4: known.find(each => each.family === 'ipv4'),
    localIpv6: global ?? linkLocal,
    localLinkLocal: onLink && global !== undefined ? linkLocal : undefined,
    connected: info.connected,
    families: negotiated.families,
    fourOctetAs: negotiated.fourOctetAs,
    extendedMessages: negotiated.extendedMessages,
    extendedNextHop: negotiated.extendedNextHop,
    enhancedRefresh: negotiated.enhancedRefresh,
    endOfRib: negotiated.families,
    role: config.role?.local,
    nextHop: config.nextHop,
    enforceFirstAs: config.enforceFirstAs,
    allowOwnAs: config.allowOwnAs,
    gracefulShutdown: config.gracefulShutdown,
    import: config.import,
    export: config.export,
  };
}

/** What to send with: GTSM sends 255 (RFC 5082 §3), an external peer is one hop away unless configured otherwise. */
export function ttlOf(config: PeerConfig, internal: boolean): number {
  const { ttlSecurityHops, ttl } = config.transport;
  return ttlSecurityHops !== undefined ? 255 : (ttl ?? (internal ? 255 : 1));
}

function kindOf(config: PeerConfig, internal: boolean): PeerView['kind'] {
  if (internal) return config.routeReflectorClient ? 'reflector-client' : 'internal';
  return config.routeServerClient ? 'server-client' : 'external';
}
