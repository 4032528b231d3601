/** Leadership among the processes that share a state directory: a lock held for as long as the leader lives. */
import { join } from 'node:path';
import type { Campaign, Clock } from '../runtime/ports.ts';
import { LockFile } from './lock.ts';

/** How often a follower looks whether the leader is gone, and the leader says that it is there. */
const lookMs = 500;

export class LockCampaign implements Campaign {
  readonly #lock: LockFile;
  readonly #clock: Clock;
  readonly #changed: () => void;
  #cancel = () => {};
  #leading = false;

  constructor(stateDir: string, name: string, clock: Clock, changed: () => void) {
    this.#lock = new LockFile(join(stateDir, `${name}.leader`), clock);
    this.#clock = clock;
    this.#changed = changed;
    this.#leading = this.#lock.tryAcquire();
    this.#lookAgain();
  }

  get leading(): boolean {
    return this.#leading;
  }

  close(): void {
    this.#cancel();
    if (this.#leading) this.#lock.release();
    this.#leading = false;
  }

  #lookAgain(): void {
    this.#cancel = this.#clock.after(lookMs, () => {
      this.#lookAgain();
      const leads = this.#looks();
      if (leads === this.#leading) return;
      this.#leading = leads;
      this.#changed();
    });
  }

  /** A state directory that is out of reach is led by nobody here; whoever still reaches it sees the lock go stale. */
  #looks(): boolean {
    try {
      return this.#leading ? this.#lock.renew() : this.#lock.tryAcquire();
    } catch {
      return false;
    }
  }
}
