/**
 * Every address that is to be announced on local networks, with its candidates, kept up to date Service by Service. An
 * address that Services share is one address with one owner. Reference §2.15-2.16, L1-L20, L25.
 */
import type { Service } from '../api/service.ts';
import type { Snapshot } from '../api/snapshot.ts';
import { IpAddress } from '../net/ip.ts';
import type { BackendIndex } from './backends.ts';
import type { ServiceChanges } from './changes.ts';
import { ClaimTable, type Contribution } from './claim-table.ts';
import { type L2AddressType, type L2Plan, type L2Policy, visitL2Service } from './l2-plan.ts';
import { isLocalOnly, serviceFacts } from './service-address.ts';

export interface L2Claim {
  readonly service: string;
  /** When the Service was made, in milliseconds since the epoch. */
  readonly creationMs: number;
  readonly type: L2AddressType;
  /** Those that cover the address, by name. Equal lists are one array. */
  readonly policies: readonly L2Policy[];
  /** Nodes with a ready endpoint, where only they may answer; undefined: any node that the policies select. */
  readonly localTo: readonly string[] | undefined;
}

export interface L2Address {
  readonly address: IpAddress;
  readonly text: string;
  /** By Service. */
  readonly claims: readonly L2Claim[];
  readonly candidates: Candidates;
}

export class L2Table {
  #plan: L2Plan | undefined;
  #table: ClaimTable<IpAddress, L2Claim, L2Address> | undefined;
  #shared = new SharedLists();

  /** Sorted by address. `changes`: since the last call. `plan` is compared by identity: another means starting over. */
  update(plan: L2Plan, snapshot: Snapshot, changes: ServiceChanges, backends: BackendIndex): readonly L2Address[] {
    const fresh = this.#table === undefined || plan !== this.#plan;
    const table =
      fresh || this.#table === undefined ? new ClaimTable(addressRules(new CandidateLists(plan))) : this.#table;
    if (fresh) this.#shared = new SharedLists();
    this.#plan = plan;
    this.#table = table;
    if (fresh && plan.policies.length === 0) return table.values();
    const all = fresh ? snapshot.list('Service').values() : changes.values().filter(each => each !== undefined);
    for (const service of all) this.#state(plan, service, table, backends);
    if (!fresh) for (const [key, service] of changes) if (service === undefined) table.state(key, []);
    return table.values();
  }

  #state(
    plan: L2Plan,
    service: Service,
    table: ClaimTable<IpAddress, L2Claim, L2Address>,
    backends: BackendIndex,
  ): void {
    const facts = serviceFacts(service);
    const claims: Contribution<IpAddress, L2Claim>[] = [];
    visitL2Service(plan, facts, {
      announce: ({ text: key, address: place }, type, policies) => {
        const local = isLocalOnly(facts, type) ? backends.get(facts.key) : undefined;
        const localTo = local === undefined || local.everywhere ? undefined : local.nodes;
        const { creationMs } = service.metadata;
        const claim = { service: facts.key, creationMs, type, policies: this.#shared.of(policies), localTo };
        claims.push({ key, place, claim });
      },
      refuse() {},
    });
    table.state(facts.key, claims);
  }
}

/** One array for each list of policies: a tree whose branches are the policies. */
class SharedLists {
  #list: readonly L2Policy[] | undefined;
  readonly #longer = new Map<L2Policy, SharedLists>();

  of(policies: readonly L2Policy[]): readonly L2Policy[] {
    let here: SharedLists = this;
    for (const policy of policies) {
      const next = here.#longer.get(policy) ?? new SharedLists();
      here.#longer.set(policy, next);
      here = next;
    }
    here.#list ??= policies;
    return here.#list;
  }
}

function addressRules(lists: CandidateLists) {
  return {
    build: (address: IpAddress, claims: readonly L2Claim[], text: string): L2Address => ({
      address,
      text,
      claims,
      candidates: lists.of(claims),
    }),
    compareClaims: (a: L2Claim, b: L2Claim) => (claimText(a) < claimText(b) ? -1 : 1),
    compareValues: (a: L2Address, b: L2Address) => IpAddress.compare(a.address, b.address),
  };
}

function claimText({ service, type }: L2Claim): string {
  return `${service} ${type}`;
}

/** Nodes that may answer. Thousands of addresses have the same ones, and then share one value. */
export class Candidates {
  /** Ascending. */
  readonly names: readonly string[];
  #set: ReadonlySet<string> | undefined;

  constructor(names: readonly string[]) {
    this.names = names;
  }

  has(name: string): boolean {
    if (this.names.length < 16) return this.names.includes(name);
    this.#set ??= new Set(this.names);
    return this.#set.has(name);
  }
}

class CandidateLists {
  readonly #plan: L2Plan;
  readonly #selected = new Map<readonly L2Policy[], Candidates>();

  constructor(plan: L2Plan) {
    this.#plan = plan;
  }

  /** Nodes that serve every Service on the address; where there is none, nodes that serve one of them. */
  of(claims: readonly L2Claim[]): Candidates {
    const [first, ...rest] = claims.map(claim => this.#ofClaim(claim));
    if (first === undefined || rest.length === 0) return first ?? new Candidates([]);
    const all = first.names.filter(name => rest.every(each => each.has(name)));
    if (all.length > 0) return new Candidates(all);
    return new Candidates([...new Set([first, ...rest].flatMap(each => each.names))].sort());
  }

  #ofClaim({ policies, localTo }: L2Claim): Candidates {
    const selected = this.#ofPolicies(policies);
    return localTo === undefined ? selected : new Candidates(localTo.filter(name => selected.has(name)));
  }

  #ofPolicies(policies: readonly L2Policy[]): Candidates {
    const known = this.#selected.get(policies);
    if (known !== undefined) return known;
    const names = policies.flatMap(policy => policy.nodes).filter(name => !this.#plan.leaving.has(name));
    const made = new Candidates([...new Set(names)].sort());
    this.#selected.set(policies, made);
    return made;
  }
}
