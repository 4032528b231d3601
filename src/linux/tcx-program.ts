/**
 * The program of the in-kernel responder. It answers an ARP request (RFC 826; probes of RFC 5227 §1.1 as well) and a
 * neighbour solicitation with its source option (RFC 4861 §4.3), at once and in place: the frame is read onto the
 * stack, checked, turned into the answer there, written back and sent out by the link it came from. What it has the
 * least doubt about it passes on as it came, for the packet socket's responder to answer, or to drop under a name:
 * VLAN tags, other hosts' frames, IPv6 extension headers and fragments, a false checksum, solicitations without the
 * option, duplicate detection, a sender that is not who the frame is from, and everything that may be a claim to an
 * address of ours. An address that is held without the store it gives up by itself to who claims it: the thread with
 * the sockets may be late to hear of it.
 */
import type { Line } from './bpf-assembler.ts';
import { answersAt, type Maps, modes } from './tcx-maps.ts';
import {
  ARP_BYTES,
  addressOf,
  answeredNs,
  arp,
  asked,
  asker,
  checksum,
  claimed,
  context,
  copy,
  copyMac,
  deadline,
  ETHERNET_MIN_BYTES,
  ethernet,
  frame,
  helpers,
  ip6,
  length,
  lookup,
  macFirst,
  macLast,
  mode,
  ND_BYTES,
  nd,
  ndMac,
  octets,
  sameMac,
  sender,
  skb,
  stack,
  store,
  storeMac,
  unlessToUs,
  wideOctets,
} from './tcx-stack.ts';

/** What a tcx program returns to leave a frame to the next one: TCX_NEXT. */
const PASS_ON = -1;

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
    ['ja', 'asked'],
    ...readAdvertisement(),
    'claim:',
    ...lookUp(maps, asker),
    ['jeq', 'r0', 0, 'pass'],
    'claimed:',
    ...giveUp(maps),
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
    ['jeq', 'r2', 'r3', 'kind'],
    ['lddw', 'r3', wideOctets(0, 1, 0x08, 0, 6, 4, 0, 2)],
    ['jne', 'r2', 'r3', 'pass'],
    'kind:',
    ...sameMac(arp.senderMac),
    // A sender may be unspecified (RFC 5227 §1.1), but neither loopback nor a group nor reserved.
    ['ldxb', 'r2', stack, arp.sender],
    ['jeq', 'r2', 127, 'pass'],
    ['jge', 'r2', 224, 'pass'],
    // Sender and target as keys; equal ones are an announcement (RFC 5227 §3), and who replies says who he is.
    ['ldxh', 'r2', stack, arp.sender],
    ['ldxh', 'r3', stack, arp.sender + 2],
    ['lsh', 'r3', 16],
    ['or', 'r2', 'r3'],
    ['ldxw', 'r3', stack, arp.target],
    ['stxw', stack, asker + 12, 'r2'],
    ['stxw', stack, asked + 12, 'r3'],
    ...[asker, asked].flatMap((key): Line[] => [
      ['stdw', stack, key, 0],
      ['stw', stack, key + 8, octets(0, 0, 0xff, 0xff)],
    ]),
    ['jeq', 'r2', 'r3', 'claim'],
    ['ldxh', 'r2', stack, arp.operation],
    ['jne', 'r2', octets(0, 1), 'claim'],
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
    ['jeq', 'r2', octets(136, 0), 'advertised'],
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

/** RFC 4861 §4.4, with its option: who has the target. The header has been read. */
function readAdvertisement(): Line[] {
  return [
    'advertised:',
    ['ldxh', 'r2', stack, nd.option],
    ['jne', 'r2', octets(2, 1), 'pass'],
    ...sameMac(ndMac),
    ...checksum('r2'),
    ['jne', 'r2', 0xffff, 'pass'],
    ...copy(nd.target, asker),
  ];
}

/** In r0 the row of the address on this link, or 0. */
function lookUp(maps: Maps, key: number): Line[] {
  return [['ldxw', 'r2', context, skb.ifindex], ['stxw', stack, key + 16, 'r2'], ...lookup(maps.rows, key)];
}

/** The row in r0 is claimed: by another host, and held without the store, it is listened for from now on. */
function giveUp(maps: Maps): Line[] {
  return [
    ['ldxw', 'r2', 'r0', 0],
    ['jne', 'r2', modes.hold, 'pass'],
    ['mov', claimed, 'r0'],
    ...lookUpStation(maps),
    ['jne', 'r0', 0, 'pass'],
    ['stw', claimed, 0, modes.listen],
    ['ja', 'pass'],
  ];
}

/** In r0 something when the frame is from a link of this host. */
function lookUpStation(maps: Maps): Line[] {
  return [['stdw', stack, sender, 0], ...store(ethernet.source, sender, 6), ...lookup(maps.stations, sender)];
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
    // Who asks from one of our addresses claims it.
    ...lookUp(maps, asker),
    ['jne', 'r0', 0, 'claimed'],
    ...lookUp(maps, asked),
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
    ...lookUpStation(maps),
    ['jne', 'r0', 0, 'pass'],
    ...lookup(maps.links, asked + 16),
    ['jeq', 'r0', 0, 'pass'],
    ['ldxw', macFirst, 'r0', 0],
    ['ldxh', macLast, 'r0', 4],
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
