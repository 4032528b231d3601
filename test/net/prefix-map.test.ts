/** PrefixMap against a model that does everything the long way, over random sequences of operations. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { familyBits, familyMax, IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';
import { type PrefixEntry, PrefixMap } from '../../src/net/prefix-map.ts';
import { addressOf, anyPrefix, crowdedPrefix } from '../support/net-arbitrary.ts';

/** A sorted list of entries, searched from one end to the other. */
class Model {
  entries: PrefixEntry<number>[] = [];

  set(prefix: Prefix, value: number): void {
    this.delete(prefix);
    this.entries.push({ prefix, value });
    this.entries.sort((a, b) => Prefix.compare(a.prefix, b.prefix));
  }

  delete(prefix: Prefix): boolean {
    const before = this.entries.length;
    this.entries = this.entries.filter(entry => !Prefix.equals(entry.prefix, prefix));
    return this.entries.length < before;
  }

  longestMatch(address: IpAddress): PrefixEntry<number> | undefined {
    return this.entries
      .filter(entry => Prefix.contains(entry.prefix, address))
      .reduce<PrefixEntry<number> | undefined>((a, b) => (a && a.prefix.length > b.prefix.length ? a : b), undefined);
  }
}

function agree(map: PrefixMap<number>, model: Model, probe: Prefix): void {
  const { entries } = model;
  expect(map.size).toBe(entries.length);
  expect([...map]).toEqual(entries);
  expect(map.get(probe)).toBe(entries.find(entry => Prefix.equals(entry.prefix, probe))?.value);
  for (const address of [probe.address, Prefix.last(probe)])
    expect(map.longestMatch(address)).toEqual(model.longestMatch(address));
  expect(map.covering(probe)).toEqual(entries.filter(entry => Prefix.covers(entry.prefix, probe)));
  expect([...map.coveredBy(probe)]).toEqual(entries.filter(entry => Prefix.covers(probe, entry.prefix)));
  expect([...map.overlapping(probe)]).toEqual(entries.filter(entry => Prefix.overlaps(probe, entry.prefix)));
}

const mixed = fc.oneof({ weight: 4, arbitrary: crowdedPrefix }, anyPrefix);
const operation = fc.record({ remove: fc.boolean(), prefix: mixed, probe: mixed });

function prefix(text: string): Prefix {
  const parsed = Prefix.parse(text);
  if (parsed === undefined) throw new Error(`${text} is no prefix`);
  return parsed;
}

describe('as the model', () => {
  it('after every operation of a random sequence', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), operations => {
        const map = new PrefixMap<number>();
        const model = new Model();
        for (const [i, { remove, prefix: key, probe }] of operations.entries()) {
          if (remove) expect(map.delete(key)).toBe(model.delete(key));
          else {
            map.set(key, i);
            model.set(key, i);
          }
          agree(map, model, probe);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('when it fills and empties again, in any order', () => {
    const keys = fc.uniqueArray(mixed, { maxLength: 200, selector: Prefix.format });
    const filled = keys.chain(all => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })));
    fc.assert(
      fc.property(filled, mixed, ([keys, order], probe) => {
        const map = new PrefixMap(keys.map((key, i) => [key, i] as const));
        const model = new Model();
        for (const [i, key] of keys.entries()) model.set(key, i);
        agree(map, model, probe);
        for (const [i, key] of order.entries()) {
          expect(map.delete(key)).toBe(true);
          expect(map.delete(key)).toBe(false);
          model.delete(key);
          if (i % 16 === 0) agree(map, model, probe);
        }
        expect([...map]).toEqual([]);
        expect(map.size).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  it('for addresses anywhere', () => {
    fc.assert(
      fc.property(fc.array(anyPrefix, { maxLength: 40 }), addressOf('ipv4'), addressOf('ipv6'), (keys, four, six) => {
        const map = new PrefixMap(keys.map((key, i) => [key, i] as const));
        const model = new Model();
        for (const [i, key] of keys.entries()) model.set(key, i);
        for (const address of [four, six]) expect(map.longestMatch(address)).toEqual(model.longestMatch(address));
      }),
    );
  });
});

describe('by example', () => {
  const map = new PrefixMap<string>(
    [
      '0.0.0.0/0',
      '10.0.0.0/8',
      '10.1.0.0/16',
      '10.1.2.0/24',
      '10.1.2.3/32',
      '10.2.0.0/16',
      '::/0',
      '2001:db8::/32',
    ].map(text => [prefix(text), text]),
  );
  const texts = (entries: Iterable<PrefixEntry<string>>) => Array.from(entries, entry => entry.value);

  it.each([
    ['10.1.2.3', '10.1.2.3/32'],
    ['10.1.2.4', '10.1.2.0/24'],
    ['10.1.3.0', '10.1.0.0/16'],
    ['10.3.0.0', '10.0.0.0/8'],
    ['11.0.0.0', '0.0.0.0/0'],
    ['2001:db8::1', '2001:db8::/32'],
    ['2001:db9::1', '::/0'],
    // Mapped addresses are IPv6 addresses; who means the IPv4 one asks for it.
    ['::ffff:10.1.2.3', '::/0'],
  ])('longest match of %s is %s', (text, expected) => {
    const address = IpAddress.parse(text);
    expect(address && map.longestMatch(address)?.value).toBe(expected);
  });

  it('around and inside 10.1.0.0/16', () => {
    expect(texts(map.covering(prefix('10.1.0.0/16')))).toEqual(['0.0.0.0/0', '10.0.0.0/8', '10.1.0.0/16']);
    expect(texts(map.coveredBy(prefix('10.1.0.0/16')))).toEqual(['10.1.0.0/16', '10.1.2.0/24', '10.1.2.3/32']);
    expect(texts(map.overlapping(prefix('10.1.2.0/25')))).toEqual([
      '0.0.0.0/0',
      '10.0.0.0/8',
      '10.1.0.0/16',
      '10.1.2.0/24',
      '10.1.2.3/32',
    ]);
  });

  it('keeps the ends of the space apart', () => {
    const ends = new PrefixMap<string>();
    for (const family of ['ipv4', 'ipv6'] as const)
      for (const value of [0n, familyMax[family]]) {
        const host = Prefix.host({ family, value });
        ends.set(host, Prefix.format(host));
        expect(ends.longestMatch({ family, value })?.value).toBe(Prefix.format(host));
        expect(ends.longestMatch({ family, value: value ^ 1n })).toBeUndefined();
      }
    expect(ends.size).toBe(4);
  });
});

describe('a change during an iteration', () => {
  const make = () => new PrefixMap([1, 2, 3].map(i => [prefix(`10.0.0.${i}/32`), i] as const));

  it.each([
    ['deleting', (map: PrefixMap<number>, key: Prefix) => map.delete(key)],
    ['adding', (map: PrefixMap<number>) => map.set(prefix('10.0.0.9/32'), 9)],
  ])('throws when %s, rather than passing over entries', (_how, change) => {
    const map = make();
    expect(() => {
      for (const entry of map) change(map, entry.prefix);
    }).toThrow('changed during an iteration');
    const inside = map.coveredBy(prefix('10.0.0.0/8'));
    change(map, prefix('10.0.0.3/32'));
    map.delete(prefix('10.0.0.2/32'));
    expect(() => [...inside]).toThrow('changed during an iteration');
  });

  it('may give an entry another value', () => {
    const map = make();
    for (const entry of map) map.set(entry.prefix, entry.value * 10);
    expect(Array.from(map, entry => entry.value)).toEqual([10, 20, 30]);
  });
});

describe('at size', () => {
  /** The same sequence on every run: 32 bits of a linear congruential generator. */
  function numbers(seed: number): () => number {
    return () => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return seed;
    };
  }

  it.each(['ipv4', 'ipv6'] as const)('20,000 %s prefixes come, match, and go', family => {
    const next = numbers(7);
    const shift = BigInt(familyBits[family] - 32);
    const keys = Array.from({ length: 20_000 }, () =>
      Prefix.of({ family, value: BigInt(next()) << shift }, 12 + (next() >>> 28)),
    );
    const map = new PrefixMap(keys.map((key, i) => [key, i] as const));
    expect(map.size).toBe(new Set(keys.map(Prefix.format)).size);
    for (const key of keys) {
      const match = map.longestMatch(Prefix.last(key));
      expect(match !== undefined && Prefix.covers(key, match.prefix)).toBe(true);
    }
    for (const key of keys) map.delete(key);
    expect(map.size).toBe(0);
    expect([...map]).toEqual([]);
    expect(map.nodeOctets).toBe(new PrefixMap().nodeOctets);
  });

  it.each([
    ['ipv4', 16],
    ['ipv6', 28],
  ] as const)('keeps no memory for %s prefixes that have gone', (family, rowOctets) => {
    const next = numbers(11);
    const shift = BigInt(familyBits[family] - 32);
    const map = new PrefixMap<number>();
    const live: Prefix[] = [];
    const empty = map.nodeOctets;
    for (let i = 0; i < 50_000; i++) {
      const key = Prefix.of({ family, value: BigInt(next()) << shift }, 12 + (next() >>> 28));
      map.set(key, i);
      live.push(key);
      const gone = live.length > 100 ? live.splice(next() % live.length, 1)[0] : undefined;
      if (gone !== undefined) map.delete(gone);
    }
    // At most one fork an entry; one row in four in use; half of the array filled.
    expect(map.size).toBeGreaterThan(90);
    expect(map.nodeOctets - empty).toBeLessThanOrEqual(2 * map.size * 4 * 2 * rowOctets);
  });
});
