/** ARP for IPv4 over Ethernet: RFC 826, with the probes and announcements of RFC 5227. */
import { IpAddress } from '../net/ip.ts';
import { Mac } from '../net/mac.ts';
import { copy, ETHERNET, ETHERNET_OCTETS, ETHERTYPE_ARP, newFrame, putMac, putU16 } from './ethernet.ts';

const ARP_OCTETS = 28;
export const ARP_FRAME_OCTETS = ETHERNET_OCTETS + ARP_OCTETS;
export const ARP_REQUEST = 1;
export const ARP_REPLY = 2;
export const HARDWARE_ETHERNET = 1;
export const PROTOCOL_IPV4 = 0x0800;

/** Where the parts of the packet are in a frame. */
export const ARP = {
  hardware: 14,
  protocol: 16,
  hardwareOctets: 18,
  protocolOctets: 19,
  operation: 20,
  senderMac: 22,
  senderIp: 28,
  targetMac: 32,
  targetIp: 38,
} as const;

const nobody: Mac = { value: 0 };
const anyone: IpAddress = { family: 'ipv4', value: 0n };

/** What a packet says. */
export interface ArpPacket {
  readonly operation: number;
  readonly senderMac: Mac;
  readonly senderIp: IpAddress;
  readonly targetMac: Mac;
  readonly targetIp: IpAddress;
}

export function arpFrame(destination: Mac, source: Mac, packet: ArpPacket): Uint8Array {
  const frame = newFrame(ARP_FRAME_OCTETS, destination, source, ETHERTYPE_ARP);
  putArpHead(frame, packet.operation);
  putMac(frame, ARP.senderMac, packet.senderMac);
  frame.set(IpAddress.toBytes(packet.senderIp), ARP.senderIp);
  putMac(frame, ARP.targetMac, packet.targetMac);
  frame.set(IpAddress.toBytes(packet.targetIp), ARP.targetIp);
  return frame;
}

/** What `arpFrame` made. Throws ShortReadError for less than a packet. */
export function readArp(frame: Uint8Array): ArpPacket {
  return {
    operation: ((frame[ARP.operation] ?? 0) << 8) | (frame[ARP.operation + 1] ?? 0),
    senderMac: Mac.fromBytes(frame, ARP.senderMac),
    senderIp: IpAddress.fromBytes('ipv4', frame, ARP.senderIp),
    targetMac: Mac.fromBytes(frame, ARP.targetMac),
    targetIp: IpAddress.fromBytes('ipv4', frame, ARP.targetIp),
  };
}

/** An ARP announcement (RFC 5227 §2.3) in both forms: some hosts learn from requests only, some from replies. */
export function gratuitousArp(mac: Mac, address: IpAddress): readonly [request: Uint8Array, reply: Uint8Array] {
  const say = { senderMac: mac, senderIp: address, targetIp: address };
  return [
    arpFrame(Mac.broadcast, mac, { ...say, operation: ARP_REQUEST, targetMac: nobody }),
    arpFrame(Mac.broadcast, mac, { ...say, operation: ARP_REPLY, targetMac: Mac.broadcast }),
  ];
}

/** Whether anybody has the address, without saying that we do (RFC 5227 §2.1.1). */
export function arpProbe(mac: Mac, address: IpAddress): Uint8Array {
  const ask = { operation: ARP_REQUEST, senderMac: mac, senderIp: anyone, targetMac: nobody, targetIp: address };
  return arpFrame(Mac.broadcast, mac, ask);
}

/** Writes to `out` the reply to the request in `frame`: the parts change sides, the sender's MAC is `mac`. */
export function putArpReply(out: Uint8Array, frame: Uint8Array, mac: Uint8Array): number {
  copy(frame, ARP.senderMac, out, ETHERNET.destination, 6);
  copy(mac, 0, out, ETHERNET.source, 6);
  putU16(out, ETHERNET.type, ETHERTYPE_ARP);
  putArpHead(out, ARP_REPLY);
  copy(mac, 0, out, ARP.senderMac, 6);
  copy(frame, ARP.targetIp, out, ARP.senderIp, 4);
  copy(frame, ARP.senderMac, out, ARP.targetMac, 6);
  copy(frame, ARP.senderIp, out, ARP.targetIp, 4);
  return ARP_FRAME_OCTETS;
}

function putArpHead(frame: Uint8Array, operation: number): void {
  putU16(frame, ARP.hardware, HARDWARE_ETHERNET);
  putU16(frame, ARP.protocol, PROTOCOL_IPV4);
  frame[ARP.hardwareOctets] = 6;
  frame[ARP.protocolOctets] = 4;
  putU16(frame, ARP.operation, operation);
}
