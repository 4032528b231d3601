/**
 * MetalLB's allocator cases, A1-A36 of the second reference's §3.1. Where one contradicts Cilium, Cilium's rule is what
 * is tested and the title says so. Its fixture: P1 has two addresses of each family, P2 holds back the first and last
 * of a /24 (Cilium's form of "buggy" addresses), P3 to P5 select by namespace, by label and by both.
 */
import { describe, expect, it } from 'vitest';
import type { Family } from '../../src/net/ip.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { claim, ip, pool, World } from './world.ts';

const namespaceKey = 'io.kubernetes.service.namespace';

function fixture(): World {
  return new World().with(
    pool('p1', ['1.2.3.4/31', '1000::4/127']),
    pool('p2', ['1.2.4.0/24'], { allowFirstLast: false }),
    pool('p3', ['1.2.5.0/24'], { select: `${namespaceKey}=test-ns1` }),
    pool('p4', ['1.2.6.0/24'], { select: 'team=metallb' }),
    {
      ...pool('p5', ['1.2.7.0/24']),
      selector: {
        key: 'both',
        text: 'both',
        anchor: { key: 'team', value: 'metallb' },
        matches: labels => labels['team'] === 'metallb' && labels[namespaceKey] === 'test-ns1',
      },
    },
  );
}

/** What asking for this address gets, with these labels. */
function asking(world: World, address: string, labels: Record<string, string> = {}): string[] {
  world.with(claim('asker', { requested: [address], labels, createdMs: 99 })).pass();
  return world.held('asker');
}

const both: readonly (readonly [Family, string, string])[] = [
  ['ipv4', '1.2.3.4', '1.2.3.5'],
  ['ipv6', '1000::4', '1000::5'],
];

describe.each(both)('one address, %s (A14: the same for both families)', (_, first, second) => {
  const holding = (sharing?: object) =>
    fixture().with(claim('s1', { requested: [first], ...(sharing && { sharing }) }));
  const other = (sharing?: object, address = first) =>
    claim('s2', { createdMs: 1, requested: [address], ...(sharing && { sharing }) });

  it('A1, A2: a free address is granted, and granted again', () => {
    const world = holding();
    world.pass();
    expect(world.held('s1')).toEqual([first]);
    expect(world.allocator.holders(ip(first)).map(each => each.name)).toEqual(['s1']);
    const before = world.of('s1');
    world.with({ ...claim('s1', { requested: [first] }) }).pass();
    expect(world.of('s1')).toBe(before);
  });

  it('A3, A4: another is refused without a key, and granted once it is free', () => {
    const world = holding().with(other());
    world.pass();
    expect([world.held('s1'), world.held('s2')]).toEqual([[first], []]);
    world.without('s1').pass();
    expect(world.held('s2')).toEqual([first]);
  });

  it.each([
    ['A7: one key, two ports', { ports: ['TCP/80'] }, { ports: ['TCP/443'] }, true],
    ['A8: one key, one port', { ports: ['TCP/80'] }, { ports: ['TCP/80'] }, false],
    ['A9: one port, TCP and UDP', { ports: ['TCP/80'] }, { ports: ['UDP/80'] }, true],
    ['A10: two keys', { ports: ['TCP/80'] }, { key: 'key-b', ports: ['TCP/443'] }, false],
    [
      'A11: Local with other pods',
      { trafficPolicy: 'Local', podSelector: 'app=a' },
      { trafficPolicy: 'Local', podSelector: 'app=b', ports: ['TCP/443'] },
      false,
    ],
  ])('%s', (_, mine, theirs, shared) => {
    const world = holding(mine).with(other(theirs));
    world.pass();
    expect([world.held('s1'), world.held('s2')]).toEqual([[first], shared ? [first] : []]);
  });

  it('A12: who holds it alone may change its key', () => {
    const world = holding({ key: 'key-a' });
    world.pass();
    world.with(claim('s1', { requested: [first], sharing: { key: 'key-b' } })).pass();
    expect(world.held('s1')).toEqual([first]);
  });

  it('A13: one of two sharers: another key is refused, another free port allowed', () => {
    const world = holding({ ports: ['TCP/80'] }).with(other({ ports: ['TCP/443'] }));
    world.pass();
    world.with(other({ ports: ['TCP/8443'] })).pass();
    expect(world.held('s2')).toEqual([first]);
    world.with(other({ key: 'key-b', ports: ['TCP/8443'] })).pass();
    expect([world.held('s1'), world.held('s2')]).toEqual([[first], []]);
  });

  it('A5: outside all pools', () => {
    expect(asking(holding(), first === '1.2.3.4' ? '9.9.9.9' : '9::9')).toEqual([]);
    expect(asking(holding(), second)).toEqual([second]);
  });
});

describe('pools', () => {
  it.each([
    ['1.2.4.0', []],
    ['1.2.4.255', []],
    ['1.2.4.254', ['1.2.4.254']],
  ])('A6: held back: %s gives %j', (address, held) => {
    expect(asking(fixture(), address)).toEqual(held);
  });

  it('A15: dual stack from one pool; from two as well, which MetalLB refuses and Cilium does not', () => {
    const world = new World().with(
      pool('a', ['1.2.3.4/31', '1000::4/127']),
      claim('s1', { families: ['ipv4', 'ipv6'] }),
    );
    world.pass();
    expect(world.held('s1')).toEqual(['1.2.3.4', '1000::4']);
    const two = new World().with(pool('a', ['1.2.3.4/31']), pool('b', ['1000::4/127']));
    two.with(claim('s1', { families: ['ipv4', 'ipv6'] })).pass();
    expect(two.held('s1')).toEqual(['1.2.3.4', '1000::4']);
  });

  it.each([
    ['A16', '1.2.5.1', { [namespaceKey]: 'test-ns1' }, true],
    ['A16', '1.2.5.1', { [namespaceKey]: 'test-ns2' }, false],
    ['A17', '1.2.6.1', { team: 'metallb' }, true],
    ['A17', '1.2.6.1', { team: 'other' }, false],
    ['A17', '1.2.6.1', {}, false],
    ['A18', '1.2.7.1', { team: 'metallb' }, false],
    ['A18', '1.2.7.1', { [namespaceKey]: 'test-ns1' }, false],
    ['A18', '1.2.7.1', { [namespaceKey]: 'test-ns1', team: 'metallb' }, true],
  ])('%s: %s for %j: %s', (_, address, labels, granted) => {
    expect(asking(fixture(), address, labels)).toEqual(granted ? [address] : []);
  });

  it('A19, A20: four addresses: the fifth waits for a release; who can share needs none', () => {
    const world = new World().with(pool('a', ['10.0.0.0/30']));
    for (let i = 0; i < 5; i++)
      world.with(claim(`s${i}`, { createdMs: i, sharing: { key: `k${i}`, ports: ['TCP/80'] } }));
    world.with(claim('s5', { createdMs: 5, sharing: { key: 'k2', ports: ['TCP/443'] } })).pass();
    expect(world.everybody()).toEqual({
      'default/s0': '10.0.0.0',
      'default/s1': '10.0.0.1',
      'default/s2': '10.0.0.2',
      'default/s3': '10.0.0.3',
      'default/s4': '',
      'default/s5': '10.0.0.2',
    });
    world.without('s1').pass();
    expect(world.held('s4')).toEqual(['10.0.0.1']);
  });

  it('A21: MetalLB leaves out .0 and .255 of two /31 pools; Cilium holds nothing back in a /31', () => {
    const world = new World().with(
      pool('a', ['1.2.3.254/31'], { allowFirstLast: false }),
      pool('b', ['1.2.4.0/31'], { allowFirstLast: false }),
    );
    for (let i = 0; i < 5; i++) world.with(claim(`s${i}`));
    world.pass();
    expect(Object.values(world.everybody())).toEqual(['1.2.3.254', '1.2.3.255', '1.2.4.0', '1.2.4.1', '']);
    const larger = new World().with(pool('a', ['1.2.3.248/29'], { allowFirstLast: false }));
    for (let i = 0; i < 7; i++) larger.with(claim(`s${i}`));
    larger.pass();
    expect(Object.values(larger.everybody()).filter(held => held !== '')).toHaveLength(6);
    expect(larger.refused('s6')).toHaveLength(1);
  });

  const held = () => {
    const world = new World().with(pool('a', ['10.0.0.0/28']));
    world.with(claim('low'), claim('high', { requested: ['10.0.0.9'] })).pass();
    return world;
  };
  it.each([
    ['A22: the same', [pool('a', ['10.0.0.0/28'])], '10.0.0.0', '10.0.0.9'],
    ['A23: a larger one', [pool('a', ['10.0.0.0/24'])], '10.0.0.0', '10.0.0.9'],
    ['A24: smaller, all inside', [pool('a', ['10.0.0.0-10.0.0.9'])], '10.0.0.0', '10.0.0.9'],
    ['A25: smaller, one outside', [pool('a', ['10.0.0.0/29'])], '10.0.0.0', ''],
    ['A26: renamed', [pool('z', ['10.0.0.0/28'])], '10.0.0.0', '10.0.0.9'],
    ['A27: split in two', [pool('a', ['10.0.0.8/29']), pool('b', ['10.0.0.0/29'])], '10.0.0.0', '10.0.0.9'],
    ['turned into one that overlaps', [pool('a', ['10.0.0.0/28']), pool('b', ['10.0.0.0/24'])], '10.0.0.0', '10.0.0.9'],
    [
      'A28: first and last held back: MetalLB takes .0 away; Cilium does not revoke',
      [pool('a', ['10.0.0.0/28'], { allowFirstLast: false })],
      '10.0.0.0',
      '10.0.0.9',
    ],
  ])('a reload with %s', (_, pools, low, high) => {
    const world = held();
    world.pools.clear();
    world.with(...pools).pass();
    expect(world.everybody()).toEqual({ 'default/low': low, 'default/high': high });
    expect(world.allocator.usage().reduce((sum, each) => sum + each.used, 0n)).toBe(high === '' ? 1n : 2n);
    const again = world.restarted();
    again.pass();
    expect(again.everybody()).toEqual(world.everybody());
  });

  it('A26, A27: an address is counted in the pool that contains it now', () => {
    const world = held();
    world.pools.clear();
    world.with(pool('upper', ['10.0.0.8/29']), pool('lower', ['10.0.0.0/29'])).pass();
    expect(world.allocator.space.home(ip('10.0.0.9'))?.pool.name).toBe('upper');
    expect(world.allocator.usage().map(each => [each.pool.name, each.used])).toEqual([
      ['lower', 1n],
      ['upper', 1n],
    ]);
  });

  it.each([
    ['A29', ['10.0.0.0/24'], true, 256n],
    ['A29', ['10.0.0.0/24', '10.0.1.0/25'], true, 384n],
    [
      'A29: MetalLB counts 381, for it looks at the last octet; Cilium holds back the ends of each CIDR',
      ['10.0.0.0/24', '10.0.1.0/25'],
      false,
      380n,
    ],
    ['A30: MetalLB stops at 2^63 - 1; the count is exact here', ['1000::/64'], true, 2n ** 64n],
    ['A31: MetalLB counts 1 and 2; nothing is held back in a /31 or a /127', ['1.2.3.0/31', '1000::/127'], false, 4n],
    ['zero blocks', [], true, 0n],
  ] as const)('%s: %j has %s', (_, blocks, allowFirstLast, total) => {
    const world = new World().with(pool('a', blocks, { allowFirstLast }));
    world.pass();
    expect(world.allocator.usage()).toMatchObject([{ total, available: total, used: 0n }]);
  });

  it('A32: Cilium has no autoAssign; a selector is how to keep a pool for some', () => {
    const world = new World().with(pool('a', ['10.0.0.0/30'], { select: 'pool=a' }), pool('b', ['10.0.1.0/30']));
    world.with(claim('any'), claim('chosen', { labels: { pool: 'a' } })).pass();
    expect(world.everybody()).toEqual({ 'default/any': '10.0.1.0', 'default/chosen': '10.0.0.0' });
  });

  it('A33: Cilium has no priorities; here pools give in order of name until each is full', () => {
    const world = new World().with(pool('20-second', ['10.0.0.0/31']), pool('10-first', ['10.0.1.0/31']));
    world.with(...Array.from({ length: 5 }, (_, i) => claim(`s${i}`))).pass();
    expect(Object.values(world.everybody())).toEqual(['10.0.1.0', '10.0.1.1', '10.0.0.0', '10.0.0.1', '']);
  });

  it('A34: what is counted as used is the number of distinct addresses, after every step', () => {
    const world = new World().with(pool('a', ['10.0.0.0/29']));
    const counted = () => {
      world.pass();
      const distinct = new Set(Object.values(world.everybody()).flatMap(each => (each === '' ? [] : each.split(' '))));
      expect(world.allocator.usage()[0]?.used).toBe(BigInt(distinct.size));
      expect(world.allocator.heldCount).toBe(distinct.size);
    };
    for (let i = 0; i < 12; i++) {
      world.with(claim(`s${i}`, { createdMs: i, sharing: { key: `k${i % 3}`, ports: [`TCP/${i}`] } }));
      counted();
    }
    for (let i = 0; i < 12; i += 2) {
      world.without(`s${i}`);
      counted();
    }
  });

  it('A35: in a /8 with one free address, and in a /64, no address is scanned', () => {
    const hole = IpAddress.format({ family: 'ipv4', value: (10n << 24n) + 9_000_000n });
    const world = new World().with(
      pool('a', [hole, '11.0.0.0-11.0.0.0']),
      pool('b', ['fd00::/64']),
      claim('s1', { families: ['ipv4', 'ipv6'] }),
    );
    world.pass();
    expect(world.held('s1')).toEqual([hole, 'fd00::']);
    const wide = new World().with(pool('a', ['10.0.0.0/8']), claim('last', { requested: ['10.255.255.255'] }));
    wide.pass();
    expect([...(wide.allocator.space.pools[0]?.free?.ipv4 ?? [])]).toHaveLength(1);
  });

  it('A36: a restart with 1,000 services, in any order, new ones among them: nothing that is held moves', () => {
    const world = new World().with(pool('a', ['10.0.0.0/22']));
    for (let i = 0; i < 1000; i++) world.with(claim(`s${i}`, { createdMs: (i * 7919) % 1000 }));
    world.pass();
    const before = world.everybody();
    const again = world.restarted();
    for (let i = 0; i < 20; i++) again.with(claim(`new${i}`, { createdMs: 0 }));
    again.pass();
    expect(again.everybody()).toMatchObject(before);
    expect(again.held('new0')).toHaveLength(1);
  });
});
