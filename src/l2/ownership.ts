/**
 * Who answers for an address. At most one node does at any instant; this is why.
 *
 * What is written. Every node has a session Lease, every group of addresses an ownership Lease, all changed by
 * compare-and-swap only. A session has an id that is never used again once the session is over. An ownership says by
 * which session it is held, and lists addresses. The store's view that a node has is a prefix of all writes: it may be
 * late, but it shows nothing without all that was written before.
 *
 * 1. A session that is over is silent for ever. Its node answers up to `durationMs` after the moment before it sent the
 *    last renewal that was taken (own-session.ts), by CLOCK_BOOTTIME, tested on every frame. Another node ends it
 *    (lease-standing.ts, `outlast` in group-claims.ts) by compare-and-swap on a version that it saw appear at least
 *    that long ago, which was after the renewal was sent; so when the end is taken the deadline has passed, and no
 *    renewal can be taken any more. A node that ends its own has fallen silent before; one whose Lease was removed goes
 *    on with it only before its deadline.
 * 2. An ownership changes hands only when its holder's session is over, or its holder let go of it. The holder falls
 *    silent for what it takes off the list, or lets go of, before it writes so, and remains so until that write is
 *    known to have been taken or to be impossible (`certain`): until the version it was based on is gone.
 * 3. A process that comes back in time goes on with the session of the one before, whose last writes may still be under
 *    way. It looks at ownerships only after the view shows its own renewal. What was let go of by another process than
 *    the one that runs the session by then does not count; only the session's node settles it.
 *    So by 1-3 one session answers for what one Lease lists.
 * 4. An address that two Leases list, since nodes saw groups merge, split or change their names at different times. A
 *    holder answers for it only once it has seen, in a view that shows its own Lease with the address, no other Lease
 *    that lists it and is held by somebody else. Of two who wrote, the later sees what the earlier one wrote. Should
 *    both wait for each other, both stop when the nodes agree on the groups again: one of the two no longer wants it.
 *
 * While the store is out of reach an owner may hold on beyond its session, by `answers.ts`: what that rests on is the
 * wire. Whoever ends another's session announces itself before it answers, and so does its next process, since the
 * Lease says so (`loud`); who hears that stops at once. Who cannot hear it cannot be heard either, and must not be when
 * that changes: before its session is over, and while it holds on, it sees to it that it hears somebody (`wires.ts`) or
 * falls silent, and then asks before it answers again: a node that was cut off comes back silent. Two answer, for as
 * long as one takes to hear the other, only where frames were lost, or where two parts of a network become one.
 *
 * An owner that is well is never replaced. A node counts as gone only by what was seen while the store answered.
 */

import type { OwnedRow } from './address-table.ts';
import { Answers, type Frame, sameRows } from './answers.ts';
import { type Claimant, GroupClaims } from './group-claims.ts';
import { type LeaseContent, Session } from './lease-record.ts';
import { LeaseStanding } from './lease-standing.ts';
import { LeaseView, type Write } from './lease-view.ts';
import { OwnSession, type SessionPut } from './own-session.ts';
import type {
  Neighbour,
  OwnershipConfig,
  OwnershipEffect,
  OwnershipEvent,
  OwnershipNote,
  OwnershipStatus,
  OwnershipTimes,
} from './ownership-event.ts';

/** Before the session runs out by so much, or by this share of it, addresses are held without the store. */
const HOLD_AHEAD_MS = 500;
const HOLD_AHEAD_SHARE = 0.25;

/** One node's part. All times are CLOCK_BOOTTIME in ms. */
export class AddressOwnership implements Claimant {
  readonly #config: OwnershipConfig;
  #times: OwnershipTimes;
  #neighbours: readonly Neighbour[] = [];
  readonly #view = new LeaseView();
  readonly #session: OwnSession;
  readonly #standing: LeaseStanding;
  readonly #claims: GroupClaims;
  readonly #answers: Answers;
  readonly #wakes = new Map<string, number>();
  #considering = '';
  #nowMs: number;
  #request = 0;
  #hasView = false;
  #hasGroups = false;
  /** Rows that a former process left are ours to replace. */
  #settled = false;
  #troubled = true;
  #wasLive = false;
  #left = false;
  /** All have to be looked at again. */
  #all = false;
  #changed = new Set<string>();
  #rows: readonly OwnedRow[] = [];
  #ownSaid = false;
  #deadlines = { sessionMs: 0, holdMs: 0 };
  #caps: OwnershipEffect[] = [];
  #puts: OwnershipEffect[] = [];
  #notes: OwnershipEffect[] = [];

  constructor(config: OwnershipConfig, nowMs: number) {
    this.#config = config;
    this.#times = config.times;
    this.#nowMs = nowMs;
    this.#session = new OwnSession(config);
    this.#standing = new LeaseStanding(this.#view, config.times.sessionMs);
    this.#claims = new GroupClaims(config, this.#view, this.#standing, this.#session);
    this.#answers = new Answers(config.garpIntervalMs, lease => this.#claims.turn(lease), this);
  }

  /** Takes an event; what is to be done, in order. */
  step(event: OwnershipEvent, nowMs: number): readonly OwnershipEffect[] {
    // A process that stood still has an old view, whatever the time is.
    if (nowMs - this.#nowMs > this.#times.sessionMs / 2 && !this.#troubled) this.#standing.healthySinceMs = nowMs;
    this.#nowMs = nowMs;
    if (this.#left) return [];
    this.#take(event);
    this.#renew();
    this.#judgeHold();
    if (this.#considerAll())
      this.#answers.sync(this.#claims.holdings.values(), text => this.#claims.placeOf(text), nowMs);
    return this.#effects();
  }

  /** When to call `step` with a tick at the latest. */
  get nextMs(): number {
    if (this.#left || !this.#hasView) return Number.POSITIVE_INFINITY;
    let next = Math.min(this.#session.nextMs(this.#view, this.#nowMs), this.#answers.nextMs(this.#nowMs));
    for (const atMs of this.#wakes.values()) next = Math.min(next, atMs);
    if (this.#mayHold) next = Math.min(next, this.#holdAtMs);
    return next;
  }

  /** Whether addresses are held without the store. */
  get holding(): boolean {
    return this.#answers.holding;
  }

  /** Up to when this node answers by its session. */
  get sessionMs(): number {
    return this.#session.deadlineMs;
  }

  /** What stands about every group. */
  status(): readonly OwnershipStatus[] {
    return [...this.#claims.names()].flatMap(lease => {
      const reason = this.#claims.reason(lease);
      const record = this.#standing.record(lease);
      const holder = record === undefined || record.released ? '' : record.node;
      return reason === undefined ? [] : [{ lease, reason, holder, sinceMs: this.#answers.sinceMs(lease) }];
    });
  }

  // What the claims want.

  put(name: string, { content, base }: SessionPut): void {
    const request = this.#sent(name, base, content);
    this.#puts.push({ kind: 'put', request, lease: content, resourceVersion: base });
  }

  remove(name: string, version: string): void {
    this.#puts.push({ kind: 'remove', request: this.#sent(name, version, undefined), name, resourceVersion: version });
  }

  note(note: OwnershipNote): void {
    this.#notes.push({ kind: 'note', note });
  }

  wake(atMs: number): void {
    const name = this.#considering;
    if (name !== '') this.#wakes.set(name, Math.min(this.#wakes.get(name) ?? atMs, atMs));
  }

  #sent(name: string, base: string | undefined, content: LeaseContent | undefined): number {
    const request = ++this.#request;
    this.#view.sent({ request, name, base, content, sentMs: this.#nowMs });
    this.wake(this.#nowMs + this.#times.renewMs);
    return request;
  }

  // Events.

  #take(event: OwnershipEvent): void {
    switch (event.kind) {
      case 'leases':
        this.#hasView = true;
        this.#see(this.#view.see(event.leases, this.#nowMs));
        return;
      case 'groups':
        this.#hasGroups = true;
        this.#claims.setGroups(event.groups);
        this.#all = true;
        return;
      case 'links':
        this.#neighbours = event.links.flatMap(({ neighbours = [] }) => neighbours);
        this.#answers.setLinks(event.links);
        return;
      case 'told':
        this.#session.tell(event.annotations);
        return;
      case 'times':
        this.#times = event.times;
        this.#claims.times = event.times;
        this.#standing.sessionMs = event.times.sessionMs;
        this.#session.retime(event.times);
        return;
      case 'written':
      case 'conflict':
      case 'failed':
        this.#result(event);
        return;
      case 'found':
        this.#ended('written', this.#view.found(event.lease, this.#nowMs));
        return;
      case 'heard':
        this.#answers.heard(event.heard, this.#nowMs);
        this.note({ what: 'conflict', heard: event.heard });
        return;
      case 'wires':
        this.#answers.wires(event.wires, this.#nowMs);
        return;
      case 'leave':
      case 'restart':
        this.#leave(event.kind);
        return;
      case 'tick':
        return;
    }
  }

  #see(changed: ReadonlySet<string>): void {
    for (const name of changed) {
      this.#standing.index(name);
      this.#changed.add(name);
      if (name === this.#session.name) this.#look();
      // Another node's: all may be different when it is another one, but not when it was renewed.
      else if (name.startsWith(Session.nameOf(''))) this.#all = this.#standing.isNews(name) || this.#all;
    }
  }

  #look(): void {
    const confirmed = this.#session.confirmed;
    const outcome = this.#session.look(this.#view, this.#nowMs);
    if (outcome !== 'same') {
      if (outcome === 'lost') this.note({ what: 'session-lost' });
      this.#dropAll();
      this.#settled = true;
      if (this.#session.phase === 'gone') this.#end(outcome === 'left');
    }
    if (this.#session.confirmed !== confirmed) this.#all = true;
  }

  #dropAll(): void {
    this.#claims.drop(note => this.note(note));
    this.#answers.clear();
    this.#all = true;
  }

  #result(event: OwnershipEvent & { readonly request: number }): void {
    const { request } = event;
    const write =
      event.kind === 'written'
        ? this.#view.written(request, event.resourceVersion, this.#nowMs)
        : event.kind === 'conflict'
          ? this.#view.conflict(request)
          : this.#view.failed(request);
    this.#ended(event.kind, write);
  }

  #ended(how: OwnershipEvent['kind'], write: Write | undefined): void {
    if (write === undefined) return;
    this.#see(new Set([write.name]));
    if (write.name !== this.#session.name) return;
    if (how === 'failed') {
      this.#session.failed(this.#nowMs);
      this.#trouble();
    } else if (how === 'conflict') this.#session.retry();
    else {
      const restarting = this.#session.phase === 'restarting';
      const left = this.#session.written(write, this.#nowMs);
      this.#recover();
      if (left) this.#end(true, restarting);
    }
  }

  #trouble(): void {
    if (!this.#troubled) this.note({ what: 'store-lost' });
    this.#troubled = true;
    this.#standing.healthySinceMs = Number.POSITIVE_INFINITY;
  }

  #recover(): void {
    if (!this.#troubled) return;
    this.#troubled = false;
    this.#standing.healthySinceMs = this.#nowMs;
    this.#all = true;
    this.note({ what: 'store-back' });
  }

  #leave(how: 'leave' | 'restart'): void {
    const restarts = how === 'restart' && this.#config.restartGraceMs > 0;
    if (!restarts) {
      this.#dropAll();
      this.#settled = true;
    }
    this.#session.leave(restarts ? 'restarting' : 'leaving');
    if (this.#session.phase === 'gone') this.#end(true);
  }

  #end(clean: boolean, keepsRows = false): void {
    if (!keepsRows) this.#dropAll();
    this.#left = true;
    this.#notes.push({ kind: 'left', clean });
  }

  // What follows from them.

  #renew(): void {
    if (!this.#hasView || this.#left) return;
    const doubtful = this.#view.doubts(this.#session.name).size > 0;
    const begun = this.#session.id;
    if (this.#session.asks(this.#view, this.#nowMs)) this.#puts.push({ kind: 'read', name: this.#session.name });
    const due = this.#session.due(this.#view, this.#nowMs);
    if (due === undefined) return;
    // The renewal before has had no answer for as long as one may take.
    if (doubtful) this.#trouble();
    if (due.capMs !== undefined) this.#caps.push({ kind: 'cap', sessionMs: due.capMs });
    if (due.capMs === 0) this.#settled = true;
    if (begun !== this.#session.id) this.note({ what: 'session-begun' });
    this.#considering = '';
    this.put(this.#session.name, due);
  }

  /** Rows are held only by who had them by a session that it did not lose. */
  get #mayHold(): boolean {
    const { phase, deadlineMs, confirmed } = this.#session;
    return this.#config.storeLoss === 'hold' && phase !== 'gone' && confirmed && deadlineMs > 0 && !this.holding;
  }

  get #holdAtMs(): number {
    const { sessionMs } = this.#times;
    return this.#session.deadlineMs - Math.min(HOLD_AHEAD_MS, sessionMs * HOLD_AHEAD_SHARE);
  }

  #judgeHold(): void {
    if (this.#mayHold && this.#nowMs >= this.#holdAtMs) {
      const { deadlineMs } = this.#session;
      const present = this.#standing.present(this.#neighbours, deadlineMs - 2 * this.#times.sessionMs);
      this.#answers.hold(deadlineMs, node => present.has(node), this.#nowMs);
      this.#all = true;
    } else if (this.holding && this.#nowMs < this.#holdAtMs) {
      this.#answers.unhold(this.#nowMs);
      this.#all = true;
    }
    const live = this.#session.isLive(this.#nowMs) && !this.holding;
    if (live !== this.#wasLive) this.#all = true;
    this.#wasLive = live;
  }

  /** Whether there was anything to look at. */
  #considerAll(): boolean {
    if (!this.#hasView || !this.#hasGroups || this.#left) return false;
    const act = this.#wasLive && this.#session.phase === 'running';
    const names = this.#all ? new Set([...this.#claims.names(), ...this.#changed]) : new Set(this.#changed);
    for (const [name, atMs] of this.#wakes) if (atMs <= this.#nowMs) names.add(name);
    const { waiting } = this.#claims;
    // Those that wait come last: what they wait for may be among the others.
    for (const name of names.size === 0 ? names : [...names.difference(waiting), ...waiting]) {
      this.#wakes.delete(name);
      if (name.startsWith(Session.nameOf(''))) continue;
      this.#considering = name;
      this.#claims.consider(name, this.#nowMs, act, this);
    }
    this.#considering = '';
    if (this.#session.confirmed) this.#settled = true;
    this.#all = false;
    this.#changed = new Set();
    return names.size > 0;
  }

  /** What falls silent comes first, then until when, then what is said to others. */
  #effects(): readonly OwnershipEffect[] {
    const frames: readonly Frame[] = this.#answers.due(this.#nowMs);
    const effects: OwnershipEffect[] = [...this.#caps];
    const rows = this.#answers.rows(this.#nowMs);
    const next = { sessionMs: this.#session.deadlineMs, holdMs: this.#answers.holdMs };
    const said = this.#deadlines;
    const isOwn = this.#settled && !(this.#ownSaid && sameRows(rows, this.#rows));
    if (isOwn) {
      // Rows that begin to be held must find their deadline there; those that no longer are must not.
      if (next.holdMs > said.holdMs && !this.#rows.some(row => row.mode === 'hold'))
        this.#say(effects, { ...said, holdMs: next.holdMs });
      effects.push({ kind: 'own', rows });
      this.#rows = rows;
      this.#ownSaid = true;
    }
    if (this.#settled || next.sessionMs > 0) this.#say(effects, next);
    for (const { link, frame } of frames) effects.push({ kind: 'send', link, frame });
    effects.push(...this.#puts, ...this.#notes);
    this.#caps = [];
    this.#puts = [];
    this.#notes = [];
    return effects;
  }

  #say(effects: OwnershipEffect[], deadlines: { readonly sessionMs: number; readonly holdMs: number }): void {
    const said = this.#deadlines;
    if (deadlines.sessionMs === said.sessionMs && deadlines.holdMs === said.holdMs) return;
    this.#deadlines = deadlines;
    effects.push({ kind: 'deadlines', deadlines });
  }
}
