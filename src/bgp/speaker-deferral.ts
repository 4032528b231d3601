/**
 * The restarting speaker's patience (RFC 4724 §4.1): after a restart a family is told to nobody until the peers that
 * keep our routes have told theirs, or show that they will not, or time is up. Peers from which nothing is accepted
 * are not waited for.
 */
import type { PeerConfig } from './config.ts';
import type { Family } from './family.ts';
import type { Negotiated } from './session-negotiate.ts';

export class Deferral {
  readonly #awaited = new Map<Family, Set<string>>();
  #untilMs: number;
  readonly #release: (family: Family) => void;

  /** `release` is called once for each family in the end. Families nobody is awaited for are not deferred at all. */
  constructor(peers: readonly PeerConfig[], nowMs: number, release: (family: Family) => void) {
    this.#release = release;
    this.#untilMs = nowMs;
    for (const peer of peers) {
      if (peer.gracefulRestart === undefined || peer.shutdown !== undefined || peer.remote.kind === 'range') continue;
      if (peer.import.otherwise === 'reject' && peer.import.statements.every(each => each.action === 'reject'))
        continue;
      this.#untilMs = Math.max(this.#untilMs, nowMs + peer.gracefulRestart.restartMs);
      for (const { family } of peer.families)
        this.#awaited.set(family, (this.#awaited.get(family) ?? new Set()).add(peer.key));
    }
  }

  get families(): readonly Family[] {
    return [...this.#awaited.keys()];
  }

  /** Infinity: nothing is deferred. */
  get deadlineMs(): number {
    return this.#awaited.size === 0 ? Number.POSITIVE_INFINITY : this.#untilMs;
  }

  /** A peer without graceful restart sends no End-of-RIB to count on; one that restarts itself waits for ours. */
  up(peer: string, negotiated: Negotiated): void {
    const restart = negotiated.gracefulRestart;
    const waits = restart === undefined || restart.restarting;
    for (const family of this.families) if (waits || !negotiated.families.includes(family)) this.told(peer, family);
  }

  /** End-of-RIB, or as good as. */
  told(peer: string, family: Family): void {
    const peers = this.#awaited.get(family);
    peers?.delete(peer);
    if (peers?.size === 0) this.#end(family);
  }

  /** The peer is configured no more. */
  removed(peer: string): void {
    for (const family of this.families) this.told(peer, family);
  }

  tick(nowMs: number): void {
    if (nowMs >= this.#untilMs) for (const family of this.families) this.#end(family);
  }

  #end(family: Family): void {
    this.#awaited.delete(family);
    this.#release(family);
  }
}
