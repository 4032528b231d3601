/**
 * Packet sockets, packet(7): whole Ethernet frames of one link and one protocol. One bound to a protocol sees what
 * arrives and nothing that leaves, after the tcx hook and before any IP processing, a destination's reachability
 * included.
 */
import { type Libc, SystemError } from './libc.ts';
import { int } from './sockaddr.ts';
import { attachFilter, type FilterStep } from './socket-filter.ts';

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0x80000;
const SOCK_NONBLOCK = 0x800;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const SOL_PACKET = 263;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_STATISTICS = 6;
const PACKET_MR_ALLMULTI = 2;

/** Of sockaddr_ll(20): where the kind of a received frame stands, and the kind that was meant for somebody else. */
export const LINK_ADDRESS_SIZE = 20;
export const PACKET_TYPE_AT = 10;
/** The destination is another station, or the frame came with a VLAN tag that no device here takes. */
export const PACKET_OTHERHOST = 3;

/** Frames that may wait while the reader is not running. */
const QUEUE_OCTETS = 2 ** 20;

const accept: FilterStep = [0x06, 0, 0, 0x4_0000];
const refuse: FilterStep = [0x06, 0, 0, 0];

/** What a socket may be opened for. */
const packetKinds = {
  arp: { ethertype: 0x0806, filter: [accept] },
  /** Neighbour solicitations and advertisements that follow the IPv6 header at once (RFC 4861 §4.3, §4.4). */
  neighbor: {
    ethertype: 0x86dd,
    filter: [
      [0x30, 0, 0, 20],
      [0x15, 0, 4, 58],
      [0x30, 0, 0, 54],
      [0x15, 1, 0, 135],
      [0x15, 0, 1, 136],
      accept,
      refuse,
    ],
  },
} as const satisfies Record<string, { readonly ethertype: number; readonly filter: readonly FilterStep[] }>;
export type PacketKind = keyof typeof packetKinds;

/**
 * A non-blocking descriptor bound to the link. Throws SystemError: it takes CAP_NET_RAW, and the link to be there;
 * one that is down may be bound, and is heard when it comes up.
 */
export function openPacketSocket(libc: Libc, ifindex: number, kind: PacketKind): number {
  const { ethertype, filter } = packetKinds[kind];
  // Protocol 0: nothing is queued before the filter stands.
  const fd = libc.socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  try {
    attachFilter(libc, fd, filter);
    widenQueue(libc, fd);
    // Groups of addresses that this host does not have are in no filter of the device, unless they were joined.
    if (kind === 'neighbor') libc.setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership(ifindex));
    libc.bind(fd, linkAddress(ifindex, ethertype));
  } catch (error) {
    libc.close(fd);
    throw error;
  }
  return fd;
}

/** Frames that found the queue full, since this was last asked; 0 for a socket that was closed meanwhile. */
export function queueDrops(libc: Libc, fd: number): number {
  try {
    const statistics = libc.getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, 8);
    return new DataView(statistics.buffer, statistics.byteOffset).getUint32(4, true);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return 0;
  }
}

/** struct sockaddr_ll { u16 family; be16 protocol; i32 ifindex; … } */
function linkAddress(ifindex: number, ethertype: number): Uint8Array {
  const bytes = new Uint8Array(LINK_ADDRESS_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, ethertype);
  view.setInt32(4, ifindex, true);
  return bytes;
}

/** struct packet_mreq { i32 ifindex; u16 type; u16 alen; u8 address[8] } */
function membership(ifindex: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, ifindex, true);
  view.setUint16(4, PACKET_MR_ALLMULTI, true);
  return bytes;
}

function widenQueue(libc: Libc, fd: number): void {
  try {
    libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, int(QUEUE_OCTETS));
  } catch {
    // Without CAP_NET_ADMIN the queue stays as short as the system's default.
  }
}
