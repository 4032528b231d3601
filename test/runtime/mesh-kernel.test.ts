/** Pod routes as the kernel's: groups named after who they lead to, the overlay's ends, what stays the same value. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PodNode } from '../../src/mesh/pod-node.ts';
import { PodRouteTable } from '../../src/mesh/route-table.ts';
import { Vtep } from '../../src/mesh/vtep.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';
import { MeshKernel } from '../../src/runtime/mesh-kernel.ts';
import { cluster, inputs, learned, node, rules } from '../mesh/world.ts';

const choices = { name: 'herald.vx', vni: 7, port: 4789 };
const self = Vtep.of(node('n1', '192.168.1.1'));
const routesOf = (nodes: readonly PodNode[], more = {}) =>
  new PodRouteTable().update(inputs({ clusters: [cluster('east', 2, 1, ...nodes)], ...more }));

describe('groups', () => {
  it('are named after the node, and one serves all its prefixes of a family', () => {
    const { groups, routes, overlay } = new MeshKernel(choices).routing(
      routesOf([node('e1', '192.168.1.2 fd01::2', '10.2.1.0/24', '10.2.2.0/24', 'fd00:2::/64')]),
      undefined,
    );
    expect(groups.map(each => each.name)).toEqual(['east/e1 ipv4 direct', 'east/e1 ipv6 direct']);
    expect(routes.map(each => each.group)).toEqual([
      'east/e1 ipv4 direct',
      'east/e1 ipv4 direct',
      'east/e1 ipv6 direct',
    ]);
    expect(overlay).toBeUndefined();
  });

  it('keep their name and their place when the node moves, and every other route its value', () => {
    const kernel = new MeshKernel(choices);
    const table = new PodRouteTable();
    const stays = node('e2', '192.168.1.3', '10.2.2.0/24');
    const at = (address: string) =>
      kernel.routing(
        table.update(inputs({ clusters: [cluster('east', 2, 1, node('e1', address, '10.2.1.0/24'), stays)] })),
        undefined,
      );
    const before = at('192.168.1.2');
    const after = at('192.168.1.4');
    expect(after.groups.map(each => each.name)).toEqual(before.groups.map(each => each.name));
    expect(after.routes[1]).toBe(before.routes[1]);
    expect(after.groups[1]).toBe(before.groups[1]);
  });

  it('are two when two prefixes of a node go different ways', () => {
    const far = node('e1', '172.30.0.1', '10.2.1.0/24', '10.2.2.0/24');
    const fabric = [learned('10.2.1.0/24', '192.168.1.254'), learned('10.2.2.0/24', '192.168.1.253')];
    const { groups, routes } = new MeshKernel(choices).routing(routesOf([far], { learned: fabric }), undefined);
    expect(new Set(routes.map(each => each.group)).size).toBe(2);
    expect(groups.map(each => each.nextHops.map(hop => IpAddress.format(hop.gateway)))).toEqual([
      ['192.168.1.254'],
      ['192.168.1.253'],
    ]);
  });
});

describe('the overlay', () => {
  it('has an end for every node reached over it, with a next hop for each family', () => {
    const far = node('e1', '172.30.0.1', '10.2.1.0/24', 'fd00:2::/64');
    const { overlay, groups } = new MeshKernel(choices).routing(routesOf([far]), self);
    expect(overlay).toMatchObject({ name: 'herald.vx', vni: 7, port: 4789, local: { family: 'ipv4' } });
    expect(overlay?.ends.map(end => [IpAddress.format(end.underlay), end.gateways.map(IpAddress.format)])).toEqual([
      ['172.30.0.1', ['172.30.0.1', 'fe80::c68:acff:fe1e:1']],
    ]);
    expect(groups.flatMap(each => each.nextHops).every(hop => hop.link === 'herald.vx' && hop.onLink)).toBe(true);
  });
});

describe('following changes', () => {
  const someNodes = fc.uniqueArray(
    fc
      .tuple(
        fc.integer({ min: 2, max: 6 }),
        fc.constantFrom('192.168.1', '172.30.0'),
        fc.subarray(['10.2.1.0/24', '10.2.2.0/24', '10.2.3.0/24', 'fd00:2::/64']),
      )
      .map(([n, net, cidrs]) => node(`e${n}`, `${net}.${n}`, ...cidrs)),
    { selector: each => each.name, maxLength: 4 },
  );

  it('ends with what starting over gives, and every route has its next hops', () => {
    fc.assert(
      fc.property(
        fc.array(someNodes, { minLength: 2, maxLength: 6 }),
        fc.constantFrom('auto' as const, 'vxlan' as const),
        (worlds, mode) => {
          const [kernel, table] = [new MeshKernel(choices), new PodRouteTable()];
          for (const nodes of worlds) {
            const given = inputs({ clusters: [cluster('east', 2, 1, ...nodes)], rules: { ...rules, mode } });
            const wanted = table.update(given);
            const followed = kernel.routing(wanted, self);
            const fresh = new MeshKernel(choices).routing(wanted, self);
            const byName = new Map(followed.groups.map(each => [each.name, each]));
            expect(followed.routes.map(each => Prefix.format(each.prefix))).toEqual(
              wanted.routes.map(each => Prefix.format(each.prefix)),
            );
            for (const [i, route] of followed.routes.entries())
              expect(byName.get(route.group ?? '')?.nextHops.map(hop => hop.gateway)).toEqual(
                wanted.routes[i]?.vias.map(via => via.gateway),
              );
            const ends = (of: typeof fresh) => of.overlay?.ends.map(end => IpAddress.format(end.underlay)).sort();
            expect(ends(followed)).toEqual(ends(fresh));
            expect(byName.size).toBe(followed.groups.length);
            expect(new Set(followed.routes.map(each => each.group)).size).toBe(byName.size);
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
