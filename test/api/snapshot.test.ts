/** Snapshots: immutable, sorted, and sharing everything that did not change. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Kinds } from '../../src/api/kinds.ts';
import { SnapshotBuilder } from '../../src/api/snapshot.ts';

/** Only the names matter to a snapshot. */
function namespace(name: string, mark = 0): Kinds['Namespace'] {
  return { kind: 'Namespace', metadata: { namespace: '', name }, mark } as unknown as Kinds['Namespace'];
}

const names = (builder: SnapshotBuilder) =>
  builder
    .snapshot()
    .list('Namespace')
    .map(each => each.metadata.name);

describe('Snapshot', () => {
  it('is the same value while nothing changes', () => {
    const builder = new SnapshotBuilder();
    expect(builder.snapshot()).toBe(builder.snapshot());
    builder.put('Namespace', namespace('a'));
    const before = builder.snapshot();
    expect(before).not.toBe(new SnapshotBuilder().snapshot());
    expect(builder.snapshot()).toBe(before);
  });

  it('does not change under whoever holds it', () => {
    const builder = new SnapshotBuilder();
    builder.put('Namespace', namespace('a'));
    const before = builder.snapshot();
    builder.put('Namespace', namespace('b'));
    builder.delete('Namespace', '', 'a');
    builder.snapshot();
    expect(before.list('Namespace').map(each => each.metadata.name)).toEqual(['a']);
    expect(before.get('Namespace', '', 'a')).toBeDefined();
    expect(before.get('Namespace', '', 'b')).toBeUndefined();
  });

  it('says when something could not be read at all', () => {
    const builder = new SnapshotBuilder();
    const before = builder.snapshot();
    builder.partial(true);
    expect([before.isPartial, builder.snapshot().isPartial]).toEqual([false, true]);
    expect(builder.snapshot()).toBe(builder.snapshot());
    builder.partial(false);
    expect(builder.snapshot().isPartial).toBe(false);
  });

  it('keeps the list of a kind in which nothing changed', () => {
    const builder = new SnapshotBuilder();
    builder.put('Namespace', namespace('a'));
    const before = builder.snapshot();
    builder.fault({
      ref: { kind: 'Service', namespace: 'x', name: 'y' },
      generation: 1,
      faults: [{ severity: 'error', code: 'missing', path: 'spec', message: 'missing', fix: 'add it' }],
    });
    const after = builder.snapshot();
    expect(after.list('Namespace')).toBe(before.list('Namespace'));
    expect(after.faulty).toHaveLength(1);
    builder.fault({ ref: { kind: 'Service', namespace: 'x', name: 'y' }, generation: 2, faults: [] });
    expect(builder.snapshot().faulty).toEqual([]);
  });

  it('property: after any edits it lists exactly what a plain map would, sorted, and finds each by name', () => {
    const edit = fc.record({ name: fc.stringMatching(/^[a-f]{1,2}$/), add: fc.boolean(), freeze: fc.boolean() });
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 60 }), edits => {
        const builder = new SnapshotBuilder();
        const model = new Map<string, number>();
        for (const [mark, { name, add, freeze }] of edits.entries()) {
          if (add) {
            builder.put('Namespace', namespace(name, mark));
            model.set(name, mark);
          } else {
            builder.delete('Namespace', '', name);
            model.delete(name);
          }
          if (freeze) builder.snapshot();
        }
        expect(names(builder)).toEqual([...model.keys()].sort());
        for (const [name, mark] of model) expect(builder.snapshot().get('Namespace', '', name)).toMatchObject({ mark });
        expect(builder.snapshot().get('Namespace', '', 'nobody')).toBeUndefined();
      }),
    );
  });
});
