/**
 * Leases that keep our keys alive for as long as we are: each for a bounded number of keys, for etcd slows down with
 * more; kept alive together; one that is lost is given up, and its keys go to others. Reference §1.11, §8.4.
 */
import type { Channel } from './channel.ts';
import type { LeaseResponse } from './messages.ts';

export interface LeaseLimits {
  readonly ttlSeconds: number;
  readonly keysMax: number;
}

export const leaseDefaults: LeaseLimits = { ttlSeconds: 900, keysMax: 500 };

interface Lease {
  readonly id: string;
  readonly keys: Set<string>;
  /** By our own clock, and never later than etcd's. */
  endsMs: number;
}

export class Leases {
  readonly #channel: Channel;
  readonly #limits: LeaseLimits;
  readonly #lost: () => void;
  readonly #leases = new Map<string, Lease>();
  readonly #byKey = new Map<string, Lease>();
  #granting: Promise<Lease> | undefined;
  #cancel = () => {};
  #closed = false;

  /** `lost`: told when keys have lost their lease. */
  constructor(channel: Channel, limits: LeaseLimits, lost: () => void) {
    this.#channel = channel;
    this.#limits = limits;
    this.#lost = lost;
    this.#schedule();
  }

  /** Whether a key that is there with this lease will stay. */
  holds(key: string, id: string): boolean {
    const lease = this.#byKey.get(key) ?? this.#leases.get(id);
    return lease?.id === id && lease.endsMs > this.#channel.clock.nowMs();
  }

  /** The lease a key is to be written with. Rejects with StateFailure. */
  async of(key: string): Promise<string> {
    const held = this.#byKey.get(key);
    if (held !== undefined) return held.id;
    for (;;) {
      const roomy = [...this.#leases.values()].find(each => each.keys.size < this.#limits.keysMax);
      const lease = roomy ?? (await this.#grant());
      // Others may have waited for the same lease.
      if (lease.keys.size >= this.#limits.keysMax || !this.#leases.has(lease.id)) continue;
      lease.keys.add(key);
      this.#byKey.set(key, lease);
      return lease.id;
    }
  }

  release(key: string): void {
    this.#byKey.get(key)?.keys.delete(key);
    this.#byKey.delete(key);
  }

  /** etcd does not know this lease any more. */
  gone(id: string): void {
    const lease = this.#leases.get(id);
    if (lease !== undefined) this.#forget(lease);
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  #grant(): Promise<Lease> {
    this.#granting ??= this.#granted().finally(() => {
      this.#granting = undefined;
    });
    return this.#granting;
  }

  async #granted(): Promise<Lease> {
    const askedMs = this.#channel.clock.nowMs();
    const { ID: id, TTL } = await this.#channel.call('Lease/LeaseGrant', { TTL: this.#limits.ttlSeconds });
    const lease: Lease = { id, keys: new Set(), endsMs: askedMs + Number(TTL) * 1000 };
    this.#leases.set(id, lease);
    return lease;
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#cancel = this.#channel.clock.after((this.#limits.ttlSeconds * 1000) / 3, () => {
      void this.#keepAlive().finally(() => this.#schedule());
    });
  }

  async #keepAlive(): Promise<void> {
    const askedMs = this.#channel.clock.nowMs();
    const answered = await this.#renewed([...this.#leases.keys()]);
    let lost = false;
    for (const lease of this.#leases.values()) {
      const ttl = answered.get(lease.id);
      if (ttl !== undefined && ttl > 0) lease.endsMs = askedMs + ttl * 1000;
      else if (ttl !== undefined || lease.endsMs <= this.#channel.clock.nowMs()) {
        this.#forget(lease);
        lost = true;
      }
    }
    if (lost && !this.#closed) this.#lost();
  }

  #forget(lease: Lease): void {
    this.#leases.delete(lease.id);
    for (const key of lease.keys) this.#byKey.delete(key);
  }

  /** Seconds that each lease has from now; those that etcd said nothing of are missing. */
  async #renewed(ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const answered = new Map<string, number>();
    if (ids.length === 0) return answered;
    const opened = await this.#channel.stream('Lease/LeaseKeepAlive').catch(() => undefined);
    if (opened === undefined) return answered;
    const { stream } = opened;
    await new Promise<void>(resolve => {
      const cancel = this.#channel.clock.after(this.#channel.limits.callMs, () => resolve());
      stream.on('data', ({ ID, TTL }: LeaseResponse) => {
        answered.set(ID, Number(TTL));
        if (answered.size === ids.length) {
          cancel();
          resolve();
        }
      });
      stream.on('error', error => {
        opened.failed(error);
        cancel();
        resolve();
      });
      for (const ID of ids) stream.write({ ID });
    });
    stream.removeAllListeners('data');
    stream.on('error', () => {});
    stream.cancel();
    return answered;
  }
}
