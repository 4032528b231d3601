/**
 * Binds the speaker to sockets and to the clock. Octets go in as they are read, effects come out at once, and what is
 * to be sent is pulled when the turn of the event loop ends: what many peers said in one turn is told in as few
 * messages as can be. Nobody starves: reading and writing each stop after a slice of time and go on in the next turn,
 * so that timers (keepalives) and other sockets come in between.
 */
import type { Announcement } from '../bgp/announcement.ts';
import type { SpeakerConfig } from '../bgp/config.ts';
import type { Speaker } from '../bgp/speaker.ts';
import type { AttemptId, ConnectionId, Effect, SpeakerEvent } from '../bgp/speaker-effect.ts';
import type { Clock, Log } from './ports.ts';
import { SpeakerLog } from './speaker-log.ts';
import type { Stream, StreamHandler, Transport } from './transport.ts';

/** Reading stops for this turn after this long, and so does writing. */
const SLICE_MS = 10;
/** Room for what one pull gives: whole messages, the largest is 65535 octets (RFC 8654). */
const PULL_OCTETS = 128 * 1024;
/** How often the kernel is asked what it dropped unsigned or wrongly signed. */
const DROPS_MS = 2_000;
/** Listeners that could not be had are tried again. */
const LISTEN_RETRY_MS = 5_000;

interface Connection {
  readonly id: ConnectionId;
  readonly stream: Stream;
  /** The stream has our buffer and nothing may be written before it drains. */
  blocked: boolean;
}

export interface SpeakerDriverOptions {
  readonly speaker: Speaker;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of every event, after the log. */
  readonly onEvent?: ((event: SpeakerEvent) => void) | undefined;
  /** Told when octets have been handed to sockets, once a turn. */
  readonly onSent?: (() => void) | undefined;
  /** Told when a turn ends in which anything happened: routes may be others now. */
  readonly onTurn?: (() => void) | undefined;
}

export class SpeakerDriver {
  readonly #speaker: Speaker;
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #words: SpeakerLog;
  readonly #onEvent: ((event: SpeakerEvent) => void) | undefined;
  readonly #onSent: (() => void) | undefined;
  readonly #onTurn: (() => void) | undefined;
  readonly #connections = new Map<ConnectionId, Connection>();
  readonly #attempts = new Map<AttemptId, () => void>();
  /** Those with something to send and a socket that takes it, in the order they came. */
  readonly #ready = new Set<Connection>();
  /**
   * Accepted in this turn, ready in the next one. Who calls has mostly said its OPEN by then: ours leaves together with
   * the KEEPALIVE that takes theirs, in one segment.
   */
  readonly #greeting = new Set<Connection>();
  readonly #paused = new Set<Stream>();
  #buffer = new Uint8Array(PULL_OCTETS);
  #nextId = 1;
  #turnEnds = false;
  #readingSinceMs = 0;
  #timer: { readonly atMs: number; readonly cancel: () => void } | undefined;
  #listening: Promise<void> = Promise.resolve();
  #cancelRetry: (() => void) | undefined;
  #cancelDrops: (() => void) | undefined;
  #closed = false;

  constructor(options: SpeakerDriverOptions) {
    this.#speaker = options.speaker;
    this.#transport = options.transport;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#words = new SpeakerLog(options.log, options.clock);
    this.#onEvent = options.onEvent;
    this.#onSent = options.onSent;
    this.#onTurn = options.onTurn;
  }

  configure(config: SpeakerConfig): void {
    this.#enter(nowMs => this.#speaker.configure(config, nowMs));
  }

  announce(all: readonly Announcement[]): void {
    this.#enter(nowMs => this.#speaker.announce(all, nowMs));
  }

  /** False when there is no such peer. */
  reset(peer: string, how: 'hard' | 'soft-in' | 'soft-out'): boolean {
    let found = false;
    this.#enter(nowMs => {
      found = this.#speaker.reset(peer, how, nowMs);
    });
    return found;
  }

  /** Something is to be sent, or was not all taken by its socket yet. */
  get hasUnsent(): boolean {
    return this.#turnEnds || this.#ready.size > 0 || [...this.#connections.values()].some(each => each.blocked);
  }

  /** Nobody is connected. */
  get isAlone(): boolean {
    return this.#connections.size === 0;
  }

  /** When every listener that can be had is had. */
  listening(): Promise<void> {
    return this.#listening;
  }

  /** Ends every session and takes nothing more; what is left to say is still sent. */
  stop(how: Parameters<Speaker['stop']>[0]): void {
    if (this.#closed) return;
    this.#enter(nowMs => this.#speaker.stop(how, nowMs));
    this.#closed = true;
    this.#timer?.cancel();
    this.#cancelRetry?.();
    this.#cancelDrops?.();
    this.#transport.close();
  }

  /** Runs one call into the speaker, then does what it asks for. */
  #enter(call: (nowMs: number) => void): void {
    if (this.#closed) return;
    call(this.#clock.nowMs());
    const effects = this.#speaker.takeEffects();
    if (effects.length > 0) for (const effect of effects) this.#perform(effect);
    this.#endTurn();
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case 'connect':
        this.#connect(effect);
        return;
      case 'abort':
        this.#attempts.get(effect.attempt)?.();
        this.#attempts.delete(effect.attempt);
        return;
      case 'adopt':
        this.#adopt(effect);
        return;
      case 'write': {
        const connection = this.#connections.get(effect.connection);
        if (connection === undefined || connection.blocked || this.#greeting.has(connection)) return;
        this.#ready.add(connection);
        return;
      }
      case 'close':
        this.#forget(effect.connection)?.stream.finish(effect.last);
        return;
      case 'listen':
        this.#listening = this.#listening.then(() => this.#listen(effect));
        return;
      case 'discover':
        void this.#discover(effect.interfaces);
        return;
      case 'event':
        this.#words.write(effect.event);
        this.#onEvent?.(effect.event);
        return;
      default:
        effect satisfies never;
    }
  }

  #connect(effect: Effect & { kind: 'connect' }): void {
    const { attempt } = effect;
    const abort = this.#transport.connect(effect, {
      connected: stream => {
        this.#attempts.delete(attempt);
        return this.#open(stream, attempt);
      },
      failed: detail => {
        if (this.#attempts.delete(attempt)) this.#enter(nowMs => this.#speaker.connectFailed(attempt, detail, nowMs));
      },
    });
    this.#attempts.set(attempt, abort);
  }

  #adopt({ connection, peer, transport, ttl }: Effect & { kind: 'adopt' }): void {
    try {
      this.#connections.get(connection)?.stream.adopt(transport, ttl);
    } catch (error) {
      this.#log.warn('socket options refused', { peer, error: wordsOf(error) });
    }
  }

  #open(stream: Stream, attempt: AttemptId | undefined): StreamHandler {
    const connection: Connection = { id: this.#nextId++, stream, blocked: false };
    this.#connections.set(connection.id, connection);
    if (attempt === undefined) this.#greeting.add(connection);
    const { local, remote, localAddresses } = stream;
    // The stream's owner attaches the handler when this returns: what the speaker asks for must not come sooner.
    queueMicrotask(() => {
      if (!this.#connections.has(connection.id)) return;
      this.#enter(nowMs => this.#speaker.connected(connection.id, { attempt, local, remote, localAddresses }, nowMs));
    });
    return {
      data: bytes => this.#received(connection, bytes),
      drained: () => {
        connection.blocked = false;
        if (!this.#connections.has(connection.id)) return;
        // Asked even when nothing is left: the speaker takes a connection for writing until a pull has given 0.
        this.#ready.add(connection);
        this.#endTurn();
      },
      closed: detail => {
        if (this.#forget(connection.id) !== undefined)
          this.#enter(nowMs => this.#speaker.closed(connection.id, detail, nowMs));
      },
    };
  }

  #forget(id: ConnectionId): Connection | undefined {
    const connection = this.#connections.get(id);
    if (connection === undefined) return undefined;
    this.#connections.delete(id);
    this.#ready.delete(connection);
    this.#greeting.delete(connection);
    this.#paused.delete(connection.stream);
    return connection;
  }

  #received(connection: Connection, bytes: Uint8Array): void {
    this.#enter(nowMs => {
      if (this.#readingSinceMs === 0) this.#readingSinceMs = nowMs;
      this.#speaker.receive(connection.id, bytes, nowMs);
    });
    if (this.#clock.nowMs() - this.#readingSinceMs < SLICE_MS || !this.#connections.has(connection.id)) return;
    connection.stream.pause();
    this.#paused.add(connection.stream);
  }

  /** Sends and sets the timer once this turn's reading is done. */
  #endTurn(): void {
    if (this.#turnEnds) return;
    this.#turnEnds = true;
    setImmediate(() => {
      this.#turnEnds = false;
      this.#readingSinceMs = 0;
      this.#send();
      this.#greet();
      for (const stream of this.#paused) stream.resume();
      this.#paused.clear();
      this.#setTimer();
      this.#onTurn?.();
    });
  }

  #greet(): void {
    if (this.#greeting.size === 0) return;
    for (const connection of this.#greeting) this.#ready.add(connection);
    this.#greeting.clear();
    this.#endTurn();
  }

  /** Round after round, one pull a connection, until there is nothing to send or the slice is over. */
  #send(): void {
    if (this.#ready.size === 0) return;
    const untilMs = this.#clock.nowMs() + SLICE_MS;
    this.#sendUntil(untilMs);
    this.#onSent?.();
  }

  #sendUntil(untilMs: number): void {
    while (this.#ready.size > 0) {
      for (const connection of this.#ready) {
        // The set keeps its order: what is put back goes to the end.
        this.#ready.delete(connection);
        if (this.#sendSome(connection)) this.#ready.add(connection);
        if (this.#clock.nowMs() < untilMs) continue;
        if (this.#ready.size > 0) this.#endTurn();
        return;
      }
    }
  }

  /** True when there may be more to send at once. */
  #sendSome(connection: Connection): boolean {
    const length = this.#speaker.pull(connection.id, this.#buffer, this.#clock.nowMs());
    if (length === 0) return false;
    if (connection.stream.write(this.#buffer.subarray(0, length))) return true;
    connection.blocked = true;
    this.#buffer = new Uint8Array(PULL_OCTETS);
    return false;
  }

  #setTimer(): void {
    if (this.#closed) return;
    const atMs = this.#speaker.nextTickMs();
    if (atMs === this.#timer?.atMs) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (atMs === undefined) return;
    const tick = () => {
      if (this.#timer === timer) this.#timer = undefined;
      this.#enter(nowMs => this.#speaker.tick(nowMs));
    };
    // Timers come before sockets in a turn: after a stall, what peers said meanwhile counts before their hold times.
    const cancel = this.#clock.after(Math.max(0, atMs - this.#clock.nowMs()), () => setImmediate(tick));
    const timer = { atMs, cancel };
    this.#timer = timer;
  }

  async #listen(effect: Effect & { kind: 'listen' }): Promise<void> {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    if (this.#closed) return;
    if (effect.listeners.length > 0) this.#watchDrops();
    const faults = await this.#transport.listen(effect.listeners, effect.keys, stream => this.#open(stream, undefined));
    for (const fault of faults) this.#log.error(fault, { retryMs: LISTEN_RETRY_MS });
    if (faults.length > 0 && !this.#closed)
      this.#cancelRetry = this.#clock.after(LISTEN_RETRY_MS, () => void this.#listen(effect));
  }

  /** A connection that is refused for its signature never reaches us: only the kernel's counters know of it. */
  #watchDrops(): void {
    this.#cancelDrops ??= this.#clock.after(DROPS_MS, () => {
      this.#cancelDrops = undefined;
      const words = this.#transport.dropped();
      if (words !== undefined) this.#words.dropped(words);
      this.#watchDrops();
    });
  }

  async #discover(links: readonly string[]): Promise<void> {
    const faults = await this.#transport.discover(links, (link, address) =>
      this.#enter(nowMs => this.#speaker.neighbor(link, address, nowMs)),
    );
    for (const fault of faults) this.#log.error(fault);
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
