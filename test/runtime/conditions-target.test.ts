/** Conditions as written: whole, taken back, and an event when trouble is new. */
import { describe, expect, it } from 'vitest';
import type { Condition, ObjectRef, RawObject } from '../../src/api/object.ts';
import { ConditionsTarget } from '../../src/runtime/conditions-target.ts';
import type { EventRecord, Store } from '../../src/runtime/ports.ts';

const ref: ObjectRef = { kind: 'CiliumBGPPeeringPolicy', namespace: '', name: 'rack' };
const condition = (status: Condition['status'], message: string): Condition => ({
  ...{ type: 'herald.io/PolicyConflict', status, reason: 'policy-conflict', message },
});

describe('conditions', () => {
  it('are written whole, taken back when nothing is said any more, and told once as events', async () => {
    const statuses = new Map<string, RawObject>();
    const events: EventRecord[] = [];
    const part: Partial<Store> = {
      applyStatus: async ({ name }, _, status) => {
        const changed = JSON.stringify(statuses.get(name)) !== JSON.stringify(status);
        statuses.set(name, status);
        return changed;
      },
      record: event => void events.push(event),
    };
    const target = new ConditionsTarget('conditions', part as Store, 'test');
    const say = (...conditions: Condition[]) =>
      target.apply(conditions.length === 0 ? [] : [{ ref, conditions }], new AbortController().signal);
    await say(condition('True', 'gives way to a'));
    await say(condition('True', 'gives way to a'));
    await say(condition('True', 'gives way to b'));
    await say(condition('False', ''));
    await say(condition('True', 'gives way to b'));
    expect(statuses.get('rack')).toEqual({ conditions: [condition('True', 'gives way to b')] });
    await say();
    expect(statuses.get('rack')).toEqual({});
    const told = (message: string) => ({ about: ref, type: 'Warning', reason: 'PolicyConflict', message });
    expect(events).toEqual([told('gives way to a'), told('gives way to b'), told('gives way to b')]);
  });
});
