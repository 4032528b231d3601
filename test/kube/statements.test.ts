/** What managers are known to have said about a status, read back from managedFields (KEP-555). */
import { describe, expect, it } from 'vitest';
import type { RawObject } from '../../src/api/object.ts';
import { isStated, timedStatus, toldBy } from '../../src/kube/statements.ts';

const condition = { type: 'A', status: 'True', reason: 'R', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' };
const ingress = [{ ip: '192.0.2.1', ipMode: 'VIP' }];

function applied(manager: string, fields: object, status: object, more: object = {}): RawObject {
  const entry = { manager, operation: 'Apply', subresource: 'status', fieldsV1: { 'f:status': fields }, ...more };
  return { metadata: { managedFields: [entry] }, status };
}

const both = { 'f:conditions': { 'k:{"type":"A"}': { '.': {} } }, 'f:loadBalancer': { 'f:ingress': {} } };
const told = toldBy(applied('ours', both, { loadBalancer: { ingress }, conditions: [condition] }));
const stated = {
  loadBalancer: { ingress: [{ ip: '192.0.2.1' }] },
  conditions: [{ type: 'A', status: 'True', reason: 'R' }],
};

describe('what a manager has stated', () => {
  it.each<[string, boolean, string, RawObject]>([
    ['the same, whatever the API server adds or leaves out', true, 'ours', stated],
    ['by another manager', false, 'theirs', stated],
    ['nothing, by one that stated nothing', true, 'theirs', {}],
    ['nothing, by one that stated something', false, 'ours', {}],
    ['an address more', false, 'ours', { ...stated, loadBalancer: { ingress: [...ingress, { ip: '192.0.2.2' }] } }],
    ['without the condition', false, 'ours', { loadBalancer: stated.loadBalancer }],
    ['with another reason', false, 'ours', { ...stated, conditions: [{ ...condition, reason: 'Other' }] }],
    ['with a condition more', false, 'ours', { ...stated, conditions: [condition, { ...condition, type: 'B' }] }],
    [
      'a zero that is as good as absent',
      true,
      'ours',
      { ...stated, conditions: [{ ...condition, observedGeneration: 0 }] },
    ],
  ])('%s: %s', (_, expected, manager, status) => {
    expect(isStated(told, manager, status)).toBe(expected);
  });

  it('is not what others updated, or said elsewhere', () => {
    const update = applied('ours', both, { conditions: [condition] }, { operation: 'Update' });
    expect(isStated(toldBy(update), 'ours', { conditions: [condition] })).toBe(false);
    const elsewhere = applied('ours', both, { conditions: [condition] }, { subresource: '' });
    expect(isStated(toldBy(elsewhere), 'ours', { conditions: [condition] })).toBe(false);
  });

  it('is nothing in an object that nobody has said anything about, or that is garbage', () => {
    for (const object of [
      {},
      { status: {} },
      { status: null },
      { status: [], metadata: 7 },
      { metadata: { managedFields: {} } },
    ])
      expect(toldBy(object)).toBeUndefined();
  });
});

describe('the time a condition turned', () => {
  it.each([
    ['stays with its status', 'True', '2026-01-01T00:00:00Z'],
    ['is now when the status is another', 'False', '2026-02-02T00:00:00Z'],
  ])('%s', (_, status, time) => {
    const timed = timedStatus(told, { conditions: [{ type: 'A', status }] }, '2026-02-02T00:00:00Z');
    expect(timed).toEqual({ conditions: [{ type: 'A', status, lastTransitionTime: time }] });
  });
});
