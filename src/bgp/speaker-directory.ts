/** Whose connection is it: peers by the address, the link, or the range a connection comes from. */
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import type { PeerConfig } from './config.ts';
import type { Peer } from './peer.ts';
import type { Endpoint } from './speaker-effect.ts';

/** A `listen range`: the configuration its peers get, and those there are. */
export interface RangeEntry {
  config: PeerConfig;
  readonly members: Map<string, Peer>;
}

export class Directory {
  readonly #byAddress = new Map<string, Peer>();
  readonly #byInterface = new Map<string, Peer>();
  readonly ranges = new Map<string, RangeEntry>();

  add(peer: Peer): void {
    const { remote } = peer.config;
    if (remote.kind === 'address') this.#byAddress.set(addressKey(remote.address, remote.zone), peer);
    else if (remote.kind === 'interface') this.#byInterface.set(remote.interface, peer);
  }

  /** Somebody else may have taken its place already: a configured peer that of a member of a range. */
  remove(peer: Peer): void {
    const { remote } = peer.config;
    if (remote.kind === 'interface') this.#byInterface.delete(remote.interface);
    if (remote.kind !== 'address') return;
    const key = addressKey(remote.address, remote.zone);
    if (this.#byAddress.get(key) === peer) this.#byAddress.delete(key);
  }

  onLink(link: string): Peer | undefined {
    return this.#byInterface.get(link);
  }

  /** A link-local address counts together with its link; a peer configured without the link takes it from any. */
  find({ address, zone }: Endpoint): Peer | undefined {
    const exact = this.#byAddress.get(addressKey(address, zone)) ?? this.#byAddress.get(addressKey(address, undefined));
    if (exact !== undefined || zone === undefined) return exact;
    return IpAddress.isLinkLocal(address) ? this.#byInterface.get(zone) : undefined;
  }

  /** The narrowest range that holds the address. */
  rangeOf(address: IpAddress): RangeEntry | undefined {
    let best: RangeEntry | undefined;
    let longest = -1;
    for (const entry of this.ranges.values()) {
      const { remote } = entry.config;
      if (remote.kind !== 'range' || !Prefix.contains(remote.prefix, IpAddress.unmapped(address))) continue;
      if (remote.prefix.length > longest) [best, longest] = [entry, remote.prefix.length];
    }
    return best;
  }
}

/** What a peer of a range is configured with: it calls, we do not. */
export function memberConfig(range: PeerConfig, { address, zone }: Pick<Endpoint, 'address' | 'zone'>): PeerConfig {
  const key = `${range.key}/${addressKey(address, zone)}`;
  const transport = { ...range.transport, passive: true };
  return { ...range, key, remote: { kind: 'address', address: IpAddress.unmapped(address), zone }, transport };
}

function addressKey(address: IpAddress, zone: string | undefined): string {
  const text = IpAddress.format(IpAddress.unmapped(address));
  return zone === undefined ? text : `${text}%${zone}`;
}
