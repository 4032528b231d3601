/**
 * The in-kernel responder: an eBPF program at the tcx ingress hook of each link answers the common questions, ARP
 * requests and neighbour solicitations with a source option, for the rows and until the deadlines in its maps.
 * Whatever it does not answer it passes on untouched, to the stack and to the packet sockets.
 *
 * Who sees a frame that it answered: `__netif_receive_skb_core` runs the ETH_P_ALL taps before tcx, and the sockets
 * bound to one protocol after it. So a socket bound to ETH_P_ARP or ETH_P_IPV6 never sees an answered frame, and the
 * worker, which has only such sockets, answers whatever reaches it and needs no word about what the kernel answers.
 */
import type { IpAddress } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';

export interface TcxLink {
  readonly name: string;
  readonly index: number;
  readonly mac: Mac;
}

export interface TcxRow {
  /** Index of the link. */
  readonly link: number;
  readonly address: IpAddress;
  readonly mode: 'session' | 'hold';
}

export interface TcxCounter {
  readonly link: number;
  readonly address: IpAddress;
  /** Answers since the row was programmed first, by this process or one before it. */
  readonly answers: bigint;
  /** CLOCK_BOOTTIME of the last one, and who asked. */
  readonly last: { readonly atMs: number; readonly address: IpAddress; readonly mac: Mac } | undefined;
}

export interface TcxPlaces {
  /** Where the host's bpffs is, if it is: `/sys/fs/bpf`. */
  readonly host?: string;
  /** A directory where Herald may mount a bpffs when the host has none. */
  readonly own?: string;
  /** What Herald's directory in the bpffs is called. One for each network namespace: links are numbered in theirs. */
  readonly name: string;
}

/** `bpf-denied`: no CAP_BPF or CAP_NET_ADMIN; `bpf-absent`, `tcx-absent`: kernel before 6.6 or built without. */
export type TcxMissing = 'bpf-denied' | 'bpf-absent' | 'tcx-absent' | 'machine-unknown' | 'program-refused';

/** The in-kernel path cannot be had here; the socket path answers instead. */
export class TcxUnavailable extends Error {
  override name = 'TcxUnavailable';
  readonly reason: TcxMissing;

  constructor(reason: TcxMissing, message: string) {
    super(message);
    this.reason = reason;
  }
}

export class TcxDatapath {
  /**
   * Maps and program are there on return, those of the process before this one where it left some: its links go on
   * answering its rows until its deadlines. Nothing is attached or changed until `links`, `program` and `deadlines`.
   * Throws TcxUnavailable.
   */
  static async open(_places: TcxPlaces): Promise<TcxDatapath> {
    throw new TcxUnavailable('tcx-absent', 'the in-kernel path is not written yet');
  }

  /** The directory of the pins, or why there is none: then everything ends with this process. */
  readonly pins: { readonly directory: string } | { readonly unpinned: string } = { unpinned: '' };

  /** Descriptor of the map of rows, for `yieldRow` in another thread of this process. */
  readonly rowsFd: number = -1;

  /** Rows in the kernel now: what `program` set, or before its first call what was found. */
  rows(): readonly TcxRow[] {
    return [];
  }

  /** Whole set; those that went are detached. Per link why it cannot be attached; a link that is has no entry. */
  links(_all: readonly TcxLink[]): ReadonlyMap<number, string> {
    return new Map();
  }

  /** Whole set, diffed inside. The first call also ends what a process with another layout of maps left. */
  program(_rows: readonly TcxRow[]): void {}

  /** CLOCK_BOOTTIME milliseconds; 0 is silence. Takes effect with the next frame. */
  deadlines(_deadlines: { readonly sessionMs: number; readonly holdMs: number }): void {}

  /** A row that the worker cleared: forgotten here as well, so that the next `program` with it writes it anew. */
  yielded(_link: number, _address: IpAddress): void {}

  counters(): readonly TcxCounter[] {
    return [];
  }

  /** `keep` leaves pinned links answering until their deadlines; otherwise nothing stays. */
  close(_options: { readonly keep: boolean }): void {}
}

/** Clears one row at once, from whichever thread; `address` is 4 or 16 octets. One that is gone already is fine. */
export async function rowClearer(_rowsFd: number): Promise<(link: number, address: Uint8Array) => void> {
  return () => {};
}

/** Detaches and unlinks all that is pinned in these places, and unmounts Herald's own bpffs. What went, by path. */
export async function removeTcx(_places: TcxPlaces): Promise<readonly string[]> {
  return [];
}
