/**
 * What one node has to do with the addresses of the local networks: those it may answer for, on which of its links, and
 * where it cannot, why.
 */
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import { type Mapped, mapChanged } from './changes.ts';
import type { Candidates, L2Address } from './l2-addresses.ts';
import type { ToldLinks } from './l2-leases.ts';
import { l2Link, linkRefusal, matchesAny, offeredLinks } from './l2-links.ts';
import type { L2Plan, L2Policy } from './l2-plan.ts';
import { linksFor, type OffersByNode, type Reach, ReachTable, type Selected, selectLinks } from './l2-reach.ts';
import { Refusal } from './reason.ts';
import type { HostFacts, HostLink } from './settings.ts';

export interface NodeL2Address {
  readonly address: IpAddress;
  readonly text: string;
  /** `namespace/name`, ascending. */
  readonly services: readonly string[];
  /** Every node that policies, endpoints and the nodes' own state allow to answer, this one among them. */
  readonly candidates: Candidates;
  /** Those of the candidates that have a link for the address. All of them where nobody looked at the host. */
  readonly able: Candidates;
  readonly interfaces: InterfaceChoice;
  /** Links of this host to answer on, ascending; undefined where nobody looked at the host. */
  readonly links: readonly string[] | undefined;
  /** Why there is no such link; undefined where there is, or nobody looked. */
  readonly refusal: Refusal | undefined;
  /** The subnet is on no node: announced because a policy names the link. */
  readonly subnetNowhere: boolean;
}

/** Equal choices are one value. */
export interface InterfaceChoice {
  /** RE2 expressions as the policies give them, any of which may match; undefined: every interface. */
  readonly expressions: readonly string[] | undefined;
}

/** What is known about hosts: our own, as we see it, and what the others told. */
export interface L2Hosts extends ToldLinks {
  readonly host: HostFacts;
}

/** Works out one node's part; made anew when links of any node change. */
export class NodeL2 {
  readonly #node: string;
  readonly #hosts: L2Hosts | undefined;
  readonly #reach: ReachTable | undefined;
  /** What this node tells the others; empty where nobody looked at the host. */
  readonly offered: OffersByNode;
  /** Where nodes were whose session others ended. */
  readonly former: OffersByNode;
  readonly #choices = new Map<string, Choice>();
  readonly #byList = new WeakMap<readonly L2Policy[], Choice>();
  #mapped: Mapped<L2Address, NodeL2Address | undefined> = { from: [], to: [] };
  #ours: readonly NodeL2Address[] = [];

  constructor(node: string, plan: L2Plan, hosts: L2Hosts | undefined) {
    this.#node = node;
    this.#hosts = hosts;
    const ours = plan.policies.filter(policy => policy.nodes.includes(node));
    const expressions = ours.flatMap(policy => policy.interfaces);
    const offers = new Map(hosts?.offers);
    if (hosts !== undefined) offers.set(node, ours.length === 0 ? [] : offeredLinks(hosts.host, expressions));
    this.offered = offers;
    this.former = hosts?.former ?? new Map();
    this.#reach = hosts && new ReachTable(offers);
  }

  /** The same array, and the same values in it, where nothing changed. */
  addresses(all: readonly L2Address[]): readonly NodeL2Address[] {
    const mapped = mapChanged(this.#mapped, all, compareAddresses, each => this.#make(each));
    if (mapped !== this.#mapped) this.#ours = mapped.to.filter(each => each !== undefined);
    this.#mapped = mapped;
    return this.#ours;
  }

  /** Which candidates can answer for an address; undefined where nobody looked at the host. */
  reach(each: L2Address): Reach | undefined {
    return this.#reach?.of(each);
  }

  #make(each: L2Address): NodeL2Address | undefined {
    if (!each.candidates.has(this.#node)) return undefined;
    const { address, text, candidates, claims } = each;
    const { interfaces, selected } = this.#choiceOf([...new Set(claims.map(claim => claim.policies))]);
    const services = [...new Set(claims.map(claim => claim.service))];
    const about = { address, text, services, candidates, interfaces };
    const reach = this.#reach?.of(each);
    if (reach === undefined || selected === undefined || this.#hosts === undefined)
      return { ...about, able: candidates, links: undefined, refusal: undefined, subnetNowhere: false };
    const links = linksFor(address, selected, reach.subnetNowhere);
    const refusal = links.length > 0 ? undefined : noLink(address, interfaces, selected, this.#hosts.host);
    return { ...about, able: reach.able, links, refusal, subnetNowhere: reach.subnetNowhere && links.length > 0 };
  }

  /** Addresses under one list of policies, which are nearly all, share one choice without looking any further. */
  #choiceOf(lists: readonly (readonly L2Policy[])[]): Choice {
    const [list] = lists;
    const known = list && lists.length === 1 ? this.#byList.get(list) : undefined;
    if (known !== undefined) return known;
    const choice = this.#choice(lists.flat().filter(policy => policy.nodes.includes(this.#node)));
    if (list !== undefined && lists.length === 1) this.#byList.set(list, choice);
    return choice;
  }

  /** The union over the policies that select this node; one without expressions means every interface. */
  #choice(policies: readonly L2Policy[]): Choice {
    const every = policies.some(policy => policy.interfaces.length === 0);
    const expressions = every ? undefined : [...new Set(policies.flatMap(policy => policy.interfaces))].sort();
    const key = JSON.stringify(expressions ?? null);
    const selected = this.#hosts && selectLinks(policies, this.offered.get(this.#node) ?? []);
    const known = this.#choices.get(key) ?? { interfaces: { expressions }, selected };
    this.#choices.set(key, known);
    return known;
  }
}

interface Choice {
  readonly interfaces: InterfaceChoice;
  /** Undefined where nobody looked at the host. */
  readonly selected: Selected | undefined;
}

function compareAddresses(a: L2Address, b: L2Address): number {
  return IpAddress.compare(a.address, b.address);
}

/** The most telling answer: a link that would do but for its state, then the subnet, then that nothing matches. */
function noLink(address: IpAddress, { expressions }: InterfaceChoice, selected: Selected, host: HostFacts): Refusal {
  const matching = host.links.filter(
    ({ name }) => name !== 'lo' && (expressions === undefined || matchesAny(expressions, name)),
  );
  const refused = matching
    .map(link => ({ link, reason: linkRefusal(link, host) }))
    .filter(({ link }) => expressions !== undefined || hasSubnet(link, address))
    .find(({ reason }) => reason !== undefined);
  if (refused?.reason !== undefined && (expressions === undefined || selected.links.length === 0))
    return Refusal.of(refused.reason, refused.link.name);
  const usable = matching.some(link => linkRefusal(link, host) === undefined);
  return Refusal.of(usable ? 'no-subnet' : 'no-interface');
}

function hasSubnet(link: HostLink, address: IpAddress): boolean {
  return l2Link(link).subnets.some(subnet => Prefix.contains(subnet, address));
}
