/** The seam of incremental work: what changed between sorted lists, and what was made of them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forEachChange, mapChanged } from '../../src/control/changes.ts';
import { Stable } from '../../src/control/keep.ts';

interface Item {
  readonly metadata: { readonly namespace: string; readonly name: string };
  readonly version: number;
}

const items = fc
  .uniqueArray(fc.tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 1 })), {
    selector: ([name]) => name,
  })
  .map(all => new Map(all.map(([name, version]) => [String.fromCharCode(97 + name), version])));

const pool = new Map<string, Item>();
function item(name: string, version: number): Item {
  const known = pool.get(`${name}${version}`) ?? { metadata: { namespace: '', name }, version };
  pool.set(`${name}${version}`, known);
  return known;
}
const sorted = (all: ReadonlyMap<string, number>): readonly Item[] =>
  [...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, version]) => item(name, version));
const compare = (a: Item, b: Item) =>
  a.metadata.name < b.metadata.name ? -1 : a.metadata.name > b.metadata.name ? 1 : 0;

describe('two sorted lists', () => {
  it('every difference is told once, and nothing else', () => {
    fc.assert(
      fc.property(items, items, (a, b) => {
        const told: string[] = [];
        forEachChange(sorted(a), sorted(b), (before, after) =>
          told.push(`${(after ?? before)?.metadata.name} ${before?.version} ${after?.version}`),
        );
        const names = [...new Set([...a.keys(), ...b.keys()])].sort().filter(name => a.get(name) !== b.get(name));
        expect(told).toEqual(names.map(name => `${name} ${a.get(name)} ${b.get(name)}`));
      }),
    );
  });

  it('a mapped list equals mapping it anew, and makes only what is new', () => {
    fc.assert(
      fc.property(items, items, (a, b) => {
        const [before, after] = [sorted(a), sorted(b)];
        const made: Item[] = [];
        const text = ({ metadata, version }: Item) => `${metadata.name}${version}`;
        const first = { from: before, to: before.map(text) };
        const mapped = mapChanged(first, after, compare, each => {
          made.push(each);
          return text(each);
        });
        expect(mapped.to).toEqual(after.map(text));
        expect(made).toEqual(after.filter(each => !before.includes(each)));
      }),
    );
  });
});

describe('Stable', () => {
  it('an equal successor is answered with the value that was there', () => {
    const stable = new Stable<{ readonly a: readonly number[] }>();
    const first = stable.keep({ a: [1] });
    expect(stable.keep({ a: [1] })).toBe(first);
    expect(stable.keep({ a: [2] })).not.toBe(first);
  });
});
