/** Requests gathered and sent together, each with what to do when the kernel refuses it. */
import { SystemError } from './libc.ts';
import { NetlinkWriter } from './netlink.ts';
import type { NetlinkSocket } from './netlink-socket.ts';

/** More than these gain nothing, and take the thread from others for longer. */
const batchMax = 256;

/** The kernel's no. */
export interface Refused {
  readonly errno: number;
  /** `EEXIST (File exists)`, or the kernel's own words in the place of those. */
  readonly detail: string;
}

export class NetlinkBatch {
  readonly #socket: NetlinkSocket;
  readonly #writer = new NetlinkWriter();
  readonly #settled: ((refused: Refused | undefined) => void)[] = [];
  #firstSeq = 0;
  #lastSeq = 0;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** `write` writes one message under the number it is given; `settled` is told what came of it when it was sent. */
  add(write: (writer: NetlinkWriter, seq: number) => void, settled: (refused: Refused | undefined) => void): void {
    const seq = this.#socket.nextSeq();
    if (this.#settled.length === 0) {
      this.#writer.reset();
      this.#firstSeq = seq;
    }
    write(this.#writer, seq);
    this.#lastSeq = seq;
    this.#settled.push(settled);
  }

  get isEmpty(): boolean {
    return this.#settled.length === 0;
  }

  get isFull(): boolean {
    return this.#settled.length >= batchMax;
  }

  /** Sends what was gathered. Throws SystemError when netlink itself fails. */
  send(): void {
    const settled = this.#settled.splice(0);
    if (settled.length === 0) return;
    const refused = new Map<number, Refused>();
    for (const { seq, errno, text } of this.#socket.transact(this.#writer, this.#lastSeq)) {
      const { code, message } = new SystemError('netlink', errno);
      refused.set(seq - this.#firstSeq, { errno, detail: `${code} (${text ?? words(message)})` });
    }
    for (const [i, each] of settled.entries()) each(refused.get(i));
  }
}

function words(message: string): string {
  return message.replace(/^netlink: /, '').replace(/ \([A-Z0-9]+\)$/, '');
}
