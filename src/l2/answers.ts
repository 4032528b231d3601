/**
 * The addresses that this node answers for: in which rows, announced when, and what keeps them alive while the store is
 * out of reach. Then a row counts by short deadlines that are put off all the time; it is given up when the wire
 * contradicts it, asks for its own address to hear that, and comes back only after nobody has answered for a while. On
 * a link that has gone silent (wires.ts) it does not count either.
 */
import { IpAddress } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import type { OwnedRow, Wire } from './address-table.ts';
import { arpProbe, gratuitousArp } from './arp.ts';
import type { Claimant, Holding, Place } from './group-claims.ts';
import { ndpQuestion, unsolicitedAdvertisement } from './ndp.ts';
import type { OwnershipLink } from './ownership-event.ts';
import type { Heard } from './responder.ts';
import { Schedule } from './schedule.ts';
import { Wires } from './wires.ts';

/** A taker says so this long before it answers, where somebody may still be holding the address. */
const ANNOUNCE_AHEAD_MS = 50;
/** How far the deadline of rows in mode `hold` is ahead, and how often it is put off. */
const HOLD_MS = 300;
const HOLD_ROLL_MS = 100;
/** As often while the session is about to end and it is not known yet whether the links lead anywhere. */
const HOLD_HASTE_MS = 20;
const ASK_MS = 200;
/** Without an answer for so long, an address that was given up is held again; one of several comes first. */
const QUIET_MS = 500;
const QUIET_TURN_MS = 300;
/** As much after the deadline passed because this process stood still: what was said meanwhile may be unheard. */
const RECHECK_MS = 120;
/** Another station that will not stop is contradicted no more often than this (RFC 5227 §2.4, DEFEND_INTERVAL). */
const DEFEND_MS = 10_000;

interface Answer {
  readonly address: IpAddress;
  lease: string;
  links: readonly number[];
  readonly sinceMs: number;
  /** From when on it is answered. */
  fromMs: number;
  schedule: Schedule;
  defendedMs: number;
}

interface Asking {
  /** Only heard until then; -Infinity: held; Infinity: no link is up. */
  quietUntilMs: number;
  askMs: number;
}

const FIRM = Number.NEGATIVE_INFINITY;

export interface Frame {
  readonly link: number;
  readonly frame: Uint8Array;
}

export class Answers {
  readonly #answers = new Map<string, Answer>();
  /** While the store is out of reach: by address. */
  #asking: Map<string, Asking> | undefined;
  #holdMs = 0;
  #rolledMs = 0;
  /** Not put off any further: the end of the session, until each link has carried something or is silent. */
  #boundMs = Number.POSITIVE_INFINITY;
  #links: readonly OwnershipLink[] = [];
  #macs: ReadonlyMap<number, Mac> = new Map();
  readonly #wires = new Wires();
  /** The deadline passed because this process stood still, and the links have not been looked at since. */
  #lapsed = false;
  /** Questions whether anybody is there. */
  #asked: Frame[] = [];
  #rows: readonly OwnedRow[] = [];
  /** When rows are others than these, unless something happens. */
  #rowsUntilMs = Number.NEGATIVE_INFINITY;
  readonly #garpIntervalMs: number;
  /** How many other nodes come before this one for an address. */
  readonly #turn: (lease: string) => number;
  readonly #claimant: Pick<Claimant, 'note'>;

  constructor(garpIntervalMs: number, turn: (lease: string) => number, claimant: Pick<Claimant, 'note'>) {
    this.#garpIntervalMs = garpIntervalMs;
    this.#turn = turn;
    this.#claimant = claimant;
  }

  get holding(): boolean {
    return this.#asking !== undefined;
  }

  get holdMs(): number {
    return this.#asking === undefined ? 0 : this.#holdMs;
  }

  get size(): number {
    return this.#answers.size;
  }

  sinceMs(lease: string): number | undefined {
    let sinceMs: number | undefined;
    for (const answer of this.#answers.values())
      if (answer.lease === lease) sinceMs = Math.min(sinceMs ?? answer.sinceMs, answer.sinceMs);
    return sinceMs;
  }

  setLinks(links: readonly OwnershipLink[]): void {
    this.#links = links;
    this.#macs = new Map(links.map(({ index, mac }) => [index, mac]));
    this.#wires.meet(links);
  }

  /** What is ours now. */
  sync(holdings: Iterable<Holding>, placeOf: (text: string) => Place | undefined, nowMs: number): void {
    this.#changed();
    const kept = new Set<string>();
    for (const { answering, lease, quiet, loud } of holdings)
      for (const text of answering) {
        const known = this.#answers.get(text);
        const wanted = placeOf(text);
        if (wanted === undefined || wanted.links.length === 0 || kept.has(text)) continue;
        kept.add(text);
        if (known !== undefined) this.#relink(known, lease, wanted.links, nowMs);
        else this.#begin(text, wanted.address, lease, wanted.links, quiet && !loud.has(text), nowMs);
      }
    for (const text of this.#answers.keys())
      if (!kept.has(text)) {
        this.#answers.delete(text);
        // Should its link come back, somebody else may have it by then.
        if (this.#asking?.has(text)) this.#asking.set(text, { quietUntilMs: Number.POSITIVE_INFINITY, askMs: 0 });
      }
  }

  clear(): void {
    this.#changed();
    this.#answers.clear();
    this.#asking = undefined;
    this.#wires.end();
  }

  /**
   * The store is out of reach. `sessionMs`: when the session runs out. Before that nobody else can have taken anything,
   * but after it somebody may, so what the links lead to has to be known by then, however late this process comes to
   * ask. `isThere`: whether a node was there before that.
   */
  hold(sessionMs: number, isThere: (node: string) => boolean, nowMs: number): void {
    const inTime = nowMs < sessionMs;
    this.#changed();
    this.#wires.begin(this.#links, isThere);
    this.#asking = new Map();
    this.#boundMs = inTime ? sessionMs : Number.POSITIVE_INFINITY;
    this.#putOff(nowMs);
    for (const [text, { fromMs, lease }] of this.#answers) {
      const quietUntilMs = inTime && nowMs >= fromMs ? FIRM : this.#quietUntil(lease, nowMs);
      this.#asking.set(text, { quietUntilMs, askMs: nowMs });
    }
    if (!inTime) this.#stoodStill(this.#answers.size, nowMs - sessionMs);
  }

  /** The store is back, and what is ours is ours. */
  unhold(nowMs: number): void {
    this.#changed();
    for (const [text, answer] of this.#answers)
      if ((this.#asking?.get(text)?.quietUntilMs ?? FIRM) !== FIRM) answer.schedule = Schedule.begin(nowMs);
    this.#asking = undefined;
    this.#wires.end();
  }

  /** What the links have carried, while addresses are held. */
  wires(wires: readonly Wire[], nowMs: number): void {
    if (this.#asking === undefined) return;
    const lapsed = this.#lapsed || nowMs >= this.#holdMs;
    const { ask, silent, back, isKnown } = this.#wires.look(wires, lapsed, nowMs);
    this.#lapsed = false;
    if (isKnown) this.#boundMs = Number.POSITIVE_INFINITY;
    for (const { link, neighbour } of ask) {
      const mac = this.#macs.get(link);
      if (mac !== undefined) this.#asked.push({ link, frame: question(mac, neighbour) });
    }
    for (const link of silent) this.#claimant.note({ what: 'link-silent', link });
    for (const link of back) {
      this.#claimant.note({ what: 'link-back', link });
      const announceMs = this.#wires.untilMs(link) - ANNOUNCE_AHEAD_MS;
      for (const [text, answer] of this.#answers) {
        const asking = this.#asking.get(text);
        if (!answer.links.includes(link) || asking === undefined) continue;
        asking.askMs = nowMs;
        answer.schedule = Schedule.begin(announceMs);
      }
    }
    if (silent.length + back.length > 0) this.#changed();
  }

  /** Another station spoke for one of the addresses. */
  heard({ address }: Heard, nowMs: number): void {
    this.#changed();
    const text = IpAddress.format(address);
    const answer = this.#answers.get(text);
    if (answer === undefined) return;
    const asking = this.#asking?.get(text);
    if (asking !== undefined) asking.quietUntilMs = this.#quietUntil(answer.lease, nowMs);
    else if (this.#asking === undefined && nowMs >= answer.fromMs && nowMs >= answer.defendedMs + DEFEND_MS) {
      answer.defendedMs = nowMs;
      answer.schedule = { ...answer.schedule, nextMs: nowMs };
    }
  }

  /** The same array while nothing is different. */
  rows(nowMs: number): readonly OwnedRow[] {
    if (nowMs < this.#rowsUntilMs) return this.#rows;
    const rows: OwnedRow[] = [];
    this.#rowsUntilMs = Number.POSITIVE_INFINITY;
    for (const [text, { address, links, fromMs }] of this.#answers) {
      const asking = this.#asking?.get(text);
      const firm = nowMs >= fromMs && (asking === undefined || asking.quietUntilMs === FIRM);
      const mode = !firm ? 'listen' : this.#asking === undefined ? 'session' : 'hold';
      for (const link of links) {
        const untilMs = this.#wires.untilMs(link);
        rows.push({ link, address, mode: nowMs < untilMs ? 'listen' : mode });
        if (untilMs > nowMs) this.#rowsUntilMs = Math.min(this.#rowsUntilMs, untilMs);
      }
      if (fromMs > nowMs) this.#rowsUntilMs = Math.min(this.#rowsUntilMs, fromMs);
    }
    this.#rows = rows;
    return rows;
  }

  /** Announcements and questions that are due; puts off what has to be. */
  due(nowMs: number): readonly Frame[] {
    const frames = this.#asked;
    this.#asked = [];
    if (this.#asking !== undefined) this.#roll(nowMs);
    for (const [text, answer] of this.#answers) {
      const asking = this.#asking?.get(text);
      const listens = asking !== undefined && asking.quietUntilMs !== FIRM;
      if (asking !== undefined && nowMs >= asking.askMs) {
        asking.askMs = nowMs + ASK_MS;
        this.#send(answer, frames, (mac, address) => [question(mac, address)]);
      }
      if (listens || nowMs < answer.schedule.nextMs) continue;
      const speaks = (link: number) => nowMs >= this.#wires.untilMs(link) - ANNOUNCE_AHEAD_MS;
      this.#send({ ...answer, links: answer.links.filter(speaks) }, frames, announcement);
      const ahead = nowMs < answer.fromMs;
      answer.schedule = ahead
        ? { sinceMs: nowMs, nextMs: Math.min(nowMs + ANNOUNCE_AHEAD_MS / 2, answer.fromMs) }
        : Schedule.after(answer.schedule, nowMs, this.#garpIntervalMs);
    }
    return frames;
  }

  nextMs(nowMs: number): number {
    const rollMs = this.#boundMs < this.#rolledMs + HOLD_MS ? HOLD_HASTE_MS : HOLD_ROLL_MS;
    let next = this.#asking === undefined ? Number.POSITIVE_INFINITY : this.#rolledMs + rollMs;
    if (this.#asking !== undefined && this.#rowsUntilMs > nowMs) next = Math.min(next, this.#rowsUntilMs);
    for (const [text, { fromMs, schedule }] of this.#answers) {
      const asking = this.#asking?.get(text);
      if (fromMs > nowMs) next = Math.min(next, fromMs);
      if (asking === undefined || asking.quietUntilMs === FIRM) next = Math.min(next, schedule.nextMs);
      if (asking === undefined) continue;
      next = Math.min(next, asking.askMs);
      if (asking.quietUntilMs !== FIRM) next = Math.min(next, asking.quietUntilMs);
    }
    return next;
  }

  #begin(
    text: string,
    address: IpAddress,
    lease: string,
    links: readonly number[],
    quiet: boolean,
    nowMs: number,
  ): void {
    const fromMs = quiet ? nowMs : nowMs + ANNOUNCE_AHEAD_MS;
    const schedule = Schedule.begin(nowMs);
    this.#answers.set(text, {
      address,
      lease,
      links,
      sinceMs: nowMs,
      fromMs,
      schedule,
      defendedMs: Number.NEGATIVE_INFINITY,
    });
    if (this.#asking !== undefined)
      this.#asking.set(text, { quietUntilMs: this.#quietUntil(lease, nowMs), askMs: nowMs });
  }

  #relink(answer: Answer, lease: string, links: readonly number[], nowMs: number): void {
    if (links.some(link => !answer.links.includes(link))) answer.schedule = Schedule.begin(nowMs);
    answer.links = links;
    answer.lease = lease;
  }

  /** Puts the deadline off; one that has passed was not put off in time, and what was said meanwhile may be unheard. */
  #roll(nowMs: number): void {
    this.#changed();
    const lapsed = nowMs >= this.#holdMs;
    this.#lapsed ||= lapsed;
    let silenced = 0;
    for (const [text, asking] of this.#asking ?? []) {
      const answer = this.#answers.get(text);
      if (answer === undefined) continue;
      if (asking.quietUntilMs === FIRM && lapsed) {
        silenced++;
        Object.assign(asking, { quietUntilMs: nowMs + RECHECK_MS, askMs: nowMs });
      } else if (asking.quietUntilMs !== FIRM && nowMs >= asking.quietUntilMs) {
        // Whoever comes back says so first, as a taker does.
        asking.quietUntilMs = FIRM;
        answer.fromMs = nowMs + ANNOUNCE_AHEAD_MS;
        answer.schedule = Schedule.begin(nowMs);
      }
    }
    this.#stoodStill(silenced, nowMs - this.#holdMs);
    this.#putOff(nowMs);
  }

  #stoodStill(addresses: number, lateMs: number): void {
    if (addresses > 0) this.#claimant.note({ what: 'stood-still', addresses, lateMs });
  }

  #putOff(nowMs: number): void {
    this.#rolledMs = nowMs;
    this.#holdMs = Math.min(nowMs + HOLD_MS, this.#boundMs);
  }

  #changed(): void {
    this.#rowsUntilMs = Number.NEGATIVE_INFINITY;
  }

  #quietUntil(lease: string, nowMs: number): number {
    return nowMs + QUIET_MS + this.#turn(lease) * QUIET_TURN_MS;
  }

  #send({ address, links }: Answer, out: Frame[], make: (mac: Mac, address: IpAddress) => readonly Uint8Array[]): void {
    for (const link of links) {
      const mac = this.#macs.get(link);
      if (mac !== undefined) for (const frame of make(mac, address)) out.push({ link, frame });
    }
  }
}

function question(mac: Mac, address: IpAddress): Uint8Array {
  return address.family === 'ipv4' ? arpProbe(mac, address) : ndpQuestion(mac, address);
}

function announcement(mac: Mac, address: IpAddress): readonly Uint8Array[] {
  return address.family === 'ipv4' ? gratuitousArp(mac, address) : [unsolicitedAdvertisement(mac, address)];
}

export function sameRows(a: readonly OwnedRow[], b: readonly OwnedRow[]): boolean {
  const same = (row: OwnedRow, other: OwnedRow | undefined) =>
    row.link === other?.link && row.mode === other.mode && row.address === other.address;
  return a === b || (a.length === b.length && a.every((row, i) => same(row, b[i])));
}
