/** Runs of free addresses against a set of numbers, at both ends of the space, and what they cost in memory. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FreeRanges } from '../../src/ipam/free-ranges.ts';
import { type Family, familyMax } from '../../src/net/ip.ts';

/** The same by plain enumeration. */
class Model {
  readonly values = new Set<bigint>();

  runs(): [bigint, bigint][] {
    const out: [bigint, bigint][] = [];
    for (const value of [...this.values].sort((a, b) => (a < b ? -1 : 1))) {
      const open = out.at(-1);
      if (open !== undefined && open[1] === value - 1n) open[1] = value;
      else out.push([value, value]);
    }
    return out;
  }
}

const bases: readonly (readonly [Family, bigint])[] = [
  ['ipv4', 0n],
  ['ipv4', familyMax.ipv4 - 63n],
  ['ipv6', 0n],
  ['ipv6', (1n << 64n) - 32n],
  ['ipv6', familyMax.ipv6 - 63n],
];

describe('free ranges', () => {
  it.each(bases)('%s from %s: take and give as a set would', (family, base) => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(63)), { maxLength: 120 }), steps => {
        const free = new FreeRanges(family, [{ first: base + 8n, last: base + 55n }]);
        const model = new Model();
        for (let value = 8n; value <= 55n; value++) model.values.add(base + value);
        for (const [give, offset] of steps) {
          const value = base + BigInt(offset);
          if (give) {
            expect(free.give(value)).toBe(!model.values.has(value));
            model.values.add(value);
          } else expect(free.take(value)).toBe(model.values.delete(value));
          expect(free.has(value)).toBe(give);
        }
        const runs = model.runs();
        expect([...free].map(({ first, last }) => [first, last])).toEqual(runs);
        expect(free.count).toBe(runs.length);
        expect(free.size).toBe(BigInt(model.values.size));
        expect(free.lowest()).toBe(runs[0]?.[0]);
      }),
      { numRuns: 300 },
    );
  });

  it.each(['ipv4', 'ipv6'] as const)('%s: 20,000 runs in random order, then joined again in another', family => {
    const base = family === 'ipv4' ? 10n << 24n : 0xfdn << 120n;
    const free = new FreeRanges(family, [{ first: base, last: base + 59_999n }]);
    const order = shuffled(20_000, 7);
    for (const i of order) expect(free.take(base + BigInt(i * 3 + 1))).toBe(true);
    expect(free.count).toBe(20_001);
    expect(free.bytes / free.count).toBeLessThan(80);
    const runs = [...free];
    expect(runs.every((run, i) => i === 0 || run.first > (runs[i - 1]?.last ?? 0n) + 1n)).toBe(true);
    for (const i of shuffled(20_000, 11)) {
      expect(free.give(base + BigInt(i * 3 + 1))).toBe(true);
      if (i % 1000 === 0 && free.count > 512) expect(free.bytes / free.count).toBeLessThan(80);
    }
    expect([...free]).toEqual([{ first: base, last: base + 59_999n }]);
  });

  it('A35: a /8 with one free address and a whole /0 of IPv6 answer alike', () => {
    const full = new FreeRanges('ipv4', [{ first: (10n << 24n) + 12_345_678n, last: (10n << 24n) + 12_345_678n }]);
    expect(full.lowest()).toBe((10n << 24n) + 12_345_678n);
    expect(full.take((10n << 24n) + 12_345_678n)).toBe(true);
    expect([full.lowest(), full.size, full.count]).toEqual([undefined, 0n, 0]);
    const whole = new FreeRanges('ipv6', [{ first: 0n, last: familyMax.ipv6 }]);
    expect(whole.take(familyMax.ipv6)).toBe(true);
    expect(whole.size).toBe(familyMax.ipv6);
    expect(whole.give(familyMax.ipv6)).toBe(true);
    expect([whole.size, whole.count]).toEqual([familyMax.ipv6 + 1n, 1]);
  });
});

function shuffled(length: number, seed: number): number[] {
  const out = Array.from({ length }, (_, i) => i);
  let state = seed;
  for (let i = length - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = state % (i + 1);
    [out[i], out[j]] = [out[j] ?? 0, out[i] ?? 0];
  }
  return out;
}
