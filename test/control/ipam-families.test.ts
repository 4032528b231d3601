/**
 * Which families a Service wants: P44-P54 of the reference's §3.1, and what a pool of one family means for dual stack.
 */
import { describe, expect, it } from 'vitest';
import { IpamWorld, pool, service } from './ipam-world.ts';

const both = { ipv4: true, ipv6: true };
const onlyV4 = { ipv4: true, ipv6: false };
const onlyV6 = { ipv4: false, ipv6: true };
const v4 = '10.0.10.0';
const v6 = 'fd00::';

describe('families', () => {
  it.each([
    ['P44', undefined, undefined, both, [v4]],
    ['P45', undefined, undefined, onlyV6, [v6]],
    ['P46', 'SingleStack', ['IPv4'], both, [v4]],
    ['P46', undefined, ['IPv4', 'IPv6'], both, [v4]],
    ['P47', 'SingleStack', ['IPv6'], both, [v6]],
    ['P47', 'SingleStack', undefined, both, [v4]],
    ['P48', 'SingleStack', ['IPv6'], onlyV4, [v6]],
    ['P49', 'PreferDualStack', undefined, both, [v4, v6]],
    ['P50', 'PreferDualStack', undefined, onlyV4, [v4]],
    ['P51', 'PreferDualStack', ['IPv4', 'IPv6'], onlyV6, [v6]],
    ['P52', 'PreferDualStack', ['IPv4'], both, [v4]],
    ['P53', 'RequireDualStack', ['IPv4'], both, [v4, v6]],
    ['P54', 'RequireDualStack', ['IPv4', 'IPv6'], onlyV6, [v6]],
  ])('%s: policy %s, families %j, cluster %j: %j', async (_, ipFamilyPolicy, ipFamilies, families, expected) => {
    const spec = { ...(ipFamilyPolicy && { ipFamilyPolicy }), ...(ipFamilies && { ipFamilies }) };
    const world = new IpamWorld({ families }).put(
      pool('pool-a', ['10.0.10.0/24', 'fd00::/64']),
      service('web', { spec }),
    );
    await world.settle();
    expect(world.held('web')).toEqual(expected);
    expect(world.condition('web')).toBe('True satisfied');
  });

  it('§2.11: dual stack with pools of one family: one address, and the condition says what lacks', async () => {
    const world = new IpamWorld().put(pool('pool-a', ['10.0.10.0/24']));
    await world.put(service('web', { spec: { ipFamilyPolicy: 'PreferDualStack' } })).settle();
    expect(world.held('web')).toEqual([v4]);
    expect(world.condition('web')).toMatch(/^False no_pool/);
    await world.put(pool('pool-b', ['fd00::/64'])).settle();
    expect([world.held('web'), world.condition('web')]).toEqual([[v4, v6], 'True satisfied']);
  });

  it('§2.10: requested addresses do not ask for families', async () => {
    const world = new IpamWorld({ families: onlyV4 }).put(pool('pool-a', ['fd00::/64']));
    await world.put(service('web', { spec: { ipFamilies: ['IPv4'] }, notes: { ips: 'fd00::5' } })).settle();
    expect(world.held('web')).toEqual(['fd00::5']);
  });

  it('counts of an IPv6 pool are exact: 2^128 addresses are a pool like any other', async () => {
    const world = new IpamWorld().put(pool('everything', ['::/0']), service('web', { spec: { ipFamilies: ['IPv6'] } }));
    await world.settle();
    expect(world.held('web')).toEqual(['::']);
    expect(world.counts('everything')).toBe(`${2n ** 128n}/${2n ** 128n - 1n}/1`);
  });
});
