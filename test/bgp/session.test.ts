/** The session state machine as a table, state × event, and its timers: RFC 4271 §8.2.2 and §10, RFC 9687, RFC 6608. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { timerDefaults } from '../../src/bgp/config.ts';
import { Notification } from '../../src/bgp/notification.ts';
import type { Open } from '../../src/bgp/open.ts';
import {
  dueEvent,
  nextDeadlineMs,
  type Session,
  type SessionEffect,
  type SessionEnv,
  type SessionEvent,
  type StateName,
  step,
} from '../../src/bgp/session.ts';
import type { Negotiated } from '../../src/bgp/session-negotiate.ts';
import { hex } from './hex.ts';

const NOW = 1_000_000;
const open: Open = { asn16: 65001, holdSeconds: 90, routerId: 2, capabilities: [] };
const negotiated: Negotiated = {
  remoteAsn: 65001,
  remoteRouterId: 2,
  internal: false,
  holdMs: 90_000,
  keepaliveMs: 30_000,
  families: ['ipv4-unicast'],
  fourOctetAs: true,
  routeRefresh: true,
  enhancedRefresh: true,
  extendedMessages: true,
  extendedNextHop: [],
  gracefulRestart: undefined,
  remoteRole: undefined,
};

/** No jitter: the highest draw. */
const env: SessionEnv = {
  nowMs: NOW,
  random: () => 1,
  timers: { ...timerDefaults, connectRetryMs: 5_000, idleHoldMs: 1_000, idleHoldMaxMs: 60_000 },
  passive: false,
  failures: 0,
  calls: 0,
  negotiate: () => negotiated,
};
const refusing: SessionEnv = {
  ...env,
  negotiate: () => ({ refused: Notification.of('unacceptable hold time'), detail: '1 s' }),
};

const alive = { negotiated, holdAtMs: NOW + 90_000, keepaliveAtMs: NOW + 30_000 };
const sessions: Record<StateName, Session> = {
  idle: { state: 'idle', retryAtMs: NOW },
  connect: { state: 'connect', retryAtMs: NOW },
  active: { state: 'active', retryAtMs: NOW },
  openSent: { state: 'openSent', holdAtMs: NOW },
  openConfirm: { state: 'openConfirm', ...alive },
  established: { state: 'established', sinceMs: NOW - 1000, sendHoldAtMs: NOW + 480_000, ...alive },
};

const shutdown = Notification.of('administrative shutdown');
const unreadable = Notification.of('bad message type', hex('09'));
const events: Record<SessionEvent['kind'], SessionEvent> = {
  start: { kind: 'start' },
  stop: { kind: 'stop', notification: shutdown },
  reset: { kind: 'reset', notification: shutdown },
  connected: { kind: 'connected' },
  'connect failed': { kind: 'connect failed', detail: 'ECONNREFUSED' },
  closed: { kind: 'closed', detail: 'ECONNRESET' },
  collision: { kind: 'collision' },
  overtaken: { kind: 'overtaken' },
  'retry timer': { kind: 'retry timer' },
  'hold timer': { kind: 'hold timer' },
  'keepalive timer': { kind: 'keepalive timer' },
  'send hold timer': { kind: 'send hold timer' },
  sent: { kind: 'sent' },
  open: { kind: 'open', open },
  keepalive: { kind: 'keepalive' },
  update: { kind: 'update' },
  'route refresh': { kind: 'route refresh' },
  notification: { kind: 'notification', notification: shutdown },
  error: { kind: 'error', notification: unreadable },
};

/** The next state, then what it asks for: `close 6/2` is a NOTIFICATION and the end, `close` only the end. */
function brief(session: Session, effects: readonly SessionEffect[]): string {
  const words = effects.map(effect => {
    if (effect.kind === 'close' && effect.notification !== undefined)
      return `close ${effect.notification.code}/${effect.notification.subcode}`;
    return effect.kind === 'down' ? `down: ${effect.reason.kind}` : effect.kind;
  });
  return [session.state, ...words].join(', ');
}

const same = (state: StateName) => state;
const failed = (notification: string) => `idle, close ${notification}, down: sent`;
const abort = 'idle, abort';

function always(outcome: string): Record<SessionEvent['kind'], string> {
  return Object.fromEntries(Object.keys(events).map(kind => [kind, outcome])) as Record<SessionEvent['kind'], string>;
}

/** RFC 4271 §8.2.2 as a table: in a state, on an event, what happens. */
const table: Record<StateName, Record<SessionEvent['kind'], string>> = {
  // RFC 4271: any other event in Idle changes nothing.
  idle: {
    ...always('idle'),
    start: 'connect, connect',
    connected: 'idle, close',
    'retry timer': 'connect, connect',
  },
  connect: {
    start: same('connect'),
    stop: abort,
    reset: abort,
    connected: 'openSent, send open',
    'connect failed': 'active, down: connect failed',
    closed: 'active, down: connect failed',
    collision: abort,
    overtaken: 'active, abort',
    'retry timer': 'connect, abort, connect',
    'hold timer': abort,
    'keepalive timer': abort,
    'send hold timer': abort,
    sent: same('connect'),
    open: abort,
    keepalive: abort,
    update: abort,
    'route refresh': abort,
    notification: abort,
    error: abort,
  },
  active: {
    start: same('active'),
    stop: 'idle',
    reset: 'idle',
    connected: 'openSent, send open',
    'connect failed': same('active'),
    closed: same('active'),
    collision: 'idle',
    overtaken: same('active'),
    'retry timer': 'connect, connect',
    'hold timer': 'idle',
    'keepalive timer': 'idle',
    'send hold timer': 'idle',
    sent: same('active'),
    open: 'idle',
    keepalive: 'idle',
    update: 'idle',
    'route refresh': 'idle',
    notification: 'idle',
    error: 'idle',
  },
  openSent: {
    start: same('openSent'),
    stop: failed('6/2'),
    reset: failed('6/2'),
    connected: same('openSent'),
    'connect failed': same('openSent'),
    closed: 'active, close, down: closed',
    collision: failed('6/7'),
    overtaken: same('openSent'),
    'retry timer': same('openSent'),
    'hold timer': failed('4/0'),
    'keepalive timer': same('openSent'),
    'send hold timer': same('openSent'),
    sent: same('openSent'),
    open: 'openConfirm, send keepalive',
    keepalive: failed('5/1'),
    update: failed('5/1'),
    'route refresh': failed('5/1'),
    notification: 'idle, close, down: received',
    error: failed('1/3'),
  },
  openConfirm: {
    start: same('openConfirm'),
    stop: failed('6/2'),
    reset: failed('6/2'),
    connected: same('openConfirm'),
    'connect failed': same('openConfirm'),
    closed: 'idle, close, down: closed',
    collision: failed('6/7'),
    overtaken: same('openConfirm'),
    'retry timer': same('openConfirm'),
    'hold timer': failed('4/0'),
    'keepalive timer': 'openConfirm, send keepalive',
    'send hold timer': same('openConfirm'),
    sent: same('openConfirm'),
    open: failed('5/2'),
    keepalive: 'established, up',
    update: failed('5/2'),
    'route refresh': failed('5/2'),
    notification: 'idle, close, down: received',
    error: failed('1/3'),
  },
  established: {
    start: same('established'),
    stop: failed('6/2'),
    reset: failed('6/2'),
    connected: same('established'),
    'connect failed': same('established'),
    closed: 'idle, close, down: closed',
    collision: failed('6/7'),
    overtaken: same('established'),
    'retry timer': same('established'),
    'hold timer': failed('4/0'),
    'keepalive timer': 'established, send keepalive',
    'send hold timer': failed('8/0'),
    sent: same('established'),
    open: failed('5/3'),
    keepalive: same('established'),
    update: same('established'),
    'route refresh': same('established'),
    notification: 'idle, close, down: received',
    error: failed('1/3'),
  },
};

const cells = (Object.keys(table) as StateName[]).flatMap(state =>
  (Object.keys(events) as SessionEvent['kind'][]).map(event => [state, event, table[state][event]] as const),
);

describe('state × event (RFC 4271 §8.2.2)', () => {
  it('has no empty cell', () => {
    expect(cells).toHaveLength(Object.keys(sessions).length * Object.keys(events).length);
  });

  it.each(cells)('%s, %s → %s', (state, event, expected) => {
    expect(brief(...step(sessions[state], events[event], env))).toBe(expected);
  });

  it.each(cells)('%s, %s: the session it was given stays as it was', (state, event) => {
    const frozen = Object.freeze({ ...sessions[state] });
    step(frozen, events[event], env);
    expect(frozen).toEqual(sessions[state]);
  });

  it.each(['start', 'retry timer'] as const)('idle, %s, passive → active', event => {
    expect(step(sessions.idle, events[event], { ...env, passive: true })).toEqual([
      { state: 'active', retryAtMs: undefined },
      [],
    ]);
  });

  it('an OPEN that is refused ends the session with the reason (§6.2)', () => {
    expect(brief(...step(sessions.openSent, events.open, refusing))).toBe(failed('2/6'));
  });

  it.each([
    ['openSent', 'keepalive', '04'],
    ['openConfirm', 'update', '02'],
    ['established', 'open', '01'],
    ['openSent', 'route refresh', '05'],
  ] as const)('what was not expected in %s is named: %s (RFC 6608 §4)', (state, event, type) => {
    const [, [close]] = step(sessions[state], events[event], env);
    expect(close?.kind === 'close' && close.notification?.data).toEqual(hex(type));
  });

  it('leaving without a word closes and says nothing', () => {
    const [next, [close]] = step(sessions.established, { kind: 'stop', notification: undefined }, env);
    expect(next).toEqual({ state: 'idle', retryAtMs: undefined });
    expect(close).toEqual({ kind: 'close', notification: undefined });
  });
});

describe('timers', () => {
  const next = (state: StateName, event: SessionEvent['kind'], over: Partial<SessionEnv> = {}) =>
    step(sessions[state], events[event], { ...env, ...over })[0];

  it('ConnectRetryTimer runs while connecting and while waiting for it', () => {
    expect(next('idle', 'start')).toEqual({ state: 'connect', retryAtMs: NOW + 5_000 });
    expect(next('connect', 'retry timer')).toEqual({ state: 'connect', retryAtMs: NOW + 5_000 });
  });

  it.each([
    ['connect', 'connect failed'],
    ['openSent', 'closed'],
  ] as const)('after %s, %s the next call comes soon, then later, then after the ConnectRetryTime', (state, event) => {
    const waits = [0, 1, 2, 3, 10, 1000].map(calls => nextDeadlineMs(next(state, event, { calls })) - NOW);
    expect(waits).toEqual([1000, 2000, 4000, 5000, 5000, 5000]);
  });

  it('the hold time is long while OPEN is outstanding (§8.2.2: 4 minutes)', () => {
    expect(next('connect', 'connected')).toEqual({ state: 'openSent', holdAtMs: NOW + 240_000 });
  });

  it('HoldTimer and KeepaliveTimer start with the OPEN', () => {
    expect(next('openSent', 'open')).toMatchObject({ holdAtMs: NOW + 90_000, keepaliveAtMs: NOW + 30_000 });
  });

  it.each(['keepalive', 'update', 'route refresh'] as const)('%s restarts the HoldTimer', event => {
    const [next] = step(sessions.established, events[event], { ...env, nowMs: NOW + 7 });
    expect(next).toEqual({ ...sessions.established, holdAtMs: NOW + 90_007 });
  });

  it('W6: silence ends the session when the hold time is over', () => {
    expect(dueEvent(sessions.established, NOW + 29_999)).toBeUndefined();
    expect(dueEvent(sessions.established, NOW + 30_000)).toEqual({ kind: 'keepalive timer' });
    expect(dueEvent(sessions.established, NOW + 90_000)).toEqual({ kind: 'hold timer' });
    const [next, [close]] = step(sessions.established, { kind: 'hold timer' }, env);
    expect(next.state).toBe('idle');
    expect(close).toEqual({ kind: 'close', notification: Notification.of('hold timer expired') });
  });

  it('a hold time of zero has no timers at all (§4.2, §4.4)', () => {
    const silent = { ...negotiated, holdMs: 0, keepaliveMs: 0 };
    const [confirm] = step(sessions.openSent, events.open, { ...env, negotiate: () => silent });
    expect(nextDeadlineMs(confirm)).toBe(Number.POSITIVE_INFINITY);
    const [established] = step(confirm, events.keepalive, env);
    expect(established.state).toBe('established');
    expect(nextDeadlineMs(established)).toBe(Number.POSITIVE_INFINITY);
  });

  it('SendHoldTimer: the greater of 8 minutes and twice the hold time, from each sending on (RFC 9687 §3)', () => {
    const late = { ...env, nowMs: NOW + 10 };
    expect(step(sessions.established, events.sent, late)[0]).toMatchObject({ sendHoldAtMs: NOW + 10 + 480_000 });
    const slow = { ...negotiated, holdMs: 600_000 };
    const [next] = step({ ...sessions.openConfirm, negotiated: slow } as Session, events.keepalive, env);
    expect(next).toMatchObject({ state: 'established', sendHoldAtMs: NOW + 1_200_000 });
  });

  it('a configured send hold time counts; 0 is never', () => {
    const sent = (sendHoldMs: number) =>
      step(sessions.established, events.sent, { ...env, timers: { ...env.timers, sendHoldMs } })[0];
    expect(sent(10_000)).toMatchObject({ sendHoldAtMs: NOW + 10_000 });
    expect(sent(0)).toMatchObject({ sendHoldAtMs: undefined });
  });

  it('jitter takes up to a quarter away (§10)', () => {
    expect(next('idle', 'start', { random: () => 0 })).toEqual({ state: 'connect', retryAtMs: NOW + 3_750 });
    expect(next('established', 'keepalive timer', { random: () => 0 })).toMatchObject({ keepaliveAtMs: NOW + 22_500 });
  });
});

describe('damping (RFC 4271 §8.1.1)', () => {
  const retry = (failures: number, session = sessions.established) => {
    const [next] = step(session, { kind: 'closed', detail: '' }, { ...env, failures });
    return next.state === 'idle' && next.retryAtMs !== undefined ? next.retryAtMs - NOW : undefined;
  };

  it('each failure in a row doubles the wait, up to its limit', () => {
    expect([0, 1, 2, 3, 10, 1000].map(failures => retry(failures))).toEqual([1000, 2000, 4000, 8000, 60_000, 60_000]);
  });

  it('a session that stood for a minute has made up for what was before', () => {
    expect(retry(5, { ...sessions.established, sinceMs: NOW - 60_000 } as Session)).toBe(1000);
  });

  it('stopped is stopped: no timer brings it back', () => {
    const [next] = step(sessions.established, events.stop, env);
    expect(nextDeadlineMs(next)).toBe(Number.POSITIVE_INFINITY);
    expect(step(next, events.start, env)[0].state).toBe('connect');
  });
});

describe('properties', () => {
  const anyEvent = fc.constantFrom(...Object.values(events));
  const walk = fc.array(fc.tuple(anyEvent, fc.nat(100_000)), { maxLength: 60 });

  it('whatever happens, a timer that was given its event does not want it again at once', () => {
    fc.assert(
      fc.property(walk, fc.boolean(), (steps, passive) => {
        let session: Session = { state: 'idle', retryAtMs: undefined };
        let nowMs = NOW;
        for (const [event, forMs] of steps) {
          nowMs += forMs;
          const at = { ...env, passive, nowMs };
          for (let due = dueEvent(session, nowMs); due !== undefined; due = dueEvent(session, nowMs)) {
            [session] = step(session, due, at);
            expect(dueEvent(session, nowMs)?.kind).not.toBe(due.kind);
          }
          [session] = step(session, event, at);
          expect(nextDeadlineMs(session)).toBeGreaterThan(nowMs);
        }
      }),
    );
  });

  it('a connection is opened and closed in turn, and up and down come in turn', () => {
    fc.assert(
      fc.property(walk, steps => {
        let session: Session = { state: 'idle', retryAtMs: undefined };
        let up = false;
        for (const [event, forMs] of steps) {
          const [next, effects] = step(session, event, { ...env, nowMs: NOW + forMs });
          for (const effect of effects) {
            if (effect.kind === 'up') expect(up).toBe(false);
            if (effect.kind === 'down' && effect.from === 'established') expect(up).toBe(true);
            if (effect.kind === 'up') up = true;
            if (effect.kind === 'down') up = false;
          }
          session = next;
          expect(up).toBe(session.state === 'established');
        }
      }),
    );
  });
});
