/**
 * The speaker: every peer, the RIB between them, and nothing that touches a socket or a clock. The edge hands in connections,
 * octets and the time; it takes effects out, and pulls octets when a socket can take them.
 */

import type { IpAddress } from '../net/ip.ts';
import type { Announcement } from './announcement.ts';
import type { SpeakerConfig } from './config.ts';
import type { Rib } from './rib.ts';
import type { AttemptId, ConnectionId, ConnectionInfo, Effect } from './speaker-effect.ts';
import type { PeerStatus } from './speaker-status.ts';

export interface SpeakerEnv {
  /** Uniform in [0, 1): jitter (RFC 4271 §10). */
  random(): number;
  /** Whether this process replaces one whose routes peers may still keep: OPENs say so for a restart time (RFC 4724 §4.1). */
  readonly restarting?: boolean;
}

/** All times are milliseconds of one monotonic clock; fractions are fine. */
export declare class Speaker {
  constructor(env: SpeakerEnv);

  /** Everything that is to be; diffs, and resets a session only where the protocol demands it. */
  configure(config: SpeakerConfig, nowMs: number): void;
  /** Everything we originate; diffs. */
  announce(all: readonly Announcement[], nowMs: number): void;

  connected(connection: ConnectionId, info: ConnectionInfo, nowMs: number): void;
  connectFailed(attempt: AttemptId, detail: string, nowMs: number): void;
  /** Octets as they came; the array is not kept. */
  receive(connection: ConnectionId, bytes: Uint8Array, nowMs: number): void;
  /** The other end, or the network, ended it. */
  closed(connection: ConnectionId, detail: string, nowMs: number): void;
  /** Who is at the other end of a link (from router advertisements); undefined: nobody any more. */
  neighbor(link: string, address: IpAddress | undefined, nowMs: number): void;
  tick(nowMs: number): void;
  /** Ends every session: `shutdown` says so with its text (RFC 9003), `restart` leaves without a word so that peers keep our routes (RFC 4724). */
  stop(how: { readonly kind: 'shutdown'; readonly reason: string } | { readonly kind: 'restart' }, nowMs: number): void;
  /** A person wants a session cleared (Cease, administrative reset), or its routes asked for again. */
  reset(peer: string, how: 'hard' | 'soft-in' | 'soft-out', nowMs: number): boolean;

  /** When `tick` is wanted next; undefined: not by itself. */
  nextTickMs(): number | undefined;
  takeEffects(): readonly Effect[];
  /** Whole messages into `out` (at least 65535 octets): control messages first, then UPDATEs. 0 when there is nothing. */
  pull(connection: ConnectionId, out: Uint8Array, nowMs: number): number;
  wantsWrite(connection: ConnectionId): boolean;

  peers(nowMs: number): readonly PeerStatus[];
  /** For its readers. Undefined before the first `configure`. */
  readonly rib: Rib | undefined;
}
