/** Pools that conflict, change, come and go: P1-P3, P32-P43, P94-P99 of the reference's §3.1. */
import { describe, expect, it } from 'vitest';
import { IpamWorld, pool, service } from './ipam-world.ts';

const outOfIps =
  'False out_of_ips: All enabled CiliumLoadBalancerIPPools that match this service ran out of allocatable IPs';
const noPool = 'False no_pool: There are no enabled CiliumLoadBalancerIPPools that match this service';

describe('conflicts', () => {
  it('P1: of two that overlap the younger is marked, and gives nothing even where it does not overlap', async () => {
    const world = new IpamWorld().put(pool('pool-a', ['10.0.10.0/24']));
    await world.settle();
    expect(world.poolCondition('pool-a', 'PoolConflict')).toMatchObject({ status: 'False', reason: 'resolved' });
    await world.put(pool('pool-b', ['10.0.10.0/24', 'ff::/48'], { createdMs: 1000 })).settle();
    expect(world.poolCondition('pool-a', 'PoolConflict')).toMatchObject({ status: 'False' });
    expect(world.poolCondition('pool-b', 'PoolConflict')).toMatchObject({
      status: 'True',
      reason: 'cidr_overlap',
      message:
        "Pool conflicts since range '10.0.10.0 - 10.0.10.255' " +
        "overlaps range '10.0.10.0 - 10.0.10.255' from IP Pool 'pool-a'",
    });
    await world.put(service('six', { spec: { ipFamilies: ['IPv6'] } }), service('four')).settle();
    expect([world.held('six'), world.held('four')]).toEqual([[], ['10.0.10.0']]);
    expect(world.condition('six')).toBe(noPool);
    expect(world.last?.metrics.conflictingPools).toBe(1);
  });

  it('P2: without the overlap it is resolved, and the pool gives', async () => {
    const world = new IpamWorld().put(
      pool('pool-a', ['10.0.10.0/24']),
      pool('pool-b', ['10.0.10.0/24', 'ff::/48'], { createdMs: 1000 }),
      service('six', { spec: { ipFamilies: ['IPv6'] } }),
    );
    await world.settle();
    await world.edit(pool('pool-b', ['ff::/48'], { createdMs: 1000 })).settle();
    expect(world.poolCondition('pool-b', 'PoolConflict')).toMatchObject({
      status: 'False',
      reason: 'resolved',
      message: '',
    });
    expect(world.held('six')).toEqual(['ff::']);
  });

  it('P3: a pool that overlaps itself marks itself', async () => {
    const world = new IpamWorld().put(pool('pool-a', ['10.0.10.0/24', '10.0.10.64/28']));
    await world.settle();
    expect(world.poolCondition('pool-a', 'PoolConflict')).toMatchObject({
      status: 'True',
      message:
        "Pool conflicts since range '10.0.10.64 - 10.0.10.79' " +
        "overlaps range '10.0.10.0 - 10.0.10.255' from IP Pool 'pool-a'",
    });
    await world.edit(pool('pool-a', ['10.0.10.0/24'])).settle();
    expect(world.poolCondition('pool-a', 'PoolConflict')).toMatchObject({ status: 'False' });
  });

  it('§2.14: a conflict takes nothing away, whichever of the pools is marked', async () => {
    const world = new IpamWorld().put(pool('young', ['10.0.10.0/24'], { createdMs: 5000 }), service('web'));
    await world.settle();
    await world.put(pool('old', ['10.0.10.0/28'], { createdMs: 1000 })).settle();
    expect(world.poolCondition('young', 'PoolConflict')?.status).toBe('True');
    expect(world.held('web')).toEqual(['10.0.10.0']);
    await world.restart().settle();
    expect(world.held('web')).toEqual(['10.0.10.0']);
    await world.put(service('next', { createdMs: 1 })).settle();
    expect(world.held('next')).toEqual(['10.0.10.1']);
  });
});

describe('pools that change', () => {
  it('P32: a pool that comes later serves who has been waiting', async () => {
    const world = new IpamWorld().put(pool('other', ['10.1.0.0/24'], { select: { color: 'blue' } }), service('web'));
    await world.settle();
    expect(world.condition('web')).toBe(noPool);
    await world.put(pool('pool-a', ['10.0.10.0/24'])).settle();
    expect(world.held('web')).toEqual(['10.0.10.0']);
  });

  it('P33: a block that contains the requested address', async () => {
    const world = new IpamWorld().put(
      pool('pool-a', ['10.0.10.0/24']),
      service('web', { notes: { ips: '10.0.11.7' } }),
    );
    await world.settle();
    expect(world.held('web')).toEqual([]);
    await world.edit(pool('pool-a', ['10.0.10.0/24', '10.0.11.0/24'])).settle();
    expect(world.held('web')).toEqual(['10.0.11.7']);
  });

  it('P34: disabled keeps what is held and gives nothing; enabled serves who waited', async () => {
    const world = new IpamWorld().put(pool('pool-a', ['10.0.10.0/24']), service('one'));
    await world.settle();
    await world.edit(pool('pool-a', ['10.0.10.0/24'], { disabled: true })).settle();
    await world.put(service('two'), service('three', { notes: { ips: '10.0.10.9' } })).settle();
    expect([world.held('one'), world.held('two')]).toEqual([['10.0.10.0'], []]);
    expect(world.condition('two')).toBe(noPool);
    expect(world.condition('three')).toBe("False no_pool: No pool exists with a CIDR containing '10.0.10.9'");
    await world.restart().settle();
    expect(world.held('one')).toEqual(['10.0.10.0']);
    await world.edit(pool('pool-a', ['10.0.10.0/24'])).settle();
    expect(world.held('two')).toEqual(['10.0.10.1']);
  });

  it('P35: when its pool is deleted, a service moves to another', async () => {
    const world = new IpamWorld().put(
      pool('pool-a', ['10.0.10.0/24']),
      pool('pool-b', ['10.0.20.0/24']),
      service('web'),
    );
    await world.settle();
    await world.remove('pool-a').settle();
    expect(world.held('web')).toEqual(['10.0.20.0']);
    expect(world.events.map(event => [event.reason, event.message])).toContainEqual([
      'AddressReleased',
      '10.0.10.0: no pool contains it any more',
    ]);
  });

  it('P36: a second block changes nothing; deleting the first moves the service to the second', async () => {
    const world = new IpamWorld().put(pool('pool-a', ['10.0.10.0/24']), service('web'));
    await world.settle();
    await world.edit(pool('pool-a', ['10.0.10.0/24', '10.0.20.0/24'])).settle();
    expect(world.held('web')).toEqual(['10.0.10.0']);
    await world.edit(pool('pool-a', ['10.0.20.0/24'])).settle();
    expect(world.held('web')).toEqual(['10.0.20.0']);
  });

  it('P37, P38: widening and narrowing keep who is inside; a wider selector serves who is now selected', async () => {
    const blue = { color: 'blue' };
    const world = new IpamWorld().put(
      pool('pool-a', ['10.0.10.0/24'], { select: blue }),
      service('blue', { labels: blue, notes: { ips: '10.0.10.9' } }),
      service('red', { labels: { color: 'red' } }),
    );
    await world.settle();
    await world.edit(service('blue', { labels: blue })).settle();
    await world.edit(pool('pool-a', ['10.0.10.0/23'], { select: blue })).settle();
    expect([world.held('blue'), world.held('red')]).toEqual([['10.0.10.9'], []]);
    await world.edit(pool('pool-a', ['10.0.10.0/24'])).settle();
    expect([world.held('blue'), world.held('red')]).toEqual([['10.0.10.9'], ['10.0.10.0']]);
  });

  it('P39: a full pool that grows serves who waited and moves nobody', async () => {
    const services = ['a', 'b', 'c', 'd'];
    const world = new IpamWorld().put(pool('pool-a', ['10.0.10.0/31']), ...services.map(name => service(name)));
    await world.settle();
    expect(services.map(name => world.held(name))).toEqual([['10.0.10.0'], ['10.0.10.1'], [], []]);
    expect([world.condition('c'), world.condition('d')]).toEqual([outOfIps, outOfIps]);
    await world.edit(pool('pool-a', ['10.0.10.0/29'])).settle();
    expect(services.map(name => world.held(name)[0])).toEqual(['10.0.10.0', '10.0.10.1', '10.0.10.2', '10.0.10.3']);
  });

  it('P40: a pool that shrinks takes only what fell out, also where one waits for another family', async () => {
    const world = new IpamWorld().put(
      pool('pool-a', ['10.0.10.10-10.0.10.11']),
      service('a'),
      service('b', { spec: { ipFamilyPolicy: 'PreferDualStack' } }),
    );
    await world.settle();
    expect([world.held('a'), world.held('b'), world.condition('b')]).toEqual([['10.0.10.10'], ['10.0.10.11'], noPool]);
    await world.edit(pool('pool-a', ['10.0.10.11'])).settle();
    expect([world.held('a'), world.held('b')]).toEqual([[], ['10.0.10.11']]);
    expect(world.condition('a')).toBe(outOfIps);
  });

  it('P41: counts follow the pool', async () => {
    const world = new IpamWorld().put(pool('pool-a', ['10.0.10.0/23']));
    await world.settle();
    expect(world.counts('pool-a')).toBe('512/512/0');
    expect(world.poolCondition('pool-a', 'IPsTotal')).toMatchObject({ status: 'Unknown', reason: 'noreason' });
    await world.put(service('web')).settle();
    expect(world.counts('pool-a')).toBe('512/511/1');
    await world.edit(pool('pool-a', ['10.0.10.0/24'])).settle();
    expect([world.counts('pool-a'), world.held('web')]).toEqual(['256/255/1', ['10.0.10.0']]);
  });

  it('P42: without pools nothing is touched; a restart changes nothing; with the last one all goes', async () => {
    const foreign = service('elsewhere', { spec: { loadBalancerClass: 'example.com/x' }, ingress: ['203.0.113.1'] });
    const world = new IpamWorld().put(service('web'), service('hand', { ingress: ['203.0.113.9'] }), foreign);
    await world.settle();
    expect([world.calls, world.held('hand')]).toEqual([0, ['203.0.113.9']]);
    await world.put(pool('pool-a', ['10.0.10.0/24'])).settle();
    expect([world.held('web'), world.held('hand')]).toEqual([['10.0.10.1'], ['10.0.10.0']]);
    await world.restart().settle();
    expect([world.held('web'), world.held('hand')]).toEqual([['10.0.10.1'], ['10.0.10.0']]);
    await world.remove('pool-a').settle();
    expect([world.status('web'), world.status('hand')]).toEqual([undefined, undefined]);
    expect(world.held('elsewhere')).toEqual(['203.0.113.1']);
    await world.put(pool('pool-a', ['10.0.10.0/24'])).settle();
    expect(world.held('web')).toEqual(['10.0.10.1']);
  });

  it('P42: the last pool gone while nobody ran: what carries our condition is let go, nothing else', async () => {
    const world = new IpamWorld().put(pool('pool-a', ['10.0.10.0/24']), service('web'));
    await world.settle();
    await world
      .remove('pool-a')
      .put(service('other', { ingress: ['203.0.113.9'] }))
      .restart()
      .settle();
    expect([world.status('web'), world.held('other')]).toEqual([undefined, ['203.0.113.9']]);
  });

  it('P43: a restart on a full pool: the same services hold the same addresses', async () => {
    const names = Array.from({ length: 16 }, (_, i) => `svc-${i}`);
    const world = new IpamWorld().put(pool('pool-a', ['10.0.10.0/29']), ...names.map(name => service(name)));
    await world.settle();
    const before = names.map(name => world.held(name));
    expect(before.filter(held => held.length === 1)).toHaveLength(8);
    const calls = world.calls;
    await world.restart().settle();
    expect(names.map(name => world.held(name))).toEqual(before);
    expect(world.calls).toBe(calls);
  });
});

describe('derived from bugs', () => {
  it('P94: after a restart one that waits does not get what another holds, though it is older', async () => {
    const world = new IpamWorld().put(
      pool('pool-a', ['10.0.10.0/31']),
      service('waiting', { createdMs: 0 }),
      service('one', { createdMs: 5000, ingress: ['10.0.10.0'] }),
      service('two', { createdMs: 6000, ingress: ['10.0.10.1'] }),
    );
    await world.settle();
    expect([world.held('waiting'), world.held('one'), world.held('two')]).toEqual([[], ['10.0.10.0'], ['10.0.10.1']]);
  });

  it.each([
    ['labels', { metadata: { labels: { team: 'net' } } }],
    ['first and last', { spec: { blocks: [{ cidr: '10.0.10.0/24' }], allowFirstLastIPs: 'No' } }],
    ['disabled', { spec: { blocks: [{ cidr: '10.0.10.0/24' }], disabled: true } }],
    ['a selector that still selects', { spec: { blocks: [{ cidr: '10.0.10.0/24' }], serviceSelector: {} } }],
    ['the same block as a range', { spec: { blocks: [{ start: '10.0.10.0', stop: '10.0.10.255' }] } }],
    ['the block in two halves', { spec: { blocks: [{ cidr: '10.0.10.128/25' }, { cidr: '10.0.10.0/25' }] } }],
    ['the old spelling', { spec: { cidrs: [{ cidr: '10.0.10.0/24' }] } }],
  ])('P95: an edit of a pool (%s) moves nobody', async (_, edit) => {
    const base = pool('pool-a', ['10.0.10.0/24']);
    const world = new IpamWorld().put(base, service('web'), service('vip', { notes: { ips: '10.0.10.77' } }));
    await world.settle();
    const metadata = { ...(base['metadata'] as object), ...('metadata' in edit ? edit.metadata : {}) };
    await world.edit({ ...base, ...edit, metadata }).settle();
    expect([world.held('web'), world.held('vip')]).toEqual([['10.0.10.0'], ['10.0.10.77']]);
  });

  it('P96: everything restarts at once, services in another order: the same addresses', async () => {
    const names = ['c', 'a', 'b'];
    const world = new IpamWorld().put(pool('pool-a', ['10.0.10.0/24']));
    for (const name of names) await world.put(service(name)).settle();
    const before = names.map(name => world.held(name));
    expect(before).toEqual([['10.0.10.0'], ['10.0.10.1'], ['10.0.10.2']]);
    const fresh = new IpamWorld().put(pool('pool-a', ['10.0.10.0/24']));
    fresh.put(...names.toReversed().map(name => service(name, { ingress: world.held(name) })));
    await fresh.settle();
    expect(names.map(name => fresh.held(name))).toEqual(before);
  });

  it('P97: status of a foreign class is never changed, through restarts, class changes and dormancy', async () => {
    const spec = { loadBalancerClass: 'example.com/x' };
    const world = new IpamWorld().put(
      pool('pool-a', ['10.0.10.0/24']),
      service('web', { spec, ingress: ['203.0.113.1'] }),
    );
    const theirs = { type: 'example.com/Ready', status: 'True', reason: 'ready', message: '' };
    await world.state('web', 'somebody', { loadBalancer: { ingress: [{ ip: '203.0.113.1' }] }, conditions: [theirs] });
    const before = world.status('web');
    await world.settle();
    await world.restart().settle();
    await world.remove('pool-a').settle();
    expect(world.status('web')).toEqual(before);
    expect(world.conditions('web').map(each => each.type)).toEqual(['example.com/Ready']);
  });

  it('P97: a class that becomes foreign lets go of ours and leaves theirs', async () => {
    const world = new IpamWorld().put(pool('pool-a', ['10.0.10.0/24']), service('web'));
    await world.settle();
    await world.state('web', 'somebody', {
      conditions: [{ type: 'example.com/Ready', status: 'True', reason: 'ready' }],
    });
    await world.edit(service('web', { spec: { loadBalancerClass: 'example.com/x' } })).settle();
    expect([world.held('web'), world.conditions('web').map(each => each.type)]).toEqual([[], ['example.com/Ready']]);
    expect(world.events.at(-1)).toMatchObject({
      reason: 'AddressReleased',
      message: '10.0.10.0: the service is no longer ours to serve',
    });
  });

  it('P98: an address freed by a change of type goes to the next service', async () => {
    const world = new IpamWorld().put(
      pool('pool-a', ['10.0.10.0']),
      service('one'),
      service('two', { createdMs: 1000 }),
    );
    await world.settle();
    expect([world.held('two'), world.condition('two')]).toEqual([[], outOfIps]);
    await world.edit(service('one', { spec: { type: 'ClusterIP' } })).settle();
    expect(world.held('two')).toEqual(['10.0.10.0']);
  });

  it('P99: nothing changed, nothing is written: neither by another pass nor by a restart', async () => {
    const world = new IpamWorld().put(
      pool('pool-a', ['10.0.10.0/31', 'fd00::/64']),
      pool('pool-b', ['10.0.10.0/24'], { createdMs: 1 }),
      ...Array.from({ length: 6 }, (_, i) => service(`svc-${i}`, { spec: { ipFamilyPolicy: 'PreferDualStack' } })),
    );
    await world.settle();
    const { calls } = world;
    await world.pass();
    await world.restart().pass();
    expect(world.calls).toBe(calls);
    expect(calls).toBe(8);
  });
});
