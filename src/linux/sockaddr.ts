/** C structures that TCP over IP needs, as bytes: sockaddr_in, sockaddr_in6, tcp_md5sig (linux/tcp.h). */
import { endianness } from 'node:os';
import { type Family, familyBits, IpAddress } from '../net/ip.ts';
import type { Prefix } from '../net/prefix.ts';

const AF_INET = 2;
export const AF_INET6 = 10;
const little = endianness() === 'LE';

/** `zone` is an interface index, 0 where the address needs none. */
export interface SocketAddress {
  readonly address: IpAddress;
  readonly port: number;
  readonly zone: number;
}

export function addressFamily(family: Family): number {
  return family === 'ipv4' ? AF_INET : AF_INET6;
}

const ints = new Map<number, Uint8Array>();

/** An int in the machine's own order, as most socket options want; for reading only. There are few. */
export function int(value: number): Uint8Array {
  const known = ints.get(value);
  if (known !== undefined) return known;
  const bytes = new Uint8Array(Int32Array.of(value).buffer);
  ints.set(value, bytes);
  return bytes;
}

/** sockaddr_in is 16 octets, sockaddr_in6 28. */
export function encodeSocketAddress(from: SocketAddress): Uint8Array {
  const v4 = from.address.family === 'ipv4';
  const bytes = new Uint8Array(v4 ? 16 : 28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, addressFamily(from.address.family), little);
  view.setUint16(2, from.port);
  bytes.set(IpAddress.toBytes(from.address), v4 ? 4 : 8);
  if (!v4) view.setUint32(24, from.zone, little);
  return bytes;
}

/** Undefined for any other family. */
export function decodeSocketAddress(bytes: Uint8Array): SocketAddress | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const family = view.getUint16(0, little);
  if (family === AF_INET) return { address: IpAddress.fromBytes('ipv4', bytes, 4), port: view.getUint16(2), zone: 0 };
  if (family !== AF_INET6) return undefined;
  return { address: IpAddress.fromBytes('ipv6', bytes, 8), port: view.getUint16(2), zone: view.getUint32(24, little) };
}

const TCP_MD5_KEY_MAX = 80;
const TCP_MD5SIG_FLAG_PREFIX = 1;

/** One key of RFC 2385 and the peers it holds for. An empty key takes the peer's key away. */
export interface Md5Key {
  readonly peers: Prefix;
  readonly key: Uint8Array;
}

/**
 * struct tcp_md5sig, for TCP_MD5SIG when one host is meant and TCP_MD5SIG_EXT when a whole prefix is.
 * Throws RangeError for a key over 80 octets: the configuration has refused it long before.
 */
export function encodeMd5Key({ peers, key }: Md5Key): Uint8Array {
  if (key.length > TCP_MD5_KEY_MAX) throw new RangeError(`an MD5 key of ${key.length} octets`);
  const bytes = new Uint8Array(216);
  const view = new DataView(bytes.buffer);
  bytes.set(encodeSocketAddress({ address: peers.address, port: 0, zone: 0 }));
  if (!isHost(peers)) {
    bytes[128] = TCP_MD5SIG_FLAG_PREFIX;
    bytes[129] = peers.length;
  }
  view.setUint16(130, key.length, little);
  bytes.set(key, 136);
  return bytes;
}

export function isHost(prefix: Prefix): boolean {
  return prefix.length === familyBits[prefix.address.family];
}
