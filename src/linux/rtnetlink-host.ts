/**
 * The host as rtnetlink tells it: a table of links and addresses that is filled by a dump and kept by events. Default
 * routes are only listed again, never kept by events: the kernel drops routes without a word when a link goes down.
 */
import type { DefaultRoute, HostFacts, HostLink } from '../control/settings.ts';
import { IpAddress } from '../net/ip.ts';
import type { NetlinkMessage } from './netlink.ts';
import {
  type AddressRecord,
  type DefaultRouteRecord,
  decodeAddress,
  decodeDefaultRoutes,
  decodeLink,
  type GatewaysOf,
  type LinkRecord,
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELROUTE,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWROUTE,
} from './rtnetlink.ts';

/** What an event concerned. */
export type HostChange = 'links' | 'routes' | 'nothing';

export class HostTable {
  readonly #links = new Map<number, LinkRecord>();
  /** By link, then by address. */
  readonly #addresses = new Map<number, Map<string, AddressRecord>>();
  #defaults: DefaultRouteRecord[] = [];
  /** Links that went down or away since somebody asked: the kernel drops what leads through them, without a word. */
  #fell = new Set<number>();

  /** Numbers of the links that went down or away since this was asked last. */
  takeFallen(): ReadonlySet<number> {
    const fell = this.#fell;
    this.#fell = new Set();
    return fell;
  }

  clearLinks(): void {
    this.#links.clear();
  }

  clearAddresses(): void {
    this.#addresses.clear();
  }

  clearDefaults(): void {
    this.#defaults = [];
  }

  /** By index; those that were there when it was last told. */
  get links(): ReadonlyMap<number, LinkRecord> {
    return this.#links;
  }

  /** All of them, usable or not. */
  addressesOf(index: number): readonly AddressRecord[] {
    return [...(this.#addresses.get(index)?.values() ?? [])];
  }

  /** A message of a dump. */
  list(message: NetlinkMessage, gatewaysOf?: GatewaysOf): void {
    if (message.type === RTM_NEWROUTE) this.#defaults.push(...decodeDefaultRoutes(message, gatewaysOf));
    else this.hear(message);
  }

  /** An event. */
  hear(message: NetlinkMessage): HostChange {
    switch (message.type) {
      case RTM_NEWLINK:
      case RTM_DELLINK:
        return this.#hearLink(message);
      case RTM_NEWADDR:
      case RTM_DELADDR:
        return this.#hearAddress(message);
      case RTM_NEWROUTE:
      case RTM_DELROUTE:
        // Only whether one of them changed, which the destination's length says.
        return message.body[1] === 0 ? 'routes' : 'nothing';
      default:
        return 'nothing';
    }
  }

  facts(): HostFacts {
    const nameOf = (index: number) => this.#links.get(index)?.name ?? String(index);
    const links = [...this.#links.values()].map(link => this.#shown(link)).sort((a, b) => compareText(a.name, b.name));
    const defaultRoutes = this.#defaults
      .map(({ index, ...route }): DefaultRoute => ({ ...route, link: nameOf(index) }))
      .sort((a, b) => compareText(a.link, b.link) || a.metric - b.metric || IpAddress.compare(a.gateway, b.gateway));
    return { links, defaultRoutes };
  }

  #hearLink(message: NetlinkMessage): HostChange {
    const link = decodeLink(message);
    if (link === undefined) return 'nothing';
    if (message.type === RTM_DELLINK || !link.up) this.#fell.add(link.index);
    if (message.type === RTM_DELLINK) {
      this.#links.delete(link.index);
      this.#addresses.delete(link.index);
    } else if (link.name !== '') this.#links.set(link.index, link);
    return 'links';
  }

  #hearAddress(message: NetlinkMessage): HostChange {
    const record = decodeAddress(message);
    if (record === undefined) return 'nothing';
    const key = `${IpAddress.format(record.address)}/${record.length}`;
    const ofLink = this.#addresses.get(record.index) ?? new Map<string, AddressRecord>();
    this.#addresses.set(record.index, ofLink);
    if (message.type === RTM_DELADDR) ofLink.delete(key);
    else ofLink.set(key, record);
    return 'links';
  }

  #shown({ index, name, up, mac, master, noArp, kind, mtu }: LinkRecord): HostLink {
    const addresses = [...(this.#addresses.get(index)?.values() ?? [])]
      .filter(each => each.isUsable)
      .sort((a, b) => rank(a) - rank(b))
      .map(({ address, length }) => ({ address, length }));
    const masterName = master === undefined ? undefined : this.#links.get(master)?.name;
    return { name, index, up, mac, master: masterName, noArp, kind, mtu, addresses };
  }
}

/** IPv4 first, primary before secondary; otherwise as the kernel gave them. */
function rank({ address, isSecondary }: AddressRecord): number {
  return (address.family === 'ipv4' ? 0 : 2) + (isSecondary ? 1 : 0);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
