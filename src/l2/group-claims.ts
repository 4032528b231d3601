/**
 * What to do about each group of addresses, by what is believed of the Leases: take it, keep it and say for which
 * addresses, let go of it, end the session of a holder that is gone, clear away what nobody needs. The rules that are
 * numbered are those of the argument in ownership.ts.
 */
import type { IpAddress } from '../net/ip.ts';
import { textOf, textsOf } from './address-text.ts';
import { Ownership, type OwnOwnership, Session } from './lease-record.ts';
import type { LeaseStanding, Standing } from './lease-standing.ts';
import type { LeaseView } from './lease-view.ts';
import type { OwnSession, SessionPut } from './own-session.ts';
import type { L2Group, OwnershipConfig, OwnershipNote, OwnershipReason, OwnershipTimes } from './ownership-event.ts';
import { Turns } from './turns.ts';

/** Between the turns of candidates that would all take the same group. */
const TURN_MS = 100;
/** Between the turns of nodes that would all end the same session. */
const END_TURN_MS = 30;
/** What was let go is cleared away after this long by who let go of it, or by anybody after twice that. */
const CLEAR_MS = 20_000;

/** A group that is ours by its Lease. */
export interface Holding {
  readonly lease: string;
  /** Nobody who answered before can still do so, not even by short deadlines of its own. */
  readonly quiet: boolean;
  /** In their text: those that no other Lease stood against once the view had caught up with ours (rule 4). */
  readonly cleared: Set<string>;
  /** In their text: those that somebody may still be answering for by short deadlines, whatever `quiet` says. */
  readonly loud: Set<string>;
  /** In their text: those that a former process of this node had, and had no need to announce first. */
  readonly adopted: readonly string[];
  /** In their text: those to answer for now. */
  readonly answering: Set<string>;
}

/** An address in its group. */
export interface Place {
  readonly lease: string;
  readonly address: IpAddress;
  readonly links: readonly number[];
}

export interface Claimant {
  put(name: string, put: SessionPut): void;
  remove(name: string, version: string): void;
  note(note: OwnershipNote): void;
  /** Come back then. */
  wake(atMs: number): void;
}

export class GroupClaims {
  readonly #config: OwnershipConfig;
  readonly #view: LeaseView;
  readonly #standing: LeaseStanding;
  readonly #session: OwnSession;
  readonly #turns: Turns;
  readonly #holdings = new Map<string, Holding>();
  /** Group by name, and name of the group by address. */
  #groups: ReadonlyMap<string, L2Group> = new Map();
  #places: ReadonlyMap<string, Place> = new Map();
  /** All candidates there are, which take turns in ending sessions. */
  #everybody: readonly string[] = [];
  readonly #freeSince = new Map<string, number>();
  /** What a take that is under way found. */
  readonly #takes = new Map<string, { readonly quiet: boolean; readonly reason: OwnershipReason }>();
  readonly #reasons = new Map<string, OwnershipReason>();
  readonly #waiting = new Set<string>();
  #beat = 0;
  times: OwnershipTimes;

  constructor(config: OwnershipConfig, view: LeaseView, standing: LeaseStanding, session: OwnSession) {
    this.#config = config;
    this.#view = view;
    this.#standing = standing;
    this.#session = session;
    this.#turns = new Turns(config.node, standing);
    this.times = config.times;
  }

  get holdings(): ReadonlyMap<string, Holding> {
    return this.#holdings;
  }

  reason(name: string): OwnershipReason {
    return this.#reasons.get(name) ?? 'waiting-for-view';
  }

  /** Where an address is to be answered for, by its text. */
  placeOf(text: string): Place | undefined {
    return this.#places.get(text);
  }

  setGroups(groups: readonly L2Group[]): void {
    this.#groups = new Map(groups.map(group => [group.lease, group]));
    const places = new Map<string, Place>();
    for (const { lease, addresses } of groups)
      for (const { address, links } of addresses) places.set(textOf(address), { lease, address, links });
    this.#places = places;
    const lists = new Set(groups.map(({ candidates }) => candidates));
    this.#everybody = [...new Set([...lists].flat())].sort();
    for (const name of this.#reasons.keys()) if (!this.#groups.has(name)) this.#reasons.delete(name);
  }

  /** Names of all groups and all Leases of ownership. */
  names(): ReadonlySet<string> {
    return new Set([...this.#groups.keys(), ...this.#standing.names()]);
  }

  /** How many of the candidates for a group come before this node. */
  turn(lease: string): number {
    return this.#turns.before(lease, this.#groups.get(lease)?.candidates ?? []).length;
  }

  /** Those that wait for something that other Leases say. */
  get waiting(): ReadonlySet<string> {
    return this.#waiting;
  }

  /** Everything is lost: the session ended. */
  drop(note: (note: OwnershipNote) => void): void {
    for (const lease of this.#holdings.keys()) note({ what: 'lost', lease, reason: 'no-session' });
    this.#holdings.clear();
    this.#takes.clear();
  }

  /** Looks at one group or Lease; `act`: whether writes may be wanted at all. */
  consider(name: string, nowMs: number, act: boolean, claimant: Claimant): void {
    this.#waiting.delete(name);
    const reason = this.#consider(name, nowMs, act, claimant);
    if (reason === undefined) this.#reasons.delete(name);
    else this.#reasons.set(name, reason);
    if (reason === 'address-held') this.#waiting.add(name);
  }

  #consider(name: string, nowMs: number, act: boolean, claimant: Claimant): OwnershipReason | undefined {
    const record = this.#standing.record(name);
    const group = this.#groups.get(name);
    if (record !== undefined && this.#isOurs(record)) return this.#keep(name, record, group, nowMs, act, claimant);
    if (this.#holdings.delete(name) && record?.released !== true)
      claimant.note({ what: 'lost', lease: name, reason: 'held-by-other' });
    const { outdated, version } = this.#view.get(name);
    if (!act || !this.#session.isLive(nowMs)) return group && 'no-session';
    if (outdated) return group && 'waiting-for-view';
    if (this.#view.isAwaited(name, nowMs - this.times.renewMs)) {
      claimant.wake(nowMs + this.times.renewMs);
      return group && 'taking';
    }
    const limbo = record !== undefined && this.#standing.isLimbo(record) && record.node === this.#config.node;
    // Rule 3: what the process before let go of counts once this one says so too, or takes it back.
    if (limbo && group?.eligible !== true) {
      this.#write(name, this.#released(record, name, group, nowMs), claimant);
      return 'waiting-for-view';
    }
    if (group === undefined) {
      this.#clear(name, record, version, nowMs, claimant);
      return undefined;
    }
    if (!group.eligible || group.addresses.length === 0) return 'not-eligible';
    return this.#claim(name, record, group, limbo, nowMs, claimant);
  }

  /** A group that is not ours, and that we would answer for. */
  #claim(
    name: string,
    record: Ownership | undefined,
    group: L2Group,
    limbo: boolean,
    nowMs: number,
    claimant: Claimant,
  ): OwnershipReason {
    const standing: Standing =
      record === undefined || limbo ? { is: 'free', quiet: true } : this.#standing.standing(record, name, nowMs);
    if (standing.is === 'held') {
      this.#freeSince.delete(name);
      this.#outlast(standing, nowMs, claimant);
      return standing.foreign ? 'held-by-foreign' : 'held-by-other';
    }
    const texts = textsOf(group);
    const others = texts.flatMap(text => this.#standing.others(text, name));
    const ours = others.some(other => this.#isOurs(other.record));
    const against = others.filter(({ record: each }) => !this.#isOfSession(each));
    const held = against
      .map(each => this.#standing.standing(each.record, each.name, nowMs))
      .filter(each => each.is === 'held');
    for (const each of held) this.#outlast(each, nowMs, claimant);
    if (held.length > 0 && !ours) {
      this.#freeSince.delete(name);
      if (limbo && record !== undefined) this.#write(name, this.#released(record, name, group, nowMs), claimant);
      return 'address-held';
    }
    const sinceMs = this.#freeSince.get(name) ?? nowMs;
    this.#freeSince.set(name, sinceMs);
    const preferred = record?.released === true ? record.preferred : '';
    const mine = ours || limbo || preferred === this.#config.node;
    const turn = mine ? 0 : this.#turns.turn(name, group.candidates, nowMs, preferred);
    if (nowMs < sinceMs + turn * TURN_MS) {
      claimant.wake(sinceMs + turn * TURN_MS);
      return 'not-our-turn';
    }
    const quiet = standing.quiet && against.every(each => this.#standing.isQuiet(each.record));
    const reason =
      mine && preferred !== '' ? 'preferred' : record === undefined || record.released ? 'was-free' : 'holder-gone';
    this.#takes.set(name, { quiet, reason });
    const loud = !quiet || this.#standing.isAnyoneCutOff;
    this.#write(name, { ...this.#ownership(), loud, addresses: texts }, claimant);
    return 'taking';
  }

  /** A group whose Lease is ours: what to answer for, what the Lease ought to list, whether to let go. */
  #keep(
    name: string,
    record: Ownership,
    group: L2Group | undefined,
    nowMs: number,
    act: boolean,
    claimant: Claimant,
  ): OwnershipReason | undefined {
    this.#freeSince.delete(name);
    const { seen, version, outdated } = this.#view.get(name);
    const wanted = this.#wanted(name, record, group);
    if (wanted.some(text => this.#places.get(text)?.lease !== name)) this.#waiting.add(name);
    const holding = this.#holdings.get(name) ?? this.#begin(name, record, claimant);
    const certain = this.#certain(name, record);
    for (const text of holding.cleared) if (!certain.has(text)) holding.cleared.delete(text);
    let isHeld = false;
    if (seen && this.#session.confirmed)
      for (const text of certain) {
        if (holding.cleared.has(text)) continue;
        // Rule 4.
        const against = this.#standing.others(text, name).filter(other => !this.#isOfSession(other.record));
        const held = against
          .map(other => this.#standing.standing(other.record, other.name, nowMs))
          .filter(each => each.is === 'held');
        // Whoever had it in between need not have said so before he let go of it.
        const mayBeHeld = this.#standing.isAnyoneCutOff && !holding.adopted.includes(text);
        const loud = mayBeHeld || against.some(other => !this.#standing.isQuiet(other.record));
        if (loud) holding.loud.add(text);
        if (held.length > 0) isHeld = true;
        // Our next process is to know, should this one not come to announce itself.
        else if (!loud || record.loud) holding.cleared.add(text);
        if (act) for (const each of held) this.#outlast(each, nowMs, claimant);
      }
    const loud = record.loud || holding.loud.size > 0;
    const listed =
      loud === record.loud &&
      wanted.length === record.addresses.length &&
      wanted.every((text, i) => text === record.addresses[i]);
    holding.answering.clear();
    for (const text of wanted) if (holding.cleared.has(text)) holding.answering.add(text);
    const mayWrite = act && !outdated && this.#session.isLive(nowMs);
    if (listed && version !== undefined && this.#view.doubts(name).size === 0)
      return holding.answering.size < wanted.length ? (isHeld ? 'address-held' : 'waiting-for-view') : 'owner';
    if (this.#view.isAwaited(name, nowMs - this.times.renewMs)) claimant.wake(nowMs + this.times.renewMs);
    else if (mayWrite) {
      const release = wanted.length === 0;
      if (release)
        claimant.note({ what: 'released', lease: name, reason: group === undefined ? 'unwanted' : 'not-eligible' });
      const next = release
        ? this.#released(record, name, group, nowMs)
        : { ...this.#ownership(), loud, addresses: wanted };
      this.#write(name, next, claimant);
    }
    return wanted.length === 0 ? group && 'not-eligible' : 'waiting-for-view';
  }

  #begin(name: string, record: Ownership, claimant: Claimant): Holding {
    const taken = this.#takes.get(name);
    this.#takes.delete(name);
    const adopted = record.instance !== this.#config.instance;
    const holding = {
      lease: name,
      quiet: adopted || taken?.quiet === true,
      // Whether the one before came to announce itself, nobody knows.
      adopted: adopted && !record.loud ? record.addresses : [],
      cleared: new Set<string>(),
      loud: new Set<string>(),
      answering: new Set<string>(),
    };
    this.#holdings.set(name, holding);
    claimant.note({ what: 'taken', lease: name, reason: adopted ? 'adopted' : (taken?.reason ?? 'was-free') });
    return holding;
  }

  /** Addresses that the Lease is to list: the group's, and of its former ones those that nobody took yet. */
  #wanted(name: string, record: Ownership, group: L2Group | undefined): readonly string[] {
    if (this.#session.phase === 'leaving') return [];
    const wanted = new Set(group?.eligible === true ? textsOf(group) : []);
    for (const text of record.addresses) if (!wanted.has(text) && this.#isKept(text, name)) wanted.add(text);
    return [...wanted].sort();
  }

  /** An address that is another group's by now is kept until that group's owner is about to answer for it. */
  #isKept(text: string, name: string): boolean {
    const next = this.#places.get(text)?.lease;
    if (next === undefined || next === name || this.#groups.get(next)?.eligible !== true) return false;
    const record = this.#standing.record(next);
    if (record === undefined || record.released) return true;
    if (this.#isOurs(record)) return this.#holdings.get(next)?.cleared.has(text) !== true;
    return !record.addresses.includes(text) || this.#standing.isOver(record.node, record.session);
  }

  /** What is ours whichever of the writes in doubt are done (rule 2). */
  #certain(name: string, record: Ownership): ReadonlySet<string> {
    const certain = new Set(record.addresses);
    for (const { content } of this.#view.doubts(name)) {
      const next = content && Ownership.read({ ...content, resourceVersion: '' });
      for (const text of certain)
        if (next === undefined || next.released || !next.addresses.includes(text)) certain.delete(text);
    }
    return certain;
  }

  /** Waits for the end of a holder that may be gone, and ends its session when the time has come (rule 1). */
  #outlast(standing: Standing & { is: 'held' }, nowMs: number, claimant: Claimant): void {
    const { node, untilMs, foreign } = standing;
    const name = Session.nameOf(node);
    const { lease, version, outdated } = this.#view.get(name);
    if (foreign || node === this.#config.node || outdated) {
      if (foreign) claimant.wake(untilMs);
      return;
    }
    const dueMs = nowMs < untilMs ? untilMs : untilMs + this.#turns.turn(name, this.#everybody, nowMs) * END_TURN_MS;
    if (nowMs < dueMs) {
      claimant.wake(dueMs);
      return;
    }
    if (this.#view.isAwaited(name, nowMs - this.times.renewMs)) {
      claimant.wake(nowMs + this.times.renewMs);
      return;
    }
    const seen = lease && Session.read(lease);
    const session = seen ?? { node, id: '', instance: '', durationMs: this.times.sessionMs };
    // What the node told stays: it may come back, and is asked for then where it was.
    const content = Session.write({ ...session, over: true, endedBy: this.#config.node }, 0, lease?.annotations);
    claimant.put(name, { content, base: version });
    claimant.note({ what: 'session-ended', node });
  }

  #clear(
    name: string,
    record: Ownership | undefined,
    version: string | undefined,
    nowMs: number,
    claimant: Claimant,
  ): void {
    const standing: Standing =
      record === undefined ? { is: 'free', quiet: true } : this.#standing.standing(record, name, nowMs);
    if (standing.is === 'held') {
      if (version === undefined) claimant.wake(standing.untilMs);
      return;
    }
    if (record === undefined || version === undefined) {
      this.#view.forget(name);
      this.#standing.index(name);
      return;
    }
    const { changedMs } = this.#view.get(name);
    const dueMs = changedMs + (record.node === this.#config.node ? CLEAR_MS : 2 * CLEAR_MS);
    if (nowMs < dueMs) claimant.wake(dueMs);
    else claimant.remove(name, version);
  }

  #released(record: Ownership, name: string, group: L2Group | undefined, nowMs: number): OwnOwnership {
    const order = group === undefined ? [] : this.#turns.order(name, group.candidates);
    const preferred = order.find(each => each !== this.#config.node && this.#standing.isAlive(each, nowMs)) ?? '';
    return { ...this.#ownership(), released: true, preferred, addresses: record.addresses };
  }

  #ownership(): OwnOwnership {
    const { node, instance } = this.#config;
    const session = this.#session.id ?? '';
    const { sessionMs: durationMs } = this.times;
    return { node, session, instance, released: false, loud: false, preferred: '', addresses: [], durationMs };
  }

  #write(name: string, next: OwnOwnership, claimant: Claimant): void {
    claimant.put(name, { content: Ownership.write(name, next, ++this.#beat), base: this.#view.get(name).version });
  }
  #isOurs(record: Ownership): boolean {
    return !record.released && this.#isOfSession(record);
  }

  /** Nobody but this node can be answering by it. */
  #isOfSession({ session }: Ownership): boolean {
    return session !== undefined && session === this.#session.id;
  }
}
