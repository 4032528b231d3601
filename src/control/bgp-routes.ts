/**
 * All routes one BGP instance originates, kept up to date Service by Service: who claims each prefix, and what each peer is told
 * about it. A prefix that several Services share stays until the last is gone; overlapping advertisements on one prefix add up.
 * Reference §2.4, §2.5.
 */
import type { PathAttributes } from '../api/bgp-attributes.ts';
import type { Snapshot } from '../api/snapshot.ts';
import type { Announcement } from '../bgp/announcement.ts';
import { LargeCommunity } from '../bgp/community.ts';
import { Prefix } from '../net/prefix.ts';
import type { BackendIndex } from './backends.ts';
import { type Grant, mergeAttributes, type RoutePlan, type RouteSource } from './bgp-plan.ts';
import { type RouteContext, type ServiceVisitor, visitService } from './bgp-service.ts';
import { ServiceChanges } from './changes.ts';
import { ClaimTable, type Contribution } from './claim-table.ts';
import { PrefixSet } from './prefix-set.ts';
import { serviceFacts } from './service-address.ts';

export interface RouteClaim {
  readonly source: RouteSource;
  readonly grant: Grant;
}

/** A prefix, why it is announced, and what is said to whom: peers that are told the same share one announcement. */
export interface Route {
  readonly prefix: Prefix;
  readonly claims: readonly RouteClaim[];
  readonly announcements: readonly Announcement[];
}

type RouteContribution = Contribution<Prefix, RouteClaim>;

const fixedOwner = '';

export class RouteTable {
  #plan: RoutePlan | undefined;
  #context: RouteContext | undefined;
  #changes = new ServiceChanges();
  #table: ClaimTable<Prefix, RouteClaim, Route> | undefined;

  /** Sorted by prefix. `plan` and `context` are compared by identity: another one means starting over. */
  update(plan: RoutePlan, context: RouteContext, snapshot: Snapshot, backends: BackendIndex): readonly Route[] {
    if (this.#table === undefined || plan !== this.#plan || context !== this.#context) {
      this.#plan = plan;
      this.#context = context;
      this.#changes = new ServiceChanges();
      this.#table = new ClaimTable(routeRules(plan));
      this.#table.state(fixedOwner, plan.fixed.map(fixedContribution));
    }
    for (const key of this.#changes.take(snapshot)) {
      const slash = key.indexOf('/');
      const service = snapshot.get('Service', key.slice(0, slash), key.slice(slash + 1));
      const contributions: RouteContribution[] = [];
      if (service !== undefined) {
        const facts = serviceFacts(service);
        visitService(plan, context, facts, backends.get(key), collector(key, contributions));
      }
      this.#table.state(key, contributions);
    }
    return this.#table.values();
  }
}

function fixedContribution({ prefix, source, grant }: RoutePlan['fixed'][number]): RouteContribution {
  return { key: Prefix.format(prefix), place: prefix, claim: { source, grant } };
}

function collector(service: string, into: RouteContribution[]): ServiceVisitor {
  return {
    announce(place, { host, text }, type, { grant }) {
      const key = place === host ? `${text}/${host.length}` : Prefix.format(place);
      into.push({ key, place, claim: { source: { kind: 'service', service, type, address: text }, grant } });
    },
    refuse() {},
  };
}

function routeRules(plan: RoutePlan) {
  const profiles = new Profiles(plan);
  return {
    build(prefix: Prefix, claims: readonly RouteClaim[]): Route | undefined {
      const announcements = profiles.of(prefix, claims).map(telling => announcement(prefix, telling));
      return announcements.length === 0 ? undefined : { prefix, claims, announcements };
    },
    compareClaims: (a: RouteClaim, b: RouteClaim) => compareText(claimText(a), claimText(b)),
    compareValues: (a: Route, b: Route) => Prefix.compare(a.prefix, b.prefix),
  };
}

function claimText({ source, grant }: RouteClaim): string {
  const about = source.kind === 'service' ? `${source.service} ${source.type} ${source.address}` : source.kind;
  return `${about} ${grant.from}`;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The same attributes for these peers. */
interface Telling {
  readonly peers: readonly string[];
  readonly attributes: PathAttributes;
}

function announcement(prefix: Prefix, { peers, attributes }: Telling): Announcement {
  const { communities, largeCommunities, localPreference } = attributes;
  return {
    prefix,
    peers,
    ...(localPreference === undefined ? {} : { localPref: localPreference }),
    ...(communities.length === 0 ? {} : { communities }),
    ...(largeCommunities.length === 0 ? {} : { largeCommunities }),
  };
}

/** Thousands of prefixes fall under few combinations of grants and attribute rules; each is worked out once. */
class Profiles {
  readonly #plan: RoutePlan;
  readonly #ids: ReadonlyMap<Grant, number>;
  readonly #known = new Map<string, readonly Telling[]>();

  constructor(plan: RoutePlan) {
    this.#plan = plan;
    const grants = new Set([...plan.rules, ...plan.fixed].map(each => each.grant));
    this.#ids = new Map([...grants].map((grant, id) => [grant, id]));
  }

  of(prefix: Prefix, claims: readonly RouteClaim[]): readonly Telling[] {
    const grants = new Set(claims.map(claim => claim.grant));
    const ids = [...grants].map(grant => this.#ids.get(grant) ?? -1).sort((a, b) => a - b);
    const rules = this.#plan.attributeRules.filter(rule => PrefixSet.has(rule.prefixes, prefix));
    const key = [prefix.address.family, ids, rules.map(rule => this.#plan.attributeRules.indexOf(rule))].join(' ');
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const told = tellings(
      [...grants].map(grant => ({ peers: grant.peers[prefix.address.family], attributes: grant.attributes })),
      rules,
    );
    this.#known.set(key, told);
    return told;
  }
}

function tellings(grants: readonly Telling[], extra: readonly Telling[]): readonly Telling[] {
  const groups = new Map<string, { peers: string[]; attributes: PathAttributes }>();
  for (const peer of [...new Set(grants.flatMap(grant => grant.peers))].sort()) {
    const said = [...grants, ...extra].filter(each => each.peers.includes(peer));
    const attributes = mergeAttributes(said.map(each => each.attributes));
    const { communities, largeCommunities, localPreference } = attributes;
    const key = [communities, largeCommunities.map(LargeCommunity.format), localPreference].join(' ');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { peers: [peer], attributes });
    else group.peers.push(peer);
  }
  return [...groups.values()];
}
