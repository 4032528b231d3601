/** Frames as the kernel of a simulated node takes them, whatever becomes of its process. */
import { ARP_REPLY, ARP_REQUEST, arpFrame, readArp } from '../../src/l2/arp.ts';
import { NDP, NEIGHBOUR_SOLICITATION } from '../../src/l2/ndp.ts';
import { IpAddress } from '../../src/net/ip.ts';
import type { Mac } from '../../src/net/mac.ts';

export function isQuestion(frame: Uint8Array): boolean {
  if (frame.length > 60) return frame[NDP.type] === NEIGHBOUR_SOLICITATION;
  const { operation, senderIp, targetIp } = readArp(frame);
  return operation === ARP_REQUEST && !IpAddress.equals(senderIp, targetIp);
}

/** What the kernel answers for the node's own address; undefined: nothing. */
export function hostReply(frame: Uint8Array, host: IpAddress, mac: Mac): Uint8Array | undefined {
  if (frame.length > 60) return undefined;
  const { operation, senderMac: asker, senderIp, targetIp } = readArp(frame);
  if (operation !== ARP_REQUEST || !IpAddress.equals(targetIp, host)) return undefined;
  const reply = { operation: ARP_REPLY, senderMac: mac, senderIp: host, targetMac: asker, targetIp: senderIp };
  return arpFrame(asker, mac, reply);
}
