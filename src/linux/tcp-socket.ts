/**
 * TCP sockets with what BGP asks of them, made by libc and then handed to Node: TCP MD5 (RFC 2385), GTSM (RFC 5082),
 * TTL, device, source, TCP_USER_TIMEOUT. Node's own sockets can have none of these before connect or listen.
 */
import type { Family, IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import type { Libc } from './libc.ts';
import { SystemError } from './libc.ts';
import { addressFamily, encodeMd5Key, encodeSocketAddress, int, isHost, type Md5Key } from './sockaddr.ts';

const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0x80000;
const SOCK_NONBLOCK = 0x800;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_BINDTODEVICE = 25;
const IPPROTO_IP = 0;
const IPPROTO_TCP = 6;
const IPPROTO_IPV6 = 41;
const IP_TOS = 1;
const IP_FREEBIND = 15;
const IPV6_V6ONLY = 26;
const IPV6_TCLASS = 67;
const IPV6_FREEBIND = 78;
const TCP_NODELAY = 1;
const TCP_MD5SIG = 14;
const TCP_USER_TIMEOUT = 18;
const TCP_MD5SIG_EXT = 32;
/** Internetwork control (RFC 4594 §3.1): DSCP CS6, as routing protocols are marked. */
const CS6 = 0xc0;
const ENOENT = 2;

/** Per family: where the hop limit we send and the least we accept are set. */
const HOPS = {
  ipv4: { level: IPPROTO_IP, ttl: 2, min: 21 },
  ipv6: { level: IPPROTO_IPV6, ttl: 16, min: 73 },
} as const satisfies Record<Family, { level: number; ttl: number; min: number }>;

/** All options that may be missing are left to the kernel. */
export interface TcpSocketOptions {
  readonly family: Family;
  /** Bound to this; `zone` names the interface of a link-local address. */
  readonly local?: { readonly address: IpAddress; readonly port: number; readonly zone?: string | undefined };
  /** Packets leave and arrive by this interface only. */
  readonly device?: string | undefined;
  /** Hop limit of what we send, 1..255. */
  readonly ttl?: number | undefined;
  /** What arrives with less is dropped by the kernel (RFC 5082 §3). */
  readonly ttlMin?: number | undefined;
  readonly md5?: readonly Md5Key[];
  /** The connection fails when data, or a SYN, stays unacknowledged for this long. */
  readonly userTimeoutMs?: number | undefined;
  /** The local address need not be there yet. */
  readonly freeBind?: boolean;
}

/** The new socket's descriptor, not blocking, bound but neither connected nor listening. Throws SystemError. */
export function openTcpSocket(libc: Libc, options: TcpSocketOptions): number {
  const { family } = options;
  const fd = libc.socket(addressFamily(family), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
  try {
    libc.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, int(1));
    // Accepted connections have what their listener has, this and the marking among it.
    libc.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, int(1));
    if (family === 'ipv6') libc.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, int(1));
    if (family === 'ipv4') libc.setsockopt(fd, IPPROTO_IP, IP_TOS, int(CS6));
    else libc.setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, int(CS6));
    if (options.device !== undefined)
      libc.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, new TextEncoder().encode(`${options.device}\0`));
    if (options.freeBind === true)
      libc.setsockopt(fd, HOPS[family].level, family === 'ipv4' ? IP_FREEBIND : IPV6_FREEBIND, int(1));
    setHops(libc, fd, family, options);
    if (options.userTimeoutMs !== undefined)
      libc.setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, int(options.userTimeoutMs));
    for (const key of options.md5 ?? []) setMd5Key(libc, fd, key);
    if (options.local !== undefined) libc.bind(fd, localAddress(libc, options.local));
    return fd;
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

/** Also for a connection that was accepted and is known only now. */
export function setHops(
  libc: Libc,
  fd: number,
  family: Family,
  options: Pick<TcpSocketOptions, 'ttl' | 'ttlMin'>,
): void {
  const { level, ttl, min } = HOPS[family];
  if (options.ttl !== undefined) libc.setsockopt(fd, level, ttl, int(options.ttl));
  if (options.ttlMin !== undefined) libc.setsockopt(fd, level, min, int(options.ttlMin));
}

/** Adds, replaces or (empty key) takes away a key, on a listening socket too. */
export function setMd5Key(libc: Libc, fd: number, key: Md5Key): void {
  try {
    libc.setsockopt(fd, IPPROTO_TCP, isHost(key.peers) ? TCP_MD5SIG : TCP_MD5SIG_EXT, encodeMd5Key(key));
  } catch (error) {
    if (key.key.length === 0 && error instanceof SystemError && error.errno === ENOENT) return;
    throw new Error(`MD5 key for ${Prefix.format(key.peers)}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}

function localAddress(libc: Libc, local: NonNullable<TcpSocketOptions['local']>): Uint8Array {
  const zone = local.zone === undefined ? 0 : libc.ifNameToIndex(local.zone);
  if (zone === 0 && local.zone !== undefined) throw new Error(`no interface is called ${local.zone}`);
  return encodeSocketAddress({ address: local.address, port: local.port, zone });
}
