/**
 * What an established session does to the RIB: routes in, refreshes (RFC 2918, RFC 7313), limits, and what stays while
 * the peer restarts (RFC 4724 §4.2).
 */
import type { PeerConfig } from './config.ts';
import { Family } from './family.ts';
import { Notification } from './notification.ts';
import { afterReturn, familiesToKeep, type Kept } from './peer-restart.ts';
import type { Rib } from './rib.ts';
import type { PeerView, UpdateOutcome } from './rib-view.ts';
import { REFRESH_BEGIN, REFRESH_END, REFRESH_REQUEST, type RouteRefresh } from './route-refresh.ts';
import type { Negotiated } from './session-negotiate.ts';
import type { DownReason } from './speaker-effect.ts';

export class PeerRoutes {
  readonly slot: number;
  readonly #rib: Rib;
  /** Told whenever peers may have octets waiting that had none. */
  readonly #changed: () => void;
  #negotiated: Negotiated | undefined;
  #kept: Kept | undefined;
  /** Families whose initial table the peer has told to the end, in this session. */
  readonly #ended = new Set<Family>();

  constructor(rib: Rib, slot: number, changed: () => void) {
    this.#rib = rib;
    this.#changed = changed;
    this.slot = slot;
  }

  get stale(): readonly Family[] {
    return this.#kept?.families ?? [];
  }

  get endOfRib(): readonly Family[] {
    return [...this.#ended];
  }

  /** When kept routes are flushed; Infinity: none are. */
  get deadlineMs(): number {
    return this.#kept?.untilMs ?? Number.POSITIVE_INFINITY;
  }

  up(view: PeerView, negotiated: Negotiated, config: PeerConfig, nowMs: number): void {
    const { kept, flush } = afterReturn(this.#kept, negotiated, config.gracefulRestart, nowMs);
    for (const family of flush) this.#flush(family);
    this.#kept = kept;
    this.#negotiated = negotiated;
    this.#ended.clear();
    this.#rib.peerUp(this.slot, view);
  }

  down(reason: DownReason, nowMs: number): void {
    const negotiated = this.#negotiated;
    if (negotiated === undefined) return;
    // RFC 4724 §4.2: what was still stale from the restart before does not get a second life.
    this.flush();
    const families = familiesToKeep(negotiated, reason);
    this.#rib.peerDown(this.slot, families);
    this.#changed();
    this.#negotiated = undefined;
    const restartMs = negotiated.gracefulRestart?.restartMs ?? 0;
    this.#kept = families.length === 0 ? undefined : { families, untilMs: nowMs + restartMs };
  }

  /** Withdraws whatever is kept from before. */
  flush(): void {
    for (const family of this.stale) this.#flush(family);
    this.#kept = undefined;
  }

  #flush(family: Family): void {
    this.#rib.flushStale(this.slot, family);
    this.#changed();
  }

  tick(nowMs: number): void {
    if (nowMs >= this.deadlineMs) this.flush();
  }

  /** One UPDATE. Throws BgpError where the session has to end (RFC 7606). */
  update(bytes: Uint8Array, at: number, end: number): UpdateOutcome {
    const outcome = this.#rib.receiveUpdate(this.slot, bytes, at, end);
    // End-of-RIB alone changes nothing; a thousand sessions that begin would each make the speaker look at all.
    if (outcome.endOfRib === undefined) this.#changed();
    else this.#endOfRib(outcome.endOfRib);
    return outcome;
  }

  #endOfRib(family: Family): void {
    this.#ended.add(family);
    const kept = this.#kept;
    if (kept === undefined || !kept.families.includes(family)) return;
    this.#flush(family);
    const families = kept.families.filter(each => each !== family);
    this.#kept = families.length === 0 ? undefined : { ...kept, families };
  }

  /** Families that were not agreed on, and subtypes nobody knows, are ignored (RFC 2918 §4, RFC 7313 §5). */
  refresh({ afi, safi, subtype }: RouteRefresh): void {
    const family = Family.of(afi, safi);
    const negotiated = this.#negotiated;
    if (family === undefined || negotiated === undefined || !negotiated.families.includes(family)) return;
    this.#changed();
    if (subtype === REFRESH_REQUEST) this.#rib.refresh(this.slot, family);
    else if (!negotiated.enhancedRefresh) return;
    else if (subtype === REFRESH_BEGIN) this.#rib.refreshBegin(this.slot, family);
    else if (subtype === REFRESH_END) this.#rib.refreshEnd(this.slot, family);
  }

  /** RFC 4486 §4: the family and its limit, when the peer has told more prefixes than it may. */
  overLimit(
    config: PeerConfig,
  ): { readonly notification: Notification; readonly restartMs: number | undefined } | undefined {
    for (const { family, maxPrefixes } of config.families) {
      if (maxPrefixes === undefined || this.#rib.peerCounts(this.slot, family).received <= maxPrefixes.limit) continue;
      const { afi, safi } = Family.row(family);
      const { limit, restartMs } = maxPrefixes;
      const data = Uint8Array.of(afi >>> 8, afi, safi, limit >>> 24, limit >>> 16, limit >>> 8, limit);
      return { notification: Notification.of('maximum number of prefixes reached', data), restartMs };
    }
    return undefined;
  }

  /** Soft changes: nothing is reset. */
  setView(view: PeerView): void {
    this.#rib.setPeer(this.slot, view);
    this.#changed();
  }

  refreshOut(): void {
    for (const family of this.#negotiated?.families ?? []) this.#rib.refresh(this.slot, family);
    this.#changed();
  }

  get hasOutput(): boolean {
    return this.#negotiated !== undefined && this.#rib.hasOutput(this.slot);
  }

  /** Whole UPDATEs into `out` from `at` on. */
  pull(out: Uint8Array, at: number): number {
    return this.#negotiated === undefined ? 0 : this.#rib.pull(this.slot, out, at);
  }
}
