/** Tables, explanations and dry runs: what they say, word for word where people read it. */
import { describe, expect, it } from 'vitest';
import { ipamDefaults } from '../../src/control/ipam-claims.ts';
import { explainService, ipamView, planIpam } from '../../src/control/ipam-view.ts';
import { IpamWorld, pool, service } from './ipam-world.ts';

function explained(world: IpamWorld, name: string, settings = ipamDefaults) {
  const view = explainService(world.control, settings, 'default', name);
  if (view === undefined) throw new Error(`no ${name}`);
  return view;
}

function answers(world: IpamWorld, name: string): Record<string, string> {
  return Object.fromEntries(explained(world, name).pools.map(({ pool: each, text }) => [each, text]));
}

describe('explain', () => {
  it('walks every pool: each says why it gives nothing', async () => {
    const world = new IpamWorld().put(
      pool('a-conflicting', ['10.1.0.0/24'], { createdMs: 9000 }),
      pool('b-disabled', ['10.2.0.0/24'], { disabled: true }),
      pool('c-elsewhere', ['10.3.0.0/24'], { select: { color: 'blue' } }),
      pool('d-six', ['fd00::/64']),
      pool('e-full', ['10.5.0.0/32']),
      pool('f-older', ['10.1.0.0/28'], { select: { color: 'blue' } }),
      pool('g-broken', ['10.6.0.0/33']),
      service('first'),
      service('web', { createdMs: 1000 }),
    );
    await world.settle();
    expect(answers(world, 'web')).toEqual({
      'a-conflicting':
        "gives nothing, because it conflicts (Pool conflicts since range '10.1.0.0 - 10.1.0.255' " +
        "overlaps range '10.1.0.0 - 10.1.0.15' from IP Pool 'f-older')",
      'b-disabled': 'gives nothing new, because it is disabled',
      'c-elsewhere': 'does not select this service (it selects color is blue)',
      'd-six': 'has no address of the family that is asked for (IPv4)',
      'e-full': 'has no free address (1 of 1 addresses are used)',
      'f-older': 'does not select this service (it selects color is blue)',
      'g-broken': 'cannot be read: what it gave before is kept, nothing new is given',
    });
    expect(explained(world, 'web').refusals.map(each => each.reason)).toEqual(['out_of_ips']);
    expect(answers(world, 'first')['e-full']).toBe('holds an address of this service (10.5.0.0)');
  });

  it('names who is in the way of a requested address, and why it cannot be shared', async () => {
    const asking = { ips: '10.0.0.5', 'sharing-key': 'k' };
    const world = await new IpamWorld()
      .put(pool('pool-a', ['10.0.0.0/24'], { allowFirstLast: 'No' }))
      .put(service('holder', { notes: asking }), service('web', { createdMs: 1000, notes: asking }))
      .put(service('plain', { createdMs: 2000, notes: { ips: '10.0.0.5,10.0.0.0,10.9.9.9' } }))
      .settle();
    expect(explained(world, 'web').refusals).toMatchObject([
      { reason: 'incompatible_service', details: ['default/holder holds it: same port and protocol'] },
    ]);
    expect(answers(world, 'web')).toEqual({
      'pool-a': 'has given the address that is asked for to another service (10.0.0.5: default/holder)',
    });
    expect(explained(world, 'plain').refusals.map(each => [each.reason, ...each.details])).toEqual([
      ['already_allocated', 'default/holder holds it: this service has no sharing key'],
      ['held_back'],
      ['no_pool_for_address'],
    ]);
  });

  it('says of a pool that contains the address why it does not count', async () => {
    const world = await new IpamWorld()
      .put(pool('pool-a', ['10.0.0.0/24'], { disabled: true }), service('web', { notes: { ips: '10.0.0.5' } }))
      .settle();
    expect(explained(world, 'web').refusals[0]?.details).toEqual(['pool pool-a contains it but is disabled']);
  });

  it('says why an address of the same key cannot be joined', async () => {
    const notes = { 'sharing-key': 'k' };
    const world = await new IpamWorld()
      .put(pool('pool-a', ['10.0.0.0/32']), service('one', { notes }), service('two', { createdMs: 1000, notes }))
      .settle();
    expect(explained(world, 'two').refusals[0]?.details).toEqual([
      '10.0.0.0 cannot be shared: same port and protocol (default/one)',
    ]);
  });

  it.each([
    [{ type: 'ClusterIP' }, {}, 'it is of type ClusterIP; only LoadBalancer Services are given addresses'],
    [{ loadBalancerClass: 'x/y' }, {}, 'its loadBalancerClass x/y is not one we serve'],
    [
      {},
      { defaultLBServiceIPAM: 'none' as const },
      'it has no loadBalancerClass, and --default-lb-service-ipam is none',
    ],
  ])('a service that is not ours: %j with %j', async (spec, more, notOurs) => {
    const settings = { ...ipamDefaults, ...more };
    const world = await new IpamWorld(settings).put(pool('pool-a', ['10.0.0.0/24']), service('web', { spec })).settle();
    expect(explained(world, 'web', settings)).toMatchObject({ notOurs, pools: [], held: [] });
  });

  it('without any pool nobody is served; without such a service there is nothing to say', async () => {
    const world = await new IpamWorld().put(service('web')).settle();
    expect(explained(world, 'web').notOurs).toMatch(/no CiliumLoadBalancerIPPool at all/);
    expect(explainService(world.control, ipamDefaults, 'default', 'nobody')).toBeUndefined();
  });
});

describe('the view', () => {
  it('lists pools and allocations', async () => {
    const shared = (name: string, port: string) => service(name, { ports: [port], notes: { 'sharing-key': 'k' } });
    const world = await new IpamWorld()
      .put(
        pool('pool-b', ['10.0.0.0/31', 'fd00::/127']),
        pool('pool-a', ['bad']),
        shared('one', '80'),
        shared('two', '81'),
      )
      .put(
        service('three', { createdMs: 1000, spec: { ipFamilyPolicy: 'PreferDualStack' } }),
        service('four', { createdMs: 2000 }),
      )
      .settle();
    const view = ipamView(world.control);
    expect(view.pools.map(each => [each.name, each.state, each.total, each.used, each.available])).toEqual([
      ['pool-a', 'unreadable', '', '', ''],
      ['pool-b', 'gives', '4', '3', '1'],
    ]);
    expect(
      view.allocations.map(each => [each.service, each.held.map(one => one.address), each.lacking.length]),
    ).toEqual([
      ['default/four', [], 1],
      ['default/one', ['10.0.0.0'], 0],
      ['default/three', ['10.0.0.1', 'fd00::'], 0],
      ['default/two', ['10.0.0.0'], 0],
    ]);
    expect(view.allocations[1]?.held).toEqual([{ address: '10.0.0.0', pool: 'pool-b', sharedWith: ['default/two'] }]);
    expect(view.allocations[1]?.since).toBe('2024-01-01T00:00:00Z');
  });

  it('§4.5: gauges', async () => {
    const world = await new IpamWorld()
      .put(pool('pool-a', ['10.0.0.0/32']), pool('pool-b', ['10.0.0.0/31'], { createdMs: 1000 }))
      .put(service('one'), service('two'), service('other', { spec: { loadBalancerClass: 'x/y' } }))
      .settle();
    expect(world.last?.metrics).toMatchObject({ conflictingPools: 1, servicesMatching: 2, servicesUnsatisfied: 1 });
    expect(world.last?.metrics.pools.map(each => [each.pool.name, each.available, each.used])).toEqual([
      ['pool-a', 0n, 1n],
      ['pool-b', 2n, 0n],
    ]);
  });
});

describe('the dry run', () => {
  async function planned(edit: (world: IpamWorld) => void) {
    const world = new IpamWorld().put(
      pool('pool-a', ['10.0.0.0/30']),
      pool('pool-b', ['10.0.1.0/32'], { select: { pool: 'b' } }),
    );
    world.put(
      ...['a', 'b', 'c'].map(name => service(name)),
      service('d', { labels: { pool: 'b' }, notes: { ips: '10.0.1.0' } }),
    );
    await world.settle();
    const before = ['a', 'b', 'c', 'd'].map(name => world.held(name));
    edit(world);
    const plan = planIpam(world.snapshot, ipamDefaults);
    expect(['a', 'b', 'c', 'd'].map(name => world.held(name))).toEqual(before);
    // What a running process does with the same objects is what was foretold.
    await world.settle();
    for (const { service: path, after } of plan.changes) expect(world.held(path)).toEqual(after);
    return plan;
  }

  it('nothing changes: nothing is foretold', async () => {
    expect(await planned(() => {})).toEqual({ changes: [], unchanged: 4, unreadablePools: [] });
  });

  it('gain, lose, move, each with its reason', async () => {
    const plan = await planned(world => {
      world.edit(pool('pool-a', ['10.0.0.1-10.0.0.2']));
      world.remove('pool-b').put(pool('pool-c', ['10.0.9.0/32']));
      world.put(service('e', { createdMs: 9000 }));
    });
    expect(plan.changes).toEqual([
      {
        service: 'default/a',
        outcome: 'move',
        before: ['10.0.0.0'],
        after: ['10.0.9.0'],
        why: ['10.0.0.0: no pool contains it any more'],
      },
      {
        service: 'default/d',
        outcome: 'lose',
        before: ['10.0.1.0'],
        after: [],
        why: ['10.0.1.0: no pool contains it any more', "No pool exists with a CIDR containing '10.0.1.0'"],
      },
    ]);
    expect(plan.unchanged).toBe(3);
    const grown = await planned(world =>
      world.edit(pool('pool-a', ['10.0.0.0/24'])).put(service('e', { createdMs: 9000 })),
    );
    expect(grown.changes).toMatchObject([{ service: 'default/e', outcome: 'gain', after: ['10.0.0.3'], why: [] }]);
  });

  it('a service that is not ours any more, and the last pool gone', async () => {
    const type = await planned(world => world.edit(service('a', { spec: { type: 'ClusterIP' } })));
    expect(type.changes).toMatchObject([
      { service: 'default/a', outcome: 'lose', why: [expect.stringContaining('ClusterIP')] },
    ]);
    const none = await planned(world => world.remove('pool-a', 'pool-b'));
    expect(none.changes.map(each => each.outcome)).toEqual(['lose', 'lose', 'lose', 'lose']);
  });

  it('a pool that becomes unreadable: nobody moves, and it is named', async () => {
    const plan = await planned(world => world.edit(pool('pool-a', ['10.0.0.0/99'])));
    expect(plan).toEqual({ changes: [], unchanged: 4, unreadablePools: ['pool-a'] });
  });
});
