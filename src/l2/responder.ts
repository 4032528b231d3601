/**
 * A frame in; a reply or the name of why there is none out. ARP by RFC 826 and RFC 5227, neighbour solicitations by RFC
 * 4861 §7.1.1 and §7.2.4, probes of duplicate address detection by RFC 4862 §5.4.3. Answers only for rows whose
 * deadline is not over at `nowMs`, which is the promise that makes one owner: the caller reads the clock after it has
 * the frame.
 *
 * It also listens: another station that speaks for an address of ours is named, and a row in mode `hold` is given up
 * that very moment. Nothing here allocates; it has to keep up with a flood.
 */
import { IpAddress } from '../net/ip.ts';
import { Mac } from '../net/mac.ts';
import { type AddressTable, ROW_ON_OTHER_LINK } from './address-table.ts';
import { ARP, ARP_FRAME_OCTETS, ARP_REPLY, ARP_REQUEST, HARDWARE_ETHERNET, PROTOCOL_IPV4, putArpReply } from './arp.ts';
import { dropCode, dropOf } from './drop.ts';
import {
  allAre,
  ETHERNET,
  ETHERNET_OCTETS,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV6,
  same,
  u8,
  u16,
  VLAN_ETHERTYPES,
} from './ethernet.ts';
import {
  FLAG_SOLICITED,
  IPV6,
  icmpv6Checksum,
  NDP,
  NDP_FRAME_OCTETS,
  NDP_OCTETS,
  NEIGHBOUR_ADVERTISEMENT,
  NEIGHBOUR_SOLICITATION,
  NEXT_HEADER_ICMPV6,
  putAdvertisement,
  SOURCE_LINK_OPTION,
} from './ndp.ts';

/** Octets that the buffer for a reply needs. */
export const REPLY_OCTETS_MAX = NDP_FRAME_OCTETS;

/** The link that a frame came in on. Made once, when links change: `respondingLink`. */
export interface RespondingLink {
  readonly index: number;
  readonly mac: Uint8Array;
  /** MACs of all links of this host, one after another: what they send is no other station's word. */
  readonly ours: Uint8Array;
}

export function respondingLink(index: number, mac: Mac, all: readonly Mac[]): RespondingLink {
  const ours = new Uint8Array(all.length * 6);
  for (const [i, each] of all.entries()) ours.set(Mac.toBytes(each), i * 6);
  return { index, mac: Mac.toBytes(mac), ours };
}

/** Another station spoke for an address that this node has a row for, on that row's link. */
export interface Heard {
  readonly address: IpAddress;
  readonly link: number;
  readonly mac: Mac;
  /** Unasked, or in answer to a question. */
  readonly kind: 'claim' | 'answer';
  /** The row was in mode `hold` and has been given up. */
  readonly yielded: boolean;
}

/**
 * Octets of the reply that `out` has now, or minus the number of a drop. Counts both in the table. `nowMs`:
 * CLOCK_BOOTTIME, read after the frame was received.
 */
export function respond(
  table: AddressTable,
  link: RespondingLink,
  frame: Uint8Array,
  length: number,
  nowMs: number,
  out: Uint8Array,
): number {
  const result = judge(table, link, frame, Math.min(length, frame.length), nowMs, out);
  if (result < 0) table.dropped(result);
  return result;
}

/** Who spoke, for a frame that `respond` returned one of the four heard codes for (`isHeard`). */
export function readHeard(link: RespondingLink, frame: Uint8Array, code: number): Heard {
  const name = dropOf(code);
  const arp = u16(frame, ETHERNET.type) === ETHERTYPE_ARP;
  const solicitation = !arp && u8(frame, NDP.type) === NEIGHBOUR_SOLICITATION;
  return {
    address: arp
      ? IpAddress.fromBytes('ipv4', frame, ARP.senderIp)
      : IpAddress.fromBytes('ipv6', frame, solicitation ? IPV6.source : NDP.target),
    link: link.index,
    mac: Mac.fromBytes(frame, arp ? ARP.senderMac : ETHERNET.source),
    kind: name.startsWith('heard-claim') ? 'claim' : 'answer',
    yielded: name.endsWith('yielded'),
  };
}

const code = dropCode;

function judge(
  table: AddressTable,
  link: RespondingLink,
  frame: Uint8Array,
  length: number,
  nowMs: number,
  out: Uint8Array,
): number {
  if (length < ETHERNET_OCTETS) return code.truncated;
  const type = u16(frame, ETHERNET.type);
  if (type !== ETHERTYPE_ARP && type !== ETHERTYPE_IPV6)
    return VLAN_ETHERTYPES.includes(type) ? code['vlan-tagged'] : code['other-ethertype'];
  if (isOurs(link, frame, ETHERNET.source)) return code['own-frame'];
  if (isGroup(frame, ETHERNET.source)) return code['multicast-source'];
  table.noteHeard(link.index, nowMs);
  const unicast = same(frame, ETHERNET.destination, link.mac, 0, 6);
  return type === ETHERTYPE_ARP
    ? judgeArp(table, link, frame, length, nowMs, out, unicast)
    : judgeIpv6(table, link, frame, length, nowMs, out, unicast);
}

function judgeArp(
  table: AddressTable,
  link: RespondingLink,
  frame: Uint8Array,
  length: number,
  nowMs: number,
  out: Uint8Array,
  unicast: boolean,
): number {
  if (length < ARP_FRAME_OCTETS) return code.truncated;
  if (!unicast && !allAre(frame, ETHERNET.destination, 6, 0xff)) return code['not-for-us'];
  if (u16(frame, ARP.hardware) !== HARDWARE_ETHERNET) return code['wrong-hardware-type'];
  if (u16(frame, ARP.protocol) !== PROTOCOL_IPV4) return code['wrong-protocol-type'];
  if (u8(frame, ARP.hardwareOctets) !== 6 || u8(frame, ARP.protocolOctets) !== 4) return code['wrong-address-length'];
  const operation = u16(frame, ARP.operation);
  if (operation !== ARP_REQUEST && operation !== ARP_REPLY) return code['other-operation'];
  if (isOurs(link, frame, ARP.senderMac)) return code['own-frame'];
  // An answer to such a sender would reach everybody.
  if (isGroup(frame, ARP.senderMac) || allAre(frame, ARP.senderMac, 6, 0)) return code['bad-sender'];
  const first = u8(frame, ARP.senderIp);
  if (first >= 224 || first === 127) return code['bad-sender'];
  const speaker = allAre(frame, ARP.senderIp, 4, 0) ? -1 : table.find(link.index, 'ipv4', frame, ARP.senderIp);
  if (speaker >= 0) {
    const unasked = operation === ARP_REQUEST || same(frame, ARP.senderIp, frame, ARP.targetIp, 4);
    return heard(table, speaker, unasked);
  }
  if (!allAre(frame, ARP.senderIp, 4, 0)) table.noteSpeaker(link.index, 'ipv4', frame, ARP.senderIp);
  if (operation === ARP_REPLY) return code.reply;
  const slot = table.find(link.index, 'ipv4', frame, ARP.targetIp);
  if (slot < 0) return missing(slot);
  const refusal = table.refusal(slot, nowMs);
  if (refusal !== undefined) return code[refusal];
  table.answered(slot, 'ipv4', frame, ARP.senderIp, ARP.senderMac, nowMs);
  return putArpReply(out, frame, link.mac);
}

function judgeIpv6(
  table: AddressTable,
  link: RespondingLink,
  frame: Uint8Array,
  length: number,
  nowMs: number,
  out: Uint8Array,
  unicast: boolean,
): number {
  // Whoever is asked by multicast is asked as 33:33 and the last four octets of the group (RFC 2464 §7).
  const byGroup = u16(frame, ETHERNET.destination) === 0x3333;
  if (!unicast && !byGroup) return code['not-for-us'];
  const fault = ndpFault(frame, length);
  if (fault !== 0) return fault;
  const type = u8(frame, NDP.type);
  if (type !== NEIGHBOUR_SOLICITATION && type !== NEIGHBOUR_ADVERTISEMENT) return code['other-icmp'];
  const payload = u16(frame, IPV6.payload);
  if (payload < NDP_OCTETS) return code.truncated;
  if (u8(frame, IPV6.hopLimit) !== 255) return code['hop-limit'];
  if (u8(frame, NDP.code) !== 0) return code['bad-code'];
  if (icmpv6Checksum(frame, payload) !== 0) return code['bad-checksum'];
  if (u8(frame, NDP.target) === 0xff) return code['bad-target'];
  if (u8(frame, IPV6.source) === 0xff) return code['bad-sender'];
  const option = linkOption(frame, NDP.type + payload);
  if (option < -1) return option;
  return type === NEIGHBOUR_SOLICITATION
    ? judgeSolicitation(table, link, frame, nowMs, out, option)
    : judgeAdvertisement(table, link, frame);
}

function ndpFault(frame: Uint8Array, length: number): number {
  if (length < NDP.type) return code.truncated;
  if (u8(frame, IPV6.version) >> 4 !== 6) return code['not-ipv6'];
  if (u8(frame, IPV6.nextHeader) !== NEXT_HEADER_ICMPV6) return code['other-next-header'];
  const payload = u16(frame, IPV6.payload);
  if (payload === 0) return code['bad-payload-length'];
  return NDP.type + payload > length ? code.truncated : 0;
}

function judgeSolicitation(
  table: AddressTable,
  link: RespondingLink,
  frame: Uint8Array,
  nowMs: number,
  out: Uint8Array,
  option: number,
): number {
  const probe = allAre(frame, IPV6.source, 16, 0);
  const asked = same(frame, IPV6.destination, frame, NDP.target, 16);
  if (!isSolicitedNode(frame) && (probe || !asked)) return code['bad-destination'];
  if (probe && option >= 0) return code['probe-with-link-option'];
  const speaker = probe ? -1 : table.find(link.index, 'ipv6', frame, IPV6.source);
  if (speaker >= 0) return heard(table, speaker, true);
  if (!probe) table.noteSpeaker(link.index, 'ipv6', frame, IPV6.source);
  const slot = table.find(link.index, 'ipv6', frame, NDP.target);
  if (slot < 0) return missing(slot);
  const refusal = table.refusal(slot, nowMs);
  if (refusal !== undefined) return code[refusal];
  const macAt = option >= 0 ? option : ETHERNET.source;
  table.answered(slot, 'ipv6', frame, IPV6.source, macAt, nowMs);
  return putAdvertisement(out, frame, link.mac, probe ? -1 : macAt);
}

function judgeAdvertisement(table: AddressTable, link: RespondingLink, frame: Uint8Array): number {
  const solicited = (u8(frame, NDP.flags) & FLAG_SOLICITED) !== 0;
  // RFC 4861 §7.1.2.
  if (solicited && u8(frame, IPV6.destination) === 0xff) return code['bad-destination'];
  const speaker = table.find(link.index, 'ipv6', frame, NDP.target);
  if (speaker >= 0) return heard(table, speaker, !solicited);
  table.noteSpeaker(link.index, 'ipv6', frame, NDP.target);
  return code.reply;
}

function missing(slot: number): number {
  return slot === ROW_ON_OTHER_LINK ? code['other-link'] : code['not-owned'];
}

function heard(table: AddressTable, slot: number, unasked: boolean): number {
  if (table.yieldHold(slot)) return unasked ? code['heard-claim-yielded'] : code['heard-answer-yielded'];
  return unasked ? code['heard-claim'] : code['heard-answer'];
}

/** Where the MAC of the source link-layer option is; -1 without one; a drop, below that, where options are broken. */
function linkOption(frame: Uint8Array, end: number): number {
  const isSolicitation = u8(frame, NDP.type) === NEIGHBOUR_SOLICITATION;
  let found = -1;
  for (let at: number = NDP.options; at < end; ) {
    if (at + 2 > end) return code['truncated-option'];
    const octets = u8(frame, at + 1) * 8;
    if (octets === 0) return code['zero-length-option'];
    if (at + octets > end) return code['truncated-option'];
    if (isSolicitation && u8(frame, at) === SOURCE_LINK_OPTION) {
      if (octets !== 8 || isGroup(frame, at + 2)) return code['bad-link-option'];
      found = at + 2;
    }
    at += octets;
  }
  return found;
}

/** Whether the destination is the solicited-node group of the target (RFC 4291 §2.7.1). */
function isSolicitedNode(frame: Uint8Array): boolean {
  const at = IPV6.destination;
  return (
    u16(frame, at) === 0xff02 &&
    allAre(frame, at + 2, 9, 0) &&
    u16(frame, at + 11) === 0x01ff &&
    same(frame, at + 13, frame, NDP.target + 13, 3)
  );
}

function isGroup(frame: Uint8Array, at: number): boolean {
  return (u8(frame, at) & 1) === 1;
}

function isOurs(link: RespondingLink, frame: Uint8Array, at: number): boolean {
  for (let i = 0; i < link.ours.length; i += 6) if (same(frame, at, link.ours, i, 6)) return true;
  return false;
}
