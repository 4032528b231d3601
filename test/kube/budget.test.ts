/** Whose turn it is: lanes, limits, and what a 429 does to both. */
import { describe, expect, it } from 'vitest';
import { Budget } from '../../src/kube/budget.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';

function world(limits = { inFlightMax: 2, eventsLeave: 1, growEveryMs: 1000 }) {
  const clock = new ManualClock();
  const budget = new Budget(clock, limits);
  const started: string[] = [];
  const finish = new Map<string, () => void>();
  const ask = (lane: 'object' | 'status' | 'event', name: string, waitMs = 60_000) =>
    budget.run(lane, waitMs, () => {
      started.push(name);
      return new Promise<void>(resolve => finish.set(name, resolve));
    });
  const done = async (name: string) => {
    finish.get(name)?.();
    await settle();
  };
  return { clock, budget, started, ask, done };
}

describe('a budget', () => {
  it('lets so many go at a time, objects before statuses before events', async () => {
    const { ask, done, started } = world();
    for (const [lane, name] of [
      ['status', 's1'],
      ['status', 's2'],
      ['event', 'e1'],
      ['status', 's3'],
      ['object', 'o1'],
    ] as const)
      void ask(lane, name);
    await settle();
    expect(started).toEqual(['s1', 's2']);
    await done('s1');
    await done('s2');
    expect(started).toEqual(['s1', 's2', 'o1', 's3']);
    await done('o1');
    await done('s3');
    expect(started.at(-1)).toBe('e1');
  });

  it('keeps places free of events', async () => {
    const { ask, started } = world();
    void ask('event', 'e1');
    void ask('event', 'e2');
    void ask('status', 's1');
    await settle();
    expect(started).toEqual(['e1', 's1']);
  });

  it('holds everybody after a 429 for as long as it says, then lets half go, and one more each second', async () => {
    const { ask, started, clock, budget } = world({ inFlightMax: 4, eventsLeave: 1, growEveryMs: 1000 });
    budget.throttled(5000);
    budget.throttled(5000);
    for (const name of ['a', 'b', 'c', 'd']) void ask('status', name);
    await clock.advance(4999);
    expect(started).toEqual([]);
    await clock.advance(1);
    expect(started).toEqual(['a', 'b']);
    await clock.advance(2000);
    void ask('status', 'e');
    await settle();
    expect(started).toEqual(['a', 'b', 'c', 'd']);
  });

  it('does not let anybody wait for longer than it wants to', async () => {
    const { ask, clock, budget } = world();
    budget.throttled(60_000);
    const waiting = expect(ask('status', 'a', 100)).rejects.toThrow('no turn in 100 ms');
    await clock.advance(100);
    await waiting;
  });
});
