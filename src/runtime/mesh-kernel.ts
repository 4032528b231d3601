/**
 * Pod routes as what the kernel is wanted to look like: routes that go the same way share a group of next hops, named
 * after who they lead to, so that a node that moves is one change; and the overlay with an end for every node on it.
 * Follows the differences between one list of routes and the next: a change costs what it changes.
 */
import type { PodRoutes } from '../mesh/route-table.ts';
import { type PodRoute, PodVia, RouteOrigin } from '../mesh/routing.ts';
import { Vtep } from '../mesh/vtep.ts';
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
  users: number;
}

export class MeshKernel {
  readonly #choices: OverlayChoices;
  #routes: readonly PodRoute[] = [];
  /** In the order of `#routes`. */
  #made: readonly KernelRoute[] = [];
  readonly #groups = new Map<string, Counted<KernelGroup>>();
  /** By the text of the underlay address and of the gateway; one for each address that a next hop uses. */
  readonly #ends = new Map<string, Counted<{ readonly vtep: Vtep; readonly gateway: IpAddress }>>();
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
    const groups: KernelGroup[] = [];
    for (const { value } of this.#groups.values()) groups.push(value);
    this.#answer = { routes: this.#made, groups, overlay: self && this.#overlay(self) };
    return this.#answer;
  }

  /** What differs is found between the two ends that are the same; both lists are in the order of their prefixes. */
  #follow(routes: readonly PodRoute[]): void {
    const [before, kept] = [this.#routes, this.#made];
    const shorter = Math.min(before.length, routes.length);
    let head = 0;
    while (head < shorter && before[head] === routes[head]) head++;
    let tail = 0;
    while (tail < shorter - head && before[before.length - 1 - tail] === routes[routes.length - 1 - tail]) tail++;
    const known = new Map<PodRoute, KernelRoute>();
    for (let i = head; i < before.length - tail; i++) known.set(before[i] as PodRoute, kept[i] as KernelRoute);
    const middle = routes.slice(head, routes.length - tail);
    const stays = new Set(middle);
    // First those that go: a name that is free again is to be had again.
    for (const [route, made] of known) if (!stays.has(route)) this.#release(route, made);
    const made = middle.map(route => known.get(route) ?? this.#make(route));
    this.#routes = routes;
    this.#made = kept.slice(0, head).concat(made, kept.slice(kept.length - tail));
  }

  #make(route: PodRoute): KernelRoute {
    const nextHops = route.vias.map(via => this.#nextHop(via));
    const wanted = groupName(route);
    const taken = this.#groups.get(wanted);
    // Two routes to the same node that go different ways: the second is named after its way as well.
    const isOther = taken !== undefined && !sameHops(taken.value.nextHops, nextHops);
    const name = isOther ? `${wanted} ${route.vias.map(PodVia.format).join(' ')}` : wanted;
    count(this.#groups, name, () => ({ name, nextHops }));
    for (const via of route.vias)
      if (via.way === 'vxlan') count(this.#ends, endKey(via), () => ({ vtep: via.vtep, gateway: via.gateway }));
    return { prefix: route.prefix, group: name };
  }

  #release(route: PodRoute, { group }: KernelRoute): void {
    discount(this.#groups, group ?? '');
    for (const via of route.vias) if (via.way === 'vxlan') discount(this.#ends, endKey(via));
  }

  #nextHop(via: PodVia): KernelNextHop {
    if (via.way === 'vxlan') return { gateway: via.gateway, link: this.#choices.name, onLink: true, weight: 1 };
    return { gateway: via.gateway, link: via.link, onLink: IpAddress.isLinkLocal(via.gateway), weight: 1 };
  }

  #overlay(self: Vtep): KernelOverlay {
    const ends = new Map<string, { readonly vtep: Vtep; readonly gateways: IpAddress[] }>();
    for (const { value } of this.#ends.values()) {
      const key = IpAddress.format(value.vtep.underlay);
      const end = ends.get(key);
      if (end === undefined) ends.set(key, { vtep: value.vtep, gateways: [value.gateway] });
      else end.gateways.push(value.gateway);
    }
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
      ends: [...ends.values()].map(
        ({ vtep, gateways }): OverlayEnd => ({ mac: vtep.mac, underlay: vtep.underlay, gateways }),
      ),
    };
  }
}

function count<T>(all: Map<string, Counted<T>>, key: string, make: () => T): void {
  const known = all.get(key);
  if (known === undefined) all.set(key, { value: make(), users: 1 });
  else known.users++;
}

function discount<T>(all: Map<string, Counted<T>>, key: string): void {
  const known = all.get(key);
  if (known !== undefined && --known.users === 0) all.delete(key);
}

function endKey({ vtep, gateway }: PodVia & { readonly way: 'vxlan' }): string {
  return `${IpAddress.format(vtep.underlay)} ${IpAddress.format(gateway)}`;
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
