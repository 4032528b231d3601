/** What people and metrics read of a speaker: plain values, made on demand, off the hot path. */
import type { Capability } from './capability.ts';
import type { PeerConfig } from './config.ts';
import type { Family } from './family.ts';
import type { Negotiated } from './session-negotiate.ts';
import type { DownReason, Endpoint } from './speaker-effect.ts';

export type SessionStateName = 'idle' | 'connect' | 'active' | 'openSent' | 'openConfirm' | 'established';

/** Messages by type, one direction. */
export interface MessageCounts {
  readonly open: number;
  readonly update: number;
  readonly notification: number;
  readonly keepalive: number;
  readonly routeRefresh: number;
}

export interface PeerStatus {
  readonly key: string;
  readonly config: PeerConfig;
  /** The RIB's number for this peer while it is configured. */
  readonly slot: number;
  readonly state: SessionStateName;
  /** Local and remote end while a connection stands. */
  readonly local: Endpoint | undefined;
  readonly remote: Endpoint | undefined;
  readonly remoteAsn: number | undefined;
  readonly remoteRouterId: number | undefined;
  /** What both ends agreed on, while Established. */
  readonly negotiated: Negotiated | undefined;
  readonly capabilitiesSent: readonly Capability[];
  readonly capabilitiesReceived: readonly Capability[];
  /** How long the session has been in Established; undefined when it is not. */
  readonly upMs: number | undefined;
  /** Times Established was reached, and left. */
  readonly established: number;
  readonly dropped: number;
  readonly received: MessageCounts;
  readonly sent: MessageCounts;
  /** Why the last session or attempt ended, in words. */
  readonly lastError: string | undefined;
  readonly lastDown: DownReason | undefined;
  /** Until the next attempt, while waiting for one. */
  readonly retryMs: number | undefined;
  /** Families whose routes are kept while the peer restarts (RFC 4724 §4.2). */
  readonly stale: readonly Family[];
  readonly endOfRibReceived: readonly Family[];
}
