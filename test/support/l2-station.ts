/** Another machine on an Ethernet segment: sends any frame, and keeps every ARP and ICMPv6 frame that reaches it. */
import type { Libc } from '../../src/linux/libc.ts';
import { int } from '../../src/linux/sockaddr.ts';
import { attachFilter } from '../../src/linux/socket-filter.ts';
import { decodeFrame, type Seen } from './l2-frames.ts';
import type { Namespace } from './netns.ts';
import { eventually } from './wait.ts';
import { within } from './within-namespace.ts';

const AF_PACKET = 17;
const SOCK_RAW_NONBLOCK = 0x803;
const ETH_P_ALL = 3;
const SOL_PACKET = 263;
const PACKET_IGNORE_OUTGOING = 23;

export class Station {
  readonly mac: string;
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #buffer = new Uint8Array(10_000);
  readonly #seen: Seen[] = [];

  constructor(libc: Libc, namespace: Namespace, link: string) {
    this.#libc = libc;
    this.mac = /link\/ether (\S+)/.exec(namespace.ip('link', 'show', 'dev', link))?.[1] ?? '';
    this.#fd = within(namespace, () => {
      const fd = libc.socket(AF_PACKET, SOCK_RAW_NONBLOCK, 0);
      attachFilter(libc, fd, [
        [0x28, 0, 0, 12],
        [0x15, 3, 0, 0x0806],
        [0x15, 0, 3, 0x86dd],
        [0x30, 0, 0, 20],
        [0x15, 0, 1, 58],
        [0x06, 0, 0, 0x4_0000],
        [0x06, 0, 0, 0],
      ]);
      libc.setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, int(1));
      const address = new Uint8Array(20);
      const view = new DataView(address.buffer);
      view.setUint16(0, AF_PACKET, true);
      view.setUint16(2, ETH_P_ALL);
      view.setInt32(4, libc.ifNameToIndex(link), true);
      libc.bind(fd, address);
      return fd;
    });
  }

  send(frame: Uint8Array): void {
    const errno = this.#libc.send(this.#fd, frame, frame.length);
    if (errno !== 0) throw new Error(`sending a frame of ${frame.length} octets: errno ${errno}`);
  }

  /** Everything that came, in order; asks the kernel for what is new. */
  get seen(): readonly Seen[] {
    for (;;) {
      const length = this.#libc.recvfrom(this.#fd, this.#buffer, new Uint8Array(20));
      if (length === undefined) return this.#seen;
      this.#seen.push(decodeFrame(this.#buffer.slice(0, length)));
    }
  }

  /** Forgets what came until now. */
  forget(): void {
    if (this.seen.length > 0) this.#seen.length = 0;
  }

  /** Rejects when no such frame comes, or came since the last `forget`. */
  sees<S extends Seen>(what: string, is: (seen: Seen) => seen is S): Promise<S> {
    return eventually(what, () => this.seen.find(is), { everyMs: 2, detail: () => JSON.stringify(this.#seen) });
  }

  close(): void {
    this.#libc.close(this.#fd);
  }
}
