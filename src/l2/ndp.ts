/** Neighbour solicitations and advertisements: RFC 4861 §4.3, §4.4, §4.6.1; probes for duplicates: RFC 4862 §5.4. */
import { IpAddress } from '../net/ip.ts';
import { Mac } from '../net/mac.ts';
import { copy, ETHERNET, ETHERNET_OCTETS, ETHERTYPE_IPV6, newFrame, putMac, putU16, u8, u16 } from './ethernet.ts';

const IPV6_OCTETS = 40;
/** A solicitation or advertisement without options. */
export const NDP_OCTETS = 24;
const NDP_FRAME_OCTETS_MIN = ETHERNET_OCTETS + IPV6_OCTETS + NDP_OCTETS;
/** An advertisement as we send it, with its link-layer option. */
export const NDP_FRAME_OCTETS = NDP_FRAME_OCTETS_MIN + 8;
export const NEXT_HEADER_ICMPV6 = 58;
export const NEIGHBOUR_SOLICITATION = 135;
export const NEIGHBOUR_ADVERTISEMENT = 136;
export const SOURCE_LINK_OPTION = 1;
const TARGET_LINK_OPTION = 2;
export const FLAG_SOLICITED = 0x40;
const FLAG_OVERRIDE = 0x20;

/** Where the parts are in a frame. */
export const IPV6 = { version: 14, payload: 18, nextHeader: 20, hopLimit: 21, source: 22, destination: 38 } as const;
export const NDP = { type: 54, code: 55, checksum: 56, flags: 58, target: 62, options: 78 } as const;

const allNodes: IpAddress = { family: 'ipv6', value: (0xff02n << 112n) | 1n };

/** The solicited-node group of an address (RFC 4291 §2.7.1), which whoever answers for it has to be in. */
export function solicitedNode(address: IpAddress): IpAddress {
  return { family: 'ipv6', value: (0xff02n << 112n) | 0x1_ff00_0000n | (address.value & 0xff_ffffn) };
}

/** What a solicitation or an advertisement says. */
export interface NdpPacket {
  readonly type: number;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly flags: number;
  readonly target: IpAddress;
  /** Source option in a solicitation, target option in an advertisement. */
  readonly linkOption: Mac | undefined;
}

export function ndpFrame(destination: Mac, source: Mac, packet: NdpPacket): Uint8Array {
  const octets = packet.linkOption === undefined ? NDP_FRAME_OCTETS_MIN : NDP_FRAME_OCTETS;
  const frame = newFrame(octets, destination, source, ETHERTYPE_IPV6);
  putIpv6Head(frame, octets - ETHERNET_OCTETS - IPV6_OCTETS);
  frame.set(IpAddress.toBytes(packet.source), IPV6.source);
  frame.set(IpAddress.toBytes(packet.destination), IPV6.destination);
  frame[NDP.type] = packet.type;
  frame[NDP.flags] = packet.flags;
  frame.set(IpAddress.toBytes(packet.target), NDP.target);
  if (packet.linkOption !== undefined) {
    frame[NDP.options] = packet.type === NEIGHBOUR_SOLICITATION ? SOURCE_LINK_OPTION : TARGET_LINK_OPTION;
    frame[NDP.options + 1] = 1;
    putMac(frame, NDP.options + 2, packet.linkOption);
  }
  putU16(frame, NDP.checksum, icmpv6Checksum(frame, octets - ETHERNET_OCTETS - IPV6_OCTETS));
  return frame;
}

/** What `ndpFrame` made. Throws ShortReadError for less than that. */
export function readNdp(frame: Uint8Array): NdpPacket {
  return {
    type: frame[NDP.type] ?? 0,
    source: IpAddress.fromBytes('ipv6', frame, IPV6.source),
    destination: IpAddress.fromBytes('ipv6', frame, IPV6.destination),
    flags: frame[NDP.flags] ?? 0,
    target: IpAddress.fromBytes('ipv6', frame, NDP.target),
    linkOption: frame.length >= NDP_FRAME_OCTETS ? Mac.fromBytes(frame, NDP.options + 2) : undefined,
  };
}

/** To all nodes, with override set: whoever has another MAC for the address takes this one (RFC 4861 §7.2.6). */
export function unsolicitedAdvertisement(mac: Mac, address: IpAddress): Uint8Array {
  return ndpFrame(Mac.ofMulticast(allNodes), mac, {
    type: NEIGHBOUR_ADVERTISEMENT,
    source: address,
    destination: allNodes,
    flags: FLAG_OVERRIDE,
    target: address,
    linkOption: mac,
  });
}

/**
 * Whether anybody has the address: a solicitation such as a host sends it, since a responder inside the kernel answers
 * only these, from the link-local address that RFC 4291 derives from the MAC (§2.5.6, appendix A).
 */
export function ndpQuestion(mac: Mac, address: IpAddress): Uint8Array {
  const group = solicitedNode(address);
  return ndpFrame(Mac.ofMulticast(group), mac, {
    type: NEIGHBOUR_SOLICITATION,
    source: linkLocalOf(mac),
    destination: group,
    flags: 0,
    target: address,
    linkOption: mac,
  });
}

function linkLocalOf(mac: Mac): IpAddress {
  const value = BigInt(mac.value);
  const id = ((value >> 24n) << 40n) | 0xff_fe00_0000n | (value & 0xff_ffffn);
  return { family: 'ipv6', value: (0xfe80n << 112n) | (id ^ (1n << 57n)) };
}

/**
 * Writes to `out` the advertisement that answers the solicitation in `frame`; `macAt`: where the asker's MAC is in it,
 * or -1 for a probe from the unspecified address, which all nodes get the answer to (RFC 4861 §7.2.4).
 */
export function putAdvertisement(out: Uint8Array, frame: Uint8Array, mac: Uint8Array, macAt: number): number {
  const probe = macAt < 0;
  if (probe) {
    putU16(out, 0, 0x3333);
    putU16(out, 2, 0);
    putU16(out, 4, 1);
    out.fill(0, IPV6.destination, IPV6.destination + 16);
    putU16(out, IPV6.destination, 0xff02);
    out[IPV6.destination + 15] = 1;
  } else {
    copy(frame, macAt, out, ETHERNET.destination, 6);
    copy(frame, IPV6.source, out, IPV6.destination, 16);
  }
  copy(mac, 0, out, ETHERNET.source, 6);
  putU16(out, ETHERNET.type, ETHERTYPE_IPV6);
  putIpv6Head(out, NDP_OCTETS + 8);
  copy(frame, NDP.target, out, IPV6.source, 16);
  out.fill(0, NDP.type, NDP.target);
  out[NDP.type] = NEIGHBOUR_ADVERTISEMENT;
  out[NDP.flags] = probe ? FLAG_OVERRIDE : FLAG_SOLICITED | FLAG_OVERRIDE;
  copy(frame, NDP.target, out, NDP.target, 16);
  out[NDP.options] = TARGET_LINK_OPTION;
  out[NDP.options + 1] = 1;
  copy(mac, 0, out, NDP.options + 2, 6);
  putU16(out, NDP.checksum, icmpv6Checksum(out, NDP_OCTETS + 8));
  return NDP_FRAME_OCTETS;
}

/** RFC 8200 §8.1, over a checksum field that is zero; over one that is right, the result is 0. */
export function icmpv6Checksum(frame: Uint8Array, payload: number): number {
  let sum = payload + NEXT_HEADER_ICMPV6;
  const end = NDP.type + payload;
  for (let at = IPV6.source; at + 1 < end; at += 2) sum += u16(frame, at);
  if (payload % 2 === 1) sum += u8(frame, end - 1) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function putIpv6Head(frame: Uint8Array, payload: number): void {
  putU16(frame, IPV6.version, 0x6000);
  putU16(frame, IPV6.version + 2, 0);
  putU16(frame, IPV6.payload, payload);
  frame[IPV6.nextHeader] = NEXT_HEADER_ICMPV6;
  frame[IPV6.hopLimit] = 255;
}
