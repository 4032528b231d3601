/** Pod routes: preferences, ways, refusals, overlaps; and that following changes is the same as starting over. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PodCluster } from '../../src/mesh/pod-node.ts';
import { PodRouteTable } from '../../src/mesh/route-table.ts';
import { ClusterOverlap, type LearnedRoute, type RouteInputs, RouteOrigin } from '../../src/mesh/routing.ts';
import { Vtep } from '../../src/mesh/vtep.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Mac } from '../../src/net/mac.ts';
import { Prefix } from '../../src/net/prefix.ts';
import { address, cluster, inputs, learned, lines, node, prefix, rules } from './world.ts';

const routesOf = (more: Partial<RouteInputs>) => lines(new PodRouteTable().update(inputs(more)));
const own = (...nodes: Parameters<typeof cluster>[3][]) =>
  cluster('west', 1, 0, node('n1', '192.168.1.1', '10.1.1.0/24'), ...nodes);
const reasonsFor = (more: Partial<RouteInputs>, at: string) => {
  const table = new PodRouteTable();
  table.update(inputs(more));
  return table
    .verdicts(prefix(at))
    .map(({ origin, outcome }) => [RouteOrigin.format(origin), 'reason' in outcome ? outcome.reason : 'routed']);
};

describe('the way to a node', () => {
  const near = node('n2', '192.168.1.2', '10.1.2.0/24');
  const far = node('n3', '192.168.9.3', '10.1.3.0/24');
  const fabric = [learned('10.1.2.0/24', '192.168.1.254'), learned('10.1.3.0/24', '192.168.1.254')];
  it.each([
    ['auto', ['10.1.2.0/24 via 192.168.1.2 dev eth0 (direct)', '10.1.3.0/24 via 192.168.1.254 dev eth0 (bgp)']],
    ['direct', ['10.1.2.0/24 via 192.168.1.2 dev eth0 (direct)', '10.1.3.0/24 via 192.168.1.254 dev eth0 (bgp)']],
    ['bgp', ['10.1.2.0/24 via 192.168.1.254 dev eth0 (bgp)', '10.1.3.0/24 via 192.168.1.254 dev eth0 (bgp)']],
    ['vxlan', ['10.1.2.0/24 to 192.168.1.2 (vxlan)', '10.1.3.0/24 to 192.168.9.3 (vxlan)']],
  ] as const)('by %s', (mode, expected) =>
    expect(routesOf({ own: own(near, far), learned: fabric, rules: { ...rules, mode } })).toEqual(expected));

  it('by auto is the overlay where there is neither link nor fabric', () =>
    expect(routesOf({ own: own(far) })).toEqual(['10.1.3.0/24 to 192.168.9.3 (vxlan)']));

  it.each([
    ['direct', 'not-on-link'],
    ['bgp', 'not-learned'],
  ] as const)('by %s alone is refused where there is none', (mode, reason) =>
    expect(reasonsFor({ own: own(far), rules: { ...rules, mode } }, '10.1.3.0/24')).toEqual([['west/n3', reason]]));

  it('may be a wider BGP route', () =>
    expect(routesOf({ own: own(far), learned: [learned('10.1.0.0/20', '192.168.1.254')] })).toContain(
      '10.1.3.0/24 via 192.168.1.254 dev eth0 (bgp)',
    ));

  it('is not over the overlay’s own link, and not over a link that is down', () => {
    const [lo, eth0] = inputs().links;
    const links = [lo, eth0].flatMap(each => each ?? []);
    const overlay = { name: 'herald.vx', up: true, addresses: [{ address: address('192.168.9.1'), length: 24 }] };
    const down = { name: 'eth1', up: false, addresses: [{ address: address('192.168.9.1'), length: 24 }] };
    for (const more of [overlay, down])
      expect(routesOf({ own: own(far), links: [...links, more] })).toEqual(['10.1.3.0/24 to 192.168.9.3 (vxlan)']);
  });

  it('has an address of the packets’ family where it is direct, and any where it is the overlay', () => {
    const dual = node('n2', '192.168.1.2 fd01::2', '10.1.2.0/24', 'fd00:1:2::/64');
    expect(routesOf({ own: own(dual) })).toEqual([
      '10.1.2.0/24 via 192.168.1.2 dev eth0 (direct)',
      'fd00:1:2::/64 via fd01::2 dev eth0 (direct)',
    ]);
    expect(routesOf({ own: own(node('n2', '192.168.1.2', 'fd00:1:2::/64')) })).toEqual([
      'fd00:1:2::/64 to 192.168.1.2 (vxlan)',
    ]);
    expect(reasonsFor({ own: own(node('n2', '', '10.1.2.0/24')) }, '10.1.2.0/24')).toEqual([
      ['west/n2', 'no-node-address'],
    ]);
  });
});

describe('who goes first', () => {
  it('is a node of our own, then BGP alone; all are explained', () => {
    const given = {
      own: own(node('n2', '192.168.1.2', '10.1.2.0/24')),
      learned: [learned('10.1.2.0/24', '192.168.1.254'), learned('10.9.0.0/16', '192.168.1.254')],
    };
    expect(routesOf(given)).toEqual([
      '10.1.2.0/24 via 192.168.1.2 dev eth0 (direct)',
      '10.9.0.0/16 via 192.168.1.254 dev eth0 (bgp)',
    ]);
    expect(reasonsFor(given, '10.1.2.0/24')).toEqual([
      ['west/n2', 'routed'],
      ['bgp tor', 'less-preferred'],
    ]);
  });

  it('share the load when they are equal', () => {
    expect(routesOf({ learned: [learned('10.9.0.0/16', '192.168.1.254 192.168.1.253')] })).toEqual([
      '10.9.0.0/16 via 192.168.1.253 dev eth0 (bgp), via 192.168.1.254 dev eth0 (bgp)',
    ]);
    const two = [node('n2', '192.168.1.2', '10.1.2.0/24'), node('n3', '192.168.1.3', '10.1.2.0/24')];
    expect(routesOf({ own: own(...two) })).toEqual([
      '10.1.2.0/24 via 192.168.1.2 dev eth0 (direct), via 192.168.1.3 dev eth0 (direct)',
    ]);
  });
});

describe('never routed', () => {
  const bgp = (at: string, hops = '192.168.1.254') => ({ learned: [learned(at, hops)] });
  const wide = { ...rules, podRanges: [prefix('0.0.0.0/0'), prefix('::/0')] };
  it.each([
    ['our own PodCIDR', bgp('10.1.1.0/24'), '10.1.1.0/24', 'own-pod-cidr'],
    ['a part of it', bgp('10.1.1.7/32'), '10.1.1.7/32', 'own-pod-cidr'],
    ['more than it', bgp('10.1.0.0/16'), '10.1.0.0/16', 'own-pod-cidr'],
    ['an address of ours', { ...bgp('192.168.0.0/16'), rules: wide }, '192.168.0.0/16', 'covers-local-address'],
    ['a part of our link', { ...bgp('192.168.1.128/25'), rules: wide }, '192.168.1.128/25', 'on-own-link'],
    ['outside the pod ranges', bgp('172.16.0.0/16'), '172.16.0.0/16', 'outside-pod-ranges'],
    ['a default route', bgp('0.0.0.0/0'), '0.0.0.0/0', 'default-route'],
    ['a next hop on no link', bgp('10.9.0.0/16', '172.16.0.1'), '10.9.0.0/16', 'next-hop-not-on-link'],
    [
      'what came back',
      { learned: [learned('10.9.0.0/16', '192.168.1.254', { origin: 1 })] },
      '10.9.0.0/16',
      'came-back',
    ],
    [
      'a BGP peer',
      { ...bgp('10.9.0.0/16'), guarded: [{ address: address('10.9.0.1'), what: 'BGP peer' }] },
      '10.9.0.0/16',
      'covers-peer',
    ],
    [
      'a node',
      { ...bgp('10.9.0.0/16'), own: own(node('n2', '10.9.0.2', '10.1.2.0/24')) },
      '10.9.0.0/16',
      'covers-peer',
    ],
  ] as const)('%s', (_, given, at, reason) => {
    expect(reasonsFor(given, at).map(each => each[1])).toContain(reason);
    expect(routesOf(given).filter(line => line.startsWith(`${at} `))).toEqual([]);
  });

  it('but a default route when asked', () =>
    expect(routesOf({ ...bgp('0.0.0.0/0'), rules: { ...rules, importDefault: true } })).toEqual([
      '0.0.0.0/0 via 192.168.1.254 dev eth0 (bgp)',
    ]));
});

describe('clusters that overlap', () => {
  const east = cluster('east', 2, 100, node('e1', '192.168.1.21', '10.2.1.0/24'));
  const north = cluster('north', 3, 200, node('o1', '192.168.1.31', '10.2.0.0/16', '10.3.0.0/24'));

  it('are told, both by name, and the younger one’s prefixes are refused whatever the order', () => {
    for (const clusters of [
      [east, north],
      [north, east],
    ]) {
      const table = new PodRouteTable();
      const answer = table.update(inputs({ clusters }));
      expect(lines(answer)).toEqual([
        '10.2.1.0/24 via 192.168.1.21 dev eth0 (direct)',
        '10.3.0.0/24 via 192.168.1.31 dev eth0 (direct)',
      ]);
      expect(answer.overlaps.map(ClusterOverlap.message)).toEqual([
        'PodCIDR 10.2.0.0/16 of cluster north overlaps 10.2.1.0/24 of cluster east, ' +
          'which was here before (1 prefix refused)',
      ]);
      expect(table.explain(address('10.2.1.9')).map(each => 'reason' in each.outcome)).toEqual([false, true]);
    }
  });

  it('with our own are refused, however young that is; equally old ones by ID', () => {
    expect(
      reasonsFor(
        {
          clusters: [cluster('east', 2, -5, node('e1', '192.168.1.9', '10.1.2.0/25'))],
          own: own(node('n2', '192.168.1.2', '10.1.2.0/24')),
        },
        '10.1.2.0/25',
      ),
    ).toEqual([['east/e1', 'overlaps-cluster']]);
    const tie = [
      cluster('b', 3, 1, node('x', '192.168.1.8', '10.7.0.0/24')),
      cluster('a', 4, 1, node('x', '192.168.1.9', '10.7.0.0/24')),
    ];
    expect(routesOf({ clusters: tie })).toEqual(['10.7.0.0/24 via 192.168.1.8 dev eth0 (direct)']);
  });

  it('are routed as soon as the older one has gone', () => {
    const table = new PodRouteTable();
    table.update(inputs({ clusters: [east, north] }));
    const after = table.update(inputs({ clusters: [north] }));
    expect(after.overlaps).toEqual([]);
    expect(lines(after)).toContain('10.2.0.0/16 via 192.168.1.31 dev eth0 (direct)');
  });
});

describe('the overlay’s addresses', () => {
  it('follow from the node’s address alone', () => {
    const vtep = Vtep.of(node('n', '172.18.0.3'));
    expect(vtep && Mac.format(vtep.mac)).toBe('0e:68:ac:12:00:03');
    expect(vtep && IpAddress.format(Vtep.nextHop(vtep, 'ipv4'))).toBe('172.18.0.3');
    // RFC 4291 Appendix A: the universal/local bit turned, fffe in the middle.
    expect(vtep && IpAddress.format(Vtep.nextHop(vtep, 'ipv6'))).toBe('fe80::c68:acff:fe12:3');
    const over6 = Vtep.of(node('n', 'fd01::3'));
    expect(over6 && Mac.format(over6.mac)).toMatch(/^0a:/);
    expect(over6 && Vtep.nextHop(over6, 'ipv4').family).toBe('ipv6');
  });
});

describe('following changes', () => {
  const cidr = fc
    .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 7 }), fc.constantFrom(16, 22, 24, 28))
    .map(([a, b, length]) => Prefix.format(Prefix.of(address(`10.${a}.${b}.0`), length)));
  const someNode = fc
    .tuple(
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom('192.168.1', '172.16.0', '10.1.3'),
      fc.uniqueArray(cidr, { maxLength: 3 }),
    )
    .map(([n, net, cidrs]) => node(`n${n}`, `${net}.${n}`, ...cidrs));
  const someCluster = (name: string, id: number) =>
    fc
      .tuple(fc.integer({ min: 0, max: 2 }), fc.uniqueArray(someNode, { selector: each => each.name, maxLength: 4 }))
      .map(([since, nodes]): PodCluster => ({ name, id, sinceMs: since, nodes }));
  const someLearned = fc.uniqueArray(
    fc.tuple(cidr, fc.constantFrom('192.168.1.254', '172.16.0.1')).map(([at, hop]): LearnedRoute => learned(at, hop)),
    { selector: each => Prefix.format(each.prefix), maxLength: 4 },
  );
  const world = fc.record({
    own: someCluster('west', 1).map(each => ({
      ...each,
      nodes: [node('n1', '192.168.1.1', '10.1.1.0/24'), ...each.nodes.filter(one => one.name !== 'n1')],
    })),
    clusters: fc.tuple(someCluster('east', 2), someCluster('north', 3)).chain(both => fc.subarray(both)),
    learned: someLearned,
    mode: fc.constantFrom('auto', 'direct', 'bgp', 'vxlan' as const),
  });

  it('is the same as starting over; routes never cover what they must not', () => {
    fc.assert(
      fc.property(fc.array(world, { minLength: 2, maxLength: 5 }), worlds => {
        const table = new PodRouteTable();
        for (const { mode, ...rest } of worlds) {
          const given = inputs({ ...rest, rules: { ...rules, mode: mode as 'auto' } });
          const followed = table.update(given);
          expect(followed).toEqual(new PodRouteTable().update(given));
          for (const { prefix: at } of followed.routes) {
            expect(Prefix.overlaps(at, prefix('10.1.1.0/24'))).toBe(false);
            for (const each of [given.own, ...given.clusters].flatMap(all => all.nodes).flatMap(one => one.addresses))
              expect(Prefix.contains(at, each)).toBe(false);
          }
          expect(table.update({ ...given })).toBe(followed);
        }
      }),
      { numRuns: 200 },
    );
  });
});
