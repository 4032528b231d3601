/** The addresses this host has, on links that are down as well: the kernel takes packets for those too. */
import { IpAddress } from '../net/ip.ts';
import type { Libc } from './libc.ts';
import { NetlinkWriter } from './netlink.ts';
import { NetlinkSocket } from './netlink-socket.ts';
import { askAddresses, askLinks } from './rtnetlink.ts';
import { HostTable } from './rtnetlink-host.ts';

interface Holder {
  readonly index: number;
  readonly name: string;
}

export class LocalAddresses {
  readonly #holders: ReadonlyMap<string, readonly Holder[]>;

  private constructor(holders: ReadonlyMap<string, readonly Holder[]>) {
    this.#holders = holders;
  }

  /** As they are in this moment. Throws SystemError. */
  static read(libc: Libc): LocalAddresses {
    const socket = new NetlinkSocket(libc);
    const writer = new NetlinkWriter();
    const host = new HostTable();
    const list = (message: Parameters<HostTable['list']>[0]) => void host.list(message);
    try {
      socket.dump(
        writer,
        (flags, seq) => askLinks(writer, flags, seq),
        () => host.clearLinks(),
        list,
      );
      socket.dump(
        writer,
        (flags, seq) => askAddresses(writer, flags, seq),
        () => host.clearAddresses(),
        list,
      );
    } finally {
      socket.close();
    }
    const holders = new Map<string, Holder[]>();
    for (const { index, name, addresses } of host.facts().links)
      for (const { address } of addresses) {
        const key = IpAddress.format(address);
        holders.set(key, [...(holders.get(key) ?? []), { index, name }]);
      }
    return new LocalAddresses(holders);
  }

  /** Links that have the address. */
  linksOf(address: IpAddress): readonly Holder[] {
    return this.#holders.get(IpAddress.format(address)) ?? [];
  }
}
