/** The node's own place in the network: what is on its links, and what no route of ours may ever cover. */
import type { Family, IpAddress } from '../net/ip.ts';
import { IpAddress as Address, familyBits } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import { PrefixMap } from '../net/prefix-map.ts';
import { MeshRefusal } from './reason.ts';
import type { RouteRules, RoutingLink } from './routing.ts';

export class Surroundings {
  readonly rules: RouteRules;
  /** Every address of this host, by itself. */
  readonly #local = new PrefixMap<string>();
  /** Networks that others are on as well. */
  readonly #subnets = new PrefixMap<string>();
  readonly #ranges: PrefixMap<true>;
  readonly #ownCidrs: PrefixMap<true>;

  constructor(links: readonly RoutingLink[], ownCidrs: readonly Prefix[], rules: RouteRules) {
    this.rules = rules;
    this.#ranges = new PrefixMap(rules.podRanges.map(range => [range, true]));
    this.#ownCidrs = new PrefixMap(ownCidrs.map(cidr => [cidr, true]));
    for (const { name, up, addresses } of links)
      for (const { address, length } of addresses) {
        this.#local.set(Prefix.host(address), name);
        const isShared = up && length < familyBits[address.family] && name !== rules.overlayLink;
        if (isShared && !Address.isLinkLocal(address)) this.#subnets.set(Prefix.of(address, length), name);
      }
  }

  /** The link that an address is on, as a station of its own. */
  linkOf(address: IpAddress): string | undefined {
    if (this.#local.get(Prefix.host(address)) !== undefined) return undefined;
    return this.#subnets.longestMatch(address)?.value;
  }

  /** The first address of a family that is on a link. */
  onLink(addresses: readonly IpAddress[], family: Family): { address: IpAddress; link: string } | undefined {
    for (const address of addresses) {
      const link = address.family === family ? this.linkOf(address) : undefined;
      if (link !== undefined) return { address, link };
    }
    return undefined;
  }

  /** Why no route for the prefix is set up here, whoever knows one. */
  refusal(prefix: Prefix): MeshRefusal | undefined {
    // Everything else is more specific than a default route.
    if (prefix.length === 0) return undefined;
    const own = first(this.#ownCidrs.overlapping(prefix));
    if (own !== undefined) return MeshRefusal.of('own-pod-cidr', Prefix.format(own.prefix));
    const local = first(this.#local.coveredBy(prefix));
    if (local !== undefined)
      return MeshRefusal.of('covers-local-address', `${Address.format(local.prefix.address)} on ${local.value}`);
    const [subnet] = this.#subnets.covering(prefix);
    return subnet && MeshRefusal.of('on-own-link', `${Prefix.format(subnet.prefix)} on ${subnet.value}`);
  }

  /** Why a prefix is not taken from BGP. */
  importRefusal(prefix: Prefix): MeshRefusal | undefined {
    if (prefix.length === 0) return this.rules.importDefault ? undefined : MeshRefusal.of('default-route');
    return this.#ranges.covering(prefix).length > 0 ? undefined : MeshRefusal.of('outside-pod-ranges');
  }
}

function first<T>(all: Iterable<T>): T | undefined {
  for (const each of all) return each;
  return undefined;
}
