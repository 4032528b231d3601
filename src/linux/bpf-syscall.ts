/**
 * bpf(2): maps, programs, tcx links and pins, by file descriptor. Layouts are those of union bpf_attr in linux/bpf.h;
 * octets that a command does not have are zero. Every call returns within microseconds, but for loading a program and
 * attaching it: up to some milliseconds.
 */
import { SystemError } from './libc.ts';

/** Kernel objects by descriptor; every call throws SystemError unless it says otherwise. */
export interface Bpf {
  createMap(shape: MapShape): number;
  /** False when there is no such key; then `into` is as it was. */
  lookup(fd: number, key: Uint8Array, into: Uint8Array): boolean;
  update(fd: number, key: Uint8Array, value: Uint8Array): void;
  /** False when there was no such key. */
  remove(fd: number, key: Uint8Array): boolean;
  /** All keys, unless the map changes meanwhile: then some of them. */
  keys(fd: number, shape: MapShape): Uint8Array[];
  /** A program for the tcx hooks. Throws ProgramRefused when the verifier does. */
  loadProgram(name: string, instructions: Uint8Array): number;
  /** The descriptor of a link that runs the program first of all on what comes in by the interface. */
  attach(program: number, ifindex: number): number;
  /** In one step: every frame meets the one or the other. */
  replaceProgram(link: number, program: number): void;
  /** The interface that a tcx link is on, 0 when it is gone; undefined for another kind of link. */
  linkIfindex(link: number): number | undefined;
  detach(link: number): void;
  pin(fd: number, path: string): void;
  /** A descriptor of what is pinned there, undefined when nothing is. */
  open(path: string): number | undefined;
  close(fd: number): void;
}

export interface MapShape {
  readonly name: string;
  readonly type: keyof typeof mapTypes;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly entriesMax: number;
}

/** The verifier's last words. */
export class ProgramRefused extends Error {
  override name = 'ProgramRefused';
}

const mapTypes = { hash: 1, array: 2 } as const;

const MAP_CREATE = 0;
const MAP_LOOKUP_ELEM = 1;
const MAP_UPDATE_ELEM = 2;
const MAP_DELETE_ELEM = 3;
const MAP_GET_NEXT_KEY = 4;
const PROG_LOAD = 5;
const OBJ_PIN = 6;
const OBJ_GET = 7;
const OBJ_GET_INFO_BY_FD = 15;
const LINK_CREATE = 28;
const LINK_UPDATE = 29;
const LINK_DETACH = 34;

const PROG_TYPE_SCHED_CLS = 3;
const TCX_INGRESS = 46;
const LINK_TYPE_TCX = 11;
/** With no other program named: before all of them. */
const F_BEFORE = 1 << 3;
/** Entries of a hash cost memory when they are there. */
const F_NO_PREALLOC = 1;

const EPERM = 1;
const ENOENT = 2;
const EAGAIN = 11;
const EACCES = 13;
const EINVAL = 22;

const ATTRIBUTE_BYTES = 128;
const LOG_BYTES = 65_536;
/** The verifier breaks off with EAGAIN when a signal comes. */
const LOAD_ATTEMPTS_MAX = 10;

/** bpf(2)'s own number; libc has no name for it. */
const numbers: Partial<Record<string, number>> = { x64: 321, arm64: 280 };

/** A number is a u32, octets are a pointer to them. */
type Field = readonly [at: number, value: number | Uint8Array];

/** Undefined on a machine whose number for bpf(2) is not known here. Rejects when koffi has no build for it. */
export async function loadBpf(): Promise<Bpf | undefined> {
  const number = numbers[process.arch];
  if (number === undefined) return undefined;
  const { default: koffi } = await import('koffi');
  const libc = koffi.load('libc.so.6');
  const syscall = libc.func('long syscall(long, long, void *, long)');
  const close = libc.func('int close(int)');

  /** The result, or the negative errno. */
  const call: Call = (command, fields) => {
    const attribute = new Uint8Array(ATTRIBUTE_BYTES);
    const view = new DataView(attribute.buffer);
    for (const [at, value] of fields)
      if (typeof value === 'number') view.setUint32(at, value, true);
      else view.setBigUint64(at, koffi.address(value), true);
    const result = Number(syscall(number, command, attribute, ATTRIBUTE_BYTES));
    const errno = result < 0 ? koffi.errno() : 0;
    // Looked at after the call, so that what the pointers lead to was alive during it.
    for (const [, value] of fields) if (typeof value !== 'number' && value.length === 0) throw new Error('no octets');
    return result < 0 ? -errno : result;
  };
  return { ...maps(call), ...programs(call), close: fd => void close(fd) };
}

type Call = (command: number, fields: readonly Field[]) => number;

function checked(what: string, result: number): number {
  if (result < 0) throw new SystemError(`bpf(${what})`, -result);
  return result;
}

/** Whether it was there. */
function found(what: string, result: number): boolean {
  return result !== -ENOENT && checked(what, result) >= 0;
}

type MapCalls = Pick<Bpf, 'createMap' | 'lookup' | 'update' | 'remove' | 'keys'>;

function maps(call: Call): MapCalls {
  const next = (fd: number, key: Uint8Array | undefined, into: Uint8Array) =>
    found(
      'MAP_GET_NEXT_KEY',
      call(
        MAP_GET_NEXT_KEY,
        key
          ? [
              [0, fd],
              [8, key],
              [16, into],
            ]
          : [
              [0, fd],
              [16, into],
            ],
      ),
    );
  return {
    createMap: ({ name, type, keyBytes, valueBytes, entriesMax }) =>
      checked(
        'MAP_CREATE',
        call(MAP_CREATE, [
          [0, mapTypes[type]],
          [4, keyBytes],
          [8, valueBytes],
          [12, entriesMax],
          [16, type === 'hash' ? F_NO_PREALLOC : 0],
          ...inline(28, name),
        ]),
      ),
    lookup: (fd, key, into) =>
      found(
        'MAP_LOOKUP_ELEM',
        call(MAP_LOOKUP_ELEM, [
          [0, fd],
          [8, key],
          [16, into],
        ]),
      ),
    update: (fd, key, value) =>
      void checked(
        'MAP_UPDATE_ELEM',
        call(MAP_UPDATE_ELEM, [
          [0, fd],
          [8, key],
          [16, value],
        ]),
      ),
    remove: (fd, key) =>
      found(
        'MAP_DELETE_ELEM',
        call(MAP_DELETE_ELEM, [
          [0, fd],
          [8, key],
        ]),
      ),
    keys(fd, { keyBytes, entriesMax }) {
      const all: Uint8Array[] = [];
      let key: Uint8Array | undefined;
      for (let into = new Uint8Array(keyBytes); all.length < entriesMax && next(fd, key, into); ) {
        all.push(into);
        key = into;
        into = new Uint8Array(keyBytes);
      }
      return all;
    },
  };
}

function programs(call: Call): Omit<Bpf, keyof MapCalls | 'close'> {
  const fieldsOf = (name: string, instructions: Uint8Array): Field[] => [
    [0, PROG_TYPE_SCHED_CLS],
    [4, instructions.length / 8],
    [8, instructions],
    [16, Buffer.from('MIT\0')],
    ...inline(48, name),
    [68, TCX_INGRESS],
  ];
  return {
    loadProgram(name, instructions) {
      const fields = fieldsOf(name, instructions);
      let result = call(PROG_LOAD, fields);
      for (let i = 1; result === -EAGAIN && i < LOAD_ATTEMPTS_MAX; i++) result = call(PROG_LOAD, fields);
      if (result !== -EINVAL && result !== -EACCES) return checked('PROG_LOAD', result);
      const log = new Uint8Array(LOG_BYTES);
      call(PROG_LOAD, [...fields, [24, 1], [28, LOG_BYTES], [32, log]]);
      const words = Buffer.from(log.subarray(0, log.indexOf(0)))
        .toString('latin1')
        .trimEnd()
        .split('\n');
      throw new ProgramRefused(words.slice(-4).join('; '));
    },
    attach: (program, ifindex) =>
      checked(
        'LINK_CREATE',
        call(LINK_CREATE, [
          [0, program],
          [4, ifindex],
          [8, TCX_INGRESS],
          [12, F_BEFORE],
        ]),
      ),
    replaceProgram: (link, program) =>
      void checked(
        'LINK_UPDATE',
        call(LINK_UPDATE, [
          [0, link],
          [4, program],
        ]),
      ),
    linkIfindex(link) {
      const info = infoOf(call, link);
      return info.getUint32(0, true) === LINK_TYPE_TCX ? info.getUint32(16, true) : undefined;
    },
    detach: link => void checked('LINK_DETACH', call(LINK_DETACH, [[0, link]])),
    pin: (fd, path) =>
      void checked(
        'OBJ_PIN',
        call(OBJ_PIN, [
          [0, Buffer.from(`${path}\0`)],
          [8, fd],
        ]),
      ),
    open(path) {
      const result = call(OBJ_GET, [[0, Buffer.from(`${path}\0`)]]);
      return result === -ENOENT ? undefined : checked('OBJ_GET', result);
    },
  };
}

/** struct bpf_link_info. */
function infoOf(call: Call, fd: number): DataView {
  const info = new Uint8Array(ATTRIBUTE_BYTES);
  checked(
    'OBJ_GET_INFO_BY_FD',
    call(OBJ_GET_INFO_BY_FD, [
      [0, fd],
      [4, ATTRIBUTE_BYTES],
      [8, info],
    ]),
  );
  return new DataView(info.buffer);
}

/** A name of up to 15 octets, within the attribute itself. */
function inline(at: number, name: string): Field[] {
  const octets = new Uint8Array(16);
  octets.set(Buffer.from(name, 'latin1').subarray(0, 15));
  const view = new DataView(octets.buffer);
  return [0, 4, 8, 12].map(i => [at + i, view.getUint32(i, true)]);
}

/** Whether it is for want of a capability. */
export function isDenied(error: unknown): boolean {
  return error instanceof SystemError && (error.errno === EPERM || error.errno === EACCES);
}
