/**
 * Router advertisements (RFC 4861 §4.2) as far as BGP without configured addresses needs them: the two ends of a link
 * learn each other's link-local address from them. Ours promise nothing to hosts: router lifetime 0, no prefix.
 */
import { Reader, ShortReadError, Writer } from '../net/bytes.ts';
import { Mac } from '../net/mac.ts';

/**
 * How often we advertise, and how fast while nobody has answered yet. RFC 4861 §6.2.1 allows no less than 3 s steadily.
 */
export const ADVERTISE_MS = 10_000;
export const ADVERTISE_FAST_MS = 1_000;
/** A router that has been silent this long is gone: three of its advertisements were missed. */
export const SILENCE_MS = 3 * ADVERTISE_MS;

const TYPE_SOLICITATION = 133;
const TYPE_ADVERTISEMENT = 134;
const OPTION_SOURCE_LINK_ADDRESS = 1;
const HOP_LIMIT_HINT = 64;
const FIXED_OCTETS = 16;

/** `solicitation`: a host or router asks all routers to advertise now (RFC 4861 §4.1). */
export type NeighborMessage =
  | { readonly type: 'solicitation' }
  | { readonly type: 'advertisement'; readonly lifetimeSeconds: number };

/** The ICMPv6 message; its checksum is left to the kernel, which alone knows the source address it will choose. */
export function encodeRouterAdvertisement(linkAddress: Mac | undefined): Uint8Array {
  const out = new Writer(24);
  out.u8(TYPE_ADVERTISEMENT).u8(0).u16(0).u8(HOP_LIMIT_HINT).u8(0).u16(0).u32(0).u32(0);
  if (linkAddress !== undefined) out.u8(OPTION_SOURCE_LINK_ADDRESS).u8(1).put(Mac.toBytes(linkAddress));
  return out.finish();
}

/** Asks the routers of a link to advertise now. */
export function encodeRouterSolicitation(): Uint8Array {
  return new Writer(8).u8(TYPE_SOLICITATION).u8(0).u16(0).u32(0).finish();
}

/**
 * Undefined for every other message and for those RFC 4861 §6.1 has a router discard. The hop limit is the socket's to
 * check.
 */
export function decodeNeighborMessage(bytes: Uint8Array): NeighborMessage | undefined {
  try {
    const from = new Reader(bytes);
    const [type, code] = [from.u8(), from.u8()];
    if (code !== 0) return undefined;
    if (type === TYPE_SOLICITATION) {
      from.skip(6);
      return optionsAreSound(from) ? { type: 'solicitation' } : undefined;
    }
    if (type !== TYPE_ADVERTISEMENT) return undefined;
    from.skip(4);
    const lifetimeSeconds = from.u16();
    from.skip(FIXED_OCTETS - 8);
    return optionsAreSound(from) ? { type: 'advertisement', lifetimeSeconds } : undefined;
  } catch (error) {
    if (error instanceof ShortReadError) return undefined;
    throw error;
  }
}

/** RFC 4861 §4.6: no option may have the length zero, nor may any pass the end. */
function optionsAreSound(from: Reader): boolean {
  while (from.remaining > 0) {
    from.u8();
    const length = from.u8() * 8;
    if (length === 0) return false;
    from.skip(length - 2);
  }
  return true;
}
