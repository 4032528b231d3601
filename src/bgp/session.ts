/**
 * The session state machine of RFC 4271 §8.2.2, one function per state: `(session, event, env) → [session, effects]`.
 * One session is one connection, or the attempt at one; who may have how many, collisions and damping are the peer's
 * (peer.ts). Deadlines are data: whoever holds the session gives it the timer's event once `env.nowMs` has reached
 * it. Jitter is §10, the send hold timer RFC 9687, subcodes for unexpected messages RFC 6608. DelayOpen is not done:
 * OPEN goes out as soon as there is a connection.
 */
import type { Timers } from './config.ts';
import { messageTypes } from './message.ts';
import { type ErrorName, Notification } from './notification.ts';
import type { Open } from './open.ts';
import { isRefused, type Negotiated, type OpenRefused } from './session-negotiate.ts';
import type { DownReason } from './speaker-effect.ts';

export type Session =
  /** `retryAtMs`: IdleHoldTimer; undefined: down until told to start. */
  | { readonly state: 'idle'; readonly retryAtMs: number | undefined }
  /** An attempt to open a connection is under way. */
  | { readonly state: 'connect'; readonly retryAtMs: number }
  /** Waiting to be called, and calling again at `retryAtMs` unless passive. */
  | { readonly state: 'active'; readonly retryAtMs: number | undefined }
  | { readonly state: 'openSent'; readonly holdAtMs: number }
  | ({ readonly state: 'openConfirm' } & Alive)
  | ({ readonly state: 'established'; readonly sinceMs: number; readonly sendHoldAtMs: number | undefined } & Alive);

/** Undefined deadlines: the hold time is zero. */
interface Alive {
  readonly negotiated: Negotiated;
  readonly holdAtMs: number | undefined;
  readonly keepaliveAtMs: number | undefined;
}

export type StateName = Session['state'];
type In<S extends StateName> = Extract<Session, { state: S }>;

/** Each with the numbers it has in RFC 4271 §8.1. */
export type SessionEvent =
  /** 1, 3–7: whether it is passive is in `env`. */
  | { readonly kind: 'start' }
  /** 2, 8: the peer is told why, when it is there; undefined leaves without a word. It stays down. */
  | { readonly kind: 'stop'; readonly notification: Notification | undefined; readonly detail?: string | undefined }
  /** Not a stop: told why as above, and back after the idle hold time. */
  | { readonly kind: 'reset'; readonly notification: Notification | undefined; readonly detail?: string | undefined }
  /** 16, 17. */
  | { readonly kind: 'connected' }
  /** 18. */
  | { readonly kind: 'connect failed'; readonly detail: string }
  | { readonly kind: 'closed'; readonly detail: string }
  /** 23: another connection to the same peer is the better one. */
  | { readonly kind: 'collision' }
  /** Another connection got through first: give up the attempt, not the peer. */
  | { readonly kind: 'overtaken' }
  /** 9, 13. */
  | { readonly kind: 'retry timer' }
  /** 10. */
  | { readonly kind: 'hold timer' }
  /** 11. */
  | { readonly kind: 'keepalive timer' }
  /** RFC 9687 §3. */
  | { readonly kind: 'send hold timer' }
  /** Octets were taken by the connection. */
  | { readonly kind: 'sent' }
  /** 19, and 22 when it is not acceptable. */
  | { readonly kind: 'open'; readonly open: Open }
  /** 26. */
  | { readonly kind: 'keepalive' }
  /** 27; one for everything that arrived together is enough. */
  | { readonly kind: 'update' }
  | { readonly kind: 'route refresh' }
  /** 24, 25. */
  | { readonly kind: 'notification'; readonly notification: Notification }
  /** 21, 22, 28: what arrived cannot be read. */
  | { readonly kind: 'error'; readonly notification: Notification; readonly detail?: string | undefined };

export type SessionEffect =
  | { readonly kind: 'connect' }
  | { readonly kind: 'abort' }
  | { readonly kind: 'send open' }
  | { readonly kind: 'send keepalive' }
  | { readonly kind: 'close'; readonly notification: Notification | undefined }
  | { readonly kind: 'up'; readonly negotiated: Negotiated }
  /** The session, or the attempt, is over; comes after `close`. */
  | { readonly kind: 'down'; readonly from: StateName; readonly reason: DownReason };

export interface SessionEnv {
  readonly nowMs: number;
  /** Uniform in [0, 1). */
  random(): number;
  readonly timers: Timers;
  readonly passive: boolean;
  /** Failures in a row before this one: the idle hold time doubles with each. */
  readonly failures: number;
  /**
   * Calls in a row, before this one, that got nowhere: the wait for the next doubles with each, up to the connect
   * retry time.
   */
  readonly calls: number;
  /** Judges an OPEN. */
  negotiate(open: Open): Negotiated | OpenRefused;
}

export type Step = readonly [session: Session, effects: readonly SessionEffect[]];

export const idle: Session = { state: 'idle', retryAtMs: undefined };
/** Where a session begins that was opened by the other end. */
export const awaiting: Session = { state: 'active', retryAtMs: undefined };

/** Up for this long, earlier failures are forgotten. */
const STABLE_MS = 60_000;

/** Whether what ends here was a session that worked. */
export function wasStable(session: Session, nowMs: number): boolean {
  return session.state === 'established' && nowMs - session.sinceMs >= STABLE_MS;
}

/** RFC 9687 §3: the default is the greater of this and twice the hold time. */
const SEND_HOLD_MS = 480_000;

export function step(session: Session, event: SessionEvent, env: SessionEnv): Step {
  switch (session.state) {
    case 'idle':
      return whenIdle(session, event, env);
    case 'connect':
      return whenConnect(session, event, env);
    case 'active':
      return whenActive(session, event, env);
    case 'openSent':
      return whenOpenSent(session, event, env);
    case 'openConfirm':
      return whenOpenConfirm(session, event, env);
    case 'established':
      return whenEstablished(session, event, env);
  }
}

/** RFC 4271 §8.2.2, Idle state. */
function whenIdle(session: In<'idle'>, event: SessionEvent, env: SessionEnv): Step {
  switch (event.kind) {
    case 'start':
    case 'retry timer':
      return env.passive ? [awaiting, []] : connect(env);
    case 'stop':
      return [idle, []];
    case 'connected':
      return [session, [{ kind: 'close', notification: undefined }]];
    default:
      return [session, []];
  }
}

/**
 * RFC 4271 §8.2.2, Connect state. A failed attempt waits in Active, as with DelayOpen: the retry timer is what paces
 * attempts.
 */
function whenConnect(session: In<'connect'>, event: SessionEvent, env: SessionEnv): Step {
  switch (event.kind) {
    case 'start':
    case 'sent':
      return [session, []];
    case 'stop':
      return [idle, [{ kind: 'abort' }]];
    case 'retry timer': {
      const [next, effects] = connect(env);
      return [next, [{ kind: 'abort' }, ...effects]];
    }
    case 'connected':
      return sendOpen(env);
    case 'connect failed':
    case 'closed':
      return [activeFor(env), [down(session, { kind: 'connect failed', detail: event.detail })]];
    case 'overtaken':
      return [activeFor(env), [{ kind: 'abort' }]];
    default:
      return [idleFor(session, env), [{ kind: 'abort' }]];
  }
}

/** RFC 4271 §8.2.2, Active state. */
function whenActive(session: In<'active'>, event: SessionEvent, env: SessionEnv): Step {
  switch (event.kind) {
    case 'start':
    case 'sent':
    case 'overtaken':
    case 'connect failed':
    case 'closed':
      return [session, []];
    case 'stop':
      return [idle, []];
    case 'retry timer':
      return env.passive ? [awaiting, []] : connect(env);
    case 'connected':
      return sendOpen(env);
    default:
      return [idleFor(session, env), []];
  }
}

/** RFC 4271 §8.2.2, OpenSent state. */
function whenOpenSent(session: In<'openSent'>, event: SessionEvent, env: SessionEnv): Step {
  switch (event.kind) {
    case 'open': {
      const outcome = env.negotiate(event.open);
      if (isRefused(outcome)) return fail(session, env, outcome.refused, outcome.detail);
      const alive = { ...deadlines(outcome, env), negotiated: outcome };
      return [{ state: 'openConfirm', ...alive }, [{ kind: 'send keepalive' }]];
    }
    case 'closed': {
      const closed: SessionEffect = { kind: 'close', notification: undefined };
      return [activeFor(env), [closed, down(session, { kind: 'closed', detail: event.detail })]];
    }
    case 'keepalive':
    case 'update':
    case 'route refresh':
      return unexpected(session, env, event.kind, 'unexpected message in OpenSent');
    default:
      return whenConnected(session, event, env);
  }
}

/** RFC 4271 §8.2.2, OpenConfirm state. */
function whenOpenConfirm(session: In<'openConfirm'>, event: SessionEvent, env: SessionEnv): Step {
  switch (event.kind) {
    case 'keepalive': {
      const { negotiated, keepaliveAtMs } = session;
      const holdAtMs = deadlines(negotiated, env).holdAtMs;
      const sendHoldAtMs = sendHold(negotiated, env);
      const since = { sinceMs: env.nowMs, negotiated, holdAtMs, keepaliveAtMs, sendHoldAtMs };
      return [{ state: 'established', ...since }, [{ kind: 'up', negotiated }]];
    }
    case 'keepalive timer':
      return [
        { ...session, keepaliveAtMs: deadlines(session.negotiated, env).keepaliveAtMs },
        [{ kind: 'send keepalive' }],
      ];
    case 'open':
    case 'update':
    case 'route refresh':
      return unexpected(session, env, event.kind, 'unexpected message in OpenConfirm');
    default:
      return whenConnected(session, event, env);
  }
}

/** RFC 4271 §8.2.2, Established state. */
function whenEstablished(session: In<'established'>, event: SessionEvent, env: SessionEnv): Step {
  const { negotiated } = session;
  switch (event.kind) {
    case 'keepalive':
    case 'update':
    case 'route refresh':
      return [{ ...session, holdAtMs: deadlines(negotiated, env).holdAtMs }, []];
    case 'keepalive timer':
      return [{ ...session, keepaliveAtMs: deadlines(negotiated, env).keepaliveAtMs }, [{ kind: 'send keepalive' }]];
    case 'sent':
      return [{ ...session, sendHoldAtMs: sendHold(negotiated, env) }, []];
    case 'send hold timer':
      return fail(session, env, Notification.of('send hold timer expired'));
    case 'open':
      return unexpected(session, env, event.kind, 'unexpected message in Established');
    default:
      return whenConnected(session, event, env);
  }
}

type Connected = In<'openSent' | 'openConfirm' | 'established'>;

/** What the three states with a connection have in common. */
function whenConnected(session: Connected, event: SessionEvent, env: SessionEnv): Step {
  switch (event.kind) {
    case 'stop':
    case 'reset':
      return end(session, event.kind === 'stop' ? idle : idleFor(session, env), event.notification, event.detail);
    case 'collision':
      return fail(session, env, Notification.of('connection collision resolution'));
    case 'hold timer':
      return fail(session, env, Notification.of('hold timer expired'));
    case 'error':
      return fail(session, env, event.notification, event.detail);
    case 'notification':
    case 'closed': {
      const reason: DownReason =
        event.kind === 'closed'
          ? { kind: 'closed', detail: event.detail }
          : { kind: 'received', notification: event.notification };
      return [idleFor(session, env), [{ kind: 'close', notification: undefined }, down(session, reason)]];
    }
    default:
      return [session, []];
  }
}

function connect(env: SessionEnv): Step {
  return [{ state: 'connect', retryAtMs: env.nowMs + jitter(env.timers.connectRetryMs, env) }, [{ kind: 'connect' }]];
}

/**
 * Listens, and calls again soon, then less and less often: a router that was down for a moment is not left alone for
 * the whole ConnectRetryTime, which may be long.
 */
function activeFor(env: SessionEnv): Session {
  if (env.passive) return awaiting;
  const { idleHoldMs, connectRetryMs } = env.timers;
  return { state: 'active', retryAtMs: env.nowMs + jitter(doubled(idleHoldMs, env.calls, connectRetryMs), env) };
}

function doubled(ms: number, times: number, maxMs: number): number {
  return Math.min(ms * 2 ** Math.min(times, 30), maxMs);
}

/** RFC 4271 §8.1.1, DampPeerOscillations: twice as long after each failure in a row. */
function idleFor(session: Session, env: SessionEnv): Session {
  const { idleHoldMs, idleHoldMaxMs } = env.timers;
  const failures = wasStable(session, env.nowMs) ? 0 : env.failures;
  const holdMs = doubled(idleHoldMs, failures, idleHoldMaxMs);
  return { state: 'idle', retryAtMs: env.nowMs + jitter(holdMs, env) };
}

function sendOpen(env: SessionEnv): Step {
  return [{ state: 'openSent', holdAtMs: env.nowMs + env.timers.openHoldMs }, [{ kind: 'send open' }]];
}

function deadlines(negotiated: Negotiated, env: SessionEnv): Pick<Alive, 'holdAtMs' | 'keepaliveAtMs'> {
  if (negotiated.holdMs === 0) return { holdAtMs: undefined, keepaliveAtMs: undefined };
  return { holdAtMs: env.nowMs + negotiated.holdMs, keepaliveAtMs: env.nowMs + jitter(negotiated.keepaliveMs, env) };
}

/** Without keepalives there may be nothing to send for ever, so the timer would be wrong. */
function sendHold(negotiated: Negotiated, env: SessionEnv): number | undefined {
  const ms = env.timers.sendHoldMs ?? Math.max(SEND_HOLD_MS, 2 * negotiated.holdMs);
  return ms === 0 || negotiated.holdMs === 0 ? undefined : env.nowMs + ms;
}

/** RFC 4271 §10: between three quarters and the whole. */
function jitter(ms: number, env: SessionEnv): number {
  return ms * (0.75 + 0.25 * env.random());
}

/** RFC 6608 §4: the message's type goes along. */
function unexpected(session: Connected, env: SessionEnv, kind: keyof typeof eventTypes, name: ErrorName): Step {
  return fail(session, env, Notification.of(name, Uint8Array.of(eventTypes[kind])), kind);
}

const eventTypes = {
  open: messageTypes.open.type,
  update: messageTypes.update.type,
  keepalive: messageTypes.keepalive.type,
  'route refresh': messageTypes.routeRefresh.type,
} as const;

function fail(session: Connected, env: SessionEnv, notification: Notification, detail?: string): Step {
  return end(session, idleFor(session, env), notification, detail);
}

function end(session: Connected, next: Session, notification: Notification | undefined, detail?: string): Step {
  const reason: DownReason =
    notification === undefined ? { kind: 'closed', detail: detail ?? 'by us' } : { kind: 'sent', notification, detail };
  return [next, [{ kind: 'close', notification }, down(session, reason)]];
}

function down(session: Session, reason: DownReason): SessionEffect {
  return { kind: 'down', from: session.state, reason };
}

/**
 * The session's timers: which field holds the deadline, and the event it turns into, in the order they are looked at.
 */
const timers = [
  ['retryAtMs', 'retry timer'],
  ['holdAtMs', 'hold timer'],
  ['sendHoldAtMs', 'send hold timer'],
  ['keepaliveAtMs', 'keepalive timer'],
] as const;

function deadline(session: Session, field: (typeof timers)[number][0]): number {
  return (session as Partial<Record<typeof field, number>>)[field] ?? Number.POSITIVE_INFINITY;
}

/** When the session next wants a timer's event; Infinity: not by itself. */
export function nextDeadlineMs(session: Session): number {
  let next = Number.POSITIVE_INFINITY;
  for (const [field] of timers) next = Math.min(next, deadline(session, field));
  return next;
}

/** The event of a timer that has run out. Ask again after it was given: there may be another. */
export function dueEvent(session: Session, nowMs: number): SessionEvent | undefined {
  const due = timers.find(([field]) => deadline(session, field) <= nowMs);
  return due && { kind: due[1] };
}
