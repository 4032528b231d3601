/**
 * A raw ICMPv6 socket for router solicitations and advertisements (RFC 4861 §4.1, §4.2). Node can neither open nor
 * wait on one, so whoever owns it reads what has queued at times of its own. What is not from this very link never
 * gets that far: a socket filter demands hop limit 255 (RFC 4861 §6.1).
 */
import { IpAddress } from '../net/ip.ts';
import type { Libc } from './libc.ts';
import { AF_INET6, decodeSocketAddress, encodeSocketAddress, int } from './sockaddr.ts';
import { attachFilter } from './socket-filter.ts';

const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0x80000;
const SOCK_NONBLOCK = 0x800;
const IPPROTO_IPV6 = 41;
const IPPROTO_ICMPV6 = 58;
const IPV6_UNICAST_HOPS = 16;
const IPV6_MULTICAST_HOPS = 18;
const IPV6_MULTICAST_LOOP = 19;
const IPV6_JOIN_GROUP = 20;
const ICMPV6_FILTER = 1;
const ROUTER_SOLICITATION = 133;
const ROUTER_ADVERTISEMENT = 134;
const EADDRINUSE = 98;

export const allNodes = group(1n);
export const allRouters = group(2n);

function group(low: bigint): IpAddress {
  return IpAddress.of('ipv6', (0xff02n << 112n) | low);
}

/** `ifindex` is the link it came by. */
export interface ReceivedIcmp {
  readonly bytes: Uint8Array;
  readonly from: IpAddress;
  readonly ifindex: number;
}

export class Icmpv6Socket {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #buffer = new Uint8Array(2048);
  readonly #from = new Uint8Array(28);

  /** Throws SystemError: it takes CAP_NET_RAW. */
  constructor(libc: Libc) {
    this.#libc = libc;
    this.#fd = libc.socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);
    try {
      this.#filterTypes();
      this.#filterHops();
      libc.setsockopt(this.#fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, int(255));
      libc.setsockopt(this.#fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, int(255));
      libc.setsockopt(this.#fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, int(0));
    } catch (error) {
      libc.close(this.#fd);
      throw error;
    }
  }

  /** Hears what is sent to all routers of the link; joining again changes nothing. */
  joinRouters(ifindex: number): void {
    const request = new Uint8Array(20);
    request.set(IpAddress.toBytes(allRouters));
    request.set(int(ifindex), 16);
    try {
      this.#libc.setsockopt(this.#fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, request);
    } catch (error) {
      if (!(error instanceof Error && 'errno' in error && error.errno === EADDRINUSE)) throw error;
    }
  }

  /** The kernel fills in the checksum and its own link-local address as the source. */
  send(bytes: Uint8Array, to: IpAddress, ifindex: number): void {
    this.#libc.sendto(this.#fd, bytes, encodeSocketAddress({ address: to, port: 0, zone: ifindex }));
  }

  /** The next message that waits, valid until the next call; undefined when none does. */
  receive(): ReceivedIcmp | undefined {
    const length = this.#libc.recvfrom(this.#fd, this.#buffer, this.#from);
    const from = length === undefined ? undefined : decodeSocketAddress(this.#from);
    if (from === undefined) return undefined;
    return { bytes: this.#buffer.subarray(0, length), from: from.address, ifindex: from.zone };
  }

  close(): void {
    this.#libc.close(this.#fd);
  }

  /** struct icmp6_filter: a bit a type, set where the type is to be blocked. */
  #filterTypes(): void {
    const blocked = new Uint32Array(8).fill(0xffff_ffff);
    for (const type of [ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT])
      blocked[type >> 5] = (blocked[type >> 5] ?? 0) & ~(1 << (type & 31));
    this.#libc.setsockopt(this.#fd, IPPROTO_ICMPV6, ICMPV6_FILTER, new Uint8Array(blocked.buffer));
  }

  /** Octet 7 of the IPv6 header must be 255. */
  #filterHops(): void {
    attachFilter(this.#libc, this.#fd, [
      [0x30, 0, 0, 0xfff0_0007],
      [0x15, 0, 1, 255],
      [0x06, 0, 0, 0x4_0000],
      [0x06, 0, 0, 0],
    ]);
  }
}
