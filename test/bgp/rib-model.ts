/**
 * A RIB that anybody can check by reading: maps of values, everything worked out anew each time it is asked. The real
 * one has to agree with it.
 */

import type { Announcement } from '../../src/bgp/announcement.ts';
import { AsPath } from '../../src/bgp/as-path.ts';
import type { PathAttributes } from '../../src/bgp/attribute.ts';
import { wellKnownCommunities } from '../../src/bgp/community.ts';
import type { Family } from '../../src/bgp/family.ts';
import type { NextHop } from '../../src/bgp/next-hop.ts';
import type { PeerView, RibSelf } from '../../src/bgp/rib-view.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';

export interface ModelRoute {
  readonly attributes: PathAttributes;
  readonly nextHop: NextHop | undefined;
  /** A policy has just set the MED. */
  readonly medSet?: boolean;
}

interface Path extends ModelRoute {
  readonly peer: number | undefined;
  readonly announcement?: Announcement;
}

/** The policies the model knows, by what they do. */
export type ModelPolicy = (route: ModelRoute, prefix: Prefix, own: boolean) => ModelRoute | undefined;

export interface ModelPeer {
  readonly view: PeerView;
  readonly import: ModelPolicy;
  readonly export: ModelPolicy;
}

const external = (view: PeerView) => view.kind === 'external' || view.kind === 'server-client';
const numbers = (attributes: PathAttributes) => (attributes.asPath ?? []).flatMap(segment => segment.asns);

export class ModelRib {
  readonly self: RibSelf;
  readonly peers = new Map<number, ModelPeer>();
  /** Stale peers too: who said what about which prefix. */
  readonly said = new Map<number, Map<string, ModelRoute & { stale: boolean }>>();
  readonly known = new Map<number, ModelPeer>();
  own: readonly Announcement[] = [];

  constructor(self: RibSelf) {
    this.self = self;
  }

  up(slot: number, peer: ModelPeer): void {
    this.peers.set(slot, peer);
    this.known.set(slot, peer);
    if (!this.said.has(slot)) this.said.set(slot, new Map());
  }

  down(slot: number, keep: readonly Family[]): void {
    this.peers.delete(slot);
    const said = this.said.get(slot) ?? new Map();
    for (const [prefix, route] of said)
      if (route.stale || !keep.includes(familyOf(prefix))) said.delete(prefix);
      else said.set(prefix, { ...route, stale: true });
  }

  flush(slot: number, family: Family): void {
    const said = this.said.get(slot) ?? new Map();
    for (const [prefix, route] of said) if (route.stale && familyOf(prefix) === family) said.delete(prefix);
  }

  /** Prefix → best path, over everything. */
  best(): Map<string, Path> {
    const paths = new Map<string, Path[]>();
    const add = (prefix: string, path: Path) => paths.set(prefix, [...(paths.get(prefix) ?? []), path]);
    for (const [slot, said] of this.said)
      for (const [prefix, route] of said) {
        const imported = this.#import(slot, prefix, route);
        if (imported !== undefined) add(prefix, { ...imported, peer: slot });
      }
    for (const announcement of this.own)
      add(Prefix.format(announcement.prefix), { ...ownRoute(announcement), peer: undefined, announcement });
    return new Map([...paths].map(([prefix, candidates]) => [prefix, this.#choose(candidates)]));
  }

  /** Prefix → what the peer is to hold. */
  exported(slot: number): Map<string, ModelRoute> {
    const peer = this.peers.get(slot);
    const out = new Map<string, ModelRoute>();
    if (peer === undefined) return out;
    for (const [prefix, best] of this.best()) {
      if (!peer.view.families.includes(familyOf(prefix)) || best.peer === slot) continue;
      const path = best.peer === undefined ? this.#ownFor(prefix, peer.view.key) : best;
      const route = path && this.#export(peer, prefix, path);
      if (route !== undefined) out.set(prefix, route);
    }
    return out;
  }

  #import(slot: number, prefix: string, route: ModelRoute): ModelRoute | undefined {
    const peer = this.known.get(slot);
    if (peer === undefined) return undefined;
    const { attributes } = route;
    if (numbers(attributes).includes(this.self.asn)) return undefined;
    if (!external(peer.view) && attributes.originatorId === this.self.routerId) return undefined;
    if (!external(peer.view) && attributes.clusterList?.includes(this.self.routerId)) return undefined;
    const down = attributes.communities?.includes(wellKnownCommunities['graceful-shutdown']) && external(peer.view);
    const judged = peer.import(
      down ? { ...route, attributes: { ...attributes, localPref: 0 } } : route,
      parse(prefix),
      false,
    );
    return judged && { attributes: judged.attributes, nextHop: judged.nextHop };
  }

  /** RFC 4271 §9.1.2.2, spelled out. */
  #choose(paths: readonly Path[]): Path {
    let left = [...paths];
    const least = (cost: (path: Path) => number) => {
      const lowest = Math.min(...left.map(cost));
      left = left.filter(path => cost(path) === lowest);
    };
    const view = (path: Path) => (path.peer === undefined ? undefined : this.known.get(path.peer)?.view);
    least(path => -(path.attributes.localPref ?? 100));
    least(path => (path.peer === undefined ? 0 : 1));
    least(path => AsPath.length(path.attributes.asPath ?? []));
    least(path => ['igp', 'egp', 'incomplete'].indexOf(path.attributes.origin ?? 'igp'));
    const neighbor = (path: Path) => AsPath.first(path.attributes.asPath ?? []) ?? 0;
    const med = (path: Path) => path.attributes.med ?? 0;
    left = left.filter(path => !left.some(other => neighbor(other) === neighbor(path) && med(other) < med(path)));
    least(path => (path.peer === undefined || external(view(path) as PeerView) ? 0 : 1));
    least(path => path.attributes.originatorId ?? view(path)?.routerId ?? 0);
    least(path => path.attributes.clusterList?.length ?? 0);
    left.sort((a, b) => {
      const [x, y] = [view(a)?.remoteAddress, view(b)?.remoteAddress];
      return x && y ? IpAddress.compare(x, y) : 0;
    });
    return left[0] as Path;
  }

  #ownFor(prefix: string, key: string): Path | undefined {
    const mine = this.own.filter(each => Prefix.format(each.prefix) === prefix);
    const found = mine.find(each => each.peers?.includes(key)) ?? mine.find(each => each.peers === undefined);
    return found && { ...ownRoute(found), peer: undefined, announcement: found };
  }

  #export(to: ModelPeer, text: string, path: Path): ModelRoute | undefined {
    const { view } = to;
    const from = path.peer === undefined ? undefined : this.known.get(path.peer)?.view;
    if (
      from &&
      !external(view) &&
      !external(from) &&
      view.kind !== 'reflector-client' &&
      from.kind !== 'reflector-client'
    )
      return undefined;
    const transparent = view.kind === 'server-client' && from?.kind === 'server-client';
    const has = (name: keyof typeof wellKnownCommunities) =>
      path.attributes.communities?.includes(wellKnownCommunities[name]);
    if (from && !transparent && has('no-advertise')) return undefined;
    if (from && !transparent && external(view) && has('no-export')) return undefined;
    const judged = to.export(path, parse(text), from === undefined);
    if (judged === undefined) return undefined;
    const medSet = judged.medSet === true;
    return external(view) ? this.#outside(view, judged, from, medSet, text) : this.#inside(view, judged, from, text);
  }

  #outside(view: PeerView, route: ModelRoute, from: PeerView | undefined, medSet: boolean, text: string): ModelRoute {
    const { localPref: _l, originatorId: _o, clusterList: _c, med, asPath, ...rest } = route.attributes;
    const transparent = view.kind === 'server-client' && from !== undefined;
    const path = asPath ?? [];
    const kept = transparent || (from === undefined && route.nextHop !== undefined);
    const hop =
      kept && route.nextHop && !IpAddress.equals(route.nextHop.address, view.remoteAddress) ? route.nextHop : undefined;
    const keepsMed = transparent || from === undefined || medSet;
    return {
      attributes: {
        ...rest,
        asPath: transparent ? path : AsPath.prepend(path, [view.localAsn]),
        ...(keepsMed && med !== undefined && { med }),
      },
      nextHop: hop ? { address: hop.address } : ourNextHop(view, text),
    };
  }

  #inside(view: PeerView, route: ModelRoute, from: PeerView | undefined, text: string): ModelRoute {
    const reflected = from !== undefined && !external(from);
    const { attributes, nextHop } = route;
    const reflection = reflected && {
      originatorId: attributes.originatorId ?? from.routerId,
      clusterList: [this.self.clusterId ?? this.self.routerId, ...(attributes.clusterList ?? [])],
    };
    return {
      attributes: { ...attributes, localPref: attributes.localPref ?? 100, ...reflection },
      nextHop: nextHop ? { address: nextHop.address } : ourNextHop(view, text),
    };
  }
}

function ownRoute(announcement: Announcement): ModelRoute {
  const { origin, localPref, med, communities, nextHop, prepend } = announcement;
  return {
    attributes: {
      origin: origin ?? 'igp',
      asPath: AsPath.of(...(prepend ?? [])),
      ...(localPref !== undefined && { localPref }),
      ...(med !== undefined && { med }),
      ...(communities?.length && { communities }),
    },
    nextHop: nextHop === undefined || nextHop === 'self' ? undefined : { address: nextHop },
  };
}

function ourNextHop(view: PeerView, text: string): NextHop {
  if (!text.includes(':')) return { address: view.localAddress };
  return { address: view.localIpv6 ?? IpAddress.mapped(view.localAddress) };
}

function parse(text: string): Prefix {
  const prefix = Prefix.parse(text);
  if (prefix === undefined) throw new Error(`${text} is no prefix`);
  return prefix;
}

function familyOf(text: string): Family {
  return text.includes(':') ? 'ipv6-unicast' : 'ipv4-unicast';
}
