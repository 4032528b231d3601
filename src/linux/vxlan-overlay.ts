/**
 * The overlay link as wanted and as it is: made, taken over from an earlier process, or made anew when something about
 * it differs that cannot be changed. Then its addresses, and the ends: a forwarding entry for the MAC of each, and
 * neighbours for the gateways that stand for it. `add` adds what is wanted, `remove` removes what is not any more; both
 * go step by step, for there may be tens of thousands of ends.
 */

import { vxlanOverhead } from '../mesh/vtep.ts';
import { sameValue } from '../net/equal.ts';
import { IpAddress } from '../net/ip.ts';
import { Mac } from '../net/mac.ts';
import type { KernelRefusal, OverlayEnd } from '../runtime/kernel-routes.ts';
import type { OverlayLink } from './kernel-routes-message.ts';
import { NetlinkWriter } from './netlink.ts';
import type { NetlinkBatch, Refused } from './netlink-batch.ts';
import type { NetlinkSocket } from './netlink-socket.ts';
import { askAddresses, askLinks, type LinkRecord } from './rtnetlink.ts';
import { HostTable } from './rtnetlink-host.ts';
import {
  askForwarding,
  askNeighbours,
  decodeEntry,
  decodeVxlan,
  type Entry,
  overlayMark,
  writeAddress,
  writeAddressGone,
  writeEntry,
  writeEntryGone,
  writeLink,
  writeLinkGone,
  writeVxlan,
} from './rtnetlink-vxlan.ts';

/** What IPv6 asks of a link (RFC 8200 §5); no overlay is made narrower, whatever its underlay says. */
const mtuMin = 1280;
const mtuUnknown = 1500;
const ENOENT = 2;

export class VxlanOverlay {
  readonly #socket: NetlinkSocket;
  readonly #batch: NetlinkBatch;
  readonly #writer = new NetlinkWriter(1024);
  #wanted: OverlayLink | undefined;
  readonly #wantedEntries = new Map<string, Entry>();
  readonly #ends = new Map<number, OverlayEnd>();
  /** Entries in the kernel, by key. */
  #entries = new Map<string, Entry>();
  readonly #refused = new Map<string, KernelRefusal>();
  #index: number | undefined;
  #isLinkDue = true;
  #areEntriesDue = true;
  /** Links of ours that are not wanted. */
  #strays: readonly LinkRecord[] = [];

  constructor(socket: NetlinkSocket, batch: NetlinkBatch) {
    this.#socket = socket;
    this.#batch = batch;
  }

  /** Its number while it stands. */
  get index(): number | undefined {
    return this.#index;
  }

  get name(): string | undefined {
    return this.#wanted?.name;
  }

  get local(): IpAddress | undefined {
    return this.#wanted?.local;
  }

  get refusals(): Iterable<KernelRefusal> {
    return this.#refused.values();
  }

  /** Null: there is to be none. */
  want(link: OverlayLink | null): void {
    if (sameValue(this.#wanted, link ?? undefined)) return;
    this.#wanted = link ?? undefined;
    this.#isLinkDue = true;
    if (link === null) this.wantEnds([], [...this.#ends.keys()]);
  }

  wantEnds(ends: readonly OverlayEnd[], gone: readonly number[]): void {
    for (const mac of gone) this.#replaceEnd(mac, undefined);
    for (const end of ends) this.#replaceEnd(end.mac.value, end);
    if (ends.length + gone.length > 0) this.#areEntriesDue = true;
  }

  /** Looks again at everything. */
  doubt(): void {
    this.#isLinkDue = true;
    this.#areEntriesDue = true;
  }

  /** Adds what is missing. */
  *add(): Iterable<void> {
    if (this.#isLinkDue) this.#addLink();
    if (!this.#areEntriesDue || this.#index === undefined) return;
    const index = this.#index;
    for (const [key, entry] of this.#wantedEntries) {
      const there = this.#entries.get(key);
      if (there !== undefined && IpAddress.equals(there.to, entry.to) && Mac.equals(there.mac, entry.mac)) continue;
      if (this.#isRefusedFamily(key, entry)) continue;
      this.#do(
        describe(entry),
        (writer, seq) => writeEntry(writer, seq, index, entry),
        () => this.#entries.set(key, entry),
      );
      if (this.#batch.isEmpty) yield;
    }
    this.#batch.send();
  }

  /** Removes what is not wanted. */
  *remove(): Iterable<void> {
    for (const { index, name } of this.#strays)
      this.#do(
        `link ${name}`,
        (writer, seq) => writeLinkGone(writer, seq, index),
        () => {},
      );
    this.#strays = [];
    const index = this.#index;
    if (index !== undefined && this.#areEntriesDue) {
      for (const [key, entry] of this.#entries) {
        if (this.#wantedEntries.has(key)) continue;
        this.#do(
          describe(entry),
          (writer, seq) => writeEntryGone(writer, seq, index, entry),
          () => this.#entries.delete(key),
          ENOENT,
        );
        if (this.#batch.isEmpty) yield;
      }
      this.#areEntriesDue = false;
    }
    this.#batch.send();
  }

  #replaceEnd(mac: number, end: OverlayEnd | undefined): void {
    // An address that has moved on to another end is that one's.
    for (const [key] of entriesOf(this.#ends.get(mac)))
      if (this.#wantedEntries.get(key)?.mac.value === mac) this.#wantedEntries.delete(key);
    if (end === undefined) this.#ends.delete(mac);
    else this.#ends.set(mac, end);
    for (const [key, entry] of entriesOf(end)) this.#wantedEntries.set(key, entry);
  }

  /** A link sends by one family only; the kernel takes entries of the other, and loses what they say. */
  #isRefusedFamily(key: string, { kind, to }: Entry): boolean {
    const family = this.#wanted?.local.family;
    if (kind === 'neighbour' || family === undefined || to.family === family) return false;
    const detail = `the overlay's own address is ${family}`;
    this.#refused.set(key, { what: describe({ kind, to, mac: { value: 0 } }), reason: 'overlay-failed', detail });
    return true;
  }

  #addLink(): void {
    this.#refused.clear();
    this.#index = undefined;
    const host = this.#list();
    const wanted = this.#wanted;
    const ours = [...host.links.values()].filter(link => link.alias === overlayMark && link.kind === 'vxlan');
    const there = [...host.links.values()].find(link => link.name === wanted?.name);
    this.#strays = ours.filter(link => link !== there);
    this.#isLinkDue = false;
    if (wanted === undefined) return;
    if (there !== undefined && !ours.includes(there)) {
      const what = `overlay ${wanted.name}`;
      this.#refused.set(what, { what, reason: 'taken', detail: `a link of that name is there, and not ours` });
      return;
    }
    const mtu = wanted.mtu ?? this.#mtuFor(host, wanted);
    if (this.#make(wanted, there, mtu)) this.#adopt(wanted);
  }

  /** True when the link stands. */
  #make(wanted: OverlayLink, there: LinkRecord | undefined, mtu: number): boolean {
    const what = `overlay ${wanted.name}`;
    const { name, mac } = wanted;
    let isMade = true;
    const settled = (refused: Refused | undefined) => {
      if (refused === undefined) return;
      isMade = false;
      this.#refused.set(what, { what, reason: 'overlay-failed', detail: refused.detail });
    };
    // Another link of ours may hold the identifier and the port: it cannot wait for its turn.
    for (const { index } of this.#strays)
      this.#batch.add(
        (writer, seq) => writeLinkGone(writer, seq, index),
        () => {},
      );
    this.#strays = [];
    const is = decodeVxlan(there?.data);
    const { vni, port, local } = wanted;
    const isSame =
      is !== undefined && is.vni === vni && is.port === port && !is.learns && IpAddress.equals(is.local, local);
    if (there !== undefined && !isSame)
      this.#batch.add((writer, seq) => writeLinkGone(writer, seq, there.index), settled);
    if (!isSame) this.#batch.add((writer, seq) => writeVxlan(writer, seq, name, wanted), settled);
    const hasMac = isSame && there?.mac !== undefined && Mac.equals(there.mac, mac);
    if (!hasMac || there?.mtu !== mtu || !there.up)
      this.#batch.add((writer, seq) => writeLink(writer, seq, { name, mac: hasMac ? undefined : mac, mtu }), settled);
    this.#batch.send();
    return isMade;
  }

  /** What the link has by now: its number, addresses, entries. */
  #adopt(wanted: OverlayLink): void {
    const host = this.#list();
    const link = [...host.links.values()].find(each => each.name === wanted.name);
    if (link === undefined) return;
    const { index } = link;
    this.#index = index;
    const key = ({ address, length }: { address: IpAddress; length: number }) =>
      `${IpAddress.format(address)}/${length}`;
    const has = new Map(host.addressesOf(index).map(each => [key(each), each]));
    for (const each of wanted.addresses)
      if (!has.delete(key(each)))
        this.#do(
          `address ${key(each)}`,
          (writer, seq) => writeAddress(writer, seq, { index, ...each }),
          () => {},
        );
    for (const each of has.values())
      this.#do(
        `address ${key(each)}`,
        (writer, seq) => writeAddressGone(writer, seq, { ...each, index }),
        () => {},
      );
    this.#batch.send();
    this.#listEntries(index);
    this.#areEntriesDue = true;
  }

  #mtuFor(host: HostTable, { local }: OverlayLink): number {
    for (const [index, { mtu }] of host.links)
      if (host.addressesOf(index).some(each => IpAddress.equals(each.address, local)))
        return Math.max(mtuMin, mtu - vxlanOverhead[local.family]);
    return mtuUnknown - vxlanOverhead[local.family];
  }

  #do(what: string, write: Parameters<NetlinkBatch['add']>[0], done: () => void, alreadyErrno?: number): void {
    this.#batch.add(write, refused => {
      if (refused === undefined || refused.errno === alreadyErrno) done();
      else this.#refused.set(what, { what, reason: 'overlay-failed', detail: refused.detail });
    });
    if (this.#batch.isFull) this.#batch.send();
  }

  #list(): HostTable {
    const host = new HostTable();
    const writer = this.#writer;
    this.#socket.dump(
      writer,
      (flags, seq) => askLinks(writer, flags, seq),
      () => host.clearLinks(),
      message => host.list(message),
    );
    this.#socket.dump(
      writer,
      (flags, seq) => askAddresses(writer, flags, seq),
      () => host.clearAddresses(),
      message => host.list(message),
    );
    return host;
  }

  #listEntries(index: number): void {
    const writer = this.#writer;
    const all = new Map<string, Entry>();
    const list = (write: (flags: number, seq: number) => void) => {
      const found: Entry[] = [];
      this.#socket.dump(
        writer,
        write,
        () => found.splice(0),
        message => {
          const entry = decodeEntry(message, index);
          if (entry !== undefined) found.push(entry);
        },
      );
      for (const entry of found) all.set(keyOf(entry), entry);
    };
    list((flags, seq) => askForwarding(writer, flags, seq, index));
    for (const family of ['ipv4', 'ipv6'] as const)
      list((flags, seq) => askNeighbours(writer, flags, seq, index, family));
    this.#entries = all;
  }
}

function* entriesOf(end: OverlayEnd | undefined): Iterable<readonly [string, Entry]> {
  if (end === undefined) return;
  const { mac, underlay, gateways } = end;
  const entries: Entry[] = [
    { kind: 'forwarding', mac, to: underlay },
    ...gateways.map((to): Entry => ({ kind: 'neighbour', mac, to })),
  ];
  for (const entry of entries) yield [keyOf(entry), entry];
}

/** A MAC has one way, an address one MAC. */
function keyOf({ kind, mac, to }: Entry): string {
  return kind === 'forwarding' ? `f${mac.value}` : `n${to.family}${to.value}`;
}

function describe({ kind, mac, to }: Entry): string {
  const address = IpAddress.format(to);
  return kind === 'forwarding' ? `overlay end ${address}` : `neighbour ${address} at ${Mac.format(mac)}`;
}
