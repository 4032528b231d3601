/**
 * Which candidates can answer for an address: those with its subnet on a link that their policies select. A subnet that
 * no node under the policies has is announced on the links that they name, where they do: whoever names a link knows.
 * Every node works this out for all of them, from what they tell in their sessions. Reference §2.16, E11, E13, E16.
 */
import type { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import { PrefixMap } from '../net/prefix-map.ts';
import { Candidates, type L2Address } from './l2-addresses.ts';
import { type L2Link, matchesAny } from './l2-links.ts';
import type { L2Policy } from './l2-plan.ts';

/** Links by node. One that is not in here has told nothing, and is taken at its word: it cannot. */
export type OffersByNode = ReadonlyMap<string, readonly L2Link[]>;

export interface Reach {
  /** Candidates that can, ascending. Equal lists are mostly one value. */
  readonly able: Candidates;
  /** No node under the policies has the subnet, not even one that drains: announced on links that are named, if any. */
  readonly subnetNowhere: boolean;
}

/** Names of the links on which one node answers for an address. */
export function linksFor(address: IpAddress, selected: Selected, subnetNowhere: boolean): readonly string[] {
  if (subnetNowhere) return selected.named ? selected.links.map(link => link.name) : [];
  return selected.links
    .filter(link => link.subnets.some(subnet => Prefix.contains(subnet, address)))
    .map(link => link.name);
}

/** What the policies of one node select there. */
export interface Selected {
  readonly links: readonly L2Link[];
  /** By expressions, rather than every link there is. */
  readonly named: boolean;
}

/** The union over the policies that select the node; one without expressions selects every link. */
export function selectLinks(policies: readonly L2Policy[], links: readonly L2Link[]): Selected {
  const every = policies.some(policy => policy.interfaces.length === 0);
  if (every || policies.length === 0) return { links: policies.length === 0 ? [] : links, named: false };
  const expressions = policies.flatMap(policy => policy.interfaces);
  return { links: links.filter(link => matchesAny(expressions, link.name)), named: true };
}

/** Answers for one set of offers; addresses under the same policies share nearly all of the work. */
export class ReachTable {
  readonly #offers: OffersByNode;
  readonly #byList = new WeakMap<readonly L2Policy[], ListReach>();
  readonly #known = new WeakMap<L2Address, Reach>();

  constructor(offers: OffersByNode) {
    this.#offers = offers;
  }

  of(each: L2Address): Reach {
    const known = this.#known.get(each);
    if (known !== undefined) return known;
    const lists = [...new Set(each.claims.map(claim => claim.policies))];
    const [first] = lists;
    const reach = (first !== undefined && lists.length === 1 ? this.#ofList(first) : this.#make(lists.flat())).of(each);
    this.#known.set(each, reach);
    return reach;
  }

  #ofList(list: readonly L2Policy[]): ListReach {
    const known = this.#byList.get(list) ?? this.#make(list);
    this.#byList.set(list, known);
    return known;
  }

  #make(policies: readonly L2Policy[]): ListReach {
    return new ListReach(policies, this.#offers);
  }
}

/** Where one list of policies leads. */
class ListReach {
  /** Nodes by the subnets of their selected links. */
  readonly #subnets = new PrefixMap<Set<string>>();
  /** Nodes with a link that is selected by name. */
  readonly #named = new Set<string>();
  readonly #answers = new WeakMap<Candidates, Map<string, Reach>>();

  constructor(policies: readonly L2Policy[], offers: OffersByNode) {
    const byNode = new Map<string, L2Policy[]>();
    for (const policy of policies)
      for (const node of policy.nodes) byNode.set(node, [...(byNode.get(node) ?? []), policy]);
    for (const [node, own] of byNode) {
      const { links, named } = selectLinks(own, offers.get(node) ?? []);
      if (named && links.length > 0) this.#named.add(node);
      for (const subnet of links.flatMap(link => link.subnets)) {
        const nodes = this.#subnets.get(subnet) ?? new Set();
        this.#subnets.set(subnet, nodes.add(node));
      }
    }
  }

  of({ address, candidates }: L2Address): Reach {
    const covering = this.#subnets.covering(Prefix.host(address));
    const key = covering.map(({ prefix }) => Prefix.format(prefix)).join(' ');
    const answers = this.#answers.get(candidates) ?? new Map<string, Reach>();
    this.#answers.set(candidates, answers);
    const known = answers.get(key);
    if (known !== undefined) return known;
    const subnetNowhere = covering.length === 0;
    const can = (name: string) =>
      subnetNowhere ? this.#named.has(name) : covering.some(({ value: nodes }) => nodes.has(name));
    const able = candidates.names.filter(can);
    const same = able.length === candidates.names.length;
    const reach = { able: same ? candidates : new Candidates(able), subnetNowhere };
    answers.set(key, reach);
    return reach;
  }
}
