/**
 * IP addresses as values. Text in is what inet_pton(3) accepts and nothing more; text out is canonical (RFC 5952).
 * IPv4-mapped IPv6 addresses are RFC 4291 §2.5.5.2, zone ids RFC 4007 §11.
 */
import { viewOf } from './bytes.ts';

export type Family = 'ipv4' | 'ipv6';

/** `value` is the address as an unsigned number: below 2^32 for IPv4, below 2^128 for IPv6. */
export interface IpAddress {
  readonly family: Family;
  readonly value: bigint;
}

/** An IPv6 address that means something on one link only: `fe80::1%eth0`. */
export interface ZonedAddress {
  readonly address: IpAddress;
  readonly zone: string | undefined;
}

/** Bits in an address of the family. */
export const familyBits = { ipv4: 32, ipv6: 128 } as const satisfies Record<Family, number>;
/** The highest address of the family, which is also the mask of a host prefix. */
export const familyMax = { ipv4: 2n ** 32n - 1n, ipv6: 2n ** 128n - 1n } as const satisfies Record<Family, bigint>;

const MAPPED = 0xffffn << 32n;

export const IpAddress = {
  /** Throws RangeError for a value that the family cannot hold: that is our mistake, never a user's. */
  of(family: Family, value: bigint): IpAddress {
    if (value < 0n || value > familyMax[family]) throw new RangeError(`no ${family} address has the value ${value}`);
    return { family, value };
  },

  /** Undefined for anything inet_pton(3) refuses: leading zeros, blanks, short forms, prefix lengths, zone ids. */
  parse(text: string): IpAddress | undefined {
    const family = text.includes(':') ? 'ipv6' : 'ipv4';
    const value = family === 'ipv6' ? parseIpv6(text) : parseIpv4(text);
    return value === undefined ? undefined : { family, value };
  },

  /** As `parse`, but an IPv6 address may carry a zone id, the name or number of a link: `fe80::1%eth0`. */
  parseZoned(text: string): ZonedAddress | undefined {
    const at = text.indexOf('%');
    const address = IpAddress.parse(at < 0 ? text : text.slice(0, at));
    if (address === undefined || at < 0) return address && { address, zone: undefined };
    const zone = text.slice(at + 1);
    return address.family === 'ipv6' && /^[^\s/:%]{1,15}$/.test(zone) ? { address, zone } : undefined;
  },

  /** RFC 5952: lower case, no leading zeros, the longest run of zero groups shortened, IPv4-mapped with dots (§5). */
  format(address: IpAddress): string {
    return address.family === 'ipv4' ? formatIpv4(Number(address.value)) : formatIpv6(address.value);
  },

  /** Reads 4 or 16 octets in network order at `offset`. Throws ShortReadError when they are not there. */
  fromBytes(family: Family, bytes: Uint8Array, offset = 0): IpAddress {
    const view = viewOf(bytes, offset, familyBits[family] / 8);
    if (family === 'ipv4') return { family, value: BigInt(view.getUint32(0)) };
    return { family, value: (view.getBigUint64(0) << 64n) | view.getBigUint64(8) };
  },

  /** 4 or 16 octets in network order. */
  toBytes(address: IpAddress): Uint8Array {
    if (address.family === 'ipv4') {
      const value = Number(address.value);
      return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
    }
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, address.value >> 64n);
    view.setBigUint64(8, address.value & 0xffff_ffff_ffff_ffffn);
    return bytes;
  },

  /** IPv4 before IPv6, then by value: negative, zero or positive, as Array.sort wants. */
  compare(a: IpAddress, b: IpAddress): number {
    if (a.family !== b.family) return a.family === 'ipv4' ? -1 : 1;
    return a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
  },

  equals(a: IpAddress, b: IpAddress): boolean {
    return a.value === b.value && a.family === b.family;
  },

  /** `::ffff:192.0.2.1` as the IPv4 address it stands for; any other address as it is. */
  unmapped(address: IpAddress): IpAddress {
    if (address.family === 'ipv4' || address.value >> 32n !== 0xffffn) return address;
    return { family: 'ipv4', value: address.value & familyMax.ipv4 };
  },

  /** An IPv4 address in its IPv6 form, `::ffff:192.0.2.1`; an IPv6 address as it is. */
  mapped(address: IpAddress): IpAddress {
    return address.family === 'ipv6' ? address : { family: 'ipv6', value: MAPPED | address.value };
  },

  /** 0.0.0.0 or `::`. */
  isUnspecified(address: IpAddress): boolean {
    return address.value === 0n;
  },

  /** 127.0.0.0/8 (RFC 1122 §3.2.1.3) or `::1`. */
  isLoopback(address: IpAddress): boolean {
    return address.family === 'ipv4' ? address.value >> 24n === 127n : address.value === 1n;
  },

  /** 224.0.0.0/4 (RFC 5771) or ff00::/8. */
  isMulticast(address: IpAddress): boolean {
    return address.family === 'ipv4' ? address.value >> 28n === 0xen : address.value >> 120n === 0xffn;
  },

  /** 169.254.0.0/16 (RFC 3927) or fe80::/10. */
  isLinkLocal(address: IpAddress): boolean {
    return address.family === 'ipv4' ? address.value >> 16n === 0xa9fen : address.value >> 118n === 0x3fan;
  },
};

const DOT = 46;
const ZERO = 48;

/** By character: lists of prefixes have a hundred thousand lines. */
function parseIpv4(text: string): bigint | undefined {
  let value = 0;
  let dots = 0;
  /** Negative before its first digit. */
  let octet = -1;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      if (octet < 0) return undefined;
      value = value * 256 + octet;
      octet = -1;
      dots++;
      continue;
    }
    const digit = code - ZERO;
    // A second digit after 0 would be a leading zero, which inet_pton refuses.
    if (digit < 0 || digit > 9 || octet === 0) return undefined;
    octet = octet < 0 ? digit : octet * 10 + digit;
    if (octet > 255) return undefined;
  }
  return dots === 3 && octet >= 0 ? BigInt(value * 256 + octet) : undefined;
}

function parseIpv6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map(half => (half === '' ? [] : half.split(':')));
  if (head === undefined) return undefined;
  const left = groups(head, tail === undefined);
  const right = tail === undefined ? [] : groups(tail, true);
  if (left === undefined || right === undefined) return undefined;
  const missing = 8 - left.length - right.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  let value = 0n;
  for (const group of [...left, ...new Array<number>(missing).fill(0), ...right])
    value = (value << 16n) | BigInt(group);
  return value;
}

/** The 16-bit groups of one side of `::`; the last one may be written as an IPv4 address (RFC 4291 §2.2.3). */
function groups(parts: readonly string[], atEnd: boolean): number[] | undefined {
  const out: number[] = [];
  for (const [i, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      out.push(Number.parseInt(part, 16));
      continue;
    }
    const embedded = atEnd && i === parts.length - 1 ? parseIpv4(part) : undefined;
    if (embedded === undefined) return undefined;
    out.push(Number(embedded >> 16n), Number(embedded & 0xffffn));
  }
  return out;
}

function formatIpv4(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

function formatIpv6(value: bigint): string {
  if (value >> 32n === 0xffffn) return `::ffff:${formatIpv4(Number(value & familyMax.ipv4))}`;
  const parts: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) parts.push(Number((value >> shift) & 0xffffn));
  const [start, length] = longestZeroRun(parts);
  const text = (from: number, to: number) =>
    parts
      .slice(from, to)
      .map(part => part.toString(16))
      .join(':');
  return length < 2 ? text(0, 8) : `${text(0, start)}::${text(start + length, 8)}`;
}

function longestZeroRun(parts: readonly number[]): [start: number, length: number] {
  let best: [number, number] = [0, 0];
  let start = 0;
  for (const [i, part] of parts.entries()) {
    if (part !== 0) start = i + 1;
    else if (i + 1 - start > best[1]) best = [start, i + 1 - start];
  }
  return best;
}
