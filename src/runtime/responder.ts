/**
 * The port to whatever answers ARP requests and neighbour solicitations on this host's links: whole sets in, what was
 * heard on the wire out. Implemented over packet sockets and, where the kernel lets us, inside the kernel; the one for
 * tests is in memory.
 *
 * Every deadline is CLOCK_BOOTTIME in milliseconds, which goes on while the machine sleeps: what was proved before a
 * suspend does not hold after it.
 */
import type { Deadlines, OwnedRow, Wire } from '../l2/address-table.ts';
import type { Heard } from '../l2/responder.ts';
import type { IpAddress } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';

/** A link to listen on. */
export interface ResponderLink {
  readonly name: string;
  /** As the kernel counts them; another one after the link was re-created. */
  readonly index: number;
  /** What answers carry. */
  readonly mac: Mac;
}

export type Datapath = 'ebpf' | 'socket';

export interface ResponderLinkStatus {
  readonly link: number;
  readonly name: string;
  /** Undefined: nothing answers on this link, as `problem` says. */
  readonly datapath: Datapath | undefined;
  /** Undefined: none. One line for people. */
  readonly problem: string | undefined;
}

export interface ResponderRowStatus {
  readonly link: number;
  readonly address: IpAddress;
  readonly answers: number;
  /** Who asked last; undefined: nobody yet, or nobody who gave an address. */
  readonly lastAsker: IpAddress | undefined;
}

/** Something on this host answers, or refuses, beside the responder. */
export interface Contradiction {
  /** A name that does not change: `arp-ignore`, `icmpv6-unreachable`, `bound-locally`. */
  readonly name: string;
  /** One line: what it is, and what to change. */
  readonly message: string;
}

export interface ResponderStatus {
  readonly links: readonly ResponderLinkStatus[];
  /** Rows that are programmed: what `own` asked for and is missing here is answered by nobody. */
  readonly rows: readonly ResponderRowStatus[];
  /** Frames that were not answered, by the reason's name. */
  readonly drops: Readonly<Record<string, number>>;
  readonly contradictions: readonly Contradiction[];
  /** Where the in-kernel path is pinned, or why it is not used; undefined where nothing needs to be said. */
  readonly note: string | undefined;
}

/** What has to be looked at all the time, and so must cost nothing and wait for nobody, the kernel included. */
export interface ResponderHealth {
  readonly links: readonly ResponderLinkStatus[];
  /** Rows that are programmed. */
  readonly rows: readonly Pick<OwnedRow, 'link' | 'address'>[];
}

export interface Responder {
  /** Links to listen on: the whole set; those that are no longer in it are closed. */
  links(all: readonly ResponderLink[]): void;
  /**
   * Rows to answer for or listen to: the whole set, diffed inside. In force when it returns. What a former process left
   * in the kernel stays as it is until the first call.
   */
  own(rows: readonly OwnedRow[]): void;
  /** In force when it returns: an earlier deadline than before silences at once. */
  deadlines(deadlines: Deadlines): void;
  /** What a former process left in the kernel is not answered beyond this; never raises a deadline. */
  cap(sessionMs: number): void;
  /** Sends one Ethernet frame as it is; a link that is not there swallows it. */
  send(link: number, frame: Uint8Array): void;
  /** What the links have carried from other stations; costs nothing. */
  wires(): readonly Wire[];
  health(): ResponderHealth;
  /** For people: asks the kernel, which may take its time. */
  status(): ResponderStatus;
  /**
   * Leaves no thread. `keep`: what is pinned in the kernel goes on answering until its deadline, for the next process
   * to take over; otherwise it is silent when this resolves.
   */
  close(how: { readonly keep: boolean }): Promise<void>;
}

/** What a responder tells its owner. */
export interface ResponderEvents {
  heard(heard: Heard): void;
  /** Something in `status()` that matters changed: a link could not be opened, or can now; a row was lost. */
  changed(): void;
}
