/** Events as the API gets them: one, a series of it, and no more than anybody reads. */
import { describe, expect, it } from 'vitest';
import type { RawObject } from '../../src/api/object.ts';
import { Events } from '../../src/kube/events.ts';
import type { EventRecord } from '../../src/runtime/ports.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { recordingLog } from '../support/recording-log.ts';

function world() {
  const clock = new ManualClock();
  const sent: { method: string; path: string; body: RawObject }[] = [];
  const events = new Events({
    clock,
    log: recordingLog(),
    controller: 'herald.io/operator',
    instance: 'node-1-1',
    uidOf: () => 'uid-1',
    send: async (method, path, body) => {
      sent.push({ method, path, body });
      return {};
    },
  });
  return { clock, sent, events };
}

const event = (message: string, type: EventRecord['type'] = 'Normal'): EventRecord => ({
  about: { kind: 'Service', namespace: 'default', name: 'web' },
  type,
  reason: 'AddressAllocated',
  message,
});

describe('events', () => {
  it('say what happened to which object, when, and who found out (events.k8s.io/v1)', async () => {
    const { events, sent, clock } = world();
    events.record(event('192.0.2.1'));
    await clock.advance(200);
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({
      method: 'POST',
      path: '/apis/events.k8s.io/v1/namespaces/default/events',
      body: {
        kind: 'Event',
        eventTime: '2026-01-01T00:00:00.000000Z',
        reportingController: 'herald.io/operator',
        reportingInstance: 'node-1-1',
        reason: 'AddressAllocated',
        type: 'Normal',
        note: '192.0.2.1',
        regarding: { apiVersion: 'v1', kind: 'Service', namespace: 'default', name: 'web', uid: 'uid-1' },
      },
    });
  });

  it('come after everything else: none while what it tells of is still on its way', async () => {
    const { events, sent, clock } = world();
    for (let i = 0; i < 10; i++) events.record(event(`${i}`));
    await clock.advance(199);
    expect(sent).toHaveLength(0);
    await clock.advance(1);
    expect(sent).toHaveLength(10);
  });

  it('of cluster-scoped objects are in the namespace default', async () => {
    const { events, sent, clock } = world();
    events.record({ ...event('x'), about: { kind: 'CiliumLoadBalancerIPPool', namespace: '', name: 'p' } });
    await clock.advance(200);
    expect(sent[0]?.path).toContain('/namespaces/default/');
    expect(sent[0]?.body['regarding']).toMatchObject({ apiVersion: 'cilium.io/v2' });
  });

  it('that are the same again become a series, told once a minute', async () => {
    const { events, sent, clock } = world();
    for (let i = 0; i < 100; i++) events.record(event('again'));
    await clock.advance(60_200);
    expect(sent.map(each => each.method)).toEqual(['POST', 'PATCH']);
    expect(sent[1]?.body).toEqual({ series: { count: 100, lastObservedTime: '2026-01-01T00:01:00.200000Z' } });
    await clock.advance(400_000);
    events.record(event('again'));
    await clock.advance(200);
    expect(sent.at(-1)?.method).toBe('POST');
  });

  it('that are ordinary are dropped when there are too many; warnings wait for their turn', async () => {
    const { events, sent, clock } = world();
    for (let i = 0; i < 200; i++) events.record(event(`news ${i}`));
    for (let i = 0; i < 10; i++) events.record(event(`trouble ${i}`, 'Warning'));
    await clock.advance(200);
    expect(sent).toHaveLength(50);
    expect(events.dropped).toBe(150);
    await clock.advance(11_000);
    expect(sent.filter(each => each.body['type'] === 'Warning')).toHaveLength(10);
    events.close();
    expect(clock.pending).toBe(0);
  });
});
