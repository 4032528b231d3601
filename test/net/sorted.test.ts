/** Sorted lists that are never changed. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lowerBound, withChanges } from '../../src/net/sorted.ts';

interface Item {
  readonly at: number;
  readonly version: number;
}

const compare = (a: { readonly at: number }, b: { readonly at: number }) => a.at - b.at;
const byPlace = fc
  .uniqueArray(fc.record({ at: fc.nat(40), version: fc.nat(1) }), { selector: ({ at }) => at })
  .map(all => all.sort(compare));
/** Undefined removes what is there, if anything is. */
const changesOf = fc.uniqueArray(fc.record({ at: fc.nat(40), version: fc.option(fc.nat(1), { nil: undefined }) }), {
  selector: ({ at }) => at,
});

describe('withChanges', () => {
  it('equals sorting anew what is left and what came, and leaves the list before as it was', () => {
    fc.assert(
      fc.property(byPlace, changesOf, (before, wanted) => {
        const copy = [...before];
        const changes = wanted.map(({ at, version }) => ({
          at: { at },
          value: version === undefined ? undefined : { at, version },
        }));
        const stays = before.filter(({ at }) => !wanted.some(each => each.at === at));
        const came = changes.flatMap(({ value }) => value ?? []);
        expect(withChanges(before, changes, compare)).toEqual([...stays, ...came].sort(compare));
        expect(before).toEqual(copy);
      }),
    );
  });

  it('takes as many changes as there are', () => {
    const changes = Array.from({ length: 200_000 }, (_, at) => ({ at: { at }, value: { at, version: 0 } }));
    const all = withChanges<{ readonly at: number }, Item>([], changes, compare);
    expect(all.length).toBe(200_000);
    const odd = changes.filter(({ at }) => at.at % 2 === 1).map(({ at }) => ({ at, value: undefined }));
    expect(withChanges(all, odd, compare).every(({ at }, i) => at === 2 * i)).toBe(true);
  });

  it('is the very list when nothing changes', () => {
    const list = [{ at: 1, version: 0 }];
    expect(withChanges(list, [], compare)).toBe(list);
  });
});

describe('lowerBound', () => {
  it('is the first that does not sort before, or the end', () => {
    fc.assert(
      fc.property(byPlace, fc.nat(41), (list, at) => {
        const expected = list.findIndex(each => each.at >= at);
        expect(lowerBound(list, { at }, compare)).toBe(expected < 0 ? list.length : expected);
      }),
    );
  });
});
