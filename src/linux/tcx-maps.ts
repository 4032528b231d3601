/**
 * What the in-kernel responder and its agent share: the layouts of the maps. Numbers are in the machine's order,
 * which is little-endian; addresses and MACs are in network order, an IPv4 address in its mapped IPv6 form.
 */

import type { OwnedRow } from '../l2/address-table.ts';
import { IpAddress } from '../net/ip.ts';
import { Mac } from '../net/mac.ts';
import type { MapShape } from './bpf-syscall.ts';

/** Changed with every change of the maps: agents share maps with those of the same version only. */
export const layoutVersion = 'v1';

const KEY_BYTES = 20;
const ROW_BYTES = 4;
const ANSWERS_BYTES = 40;
const ROWS_MAX = 65_536;
const LINKS_MAX = 4096;

/** Where the parts of an entry of `answers` are. */
export const answersAt = { count: 0, lastNs: 8, address: 16, mac: 32 } as const;

/** The place of each mode in `deadlines`, where `listen` has none, and its number in `rows`. */
export const modes = { session: 0, hold: 1, listen: 2 } as const satisfies Record<OwnedRow['mode'], number>;

export const mapShapes = {
  /** address of 16 octets, u32 ifindex → u32 mode. Written by the agent; the program turns `hold` into `listen`. */
  rows: { name: 'herald_rows', type: 'hash', keyBytes: KEY_BYTES, valueBytes: ROW_BYTES, entriesMax: ROWS_MAX },
  /** u32 mode → u64 nanoseconds of CLOCK_BOOTTIME. */
  deadlines: { name: 'herald_until', type: 'array', keyBytes: 4, valueBytes: 8, entriesMax: 2 },
  /** u32 ifindex → MAC of the link, two octets unused. */
  links: { name: 'herald_links', type: 'hash', keyBytes: 4, valueBytes: 8, entriesMax: LINKS_MAX },
  /** MAC of each link of this host, two octets zero → nothing. */
  stations: { name: 'herald_macs', type: 'hash', keyBytes: 8, valueBytes: 4, entriesMax: LINKS_MAX },
  /** Key of a row → what `answersAt` says. Written by the program. */
  answers: {
    name: 'herald_answers',
    type: 'hash',
    keyBytes: KEY_BYTES,
    valueBytes: ANSWERS_BYTES,
    entriesMax: ROWS_MAX,
  },
} as const satisfies Record<string, MapShape>;

export type MapName = keyof typeof mapShapes;
/** Descriptors. */
export type Maps = Readonly<Record<MapName, number>>;

/** `address` is 4 or 16 octets. */
export function rowKey(link: number, address: Uint8Array): Uint8Array {
  const key = new Uint8Array(KEY_BYTES);
  if (address.length === 4) key.fill(0xff, 10, 12);
  key.set(address, 16 - address.length);
  new DataView(key.buffer).setUint32(16, link, true);
  return key;
}

export function keyOf({ link, address }: Pick<OwnedRow, 'link' | 'address'>): Uint8Array {
  return rowKey(link, IpAddress.toBytes(address));
}

export function readKey(key: Uint8Array): Pick<OwnedRow, 'link' | 'address'> {
  return { link: viewOf(key).getUint32(16, true), address: addressAt(key, 0) };
}

export function modeValue(mode: OwnedRow['mode']): Uint8Array {
  return word(modes[mode]);
}

/** Undefined for what no Herald wrote. */
export function readMode(value: Uint8Array): OwnedRow['mode'] | undefined {
  const found = viewOf(value).getUint32(0, true);
  return (Object.keys(modes) as (keyof typeof modes)[]).find(mode => modes[mode] === found);
}

/** Rounded down, for a deadline may come early and never late. */
export function deadlineValue(ms: number): Uint8Array {
  const value = new Uint8Array(8);
  viewOf(value).setBigUint64(0, BigInt(Math.floor(Math.max(0, ms) * 1e6)), true);
  return value;
}

export function readDeadline(value: Uint8Array): number {
  return Number(viewOf(value).getBigUint64(0, true)) / 1e6;
}

/** Value of `links`, key of `stations`. */
export function macValue(mac: Mac): Uint8Array {
  const value = new Uint8Array(mapShapes.links.valueBytes);
  value.set(Mac.toBytes(mac));
  return value;
}

/** `last` is undefined before the first answer. */
export interface Answers {
  readonly answers: number;
  readonly last: { readonly asker: IpAddress; readonly mac: Mac; readonly atMs: number } | undefined;
}

export function readAnswers(value: Uint8Array): Answers {
  const view = viewOf(value);
  const answers = Number(view.getBigUint64(answersAt.count, true));
  const atMs = Number(view.getBigUint64(answersAt.lastNs, true)) / 1e6;
  const last = { asker: addressAt(value, answersAt.address), mac: Mac.fromBytes(value, answersAt.mac), atMs };
  return { answers, last: answers === 0 ? undefined : last };
}

export function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value, true);
  return bytes;
}

function addressAt(bytes: Uint8Array, at: number): IpAddress {
  return IpAddress.unmapped(IpAddress.fromBytes('ipv6', bytes, at));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
