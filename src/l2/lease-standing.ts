/**
 * Who stands behind a Lease of ownership: whether anybody may be answering by it, until when that has to be assumed,
 * and which Leases list an address. Rules 1 and 3 of the argument in ownership.ts.
 */
import { Ownership, type SeenLease, Session } from './lease-record.ts';
import type { LeaseView } from './lease-view.ts';
import type { Neighbour } from './ownership-event.ts';

export type Standing =
  | { readonly is: 'free'; readonly quiet: boolean }
  /** `until`: when its holder counts as gone. */
  | { readonly is: 'held'; readonly untilMs: number; readonly node: string; readonly foreign: boolean };

export interface Listing {
  readonly name: string;
  readonly record: Ownership;
}

export class LeaseStanding {
  readonly #view: LeaseView;
  /** Names of Leases that list an address, and the other way around. */
  readonly #listed = new Map<string, Set<string>>();
  readonly #listing = new Map<string, readonly string[]>();
  /** Names of sessions that others ended. */
  readonly #cutOff = new Set<string>();
  /** What sessions said. */
  readonly #told = new Map<string, string>();
  /** Of a session whose Lease does not say. */
  sessionMs: number;
  /** Since when the store has answered without a break: only what was seen since then says that a node is gone. */
  healthySinceMs = Number.POSITIVE_INFINITY;

  constructor(view: LeaseView, sessionMs: number) {
    this.#view = view;
    this.sessionMs = sessionMs;
  }

  /** All Leases of ownership. */
  names(): Iterable<string> {
    return this.#listing.keys();
  }

  /** For a Lease that changed. */
  index(name: string): void {
    const record = this.record(name);
    for (const text of this.#listing.get(name) ?? []) {
      const names = this.#listed.get(text);
      names?.delete(name);
      if (names?.size === 0) this.#listed.delete(text);
    }
    if (record === undefined) {
      this.#listing.delete(name);
      return;
    }
    this.#listing.set(name, record.addresses);
    for (const text of record.addresses) this.#listed.set(text, (this.#listed.get(text) ?? new Set()).add(name));
  }

  /** Whether somebody may be answering by this Lease, which is not ours (rules 1 and 3). */
  standing(record: Ownership, name: string, nowMs: number): Standing {
    const { node, session } = record;
    if (session === undefined) {
      if (node === '') return { is: 'free', quiet: true };
      const untilMs = this.patience(this.#view.get(name).changedMs, record.durationMs);
      return nowMs >= untilMs ? { is: 'free', quiet: false } : { is: 'held', untilMs, node, foreign: true };
    }
    if (this.isOver(node, session)) return { is: 'free', quiet: this.isQuiet(record) };
    if (record.released && !this.isLimbo(record)) return { is: 'free', quiet: true };
    const { lease, changedMs, version } = this.#view.get(Session.nameOf(node));
    const { version: there, changedMs: goneMs } = this.#view.get(name);
    const durationMs = (lease && Session.read(lease)?.durationMs) ?? this.sessionMs;
    const untilMs = this.patience(changedMs, durationMs);
    // A Lease that somebody removed: its owner would have put it back long ago.
    if (there === undefined && version !== undefined && nowMs >= this.patience(goneMs, 2 * durationMs))
      return { is: 'free', quiet: false };
    return { is: 'held', untilMs, node, foreign: false };
  }

  /** Clocks of two nodes may differ by a hundredth in how fast they go. */
  patience(sinceMs: number, durationMs = this.sessionMs): number {
    return Math.max(sinceMs, this.healthySinceMs) + durationMs * 1.01 + 20;
  }

  /** Has a session that it seems to renew. */
  isAlive(node: string, nowMs: number): boolean {
    const { lease, version, changedMs } = this.#view.get(Session.nameOf(node));
    const session = lease && Session.read(lease);
    if (session === undefined || version === undefined || session.over) return false;
    return nowMs < this.patience(changedMs, session.durationMs);
  }

  /** Nodes of these whose session lasts: when any of them was renewed since then, only such. */
  present(neighbours: readonly Neighbour[], sinceMs: number): ReadonlySet<string> {
    const lasting = neighbours.flatMap(({ node }) => {
      const { lease, changedMs } = this.#view.get(Session.nameOf(node));
      const session = lease && Session.read(lease);
      return session === undefined || session.over ? [] : [{ node, changedMs }];
    });
    const renewed = lasting.filter(({ changedMs }) => changedMs >= sinceMs);
    return new Set((renewed.length > 0 ? renewed : lasting).map(({ node }) => node));
  }

  /** Whether there is a node whose session others ended: it may be holding what it had then. */
  get isAnyoneCutOff(): boolean {
    return this.#cutOff.size > 0;
  }

  /** For the Lease of a session that changed: whether it is another one, rather than only renewed. */
  isNews(name: string): boolean {
    const { lease, version } = this.#view.get(name);
    const session = lease && Session.read(lease);
    if (version !== undefined && lease !== undefined && Session.isCutOff(lease)) this.#cutOff.add(name);
    else this.#cutOff.delete(name);
    const text = session === undefined ? '' : `${session.id} ${session.instance} ${session.over} ${session.durationMs}`;
    const isNews = this.#told.get(name) !== text;
    this.#told.set(name, text);
    return isNews;
  }

  /** Other Leases that list an address. */
  others(text: string, name: string): readonly Listing[] {
    return [...(this.#listed.get(text) ?? [])].flatMap(other => {
      const record = other === name ? undefined : this.record(other);
      return record === undefined ? [] : [{ name: other, record }];
    });
  }

  record(name: string): Ownership | undefined {
    const { lease } = this.#view.get(name);
    return lease && recordOf(lease);
  }

  isOver(node: string, session: string | undefined): boolean {
    const { lease } = this.#view.get(Session.nameOf(node));
    const known = lease && Session.read(lease);
    return known !== undefined && session !== undefined && (known.over || known.id !== session);
  }

  /** Let go of by a process that no longer runs the session: its successor may not know (rule 3). */
  isLimbo(record: Ownership): boolean {
    const { lease } = this.#view.get(Session.nameOf(record.node));
    const session = lease && Session.read(lease);
    return record.released && session?.id === record.session && !session?.over && session?.instance !== record.instance;
  }

  /** The session's own node ended it, after it had fallen silent. */
  isQuiet(record: Ownership): boolean {
    const { lease } = this.#view.get(Session.nameOf(record.node));
    const session = lease && Session.read(lease);
    if (session?.id === record.session && session?.over) return session.endedBy === record.node;
    return record.released;
  }
}

const records = new WeakMap<SeenLease, Ownership>();

function recordOf(lease: SeenLease): Ownership | undefined {
  const known = records.get(lease) ?? Ownership.read(lease);
  if (known !== undefined) records.set(lease, known);
  return known;
}
