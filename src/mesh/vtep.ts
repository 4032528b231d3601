/**
 * Where a node is on the overlay: everything follows from the address the others reach it at, so that nothing has to be
 * exchanged. VXLAN is RFC 7348; the IPv6 next hop is RFC 4291 §2.5.6 with an identifier of Appendix A.
 */
import { IpAddress } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import type { PodNode } from './pod-node.ts';

/** One end of the overlay: frames to `mac` travel to `underlay`. */
export interface Vtep {
  readonly underlay: IpAddress;
  readonly mac: Mac;
}

/** Octets that VXLAN adds around a packet: Ethernet, VXLAN, UDP, and IPv4 or IPv6. */
export const vxlanOverhead = { ipv4: 50, ipv6: 70 } as const;

/** First octets of locally administered unicast addresses, one for each family of the underlay. */
const firstOctets = { ipv4: 0x0e68 * 2 ** 32, ipv6: 0x0a * 2 ** 40 } as const;
const fnvOffset = 0xcbf29ce484222325n;
const fnvPrime = 0x100000001b3n;

export const Vtep = {
  /**
   * Undefined for a node without an address. The first IPv4 address, or the first of all where there is none, whatever
   * family packets inside have: so that both ends mean the same one.
   */
  of({ addresses }: Pick<PodNode, 'addresses'>): Vtep | undefined {
    const underlay = addresses.find(address => address.family === 'ipv4') ?? addresses[0];
    return underlay && { underlay, mac: { value: firstOctets[underlay.family] + hostNumber(underlay) } };
  },

  /** The next hop on the overlay link for packets of a family: one of that family, told to the link as a neighbour. */
  nextHop({ underlay, mac }: Vtep, family: 'ipv4' | 'ipv6'): IpAddress {
    if (family === 'ipv4' && underlay.family === 'ipv4') return underlay;
    const high = BigInt(Math.floor(mac.value / 2 ** 24)) ^ 0x020000n;
    const low = BigInt(mac.value % 2 ** 24);
    return { family: 'ipv6', value: (0xfe80n << 112n) | (high << 40n) | (0xfffen << 24n) | low };
  },
};

/** An IPv4 address itself; of an IPv6 address 40 bits of its 64-bit FNV-1a, for there are more of them than that. */
function hostNumber(address: IpAddress): number {
  if (address.family === 'ipv4') return Number(address.value);
  let hash = fnvOffset;
  for (const octet of IpAddress.toBytes(address)) hash = BigInt.asUintN(64, (hash ^ BigInt(octet)) * fnvPrime);
  return Number(hash >> 24n);
}
