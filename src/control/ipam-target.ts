/** Statuses of Services and pools → the store: one write for each object that does not say yet what it ought to say. */
import type { ObjectRef, RawObject } from '../api/object.ts';
import type { IpamEvent, StatusWrite } from './ipam-status.ts';

/** What we write is told apart from what others write by this name. */
export const ipamManager = 'herald-ipam';

/** Writes under way at once. */
const concurrencyMax = 16;

/** The part of the store that this needs. */
export interface StatusStore {
  applyStatus(ref: ObjectRef, manager: string, status: RawObject): Promise<boolean>;
  record(event: IpamEvent): void;
}

/**
 * What was written once is not written again while the store has yet to show it: a write is the same value for as long as
 * neither the object nor what it ought to say changes. What failed is tried again with the next apply.
 */
export class IpamTarget {
  readonly name = 'ipam';
  readonly #store: StatusStore;
  #written = new WeakSet<StatusWrite>();

  constructor(store: StatusStore) {
    this.#store = store;
  }

  /** Rejects with the first failure, after everything else has been tried: one object must not hold up the others. */
  async apply(desired: readonly StatusWrite[], signal: AbortSignal): Promise<void> {
    const queue = desired.values();
    const failures: unknown[] = [];
    const work = async () => {
      for (const write of queue) {
        if (signal.aborted) return;
        if (this.#written.has(write)) continue;
        try {
          await this.#write(write);
        } catch (error) {
          failures.push(error);
        }
      }
    };
    await Promise.all(Array.from({ length: concurrencyMax }, work));
    if (failures.length > 0) throw failures[0];
  }

  async #write(write: StatusWrite): Promise<void> {
    await this.#store.applyStatus(write.ref, ipamManager, write.status);
    this.#written.add(write);
    for (const event of write.events) this.#store.record(event);
  }
}
