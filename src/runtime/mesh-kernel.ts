/**
 * Pod routes as what the kernel is wanted to look like: routes that go the same way share a group of next hops, named
 * after who they lead to, so that a node that moves is one change; and the overlay with an end for every node on it.
 * Follows the differences between one list of routes and the next: a change costs what it changes, and what stays has
 * the same value in the same place, so that whoever compares the whole sets has little to look at.
 */
import type { PodRoutes } from '../mesh/route-table.ts';
import { type PodRoute, PodVia, RouteOrigin } from '../mesh/routing.ts';
import { Vtep } from '../mesh/vtep.ts';
import { commonEnds } from '../net/equal.ts';
import { IpAddress } from '../net/ip.ts';
import type {
  KernelGroup,
  KernelNextHop,
  KernelOverlay,
  KernelRoute,
  KernelRouting,
  OverlayEnd,
} from './kernel-routes.ts';

export interface OverlayChoices {
  readonly name: string;
  readonly vni: number;
  readonly port: number;
}

interface Counted<T> {
  value: T;
  /** 0: it goes, unless somebody takes its place at once. */
  users: number;
}

/** Another node on the overlay, with a gateway for each family that routes to it have. */
interface End {
  readonly vtep: Vtep;
  readonly gateways: Map<string, Counted<IpAddress>>;
  /** Undefined: to be made anew. */
  value: OverlayEnd | undefined;
}

type OverlayVia = PodVia & { readonly way: 'vxlan' };

export class MeshKernel {
  readonly #choices: OverlayChoices;
  #routes: readonly PodRoute[] = [];
  /** In the order of `#routes`. */
  #made: readonly KernelRoute[] = [];
  readonly #groups = new Map<string, Counted<KernelGroup>>();
  /** By the text of the underlay address. */
  readonly #ends = new Map<string, End>();
  #endList: readonly OverlayEnd[] | undefined;
  #self: Vtep | undefined;
  #answer: KernelRouting | undefined;

  constructor(choices: OverlayChoices) {
    this.#choices = choices;
  }

  /** `self`: our end of the overlay; undefined: there is none. A route that did not change is the same value. */
  routing({ routes }: PodRoutes, self: Vtep | undefined): KernelRouting {
    if (this.#answer !== undefined && routes === this.#routes && sameEnd(self, this.#self)) return this.#answer;
    this.#follow(routes);
    this.#self = self;
    // Of its full size at once: one that grows leaves twice as much behind with every change.
    const groups = new Array<KernelGroup>(this.#groups.size);
    let at = 0;
    for (const { value } of this.#groups.values()) groups[at++] = value;
    this.#answer = { routes: this.#made, groups, overlay: self && this.#overlay(self) };
    return this.#answer;
  }

  /** What differs is found between the two ends that are the same; both lists are in the order of their prefixes. */
  #follow(routes: readonly PodRoute[]): void {
    const [before, kept] = [this.#routes, this.#made];
    const { head, tail } = commonEnds(before, routes);
    const known = new Map<PodRoute, KernelRoute>();
    for (let i = head; i < before.length - tail; i++) known.set(before[i] as PodRoute, kept[i] as KernelRoute);
    const middle = routes.slice(head, routes.length - tail);
    const stays = new Set(middle);
    // First those that go: a name that is free again is to be had again, and so is its place.
    const released: [PodRoute, KernelRoute][] = [];
    for (const [route, made] of known) if (!stays.has(route)) released.push([route, made]);
    for (const [route, made] of released) this.#release(route, made);
    const made = middle.map(route => known.get(route) ?? this.#make(route));
    for (const [route, { group = '' }] of released) {
      if (this.#groups.get(group)?.users === 0) this.#groups.delete(group);
      for (const via of route.vias) if (via.way === 'vxlan') this.#sweepEnd(via);
    }
    this.#routes = routes;
    this.#made = kept.slice(0, head).concat(made, kept.slice(kept.length - tail));
  }

  #make(route: PodRoute): KernelRoute {
    const nextHops = route.vias.map(via => this.#nextHop(via));
    const wanted = groupName(route);
    const taken = this.#groups.get(wanted);
    // Two routes to the same node that go different ways: the second is named after its way as well.
    const isOther = taken !== undefined && taken.users > 0 && !sameHops(taken.value.nextHops, nextHops);
    const name = isOther ? `${wanted} ${route.vias.map(PodVia.format).join(' ')}` : wanted;
    count(this.#groups, name, () => ({ name, nextHops }));
    for (const via of route.vias) if (via.way === 'vxlan') this.#useEnd(via);
    return { prefix: route.prefix, group: name };
  }

  #release(route: PodRoute, { group }: KernelRoute): void {
    discount(this.#groups, group ?? '');
    for (const via of route.vias)
      if (via.way === 'vxlan')
        discount(this.#ends.get(IpAddress.format(via.vtep.underlay))?.gateways, IpAddress.format(via.gateway));
  }

  #useEnd({ vtep, gateway }: OverlayVia): void {
    const key = IpAddress.format(vtep.underlay);
    const end: End = this.#ends.get(key) ?? { vtep, gateways: new Map(), value: undefined };
    this.#ends.set(key, end);
    const gateways = end.gateways.size;
    count(end.gateways, IpAddress.format(gateway), () => gateway);
    if (end.gateways.size !== gateways) this.#endChanged(end);
  }

  #sweepEnd({ vtep, gateway }: OverlayVia): void {
    const key = IpAddress.format(vtep.underlay);
    const end = this.#ends.get(key);
    if (end?.gateways.get(IpAddress.format(gateway))?.users !== 0) return;
    end.gateways.delete(IpAddress.format(gateway));
    if (end.gateways.size === 0) this.#ends.delete(key);
    this.#endChanged(end);
  }

  #endChanged(end: End): void {
    end.value = undefined;
    this.#endList = undefined;
  }

  #nextHop(via: PodVia): KernelNextHop {
    if (via.way === 'vxlan') return { gateway: via.gateway, link: this.#choices.name, onLink: true, weight: 1 };
    return { gateway: via.gateway, link: via.link, onLink: IpAddress.isLinkLocal(via.gateway), weight: 1 };
  }

  #overlay(self: Vtep): KernelOverlay {
    this.#endList ??= [...this.#ends.values()].map(end => (end.value ??= overlayEnd(end)));
    const { name, vni, port } = this.#choices;
    return {
      name,
      vni,
      port,
      local: self.underlay,
      mac: self.mac,
      mtu: undefined,
      // Next hops of IPv6 are link-local there, and so is what our own end is asked for.
      addresses: [{ address: Vtep.nextHop(self, 'ipv6'), length: 64 }],
      ends: this.#endList,
    };
  }
}

function count<T>(all: Map<string, Counted<T>>, key: string, make: () => T): void {
  const known = all.get(key);
  if (known === undefined) all.set(key, { value: make(), users: 1 });
  else if (known.users++ === 0) known.value = make();
}

function discount<T>(all: Map<string, Counted<T>> | undefined, key: string): void {
  const known = all?.get(key);
  if (known !== undefined) known.users--;
}

function overlayEnd({ vtep: { mac, underlay }, gateways }: End): OverlayEnd {
  return { mac, underlay, gateways: [...gateways.values()].map(each => each.value) };
}

/** `east/e1 ipv4 direct`: what it stands for, never what its next hops are at the moment. */
function groupName({ prefix, vias, origins }: PodRoute): string {
  const way = vias[0]?.way ?? 'direct';
  return `${origins.map(RouteOrigin.format).join('+')} ${prefix.address.family} ${way}`;
}

function sameHops(a: readonly KernelNextHop[], b: readonly KernelNextHop[]): boolean {
  return (
    a.length === b.length &&
    a.every((each, i) => each.link === b[i]?.link && IpAddress.equals(each.gateway, b[i].gateway))
  );
}

function sameEnd(a: Vtep | undefined, b: Vtep | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && IpAddress.equals(a.underlay, b.underlay));
}
