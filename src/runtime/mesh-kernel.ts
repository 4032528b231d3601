/**
 * Pod routes as what the kernel is wanted to look like: routes that go the same way share a group of next hops, named
 * after who they lead to, so that a node that moves is one change; and the overlay with an end for every node on it.
 */
import type { PodRoutes } from '../mesh/route-table.ts';
import { type PodRoute, PodVia, RouteOrigin } from '../mesh/routing.ts';
import { Vtep } from '../mesh/vtep.ts';
import type { Family, IpAddress } from '../net/ip.ts';
import { IpAddress as Address } from '../net/ip.ts';
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

interface Made {
  readonly group: KernelGroup;
  readonly route: KernelRoute;
}

export class MeshKernel {
  readonly #choices: OverlayChoices;
  #made = new Map<PodRoute, Made>();
  #last:
    | { readonly routes: readonly PodRoute[]; readonly self: Vtep | undefined; readonly routing: KernelRouting }
    | undefined;

  constructor(choices: OverlayChoices) {
    this.#choices = choices;
  }

  /** `self`: our end of the overlay; undefined: there is none. A route that did not change is the same value. */
  routing({ routes }: PodRoutes, self: Vtep | undefined): KernelRouting {
    if (this.#last?.routes === routes && sameEnd(this.#last.self, self)) return this.#last.routing;
    const made = new Map<PodRoute, Made>();
    const groups = new Map<string, KernelGroup>();
    for (const route of routes) {
      const each = this.#make(route, groups);
      made.set(route, each);
      groups.set(each.group.name, each.group);
    }
    this.#made = made;
    const routing = {
      routes: [...made.values()].map(each => each.route),
      groups: [...groups.values()],
      overlay: self && this.#overlay(routes, self),
    };
    this.#last = { routes, self, routing };
    return routing;
  }

  #make(route: PodRoute, groups: ReadonlyMap<string, KernelGroup>): Made {
    const before = this.#made.get(route);
    const wanted = groupName(route);
    const nextHops = route.vias.map(via => this.#nextHop(via));
    // Two routes to the same node that go different ways: the second is named after its way as well.
    const taken = groups.get(wanted);
    const name =
      taken === undefined || sameHops(taken.nextHops, nextHops)
        ? wanted
        : `${wanted} ${route.vias.map(PodVia.format).join(' ')}`;
    if (before?.group.name === name) return before;
    return { group: { name, nextHops }, route: { prefix: route.prefix, group: name } };
  }

  #nextHop(via: PodVia): KernelNextHop {
    if (via.way === 'vxlan') return { gateway: via.gateway, link: this.#choices.name, onLink: true, weight: 1 };
    return { gateway: via.gateway, link: via.link, onLink: Address.isLinkLocal(via.gateway), weight: 1 };
  }

  #overlay(routes: readonly PodRoute[], self: Vtep): KernelOverlay {
    const ends = new Map<string, { readonly vtep: Vtep; readonly gateways: Map<Family, IpAddress> }>();
    for (const via of routes.flatMap(route => route.vias)) {
      if (via.way !== 'vxlan') continue;
      const key = Address.format(via.vtep.underlay);
      const end = ends.get(key) ?? { vtep: via.vtep, gateways: new Map() };
      end.gateways.set(via.gateway.family, via.gateway);
      ends.set(key, end);
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
        ({ vtep, gateways }): OverlayEnd => ({
          mac: vtep.mac,
          underlay: vtep.underlay,
          gateways: [...gateways.values()],
        }),
      ),
    };
  }
}

/** `east/e1 ipv4 direct`: what it stands for, never what its next hops are at the moment. */
function groupName({ prefix, vias, origins }: PodRoute): string {
  const way = vias[0]?.way ?? 'direct';
  return `${origins.map(RouteOrigin.format).join('+')} ${prefix.address.family} ${way}`;
}

function sameHops(a: readonly KernelNextHop[], b: readonly KernelNextHop[]): boolean {
  return (
    a.length === b.length &&
    a.every((each, i) => each.link === b[i]?.link && Address.equals(each.gateway, b[i].gateway))
  );
}

function sameEnd(a: Vtep | undefined, b: Vtep | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && Address.equals(a.underlay, b.underlay));
}
