/**
 * Where the program of the in-kernel responder keeps what, and the short sequences of instructions it is put together
 * from: offsets in the socket buffer, in the frame on its stack and in the keys below it, copies, lookups, checksums.
 */
import type { Line, Register } from './bpf-assembler.ts';

/** Numbers of the kernel's helpers, linux/bpf.h. */
export const helpers = {
  lookup: 1,
  storeBytes: 9,
  redirect: 23,
  loadBytes: 26,
  checksumDifference: 28,
  bootTimeNs: 125,
} as const;

/** Offsets in struct __sk_buff. */
export const skb = { length: 0, packetType: 4, protocol: 16, vlanPresent: 20, ifindex: 40 } as const;
/** The frame is to this very link. Groups are told by their address: what is broadcast is each device's to say. */
const PACKET_HOST = 0;

export const ARP_BYTES = 42;
/** Ethernet without its checksum pads to this. */
export const ETHERNET_MIN_BYTES = 60;
/** A solicitation with a source option and nothing else; the advertisement with a target option is as long. */
export const ND_BYTES = 86;

/** Octets of the network, as a little-endian machine loads them. */
export const octets = (...bytes: readonly number[]): number =>
  bytes.reduceRight((value, byte) => value * 256 + byte, 0) | 0;
export const wideOctets = (...bytes: readonly number[]): bigint =>
  bytes.reduceRight((value, byte) => value * 256n + BigInt(byte), 0n);

/**
 * The stack from the frame pointer down. The frame begins 2 octets off, as the kernel itself places it, so that what
 * follows the Ethernet header is aligned: an access to the stack must be.
 */
export const frame = -94;
export const ethernet = { destination: frame, source: frame + 6, type: frame + 12 } as const;
const network = frame + 14;
export const arp = {
  /** Hardware type, protocol type, their lengths and the operation: 8 octets. */
  kind: network,
  operation: network + 6,
  senderMac: network + 8,
  sender: network + 14,
  targetMac: network + 18,
  target: network + 24,
} as const;
export const ip6 = { version: network, lengths: network + 4, source: network + 8, destination: network + 24 } as const;
const icmp = network + 40;
export const nd = { type: icmp, checksum: icmp + 2, flags: icmp + 4, target: icmp + 8, option: icmp + 24 } as const;
export const ndMac = nd.option + 2;
/** Keys of `rows`: the address asked for and, below it, the asker's. */
export const asked = -120;
export const asker = -144;
/** Key of `deadlines`. */
export const mode = -148;
/** CLOCK_BOOTTIME of the answer. */
export const answeredNs = -160;
/** Key of `stations`. */
export const sender = -168;

export const stack: Register = 'r10';
export const context: Register = 'r6';
/** Octets of the answer, which also says which one it is. */
export const length: Register = 'r7';
/** The deadline until it has been compared; then the first 4 octets of the link's MAC, and `macLast` the other 2. */
export const deadline: Register = 'r8';
/** A row that somebody else claims. */
export const claimed: Register = 'r8';
export const macFirst: Register = 'r8';
export const macLast: Register = 'r9';

/** RFC 4443 §2.3: the part of the pseudo-header that is not addresses, payload length 32 and next header 58. */
const PSEUDO_HEADER = octets(0, 0, 0, 32 + 58);

/** Skips these lines, to the label, for a frame to this very link. */
export function unlessToUs(label: string, lines: readonly Line[]): Line[] {
  return [['ldxw', 'r2', context, skb.packetType], ['jeq', 'r2', PACKET_HOST, label], ...lines, `${label}:`];
}

/** In r0 a pointer to the value, or 0. */
export function lookup(map: number, key: number): Line[] {
  return [['ldmap', 'r1', map], ...addressOf('r2', key), ['call', helpers.lookup]];
}

export function addressOf(to: Register, at: number): Line[] {
  return [
    ['mov', to, stack],
    ['add', to, at],
  ];
}

/** Passes on when the message's MAC is not the one the frame is from, or none: the answer has one place to go. */
export function sameMac(at: number): Line[] {
  return [
    ['mov', 'r4', 0],
    ...[0, 2, 4].flatMap((i): Line[] => [
      ['ldxh', 'r2', stack, ethernet.source + i],
      ['ldxh', 'r3', stack, at + i],
      ['jne', 'r2', 'r3', 'pass'],
      ['or', 'r4', 'r2'],
    ]),
    ['jeq', 'r4', 0, 'pass'],
  ];
}

/** 16 octets within the stack. */
export function copy(from: number, to: number): Line[] {
  return [0, 8].flatMap((i): Line[] => [
    ['ldxdw', 'r2', stack, from + i],
    ['stxdw', stack, to + i, 'r2'],
  ]);
}

export function copyMac(from: number, to: number): Line[] {
  return store(from, to, 6);
}

/** Octets within the stack, two at a time. */
export function store(from: number, to: number, bytes: number): Line[] {
  return Array.from({ length: bytes / 2 }, (_, i) => i * 2).flatMap((i): Line[] => [
    ['ldxh', 'r2', stack, from + i],
    ['stxh', stack, to + i, 'r2'],
  ]);
}

/** The link's MAC into the stack. */
export function storeMac(at: number): Line[] {
  return [
    ['stxh', stack, at, macFirst],
    ['mov', 'r2', macFirst],
    ['rsh', 'r2', 16],
    ['stxh', stack, at + 2, 'r2'],
    ['stxh', stack, at + 4, macLast],
  ];
}

/** RFC 1071 over addresses, the pseudo-header's rest and the message with its checksum: 0xffff when that is right. */
export function checksum(to: Register): Line[] {
  const fold: Line[] = [
    ['mov', 'r2', 'r0'],
    ['and', 'r2', 0xffff],
    ['rsh', 'r0', 16],
    ['add', 'r0', 'r2'],
  ];
  return [
    ['mov', 'r1', 0],
    ['mov', 'r2', 0],
    ...addressOf('r3', ip6.source),
    ['mov', 'r4', ND_BYTES + frame - ip6.source],
    ['mov', 'r5', PSEUDO_HEADER],
    ['call', helpers.checksumDifference],
    // The helper's result is 32 bits wide.
    ['lsh', 'r0', 32],
    ['rsh', 'r0', 32],
    ...fold,
    ...fold,
    ['mov', to, 'r0'],
  ];
}
