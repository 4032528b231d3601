/**
 * What the allocator decided, onto Services and pools: one write an object, and its events once the write is done. How
 * full a pool is changes with every Service and is news for people only: that is told at leisure.
 */
import type { IpamDesired } from '../control/ipam.ts';
import type { StatusWrite } from '../control/ipam-status.ts';
import type { Clock, Store, Target } from './ports.ts';

/** Writes under way at a time: enough for a store to put many into one commit, few enough to leave room for others. */
const writesMax = 256;

/** Pools are written no more often, and not while what fills them is still being told. */
const poolsEveryMs = 1000;
const poolsLeisureMs = 100;

function isPool({ ref }: StatusWrite): boolean {
  return ref.kind === 'CiliumLoadBalancerIPPool';
}

export class IpamTarget implements Target<IpamDesired> {
  readonly name = 'ipam';
  readonly #writer: StatusWriter;

  constructor(store: Store, manager: string) {
    this.#writer = new StatusWriter(store, manager);
  }

  async apply({ writes }: IpamDesired, signal: AbortSignal): Promise<void> {
    await this.#writer.write(writes.some(isPool) ? writes.filter(each => !isPool(each)) : writes, signal);
  }
}

export class IpamPoolTarget implements Target<IpamDesired> {
  readonly name = 'ipam-pools';
  readonly #writer: StatusWriter;
  readonly #clock: Clock;
  #wroteMs = Number.NEGATIVE_INFINITY;

  constructor(store: Store, manager: string, clock: Clock) {
    this.#writer = new StatusWriter(store, manager);
    this.#clock = clock;
  }

  async apply({ writes }: IpamDesired, signal: AbortSignal): Promise<void> {
    const pools = writes.filter(isPool);
    if (pools.length === 0) return;
    const sinceMs = this.#clock.nowMs() - this.#wroteMs;
    await this.#pause(Math.max(poolsLeisureMs, poolsEveryMs - sinceMs), signal);
    await this.#writer.write(pools, signal);
    this.#wroteMs = this.#clock.nowMs();
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const done = () => {
        cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.#clock.after(ms, done);
      signal.addEventListener('abort', done);
    });
  }
}

class StatusWriter {
  readonly #store: Store;
  readonly #manager: string;
  /** Not written again while the store has yet to show it: a write is one value until something about it changes. */
  readonly #written = new WeakSet<StatusWrite>();

  constructor(store: Store, manager: string) {
    this.#store = store;
    this.#manager = manager;
  }

  /** One object's failure holds up no other; the first failure is what the target reports. */
  async write(writes: readonly StatusWrite[], signal: AbortSignal): Promise<void> {
    let next = 0;
    let failure: { readonly error: unknown } | undefined;
    const worker = async () => {
      for (let write = writes[next++]; write !== undefined; write = writes[next++]) {
        signal.throwIfAborted();
        try {
          await this.#writeOne(write);
        } catch (error) {
          failure ??= { error };
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(writesMax, writes.length) }, worker));
    if (failure !== undefined) throw failure.error;
  }

  async #writeOne(write: StatusWrite): Promise<void> {
    const { ref, status, events } = write;
    if (this.#written.has(write)) return;
    const changed = await this.#store.applyStatus(ref, this.#manager, status);
    this.#written.add(write);
    if (!changed) return;
    for (const event of events) this.#store.record(event);
  }
}
