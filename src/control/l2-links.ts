/**
 * The links of a node that can carry announcements: which they are, why the others cannot, and how a node tells them to
 * the other candidates, which cannot see its host. They travel in an annotation of the node's session, so that nobody
 * asks for them and nothing is written for them but when they change. Reference §2.16, L9, L13, E11, E16.
 */

import type { Neighbour } from '../l2/ownership-event.ts';
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import { InterfacePattern } from './interface-pattern.ts';
import type { Reason } from './reason.ts';
import { HostFacts, type HostLink } from './settings.ts';

/** A link that is up and resolves addresses. */
export interface L2Link {
  readonly name: string;
  /** Ascending, without link-local ones: those an address can be in. */
  readonly subnets: readonly Prefix[];
  /** The node's own address in each of them. */
  readonly stations: readonly IpAddress[];
}

/** Links a node has, at most; its text, at most. What is beyond is left out, and refused when read. */
const linksMax = 256;
const textMax = 32 * 1024;

/**
 * Why a link cannot carry announcements, whatever policies say; undefined: it can. A bond or a bridge speaks for its
 * members; members of a VRF speak for themselves.
 */
export function linkRefusal(link: HostLink, host: HostFacts): Reason | undefined {
  if (!link.up) return 'interface-down';
  if (link.master !== undefined && HostFacts.link(host, link.master)?.kind !== 'vrf') return 'interface-enslaved';
  return link.noArp || link.mac === undefined ? 'interface-no-arp' : undefined;
}

export function l2Link({ name, addresses }: HostLink): L2Link {
  const own = addresses
    .filter(({ address }) => !IpAddress.isLinkLocal(address))
    .map(({ address, length }) => ({ subnet: Prefix.of(address, length), address }))
    .sort((a, b) => Prefix.compare(a.subnet, b.subnet))
    .filter(({ subnet }, i, all) => i === 0 || !Prefix.equals(subnet, all[i - 1]?.subnet ?? subnet));
  return { name, subnets: own.map(({ subnet }) => subnet), stations: own.map(({ address }) => address) };
}

/**
 * Who ought to be on a link: other nodes with an address in one of its subnets, and routers; an address each. `told`:
 * nodes and their links. `routers` are those of this link.
 */
export function neighboursOn(
  link: L2Link,
  node: string,
  told: Iterable<readonly [string, readonly L2Link[]]>,
  routers: readonly IpAddress[],
): readonly Neighbour[] {
  const isHere = (address: IpAddress) => link.subnets.some(subnet => Prefix.contains(subnet, address));
  const nodes = [...told].flatMap(([name, links]): Neighbour[] => {
    const address = name === node ? undefined : links.flatMap(({ stations }) => stations).find(isHere);
    return address === undefined ? [] : [{ node: name, address }];
  });
  return [...nodes, ...routers.map((address): Neighbour => ({ node: '', address }))];
}

/**
 * What a node tells the others: links that can carry announcements and have a subnet, or are named by an expression.
 * The hundreds of links to pods have neither.
 */
export function offeredLinks(host: HostFacts, expressions: readonly string[]): readonly L2Link[] {
  return host.links
    .filter(link => link.name !== 'lo' && linkRefusal(link, host) === undefined)
    .map(l2Link)
    .filter(link => link.subnets.length > 0 || matchesAny(expressions, link.name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .slice(0, linksMax);
}

const patterns = new Map<string, InterfacePattern | undefined>();
const patternsMax = 1000;

/** Whether any expression matches; one that cannot be read matches nothing. */
export function matchesAny(expressions: readonly string[], name: string): boolean {
  return expressions.some(text => {
    if (!patterns.has(text)) {
      if (patterns.size >= patternsMax) patterns.clear();
      patterns.set(text, InterfacePattern.parse(text));
    }
    return patterns.get(text)?.matches(name) ?? false;
  });
}

/** `eth0 192.0.2.7/24 2001:db8::7/64,eth1`: no name of a link has a space or a comma in it that is not escaped. */
export const L2Links = {
  format(links: readonly L2Link[]): string {
    let text = '';
    for (const { name, subnets, stations } of links) {
      const own = subnets.map((subnet, i) => `${IpAddress.format(stations[i] ?? subnet.address)}/${subnet.length}`);
      const link = [encodeURIComponent(name), ...own].join(' ');
      if (text.length + 1 + link.length > textMax) break;
      text += text === '' ? link : `,${link}`;
    }
    return text;
  },

  /** Undefined when it is none: then the node counts as one that told nothing. */
  parse(text: string): readonly L2Link[] | undefined {
    if (text.length > textMax) return undefined;
    if (text === '') return [];
    const parts = text.split(',');
    if (parts.length > linksMax) return undefined;
    const links = parts.map(parseLink).filter(link => link !== undefined);
    return links.length === parts.length ? links : undefined;
  },
};

function parseLink(text: string): L2Link | undefined {
  const [coded = '', ...rest] = text.split(' ');
  const name = decodeName(coded);
  const subnets = rest.map(Prefix.parse).filter(subnet => subnet !== undefined);
  const stations = rest
    .map(each => IpAddress.parse(each.slice(0, each.indexOf('/'))))
    .filter(each => each !== undefined);
  return name === undefined || subnets.length < rest.length ? undefined : { name, subnets, stations };
}

function decodeName(coded: string): string | undefined {
  try {
    const name = decodeURIComponent(coded);
    return name === '' ? undefined : name;
  } catch {
    return undefined;
  }
}
