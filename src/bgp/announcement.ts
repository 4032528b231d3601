/**
 * A route this speaker originates, and to whom. The whole set is handed over each time; equal prefixes are told apart
 * by `peers`.
 */
import type { IpAddress } from '../net/ip.ts';
import type { Prefix } from '../net/prefix.ts';
import type { ExtendedCommunity, LargeCommunity, StandardCommunity } from './community.ts';

export type Origin = 'igp' | 'egp' | 'incomplete';

export interface Announcement {
  readonly prefix: Prefix;
  /** Absent or `self`: the local address of each session. */
  readonly nextHop?: IpAddress | 'self' | undefined;
  /** Default `igp`. */
  readonly origin?: Origin | undefined;
  /** Only internal peers are told it (RFC 4271 §5.1.5). Default 100. */
  readonly localPref?: number | undefined;
  readonly med?: number | undefined;
  /** AS numbers put in front of the path, after (to the right of) our own that an external session adds. */
  readonly prepend?: readonly number[] | undefined;
  readonly communities?: readonly StandardCommunity[] | undefined;
  readonly extendedCommunities?: readonly ExtendedCommunity[] | undefined;
  readonly largeCommunities?: readonly LargeCommunity[] | undefined;
  /** Keys of the peers that are told; absent: all. */
  readonly peers?: readonly string[] | undefined;
}
