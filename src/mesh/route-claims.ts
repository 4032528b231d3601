/**
 * Who knows which prefix: nodes and BGP routes as claims by prefix, followed by their differences, so that a change
 * costs what it changes. Every update gives the prefixes for which something may have become different.
 */
import type { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import { PrefixMap } from '../net/prefix-map.ts';
import type { PodCluster, PodNode } from './pod-node.ts';
import type { GuardedAddress, LearnedRoute } from './routing.ts';

export type Claim =
  | { readonly kind: 'node'; readonly cluster: PodCluster; readonly isOwn: boolean; readonly node: PodNode }
  | { readonly kind: 'bgp'; readonly route: LearnedRoute };

type NodeClaim = Claim & { readonly kind: 'node' };

interface Followed {
  readonly cluster: PodCluster;
  readonly claims: ReadonlyMap<string, NodeClaim>;
}

/** A prefix with all who claim it. */
interface Claimed {
  readonly prefix: Prefix;
  claims: readonly Claim[];
  /** Noted in this update already. */
  isDirty: boolean;
}

/** A node by its claim, or in words. */
type Guard = NodeClaim | string;

export class RouteClaims {
  readonly #claims = new PrefixMap<Claimed>();
  readonly #learned = new PrefixMap<Claim & { kind: 'bgp' }>();
  /** By address: what it is, once for every reason it is guarded. */
  readonly #guarded = new PrefixMap<readonly Guard[]>();
  readonly #followed = new Map<string, Followed>();
  #learnedList: readonly LearnedRoute[] = [];
  #guardedList: readonly GuardedAddress[] = [];
  #dirty: Claimed[] = [];

  /** Every prefix that somebody claims. */
  *prefixes(): Iterable<Prefix> {
    for (const { prefix } of this.#claims) yield prefix;
  }

  of(prefix: Prefix): readonly Claim[] {
    return this.#claims.get(prefix)?.claims ?? [];
  }

  covering(address: IpAddress): readonly Prefix[] {
    return this.#claims.covering(Prefix.host(address)).map(each => each.prefix);
  }

  *overlapping(prefix: Prefix): Iterable<{ readonly prefix: Prefix; readonly claim: Claim }> {
    for (const { prefix: other, value } of this.#claims.overlapping(prefix))
      for (const claim of value.claims) yield { prefix: other, claim };
  }

  /** BGP routes that cover the prefix, the longest first. */
  learnedFor(prefix: Prefix): readonly LearnedRoute[] {
    return this.#learned
      .covering(prefix)
      .map(each => each.value.route)
      .reverse();
  }

  /** The first guarded address inside the prefix. */
  guardedIn(prefix: Prefix): GuardedAddress | undefined {
    for (const { prefix: host, value } of this.#guarded.coveredBy(prefix))
      return { address: host.address, what: wordsOf(value[0] ?? '') };
    return undefined;
  }

  /** The whole of what is known now. */
  update(
    own: PodCluster,
    clusters: readonly PodCluster[],
    learned: readonly LearnedRoute[],
    guarded: readonly GuardedAddress[],
  ): Iterable<Prefix> {
    const all = [own, ...clusters];
    const names = new Set(all.map(each => each.name));
    for (const [name, followed] of this.#followed)
      if (!names.has(name)) this.#follow(followed, { ...followed.cluster, nodes: [] }, false);
    for (const cluster of all) this.#follow(this.#followed.get(cluster.name), cluster, cluster === own);
    this.#learn(learned);
    this.#guard(guarded);
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const each of dirty) each.isDirty = false;
    return dirty.map(each => each.prefix);
  }

  #follow(followed: Followed | undefined, cluster: PodCluster, isOwn: boolean): void {
    const { name, nodes, id, sinceMs } = cluster;
    const before = followed?.cluster;
    if (before?.nodes === nodes && before.id === id && before.sinceMs === sinceMs) return;
    const sameAge = before?.id === id && before.sinceMs === sinceMs;
    const claims = new Map<string, NodeClaim>();
    for (const node of nodes) {
      const had = followed?.claims.get(node.name);
      if (had?.node === node && sameAge) claims.set(node.name, had);
      else claims.set(node.name, { kind: 'node', cluster, isOwn, node });
    }
    for (const [node, claim] of followed?.claims ?? []) if (claims.get(node) !== claim) this.#withdraw(claim);
    for (const [node, claim] of claims) if (followed?.claims.get(node) !== claim) this.#enter(claim);
    if (claims.size === 0) this.#followed.delete(name);
    else this.#followed.set(name, { cluster, claims });
  }

  #enter(claim: NodeClaim): void {
    for (const prefix of claim.node.podCidrs) this.#add(prefix, claim);
    for (const address of claim.node.addresses) this.#addGuard(address, claim);
  }

  #withdraw(claim: NodeClaim): void {
    for (const prefix of claim.node.podCidrs) this.#remove(prefix, claim);
    for (const address of claim.node.addresses) this.#removeGuard(address, claim);
  }

  #learn(learned: readonly LearnedRoute[]): void {
    if (learned === this.#learnedList) return;
    this.#learnedList = learned;
    const gone = new Set<LearnedRoute>();
    for (const { value } of this.#learned) gone.add(value.route);
    const added = learned.filter(route => !gone.delete(route));
    for (const route of gone) {
      const claim = this.#learned.get(route.prefix);
      if (claim === undefined) continue;
      this.#learned.delete(route.prefix);
      this.#remove(route.prefix, claim);
    }
    for (const route of added) {
      const claim = { kind: 'bgp', route } as const;
      this.#learned.set(route.prefix, claim);
      this.#add(route.prefix, claim);
    }
  }

  #guard(guarded: readonly GuardedAddress[]): void {
    if (guarded === this.#guardedList) return;
    for (const { address, what } of this.#guardedList) this.#removeGuard(address, what);
    for (const { address, what } of guarded) this.#addGuard(address, what);
    this.#guardedList = guarded;
  }

  #add(prefix: Prefix, claim: Claim): void {
    const claimed = this.#claims.get(prefix);
    if (claimed === undefined) this.#claims.set(prefix, { prefix, claims: [claim], isDirty: false });
    else claimed.claims = [...claimed.claims, claim];
    this.#touch(prefix);
  }

  #remove(prefix: Prefix, claim: Claim): void {
    const claimed = this.#claims.get(prefix);
    if (claimed === undefined) return;
    this.#touch(prefix);
    claimed.claims = claimed.claims.filter(each => each !== claim);
    if (claimed.claims.length === 0) this.#claims.delete(prefix);
  }

  /** Whoever shares an address with the prefix may get another verdict now; itself is one of them. */
  #touch(prefix: Prefix): void {
    for (const { value } of this.#claims.overlapping(prefix)) this.#note(value);
  }

  #note(claimed: Claimed): void {
    if (claimed.isDirty) return;
    claimed.isDirty = true;
    this.#dirty.push(claimed);
  }

  #addGuard(address: IpAddress, guard: Guard): void {
    const host = Prefix.host(address);
    const had = this.#guarded.get(host);
    this.#guarded.set(host, had === undefined ? [guard] : [...had, guard]);
    this.#touchCovering(host);
  }

  #removeGuard(address: IpAddress, guard: Guard): void {
    const host = Prefix.host(address);
    const had = this.#guarded.get(host) ?? [];
    const at = had.indexOf(guard);
    const left = had.filter((_, i) => i !== at);
    if (left.length === 0) this.#guarded.delete(host);
    else this.#guarded.set(host, left);
    this.#touchCovering(host);
  }

  #touchCovering(host: Prefix): void {
    for (const { value } of this.#claims.covering(host)) this.#note(value);
  }
}

function wordsOf(guard: Guard): string {
  return typeof guard === 'string' ? guard : `node ${guard.node.name} of cluster ${guard.cluster.name}`;
}
