/** Which pools overlap: P87-P93 of the reference's §3.1, and any number of pools against the definition. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Conflict, findConflicts } from '../../src/ipam/conflict.ts';
import { Range } from '../../src/net/range.ts';
import { conflicts } from './oracle.ts';
import { pool } from './world.ts';

describe('two pools', () => {
  it.each([
    ['P87', 'equal', '10.0.0.10-10.0.0.20', '10.0.0.10-10.0.0.20', true],
    ['P88', 'A inside B', '10.0.0.12-10.0.0.14', '10.0.0.10-10.0.0.20', true],
    ['P89', 'B inside A', '10.0.0.10-10.0.0.20', '10.0.0.12-10.0.0.14', true],
    ['P90', 'the tail of A over the head of B', '10.0.0.10-10.0.0.20', '10.0.0.20-10.0.0.30', true],
    ['P91', 'the head of A over the tail of B', '10.0.0.20-10.0.0.30', '10.0.0.10-10.0.0.20', true],
    ['P92', 'disjoint', '10.0.0.10-10.0.0.20', '10.0.0.40-10.0.0.50', false],
    ['P93', 'touching', '10.0.0.1-10.0.0.10', '10.0.0.11-10.0.0.20', false],
    ['§2.14', 'of two families', '0.0.0.1-0.0.0.9', '::1-::9', false],
  ])('%s: %s', (_, __, a, b, overlap) => {
    const found = findConflicts([pool('a', [a], { createdMs: 1 }), pool('b', [b], { createdMs: 2 })]);
    expect([...found.keys()]).toEqual(overlap ? ['b'] : []);
    const [one, two] = [a, b].map(text => pool('x', [text]).blocks[0]?.range);
    expect(one && two && Range.overlaps(one, two)).toBe(overlap);
  });

  it('§1.3: the message names both ranges and the other pool', () => {
    const found = findConflicts([pool('a', ['10.0.0.0/24']), pool('b', ['10.0.0.128/25'])]).get('b');
    expect(found && Conflict.message(found)).toBe(
      "Pool conflicts since range '10.0.0.128 - 10.0.0.255' overlaps range '10.0.0.0 - 10.0.0.255' from IP Pool 'a'",
    );
  });
});

const anyPool = fc
  .tuple(fc.nat(5), fc.array(fc.tuple(fc.nat(60), fc.nat(6)), { maxLength: 3 }))
  .map(([createdMs, blocks]) => ({
    createdMs,
    blocks: blocks.map(([first, length]) => `10.0.0.${first}-10.0.0.${first + length}`),
  }));

describe('many pools', () => {
  it('each is marked exactly when it overlaps an older one or itself, and the message is true', () => {
    fc.assert(
      fc.property(fc.array(anyPool, { maxLength: 12 }), specs => {
        const pools = specs.map(({ createdMs, blocks }, i) => pool(`pool-${i}`, blocks, { createdMs }));
        const found = findConflicts(pools);
        for (const each of pools) {
          const conflict = found.get(each.name);
          expect(conflict !== undefined).toBe(conflicts(each, pools));
          if (conflict === undefined) continue;
          expect(Range.overlaps(conflict.range, conflict.otherRange)).toBe(true);
          expect(each.blocks.some(block => block.range === conflict.range)).toBe(true);
          const other = pools.find(one => one.name === conflict.otherPool);
          expect(other?.blocks.some(block => block.range === conflict.otherRange)).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('ten thousand that all overlap are found out in well under a second', () => {
    const pools = Array.from({ length: 10_000 }, (_, i) => pool(`pool-${i}`, ['10.0.0.0/8'], { createdMs: i }));
    expect(findConflicts(pools).size).toBe(9999);
    const nested = Array.from({ length: 10_000 }, (_, i) =>
      pool(`pool-${i}`, [`10.${i >> 8}.${i & 255}.0-10.255.255.255`], { createdMs: 10_000 - i }),
    );
    expect(findConflicts(nested).size).toBe(9999);
  });
});
