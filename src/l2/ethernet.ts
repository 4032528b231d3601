/** Ethernet II frames as ARP and NDP use them: offsets, octets read and written in place, the head of what we send. */
import type { Mac } from '../net/mac.ts';

export const ETHERNET_OCTETS = 14;
export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_IPV6 = 0x86dd;
/** IEEE 802.1Q, 802.1ad, and what came before it. */
export const VLAN_ETHERTYPES: readonly number[] = [0x8100, 0x88a8, 0x9100];
/** Where the parts are. */
export const ETHERNET = { destination: 0, source: 6, type: 12 } as const;

export function u8(bytes: Uint8Array, at: number): number {
  return bytes[at] as number;
}

export function u16(bytes: Uint8Array, at: number): number {
  return (u8(bytes, at) << 8) | u8(bytes, at + 1);
}

export function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

/** Octets from one place to another, without a view between. */
export function copy(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, octets: number): void {
  for (let i = 0; i < octets; i++) to[toAt + i] = u8(from, fromAt + i);
}

export function same(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number, octets: number): boolean {
  for (let i = 0; i < octets; i++) if (a[aAt + i] !== b[bAt + i]) return false;
  return true;
}

export function allAre(bytes: Uint8Array, at: number, octets: number, value: number): boolean {
  for (let i = 0; i < octets; i++) if (bytes[at + i] !== value) return false;
  return true;
}

export function putMac(bytes: Uint8Array, at: number, mac: Mac): void {
  let rest = mac.value;
  for (let i = 5; i >= 0; i--) {
    bytes[at + i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}

/** A frame of `octets` with its head written. */
export function newFrame(octets: number, destination: Mac, source: Mac, type: number): Uint8Array {
  const frame = new Uint8Array(octets);
  putMac(frame, ETHERNET.destination, destination);
  putMac(frame, ETHERNET.source, source);
  putU16(frame, ETHERNET.type, type);
  return frame;
}
