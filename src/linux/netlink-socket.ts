/**
 * A NETLINK_ROUTE socket: requests in batches of which only the last is acknowledged (those that fail answer anyway),
 * dumps that are repeated when the kernel says that the set changed under them, and events. Belongs in a worker.
 */
import { type Libc, SystemError } from './libc.ts';
import {
  little,
  NetlinkMessage,
  type NetlinkWriter,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLMSG_DONE,
  NLMSG_ERROR,
} from './netlink.ts';
import { int } from './sockaddr.ts';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0x80000;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
/** Dumps obey the table, the protocol and the link they name. */
const NETLINK_GET_STRICT_CHK = 12;
const EINVAL = 22;
const ENOBUFS = 105;

const receiveBytes = 256 * 1024;
const queueBytesDefault = 4 * 1024 * 1024;
/** A set that changes faster than it can be read is read as it comes after so many tries. */
const dumpTriesMax = 5;

/** `errno` and the kernel's own words, where it has any. */
export interface NetlinkFault {
  readonly seq: number;
  readonly errno: number;
  readonly text: string | undefined;
}

export class NetlinkSocket {
  readonly fd: number;
  readonly #libc: Libc;
  readonly #buffer = new Uint8Array(receiveBytes);
  readonly #from = new Uint8Array(12);
  readonly #kernel = new Uint8Array(12);
  #seq = 0;
  #port = 0;

  /** Throws SystemError. `groups` are RTNLGRP_ numbers to hear of; those that the kernel does not know are silent. */
  constructor(libc: Libc, groups: readonly number[] = [], queueBytes = queueBytesDefault) {
    this.#libc = libc;
    this.fd = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
    new DataView(this.#kernel.buffer).setUint16(0, AF_NETLINK, little);
    try {
      for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK])
        libc.setsockopt(this.fd, SOL_NETLINK, option, int(1));
      this.#setQueue(SO_RCVBUFFORCE, SO_RCVBUF, queueBytes);
      this.#setQueue(SO_SNDBUFFORCE, SO_SNDBUF, queueBytesDefault);
      libc.bind(this.fd, this.#kernel);
      for (const group of groups) this.#join(group);
    } catch (error) {
      libc.close(this.fd);
      throw error;
    }
  }

  close(): void {
    this.#libc.close(this.fd);
  }

  /** What the kernel names as the cause of changes made by this socket; 0 until it has answered something. */
  get port(): number {
    return this.#port;
  }

  nextSeq(): number {
    this.#seq = (this.#seq + 1) >>> 0 || 1;
    return this.#seq;
  }

  /**
   * Sends what the writer holds, whose last message is `lastSeq`, and hears the answers. The faults come in the order
   * of the messages; those without one were done.
   */
  transact(writer: NetlinkWriter, lastSeq: number): readonly NetlinkFault[] {
    if (writer.length === 0) return [];
    writer.flagLast(NLM_F_ACK);
    this.#libc.sendto(this.fd, writer.bytes, this.#kernel);
    const faults: NetlinkFault[] = [];
    for (;;) {
      const bytes = this.#receive();
      // A request is worked on while it is sent: its answers are there when sendto returns.
      if (bytes === undefined) throw new Error('netlink gave no answer');
      for (const message of NetlinkMessage.parse(bytes)) {
        if (message.type !== NLMSG_ERROR) continue;
        const { errno, text } = NetlinkMessage.error(message);
        if (errno !== 0) faults.push({ seq: message.seq, errno, text });
        this.#port = message.port;
        if (message.seq === lastSeq) return faults;
      }
    }
  }

  /**
   * All messages of a dump. `write` writes the request with the flags and the number it is given. `begin` is called
   * before the first message of each try: a set that changed meanwhile is read once more.
   */
  dump(
    writer: NetlinkWriter,
    write: (flags: number, seq: number) => void,
    begin: () => void,
    each: (message: NetlinkMessage) => void,
  ): void {
    for (let tries = 1; ; tries++) {
      const seq = this.nextSeq();
      writer.reset();
      write(NLM_F_DUMP, seq);
      this.#libc.sendto(this.fd, writer.bytes, this.#kernel);
      begin();
      const isExact = this.#readDump(seq, each);
      if (isExact || tries >= dumpTriesMax) return;
    }
  }

  /** The next messages that wait; undefined when none do; 'lost' when the kernel had to drop some. */
  events(): Uint8Array | undefined | 'lost' {
    try {
      return this.#receive();
    } catch (error) {
      if (error instanceof SystemError && error.errno === ENOBUFS) return 'lost';
      throw error;
    }
  }

  #readDump(seq: number, each: (message: NetlinkMessage) => void): boolean {
    let isExact = true;
    for (;;) {
      const bytes = this.#receive();
      if (bytes === undefined) throw new Error('a netlink dump has no end');
      for (const message of NetlinkMessage.parse(bytes)) {
        if (message.seq !== seq) continue;
        this.#port = message.port;
        if (NetlinkMessage.isInterrupted(message)) isExact = false;
        if (message.type === NLMSG_DONE || message.type === NLMSG_ERROR) {
          const { errno, text } = NetlinkMessage.error(message);
          if (errno !== 0) throw new SystemError(`netlink dump${text ? ` (${text})` : ''}`, errno);
          return isExact;
        }
        each(message);
      }
    }
  }

  #join(group: number): void {
    try {
      this.#libc.setsockopt(this.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, int(group));
    } catch (error) {
      if (!(error instanceof SystemError && error.errno === EINVAL)) throw error;
    }
  }

  /** Only what the kernel itself sent. */
  #receive(): Uint8Array | undefined {
    for (;;) {
      const length = this.#libc.recvfrom(this.fd, this.#buffer, this.#from);
      if (length === undefined) return undefined;
      if (new DataView(this.#from.buffer).getUint32(4, little) === 0) return this.#buffer.subarray(0, length);
    }
  }

  #setQueue(forced: number, plain: number, queueBytes: number): void {
    try {
      this.#libc.setsockopt(this.fd, SOL_SOCKET, forced, int(queueBytes));
    } catch {
      // Without CAP_NET_ADMIN it is as much as net.core.rmem_max allows.
      this.#libc.setsockopt(this.fd, SOL_SOCKET, plain, int(queueBytes));
    }
  }
}
