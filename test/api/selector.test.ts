/** Label selectors (reference §1.1.5): Kubernetes' semantics, and in words. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LabelSelector, type Requirement } from '../../src/api/selector.ts';
import { isLabelValue, isQualifiedName, isSubdomain } from '../../src/api/selector-field.ts';
import { allFaults, faults, good } from '../support/parsed.ts';

const raw = (nodeSelector: unknown) => ({
  apiVersion: 'cilium.io/v2alpha1',
  kind: 'CiliumL2AnnouncementPolicy',
  metadata: { name: 'p' },
  spec: { nodeSelector },
});
const read = (nodeSelector: unknown) => good('CiliumL2AnnouncementPolicy', raw(nodeSelector)).spec.nodeSelector;

describe('LabelSelector', () => {
  it.each([
    [{}, 'everything', { a: '1' }, true],
    [{ matchLabels: {} }, 'everything', {}, true],
    [{ matchLabels: { a: '1' } }, 'a is 1', { a: '1', b: '2' }, true],
    [{ matchLabels: { a: '1' } }, 'a is 1', { a: '2' }, false],
    [{ matchLabels: { a: '' } }, 'a is empty', { a: '' }, true],
    [{ matchLabels: { a: '' } }, 'a is empty', {}, false],
    [{ matchLabels: { a: '1', b: '2' } }, 'a is 1 and b is 2', { a: '1' }, false],
    [{ matchExpressions: [{ key: 'a', operator: 'In', values: ['1', '2'] }] }, 'a is one of 1, 2', { a: '2' }, true],
    [{ matchExpressions: [{ key: 'a', operator: 'In', values: ['1', '2'] }] }, 'a is one of 1, 2', {}, false],
    [{ matchExpressions: [{ key: 'a', operator: 'NotIn', values: ['1'] }] }, 'a is not 1', {}, true],
    [
      { matchExpressions: [{ key: 'a', operator: 'NotIn', values: ['1', '2'] }] },
      'a is none of 1, 2',
      { a: '1' },
      false,
    ],
    [{ matchExpressions: [{ key: 'a', operator: 'Exists' }] }, 'a is set', { a: '' }, true],
    [{ matchExpressions: [{ key: 'a', operator: 'Exists', values: [] }] }, 'a is set', {}, false],
    [{ matchExpressions: [{ key: 'a', operator: 'DoesNotExist' }] }, 'a is not set', { b: '' }, true],
    [{ matchExpressions: [{ key: 'a', operator: 'DoesNotExist' }] }, 'a is not set', { a: '' }, false],
  ])('%j: %s; on %j: %s', (selector, text, labels, matches) => {
    expect(read(selector).text).toBe(text);
    expect(read(selector).matches(labels)).toBe(matches);
  });

  it('nothing matches nothing, and says so', () => {
    expect(LabelSelector.nothing.matches({})).toBe(false);
    expect(LabelSelector.nothing.text).toBe('nothing');
    expect(LabelSelector.toRaw(LabelSelector.nothing)).toBeUndefined();
    expect(LabelSelector.toRaw(LabelSelector.everything)).toEqual({});
  });

  it('what an object inherits is not a label', () => {
    const exists = LabelSelector.of([{ key: 'constructor', operator: 'Exists', values: [] }]);
    expect(exists.matches({})).toBe(false);
    expect(exists.matches({ constructor: 'x' } as never)).toBe(true);
  });

  it.each([
    [{ matchExpressions: [{ key: 'a', operator: 'In', values: [] }] }, 'matchExpressions[0].values'],
    [{ matchExpressions: [{ key: 'a', operator: 'NotIn' }] }, 'matchExpressions[0].values'],
    [{ matchExpressions: [{ key: 'a', operator: 'Exists', values: ['x'] }] }, 'matchExpressions[0].values'],
    [{ matchExpressions: [{ key: 'a', operator: 'In', values: ['x', 'b d'] }] }, 'matchExpressions[0].values[1]'],
    [{ matchExpressions: [{ key: '', operator: 'Exists' }] }, 'matchExpressions[0].key'],
    [{ matchExpressions: [{ key: 'a/b/c', operator: 'Exists' }] }, 'matchExpressions[0].key'],
    [{ matchExpressions: [{ key: 'a', operator: 'in', values: ['x'] }] }, 'matchExpressions[0].operator'],
    [{ matchExpressions: [{ operator: 'Exists' }] }, 'matchExpressions[0].key'],
    [{ matchExpressions: { key: 'a' } }, 'matchExpressions'],
    [{ matchLabels: { a: 'x'.repeat(64) } }, 'matchLabels.a'],
    [{ matchLabels: { a: '-x' } }, 'matchLabels.a'],
    [{ matchLabels: { a: true } }, 'matchLabels.a'],
    [{ matchLabels: { 'a b': 'x' } }, 'matchLabels'],
    [{ matchLabels: ['a'] }, 'matchLabels'],
  ])('%j is refused at %s', (selector, path) => {
    expect(faults(raw(selector))).toEqual([`error bad-node-selector spec.nodeSelector.${path}`]);
  });

  it('says how a value that is no text becomes one', () => {
    expect(allFaults(raw({ matchLabels: { on: true } }))[0]?.fix).toContain('"true"');
  });

  it('property: written and read again it is the same selector', () => {
    const word = fc.stringMatching(/^[a-z]{1,5}$/);
    const requirement = fc.oneof(
      fc.record({
        key: word,
        operator: fc.constantFrom('In' as const, 'NotIn' as const),
        values: fc.array(word, { minLength: 1 }),
      }),
      fc.record({
        key: word,
        operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const),
        values: fc.constant([]),
      }),
    );
    fc.assert(
      fc.property(fc.array(requirement), fc.dictionary(word, word), (requirements: Requirement[], labels) => {
        const selector = LabelSelector.of(requirements);
        const again = read(LabelSelector.toRaw(selector));
        expect(again).toEqual(selector);
        expect(again.matches(labels)).toBe(selector.matches(labels));
      }),
    );
  });
});

describe('the grammar of labels and names', () => {
  it.each([
    [isLabelValue, ['', 'a', 'A-b_c.9', 'x'.repeat(63)], ['-a', 'a-', 'a b', 'ä', 'x'.repeat(64), 'a/b']],
    [
      isQualifiedName,
      ['a', 'example.com/a', 'a.b-c_d', `${'x'.repeat(63)}`],
      ['', '/a', 'a/', 'A.com/a', 'a/b/c', '-a', 'x'.repeat(64)],
    ],
    [
      isSubdomain,
      ['a', 'a.b', 'a-b.c-9', 'x'.repeat(253)],
      ['', 'A', 'a..b', '-a', 'a-', '.a', '../a', 'a_b', 'x'.repeat(254)],
    ],
  ])('%o', (is, fine, bad) => {
    expect(fine.filter(each => !is(each))).toEqual([]);
    expect(bad.filter(each => is(each))).toEqual([]);
  });

  it('a megabyte is refused in no time', () => {
    for (const is of [isLabelValue, isQualifiedName, isSubdomain])
      for (const text of ['a', 'a.', 'a-', '/']) expect(is(text.repeat(1 << 20))).toBe(false);
  });
});
