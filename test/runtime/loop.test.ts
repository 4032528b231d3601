/** The reconcile loop under a clock that only the test moves. */
import { describe, expect, it } from 'vitest';
import { type Lane, type LoopLimits, lane, ReconcileLoop } from '../../src/runtime/loop.ts';
import type { Target } from '../../src/runtime/ports.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { recordingLog } from '../support/recording-log.ts';

const limits: Partial<LoopLimits> = { coalesceMs: 10, resyncMs: 1000, backoffMinMs: 100, backoffMaxMs: 800 };

function recorder(name: string, attempt: (desired: number, signal: AbortSignal) => Promise<void> = async () => {}) {
  const applied: number[] = [];
  const target: Target<number> = {
    name,
    apply(desired, signal) {
      applied.push(desired);
      return attempt(desired, signal);
    },
  };
  return { target, applied };
}

function start(lanes: readonly Lane<{ value: number }>[], more: Partial<LoopLimits> = {}) {
  const clock = new ManualClock();
  const log = recordingLog();
  const world = { value: 1 };
  const loop = new ReconcileLoop(() => ({ ...world }), lanes, {
    ...{ clock, log, random: () => 0.5, limits: { ...limits, ...more } },
  });
  return { clock, log, world, loop };
}

const value = (desired: { value: number }) => desired.value;

describe('the reconcile loop', () => {
  it('makes one pass of many wake-ups, and it sees the newest state', async () => {
    const { target, applied } = recorder('a');
    const { clock, loop, world } = start([lane(target, value)]);
    for (let i = 0; i < 100; i++) loop.wake();
    world.value = 7;
    await clock.advance(10);
    expect(applied).toEqual([7]);
    expect(loop.passes).toBe(1);
    expect(loop.settled).toBe(true);
  });

  it('answers a few changes at once, a flood in larger portions, and a few again after a quiet time', async () => {
    const flood = { coalesceMs: 1, quickPassesMax: 3, quickPassMs: 100, floodCoalesceMs: 50 };
    const { clock, loop } = start([], flood);
    const passesIn = async (ms: number) => {
      const before = loop.passes;
      for (let i = 0; i < ms; i++) {
        loop.wake();
        await clock.advance(1);
      }
      return loop.passes - before;
    };
    expect(await passesIn(3)).toBe(3);
    expect(await passesIn(90)).toBe(1);
    await clock.advance(400);
    expect(await passesIn(3)).toBe(3);
  });

  it('computes again without a wake-up after the resync time, and a wake-up comes before it', async () => {
    const { target, applied } = recorder('a');
    const { clock, loop } = start([lane(target, value)]);
    loop.wake();
    await clock.advance(10);
    await clock.advance(999);
    expect(applied).toHaveLength(1);
    await clock.advance(1);
    expect(applied).toHaveLength(2);
    loop.wake();
    await clock.advance(10);
    expect(applied).toHaveLength(3);
  });

  it('retries a target that failed, waiting twice as long each time up to the maximum, jittered', async () => {
    const times: number[] = [];
    const { target } = recorder('a', async () => {
      times.push(clock.nowMs());
      throw new Error('no route to store');
    });
    const { clock, loop, log } = start([lane(target, value)]);
    loop.wake();
    await clock.advance(3000);
    const gaps = times.slice(1, 7).map((time, i) => time - (times[i] ?? 0));
    // Half of the wait is fixed and half is random; random is 0.5 here, so each is 75% of 100, 200, 400, 800, 800, 800.
    expect(gaps).toEqual([75, 150, 300, 600, 600, 600]);
    expect(loop.settled).toBe(false);
    expect(loop.status()[0]).toMatchObject({ target: 'a', error: 'no route to store' });
    expect(log.lines[0]).toMatchObject({ level: 'warn', event: 'target failed', fields: { target: 'a' } });
  });

  it('does not let a failing or a hanging target hold up another', async () => {
    const failing = recorder('failing', async () => {
      throw new Error('broken');
    });
    const hanging = recorder('hanging', () => new Promise(() => {}));
    const fine = recorder('fine');
    const { clock, loop, world } = start([
      lane(failing.target, value),
      lane(hanging.target, value),
      lane(fine.target, value),
    ]);
    for (let i = 1; i <= 3; i++) {
      world.value = i;
      loop.wake();
      await clock.advance(10);
    }
    expect(fine.applied).toEqual([1, 2, 3]);
    expect(hanging.applied).toEqual([1]);
  });

  it('gives a target that was busy only the newest of what it missed', async () => {
    const waiting: (() => void)[] = [];
    const { target, applied } = recorder('slow', () => new Promise(resolve => waiting.push(resolve)));
    const { clock, loop, world } = start([lane(target, value)]);
    for (const next of [1, 2, 3, 4]) {
      world.value = next;
      loop.wake();
      await clock.advance(10);
    }
    waiting[0]?.();
    await settle();
    expect(applied).toEqual([1, 4]);
  });

  it('retries with the newest desired state, not with the one that failed', async () => {
    const { target, applied } = recorder('a', async desired => {
      if (desired === 1) throw new Error('once');
    });
    const { clock, loop, world } = start([lane(target, value)]);
    loop.wake();
    await clock.advance(10);
    world.value = 2;
    loop.wake();
    await clock.advance(100);
    expect(applied).toEqual([1, 2]);
    expect(loop.settled).toBe(true);
  });

  it('leaves a target alone while its part is undefined: it is not ours to touch', async () => {
    const { target, applied } = recorder('a');
    const { clock, loop, world } = start([lane(target, desired => (desired.value > 1 ? desired.value : undefined))]);
    loop.wake();
    await clock.advance(10);
    expect([applied, loop.settled]).toEqual([[], true]);
    world.value = 2;
    loop.wake();
    await clock.advance(10);
    expect(applied).toEqual([2]);
  });

  it('says when it has settled: after the pass for the last wake-up and every target', async () => {
    const waiting: (() => void)[] = [];
    const { target } = recorder('slow', () => new Promise(resolve => waiting.push(resolve)));
    const { clock, loop } = start([lane(target, value)]);
    let settled = false;
    loop.wake();
    void loop.whenSettled().then(() => {
      settled = true;
    });
    await clock.advance(10);
    expect(settled).toBe(false);
    loop.wake();
    waiting[0]?.();
    await settle();
    expect(settled).toBe(false);
    await clock.advance(10);
    waiting[1]?.();
    await settle();
    expect(settled).toBe(true);
  });

  it('stops: aborts what is at work, waits for it, and leaves no timer', async () => {
    let aborted = false;
    const { target } = recorder('a', (_, signal) => {
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          aborted = true;
          reject(new Error('aborted'));
        });
      });
    });
    const { clock, loop } = start([lane(target, value)]);
    loop.wake();
    await clock.advance(10);
    await loop.stop();
    expect(aborted).toBe(true);
    loop.wake();
    expect(clock.pending).toBe(0);
  });
});
