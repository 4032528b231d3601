/**
 * The routing information bases of one speaker (RFC 4271 §3.2): what peers said (Adj-RIB-In), what was chosen (Loc-RIB), and
 * what each peer is to be told (Adj-RIB-Out, pulled as octets when its socket can take them). A peer is a slot, a small
 * integer that the speaker allocates and may use again once `peerDown` kept nothing.
 */
import type { Announcement } from './announcement.ts';
import type { Family } from './family.ts';
import type { AdvertisedView, PeerCounts, PeerView, RibCounts, RibSelf, RouteView, UpdateOutcome } from './rib-view.ts';

/** Slots run from 0 to here. */
export const SLOT_MAX = 65_533;
/** `pull` needs this much room, or as much as an extended message when they are negotiated (RFC 8654). */
export const PULL_OCTETS_MIN = 4096;

export class Rib {
  constructor(_self: RibSelf) {
    throw new Error('being written');
  }

  /**
   * A session came up: its initial table is now due. Routes kept from before stay stale until repeated or flushed.
   * Throws RangeError for a slot that is up or out of range.
   */
  declare peerUp: (slot: number, view: PeerView) => void;
  /** The session is gone. Families in `keep` keep their routes, marked stale (RFC 4724 §4.2); all other routes are withdrawn. */
  declare peerDown: (slot: number, keep: readonly Family[]) => void;
  /** Withdraws what is still stale: End-of-RIB came, or time is up. */
  declare flushStale: (slot: number, family: Family) => void;
  /**
   * Takes one UPDATE: octets `at` to `end` of `bytes`, after the 19-octet header. Nothing of `bytes` is kept.
   * Throws BgpError only where RFC 7606 demands that the session ends; then no part of the message has been applied.
   */
  declare receiveUpdate: (slot: number, bytes: Uint8Array, at: number, end: number) => UpdateOutcome;
  /** The peer says BoRR: what it does not repeat before `refreshEnd` is withdrawn then (RFC 7313 §4). */
  declare refreshBegin: (slot: number, family: Family) => void;
  declare refreshEnd: (slot: number, family: Family) => void;
  /** The peer asked (RFC 2918): it is told the whole family again, between BoRR and EoRR where negotiated. */
  declare refresh: (slot: number, family: Family) => void;
  /** Everything this speaker originates; what is in it twice for the same peers, the last one counts. */
  declare originate: (all: readonly Announcement[]) => void;
  /** Policies or another soft part of an established session changed: what differs is re-evaluated, nothing is reset. */
  declare setPeer: (slot: number, view: PeerView) => void;
  /** While true nothing of the family is told to anyone: we restarted and wait for our peers (RFC 4724 §4.1). */
  declare defer: (family: Family, deferred: boolean) => void;
  /** Octets for the peer may be there; after `pull` returned 0 they are not, until something changes. O(1). */
  declare hasOutput: (slot: number) => boolean;
  /**
   * Writes whole messages to `out` from `at` on, as many as fit, and returns how many octets. Needs room for one message of
   * the largest size. The newest state wins: what changed twice since the last call is told once.
   */
  declare pull: (slot: number, out: Uint8Array, at: number) => number;

  /** O(1). */
  declare counts: (family: Family) => RibCounts;
  /** O(1). All zero for a slot that nothing is known about. */
  declare peerCounts: (slot: number, family: Family) => PeerCounts;
  /** Every path of every prefix in the family, best first within a prefix. Valid until the RIB changes. */
  declare loc: (family: Family) => Iterable<RouteView>;
  /** What the peer said, before import policy. */
  declare adjIn: (slot: number, family: Family) => Iterable<RouteView>;
  /** What the peer has been told or is about to be. */
  declare adjOut: (slot: number, family: Family) => Iterable<AdvertisedView>;
}
