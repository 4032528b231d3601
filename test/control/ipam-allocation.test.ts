/**
 * Cilium's own cases for allocation, selectors, first and last addresses, and requested addresses: P4-P31 (reference
 * §3.1).
 */
import { describe, expect, it } from 'vitest';
import { parseObject } from '../../src/api/parse.ts';
import { ipamDefaults, readPool } from '../../src/control/ipam-claims.ts';
import { Range } from '../../src/net/range.ts';
import { IpamWorld, pool, service } from './ipam-world.ts';

const noPool = 'False no_pool: There are no enabled CiliumLoadBalancerIPPools that match this service';

describe('allocation', () => {
  it('P4-P6: one address of the family asked for, one condition; another family: another address', async () => {
    const world = new IpamWorld().put(pool('pool-a', ['10.0.10.0/24', 'fd00::/112']));
    const asking = (...ipFamilies: string[]) => service('web', { spec: { ipFamilyPolicy: 'SingleStack', ipFamilies } });
    await world.put(asking('IPv4')).settle();
    expect(world.held('web')).toEqual(['10.0.10.0']);
    expect(world.conditions('web')).toHaveLength(1);
    expect(world.conditions('web')[0]).toMatchObject({
      type: 'cilium.io/IPAMRequestSatisfied',
      status: 'True',
      reason: 'satisfied',
      message: '',
      observedGeneration: 1,
    });
    await world.edit(asking('IPv6')).settle();
    expect(world.held('web')).toEqual(['fd00::']);
    expect(world.conditions('web')[0]).toMatchObject({ observedGeneration: 2 });
    expect(world.counts('pool-a').endsWith('/1')).toBe(true);
    await world.edit(asking('IPv4')).settle();
    expect(world.held('web')).toEqual(['10.0.10.0']);
    expect(world.counts('pool-a').endsWith('/1')).toBe(true);
  });

  it('P7: the pool counts what is used; deleting the service gives the address back', async () => {
    const world = await new IpamWorld().put(pool('pool-a', ['10.0.10.0/24'])).settle();
    expect(world.counts('pool-a')).toBe('256/256/0');
    await world.put(service('web')).settle();
    expect(world.counts('pool-a')).toBe('256/255/1');
    await world.remove('web').settle();
    expect(world.counts('pool-a')).toBe('256/256/0');
  });

  it('P8: a stale address in the status that no pool covers is replaced', async () => {
    const world = new IpamWorld().put(pool('pool-a', ['10.0.10.0/24']), service('web', { ingress: ['192.168.1.12'] }));
    await world.settle();
    expect(world.held('web')).toEqual(['10.0.10.0']);
  });

  it('P9: addresses that services hold at the start are kept and counted', async () => {
    const world = new IpamWorld().put(
      pool('pool-a', ['10.0.10.0/24']),
      service('one', { ingress: ['10.0.10.123'] }),
      service('two', { ingress: ['10.0.10.124'] }),
    );
    await world.settle();
    expect([world.held('one'), world.held('two')]).toEqual([['10.0.10.123'], ['10.0.10.124']]);
    expect(world.counts('pool-a')).toBe('256/254/2');
  });

  it('P10: a service of another vendor’s class is not touched', async () => {
    const world = new IpamWorld().put(pool('pool-a', ['10.0.10.0/24']));
    await world.put(service('web', { spec: { loadBalancerClass: 'example.com/balancer' } })).settle();
    expect(world.status('web')).toBeUndefined();
  });

  it.each([
    'nodeipam',
    'none',
  ] as const)('P11: default %s: no class, not ours; with a class of ours it is', async mode => {
    const world = new IpamWorld({ defaultLBServiceIPAM: mode }).put(pool('pool-a', ['10.0.10.0/24']), service('web'));
    await world.settle();
    expect(world.status('web')).toBeUndefined();
    await world.edit(service('web', { spec: { loadBalancerClass: 'io.cilium/bgp-control-plane' } })).settle();
    expect(world.held('web')).toEqual(['10.0.10.0']);
  });

  it.each([
    [{ bgp: true, l2: false }, 'io.cilium/bgp-control-plane', true],
    [{ bgp: false, l2: true }, 'io.cilium/bgp-control-plane', false],
    [{ bgp: false, l2: true }, 'io.cilium/l2-announcer', true],
    [{ bgp: true, l2: false }, 'io.cilium/l2-announcer', false],
  ])('§2.9: with %j, class %s is ours: %s', async (settings, loadBalancerClass, ours) => {
    const world = new IpamWorld(settings).put(pool('pool-a', ['10.0.10.0/24']));
    await world.put(service('web', { spec: { loadBalancerClass } })).settle();
    expect(world.held('web').length > 0).toBe(ours);
  });

  it('P12: only type LoadBalancer is served; another type lets go of address, condition and ingress', async () => {
    const world = new IpamWorld().put(
      pool('pool-a', ['10.0.10.0/24']),
      service('web', { spec: { type: 'ClusterIP' } }),
    );
    await world.settle();
    expect(world.status('web')).toBeUndefined();
    await world.edit(service('web')).settle();
    expect(world.held('web')).toEqual(['10.0.10.0']);
    await world.edit(service('web', { spec: { type: 'NodePort' } })).settle();
    expect(world.status('web')).toBeUndefined();
    expect(world.counts('pool-a')).toBe('256/256/0');
  });

  it.each([
    ['10.0.0.0/24', '10.0.0.0 - 10.0.0.255'],
    ['10.0.0.0/25', '10.0.0.0 - 10.0.0.127'],
    ['10.0.0.12/24', '10.0.0.0 - 10.0.0.255'],
    ['192.168.1.200/28', '192.168.1.192 - 192.168.1.207'],
    ['::/112', ':: - ::ffff'],
  ])('P13: %s is %s', (cidr, range) => {
    const parsed = parseObject(pool('pool-a', [cidr]));
    if (parsed.outcome !== 'known' || parsed.object.kind !== 'CiliumLoadBalancerIPPool') throw new Error('not read');
    expect(readPool(parsed.object).blocks.map(block => Range.format(block.range))).toEqual([range]);
  });
});

describe('selectors', () => {
  it('P14: a pool serves those it selects; the others are told that there is none', async () => {
    const world = new IpamWorld().put(
      pool('pool-a', ['10.0.10.0/24'], { select: { color: 'red' } }),
      service('red', { labels: { color: 'red' } }),
      service('blue', { labels: { color: 'blue' } }),
    );
    await world.settle();
    expect(world.held('red')).toEqual(['10.0.10.0']);
    expect([world.held('blue'), world.condition('blue')]).toEqual([[], noPool]);
  });

  it('P15, P16: the namespace counts, and no label can pretend to be it', async () => {
    const key = 'io.kubernetes.service.namespace';
    const world = new IpamWorld().put(
      pool('pool-a', ['10.0.10.0/24'], { select: { [key]: 'tenant-one' } }),
      service('tenant-one/web'),
      service('tenant-two/web'),
      service('tenant-two/spoof', { labels: { [key]: 'tenant-one' } }),
    );
    await world.settle();
    expect(world.held('tenant-one/web')).toEqual(['10.0.10.0']);
    expect(world.condition('tenant-two/web')).toBe(noPool);
    expect(world.condition('tenant-two/spoof')).toBe(noPool);
  });

  it('P17: a service that loses the label loses the address', async () => {
    const world = new IpamWorld().put(pool('pool-a', ['10.0.10.0/24'], { select: { color: 'red' } }));
    await world.put(service('web', { labels: { color: 'red' } })).settle();
    await world.edit(service('web', { labels: { color: 'blue' } })).settle();
    expect([world.held('web'), world.condition('web')]).toEqual([[], noPool]);
  });

  it('P18: a pool that no longer selects a service takes the address', async () => {
    const world = new IpamWorld().put(pool('pool-a', ['10.0.10.0/24'], { select: { color: 'red' } }));
    await world.put(service('web', { labels: { color: 'red' } })).settle();
    await world.edit(pool('pool-a', ['10.0.10.0/24'], { select: { color: 'green' } })).settle();
    expect([world.held('web'), world.condition('web')]).toEqual([[], noPool]);
  });

  it('P19: an address in a pool that does not select the service', async () => {
    const world = new IpamWorld().put(pool('pool-a', ['10.0.10.0/24'], { select: { color: 'red' } }));
    await world.put(service('web', { labels: { color: 'blue' }, notes: { ips: '10.0.10.123' } })).settle();
    expect(world.held('web')).toEqual([]);
    expect(world.condition('web')).toBe(
      "False pool_selector_mismatch: The pool with the CIDR containing '10.0.10.123', doesn't select this service",
    );
  });
});

describe('first and last addresses', () => {
  const wanting = (address: string, notes = {}) => service('web', { notes: { ips: address, ...notes } });

  it('P20: Yes gives them', async () => {
    const world = new IpamWorld().put(pool('pool-a', ['10.0.10.16/30'], { allowFirstLast: 'Yes' }));
    await world.put(wanting('10.0.10.16')).settle();
    expect(world.held('web')).toEqual(['10.0.10.16']);
  });

  it('P21: No holds them back; Yes frees them at once; No again takes nothing away', async () => {
    const world = new IpamWorld().put(pool('pool-a', ['10.0.10.16/30'], { allowFirstLast: 'No' }));
    await world.put(wanting('10.0.10.16')).settle();
    expect(world.held('web')).toEqual([]);
    expect(world.condition('web')).toMatch(/^False already_allocated: The IP '10\.0\.10\.16' is /);
    expect(world.counts('pool-a')).toBe('2/2/0');
    await world.edit(pool('pool-a', ['10.0.10.16/30'], { allowFirstLast: 'Yes' })).settle();
    expect(world.held('web')).toEqual(['10.0.10.16']);
    await world.edit(pool('pool-a', ['10.0.10.16/30'], { allowFirstLast: 'No' })).settle();
    expect(world.held('web')).toEqual(['10.0.10.16']);
    expect(world.counts('pool-a')).toBe('3/2/1');
    await world.remove('web').settle();
    expect(world.counts('pool-a')).toBe('2/2/0');
  });

  it('P22: an address held back is not shared into', async () => {
    const world = new IpamWorld().put(pool('pool-a', ['10.0.10.16/30'], { allowFirstLast: 'No' }));
    await world.put(wanting('10.0.10.16', { 'sharing-key': 'key-a' })).settle();
    expect(world.held('web')).toEqual([]);
    expect(world.condition('web')).toMatch(/^False already_allocated: /);
  });

  it.each([
    ['P23', '10.0.10.16/31', '2/2/0'],
    ['P23', '10.0.10.16/32', '1/1/0'],
    ['P23', 'fd00::/127', '2/2/0'],
    ['P23', 'fd00::/128', '1/1/0'],
    ['§2.14', '10.0.10.16/30', '2/2/0'],
    ['§2.14', 'fd00::/126', '2/2/0'],
    ['P24', '10.0.10.16-10.0.10.19', '4/4/0'],
  ])('%s: No with %s leaves %s', async (_, block, counts) => {
    const world = await new IpamWorld().put(pool('pool-a', [block], { allowFirstLast: 'No' })).settle();
    expect(world.counts('pool-a')).toBe(counts);
  });
});

describe('requested addresses', () => {
  it('P25-P27: exactly those in the field and the annotation; what another holds is refused', async () => {
    const world = new IpamWorld().put(
      pool('pool-a', ['10.0.10.0/24']),
      service('one', { spec: { loadBalancerIP: '10.0.10.20' } }),
      service('two', { spec: { loadBalancerIP: '10.0.10.21' }, notes: { ips: '10.0.10.22,10.0.10.23' } }),
      service('three', { createdMs: 1, notes: { ips: '10.0.10.21' } }),
    );
    await world.settle();
    expect(world.held('one')).toEqual(['10.0.10.20']);
    expect(world.held('two')).toEqual(['10.0.10.21', '10.0.10.22', '10.0.10.23']);
    expect(world.held('three')).toEqual([]);
    expect(world.condition('three')).toBe(
      "False already_allocated: The IP '10.0.10.21' is already allocated to another service",
    );
  });

  it('P28: an address that is no longer asked for goes, the others stay', async () => {
    const asking = (ips: string) => service('web', { spec: { loadBalancerIP: '10.0.10.123' }, notes: { ips } });
    const world = new IpamWorld().put(pool('pool-a', ['10.0.10.0/24']), asking('10.0.10.124,10.0.10.125'));
    await world.settle();
    expect(world.held('web')).toHaveLength(3);
    await world.edit(asking('10.0.10.124')).settle();
    expect(world.held('web')).toEqual(['10.0.10.123', '10.0.10.124']);
    expect(world.counts('pool-a')).toBe('256/254/2');
  });

  it('P29: blanks are trimmed, an unparsable item is left out and said', async () => {
    const world = new IpamWorld().put(
      pool('pool-a', ['10.0.10.0/24']),
      service('web', { notes: { ips: ' 10.0.10.5 , ten dot five,10.0.10.6, 10.0.10.5' } }),
    );
    await world.settle();
    expect(world.held('web')).toEqual(['10.0.10.5', '10.0.10.6']);
    expect(world.condition('web')).toBe('True satisfied');
    expect(world.conditions('web').find(each => each.type === 'herald.io/IPAMRequestUnreadable')).toMatchObject({
      status: 'True',
      message: "lbipam.cilium.io/ips: 'ten dot five' is not an IP address",
    });
    await world.edit(service('web', { notes: { ips: '10.0.10.5,10.0.10.6' } })).settle();
    expect(world.conditions('web')).toHaveLength(1);
  });

  it('P30: the old annotation counts where the new one is absent', async () => {
    const world = new IpamWorld().put(
      pool('pool-a', ['10.0.10.0/24']),
      service('old', { annotations: { 'io.cilium/lb-ipam-ips': '10.0.10.7' } }),
      service('both', { annotations: { 'io.cilium/lb-ipam-ips': '10.0.10.8' }, notes: { ips: '10.0.10.9' } }),
    );
    await world.settle();
    expect([world.held('old'), world.held('both')]).toEqual([['10.0.10.7'], ['10.0.10.9']]);
  });

  it('P31: an address in no pool', async () => {
    const world = new IpamWorld().put(pool('pool-a', ['10.0.10.0/24']), service('web', { notes: { ips: '10.9.9.9' } }));
    await world.settle();
    expect(world.condition('web')).toBe("False no_pool: No pool exists with a CIDR containing '10.9.9.9'");
  });

  it('defaults: families on, both classes ours, services without a class ours', () => {
    expect(ipamDefaults).toEqual({
      defaultLBServiceIPAM: 'lbipam',
      families: { ipv4: true, ipv6: true },
      bgp: true,
      l2: true,
    });
  });
});
