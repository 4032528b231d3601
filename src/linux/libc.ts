/**
 * The C library through koffi, and nothing else of it than what Herald calls. koffi is loaded by the first `loadLibc`,
 * never by an import: most commands need no socket of their own. Every call here returns at once; one that may block
 * belongs in a worker. `long` results come as numbers, since none of ours passes 2^53.
 */
import { getSystemErrorMap } from 'node:util';
import type { LibraryHandle } from 'koffi';

/** A system call refused. `errno` is the kernel's number, `code` its name (`EADDRINUSE`). */
export class SystemError extends Error {
  override name = 'SystemError';
  readonly call: string;
  readonly errno: number;
  readonly code: string;

  constructor(call: string, errno: number) {
    const [code, words] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, `error ${errno}`];
    super(`${call}: ${words} (${code})`);
    this.call = call;
    this.errno = errno;
    this.code = code;
  }
}

/** File descriptors are numbers; every call throws SystemError unless it says otherwise. */
export interface Libc extends EventCalls {
  socket(domain: number, type: number, protocol: number): number;
  /** Both ends of a connection. */
  socketpair(domain: number, type: number): readonly [number, number];
  close(fd: number): void;
  bind(fd: number, address: Uint8Array): void;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array): void;
  getsockopt(fd: number, level: number, name: number, size: number): Uint8Array;
  sendto(fd: number, bytes: Uint8Array, address: Uint8Array): void;
  /** Octets received into `into` and the sender's address into `address`, or undefined when nothing waits. */
  recvfrom(fd: number, into: Uint8Array, address: Uint8Array): number | undefined;
  /** Sends on a socket that is bound to where it sends. The kernel's error number, 0 when it took the octets. */
  send(fd: number, bytes: Uint8Array, length: number): number;
  /** CLOCK_BOOTTIME in milliseconds and fractions: goes on while the machine sleeps. */
  boottimeMs(): number;
  /** Index of a network interface in this thread's namespace, or 0 when there is none of that name. */
  ifNameToIndex(name: string): number;
  /** The address of a buffer as a number for a C structure. The caller keeps the buffer alive while C may look. */
  addressOf(buffer: Uint8Array): bigint;
}

/** For threads that wait in the kernel. */
interface EventCalls {
  /** A counter that wakes whoever polls it, as `wake` and `rest` raise and clear it. */
  eventfd(): number;
  wake(eventfd: number): void;
  rest(eventfd: number): void;
  epoll(): number;
  /** From now on `epollWait` tells when `fd` is readable, or has an error. A closed descriptor leaves by itself. */
  epollAdd(epoll: number, fd: number): void;
  /**
   * Puts the calling thread ahead of every other at this level (SCHED_FIFO, 1 to 99), or with 0 among the others again.
   * Whether it may.
   */
  realtime(priority: number): boolean;
  /** Blocks: descriptors that are ready, into `ready`; how many. 0 after `timeoutMs`, and when a signal came. */
  epollWait(epoll: number, ready: Int32Array, timeoutMs: number): number;
}

const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const EFD_FLAGS = 0x80800;
const EPOLL_CLOEXEC = 0x80000;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;
/** struct epoll_event { u32 events; u64 data } is packed on x86-64 and nowhere else. */
const [EPOLL_EVENT_SIZE, EPOLL_DATA_AT] = process.arch === 'x64' ? [12, 4] : [16, 8];
const SCHED_OTHER = 0;
const SCHED_FIFO = 1;
const CLOCK_BOOTTIME = 7;
const EINTR = 4;
const EAGAIN = 11;

let loaded: Promise<Libc> | undefined;

/** Rejects when koffi has no build for this machine. */
export function loadLibc(): Promise<Libc> {
  loaded ??= bindLibc();
  return loaded;
}

async function bindLibc(): Promise<Libc> {
  const { default: koffi } = await import('koffi');
  const c = koffi.load('libc.so.6');
  const socket = c.func('int socket(int, int, int)');
  const socketpair = c.func('int socketpair(int, int, int, void *)');
  const close = c.func('int close(int)');
  const bind = c.func('int bind(int, const void *, unsigned int)');
  const setsockopt = c.func('int setsockopt(int, int, int, const void *, unsigned int)');
  const getsockopt = c.func('int getsockopt(int, int, int, void *, void *)');
  const sendto = c.func('long sendto(int, const void *, size_t, int, const void *, unsigned int)');
  const recvfrom = c.func('long recvfrom(int, void *, size_t, int, void *, void *)');
  const send = c.func('long send(int, const void *, size_t, int)');
  const clockGettime = c.func('int clock_gettime(int, void *)');
  const ifNameToIndex = c.func('unsigned int if_nametoindex(const char *)');

  const errno = () => koffi.errno();
  const checked = (call: string, result: number): number => {
    if (result < 0) throw new SystemError(call, errno());
    return result;
  };
  const length = new Uint32Array(1);
  const ends = new Int32Array(2);
  /** struct timespec: two 64-bit numbers, their lower halves first. */
  const time = new Uint32Array(4);

  return {
    socket: (domain, type, protocol) => checked('socket', socket(domain, type, protocol)),
    socketpair(domain, type) {
      checked('socketpair', socketpair(domain, type, 0, ends));
      return [ends[0] as number, ends[1] as number];
    },
    close: fd => void checked('close', close(fd)),
    bind: (fd, address) => void checked('bind', bind(fd, address, address.length)),
    setsockopt(fd, level, name, value) {
      if (setsockopt(fd, level, name, value, value.length) < 0)
        throw new SystemError(`setsockopt(${level}, ${name})`, errno());
    },
    getsockopt(fd, level, name, size) {
      const value = new Uint8Array(size);
      length[0] = size;
      checked(`getsockopt(${level}, ${name})`, getsockopt(fd, level, name, value, length));
      return value.subarray(0, length[0]);
    },
    sendto: (fd, bytes, address) =>
      void checked(
        'sendto',
        Number(sendto(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL, address, address.length)),
      ),
    recvfrom(fd, into, address) {
      length[0] = address.length;
      const got = Number(recvfrom(fd, into, into.length, MSG_DONTWAIT, address, length));
      if (got >= 0) return got;
      if (errno() === EAGAIN || errno() === EINTR) return undefined;
      throw new SystemError('recvfrom', errno());
    },
    send(fd, bytes, octets) {
      return Number(send(fd, bytes, octets, MSG_DONTWAIT | MSG_NOSIGNAL)) < 0 ? errno() : 0;
    },
    ...bindEvents(c, errno, checked),
    boottimeMs() {
      clockGettime(CLOCK_BOOTTIME, time);
      return ((time[0] as number) + (time[1] as number) * 2 ** 32) * 1000 + (time[2] as number) / 1e6;
    },
    ifNameToIndex: name => ifNameToIndex(name),
    addressOf: buffer => koffi.address(buffer),
  };
}

type Checked = (call: string, result: number) => number;

function bindEvents(c: LibraryHandle, errno: () => number, checked: Checked): EventCalls {
  const eventfd = c.func('int eventfd(unsigned int, int)');
  const read = c.func('long read(int, void *, size_t)');
  const write = c.func('long write(int, const void *, size_t)');
  const setScheduler = c.func('int sched_setscheduler(int, int, const void *)');
  const epollCreate = c.func('int epoll_create1(int)');
  const epollCtl = c.func('int epoll_ctl(int, int, int, void *)');
  const epollWait = c.func('int epoll_wait(int, void *, int, int)');

  const counter = new BigUint64Array([1n]);
  const drained = new BigUint64Array(1);
  let events = new DataView(new ArrayBuffer(0));
  return {
    eventfd: () => checked('eventfd', eventfd(0, EFD_FLAGS)),
    wake: fd => void checked('write', Number(write(fd, counter, 8))),
    rest: fd => void read(fd, drained, 8),
    realtime: priority => setScheduler(0, priority > 0 ? SCHED_FIFO : SCHED_OTHER, new Int32Array([priority])) === 0,
    epoll: () => checked('epoll_create1', epollCreate(EPOLL_CLOEXEC)),
    epollAdd(epoll, fd) {
      const event = new DataView(new ArrayBuffer(EPOLL_EVENT_SIZE));
      event.setUint32(0, EPOLLIN, true);
      event.setInt32(EPOLL_DATA_AT, fd, true);
      checked('epoll_ctl', epollCtl(epoll, EPOLL_CTL_ADD, fd, event));
    },
    epollWait(epoll, ready, timeoutMs) {
      if (events.byteLength !== ready.length * EPOLL_EVENT_SIZE)
        events = new DataView(new ArrayBuffer(ready.length * EPOLL_EVENT_SIZE));
      const count = epollWait(epoll, events, ready.length, timeoutMs);
      if (count < 0 && errno() !== EINTR) throw new SystemError('epoll_wait', errno());
      for (let i = 0; i < count; i++) ready[i] = events.getInt32(i * EPOLL_EVENT_SIZE + EPOLL_DATA_AT, true);
      return Math.max(0, count);
    },
  };
}
