/**
 * Leadership by a Lease (coordination.k8s.io/v1). Whether the leader is gone is judged by how long its Lease has not
 * been seen to change, by our own clock and never by the times written in it. A leader that cannot renew stops leading
 * before anybody else may begin, and one that leaves lets go, so that the next begins at once.
 */
import { Lease } from '../api/lease.ts';
import { ObjectRef, type RawObject } from '../api/object.ts';
import { type Campaign, type Clock, ConflictError, type Log } from '../runtime/ports.ts';

export interface CampaignTimes {
  readonly leaseMs: number;
  readonly renewMs: number;
  /** A leader that has not renewed for this long has stopped. Less than leaseMs, by what clocks may differ in speed. */
  readonly deadlineMs: number;
  readonly retryMs: number;
}

const defaults: CampaignTimes = { leaseMs: 15_000, renewMs: 5000, deadlineMs: 10_000, retryMs: 1000 };

export interface CampaignEnv {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** Tells this candidate from all others. */
  readonly identity: string;
  readonly ref: ObjectRef;
  read(): Promise<RawObject | undefined>;
  put(object: RawObject, version: string | undefined): Promise<string>;
  readonly times?: CampaignTimes;
}

/** The Lease as last seen. */
interface Seen {
  /** Undefined: there is none. */
  readonly version: string | undefined;
  readonly holder: string;
  readonly leaseMs: number;
  readonly transitions: number;
  readonly acquireMs: number | undefined;
  /** By our clock: when it was first seen like this. */
  readonly sinceMs: number;
}

export class LeaseCampaign implements Campaign {
  readonly #env: CampaignEnv;
  readonly #times: CampaignTimes;
  readonly #changed: () => void;
  #seen: Seen | undefined;
  /** From before the last renewal was sent. */
  #renewedMs = Number.NEGATIVE_INFINITY;
  #leading = false;
  #closed = false;
  #cancelLook = () => {};
  #cancelDeadline = () => {};
  #work: Promise<void> | undefined;

  constructor(env: CampaignEnv, changed: () => void) {
    this.#env = env;
    this.#times = env.times ?? defaults;
    this.#changed = changed;
  }

  get leading(): boolean {
    return this.#leading;
  }

  /** The Lease as a watch shows it; undefined: there is none. */
  observe(object: RawObject | undefined): void {
    const nowMs = this.#env.clock.nowMs();
    const seen = seenIn(object, nowMs);
    if (this.#seen !== undefined && this.#seen.version === seen.version) return;
    this.#seen = seen;
    if (this.#leading && seen.holder !== this.#env.identity) this.#lead(false);
    this.#lookAgain(this.#mayTakeMs(seen) - nowMs);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelLook();
    const wasLeading = this.#leading;
    this.#cancelDeadline();
    this.#leading = false;
    if (wasLeading) this.#work = (this.#work ?? Promise.resolve()).then(() => this.#release());
  }

  /** Resolves when nothing is under way any more. */
  async ended(): Promise<void> {
    await this.#work;
  }

  #mayTakeMs({ version, holder, leaseMs, sinceMs }: Seen): number {
    if (this.#leading) return this.#renewedMs + this.#times.renewMs;
    return version === undefined || holder === '' ? sinceMs : sinceMs + leaseMs;
  }

  #lookAgain(delayMs: number): void {
    if (this.#closed) return;
    this.#cancelLook();
    this.#cancelLook = this.#env.clock.after(Math.max(0, delayMs), () => {
      this.#work ??= this.#look().finally(() => {
        this.#work = undefined;
      });
    });
  }

  async #look(): Promise<void> {
    if (this.#closed || this.#seen === undefined) return;
    const { clock, log, random, identity } = this.#env;
    const startMs = clock.nowMs();
    const dueMs = this.#mayTakeMs(this.#seen);
    if (dueMs > startMs) return this.#lookAgain(dueMs - startMs);
    try {
      const version = await this.#env.put(this.#lease(identity, this.#seen), this.#seen.version);
      const spec = { holder: identity, leaseMs: this.#times.leaseMs, sinceMs: clock.nowMs() };
      this.#seen = { ...this.#seen, ...spec, version, acquireMs: this.#seen.acquireMs ?? clock.wallMs() };
      this.#renewedMs = startMs;
      this.#lead(true);
      this.#lookAgain(this.#times.renewMs - (clock.nowMs() - startMs));
    } catch (error) {
      if (!(error instanceof ConflictError))
        log.debug('lease not written', { lease: ObjectRef.format(this.#env.ref), error: String(error) });
      await this.#lookAt(error instanceof ConflictError);
      this.#lookAgain(this.#times.retryMs * (0.5 + random() / 2));
    }
  }

  /** After a conflict, what there is; the watch may be late, or out of step. */
  async #lookAt(isConflict: boolean): Promise<void> {
    if (!isConflict || this.#closed) return;
    try {
      this.observe(await this.#env.read());
    } catch {
      // Then it is tried again as it was.
    }
  }

  #lease(holderIdentity: string, seen: Seen): RawObject {
    const { clock, ref, identity } = this.#env;
    const wallMs = clock.wallMs();
    const isNew = seen.holder !== identity;
    const spec = Lease.specToRaw({
      holderIdentity,
      // Whoever lets go says so with the shortest lease there is.
      leaseDurationSeconds: holderIdentity === '' ? 1 : Math.round(this.#times.leaseMs / 1000),
      acquireMs: isNew ? wallMs : seen.acquireMs,
      renewMs: wallMs,
      leaseTransitions: seen.transitions + (isNew ? 1 : 0),
      preferredHolder: '',
    });
    const metadata = { name: ref.name, namespace: ref.namespace };
    return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec };
  }

  async #release(): Promise<void> {
    if (this.#seen === undefined) return;
    try {
      await this.#env.put(this.#lease('', this.#seen), this.#seen.version);
    } catch (error) {
      this.#env.log.debug('lease not released', { lease: ObjectRef.format(this.#env.ref), error: String(error) });
    }
  }

  #lead(leading: boolean): void {
    if (this.#closed) return;
    this.#cancelDeadline();
    if (leading) {
      const leftMs = this.#renewedMs + this.#times.deadlineMs - this.#env.clock.nowMs();
      this.#cancelDeadline = this.#env.clock.after(Math.max(0, leftMs), () => this.#lead(false));
    }
    if (leading === this.#leading) return;
    this.#leading = leading;
    this.#env.log.info(leading ? 'leading' : 'no longer leading', { lease: ObjectRef.format(this.#env.ref) });
    this.#changed();
  }
}

function seenIn(object: RawObject | undefined, nowMs: number): Seen {
  const { metadata, spec } = (object ?? {}) as {
    readonly metadata?: { readonly resourceVersion?: string };
    readonly spec?: {
      readonly holderIdentity?: string;
      readonly leaseDurationSeconds?: number;
      readonly leaseTransitions?: number;
      readonly acquireTime?: string;
    };
  };
  const acquireMs = Date.parse(spec?.acquireTime ?? '');
  return {
    version: metadata?.resourceVersion,
    holder: spec?.holderIdentity ?? '',
    leaseMs: (spec?.leaseDurationSeconds ?? 0) * 1000,
    transitions: spec?.leaseTransitions ?? 0,
    acquireMs: Number.isNaN(acquireMs) ? undefined : acquireMs,
    sinceMs: nowMs,
  };
}
