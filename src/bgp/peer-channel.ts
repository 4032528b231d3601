/**
 * One session of a peer, and the connection or the attempt it has: runs the state machine (session.ts), does what it
 * asks for, and turns octets into its events. Which of a peer's two channels stays is the peer's.
 */
import type { AttributeFault } from './attribute.ts';
import type { PeerConfig } from './config.ts';
import { BgpError } from './error.ts';
import { EXTENDED_MESSAGE_OCTETS_MAX, encodeMessage, MESSAGE_OCTETS_MAX, type MessageName } from './message.ts';
import type { Notification } from './notification.ts';
import { decodeNotification, encodeNotification } from './notification-codec.ts';
import { decodeOpen, encodeOpen, type Open } from './open.ts';
import { Connection } from './peer-connection.ts';
import type { PeerCounters } from './peer-counters.ts';
import { asTold } from './peer-restart.ts';
import type { PeerRoutes } from './peer-routes.ts';
import { decodeRouteRefresh } from './route-refresh.ts';
import { dueEvent, nextDeadlineMs, type Session, type SessionEffect, type SessionEvent, step } from './session.ts';
import { type LocalIdentity, type Negotiated, negotiate, openFor } from './session-negotiate.ts';
import type {
  AttemptId,
  ConnectionId,
  ConnectionInfo,
  DownReason,
  Effect,
  Endpoint,
  SpeakerEvent,
} from './speaker-effect.ts';

/** What a channel needs of the speaker. */
export interface ChannelHost {
  random(): number;
  /** Peers that keep routes for so long may still hold those of this speaker's predecessor. */
  restarting(restartMs: number, nowMs: number): boolean;
  /** A number for a new attempt, whose answer is to come to this channel. */
  attempt(channel: Channel): AttemptId;
  /** No answer, and no octets, are to come any more. */
  forget(what: AttemptId | Channel): void;
  /** Octets wait on this connection. */
  write(connection: Connection): void;
  emit(effect: Effect): void;
}

/** What a channel needs of its peer. */
export interface ChannelOwner {
  readonly config: PeerConfig;
  readonly self: LocalIdentity;
  /** Whom to call; undefined while nobody is known to be there. */
  readonly remote: Endpoint | undefined;
  /** The IP TTL of its connections. */
  readonly ttl: number;
  readonly failures: number;
  readonly calls: number;
  /** When it wants `tick`; Infinity: not by itself. */
  readonly nextMs: number;
  readonly counters: PeerCounters;
  readonly routes: PeerRoutes;
  /** An OPEN has come; false: this channel has just lost to the other one (RFC 4271 §6.8). */
  stays(channel: Channel, open: Open, nowMs: number): boolean;
  /** UPDATEs have come; false: too many prefixes, the session has been ended. */
  within(nowMs: number): boolean;
  up(channel: Channel, negotiated: Negotiated, nowMs: number): void;
  down(before: Session, reason: DownReason, nowMs: number): void;
  /** The channel may have lost its connection or its attempt. */
  settle(): void;
}

const keepalive = encodeMessage('keepalive');

export class Channel {
  #session: Session;
  /** When it wants `tick`; Infinity: not by itself. */
  deadlineMs: number;
  attempt: AttemptId | undefined;
  connection: Connection | undefined;
  readonly owner: ChannelOwner;
  readonly #host: ChannelHost;

  constructor(session: Session, owner: ChannelOwner, host: ChannelHost) {
    this.#session = session;
    this.deadlineMs = nextDeadlineMs(session);
    this.owner = owner;
    this.#host = host;
  }

  get session(): Session {
    return this.#session;
  }

  /** Who opened the connection it has. */
  get opener(): 'us' | 'them' {
    return this.connection?.info.attempt === undefined ? 'them' : 'us';
  }

  dispatch(event: SessionEvent, nowMs: number): void {
    const owner = this.owner;
    const before = this.#session;
    const [next, effects] = step(before, event, {
      nowMs,
      random: () => this.#host.random(),
      timers: owner.config.timers,
      passive: owner.config.transport.passive || owner.remote === undefined,
      failures: owner.failures,
      calls: owner.calls,
      negotiate: open => negotiate(owner.config, owner.self, this.#sentOpen, open),
    });
    this.#session = next;
    this.deadlineMs = nextDeadlineMs(next);
    for (const effect of effects) this.#perform(before, effect, nowMs);
    if (effects.length > 0) owner.settle();
  }

  connected(id: ConnectionId, info: ConnectionInfo, nowMs: number): void {
    this.attempt = undefined;
    this.connection = new Connection(id, info);
    this.dispatch({ kind: 'connected' }, nowMs);
  }

  connectFailed(detail: string, nowMs: number): void {
    this.attempt = undefined;
    this.dispatch({ kind: 'connect failed', detail }, nowMs);
  }

  closed(detail: string, nowMs: number): void {
    this.connection = undefined;
    this.dispatch({ kind: 'closed', detail }, nowMs);
  }

  tick(nowMs: number): void {
    for (let event = dueEvent(this.session, nowMs); event !== undefined; event = dueEvent(this.session, nowMs))
      this.dispatch(event, nowMs);
  }

  /** Octets as they came. UPDATEs go straight to the RIB; the state machine hears of them once. */
  receive(bytes: Uint8Array, nowMs: number): void {
    const owner = this.owner;
    const { connection } = this;
    let updates = 0;
    let malformed = 0;
    let faults: readonly AttributeFault[] = [];
    try {
      connection?.framer.feed(bytes, (name, octets, at, end) => {
        owner.counters.received[name]++;
        if (name !== 'update' || this.session.state !== 'established') {
          this.#message(name, octets, at, end, nowMs);
          return this.connection === connection;
        }
        updates++;
        const outcome = owner.routes.update(octets, at, end);
        if (outcome.faults.length > 0 && malformed++ === 0) faults = [...outcome.faults];
        const family = outcome.endOfRib;
        if (family !== undefined) this.tell({ kind: 'end-of-rib', peer: owner.config.key, family });
        return true;
      });
    } catch (error) {
      if (!(error instanceof BgpError)) throw error;
      const { notification, detail } = error;
      if (this.connection === connection) this.dispatch({ kind: 'error', notification, detail }, nowMs);
    }
    if (malformed > 0) this.tell({ kind: 'malformed', peer: owner.config.key, messages: malformed, faults });
    if (updates > 0 && this.session.state === 'established' && owner.within(nowMs))
      this.dispatch({ kind: 'update' }, nowMs);
  }

  #message(name: MessageName, bytes: Uint8Array, at: number, end: number, nowMs: number): void {
    switch (name) {
      case 'open':
        this.#open(decodeOpen(bytes, at, end), nowMs);
        break;
      case 'keepalive':
      case 'update':
        this.dispatch({ kind: name }, nowMs);
        break;
      case 'notification':
        this.dispatch({ kind: name, notification: decodeNotification(bytes, at, end) }, nowMs);
        break;
      case 'routeRefresh':
        if (this.session.state === 'established') this.owner.routes.refresh(decodeRouteRefresh(bytes, at, end));
        this.dispatch({ kind: 'route refresh' }, nowMs);
    }
  }

  #open(open: Open, nowMs: number): void {
    const { connection } = this;
    if (connection === undefined) return;
    connection.receivedOpen = open;
    // RFC 8654 §4: whoever heard our capability may use it.
    if (this.owner.config.capabilities.extendedMessages) connection.framer.lengthMax = EXTENDED_MESSAGE_OCTETS_MAX;
    if (this.session.state !== 'openSent' || this.owner.stays(this, open, nowMs))
      this.dispatch({ kind: 'open', open }, nowMs);
  }

  #perform(before: Session, effect: SessionEffect, nowMs: number): void {
    switch (effect.kind) {
      case 'connect':
        this.#connect();
        break;
      case 'abort':
        this.#abort();
        break;
      case 'send open':
        this.#sendOpen(nowMs);
        break;
      case 'send keepalive':
        this.send(keepalive);
        break;
      case 'close':
        this.#close(before, effect.notification);
        break;
      case 'up':
        this.owner.up(this, effect.negotiated, nowMs);
        break;
      case 'down':
        this.owner.down(before, effect.reason, nowMs);
    }
  }

  #connect(): void {
    const { remote, config, ttl } = this.owner;
    if (remote === undefined) throw new Error('nobody to connect to');
    this.attempt = this.#host.attempt(this);
    const { transport, key: peer } = config;
    // The retry timer's jitter takes up to a quarter off (RFC 4271 §10).
    const timeoutMs = Math.floor(config.timers.connectRetryMs * 0.7);
    this.#host.emit({ kind: 'connect', attempt: this.attempt, peer, remote, transport, ttl, timeoutMs });
  }

  #abort(): void {
    if (this.attempt === undefined) return;
    this.#host.emit({ kind: 'abort', attempt: this.attempt });
    this.#host.forget(this.attempt);
    this.attempt = undefined;
  }

  #sendOpen(nowMs: number): void {
    const { connection } = this;
    if (connection === undefined) return;
    const { config, self, counters } = this.owner;
    const restartMs = config.gracefulRestart?.restartMs ?? 0;
    // Only the first OPEN after a restart says so (RFC 4724 §4.1).
    const restarting = counters.established === 0 && this.#host.restarting(restartMs, nowMs);
    connection.sentOpen = openFor(config, self, restarting);
    this.send(encodeOpen(connection.sentOpen));
  }

  get #sentOpen(): Open {
    return this.connection?.sentOpen ?? openFor(this.owner.config, this.owner.self, false);
  }

  /** Nothing to do for a connection that the other end has closed. */
  #close(before: Session, notification: Notification | undefined): void {
    const { connection } = this;
    if (connection === undefined) return;
    const negotiated = 'negotiated' in before ? before.negotiated : undefined;
    const told = notification && encodeMessage('notification', encodeNotification(asTold(notification, negotiated)));
    const last = connection.takeLast(told);
    if (last !== undefined) this.owner.counters.countSent(last, last.length);
    this.#host.forget(this);
    this.connection = undefined;
    this.#host.emit({ kind: 'close', connection: connection.id, last });
  }

  /** A whole message that is not an UPDATE. */
  send(message: Uint8Array): void {
    if (this.connection === undefined) return;
    this.connection.queue(message);
    this.#host.write(this.connection);
  }

  tell(event: SpeakerEvent): void {
    this.#host.emit({ kind: 'event', event });
  }

  get wantsWrite(): boolean {
    const { connection, session } = this;
    if (connection === undefined) return false;
    return connection.hasControl || (session.state === 'established' && this.owner.routes.hasOutput);
  }

  /** Whole messages into `out`: control messages first. */
  pull(out: Uint8Array, nowMs: number): number {
    const { connection, session } = this;
    if (connection === undefined) return 0;
    let length = connection.takeControl(out);
    const { config, routes, counters } = this.owner;
    const most = config.capabilities.extendedMessages ? EXTENDED_MESSAGE_OCTETS_MAX : MESSAGE_OCTETS_MAX;
    if (session.state === 'established' && out.length - length >= most) length += routes.pull(out, length);
    if (length === 0) {
      connection.writing = false;
      return 0;
    }
    counters.countSent(out, length);
    this.dispatch({ kind: 'sent' }, nowMs);
    return length;
  }
}
