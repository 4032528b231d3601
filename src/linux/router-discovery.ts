/**
 * Finds the router at the other end of a link, for peers that are configured by interface alone: advertises ourselves,
 * hears others (RFC 4861 §6.2). Faster while nobody has answered, and at once when asked.
 */
import { networkInterfaces } from 'node:os';
import {
  ADVERTISE_FAST_MS,
  ADVERTISE_MS,
  decodeNeighborMessage,
  encodeRouterAdvertisement,
  encodeRouterSolicitation,
  SILENCE_MS,
} from '../bgp/router-advertisement.ts';
import { IpAddress } from '../net/ip.ts';
import { Mac } from '../net/mac.ts';
import type { Clock } from '../runtime/ports.ts';
import { allNodes, allRouters, Icmpv6Socket } from './icmpv6-socket.ts';
import type { Libc } from './libc.ts';

const READ_EVERY_MS = 100;
const READS_MAX = 64;

/** `address` is undefined when the router that was known has been silent for too long. */
export type NeighborChange = (link: string, address: IpAddress | undefined) => void;

interface Watched {
  ifindex: number;
  nextSendMs: number;
  neighbor: IpAddress | undefined;
  heardMs: number;
}

export class RouterDiscovery {
  readonly #libc: Libc;
  readonly #clock: Clock;
  readonly #changed: NeighborChange;
  readonly #links = new Map<string, Watched>();
  #socket: Icmpv6Socket | undefined;
  #cancel: (() => void) | undefined;

  constructor(libc: Libc, clock: Clock, changed: NeighborChange) {
    this.#libc = libc;
    this.#clock = clock;
    this.#changed = changed;
  }

  /** All links to be watched. Throws SystemError when the raw socket is refused. */
  watch(links: readonly string[]): void {
    for (const name of this.#links.keys()) if (!links.includes(name)) this.#links.delete(name);
    if (links.length === 0) {
      this.close();
      return;
    }
    this.#socket ??= new Icmpv6Socket(this.#libc);
    for (const name of links)
      if (!this.#links.has(name)) this.#links.set(name, { ifindex: 0, nextSendMs: 0, neighbor: undefined, heardMs: 0 });
    if (this.#cancel === undefined) this.#turn(this.#socket);
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#socket?.close();
    this.#socket = undefined;
    this.#links.clear();
  }

  #turn(socket: Icmpv6Socket): void {
    const nowMs = this.#clock.nowMs();
    for (const [name, link] of this.#links) this.#tend(socket, name, link, nowMs);
    for (let i = 0; i < READS_MAX; i++) {
      const received = socket.receive();
      if (received === undefined) break;
      this.#hear(received.bytes, received.from, received.ifindex, nowMs);
    }
    // A change may have closed us.
    if (this.#socket === socket) this.#cancel = this.#clock.after(READ_EVERY_MS, () => this.#turn(socket));
  }

  #tend(socket: Icmpv6Socket, name: string, link: Watched, nowMs: number): void {
    if (link.neighbor !== undefined && nowMs - link.heardMs > SILENCE_MS) {
      link.neighbor = undefined;
      this.#changed(name, undefined);
    }
    if (nowMs < link.nextSendMs) return;
    link.nextSendMs = nowMs + (link.neighbor === undefined ? ADVERTISE_FAST_MS : ADVERTISE_MS);
    // An interface may come, go and come back under another index.
    const ifindex = this.#libc.ifNameToIndex(name);
    if (ifindex === 0) return;
    try {
      if (ifindex !== link.ifindex) socket.joinRouters(ifindex);
      link.ifindex = ifindex;
      if (link.neighbor === undefined) socket.send(encodeRouterSolicitation(), allRouters, ifindex);
      socket.send(encodeRouterAdvertisement(macOf(name)), allNodes, ifindex);
    } catch {
      // No link-local address yet, or the link is down: the next turn tries again.
      link.nextSendMs = nowMs + ADVERTISE_FAST_MS;
    }
  }

  #hear(bytes: Uint8Array, from: IpAddress, ifindex: number, nowMs: number): void {
    const found = [...this.#links].find(([, link]) => link.ifindex === ifindex);
    const message = found && decodeNeighborMessage(bytes);
    if (found === undefined || message === undefined) return;
    const [name, link] = found;
    if (message.type === 'solicitation') {
      link.nextSendMs = Math.min(link.nextSendMs, nowMs);
      return;
    }
    if (!IpAddress.isLinkLocal(from)) return;
    // A second router on the link does not take the place of one that is still heard.
    const known = link.neighbor;
    if (known !== undefined && !IpAddress.equals(known, from)) return;
    link.heardMs = nowMs;
    link.neighbor = from;
    if (known !== undefined) return;
    link.nextSendMs = Math.min(link.nextSendMs, nowMs);
    this.#changed(name, from);
  }
}

function macOf(link: string): Mac | undefined {
  const text = networkInterfaces()[link]?.find(each => each.mac !== '00:00:00:00:00:00')?.mac;
  return text === undefined ? undefined : Mac.parse(text);
}
