/** What the ownership of addresses is told and what it wants done: events and effects. ownership.ts has the rules. */
import type { IpAddress } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import type { Deadlines, OwnedRow, Wire } from './address-table.ts';
import type { LeaseContent, SeenLease } from './lease-record.ts';
import type { Heard } from './responder.ts';

export interface OwnershipTimes {
  /** How long a session lasts without a renewal. */
  readonly sessionMs: number;
  /** From one renewal to the next. */
  readonly renewMs: number;
  /** Until a renewal that failed is tried again; a write without a result for `renewMs` has failed too. */
  readonly retryMs: number;
}

export interface OwnershipConfig {
  readonly node: string;
  /** Names this process: no other one, on any node, ever had the same. */
  readonly instance: string;
  readonly times: OwnershipTimes;
  /** When the store is out of reach: hold the addresses by short deadlines, or fall silent. */
  readonly storeLoss: 'hold' | 'silent';
  /** How long the others wait after an announced restart. */
  readonly restartGraceMs: number;
  /** Announcements after the first seconds; 0: none. */
  readonly garpIntervalMs: number;
}

/** Who ought to be on a link. */
export interface Neighbour {
  /** The node it is an address of; empty: a router. */
  readonly node: string;
  readonly address: IpAddress;
}

/** A link of this node that frames can go out on now. */
export interface OwnershipLink {
  readonly index: number;
  readonly mac: Mac;
  readonly neighbours?: readonly Neighbour[];
}

/** Services that share addresses, and what they share: one owner, one Lease. An address is in one group. */
export interface L2Group {
  /** Name of the Lease, by the oldest of the Services, so that one that joins renames nothing. */
  readonly lease: string;
  readonly addresses: readonly {
    readonly address: IpAddress;
    /** Indices of the links of this node to answer on, all of them up; none: not from here. */
    readonly links: readonly number[];
  }[];
  /** Every node that may answer. Those without a session take no part. */
  readonly candidates: readonly string[];
  /** Whether this node may, as things are: it is a candidate, has a link, and its responder works. */
  readonly eligible: boolean;
}

export type OwnershipEvent =
  /** Every Lease of both kinds, as the store's view shows them: all writes up to some moment, none after it. */
  | { readonly kind: 'leases'; readonly leases: readonly SeenLease[] }
  /** What the control plane wants announced; the whole set. */
  | { readonly kind: 'groups'; readonly groups: readonly L2Group[] }
  | { readonly kind: 'links'; readonly links: readonly OwnershipLink[] }
  /** Annotations that the session carries for others to read; the whole set. */
  | { readonly kind: 'told'; readonly annotations: Readonly<Record<string, string>> }
  | { readonly kind: 'times'; readonly times: OwnershipTimes }
  /** The store took a write. */
  | { readonly kind: 'written'; readonly request: number; readonly resourceVersion: string }
  /** Somebody else wrote first. */
  | { readonly kind: 'conflict'; readonly request: number }
  /** The store is out of reach, or refuses; the write may have been done all the same. */
  | { readonly kind: 'failed'; readonly request: number }
  /** What the store itself has, which the view may not show yet; asked for by `read`. */
  | { readonly kind: 'found'; readonly lease: SeenLease }
  | { readonly kind: 'heard'; readonly heard: Heard }
  /** Leave for good: fall silent, let go of everything. Answered with `left`. */
  | { readonly kind: 'leave' }
  /** Leave for `restartGraceMs`, with all that is pinned in place. Answered with `left`. */
  | { readonly kind: 'restart' }
  /** What the links have carried; instead of a tick while addresses are held. Others are not judged. */
  | { readonly kind: 'wires'; readonly wires: readonly Wire[] }
  | { readonly kind: 'tick' };

/** To be carried out in this order: what falls silent does so before the store is told. */
export type OwnershipEffect =
  /** What a former process left in the kernel must not be answered beyond this; never raises a deadline. */
  | { readonly kind: 'cap'; readonly sessionMs: number }
  /** The whole set of rows. Before the first of these, rows that a former process left stay as they are. */
  | { readonly kind: 'own'; readonly rows: readonly OwnedRow[] }
  | { readonly kind: 'deadlines'; readonly deadlines: Deadlines }
  | { readonly kind: 'send'; readonly link: number; readonly frame: Uint8Array }
  /** Compare-and-swap: undefined means that there must be none. */
  | {
      readonly kind: 'put';
      readonly request: number;
      readonly lease: LeaseContent;
      readonly resourceVersion: string | undefined;
    }
  | { readonly kind: 'remove'; readonly request: number; readonly name: string; readonly resourceVersion: string }
  /** Answered with `found`, or not at all. */
  | { readonly kind: 'read'; readonly name: string }
  | { readonly kind: 'note'; readonly note: OwnershipNote }
  /** Nothing more will come; the process may end. `clean`: the store knows. */
  | { readonly kind: 'left'; readonly clean: boolean };

/** What a person would want to know. */
export type OwnershipNote =
  | { readonly what: 'session-begun' | 'session-lost' | 'store-lost' | 'store-back' }
  | { readonly what: 'session-ended'; readonly node: string }
  /** Nothing came over the link any more while addresses were held, and they are not answered there; or it is back. */
  | { readonly what: 'link-silent' | 'link-back'; readonly link: number }
  /** So many held addresses fell silent because their deadline was put off too late, by so much. */
  | { readonly what: 'stood-still'; readonly addresses: number; readonly lateMs: number }
  | { readonly what: 'taken' | 'released' | 'lost'; readonly lease: string; readonly reason: OwnershipReason }
  | { readonly what: 'conflict'; readonly heard: Heard };

/** Why a group is ours, or is not. */
export type OwnershipReason =
  | 'owner'
  /** Ours, but another Lease still gives one of its addresses to somebody else. */
  | 'address-held'
  | 'not-eligible'
  | 'no-session'
  | 'held-by-other'
  | 'held-by-foreign'
  | 'waiting-for-view'
  | 'taking'
  | 'not-our-turn'
  | 'yielded'
  | 'unwanted'
  | 'preferred'
  | 'was-free'
  | 'holder-gone'
  | 'adopted';

/** What stands about one group on this node. */
export interface OwnershipStatus {
  readonly lease: string;
  readonly reason: OwnershipReason;
  /** Empty: nobody. */
  readonly holder: string;
  /** When this process began to answer, CLOCK_BOOTTIME; undefined: it does not. */
  readonly sinceMs: number | undefined;
}
