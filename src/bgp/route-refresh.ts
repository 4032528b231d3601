/** ROUTE-REFRESH (RFC 2918 §3) with the subtypes of enhanced refresh (RFC 7313 §3.2). */
import { BgpError } from './error.ts';
import { encodeMessage, HEADER_OCTETS } from './message.ts';
import { Notification } from './notification.ts';

export interface RouteRefresh {
  readonly afi: number;
  readonly safi: number;
  /**
   * 0 asks for the routes; 1 and 2 are their beginning and end (BoRR, EoRR). Others are to be ignored (RFC 7313 §5).
   */
  readonly subtype: number;
}

export const REFRESH_REQUEST = 0;
export const REFRESH_BEGIN = 1;
export const REFRESH_END = 2;

/**
 * The body, four octets at least: the header check has seen to that. Octets after them are ORF entries (RFC 5291),
 * which were not agreed on and are ignored. Throws BgpError for BoRR and EoRR of another length (RFC 7313 §5).
 */
export function decodeRouteRefresh(bytes: Uint8Array, at: number, end: number): RouteRefresh {
  const subtype = bytes[at + 2] as number;
  const afi = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  if (end - at !== 4 && (subtype === REFRESH_BEGIN || subtype === REFRESH_END))
    throw new BgpError(Notification.of('invalid message length', bytes.slice(at - HEADER_OCTETS, end)));
  return { afi, safi: bytes[at + 3] as number, subtype };
}

/** A whole message. */
export function encodeRouteRefresh(refresh: RouteRefresh): Uint8Array {
  const { afi, safi, subtype } = refresh;
  return encodeMessage('routeRefresh', Uint8Array.of(afi >>> 8, afi, subtype, safi));
}
