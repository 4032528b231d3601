/**
 * MetalLB's (and Calico's) controller cases, C1-C26 of the second reference's §3.2. Where one contradicts Cilium,
 * Cilium's rule is what is tested and the title says so.
 */
import { describe, expect, it } from 'vitest';
import { claim, pool as corePool, World } from '../ipam/world.ts';
import { IpamWorld, pool, type ServiceOptions, service } from './ipam-world.ts';

const noPool = 'False no_pool: There are no enabled CiliumLoadBalancerIPPools that match this service';

/** Pools 1 and 3 of the fixture; pool 2, which MetalLB gives from only by hand, is one that selects by label here. */
function fixture(): IpamWorld {
  return new IpamWorld().put(
    pool('pool-1', ['1.2.3.0/31']),
    pool('pool-2', ['3.4.5.6/32'], { select: { pool: 'two' } }),
    pool('pool-3', ['1000::/127']),
  );
}

async function served(options: ServiceOptions = {}): Promise<IpamWorld> {
  return await fixture().put(service('web', options)).settle();
}

describe('MetalLB’s controller', () => {
  it('C1: a new service: the first address, and an event', async () => {
    const world = await served();
    expect(world.held('web')).toEqual(['1.2.3.0']);
    expect(world.events).toEqual([
      {
        about: { kind: 'Service', namespace: 'default', name: 'web' },
        type: 'Normal',
        reason: 'AddressAllocated',
        message: '1.2.3.0',
      },
    ]);
  });

  it('C2: nothing is written on a ClusterIP service', async () => {
    expect((await served({ spec: { type: 'ClusterIP' } })).status('web')).toBeUndefined();
  });

  it.each([
    ['C3: by field', { spec: { loadBalancerIP: '1.2.3.1' } }, ['1.2.3.1']],
    ['C3: by annotation', { notes: { ips: '1.2.3.1' } }, ['1.2.3.1']],
    [
      'C4: by both: MetalLB refuses, Cilium takes the union',
      { spec: { loadBalancerIP: '1.2.3.1' }, notes: { ips: '1.2.3.0' } },
      ['1.2.3.1', '1.2.3.0'],
    ],
    [
      'C6: two of one family: MetalLB refuses, Cilium grants both',
      { notes: { ips: '1.2.3.0,1.2.3.1' } },
      ['1.2.3.0', '1.2.3.1'],
    ],
    [
      'C14: without a ClusterIP: MetalLB clears it, Cilium does not ask for one',
      { spec: { clusterIP: 'None' } },
      ['1.2.3.0'],
    ],
    [
      'C17: RequireDualStack with one ClusterIP: MetalLB refuses, Cilium goes by the policy alone',
      { spec: { ipFamilyPolicy: 'RequireDualStack', clusterIPs: ['10.96.0.9'] } },
      ['1.2.3.0', '1000::'],
    ],
  ])('%s', async (_, options, expected) => {
    expect((await served(options)).held('web')).toEqual(expected);
  });

  it.each([
    ['the field', { spec: { loadBalancerIP: 'one' } }, /spec\.loadBalancerIP: .*'one'/],
    ['the annotation', { notes: { ips: 'one' } }, /lbipam\.cilium\.io\/ips: 'one'/],
  ])('C5: %s is no address: MetalLB refuses; Cilium leaves it out, and we say it', async (_, options, message) => {
    const world = await served(options);
    expect(world.held('web')).toEqual(['1.2.3.0']);
    const condition = world.conditions('web').find(each => each.type === 'herald.io/IPAMRequestUnreadable');
    expect(condition?.message).toMatch(message);
  });

  it('C7: an address in a pool that is not for this service', async () => {
    const world = await served({ notes: { ips: '3.4.5.6' } });
    expect(world.condition('web')).toMatch(/^False pool_selector_mismatch: /);
  });

  it('C8: who holds an address and asks for one that cannot be had does not keep the old one', async () => {
    const world = await served();
    await world.edit(service('web', { notes: { ips: '9.9.9.9' } })).settle();
    expect([world.held('web'), world.condition('web')]).toEqual([
      [],
      "False no_pool: No pool exists with a CIDR containing '9.9.9.9'",
    ]);
  });

  it('C9, C10: Cilium has no annotation for a pool; labels choose it, and other labels move the service', async () => {
    const world = await fixture()
      .remove('pool-1')
      .put(service('web', { labels: { pool: 'two' } }))
      .settle();
    expect(world.held('web')).toEqual(['3.4.5.6']);
    await world.edit(service('web', { labels: { pool: 'none' } })).settle();
    expect([world.held('web'), world.condition('web')]).toEqual([[], noPool]);
    await world.put(service('other', { annotations: { 'metallb.io/address-pool': 'pool-2' } })).settle();
    expect(world.held('other')).toEqual([]);
  });

  it.each([
    ['C11: an address outside every pool', ['203.0.113.5']],
    ['C12: a host name', [{ hostname: 'lb.example.com' }]],
    ['C12: junk', [{ ip: 'not an address' }]],
    ['C12: nothing in it', [{}]],
  ])('%s in the status is replaced', async (_, ingress) => {
    const world = await served({ ingress });
    expect(world.status('web')).toMatchObject({ loadBalancer: { ingress: [{ ip: '1.2.3.0' }] } });
  });

  it.each(['NodePort', 'ClusterIP'])('C13: LoadBalancer becomes %s: cleared, and free for the next', async type => {
    const world = await served({ notes: { ips: '1.2.3.0' } });
    await world
      .edit(service('web', { spec: { type } }))
      .put(service('next', { notes: { ips: '1.2.3.0' } }))
      .settle();
    expect([world.status('web'), world.held('next')]).toEqual([undefined, ['1.2.3.0']]);
  });

  it.each([
    ['IPv4', ['1000::/127']],
    ['IPv6', ['1.2.3.0/31']],
  ])('C15: a service of %s and pools of the other family', async (family, blocks) => {
    const world = new IpamWorld().put(pool('pool-a', blocks), service('web', { spec: { ipFamilies: [family] } }));
    await world.settle();
    expect([world.held('web'), world.condition('web')]).toEqual([[], noPool]);
  });

  it.each([
    ['C16', 'PreferDualStack', undefined, ['1.2.3.0/31'], ['1.2.3.0'], false],
    [
      'C16: MetalLB refuses; Cilium gives what there is',
      'RequireDualStack',
      undefined,
      ['1.2.3.0/31'],
      ['1.2.3.0'],
      false,
    ],
    ['C21', 'PreferDualStack', undefined, ['1.2.3.0/31', '1000::/127'], ['1.2.3.0', '1000::'], true],
    ['C21', 'PreferDualStack', ['IPv6', 'IPv4'], ['1.2.3.0/31', '1000::/127'], ['1.2.3.0', '1000::'], true],
    ['C21', 'PreferDualStack', ['IPv6'], ['1.2.3.0/31', '1000::/127'], ['1000::'], true],
    ['C21', 'PreferDualStack', undefined, ['1000::/127'], ['1000::'], false],
    ['C21', 'PreferDualStack', ['IPv4'], ['1.2.3.0/31'], ['1.2.3.0'], true],
    ['C21', 'SingleStack', ['IPv6'], ['1.2.3.0/31', '1000::/127'], ['1000::'], true],
    ['C21', 'RequireDualStack', undefined, ['1.2.3.0/31', '1000::/127'], ['1.2.3.0', '1000::'], true],
  ])('%s: %s %j with %j', async (_, ipFamilyPolicy, ipFamilies, blocks, expected, satisfied) => {
    const spec = { ipFamilyPolicy, ...(ipFamilies && { ipFamilies }) };
    const world = await new IpamWorld().put(pool('pool-a', blocks), service('web', { spec })).settle();
    expect(world.held('web')).toEqual(expected);
    expect(world.condition('web')?.startsWith('True')).toBe(satisfied);
  });

  it('C18: who waits gets the address of one that is deleted, without a restart', async () => {
    const world = fixture().put(...['a', 'b', 'c'].map(name => service(name)));
    await world.settle();
    expect(world.held('c')).toEqual([]);
    await world.remove('a').settle();
    expect(world.held('c')).toEqual(['1.2.3.0']);
  });

  it('C19: after a restart the addresses are adopted from the statuses', async () => {
    const world = await served({ notes: { ips: '1.2.3.1' } });
    await world.edit(service('web')).settle();
    await world.restart().settle();
    expect(world.held('web')).toEqual(['1.2.3.1']);
  });

  it('C20: before there is any pool nothing is cleared', async () => {
    const world = await new IpamWorld().put(service('web', { ingress: ['1.2.3.1'] })).settle();
    expect([world.calls, world.held('web')]).toEqual([0, ['1.2.3.1']]);
    await world.put(pool('pool-1', ['1.2.3.0/31'])).settle();
    expect(world.held('web')).toEqual(['1.2.3.1']);
  });

  it('C22: externalTrafficPolicy of one of two sharers changes: that one goes, and is told why', async () => {
    const sharer = (name: string, port: string, spec = {}) =>
      service(name, { ports: [port], spec, notes: { 'sharing-key': 'k', ips: '1.2.3.0' } });
    const world = await fixture().put(sharer('a', '80'), sharer('b', '81')).settle();
    expect([world.held('a'), world.held('b')]).toEqual([['1.2.3.0'], ['1.2.3.0']]);
    await world.edit(sharer('a', '80', { externalTrafficPolicy: 'Local' })).settle();
    expect([world.held('a'), world.held('b')]).toEqual([[], ['1.2.3.0']]);
    expect(world.condition('a')).toBe(
      "False already_allocated_incompatible_service: The IP '1.2.3.0' is already allocated to an " +
        'incompatible service. Reason: different ExternalTrafficPolicy',
    );
  });

  it('C23: a foreign class is ignored, its status not even cleared', async () => {
    const world = await served({ spec: { loadBalancerClass: 'example.com/x' }, ingress: ['1.2.3.1'] });
    expect([world.calls - 3, world.held('web')]).toEqual([0, ['1.2.3.1']]);
  });

  it('C24: a class that is not ours any more: released', async () => {
    const world = await served();
    await world.edit(service('web', { spec: { loadBalancerClass: 'example.com/x' } })).settle();
    expect([world.status('web'), world.counts('pool-1')]).toEqual([undefined, '2/2/0']);
  });

  it('C25: a pool that is made after the service serves it', async () => {
    const world = await new IpamWorld().put(pool('pool-3', ['1000::/127']), service('web')).settle();
    expect(world.condition('web')).toBe(noPool);
    await world.put(pool('pool-1', ['1.2.3.0/31'])).settle();
    expect(world.held('web')).toEqual(['1.2.3.0']);
  });

  it('C26: ten thousand services made and deleted leave nothing behind', () => {
    const world = new World().with(corePool('a', ['10.0.0.0/19']));
    const names = Array.from({ length: 10_000 }, (_, i) => `s${i}`);
    world
      .with(...names.map((name, i) => claim(name, { sharing: { key: `k${i % 5000}`, ports: [`TCP/${i}`] } })))
      .pass();
    expect(world.allocator.heldCount).toBe(5000);
    world.with(...names.slice(0, 5000).map((name, i) => claim(name, { sharing: { key: `z${i}` } }))).pass();
    expect([world.allocator.heldCount, world.allocator.waitingCount]).toEqual([8192, 1808]);
    world.without(...names).pass();
    const { allocator } = world;
    expect([allocator.heldCount, allocator.waitingCount, allocator.withKey('k0')]).toEqual([0, 0, []]);
    expect(allocator.usage()).toMatchObject([{ used: 0n, available: 8192n }]);
    expect([...(allocator.space.pools[0]?.free?.ipv4 ?? [])]).toHaveLength(1);
  });
});
