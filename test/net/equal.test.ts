/** Equality by content. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sameValue } from '../../src/net/equal.ts';

describe('sameValue', () => {
  it.each([
    ['numbers', 1, 1, true],
    ['NaN', Number.NaN, Number.NaN, true],
    ['bigints', 2n ** 70n, 2n ** 70n, true],
    ['a number and its text', 1, '1', false],
    ['null and an object', null, {}, false],
    ['an array and an object with the same fields', [1], { 0: 1 }, false],
    ['another order of fields', { a: 1, b: 2 }, { b: 2, a: 1 }, true],
    ['another order of items', [1, 2], [2, 1], false],
    ['a field that is undefined and one that is absent', { a: 1, b: undefined }, { a: 1 }, true],
    ['a field more', { a: 1 }, { a: 1, b: 2 }, false],
    ['an inherited name and one of its own', {}, { constructor: 'x' }, false],
    ['maps', new Map([['a', [1]]]), new Map([['a', [1]]]), true],
    ['sets', new Set([1]), new Set([2]), false],
  ])('%s', (_, a, b, same) => {
    expect(sameValue(a, b)).toBe(same);
    expect(sameValue(b, a)).toBe(same);
  });

  it('leaves it to values that have an equals of their own', () => {
    const secret = (text: string) => ({
      equals: (other: { text(): string }) => other.text() === text,
      text: () => text,
    });
    expect(sameValue({ s: secret('a') }, { s: secret('a') })).toBe(true);
    expect(sameValue({ s: secret('a') }, { s: secret('b') })).toBe(false);
  });

  it('property: a copy is the same, and JSON data are the same exactly when their sorted texts are', () => {
    const sorted = (value: unknown): string =>
      JSON.stringify(value, (_, each) =>
        each !== null && typeof each === 'object' && !Array.isArray(each)
          ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
          : each,
      );
    // What JSON cannot say apart (-0) is left out.
    const data = fc.jsonValue().map(value => JSON.parse(JSON.stringify(value)) as unknown);
    fc.assert(
      fc.property(data, data, (a, b) => {
        expect(sameValue(a, structuredClone(a))).toBe(true);
        expect(sameValue(a, b)).toBe(sorted(a) === sorted(b));
      }),
    );
  });
});
