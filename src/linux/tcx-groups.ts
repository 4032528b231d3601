/**
 * Lets a link receive what is sent to the solicited-node groups of rows (RFC 4291 §2.7.1, RFC 2464 §7) with no process
 * there: the in-kernel responder goes on when its agent is gone, but the agent's group memberships and ALLMULTI went
 * with its sockets, and a device that filters multicast would keep every question from the program. Entries of the
 * device's own filter (SIOCADDMULTI, netdevice(7)) stay until they are taken out or the device goes. They send no MLD:
 * behind a switch that snoops it, what counts is the membership, and the switch's patience until it is renewed.
 */

import type { OwnedRow } from '../l2/address-table.ts';
import { solicitedNode } from '../l2/ndp.ts';
import { Mac } from '../net/mac.ts';
import { type Libc, loadLibc } from './libc.ts';

type Place = Pick<OwnedRow, 'link' | 'address'>;

const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 0x80002;
const SIOCGIFNAME = 0x8910;
const SIOCADDMULTI = 0x8931;
const SIOCDELMULTI = 0x8932;
/** struct ifreq { char name[16]; s32 index | struct sockaddr { u16 family; u8 octets[14] } hardware; … } */
const IFREQ_BYTES = 40;
const IFREQ_VALUE_AT = 16;
const IFREQ_OCTETS_AT = 18;

type Ioctl = (fd: number, request: number, ifreq: Uint8Array) => number;

/** What opens filters for the calling thread's network namespace. Rejects when koffi has no build for this machine. */
export async function loadGroupFilters(): Promise<() => GroupFilters> {
  const libc = await loadLibc();
  const { default: koffi } = await import('koffi');
  const ioctl: Ioctl = koffi.load('libc.so.6').func('int ioctl(int, unsigned long, void *)');
  return () => new GroupFilters(libc, ioctl);
}

export class GroupFilters {
  readonly #libc: Libc;
  readonly #ioctl: Ioctl;
  readonly #fd: number;
  /** Link and group by the text of both. */
  #now = new Map<string, Entry>();

  constructor(libc: Libc, ioctl: Ioctl) {
    this.#libc = libc;
    this.#ioctl = ioctl;
    this.#fd = libc.socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0);
  }

  /** Takes entries for these rows as made already, by a former process. */
  found(rows: Iterable<Place>): void {
    for (const [key, entry] of entriesOf(rows)) this.#now.set(key, entry);
  }

  /** The whole set; only IPv6. A device that cannot filter takes everything, and one that is gone needs nothing. */
  set(rows: Iterable<Place>): void {
    const wanted = entriesOf(rows);
    for (const [key, entry] of this.#now) if (!wanted.has(key)) this.#change(SIOCDELMULTI, entry);
    for (const [key, entry] of wanted) if (!this.#now.has(key)) this.#change(SIOCADDMULTI, entry);
    this.#now = wanted;
  }

  /** The link is another one under this index: nothing of ours is in its filter. */
  forget(link: number): void {
    for (const [key, entry] of this.#now) if (entry.link === link) this.#now.delete(key);
  }

  close(): void {
    this.#libc.close(this.#fd);
  }

  #change(request: number, { link, group }: Entry): void {
    const ifreq = new Uint8Array(IFREQ_BYTES);
    new DataView(ifreq.buffer).setInt32(IFREQ_VALUE_AT, link, true);
    if (this.#ioctl(this.#fd, SIOCGIFNAME, ifreq) < 0) return;
    ifreq.fill(0, IFREQ_VALUE_AT);
    ifreq.set(Mac.toBytes(group), IFREQ_OCTETS_AT);
    this.#ioctl(this.#fd, request, ifreq);
  }
}

interface Entry {
  readonly link: number;
  readonly group: Mac;
}

function entriesOf(rows: Iterable<Place>): Map<string, Entry> {
  const all = new Map<string, Entry>();
  for (const { link, address } of rows) {
    if (address.family !== 'ipv6') continue;
    const group = Mac.ofMulticast(solicitedNode(address));
    all.set(`${link} ${group.value}`, { link, group });
  }
  return all;
}
