/** What the allocator decided, onto Services and pools: one write an object, and its events once the write is done. */
import type { IpamDesired } from '../control/ipam.ts';
import type { StatusWrite } from '../control/ipam-status.ts';
import type { Store, Target } from './ports.ts';

/** Writes under way at a time: enough for a store to put many into one commit, few enough to leave room for others. */
const writesMax = 256;

export class IpamTarget implements Target<IpamDesired> {
  readonly name = 'ipam';
  readonly #store: Store;
  readonly #manager: string;
  /** Not written again while the store has yet to show it: a write is one value until something about it changes. */
  readonly #written = new WeakSet<StatusWrite>();

  constructor(store: Store, manager: string) {
    this.#store = store;
    this.#manager = manager;
  }

  /** One object's failure holds up no other; the first failure is what the target reports. */
  async apply({ writes }: IpamDesired, signal: AbortSignal): Promise<void> {
    let next = 0;
    let failure: { readonly error: unknown } | undefined;
    const worker = async () => {
      for (let write = writes[next++]; write !== undefined; write = writes[next++]) {
        signal.throwIfAborted();
        try {
          await this.#write(write);
        } catch (error) {
          failure ??= { error };
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(writesMax, writes.length) }, worker));
    if (failure !== undefined) throw failure.error;
  }

  async #write(write: StatusWrite): Promise<void> {
    const { ref, status, events } = write;
    if (this.#written.has(write)) return;
    const changed = await this.#store.applyStatus(ref, this.#manager, status);
    this.#written.add(write);
    if (!changed) return;
    for (const event of events) this.#store.record(event);
  }
}
