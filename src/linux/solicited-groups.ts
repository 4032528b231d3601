/**
 * Membership in the solicited-node groups of addresses that this host answers for and does not have (RFC 4291 §2.7.1):
 * by sockets of the host's own IPv6, so that it reports them to snooping switches (RFC 3810) and to the device's
 * filter. Many addresses share a group; a socket holds as many groups as its option memory allows.
 */
import { IpAddress } from '../net/ip.ts';
import { type Libc, SystemError } from './libc.ts';
import { AF_INET6, int } from './sockaddr.ts';

const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0x80000;
const IPPROTO_IPV6 = 41;
const IPV6_JOIN_GROUP = 20;
const IPV6_LEAVE_GROUP = 21;
const ENOMEM = 12;
/** Joined or left in one go; a join takes the kernel some 50 us. */
const SLICE_MAX = 64;
/** A group that could not be joined is tried again no sooner. */
const RETRY_MS = 1000;

export interface SolicitedGroup {
  /** Index of the link. */
  readonly link: number;
  readonly group: IpAddress;
}

export class SolicitedGroups {
  readonly #libc: Libc;
  readonly #sockets: number[] = [];
  readonly #joined = new Map<string, { readonly fd: number; readonly request: Uint8Array }>();
  #wanted = new Map<string, SolicitedGroup>();
  readonly #problems = new Map<number, string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /** Whole set; the first few are joined when it returns, the others soon after. */
  set(groups: Iterable<SolicitedGroup>): void {
    this.#wanted = new Map(Array.from(groups, each => [`${each.link} ${each.group.value}`, each]));
    this.#turn();
  }

  /** Per link why not all of its groups were joined. */
  get problems(): ReadonlyMap<number, string> {
    return this.#problems;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#wanted.clear();
    this.#joined.clear();
    for (const fd of this.#sockets.splice(0)) this.#libc.close(fd);
  }

  #turn(): void {
    clearTimeout(this.#timer);
    let left = SLICE_MAX;
    this.#problems.clear();
    for (const [key, { fd, request }] of this.#joined) {
      if (this.#wanted.has(key)) continue;
      if (left-- === 0) break;
      this.#leave(fd, request);
      this.#joined.delete(key);
    }
    for (const [key, wanted] of this.#wanted) {
      if (left <= 0) break;
      if (this.#joined.has(key) || this.#problems.has(wanted.link)) continue;
      left--;
      try {
        this.#join(key, wanted);
      } catch (error) {
        // One try a turn for each link: what fails for one group fails for the next.
        this.#problems.set(wanted.link, `multicast groups cannot be joined: ${(error as Error).message}`);
      }
    }
    const delayMs = left <= 0 ? 0 : this.#problems.size > 0 ? RETRY_MS : undefined;
    this.#timer = delayMs === undefined ? undefined : setTimeout(() => this.#turn(), delayMs).unref();
  }

  #join(key: string, { link, group }: SolicitedGroup): void {
    const request = new Uint8Array(20);
    request.set(IpAddress.toBytes(group));
    request.set(int(link), 16);
    let fd = this.#sockets.at(-1) ?? this.#open();
    try {
      this.#libc.setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, request);
    } catch (error) {
      if (!(error instanceof SystemError) || error.errno !== ENOMEM) throw error;
      fd = this.#open();
      this.#libc.setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, request);
    }
    this.#joined.set(key, { fd, request });
  }

  /** The membership may be gone, with its link. */
  #leave(fd: number, request: Uint8Array): void {
    try {
      this.#libc.setsockopt(fd, IPPROTO_IPV6, IPV6_LEAVE_GROUP, request);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
    }
  }

  #open(): number {
    const fd = this.#libc.socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    this.#sockets.push(fd);
    return fd;
  }
}
