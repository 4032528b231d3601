/**
 * ARP and neighbour discovery frames as a station puts them on the wire, every field open to being wrong; written from
 * RFC 826, RFC 8200 §3 and §8.1, and RFC 4861 §4.3, §4.4, §4.6, not from the codecs under test.
 */

export const broadcastMac = 'ff:ff:ff:ff:ff:ff';
const noMac = '00:00:00:00:00:00';

export interface ArpFields {
  readonly to?: string;
  readonly from: string;
  readonly operation?: number;
  readonly senderMac?: string;
  readonly senderIp: string;
  readonly targetMac?: string;
  readonly targetIp: string;
  readonly hardware?: number;
  readonly protocol?: number;
  /** Octets between the Ethernet addresses and the type, as a VLAN tag is. */
  readonly tag?: Uint8Array;
  /** Whole length of the frame; the least an Ethernet frame has. */
  readonly length?: number;
}

export function arpFrame(fields: ArpFields): Uint8Array {
  const { to = broadcastMac, from, operation = 1, senderMac = from, senderIp, targetMac = noMac, targetIp } = fields;
  const { hardware = 1, protocol = 0x0800, tag = new Uint8Array(0), length = 60 } = fields;
  const octets = [
    ...mac(to),
    ...mac(from),
    ...tag,
    ...u16(0x0806),
    ...u16(hardware),
    ...u16(protocol),
    6,
    4,
    ...u16(operation),
    ...mac(senderMac),
    ...ipv4(senderIp),
    ...mac(targetMac),
    ...ipv4(targetIp),
  ];
  return padded(octets, length);
}

export interface NeighborFields {
  readonly to?: string;
  readonly from: string;
  readonly source: string;
  /** The solicited-node group of the target unless given. */
  readonly destination?: string;
  readonly target: string;
  /** 135 solicitation, 136 advertisement. */
  readonly type?: number;
  readonly code?: number;
  readonly hopLimit?: number;
  /** Upper octet of the word before the target: router, solicited, override. */
  readonly flags?: number;
  /** Options as they go on the wire; the source link-layer address unless given. */
  readonly options?: Uint8Array;
  /** Added to the right checksum. */
  readonly checksumError?: number;
  readonly length?: number;
}

/** A solicitation, or with `type` 136 an advertisement. */
export function neighborFrame(fields: NeighborFields): Uint8Array {
  const { from, source, target, type = 135, code = 0, hopLimit = 255, flags = 0, checksumError = 0 } = fields;
  const { destination = solicitedNode(target), options = linkOption(1, from), length = 0 } = fields;
  const { to = multicastMac(destination) } = fields;
  const body = [type, code, 0, 0, flags, 0, 0, 0, ...ipv6(target), ...options];
  const pseudo = [...ipv6(source), ...ipv6(destination), 0, 0, ...u16(body.length), 0, 0, 0, 58, ...body];
  const sum = (checksum(pseudo) + checksumError) & 0xffff;
  [body[2], body[3]] = [sum >> 8, sum & 255];
  const header = [0x60, 0, 0, 0, ...u16(body.length), 58, hopLimit, ...ipv6(source), ...ipv6(destination)];
  return padded([...mac(to), ...mac(from), ...u16(0x86dd), ...header, ...body], length);
}

/** Option 1 (source) or 2 (target link-layer address), RFC 4861 §4.6.1. */
export function linkOption(type: number, address: string): Uint8Array {
  return Uint8Array.from([type, 1, ...mac(address)]);
}

/** ff02::1:ffXX:XXXX, RFC 4291 §2.7.1. */
export function solicitedNode(target: string): string {
  const octets = ipv6(target);
  const group = (a = 0, b = 0) => ((a << 8) | b).toString(16);
  return `ff02::1:${group(0xff, octets[13])}:${group(octets[14], octets[15])}`;
}

export interface ArpSeen {
  readonly kind: 'arp';
  readonly to: string;
  readonly from: string;
  readonly operation: number;
  readonly senderMac: string;
  readonly senderIp: string;
  readonly targetMac: string;
  readonly targetIp: string;
}

export interface NeighborSeen {
  readonly kind: 'solicitation' | 'advertisement';
  readonly to: string;
  readonly from: string;
  readonly source: string;
  readonly destination: string;
  readonly hopLimit: number;
  readonly target: string;
  /** Of an advertisement: router 4, solicited 2, override 1. */
  readonly flags: number;
  /** The link-layer option, if there is one. */
  readonly option: string | undefined;
  readonly isChecksumRight: boolean;
}

export interface OtherSeen {
  readonly kind: 'other';
  readonly ethertype: number;
  /** Of ICMPv6. */
  readonly icmp: number | undefined;
}

export type Seen = ArpSeen | NeighborSeen | OtherSeen;

export function decodeFrame(frame: Uint8Array): Seen {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const ethertype = view.getUint16(12);
  const ends = { to: macText(frame, 0), from: macText(frame, 6) };
  if (ethertype === 0x0806 && frame.length >= 42)
    return {
      kind: 'arp',
      ...ends,
      operation: view.getUint16(20),
      senderMac: macText(frame, 22),
      senderIp: ipv4Text(frame, 28),
      targetMac: macText(frame, 32),
      targetIp: ipv4Text(frame, 38),
    };
  const icmp = ethertype === 0x86dd && frame[20] === 58 ? frame[54] : undefined;
  if (icmp !== 135 && icmp !== 136) return { kind: 'other', ethertype, icmp };
  const length = view.getUint16(18);
  const body = [...frame.subarray(54, 54 + length)];
  const pseudo = [...frame.subarray(22, 54), 0, 0, ...u16(length), 0, 0, 0, 58, ...body];
  return {
    kind: icmp === 135 ? 'solicitation' : 'advertisement',
    ...ends,
    source: ipv6Text(frame, 22),
    destination: ipv6Text(frame, 38),
    hopLimit: frame[21] ?? 0,
    target: ipv6Text(frame, 62),
    flags: (frame[58] ?? 0) >> 5,
    option: length >= 32 ? macText(frame, 80) : undefined,
    isChecksumRight: checksum(pseudo) === 0,
  };
}

/** RFC 1071; zero over octets that hold their own right checksum. */
function checksum(octets: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < octets.length; i += 2) sum += ((octets[i] ?? 0) << 8) | (octets[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function padded(octets: readonly number[], length: number): Uint8Array {
  const frame = new Uint8Array(Math.max(length, octets.length));
  frame.set(octets);
  return frame;
}

function u16(value: number): [number, number] {
  return [value >> 8, value & 255];
}

function mac(text: string): number[] {
  return text.split(':').map(part => Number.parseInt(part, 16));
}

function macText(bytes: Uint8Array, at: number): string {
  return Array.from(bytes.subarray(at, at + 6), each => each.toString(16).padStart(2, '0')).join(':');
}

function multicastMac(group: string): string {
  return [
    '33',
    '33',
    ...ipv6(group)
      .slice(12)
      .map(each => each.toString(16).padStart(2, '0')),
  ].join(':');
}

function ipv4(text: string): number[] {
  return text.split('.').map(Number);
}

function ipv4Text(bytes: Uint8Array, at: number): string {
  return bytes.subarray(at, at + 4).join('.');
}

function ipv6(text: string): number[] {
  const [left = '', right] = text.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':').map(each => Number.parseInt(each, 16)));
  const [head, tail] = [groups(left), groups(right ?? '')];
  const middle = right === undefined ? [] : new Array<number>(8 - head.length - tail.length).fill(0);
  return [...head, ...middle, ...tail].flatMap(each => u16(each));
}

/** As written in tests: shortened once, at the longest run of zeros. */
function ipv6Text(bytes: Uint8Array, at: number): string {
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[at + 2 * i] ?? 0) << 8) | (bytes[at + 2 * i + 1] ?? 0)).toString(16),
  );
  const text = groups.join(':');
  const runs = [...text.matchAll(/(?:^|:)(?:0(?::|$)){2,}/g)].sort((a, b) => b[0].length - a[0].length);
  const run = runs[0];
  return run === undefined ? text : `${text.slice(0, run.index)}::${text.slice(run.index + run[0].length)}`;
}
