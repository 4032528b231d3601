/** What one node has to do with the addresses of the local networks: those it may answer for, and on which of its links. */
import type { IpAddress } from '../net/ip.ts';
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
  readonly #known = new WeakMap<L2Address, NodeL2Address>();

  constructor(node: string, host: HostFacts | undefined) {
    this.#node = node;
    this.#host = host;
  }

  addresses(all: readonly L2Address[]): readonly NodeL2Address[] {
    return all.filter(each => each.candidates.set.has(this.#node)).map(each => this.#ours(each));
  }

  #ours(each: L2Address): NodeL2Address {
    const before = this.#known.get(each);
    if (before !== undefined) return before;
    const { address, text, candidates, claims } = each;
    const policies = claims.flatMap(claim => claim.policies).filter(policy => policy.nodes.includes(this.#node));
    const services = [...new Set(claims.map(claim => claim.service))];
    const ours = { address, text, services, candidates, interfaces: this.#choice(policies) };
    this.#known.set(each, ours);
    return ours;
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
