/**
 * All routes one BGP instance originates, kept up to date Service by Service: who claims each prefix, and what each
 * peer is told about it. A prefix that several Services share stays until the last is gone; overlapping advertisements
 * on one prefix add up. Reference §2.4, §2.5.
 */
import type { PathAttributes, ServiceAddressType } from '../api/bgp-attributes.ts';
import type { Service } from '../api/service.ts';
import type { Snapshot } from '../api/snapshot.ts';
import type { Announcement } from '../bgp/announcement.ts';
import { LargeCommunity } from '../bgp/community.ts';
import { type Family, familyBits, IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import type { BackendIndex } from './backends.ts';
import { type Grant, mergeAttributes, type RoutePlan, type RouteSource, type ServiceRule } from './bgp-plan.ts';
import { type RouteContext, type ServiceVisitor, visitService } from './bgp-service.ts';
import { type Mapped, mapChanged, type ServiceChanges } from './changes.ts';
import { ClaimTable, type Contribution } from './claim-table.ts';
import { PrefixSet } from './prefix-set.ts';
import { type ServiceAddress, serviceFacts } from './service-address.ts';

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

export interface Routes {
  /** By prefix. */
  readonly routes: readonly Route[];
  /** All of theirs, for the speaker; one that did not change is the same value. */
  readonly announcements: readonly Announcement[];
}

export class RouteTable {
  #plan: RoutePlan | undefined;
  #context: RouteContext | undefined;
  #table: ClaimTable<Prefix, RouteClaim, Route> | undefined;
  #flat = new Flat();

  /** `changes`: since the last call. `plan` and `context` are compared by identity: another one means starting over. */
  update(
    plan: RoutePlan,
    context: RouteContext,
    snapshot: Snapshot,
    changes: ServiceChanges,
    backends: BackendIndex,
  ): Routes {
    const table = plan === this.#plan && context === this.#context ? this.#table : undefined;
    const current = table ?? this.#start(plan, context);
    const collector = new Collector();
    const state = (service: Service) => {
      const facts = serviceFacts(service);
      visitService(plan, context, facts, backends, collector.begin(facts.key));
      current.state(facts.key, collector.collected);
    };
    if (table === undefined) for (const service of snapshot.list('Service')) state(service);
    else {
      for (const [key, service] of changes) {
        if (service === undefined) table.state(key, []);
        else state(service);
      }
    }
    const routes = current.values();
    return { routes, announcements: this.#flat.of(routes) };
  }

  #start(plan: RoutePlan, context: RouteContext): ClaimTable<Prefix, RouteClaim, Route> {
    const flat = new Flat();
    const table = new ClaimTable(routeRules(plan, flat));
    table.state(fixedOwner, plan.fixed.map(fixedContribution));
    this.#plan = plan;
    this.#context = context;
    this.#table = table;
    this.#flat = flat;
    return table;
  }
}

/**
 * The announcements of all routes. Nearly always each has one, and then a change of one route costs no walk over the
 * rest.
 */
class Flat {
  #several = 0;
  #mapped: Mapped<Route, Announcement | undefined> = { from: [], to: [] };
  #last: Routes = { routes: [], announcements: [] };

  changed(before: Route | undefined, after: Route | undefined): void {
    this.#several += several(after) - several(before);
  }

  of(routes: readonly Route[]): readonly Announcement[] {
    if (routes === this.#last.routes) return this.#last.announcements;
    this.#last = { routes, announcements: this.#several === 0 ? this.#single(routes) : allOf(routes) };
    return this.#last.announcements;
  }

  #single(routes: readonly Route[]): readonly Announcement[] {
    this.#mapped = mapChanged(this.#mapped, routes, compareRoutes, route => route.announcements[0]);
    // Routes without an announcement are never made.
    return this.#mapped.to as readonly Announcement[];
  }
}

function several(route: Route | undefined): number {
  return route !== undefined && route.announcements.length > 1 ? 1 : 0;
}

function allOf(routes: readonly Route[]): readonly Announcement[] {
  const all: Announcement[] = [];
  for (const route of routes) for (const each of route.announcements) all.push(each);
  return all;
}

function compareRoutes(a: Route, b: Route): number {
  return Prefix.compare(a.prefix, b.prefix);
}

function fixedContribution({ prefix, source, grant }: RoutePlan['fixed'][number]): RouteContribution {
  return { key: keyOf(prefix), place: prefix, claim: { source, grant } };
}

/** A host route goes by its address alone, which a Service's facts have as text already. */
function keyOf(prefix: Prefix): string {
  const { address, length } = prefix;
  return length === familyBits[address.family] ? IpAddress.format(address) : Prefix.format(prefix);
}

/** Takes down what is announced for one Service after the other. */
class Collector implements ServiceVisitor {
  collected: RouteContribution[] = [];
  #service = '';

  begin(service: string): this {
    this.collected = [];
    this.#service = service;
    return this;
  }

  announce(place: Prefix, { host, text }: ServiceAddress, type: ServiceAddressType, { grant }: ServiceRule): void {
    const source = { kind: 'service', service: this.#service, type, address: text } as const;
    this.collected.push({ key: place === host ? text : keyOf(place), place, claim: { source, grant } });
  }

  refuse(): void {}
}

function routeRules(plan: RoutePlan, flat: Flat) {
  const profiles = new Profiles(plan);
  return {
    build(prefix: Prefix, claims: readonly RouteClaim[]): Route | undefined {
      const announcements = profiles.of(prefix, claims).map(telling => announcement(prefix, telling));
      return announcements.length === 0 ? undefined : { prefix, claims, announcements };
    },
    compareClaims: (a: RouteClaim, b: RouteClaim) => compareText(claimText(a), claimText(b)),
    compareValues: compareRoutes,
    changed: (before: Route | undefined, after: Route | undefined) => flat.changed(before, after),
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
  /** The same for prefixes under one grant and no rule: nearly all. */
  readonly #plain: Readonly<Record<Family, Map<Grant, readonly Telling[]>>> = { ipv4: new Map(), ipv6: new Map() };

  constructor(plan: RoutePlan) {
    this.#plan = plan;
    const grants = new Set([...plan.rules, ...plan.fixed].map(each => each.grant));
    this.#ids = new Map([...grants].map((grant, id) => [grant, id]));
  }

  of(prefix: Prefix, claims: readonly RouteClaim[]): readonly Telling[] {
    const { family } = prefix.address;
    const rules = this.#plan.attributeRules.filter(rule => PrefixSet.has(rule.prefixes, prefix));
    const [first] = claims;
    const single = claims.length === 1 && rules.length === 0 ? first?.grant : undefined;
    const plain = single && this.#plain[family].get(single);
    if (plain !== undefined) return plain;
    const grants = single === undefined ? [...new Set(claims.map(claim => claim.grant))] : [single];
    const ids = grants.map(grant => this.#ids.get(grant) ?? -1).sort((a, b) => a - b);
    const key = [family, ids, rules.map(rule => this.#plan.attributeRules.indexOf(rule))].join(' ');
    const told =
      this.#known.get(key) ??
      tellings(
        grants.map(grant => grantTelling(grant, family)),
        rules,
      );
    this.#known.set(key, told);
    if (single !== undefined) this.#plain[family].set(single, told);
    return told;
  }
}

function grantTelling({ peers, attributes }: Grant, family: Family): Telling {
  return { peers: peers[family], attributes };
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
