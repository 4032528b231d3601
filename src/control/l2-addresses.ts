/**
 * Every address that is to be announced on local networks, with its candidates, kept up to date Service by Service. An address
 * that Services share is one address with one owner. Reference §2.15-2.16, L1-L20, L25.
 */
import type { Snapshot } from '../api/snapshot.ts';
import { IpAddress } from '../net/ip.ts';
import type { BackendIndex, Backends } from './backends.ts';
import { ServiceChanges } from './changes.ts';
import { ClaimTable, type Contribution } from './claim-table.ts';
import { type L2AddressType, type L2Plan, type L2Policy, visitL2Service } from './l2-plan.ts';
import { isLocalOnly, type ServiceFacts, serviceFacts } from './service-address.ts';

export interface L2Claim {
  readonly service: string;
  readonly type: L2AddressType;
  /** Those that cover the address, by name. Equal lists are one array. */
  readonly policies: readonly L2Policy[];
}

export interface L2Address {
  readonly address: IpAddress;
  readonly text: string;
  /** By Service. */
  readonly claims: readonly L2Claim[];
  readonly candidates: Candidates;
}

/** Node names, ascending. Thousands of addresses have the same ones, and then share one value. */
export interface Candidates {
  readonly names: readonly string[];
  readonly set: ReadonlySet<string>;
}

interface Claim extends L2Claim {
  /** Undefined: any node that the policies select. */
  readonly localTo: Backends | undefined;
}

export class L2Table {
  #plan: L2Plan | undefined;
  #changes = new ServiceChanges();
  #table: ClaimTable<IpAddress, Claim, L2Address> | undefined;
  #shared = new SharedLists([]);

  /** Sorted by address. `plan` is compared by identity: another one means starting over. */
  update(plan: L2Plan, snapshot: Snapshot, backends: BackendIndex): readonly L2Address[] {
    if (this.#table === undefined || plan !== this.#plan) {
      this.#plan = plan;
      this.#changes = new ServiceChanges();
      this.#shared = new SharedLists(plan.policies);
      this.#table = new ClaimTable(addressRules(new CandidateLists(plan)));
    }
    for (const key of this.#changes.take(snapshot)) {
      const slash = key.indexOf('/');
      const service = snapshot.get('Service', key.slice(0, slash), key.slice(slash + 1));
      const claims = service && this.#claims(plan, serviceFacts(service), backends.get(key));
      this.#table.state(key, claims ?? []);
    }
    return this.#table.values();
  }

  #claims(plan: L2Plan, facts: ServiceFacts, backends: Backends): readonly Contribution<IpAddress, Claim>[] {
    const claims: Contribution<IpAddress, Claim>[] = [];
    const { key: service } = facts;
    visitL2Service(plan, facts, {
      announce: ({ text: key, address: place }, type, policies) => {
        const localTo = isLocalOnly(facts, type) && !backends.everywhere ? backends : undefined;
        claims.push({ key, place, claim: { service, type, policies: this.#shared.of(policies), localTo } });
      },
      refuse() {},
    });
    return claims;
  }
}

/** One array for each list of policies. */
class SharedLists {
  readonly #ids: ReadonlyMap<L2Policy, number>;
  readonly #lists = new Map<string, readonly L2Policy[]>();

  constructor(policies: readonly L2Policy[]) {
    this.#ids = new Map(policies.map((policy, id) => [policy, id]));
  }

  of(policies: readonly L2Policy[]): readonly L2Policy[] {
    const key = policies.map(policy => this.#ids.get(policy)).join(' ');
    const known = this.#lists.get(key) ?? policies;
    this.#lists.set(key, known);
    return known;
  }
}

function addressRules(lists: CandidateLists) {
  return {
    build: (address: IpAddress, claims: readonly Claim[], text: string): L2Address => ({
      address,
      text,
      claims: claims.map(({ service, type, policies }) => ({ service, type, policies })),
      candidates: lists.of(claims),
    }),
    compareClaims: (a: Claim, b: Claim) => (claimText(a) < claimText(b) ? -1 : 1),
    compareValues: (a: L2Address, b: L2Address) => IpAddress.compare(a.address, b.address),
  };
}

function claimText({ service, type }: Claim): string {
  return `${service} ${type}`;
}

class CandidateLists {
  readonly #plan: L2Plan;
  readonly #selected = new Map<readonly L2Policy[], Candidates>();

  constructor(plan: L2Plan) {
    this.#plan = plan;
  }

  /** Nodes that serve every Service on the address; where there is none, nodes that serve one of them. */
  of(claims: readonly Claim[]): Candidates {
    const [first, ...rest] = claims.map(claim => this.#ofClaim(claim));
    if (first === undefined || rest.length === 0) return first ?? candidates([]);
    const all = first.names.filter(name => rest.every(({ set }) => set.has(name)));
    return candidates(all.length > 0 ? all : [first, ...rest].flatMap(each => each.names));
  }

  #ofClaim({ policies, localTo }: Claim): Candidates {
    const selected = this.#ofPolicies(policies);
    if (localTo === undefined) return selected;
    return candidates([...localTo.nodes].filter(name => selected.set.has(name)));
  }

  #ofPolicies(policies: readonly L2Policy[]): Candidates {
    const known = this.#selected.get(policies);
    if (known !== undefined) return known;
    const names = policies.flatMap(policy => policy.nodes).filter(name => !this.#plan.excluded.has(name));
    const made = candidates(names);
    this.#selected.set(policies, made);
    return made;
  }
}

function candidates(names: readonly string[]): Candidates {
  const set = new Set([...names].sort());
  return { names: [...set], set };
}
