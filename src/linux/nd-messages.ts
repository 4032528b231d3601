/** What the main thread and the thread `nd` say to each other. */
import type { Heard, RespondingLink } from '../l2/responder.ts';

/** What the thread is started with. */
export interface NdWork {
  /** The address table. */
  readonly table: SharedArrayBuffer;
  /** What only the thread counts: numbers, in the order of `ndCounts`. */
  readonly counts: SharedArrayBuffer;
  /** The in-kernel map of rows, where there is one. */
  readonly rowsFd: number | undefined;
}

export type ToNd =
  /** Answer on this socket from now on; or, when it is known, as this link. */
  | { readonly about: 'listen'; readonly fd: number; readonly link: RespondingLink }
  /** Close this socket. Only the thread may: another thread could be given its number while this one still reads. */
  | { readonly about: 'forget'; readonly fd: number }
  /** The table has moved. */
  | { readonly about: 'table'; readonly table: SharedArrayBuffer };

export type FromNd =
  | { readonly about: 'heard'; readonly heard: Heard }
  /** A socket that gave nothing but errors. It is closed. */
  | { readonly about: 'lost'; readonly fd: number; readonly why: string };

/** Places in `counts`. */
export const ndCounts = ['send-failed'] as const;
