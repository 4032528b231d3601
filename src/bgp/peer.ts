/**
 * One remote router: at most two sessions with it at a time (one we opened, one it opened), which of them stays (RFC
 * 4271 §6.8), how long to wait after failures (§8.1.1), and what a change of its configuration does.
 */
import { IpAddress } from '../net/ip.ts';
import type { PeerConfig } from './config.ts';
import { Family } from './family.ts';
import { Notification } from './notification.ts';
import { cease } from './notification-codec.ts';
import type { Open } from './open.ts';
import { Channel, type ChannelHost, type ChannelOwner } from './peer-channel.ts';
import { collide } from './peer-collision.ts';
import { PeerCounters } from './peer-counters.ts';
import { asTold } from './peer-restart.ts';
import { PeerRoutes } from './peer-routes.ts';
import { peerView, ttlOf } from './peer-view.ts';
import type { Rib } from './rib.ts';
import { encodeRouteRefresh, REFRESH_REQUEST } from './route-refresh.ts';
import { awaiting, idle, type Session, wasStable } from './session.ts';
import { isRefused, type LocalIdentity, type Negotiated, negotiate, openFor } from './session-negotiate.ts';
import type { ConnectionId, ConnectionInfo, DownReason, Endpoint, Refusal } from './speaker-effect.ts';

/** What a peer needs of the speaker around it. */
export interface PeerHost extends ChannelHost {
  readonly rib: Rib;
  readonly self: LocalIdentity;
  /** The channel is established now; `forget` ends it. */
  stands(channel: Channel): void;
  /** Whoever stands may have something to be told. */
  changed(): void;
}

const NEVER = Number.POSITIVE_INFINITY;

export class Peer implements ChannelOwner {
  config: PeerConfig;
  readonly routes: PeerRoutes;
  readonly counters = new PeerCounters();
  lastDown: DownReason | undefined;
  /** In a row; the idle hold time doubles with each. */
  failures = 0;
  /** Calls in a row that got nowhere; the wait for the next doubles with each. */
  calls = 0;
  /** What stays when everything else has failed; also the one that calls. */
  #primary: Channel;
  /** A connection of theirs beside ours, until one of them wins. */
  #secondary: Channel | undefined;
  readonly #host: PeerHost;
  /** Of a peer given by its interface: who answers there. */
  #neighbor: IpAddress | undefined;
  /** After too many prefixes: when to come back. */
  #startAtMs = NEVER;

  constructor(config: PeerConfig, slot: number, host: PeerHost) {
    this.config = config;
    this.#host = host;
    this.routes = new PeerRoutes(host.rib, slot, () => host.changed());
    this.#primary = new Channel(idle, this, host);
  }

  get self(): LocalIdentity {
    return { asn: this.config.localAsn ?? this.#host.self.asn, routerId: this.#host.self.routerId };
  }

  get remote(): Endpoint | undefined {
    const { remote, transport } = this.config;
    const { port } = transport;
    if (remote.kind === 'address') return { address: remote.address, zone: remote.zone, port };
    if (remote.kind === 'range' || this.#neighbor === undefined) return undefined;
    return { address: this.#neighbor, zone: remote.interface, port };
  }

  get ttl(): number {
    const { asn } = this.config;
    return ttlOf(this.config, asn === 'internal' || asn === this.self.asn);
  }

  /** The primary one first. */
  get channels(): readonly Channel[] {
    return this.#secondary === undefined ? [this.#primary] : [this.#primary, this.#secondary];
  }

  /** The channel that is in Established, with its state. */
  get established(): { readonly channel: Channel; readonly negotiated: Negotiated } | undefined {
    for (const channel of this.channels)
      if (channel.session.state === 'established') return { channel, negotiated: channel.session.negotiated };
    return undefined;
  }

  /** No connection stands, and nothing is kept for when there is one again. */
  get gone(): boolean {
    return this.channels.every(each => each.connection === undefined) && this.routes.stale.length === 0;
  }

  /** When `tick` is wanted; Infinity: not by itself. */
  get nextMs(): number {
    const second = this.#secondary?.deadlineMs ?? NEVER;
    return Math.min(this.#primary.deadlineMs, second, this.routes.deadlineMs, this.#startAtMs);
  }

  start(nowMs: number): void {
    this.#startAtMs = NEVER;
    if (this.config.shutdown === undefined) this.#primary.dispatch({ kind: 'start' }, nowMs);
  }

  /** Down until started; undefined: without a word, so that a peer that helps keeps our routes (RFC 4724). */
  stop(notification: Notification | undefined, nowMs: number): void {
    this.#startAtMs = NEVER;
    for (const channel of this.channels) channel.dispatch({ kind: 'stop', notification }, nowMs);
    this.routes.flush();
  }

  /** Down and, after the idle hold time, back. What is down already starts at once. */
  reset(notification: Notification, nowMs: number): void {
    if (this.#primary.session.state === 'idle') this.start(nowMs);
    else for (const channel of this.channels) channel.dispatch({ kind: 'reset', notification }, nowMs);
  }

  /** `change` is how much of what runs a new configuration touches: see config-change.ts. */
  reconfigure(config: PeerConfig, change: 'none' | 'soft' | 'hard', nowMs: number): void {
    const before = this.config;
    this.config = config;
    if (config.shutdown !== undefined) {
      if (before.shutdown === undefined) this.stop(cease('administrative shutdown', config.shutdown.reason), nowMs);
    } else if (before.shutdown !== undefined) this.start(nowMs);
    else if (change === 'hard') this.reset(Notification.of('other configuration change'), nowMs);
    else if (before.transport.passive && !config.transport.passive && this.#primary.session.state === 'active')
      this.#primary.dispatch({ kind: 'retry timer' }, nowMs);
    else if (change === 'soft') {
      const { channel, negotiated } = this.established ?? {};
      if (channel?.connection === undefined || negotiated === undefined) return;
      this.routes.setView(peerView(config, this.self, negotiated, channel.connection.info));
    }
  }

  /** Who is at the other end of the link. */
  neighbor(address: IpAddress | undefined, nowMs: number): void {
    const before = this.#neighbor;
    if (before === undefined || address === undefined ? before === address : IpAddress.equals(before, address)) return;
    this.#neighbor = address;
    const { state } = this.#primary.session;
    // Calls at once; what is established ends by itself when the neighbour is really gone.
    if (address !== undefined && (state === 'active' || state === 'connect'))
      this.#primary.dispatch({ kind: 'retry timer' }, nowMs);
  }

  /** A connection that came in. Says why not, when it is not wanted. */
  accept(id: ConnectionId, info: ConnectionInfo, nowMs: number): Refusal | Channel {
    if (this.config.shutdown !== undefined) return 'peer is shut down';
    if (this.#primary.session.state === 'idle') return 'idle hold';
    // Theirs again: the first one will be dead to them.
    if (this.#secondary?.session.state === 'openSent') this.#secondary.dispatch({ kind: 'collision' }, nowMs);
    if (this.#secondary !== undefined) return 'already connected';
    let channel = this.#primary;
    if (channel.session.state !== 'active') {
      channel = new Channel(awaiting, this, this.#host);
      this.#secondary = channel;
    }
    const { key: peer, transport } = this.config;
    this.#host.emit({ kind: 'adopt', connection: id, peer, transport, ttl: this.ttl });
    channel.connected(id, info, nowMs);
    return channel;
  }

  tick(nowMs: number): void {
    for (const channel of this.channels) channel.tick(nowMs);
    this.routes.tick(nowMs);
    if (nowMs >= this.#startAtMs) this.start(nowMs);
  }

  /** RFC 4271 §6.8: with the OPEN here, it can be said which of two connections stays. */
  stays(channel: Channel, open: Open, nowMs: number): boolean {
    const other = this.channels.find(each => each !== channel);
    if (other === undefined) return true;
    const outcome = negotiate(this.config, this.self, openFor(this.config, this.self, false), open);
    if (isRefused(outcome)) return true;
    switch (collide(other.session, { older: other.opener, newer: channel.opener }, outcome, this.self)) {
      case 'older stays':
        channel.dispatch({ kind: 'collision' }, nowMs);
        return false;
      case 'newer stays':
        other.dispatch({ kind: 'collision' }, nowMs);
        return true;
      case 'overtaken':
        other.dispatch({ kind: 'overtaken' }, nowMs);
        return true;
      case 'peer restarted':
        other.dispatch({ kind: 'closed', detail: 'the peer opened a new connection' }, nowMs);
        return true;
      case 'none':
        return true;
    }
  }

  within(nowMs: number): boolean {
    const over = this.routes.overLimit(this.config);
    if (over === undefined) return true;
    this.stop(over.notification, nowMs);
    if (over.restartMs !== undefined) this.#startAtMs = nowMs + over.restartMs;
    return false;
  }

  up(channel: Channel, negotiated: Negotiated, nowMs: number): void {
    const { connection } = channel;
    if (connection === undefined) throw new Error('established without a connection');
    // Whatever else was tried is of no use now.
    for (const other of this.channels) if (other !== channel) other.dispatch({ kind: 'collision' }, nowMs);
    this.counters.established++;
    this.calls = 0;
    this.#host.stands(channel);
    this.routes.up(peerView(this.config, this.self, negotiated, connection.info), negotiated, this.config, nowMs);
    channel.tell({ kind: 'up', peer: this.config.key, families: negotiated.families });
    if (this.routes.hasOutput) this.#host.write(connection);
  }

  down(before: Session, reason: DownReason, nowMs: number): void {
    const peer = this.config.key;
    // The loser of a collision says nothing about how the peer is.
    const told = reason.kind === 'sent' || reason.kind === 'received';
    if (
      before.state !== 'established' &&
      told &&
      Notification.is(reason.notification, 'connection collision resolution')
    )
      return;
    this.lastDown = reason;
    if (before.state === 'established') {
      this.failures = wasStable(before, nowMs) ? 1 : this.failures + 1;
      this.counters.dropped++;
      this.routes.down(asSent(reason, before.negotiated), nowMs);
      this.#primary.tell({ kind: 'down', peer, reason });
      return;
    }
    if (before.state === 'connect' || reason.kind === 'closed') this.calls++;
    if (before.state !== 'connect') this.failures++;
    this.#primary.tell({ kind: 'failed', peer, remote: this.remote, reason });
  }

  /** A connection that is left alone becomes the primary one. */
  settle(): void {
    const primary = this.#primary;
    const secondary = this.#secondary;
    if (secondary === undefined) return;
    if (secondary.connection === undefined) this.#secondary = undefined;
    else if (primary.connection === undefined && primary.attempt === undefined) {
      this.#primary = secondary;
      this.#secondary = undefined;
    }
  }

  /** Asks the peer for all its routes again (RFC 2918). False when it cannot be asked. */
  refreshIn(): boolean {
    const { channel, negotiated } = this.established ?? {};
    if (!negotiated?.routeRefresh) return false;
    for (const family of negotiated.families) {
      const { afi, safi } = Family.row(family);
      channel?.send(encodeRouteRefresh({ afi, safi, subtype: REFRESH_REQUEST }));
    }
    return true;
  }
}

/** The reason with the notification as it went out: a hard reset keeps nothing on our side either (RFC 8538 §4). */
function asSent(reason: DownReason, negotiated: Negotiated): DownReason {
  return reason.kind === 'sent' ? { ...reason, notification: asTold(reason.notification, negotiated) } : reason;
}
