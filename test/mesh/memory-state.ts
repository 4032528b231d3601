/** A shared state in memory, as a test makes it: what it holds, when it breaks, when it may be read. */
import {
  type Followed,
  type Mirror,
  type MirrorListener,
  type MirrorOptions,
  type SharedState,
  type SharedStateStatus,
  StateFailure,
} from '../../src/runtime/mesh-state.ts';
import { bytes } from './world.ts';

interface Follower {
  readonly followed: Followed;
  readonly listener: MirrorListener;
  readonly options: MirrorOptions;
  live: boolean;
}

/** What one cluster's etcd holds; any number of states may be opened on it. */
export class MemoryEtcd {
  readonly values = new Map<string, Uint8Array>();
  readonly #followers = new Set<Follower>();
  #failure: StateFailure | undefined;

  put(key: string, value: string): void {
    const octets = bytes(value);
    this.values.set(key, octets);
    for (const each of this.#followers)
      if (each.live && matches(each.followed, key)) each.listener.put(key, octets, '0');
  }

  delete(key: string): void {
    this.values.delete(key);
    for (const each of this.#followers) if (each.live && matches(each.followed, key)) each.listener.delete(key);
  }

  /** Everybody is cut off; nothing is told until `mend`. */
  cut(): void {
    this.#failure = new StateFailure('unreachable', 'cut');
    for (const each of this.#followers) {
      each.live = false;
      each.listener.broken(this.#failure);
    }
  }

  async mend(): Promise<void> {
    this.#failure = undefined;
    await this.retry();
  }

  /** Everybody who is not following tries again. */
  async retry(): Promise<void> {
    for (const each of this.#followers) if (!each.live) await this.#read(each);
  }

  open(): SharedState {
    const mine = new Set<Follower>();
    const status: SharedStateStatus = {
      endpoint: 'memory',
      connected: true,
      failures: 0,
      lastFailureMs: undefined,
      lastError: undefined,
      clusterId: '1',
      certificateEndsMs: undefined,
      unwritten: 0,
    };
    return {
      get: key => (this.#failure ? Promise.reject(this.#failure) : Promise.resolve(this.values.get(key))),
      mirror: (followed, listener, options): Mirror => {
        const follower = { followed, listener, options, live: false };
        this.#followers.add(follower);
        mine.add(follower);
        queueMicrotask(() => void this.#read(follower));
        return { close: () => void this.#followers.delete(follower) };
      },
      publish: () => {},
      status: () => status,
      close: () => {
        for (const each of mine) this.#followers.delete(each);
        return Promise.resolve();
      },
    };
  }

  async #read(follower: Follower): Promise<void> {
    const { listener, options, followed } = follower;
    try {
      if (this.#failure !== undefined) throw this.#failure;
      await options.gate?.(new AbortController().signal);
      if (!this.#followers.has(follower) || follower.live) return;
      let count = 0;
      for (const [key, value] of this.values) {
        if (!matches(followed, key)) continue;
        if (++count > options.keysMax) throw new StateFailure('too-many-keys', 'too many');
        listener.put(key, value, '0');
      }
      follower.live = true;
      listener.synced();
    } catch (error) {
      if (!(error instanceof StateFailure)) throw error;
      listener.broken(error);
    }
  }
}

function matches(followed: Followed, key: string): boolean {
  return 'key' in followed ? followed.key === key : key.startsWith(followed.prefix);
}
