/**
 * The program of the in-kernel responder. It answers an ARP request (RFC 826; probes of RFC 5227 §1.1 as well) and a
 * neighbour solicitation with its source option (RFC 4861 §4.3), at once and in place: the frame is read onto the
 * stack, checked, turned into the answer there, written back and sent out by the link it came from. What it has the
 * least doubt about it passes on as it came, for the packet socket's responder to answer, or to drop under a name:
 * VLAN tags, other hosts' frames, IPv6 extension headers and fragments, a false checksum, solicitations without the
 * option, duplicate detection, a sender that is not who the frame is from, and everything that may be a claim to an
 * address of ours.
 */
import type { Line, Register } from './bpf-assembler.ts';
import { answersAt, type Maps } from './tcx-maps.ts';

/** What a tcx program returns to leave a frame to the next one: TCX_NEXT. */
const PASS_ON = -1;

/** Numbers of the kernel's helpers, linux/bpf.h. */
const helpers = {
  lookup: 1,
  storeBytes: 9,
  redirect: 23,
  loadBytes: 26,
  checksumDifference: 28,
  bootTimeNs: 125,
} as const;

/** Offsets in struct __sk_buff. */
const skb = { length: 0, packetType: 4, protocol: 16, vlanPresent: 20, ifindex: 40 } as const;
/** The frame is to this very link. Groups are told by their address: what is broadcast is each device's to say. */
const PACKET_HOST = 0;

const ARP_BYTES = 42;
/** Ethernet without its checksum pads to this. */
const ETHERNET_MIN_BYTES = 60;
/** A solicitation with a source option and nothing else; the advertisement with a target option is as long. */
const ND_BYTES = 86;

/** Octets of the network, as a little-endian machine loads them. */
const octets = (...bytes: readonly number[]): number => bytes.reduceRight((value, byte) => value * 256 + byte, 0) | 0;
const wideOctets = (...bytes: readonly number[]): bigint =>
  bytes.reduceRight((value, byte) => value * 256n + BigInt(byte), 0n);

/**
 * The stack from the frame pointer down. The frame begins 2 octets off, as the kernel itself places it, so that what
 * follows the Ethernet header is aligned: an access to the stack must be.
 */
const frame = -94;
const ethernet = { destination: frame, source: frame + 6, type: frame + 12 } as const;
const network = frame + 14;
const arp = {
  /** Hardware type, protocol type, their lengths and the operation: 8 octets. */
  kind: network,
  operation: network + 6,
  senderMac: network + 8,
  sender: network + 14,
  targetMac: network + 18,
  target: network + 24,
} as const;
const ip6 = { version: network, lengths: network + 4, source: network + 8, destination: network + 24 } as const;
const icmp = network + 40;
const nd = { type: icmp, checksum: icmp + 2, flags: icmp + 4, target: icmp + 8, option: icmp + 24 } as const;
const ndMac = nd.option + 2;
/** Keys of `rows`: the address asked for and, below it, the asker's. */
const asked = -120;
const asker = -144;
/** Key of `deadlines`. */
const mode = -148;
/** CLOCK_BOOTTIME of the answer. */
const answeredNs = -160;
/** Key of `stations`. */
const sender = -168;

const stack: Register = 'r10';
const context: Register = 'r6';
/** Octets of the answer, which also says which one it is. */
const length: Register = 'r7';
/** The deadline until it has been compared, then the upper 4 octets of the link's MAC; `macLow` the other 2. */
const deadline: Register = 'r8';
const macHigh: Register = 'r8';
const macLow: Register = 'r9';

/** RFC 4443 §2.3: the part of the pseudo-header that is not addresses, payload length 32 and next header 58. */
const PSEUDO_HEADER = octets(0, 0, 0, 32 + 58);

export function tcxProgram(maps: Maps): Line[] {
  return [
    ['mov', context, 'r1'],
    ['ldxw', 'r2', context, skb.protocol],
    ['jeq', 'r2', octets(0x08, 0x06), 'arp'],
    ['jeq', 'r2', octets(0x86, 0xdd), 'nd'],
    'pass:',
    ['mov', 'r0', PASS_ON],
    ['exit'],
    ...readArp(),
    ...readSolicitation(),
    'asked:',
    ...whetherOurs(maps),
    ['jeq', length, ND_BYTES, 'advertise'],
    ...writeArp(),
    ['ja', 'send'],
    'advertise:',
    ...writeAdvertisement(),
    'send:',
    ...send(maps),
  ];
}

/** The frame onto the stack, if it is untagged and from a single station. */
function read(protocol: number, bytes: number): Line[] {
  return [
    ['ldxw', 'r2', context, skb.vlanPresent],
    ['jne', 'r2', 0, 'pass'],
    ['mov', 'r1', context],
    ['mov', 'r2', 0],
    ...addressOf('r3', frame),
    ['mov', 'r4', bytes],
    ['call', helpers.loadBytes],
    ['jne', 'r0', 0, 'pass'],
    ['ldxh', 'r2', stack, ethernet.type],
    ['jne', 'r2', protocol, 'pass'],
    ['ldxb', 'r2', stack, ethernet.source],
    ['jset', 'r2', 1, 'pass'],
    ['mov', length, bytes],
  ];
}

function readArp(): Line[] {
  return [
    'arp:',
    ['ldxw', 'r2', context, skb.length],
    ['jgt', 'r2', ETHERNET_MIN_BYTES, 'pass'],
    ...read(octets(0x08, 0x06), ARP_BYTES),
    ...unlessToUs('request', [
      ['ldxh', 'r2', stack, ethernet.destination],
      ['ldxw', 'r3', stack, ethernet.destination + 2],
      ['jne', 'r2', 0xffff, 'pass'],
      ['jne32', 'r3', -1, 'pass'],
    ]),
    ['ldxdw', 'r2', stack, arp.kind],
    ['lddw', 'r3', wideOctets(0, 1, 0x08, 0, 6, 4, 0, 1)],
    ['jne', 'r2', 'r3', 'pass'],
    ...sameMac(arp.senderMac),
    // A sender may be unspecified (RFC 5227 §1.1), but neither loopback nor a group nor reserved.
    ['ldxb', 'r2', stack, arp.sender],
    ['jeq', 'r2', 127, 'pass'],
    ['jge', 'r2', 224, 'pass'],
    // Sender and target as keys; equal ones are an announcement (RFC 5227 §3).
    ['ldxh', 'r2', stack, arp.sender],
    ['ldxh', 'r3', stack, arp.sender + 2],
    ['lsh', 'r3', 16],
    ['or', 'r2', 'r3'],
    ['ldxw', 'r3', stack, arp.target],
    ['jeq', 'r2', 'r3', 'pass'],
    ['stxw', stack, asker + 12, 'r2'],
    ['stxw', stack, asked + 12, 'r3'],
    ...[asker, asked].flatMap((key): Line[] => [
      ['stdw', stack, key, 0],
      ['stw', stack, key + 8, octets(0, 0, 0xff, 0xff)],
    ]),
    ['ja', 'asked'],
  ];
}

/** RFC 4861 §7.1.1, and the option that says where to send the answer. */
function readSolicitation(): Line[] {
  return [
    'nd:',
    ['ldxw', 'r2', context, skb.length],
    ['jne', 'r2', ND_BYTES, 'pass'],
    ...read(octets(0x86, 0xdd), ND_BYTES),
    // RFC 2464 §7: to a group, and that of IPv6.
    ...unlessToUs('solicitation', [
      ['ldxh', 'r2', stack, ethernet.destination],
      ['jne', 'r2', octets(0x33, 0x33), 'pass'],
    ]),
    ['ldxb', 'r2', stack, ip6.version],
    ['rsh', 'r2', 4],
    ['jne', 'r2', 6, 'pass'],
    // Payload length 32, ICMPv6, hop limit 255; solicitation, code 0; source option of one unit.
    ['ldxw', 'r2', stack, ip6.lengths],
    ['jne32', 'r2', octets(0, 32, 58, 255), 'pass'],
    ['ldxh', 'r2', stack, nd.type],
    ['jne', 'r2', octets(135, 0), 'pass'],
    ['ldxh', 'r2', stack, nd.option],
    ['jne', 'r2', octets(1, 1), 'pass'],
    ...sameMac(ndMac),
    ['ldxb', 'r2', stack, ip6.source],
    ['jeq', 'r2', 0xff, 'pass'],
    ['ldxb', 'r2', stack, nd.target],
    ['jeq', 'r2', 0xff, 'pass'],
    ...toTargetOrItsGroup(),
    ...checksum('r2'),
    ['jne', 'r2', 0xffff, 'pass'],
    ...copy(nd.target, asked),
    ...copy(ip6.source, asker),
    // From the unspecified address it is duplicate detection, which asks for an answer to all nodes.
    ['ldxdw', 'r2', stack, ip6.source],
    ['ldxdw', 'r3', stack, ip6.source + 8],
    ['or', 'r2', 'r3'],
    ['jeq', 'r2', 0, 'pass'],
  ];
}

/** The destination is the target itself or its solicited-node group (RFC 4291 §2.7.1). */
function toTargetOrItsGroup(): Line[] {
  return [
    ['ldxdw', 'r2', stack, ip6.destination],
    ['ldxdw', 'r3', stack, nd.target],
    ['jne', 'r2', 'r3', 'group'],
    ['ldxdw', 'r2', stack, ip6.destination + 8],
    ['ldxdw', 'r3', stack, nd.target + 8],
    ['jeq', 'r2', 'r3', 'destined'],
    ['ja', 'pass'],
    'group:',
    ['jne', 'r2', octets(0xff, 0x02, 0, 0), 'pass'],
    ['ldxw', 'r2', stack, ip6.destination + 8],
    ['jne', 'r2', octets(0, 0, 0, 1), 'pass'],
    ['ldxw', 'r2', stack, ip6.destination + 12],
    ['ldxw', 'r3', stack, nd.target + 12],
    ['or', 'r3', 0xff],
    ['jne', 'r2', 'r3', 'pass'],
    'destined:',
  ];
}

/** Past this the address is ours to answer for on this link, now. */
function whetherOurs(maps: Maps): Line[] {
  return [
    ['ldxw', 'r2', context, skb.ifindex],
    ['stxw', stack, asker + 16, 'r2'],
    ['stxw', stack, asked + 16, 'r2'],
    // Who asks from one of our addresses claims it.
    ...lookup(maps.rows, asker),
    ['jne', 'r0', 0, 'pass'],
    ...lookup(maps.rows, asked),
    ['jeq', 'r0', 0, 'pass'],
    ['ldxw', 'r2', 'r0', 0],
    ['stxw', stack, mode, 'r2'],
    ...lookup(maps.deadlines, mode),
    ['jeq', 'r0', 0, 'pass'],
    ['ldxdw', deadline, 'r0', 0],
    ['call', helpers.bootTimeNs],
    ['jge', 'r0', deadline, 'pass'],
    ['stxdw', stack, answeredNs, 'r0'],
    // What this host's own links send is for the stack alone.
    ['stdw', stack, sender, 0],
    ...store(ethernet.source, sender, 6),
    ...lookup(maps.stations, sender),
    ['jne', 'r0', 0, 'pass'],
    ...lookup(maps.links, asked + 16),
    ['jeq', 'r0', 0, 'pass'],
    ['ldxw', macHigh, 'r0', 0],
    ['ldxh', macLow, 'r0', 4],
  ];
}

function writeArp(): Line[] {
  return [
    ...writeEthernet(),
    ['sth', stack, arp.operation, octets(0, 2)],
    ...copyMac(arp.senderMac, arp.targetMac),
    ...storeMac(arp.senderMac),
    ['ldxw', 'r2', stack, asker + 12],
    ['stxw', stack, arp.target, 'r2'],
    ...store(asked + 12, arp.sender, 4),
  ];
}

/** RFC 4861 §4.4, §7.2.4: solicited and override, and no router. */
function writeAdvertisement(): Line[] {
  return [
    ...writeEthernet(),
    ['stw', stack, ip6.version, octets(0x60, 0, 0, 0)],
    ...copy(ip6.source, ip6.destination),
    ...copy(nd.target, ip6.source),
    ['sth', stack, nd.type, octets(136, 0)],
    ['sth', stack, nd.checksum, 0],
    ['stw', stack, nd.flags, octets(0x60, 0, 0, 0)],
    ['sth', stack, nd.option, octets(2, 1)],
    ...storeMac(ndMac),
    ...checksum('r2'),
    ['xor', 'r2', 0xffff],
    ['stxh', stack, nd.checksum, 'r2'],
  ];
}

function writeEthernet(): Line[] {
  return [...copyMac(ethernet.source, ethernet.destination), ...storeMac(ethernet.source)];
}

function send(maps: Maps): Line[] {
  return [
    ['mov', 'r1', context],
    ['mov', 'r2', 0],
    ...addressOf('r3', frame),
    ['mov', 'r4', length],
    ['mov', 'r5', 0],
    ['call', helpers.storeBytes],
    ['jne', 'r0', 0, 'pass'],
    ...lookup(maps.answers, asked),
    ['jeq', 'r0', 0, 'counted'],
    ['mov', 'r1', 1],
    ['xadd', 'r0', answersAt.count, 'r1'],
    ['ldxdw', 'r1', stack, answeredNs],
    ['stxdw', 'r0', answersAt.lastNs, 'r1'],
    ['ldxdw', 'r1', stack, asker],
    ['stxdw', 'r0', answersAt.address, 'r1'],
    ['ldxdw', 'r1', stack, asker + 8],
    ['stxdw', 'r0', answersAt.address + 8, 'r1'],
    ...[0, 2, 4].flatMap((i): Line[] => [
      ['ldxh', 'r1', stack, ethernet.destination + i],
      ['stxh', 'r0', answersAt.mac + i, 'r1'],
    ]),
    'counted:',
    ['ldxw', 'r1', context, skb.ifindex],
    ['mov', 'r2', 0],
    ['call', helpers.redirect],
    ['exit'],
  ];
}

/** Skips these lines, to the label, for a frame to this very link. */
function unlessToUs(label: string, lines: readonly Line[]): Line[] {
  return [['ldxw', 'r2', context, skb.packetType], ['jeq', 'r2', PACKET_HOST, label], ...lines, `${label}:`];
}

/** In r0 a pointer to the value, or 0. */
function lookup(map: number, key: number): Line[] {
  return [['ldmap', 'r1', map], ...addressOf('r2', key), ['call', helpers.lookup]];
}

function addressOf(to: Register, at: number): Line[] {
  return [
    ['mov', to, stack],
    ['add', to, at],
  ];
}

/** Passes on when the message's MAC is not the one the frame is from, or none: the answer has one place to go. */
function sameMac(at: number): Line[] {
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
function copy(from: number, to: number): Line[] {
  return [0, 8].flatMap((i): Line[] => [
    ['ldxdw', 'r2', stack, from + i],
    ['stxdw', stack, to + i, 'r2'],
  ]);
}

function copyMac(from: number, to: number): Line[] {
  return store(from, to, 6);
}

/** Octets within the stack, two at a time. */
function store(from: number, to: number, bytes: number): Line[] {
  return Array.from({ length: bytes / 2 }, (_, i) => i * 2).flatMap((i): Line[] => [
    ['ldxh', 'r2', stack, from + i],
    ['stxh', stack, to + i, 'r2'],
  ]);
}

/** The link's MAC into the stack. */
function storeMac(at: number): Line[] {
  return [
    ['stxh', stack, at, macHigh],
    ['mov', 'r2', macHigh],
    ['rsh', 'r2', 16],
    ['stxh', stack, at + 2, 'r2'],
    ['stxh', stack, at + 4, macLow],
  ];
}

/** RFC 1071 over the addresses, the pseudo-header's rest and the message with its checksum: 0xffff when that is right. */
function checksum(to: Register): Line[] {
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
