/** What users, other controllers and stores do wrong: each is said where it belongs, and nothing is lost by it. */
import { describe, expect, it } from 'vitest';
import { claim, pool as corePool, World } from '../ipam/world.ts';
import { IpamWorld, pool, service } from './ipam-world.ts';

const good = () => pool('pool-a', ['10.0.10.0/24']);
const bad = () => pool('pool-a', ['10.0.10.O/24']);

describe('annotations', () => {
  it('twenty thousand unparsable addresses: ten are named, the rest are counted, the service is served', async () => {
    const ips = Array.from({ length: 20_000 }, (_, i) => `junk-${i}`).join(',');
    const world = await new IpamWorld().put(good(), service('web', { notes: { ips } })).settle();
    expect(world.held('web')).toEqual(['10.0.10.0']);
    const message =
      world.conditions('web').find(each => each.type === 'herald.io/IPAMRequestUnreadable')?.message ?? '';
    expect(message.split('; ')).toHaveLength(11);
    expect(message).toContain('and 19990 more');
  });

  it.each([
    '',
    ' ',
    ',,,',
    '10.0.10.0/24',
    '10.0.10.5-10.0.10.9',
    '010.0.10.5',
    'fe80::1%eth0',
    '٣.٣.٣.٣',
    '\u0000',
  ])('ips %j: what cannot be read is left out', async ips => {
    const world = await new IpamWorld().put(good(), service('web', { notes: { ips } })).settle();
    expect(world.held('web')).toEqual(['10.0.10.0']);
  });

  it('a typing mistake in a request does not take the address that is held', async () => {
    const asking = (ips: string) => service('web', { notes: { ips } });
    const world = await new IpamWorld().put(good(), asking('10.0.10.20')).settle();
    await world.edit(asking('10.0.10.2O')).settle();
    expect(world.held('web')).toEqual(['10.0.10.20']);
    await world.restart().settle();
    expect(world.held('web')).toEqual(['10.0.10.20']);
  });
});

describe('pools', () => {
  it('of no address at all: nothing to give, nothing breaks', async () => {
    const world = await new IpamWorld().put(pool('empty', []), service('web')).settle();
    expect([world.counts('empty'), world.held('web')]).toEqual(['0/0/0', []]);
    expect(world.condition('web')).toMatch(/^False no_pool/);
  });

  it('of every address there is, of both families', async () => {
    const world = new IpamWorld().put(pool('all', ['0.0.0.0/0', '::/0'], { allowFirstLast: 'No' }));
    await world.put(service('web', { spec: { ipFamilyPolicy: 'PreferDualStack' } })).settle();
    expect(world.held('web')).toEqual(['0.0.0.1', '::1']);
    const total = 2n ** 128n + 2n ** 32n - 4n;
    expect(world.counts('all')).toBe(`${total}/${total - 2n}/2`);
  });

  it('ten thousand that overlap: the oldest gives, the others say which', () => {
    const world = new World();
    for (let i = 0; i < 10_000; i++) world.with(corePool(`pool-${i}`, ['10.0.0.0/22'], { createdMs: 20_000 - i }));
    world.with(...Array.from({ length: 1000 }, (_, i) => claim(`s${i}`))).pass();
    expect(world.allocator.heldCount).toBe(1000);
    const usage = world.allocator.usage();
    expect(usage.filter(each => each.conflict === undefined).map(each => each.pool.name)).toEqual(['pool-9999']);
    expect(usage.reduce((sum, each) => sum + each.used, 0n)).toBe(1000n);
    world.without('pool-9999').pass();
    expect(world.held('s0')).toEqual(['10.0.0.0']);
    expect(world.allocator.heldCount).toBe(1000);
  });

  it('one that becomes unreadable says so, gives nothing and takes nothing, also after a restart', async () => {
    const world = await new IpamWorld()
      .put(good(), service('web'), service('vip', { notes: { ips: '10.0.10.77' } }))
      .settle();
    await world
      .edit(bad())
      .put(service('late', { createdMs: 1 }))
      .settle();
    await world.restart().settle();
    expect([world.held('web'), world.held('vip'), world.held('late')]).toEqual([['10.0.10.0'], ['10.0.10.77'], []]);
    expect(world.last?.writes.map(write => write.ref.name)).toEqual(['pool-a']);
    expect(world.last?.writes[0]?.status).toMatchObject({
      conditions: [
        {
          type: 'herald.io/Refused',
          status: 'True',
          reason: 'error',
          message: expect.stringContaining('10.0.10.O/24'),
        },
      ],
    });
    await world.edit(good()).settle();
    expect([world.held('web'), world.held('vip'), world.held('late')]).toEqual([
      ['10.0.10.0'],
      ['10.0.10.77'],
      ['10.0.10.1'],
    ]);
    expect(world.poolCondition('pool-a', 'herald.io/Refused')).toMatchObject({ status: 'False', reason: 'resolved' });
  });

  it('an unreadable one beside a good one: whoever holds from either keeps it, the good one gives', async () => {
    const world = await new IpamWorld().put(good(), service('web')).settle();
    await world
      .put(pool('pool-b', ['10.0.20.0/24']))
      .edit(bad())
      .settle();
    await world.put(service('next', { createdMs: 1 })).settle();
    expect([world.held('web'), world.held('next')]).toEqual([['10.0.10.0'], ['10.0.20.0']]);
    await world.remove('pool-a').settle();
    expect(world.held('web')).toEqual(['10.0.20.1']);
  });

  it.each([
    ['start above stop', { start: '10.0.0.9', stop: '10.0.0.1' }],
    ['two families', { start: '10.0.0.1', stop: '::1' }],
    ['neither cidr nor start', { stop: '10.0.0.1' }],
    ['no prefix length', { cidr: '10.0.0.0' }],
    ['an impossible length', { cidr: '10.0.0.0/33' }],
  ])('with a block that means nothing (%s): said, and no other pool is held up', async (_, block) => {
    const world = new IpamWorld().put({ ...pool('odd', []), spec: { blocks: [block] } }, good(), service('web'));
    await world.settle();
    expect(world.held('web')).toEqual(['10.0.10.0']);
    expect(world.last?.writes.map(write => write.ref.name)).toEqual(['odd']);
  });
});

describe('services', () => {
  it('one that becomes unreadable keeps what it holds, and is not written on', async () => {
    const world = await new IpamWorld().put(pool('pool-a', ['10.0.10.0']), service('web')).settle();
    const { writes } = world;
    await world
      .edit(service('web', { spec: { ports: 'eighty' } }))
      .put(service('thief', { createdMs: 1 }))
      .settle();
    expect(world.held('thief')).toEqual([]);
    expect(world.writes).toBe(writes + 1);
    await world.edit(service('web')).settle();
    expect([world.held('web'), world.held('thief')]).toEqual([['10.0.10.0'], []]);
    await world.edit(service('web', { spec: { ports: 'eighty' } })).settle();
    await world.remove('web').settle();
    expect(world.held('thief')).toEqual(['10.0.10.0']);
  });

  it('one that is made anew under its old name inherits nothing', async () => {
    const world = await new IpamWorld().put(good(), service('web', { notes: { ips: '10.0.10.50' } })).settle();
    await world
      .remove('web')
      .put(service('web', { uid: 'another' }))
      .settle();
    expect(world.held('web')).toEqual(['10.0.10.0']);
    expect(world.counts('pool-a')).toBe('256/255/1');
  });
});

describe('a status tampered with by hand', () => {
  it.each([
    ['wiped', []],
    ['another address of the pool', [{ ip: '10.0.10.99' }]],
    ['an address of no pool', [{ ip: '203.0.113.9' }]],
    ['what another service holds', [{ ip: '10.0.10.1' }]],
    ['one more', [{ ip: '10.0.10.0' }, { ip: '10.0.10.99' }]],
    ['the same twice', [{ ip: '10.0.10.0' }, { ip: '10.0.10.0' }]],
    ['a host name', [{ hostname: 'lb.example.com' }]],
  ])('%s: the address is put back, and that is said', async (_, ingress) => {
    const world = await new IpamWorld().put(good(), service('web'), service('xyz', { createdMs: 1 })).settle();
    await world.state('web', 'somebody', { loadBalancer: { ingress } });
    await world.settle();
    expect([world.held('web'), world.held('xyz')]).toEqual([['10.0.10.0'], ['10.0.10.1']]);
    expect(world.events.at(-1)).toMatchObject({ type: 'Warning', reason: 'StatusRestored' });
    expect(world.events.at(-1)?.message).toContain('10.0.10.0 again');
  });

  it('the condition: put back', async () => {
    const world = await new IpamWorld().put(good(), service('web')).settle();
    const lie = { type: 'cilium.io/IPAMRequestSatisfied', status: 'False', reason: 'no_pool', message: 'a lie' };
    await world.state('web', 'somebody', { conditions: [lie] });
    await world.settle();
    expect(world.condition('web')).toBe('True satisfied');
  });

  it('while nobody ran: what two hold is the older one’s, what no pool has is replaced', async () => {
    const world = new IpamWorld().put(
      good(),
      service('young', { createdMs: 2000, ingress: ['10.0.10.5'] }),
      service('old', { createdMs: 1000, ingress: ['10.0.10.5'] }),
      service('odd', { createdMs: 3000, ingress: ['203.0.113.9', '10.0.10.6'] }),
    );
    await world.settle();
    expect([world.held('old'), world.held('young'), world.held('odd')]).toEqual([
      ['10.0.10.5'],
      ['10.0.10.0'],
      ['10.0.10.6'],
    ]);
    const released = world.events.filter(event => event.reason === 'AddressReleased').map(event => event.message);
    expect(released.sort()).toEqual([
      '10.0.10.5: another service holds it',
      '203.0.113.9: no pool contains it any more',
    ]);
  });
});

describe('a store that fails', () => {
  it('what was decided is written when it is back, and nothing else was decided meanwhile', async () => {
    const world = new IpamWorld().put(good(), service('b', { createdMs: 1000 }));
    world.outage = new Error('the store is away');
    await expect(world.pass()).rejects.toThrow('the store is away');
    await expect(world.put(service('a')).pass()).rejects.toThrow('the store is away');
    world.outage = undefined;
    await world.settle();
    expect([world.held('b'), world.held('a')]).toEqual([['10.0.10.0'], ['10.0.10.1']]);
  });
});
