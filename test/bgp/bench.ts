/** One speaker on a workbench: its peers are the test, which writes and reads the octets itself. */
import { encodeMessage, HEADER_OCTETS, type MessageName, messageTypes } from '../../src/bgp/message.ts';
import { encodeOpen, type Open } from '../../src/bgp/open.ts';
import { Speaker, type SpeakerEnv } from '../../src/bgp/speaker.ts';
import type { ConnectionId, ConnectionInfo, Effect, SpeakerEvent } from '../../src/bgp/speaker-effect.ts';
import type { PeerStatus } from '../../src/bgp/speaker-status.ts';
import { toHex } from './hex.ts';
import { ip } from './world.ts';

export type EffectOf<K extends Effect['kind']> = Extract<Effect, { kind: K }>;

export const keepalive = encodeMessage('keepalive');

const names = Object.entries(messageTypes).map(([name, { type }]) => [type, name as MessageName] as const);

/** Messages in words: `open`, `keepalive`, and for a NOTIFICATION its body in hexadecimal. */
export function words(bytes: Uint8Array): string[] {
  const out: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = (bytes[at + 16] as number) * 256 + (bytes[at + 17] as number);
    const name = names.find(([type]) => type === bytes[at + 18])?.[1] ?? 'garbage';
    const body = toHex(bytes.subarray(at + HEADER_OCTETS, at + length));
    out.push(name === 'notification' ? `notification ${body}` : name);
    at += length;
  }
  return out;
}

export class Bench {
  readonly speaker: Speaker;
  nowMs = 0;
  readonly effects: Effect[] = [];
  readonly #buffer = new Uint8Array(131_072);
  #lastId = 0;

  /** No jitter: the highest draw. */
  constructor(env: Partial<SpeakerEnv> = {}) {
    this.speaker = new Speaker({ random: () => 0.999_999_9, ...env });
  }

  /** Everything of a kind that was asked for so far. */
  all<K extends Effect['kind']>(kind: K): EffectOf<K>[] {
    this.effects.push(...this.speaker.takeEffects());
    return this.effects.filter((each): each is EffectOf<K> => each.kind === kind);
  }

  /** What was asked for since the last time; it is not remembered for `all`. */
  take(): readonly Effect[] {
    return this.speaker.takeEffects();
  }

  get events(): SpeakerEvent[] {
    return this.all('event').map(each => each.event);
  }

  /** Somebody connects. */
  call(from: string, over: Partial<ConnectionInfo> = {}): ConnectionId {
    const [address = from, zone] = from.split('%');
    const remote = { address: ip(address), zone, port: 40_000 };
    const local = { address: ip(address.includes(':') ? 'fe80::1' : '10.0.0.1'), zone, port: 179 };
    const id = ++this.#lastId;
    this.speaker.connected(id, { attempt: undefined, local, remote, ...over }, this.nowMs);
    return id;
  }

  /** The latest attempt gets through. */
  answer(): ConnectionId {
    const attempt = this.all('connect').at(-1);
    if (attempt === undefined) throw new Error('nobody is being called');
    const local = { address: ip('10.0.0.1'), port: 40_001 };
    const id = ++this.#lastId;
    this.speaker.connected(id, { attempt: attempt.attempt, local, remote: attempt.remote }, this.nowMs);
    return id;
  }

  send(connection: ConnectionId, ...messages: readonly Uint8Array[]): void {
    for (const message of messages) this.speaker.receive(connection, message, this.nowMs);
  }

  /** What waits to be read, as octets. */
  read(connection: ConnectionId): Uint8Array {
    const parts: Uint8Array[] = [];
    for (;;) {
      const length = this.speaker.pull(connection, this.#buffer, this.nowMs);
      if (length === 0) break;
      parts.push(this.#buffer.slice(0, length));
    }
    return Uint8Array.from(parts.flatMap(part => [...part]));
  }

  /** Reads what waits, and forgets it. */
  drain(connection: ConnectionId): void {
    while (this.speaker.pull(connection, this.#buffer, this.nowMs) > 0);
  }

  /** What waits to be read, in words. */
  hears(connection: ConnectionId): string[] {
    return words(this.read(connection));
  }

  /** The last words on a connection that was closed; undefined while it stands. */
  goodbye(connection: ConnectionId): string[] | undefined {
    const close = this.all('close').find(each => each.connection === connection);
    return close && words(close.last ?? new Uint8Array(0));
  }

  /** Time passes; every tick that is wanted is given. */
  wait(forMs: number): void {
    const endMs = this.nowMs + forMs;
    for (let next = this.speaker.nextTickMs(); next !== undefined && next <= endMs; next = this.speaker.nextTickMs()) {
      this.nowMs = Math.max(this.nowMs, next);
      this.speaker.tick(this.nowMs);
    }
    this.nowMs = endMs;
  }

  status(key: string): PeerStatus {
    const found = this.speaker.peers(this.nowMs).find(each => each.key === key);
    if (found === undefined) throw new Error(`no peer ${key}`);
    return found;
  }

  /** Goes through OPEN and KEEPALIVE on a connection that stands. */
  establish(connection: ConnectionId, open: Open): ConnectionId {
    this.send(connection, encodeOpen(open), keepalive);
    this.read(connection);
    return connection;
  }
}
