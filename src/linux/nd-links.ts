/**
 * The packet sockets of the links that are answered on, two for each: opened here, read and closed by the thread `nd`.
 * A link that cannot be listened on is tried again every second.
 */
import { type RespondingLink, respondingLink } from '../l2/responder.ts';
import type { ResponderLink } from '../runtime/responder.ts';
import type { Libc } from './libc.ts';
import type { ToNd } from './nd-messages.ts';
import { openPacketSocket, type PacketKind, queueDrops } from './packet-socket.ts';

const RETRY_MS = 1000;
const ENODEV = 19;

interface Listening {
  as: RespondingLink;
  /** Undefined while they cannot be had. */
  sockets: Readonly<Record<PacketKind, number>> | undefined;
  problem: string | undefined;
}

export class NdLinks {
  readonly #libc: Libc;
  readonly #post: (message: ToNd) => void;
  readonly #changed: () => void;
  /** By index. */
  readonly #links = new Map<number, Listening>();
  #queueFull = 0;
  #retry: NodeJS.Timeout | undefined;

  /** `changed` is told when a link that could not be listened on can be now, or the other way round. */
  constructor(libc: Libc, post: (message: ToNd) => void, changed: () => void) {
    this.#libc = libc;
    this.#post = post;
    this.#changed = changed;
  }

  /** Whole set. */
  set(all: readonly ResponderLink[]): void {
    const wanted = new Map(all.map(link => [link.index, link]));
    for (const [index, listening] of this.#links) {
      if (wanted.has(index)) continue;
      this.#close(listening);
      this.#links.delete(index);
    }
    const macs = all.map(link => link.mac);
    for (const link of wanted.values()) {
      const as = respondingLink(link.index, link.mac, macs);
      const listening = this.#links.get(link.index) ?? { as, sockets: undefined, problem: undefined };
      const isOther =
        Buffer.compare(listening.as.mac, as.mac) !== 0 || Buffer.compare(listening.as.ours, as.ours) !== 0;
      this.#links.set(link.index, listening);
      listening.as = as;
      if (listening.sockets === undefined) this.#open(listening);
      else if (isOther) this.#tell(listening);
    }
    this.#arm();
  }

  /** Why nothing is heard on the link; undefined: it is. */
  problem(index: number): string | undefined {
    const listening = this.#links.get(index);
    return listening === undefined ? 'not listened on' : listening.problem;
  }

  /** The kernel's error number; 0 when it took the frame. */
  send(index: number, frame: Uint8Array): number {
    const fd = this.#links.get(index)?.sockets?.arp;
    return fd === undefined ? ENODEV : this.#libc.send(fd, frame, frame.length);
  }

  /** The thread closed this socket: it gave nothing but errors. */
  lost(fd: number, why: string): void {
    for (const listening of this.#links.values()) {
      const { sockets } = listening;
      if (sockets === undefined || (sockets.arp !== fd && sockets.neighbor !== fd)) continue;
      this.#post({ about: 'forget', fd: sockets.arp === fd ? sockets.neighbor : sockets.arp });
      listening.sockets = undefined;
      listening.problem = why;
      this.#arm();
      this.#changed();
    }
  }

  /** Frames that found the queue of a socket full, until now. */
  queueFull(): number {
    for (const { sockets } of this.#links.values())
      if (sockets !== undefined)
        this.#queueFull += queueDrops(this.#libc, sockets.arp) + queueDrops(this.#libc, sockets.neighbor);
    return this.#queueFull;
  }

  close(): void {
    clearTimeout(this.#retry);
    for (const listening of this.#links.values()) this.#close(listening);
    this.#links.clear();
  }

  #open(listening: Listening): void {
    const { index } = listening.as;
    let arp: number | undefined;
    try {
      arp = openPacketSocket(this.#libc, index, 'arp');
      listening.sockets = { arp, neighbor: openPacketSocket(this.#libc, index, 'neighbor') };
      listening.problem = undefined;
      this.#tell(listening);
    } catch (error) {
      if (arp !== undefined) this.#libc.close(arp);
      listening.problem = (error as Error).message;
    }
  }

  #tell({ as, sockets }: Listening): void {
    for (const fd of Object.values(sockets ?? {})) this.#post({ about: 'listen', fd, link: as });
  }

  #close({ sockets }: Listening): void {
    for (const fd of Object.values(sockets ?? {})) this.#post({ about: 'forget', fd });
  }

  #arm(): void {
    const failing = () => [...this.#links.values()].filter(each => each.sockets === undefined);
    if (this.#retry !== undefined || failing().length === 0) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      const before = failing();
      for (const listening of before) this.#open(listening);
      if (failing().length < before.length) this.#changed();
      this.#arm();
    }, RETRY_MS).unref();
  }
}
