/**
 * What one node has to do with the addresses of the local networks: those it may answer for, and on which of its links.
 */
import { IpAddress } from '../net/ip.ts';
import { type Mapped, mapChanged } from './changes.ts';
import { InterfacePattern } from './interface-pattern.ts';
import type { Candidates, L2Address } from './l2-addresses.ts';
import type { L2Policy } from './l2-plan.ts';
import type { HostFacts } from './settings.ts';

export interface NodeL2Address {
  readonly address: IpAddress;
  readonly text: string;
  /** `namespace/name`, ascending. */
  readonly services: readonly string[];
  /** Every node that may answer, this one among them. */
  readonly candidates: Candidates;
  readonly interfaces: InterfaceChoice;
}

/** Equal choices are one value. */
export interface InterfaceChoice {
  /** RE2 expressions as the policies give them, any of which may match; undefined: every interface. */
  readonly expressions: readonly string[] | undefined;
  /** The links of this host that are up and match, ascending; undefined where nobody looked at the host. */
  readonly links: readonly string[] | undefined;
}

/** Works out one node's part; made anew when the node's links change. */
export class NodeL2 {
  readonly #node: string;
  readonly #host: HostFacts | undefined;
  readonly #choices = new Map<string, InterfaceChoice>();
  readonly #byList = new WeakMap<readonly L2Policy[], InterfaceChoice>();
  #mapped: Mapped<L2Address, NodeL2Address | undefined> = { from: [], to: [] };
  #ours: readonly NodeL2Address[] = [];

  constructor(node: string, host: HostFacts | undefined) {
    this.#node = node;
    this.#host = host;
  }

  /** The same array, and the same values in it, where nothing changed. */
  addresses(all: readonly L2Address[]): readonly NodeL2Address[] {
    const mapped = mapChanged(this.#mapped, all, compareAddresses, each => this.#make(each));
    if (mapped !== this.#mapped) this.#ours = mapped.to.filter(each => each !== undefined);
    this.#mapped = mapped;
    return this.#ours;
  }

  #make(each: L2Address): NodeL2Address | undefined {
    if (!each.candidates.has(this.#node)) return undefined;
    const { address, text, candidates, claims } = each;
    const lists = new Set(claims.map(claim => claim.policies));
    const services = [...new Set(claims.map(claim => claim.service))];
    return { address, text, services, candidates, interfaces: this.#choiceOf([...lists]) };
  }

  /** Addresses under one list of policies, which are nearly all, share one choice without looking any further. */
  #choiceOf(lists: readonly (readonly L2Policy[])[]): InterfaceChoice {
    const [list] = lists;
    const known = list && lists.length === 1 ? this.#byList.get(list) : undefined;
    if (known !== undefined) return known;
    const choice = this.#choice(lists.flat().filter(policy => policy.nodes.includes(this.#node)));
    if (list !== undefined && lists.length === 1) this.#byList.set(list, choice);
    return choice;
  }

  /** The union over the policies that select this node; one without expressions means every interface. */
  #choice(policies: readonly L2Policy[]): InterfaceChoice {
    const every = policies.some(policy => policy.interfaces.length === 0);
    const expressions = every ? undefined : [...new Set(policies.flatMap(policy => policy.interfaces))].sort();
    const key = JSON.stringify(expressions ?? null);
    const known = this.#choices.get(key) ?? { expressions, links: matchingLinks(expressions, this.#host) };
    this.#choices.set(key, known);
    return known;
  }
}

function compareAddresses(a: L2Address, b: L2Address): number {
  return IpAddress.compare(a.address, b.address);
}

function matchingLinks(
  expressions: readonly string[] | undefined,
  host: HostFacts | undefined,
): readonly string[] | undefined {
  if (host === undefined) return undefined;
  const patterns = expressions?.map(InterfacePattern.parse).filter(pattern => pattern !== undefined);
  return host.links
    .filter(link => link.up && link.name !== 'lo')
    .map(link => link.name)
    .filter(name => patterns === undefined || patterns.some(pattern => pattern.matches(name)))
    .sort();
}
