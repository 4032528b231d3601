/** §1.4: router IDs from a pool. */
import { describe, expect, it } from 'vitest';
import { allotRouterIds } from '../../src/control/router-ids.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';

const ip = (text: string): IpAddress => IpAddress.parse(text) ?? IpAddress.of('ipv4', 0n);
const pool = (text: string): Prefix => Prefix.parse(text) ?? Prefix.host(ip('0.0.0.0'));
type Case = readonly [
  about: string,
  pool: string,
  held: Record<string, string>,
  taken: string[],
  got: Record<string, string>,
];

describe('router IDs', () => {
  it.each<Case>([
    ['the first address counts', '10.0.0.0/24', { a: '', b: '' }, [], { a: '10.0.0.0', b: '10.0.0.1' }],
    ['a held one stays', '10.0.0.0/24', { a: '', b: '10.0.0.0' }, [], { a: '10.0.0.1', b: '10.0.0.0' }],
    ['one outside the pool is replaced', '10.0.0.0/24', { a: '10.9.0.1' }, [], { a: '10.0.0.0' }],
    [
      'two that hold the same: the first keeps it',
      '10.0.0.0/24',
      { a: '10.0.0.5', b: '10.0.0.5' },
      [],
      { a: '10.0.0.5', b: '10.0.0.0' },
    ],
    ['one set by hand is not given out', '10.0.0.0/31', { a: '', b: '' }, ['10.0.0.0'], { a: '10.0.0.1' }],
    ['0.0.0.0 is none (RFC 6286 §2.1)', '0.0.0.0/30', { a: '' }, [], { a: '0.0.0.1' }],
    ['a pool that is used up', '10.0.0.0/32', { a: '', b: '' }, [], { a: '10.0.0.0' }],
  ])('%s', (_, cidr, held, taken, got) => {
    const claims = Object.entries(held).map(([key, text]) => ({ key, held: text === '' ? undefined : ip(text) }));
    const allotted = allotRouterIds(pool(cidr), claims, taken.map(ip));
    expect(Object.fromEntries([...allotted].map(([key, id]) => [key, IpAddress.format(id)]))).toEqual(got);
  });
});
