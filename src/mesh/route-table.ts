/**
 * The one route table for pods: who knows a prefix, whether it may be routed here, by which way, and why not the
 * others. Preferences, first to last: nodes of our own cluster, nodes of other clusters (the older first), BGP alone;
 * equal ones share the load. Refused is whatever would take over an address of this node, of its links, or that routes
 * go through.
 */
import { sameValue } from '../net/equal.ts';
import { type Family, IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import { PrefixMap } from '../net/prefix-map.ts';
import { withChanges } from '../net/sorted.ts';
import { PodCluster, type PodNode } from './pod-node.ts';
import { MeshRefusal } from './reason.ts';
import { type Claim, RouteClaims } from './route-claims.ts';
import {
  type ClusterOverlap,
  type LearnedRoute,
  type PodRoute,
  PodVia,
  type RouteInputs,
  type RouteOrigin,
  type RouteVerdict,
  type Way,
} from './routing.ts';
import { Surroundings } from './surroundings.ts';
import { Vtep } from './vtep.ts';

export interface PodRoutes {
  /** By prefix. A route that did not change is the same value, and so is the list. */
  readonly routes: readonly PodRoute[];
  readonly overlaps: readonly ClusterOverlap[];
  /** Claims that led to nothing, those that another one goes before not counted. */
  readonly refused: number;
}

/** Next hops that share the load of one prefix. */
const viasMax = 64;
/** More changes than these are not worked in one by one. */
const patchedMax = 64;

type Outcome = RouteVerdict['outcome'];

interface Judged {
  readonly claim: Claim;
  readonly outcome: Outcome;
  readonly overlap: OverlapFound | undefined;
}

interface OverlapFound {
  readonly younger: string;
  readonly older: string;
  readonly prefix: Prefix;
  readonly olderPrefix: Prefix;
}

export class PodRouteTable {
  #claims = new RouteClaims();
  #inputs: RouteInputs | undefined;
  #surroundings: Surroundings | undefined;
  #underlay: Family | undefined;
  #routes = new PrefixMap<PodRoute>();
  #refused = new PrefixMap<number>();
  #overlaps = new PrefixMap<readonly OverlapFound[]>();
  #answer: PodRoutes = { routes: [], overlaps: [], refused: 0 };

  update(inputs: RouteInputs): PodRoutes {
    const { own, clusters, learned, guarded, links, rules, self } = inputs;
    const touched = this.#claims.update(own, clusters, learned, guarded);
    const cidrs = ownCidrs(inputs);
    const before = this.#inputs;
    const isSame =
      before !== undefined &&
      before.self === self &&
      before.own.id === own.id &&
      selfOf(before)?.underlay.family === selfOf(inputs)?.underlay.family &&
      sameValue(before.links, links) &&
      sameValue(before.rules, rules) &&
      sameValue(ownCidrs(before), cidrs);
    this.#inputs = inputs;
    this.#underlay = selfOf(inputs)?.underlay.family;
    if (!isSame) this.#surroundings = new Surroundings(links, cidrs, rules);
    const changed: Prefix[] = [];
    for (const prefix of isSame ? touched : new Set([...touched, ...this.#claims.prefixes()]))
      if (this.#decide(prefix)) changed.push(prefix);
    if (changed.length > 0) this.#answer = this.#summary(changed);
    return this.#answer;
  }

  /**
   * Everybody who knows a prefix that holds the address, the most specific first; what is routed comes first of each.
   */
  explain(address: IpAddress): readonly RouteVerdict[] {
    return [...this.#claims.covering(address)].reverse().flatMap(prefix => this.verdicts(prefix));
  }

  /** Everybody who knows exactly this prefix. */
  verdicts(prefix: Prefix): readonly RouteVerdict[] {
    const judged = this.#judge(prefix);
    const best = bestRank(judged);
    const verdicts = judged.map(({ claim, outcome }) => {
      const isBehind = !('reason' in outcome) && rank(claim) !== best;
      return { prefix, origin: originOf(claim), outcome: isBehind ? MeshRefusal.of('less-preferred') : outcome };
    });
    return verdicts.sort((a, b) => Number('reason' in a.outcome) - Number('reason' in b.outcome));
  }

  /** True when anything about the prefix is different from before. */
  #decide(prefix: Prefix): boolean {
    const judged = this.#judge(prefix);
    const best = bestRank(judged);
    const chosen = judged.filter(({ claim, outcome }) => !('reason' in outcome) && rank(claim) === best);
    const vias = distinct(chosen.flatMap(({ outcome }) => ('reason' in outcome ? [] : outcome)));
    const route = vias.length === 0 ? undefined : { prefix, vias, origins: chosen.map(each => originOf(each.claim)) };
    const refused = judged.filter(({ outcome }) => 'reason' in outcome).length;
    const overlaps = judged.flatMap(({ overlap }) => overlap ?? []);
    const changedRoute = replace(this.#routes, prefix, route);
    const changedRefused = replace(this.#refused, prefix, refused === 0 ? undefined : refused);
    const changedOverlaps = replace(this.#overlaps, prefix, overlaps.length === 0 ? undefined : overlaps);
    return changedRoute || changedRefused || changedOverlaps;
  }

  #judge(prefix: Prefix): Judged[] {
    const claims = this.#claims.of(prefix).filter(claim => !this.#isSelf(claim));
    if (claims.length === 0) return [];
    const common = this.#commonRefusal(prefix);
    return claims.map(claim => {
      const overlap = this.#overlapOf(prefix, claim);
      return { claim, outcome: common ?? this.#outcome(prefix, claim, overlap), overlap };
    });
  }

  #commonRefusal(prefix: Prefix): MeshRefusal | undefined {
    const refusal = this.#surroundings?.refusal(prefix);
    if (refusal !== undefined || prefix.length === 0) return refusal;
    const guarded = this.#claims.guardedIn(prefix);
    return guarded && MeshRefusal.of('covers-peer', `${IpAddress.format(guarded.address)}, ${guarded.what}`);
  }

  #outcome(prefix: Prefix, claim: Claim, overlap: OverlapFound | undefined): Outcome {
    if (claim.kind === 'bgp') return this.#learnedOutcome(claim.route);
    if (overlap !== undefined) {
      const { younger, older, olderPrefix } = overlap;
      const [mine, theirs] = [Prefix.format(prefix), Prefix.format(olderPrefix)];
      return MeshRefusal.of('overlaps-cluster', `${mine} of ${younger} and ${theirs} of ${older}`);
    }
    return this.#reach(prefix, claim.node);
  }

  /** By the only way asked for, or by the first there is. */
  #reach(prefix: Prefix, node: PodNode): Outcome {
    const { mode } = this.#surroundings?.rules ?? { mode: 'auto' as const };
    if (node.addresses.length === 0 && mode !== 'bgp') return MeshRefusal.of('no-node-address', node.name);
    if (mode !== 'auto') return this.#by(mode, prefix, node);
    for (const way of ['direct', 'bgp'] as const) {
      const outcome = this.#by(way, prefix, node);
      if (!('reason' in outcome)) return outcome;
    }
    return this.#by('vxlan', prefix, node);
  }

  #by(way: Way, prefix: Prefix, node: PodNode): Outcome {
    const { family } = prefix.address;
    if (way === 'direct') {
      const on = this.#surroundings?.onLink(node.addresses, family);
      if (on !== undefined) return [{ way, gateway: on.address, link: on.link }];
      return MeshRefusal.of('not-on-link', node.addresses.map(IpAddress.format).join(', '));
    }
    if (way === 'bgp') {
      for (const route of this.#claims.learnedFor(prefix)) {
        const outcome = this.#learnedOutcome(route);
        if (!('reason' in outcome)) return outcome;
      }
      return MeshRefusal.of('not-learned');
    }
    const vtep = Vtep.of(node);
    // One link has one kind of underlay, and that is ours.
    if (vtep === undefined || vtep.underlay.family !== this.#underlay)
      return MeshRefusal.of('no-node-address', node.name);
    return [{ way, gateway: Vtep.nextHop(vtep, family), vtep }];
  }

  #learnedOutcome({ prefix, nextHops, origin }: LearnedRoute): Outcome {
    const refusal = this.#surroundings?.importRefusal(prefix);
    if (refusal !== undefined) return refusal;
    if (origin !== undefined && origin === this.#inputs?.own.id) return MeshRefusal.of('came-back');
    const vias = nextHops.flatMap(({ address, link }): PodVia[] => {
      const on = link ?? this.#surroundings?.linkOf(address);
      return on === undefined ? [] : [{ way: 'bgp', gateway: address, link: on }];
    });
    if (vias.length > 0) return vias;
    return MeshRefusal.of('next-hop-not-on-link', nextHops.map(each => IpAddress.format(each.address)).join(', '));
  }

  /** The oldest other cluster whose PodCIDRs overlap, if it is older. */
  #overlapOf(prefix: Prefix, claim: Claim): OverlapFound | undefined {
    if (claim.kind !== 'node' || claim.isOwn) return undefined;
    let found: { readonly cluster: PodCluster; readonly isOwn: boolean; readonly prefix: Prefix } | undefined;
    for (const { prefix: other, claim: rival } of this.#claims.overlapping(prefix)) {
      if (rival.kind !== 'node' || rival.cluster.name === claim.cluster.name) continue;
      if (!rival.isOwn && PodCluster.compareAge(rival.cluster, claim.cluster) > 0) continue;
      if (found?.isOwn || (found !== undefined && PodCluster.compareAge(found.cluster, rival.cluster) <= 0)) continue;
      found = { cluster: rival.cluster, isOwn: rival.isOwn, prefix: other };
    }
    return found && { younger: claim.cluster.name, older: found.cluster.name, prefix, olderPrefix: found.prefix };
  }

  #isSelf(claim: Claim): boolean {
    return claim.kind === 'node' && claim.isOwn && claim.node.name === this.#inputs?.self;
  }

  #summary(changed: readonly Prefix[]): PodRoutes {
    let refused = 0;
    for (const { value } of this.#refused) refused += value;
    const overlaps = new Map<string, ClusterOverlap>();
    for (const { value } of this.#overlaps)
      for (const found of value) {
        const key = `${found.younger} ${found.older}`;
        const had = overlaps.get(key);
        overlaps.set(key, had === undefined ? { ...found, count: 1 } : { ...had, count: had.count + 1 });
      }
    return { routes: this.#list(changed), overlaps: [...overlaps.values()], refused };
  }

  /** All routes in order: of a few changes, the last list with these worked in. */
  #list(changed: readonly Prefix[]): readonly PodRoute[] {
    if (changed.length > patchedMax) return [...this.#routes].map(each => each.value);
    const changes = changed.map(prefix => ({ at: { prefix }, value: this.#routes.get(prefix) }));
    return withChanges(this.#answer.routes, changes, comparePrefixes);
  }
}

function selfNode({ own, self }: RouteInputs): PodNode | undefined {
  return own.nodes.find(node => node.name === self);
}

function ownCidrs(inputs: RouteInputs): readonly Prefix[] {
  return selfNode(inputs)?.podCidrs ?? [];
}

/** Our own end of the overlay. */
function selfOf(inputs: RouteInputs): Vtep | undefined {
  const self = selfNode(inputs);
  return self && Vtep.of(self);
}

function comparePrefixes(a: { readonly prefix: Prefix }, b: { readonly prefix: Prefix }): number {
  return Prefix.compare(a.prefix, b.prefix);
}

/** The lower goes first. */
function rank(claim: Claim): number {
  return claim.kind === 'bgp' ? 2 : claim.isOwn ? 0 : 1;
}

function bestRank(judged: readonly Judged[]): number {
  return Math.min(...judged.filter(({ outcome }) => !('reason' in outcome)).map(({ claim }) => rank(claim)));
}

function originOf(claim: Claim): RouteOrigin {
  if (claim.kind === 'bgp') return { kind: 'bgp', peers: claim.route.from };
  return { kind: 'node', cluster: claim.cluster.name, node: claim.node.name };
}

function distinct(vias: readonly PodVia[]): readonly PodVia[] {
  if (vias.length <= 1) return vias;
  const byText = new Map(vias.map(via => [PodVia.format(via), via]));
  return [...byText]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .slice(0, viasMax)
    .map(([, via]) => via);
}

/** Keeps the value that is there when the new one says the same. True when something changed. */
function replace<V extends NonNullable<unknown>>(map: PrefixMap<V>, prefix: Prefix, value: V | undefined): boolean {
  if (value === undefined) return map.delete(prefix);
  if (sameValue(map.get(prefix), value)) return false;
  map.set(prefix, value);
  return true;
}
