/**
 * The speaker: every peer, the RIB between them, and nothing that touches a socket or a clock. The edge hands in
 * connections, octets and the time; it takes effects out, and pulls octets when a socket can take them.
 */

import { sameValue } from '../net/equal.ts';
import type { IpAddress } from '../net/ip.ts';
import type { Announcement } from './announcement.ts';
import type { PeerConfig, SpeakerConfig } from './config.ts';
import { changeBetween } from './config-change.ts';
import { Notification } from './notification.ts';
import { cease } from './notification-codec.ts';
import { Peer, type PeerHost } from './peer.ts';
import type { Channel } from './peer-channel.ts';
import { peerStatus } from './peer-status.ts';
import { Rib } from './rib.ts';
import { Deferral } from './speaker-deferral.ts';
import { Directory, memberConfig, type RangeEntry } from './speaker-directory.ts';
import type { AttemptId, ConnectionId, ConnectionInfo, Effect, Refusal } from './speaker-effect.ts';
import { type Sockets, socketsFor } from './speaker-sockets.ts';
import type { PeerStatus } from './speaker-status.ts';

export interface SpeakerEnv {
  /** Uniform in [0, 1): jitter (RFC 4271 §10). */
  random(): number;
  /**
   * Whether this process replaces one whose routes peers may still keep: OPENs say so for a restart time (RFC 4724
   * §4.1).
   */
  readonly restarting?: boolean;
}

const NEVER = Number.POSITIVE_INFINITY;

/** All times are milliseconds of one monotonic clock; fractions are fine. */
export class Speaker {
  readonly #env: SpeakerEnv;
  #config: SpeakerConfig | undefined;
  #rib: Rib | undefined;
  #host: PeerHost | undefined;
  #announced: readonly Announcement[] = [];
  #configuredAtMs = 0;
  #deferral: Deferral | undefined;
  readonly #peers = new Map<string, Peer>();
  #directory = new Directory();
  readonly #attempts = new Map<AttemptId, Channel>();
  readonly #connections = new Map<ConnectionId, Channel>();
  /** Channels in Established: those the RIB may have octets for. */
  readonly #standing = new Set<Channel>();
  readonly #freeSlots: number[] = [];
  #slotsUsed = 0;
  #effects: Effect[] = [];
  #lastAttempt: AttemptId = 0;
  #nextMs = NEVER;
  /** A connection has gone, and with it perhaps a peer of a range. */
  #sweep = false;
  /** Peers may have octets waiting that had none. */
  #changed = false;
  #sockets: Sockets = { listeners: [], keys: [], interfaces: [] };

  constructor(env: SpeakerEnv) {
    this.#env = env;
  }

  /** For its readers. Undefined before the first `configure`. */
  get rib(): Rib | undefined {
    return this.#rib;
  }

  /** Everything that is to be; diffs, and resets a session only where the protocol demands it (config-change.ts). */
  configure(config: SpeakerConfig, nowMs: number): void {
    const before = this.#config;
    this.#config = config;
    const same = before && sameValue(identity(before), identity(config));
    if (!same) this.#begin(config, before === undefined, nowMs);
    this.#removeAllBut(config.peers, nowMs);
    for (const peer of config.peers) this.#configurePeer(peer, nowMs);
    this.#listen(config);
    this.#settle();
  }

  /** Everything we originate; diffs. */
  announce(all: readonly Announcement[], _nowMs: number): void {
    this.#announced = all;
    this.#rib?.originate(all);
    this.#changed = true;
    this.#settle();
  }

  connected(connection: ConnectionId, info: ConnectionInfo, nowMs: number): void {
    if (info.attempt === undefined) this.#accept(connection, info, nowMs);
    else this.#answered(info.attempt, connection, info, nowMs);
  }

  connectFailed(attempt: AttemptId, detail: string, nowMs: number): void {
    const channel = this.#attempts.get(attempt);
    this.#attempts.delete(attempt);
    channel?.connectFailed(detail, nowMs);
    if (channel !== undefined) this.#settle(channel);
  }

  /** Octets as they came; the array is not kept. */
  receive(connection: ConnectionId, bytes: Uint8Array, nowMs: number): void {
    const channel = this.#connections.get(connection);
    if (channel === undefined) return;
    channel.receive(bytes, nowMs);
    this.#settle(channel);
  }

  /** The other end, or the network, ended it. */
  closed(connection: ConnectionId, detail: string, nowMs: number): void {
    const channel = this.#connections.get(connection);
    if (channel === undefined) return;
    this.#forget(channel);
    channel.closed(detail, nowMs);
    this.#settle(channel);
  }

  /** Who is at the other end of a link (from router advertisements); undefined: nobody any more. */
  neighbor(link: string, address: IpAddress | undefined, nowMs: number): void {
    this.#directory.onLink(link)?.neighbor(address, nowMs);
    this.#settle();
  }

  tick(nowMs: number): void {
    for (const peer of this.#peers.values()) if (peer.nextMs <= nowMs) peer.tick(nowMs);
    this.#deferral?.tick(nowMs);
    this.#sweep = true;
    this.#nextMs = this.#deferral?.deadlineMs ?? NEVER;
    this.#settle();
  }

  /**
   * Ends every session. `shutdown` says so with its text (RFC 9003); `restart` leaves without a word where the peer
   * keeps our routes for it (RFC 4724 §4.2).
   */
  stop(
    how: { readonly kind: 'shutdown'; readonly reason: string } | { readonly kind: 'restart' },
    nowMs: number,
  ): void {
    for (const peer of this.#peers.values()) {
      const keeps = how.kind === 'restart' && peer.established?.negotiated.gracefulRestart !== undefined;
      const reason = how.kind === 'restart' ? '' : how.reason;
      peer.stop(keeps ? undefined : cease('administrative shutdown', reason), nowMs);
    }
    this.#settle();
  }

  /**
   * `hard` clears a session, and starts one that stays down; `soft-in` asks for the peer's routes again; `soft-out`
   * tells it all of ours. False when there is no such peer, or no session to do it on.
   */
  reset(key: string, how: 'hard' | 'soft-in' | 'soft-out', nowMs: number): boolean {
    const peer = this.#peers.get(key);
    if (peer === undefined || (how !== 'hard' && peer.established === undefined)) return false;
    if (how === 'hard') peer.reset(Notification.of('administrative reset'), nowMs);
    else if (how === 'soft-out') peer.routes.refreshOut();
    const done = how !== 'soft-in' || peer.refreshIn();
    this.#settle();
    return done;
  }

  /** When `tick` is wanted next; undefined: not by itself. It may turn out to be early. */
  nextTickMs(): number | undefined {
    return this.#nextMs === NEVER ? undefined : this.#nextMs;
  }

  takeEffects(): readonly Effect[] {
    const effects = this.#effects;
    if (effects.length > 0) this.#effects = [];
    return effects;
  }

  /**
   * Whole messages into `out` (at least 65535 octets): control messages first, then UPDATEs. 0 when there is nothing.
   */
  pull(connection: ConnectionId, out: Uint8Array, nowMs: number): number {
    return this.#connections.get(connection)?.pull(out, nowMs) ?? 0;
  }

  wantsWrite(connection: ConnectionId): boolean {
    return this.#connections.get(connection)?.wantsWrite ?? false;
  }

  peers(nowMs: number): readonly PeerStatus[] {
    return [...this.#peers.values()].map(peer => peerStatus(peer, nowMs));
  }

  /** Another identity is another speaker: every session ends, every route goes. */
  #begin(config: SpeakerConfig, first: boolean, nowMs: number): void {
    this.#removeAllBut([], nowMs);
    const { asn, routerId, clusterId } = config;
    // Peers choose what is hashed: they must not know how.
    const rib = new Rib({ asn, routerId, clusterId, hashSeed: Math.floor(this.#env.random() * 2 ** 32) });
    this.#rib = rib;
    this.#host = this.#hostFor(rib, { asn, routerId });
    rib.originate(this.#announced);
    if (!first || !this.#env.restarting) return;
    this.#configuredAtMs = nowMs;
    this.#deferral = new Deferral(config.peers, nowMs, family => {
      rib.defer(family, false);
      this.#changed = true;
    });
    for (const family of this.#deferral.families) rib.defer(family, true);
    this.#schedule(this.#deferral.deadlineMs);
  }

  #hostFor(rib: Rib, self: PeerHost['self']): PeerHost {
    return {
      rib,
      self,
      random: () => this.#env.random(),
      restarting: (restartMs, nowMs) => this.#env.restarting === true && nowMs < this.#configuredAtMs + restartMs,
      attempt: channel => {
        this.#attempts.set(++this.#lastAttempt, channel);
        return this.#lastAttempt;
      },
      forget: what => (typeof what === 'number' ? void this.#attempts.delete(what) : this.#forget(what)),
      stands: channel => {
        this.#standing.add(channel);
        const { key } = channel.owner.config;
        if (channel.session.state === 'established') this.#deferral?.up(key, channel.session.negotiated);
      },
      write: connection => {
        if (connection.writing) return;
        connection.writing = true;
        this.#emit({ kind: 'write', connection: connection.id });
      },
      changed: () => {
        this.#changed = true;
      },
      emit: effect => this.#emit(effect),
    };
  }

  #emit(effect: Effect): void {
    if (effect.kind === 'event' && effect.event.kind === 'end-of-rib')
      this.#deferral?.told(effect.event.peer, effect.event.family);
    this.#effects.push(effect);
  }

  #forget(channel: Channel): void {
    if (channel.connection !== undefined) this.#connections.delete(channel.connection.id);
    this.#standing.delete(channel);
    this.#sweep = true;
  }

  #configurePeer(config: PeerConfig, nowMs: number): void {
    if (config.remote.kind === 'range') {
      const range = this.#directory.ranges.get(config.key);
      if (range === undefined) this.#directory.ranges.set(config.key, { config, members: new Map() });
      else this.#configureRange(range, config, nowMs);
      return;
    }
    const peer = this.#peers.get(config.key);
    if (peer === undefined) {
      const added = this.#add(config);
      this.#directory.add(added);
      added.start(nowMs);
    } else this.#reconfigure(peer, config, nowMs);
  }

  #configureRange(range: RangeEntry, config: PeerConfig, nowMs: number): void {
    range.config = config;
    for (const peer of range.members.values()) {
      const { remote } = peer.config;
      if (remote.kind === 'address') this.#reconfigure(peer, memberConfig(config, remote), nowMs);
    }
  }

  #reconfigure(peer: Peer, config: PeerConfig, nowMs: number): void {
    const change = changeBetween(peer.config, config);
    if (change === 'new') throw new Error(`${config.key} is another peer and was not removed`);
    peer.reconfigure(config, change, nowMs);
    this.#schedule(peer.nextMs);
  }

  #add(config: PeerConfig): Peer {
    if (this.#host === undefined) throw new Error('not configured');
    const slot = this.#freeSlots.pop() ?? this.#slotsUsed++;
    const peer = new Peer(config, slot, this.#host);
    this.#peers.set(config.key, peer);
    return peer;
  }

  /** Ends what is not in `peers` any more, or is there as somebody else. */
  #removeAllBut(peers: readonly PeerConfig[], nowMs: number): void {
    const wanted = new Map(peers.map(each => [each.key, each]));
    const stays = (config: PeerConfig) => {
      const after = wanted.get(config.key);
      return after !== undefined && changeBetween(config, after) !== 'new';
    };
    const inRange = new Set<Peer>();
    for (const [key, { config, members }] of this.#directory.ranges) {
      for (const peer of members.values()) inRange.add(peer);
      if (stays(config)) continue;
      for (const peer of members.values()) this.#remove(peer, nowMs);
      this.#directory.ranges.delete(key);
    }
    for (const peer of this.#peers.values()) if (!inRange.has(peer) && !stays(peer.config)) this.#remove(peer, nowMs);
  }

  #remove(peer: Peer, nowMs: number): void {
    peer.stop(Notification.of('peer de-configured'), nowMs);
    this.#drop(peer);
  }

  #drop(peer: Peer): void {
    peer.routes.flush();
    this.#directory.remove(peer);
    this.#freeSlots.push(peer.routes.slot);
    this.#peers.delete(peer.config.key);
    this.#deferral?.removed(peer.config.key);
  }

  #accept(connection: ConnectionId, info: ConnectionInfo, nowMs: number): void {
    const peer = this.#directory.find(info.remote) ?? this.#member(info, nowMs);
    const outcome = typeof peer === 'string' ? peer : peer.accept(connection, info, nowMs);
    if (typeof outcome === 'object') {
      this.#connections.set(connection, outcome);
      this.#settle(outcome);
      return;
    }
    const key = typeof peer === 'string' ? undefined : peer.config.key;
    this.#sweep = true;
    this.#emit({ kind: 'close', connection, last: undefined });
    const reason = { kind: 'refused', refusal: outcome } as const;
    this.#emit({ kind: 'event', event: { kind: 'failed', peer: key, remote: info.remote, reason } });
    this.#settle();
  }

  #answered(attempt: AttemptId, connection: ConnectionId, info: ConnectionInfo, nowMs: number): void {
    const channel = this.#attempts.get(attempt);
    this.#attempts.delete(attempt);
    if (channel === undefined) {
      this.#emit({ kind: 'close', connection, last: undefined });
      return;
    }
    this.#connections.set(connection, channel);
    channel.connected(connection, info, nowMs);
    this.#settle(channel);
  }

  /** Somebody from a range, who becomes a peer for as long as it is connected. */
  #member({ remote }: ConnectionInfo, nowMs: number): Peer | Refusal {
    const range = this.#directory.rangeOf(remote.address);
    if (range?.config.remote.kind !== 'range') return 'unknown peer';
    if (range.members.size >= range.config.remote.limit) return 'range is full';
    const peer = this.#add(memberConfig(range.config, remote));
    range.members.set(peer.config.key, peer);
    this.#directory.add(peer);
    peer.start(nowMs);
    return peer;
  }

  /** Called at the end of everything that may have changed something: everywhere, or with one peer. */
  #settle(channel?: Channel): void {
    if (this.#sweep) this.#sweepRanges();
    if (this.#changed) this.#wakeWriters();
    if (channel !== undefined) this.#schedule(channel.owner.nextMs);
    else for (const peer of this.#peers.values()) this.#schedule(peer.nextMs);
  }

  #wakeWriters(): void {
    this.#changed = false;
    for (const { connection, wantsWrite } of this.#standing)
      if (connection !== undefined && !connection.writing && wantsWrite) this.#host?.write(connection);
  }

  #sweepRanges(): void {
    this.#sweep = false;
    for (const { members } of this.#directory.ranges.values())
      for (const [key, peer] of members) {
        if (!peer.gone) continue;
        members.delete(key);
        this.#drop(peer);
      }
  }

  #schedule(atMs: number): void {
    if (atMs < this.#nextMs) this.#nextMs = atMs;
  }

  /** Sockets and router advertisements: whole sets, when they change. */
  #listen(config: SpeakerConfig): void {
    const before = this.#sockets;
    const sockets = socketsFor(config);
    this.#sockets = sockets;
    const { listeners, keys, interfaces } = sockets;
    if (!sameValue([listeners, keys], [before.listeners, before.keys])) this.#emit({ kind: 'listen', listeners, keys });
    if (!sameValue(interfaces, before.interfaces)) this.#emit({ kind: 'discover', interfaces });
  }
}

function identity({ asn, routerId, clusterId }: SpeakerConfig): unknown {
  return { asn, routerId, clusterId };
}
