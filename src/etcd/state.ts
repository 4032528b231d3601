/** SharedState over one etcd: one connection for all that is read and written there. Reference §8.7. */
import type {
  Followed,
  Mirror,
  MirrorListener,
  MirrorOptions,
  Published,
  SharedState,
  SharedStateStatus,
} from '../runtime/mesh-state.ts';
import { Channel, type ChannelLimits, type ChannelOptions } from './channel.ts';
import { type LeaseLimits, leaseDefaults } from './leases.ts';
import { EtcdMirror, keyOctets, type MirrorLimits } from './mirror.ts';
import { Publisher } from './publisher.ts';

export interface EtcdStateOptions extends Omit<ChannelOptions, 'limits'> {
  readonly limits?: Partial<ChannelLimits & MirrorLimits & LeaseLimits>;
}

/** To our own etcd there is no need to be polite. */
export const ownLimits = { callsPerSecond: 2_000, callsBurst: 10_000 } as const satisfies Partial<ChannelLimits>;

export class EtcdState implements SharedState {
  readonly #channel: Channel;
  readonly #limits: Partial<ChannelLimits & MirrorLimits & LeaseLimits>;
  readonly #mirrors = new Set<EtcdMirror>();
  #publisher: Publisher | undefined;

  constructor(options: EtcdStateOptions) {
    this.#limits = options.limits ?? {};
    this.#channel = new Channel(options);
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const { kvs } = await this.#channel.call('KV/Range', { key: keyOctets(key), limit: 1 });
    return kvs[0]?.value;
  }

  /** etcd's own version. Rejects with StateFailure. */
  async version(): Promise<string> {
    return (await this.#channel.call('Maintenance/Status', {})).version;
  }

  mirror(followed: Followed, listener: MirrorListener, options: MirrorOptions): Mirror {
    const mirror = new EtcdMirror(this.#channel, followed, listener, options, this.#limits);
    this.#mirrors.add(mirror);
    return {
      close: () => {
        mirror.close();
        this.#mirrors.delete(mirror);
      },
    };
  }

  publish(set: Published | undefined): void {
    if (set === undefined) {
      this.#publisher?.close();
      this.#publisher = undefined;
    } else if (this.#publisher !== undefined) this.#publisher.publish(set);
    else {
      const lease = { ...leaseDefaults, ...this.#limits };
      this.#publisher = new Publisher(this.#channel, set, { lease, mirror: this.#limits });
    }
  }

  status(): SharedStateStatus {
    return { ...this.#channel.status(), unwritten: this.#publisher?.unwritten ?? 0 };
  }

  async close(): Promise<void> {
    this.#publisher?.close();
    for (const mirror of this.#mirrors) mirror.close();
    this.#channel.close();
  }
}
