/**
 * The next hop inside MP_REACH_NLRI: one address, or for IPv6 a global and a link-local one (RFC 2545 §3); IPv4
 * prefixes with IPv6 next hops (RFC 8950 §3); IPv6 prefixes over IPv4 carry a mapped address (RFC 4291 §2.5.5.2).
 */
import { IpAddress } from '../net/ip.ts';
import type { Family } from './family.ts';

export interface NextHop {
  readonly address: IpAddress;
  /** Beside a global IPv6 address, for peers on the same link. */
  readonly linkLocal?: IpAddress | undefined;
}

/** Octets that the field may have (RFC 2545 §3, RFC 8950 §3). */
const lengths: Record<Family, readonly number[]> = { 'ipv4-unicast': [4], 'ipv6-unicast': [16, 32] };
const extendedLengths = [16, 32];

export const NextHop = {
  /** Undefined when the length is none that the family has: then its prefixes cannot be found (RFC 7606 §7.11). */
  decode(bytes: Uint8Array, family: Family, extended: boolean): NextHop | undefined {
    const allowed = lengths[family].includes(bytes.length) || (extended && extendedLengths.includes(bytes.length));
    if (!allowed) return undefined;
    if (bytes.length === 4) return { address: IpAddress.fromBytes('ipv4', bytes) };
    const address = IpAddress.fromBytes('ipv6', bytes);
    if (bytes.length === 16) return { address };
    const linkLocal = IpAddress.fromBytes('ipv6', bytes, 16);
    // Some routers repeat their link-local address, or put it alone and leave the other half zero.
    if (IpAddress.isUnspecified(address) && IpAddress.isLinkLocal(linkLocal)) return { address: linkLocal };
    return IpAddress.isLinkLocal(linkLocal) ? { address, linkLocal } : { address };
  },

  /** The octets of the field, without the length in front. An IPv4 address goes to IPv6 prefixes in mapped form. */
  encode(nextHop: NextHop, family: Family): Uint8Array {
    const { address, linkLocal } = nextHop;
    if (family === 'ipv4-unicast' && address.family === 'ipv4') return IpAddress.toBytes(address);
    const first = IpAddress.toBytes(IpAddress.mapped(address));
    if (linkLocal === undefined) return first;
    const both = new Uint8Array(32);
    both.set(first);
    both.set(IpAddress.toBytes(linkLocal), 16);
    return both;
  },

  /** A host that packets can be sent to: not zero, loopback, multicast, or IPv4 240.0.0.0/4 (RFC 4271 §6.3). */
  isUsable(address: IpAddress): boolean {
    const real = IpAddress.unmapped(address);
    if (IpAddress.isUnspecified(real) || IpAddress.isLoopback(real) || IpAddress.isMulticast(real)) return false;
    return real.family === 'ipv6' || (real.value >> 28n !== 0xfn && real.value >> 24n !== 0n);
  },

  format(nextHop: NextHop): string {
    const { address, linkLocal } = nextHop;
    return linkLocal === undefined
      ? IpAddress.format(address)
      : `${IpAddress.format(address)} (${IpAddress.format(linkLocal)})`;
  },
};
