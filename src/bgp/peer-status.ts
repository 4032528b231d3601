/** A peer as people and metrics see it. */

import type { PeerConfig } from './config.ts';
import { describeNotification } from './notification-codec.ts';
import type { Peer } from './peer.ts';
import type { Channel } from './peer-channel.ts';
import type { StateName } from './session.ts';
import type { DownReason } from './speaker-effect.ts';
import type { PeerStatus } from './speaker-status.ts';

/** How far a state is from idle. */
const order: readonly StateName[] = ['idle', 'active', 'connect', 'openSent', 'openConfirm', 'established'];

export function peerStatus(peer: Peer, nowMs: number): PeerStatus {
  const [first, ...others] = peer.channels;
  const channel = others.reduce(
    (best, each) => (order.indexOf(each.session.state) > order.indexOf(best.session.state) ? each : best),
    first as Channel,
  );
  const { session, connection } = channel;
  const negotiated = 'negotiated' in session ? session.negotiated : undefined;
  const waits = 'retryAtMs' in session ? session.retryAtMs : undefined;
  const { counters, routes, config, lastDown } = peer;
  return {
    key: config.key,
    config: withoutPassword(config),
    slot: routes.slot,
    state: session.state,
    local: connection?.info.local,
    remote: connection?.info.remote ?? peer.remote,
    remoteAsn: negotiated?.remoteAsn ?? (typeof config.asn === 'number' ? config.asn : undefined),
    remoteRouterId: negotiated?.remoteRouterId,
    negotiated: session.state === 'established' ? negotiated : undefined,
    capabilitiesSent: connection?.sentOpen?.capabilities ?? [],
    capabilitiesReceived: connection?.receivedOpen?.capabilities ?? [],
    upMs: session.state === 'established' ? nowMs - session.sinceMs : undefined,
    established: counters.established,
    dropped: counters.dropped,
    received: { ...counters.received },
    sent: { ...counters.sent },
    lastError: lastDown && describeDown(lastDown),
    lastDown,
    retryMs: waits === undefined ? undefined : Math.max(0, waits - nowMs),
    stale: routes.stale,
    endOfRibReceived: routes.endOfRib,
  };
}

/** Status goes to logs, screens and metrics; a password does not. */
function withoutPassword(config: PeerConfig): PeerConfig {
  return { ...config, transport: { ...config.transport, password: undefined } };
}

/** Why a session ended, in words. */
export function describeDown(reason: DownReason): string {
  switch (reason.kind) {
    case 'sent': {
      const told = describeNotification(reason.notification);
      return reason.detail === undefined || told.includes(reason.detail)
        ? `sent ${told}`
        : `sent ${told} (${reason.detail})`;
    }
    case 'received':
      return `received ${describeNotification(reason.notification)}`;
    case 'connect failed':
      return `connection failed: ${reason.detail}`;
    case 'closed':
      return `connection closed: ${reason.detail}`;
    case 'refused':
      return `connection refused: ${reason.refusal}`;
  }
}
