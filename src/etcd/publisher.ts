/**
 * What we say to others, kept true: what is there below our own prefixes is followed, compared with what ought to be,
 * and what differs is written, deleted or written again, whoever changed it. Canaries come last, once everything else
 * stands. Reference §1.2, §1.3, §1.11.
 */
import type { Published } from '../runtime/mesh-state.ts';
import type { Channel } from './channel.ts';
import { isLeaseGone } from './failure.ts';
import { type LeaseLimits, Leases } from './leases.ts';
import { EtcdMirror, keyOctets, type MirrorLimits } from './mirror.ts';

/** Writes under way at once. */
const writesMax = 16;
/** More keys than this below our own prefixes are not ours. */
const ownKeysMax = 200_000;
const retryMinMs = 50;
const retryMaxMs = 30_000;

interface Actual {
  readonly value: Buffer;
  readonly lease: string;
}

type Write = { readonly key: string; readonly value: Uint8Array | undefined };

export class Publisher {
  readonly #channel: Channel;
  readonly #leases: Leases;
  readonly #abort = new AbortController();
  readonly #mirrorLimits: Partial<MirrorLimits>;
  #set: Published;
  #owned: string;
  #mirrors: { readonly mirror: EtcdMirror; synced: boolean }[] = [];
  readonly #actual = new Map<string, Actual>();
  #wake: (() => void) | undefined;
  #woken = true;
  #unwritten: number;
  #failures = 0;

  constructor(channel: Channel, set: Published, limits: { lease: LeaseLimits; mirror: Partial<MirrorLimits> }) {
    this.#channel = channel;
    this.#mirrorLimits = limits.mirror;
    this.#set = set;
    this.#unwritten = set.values.size + set.last.size;
    this.#leases = new Leases(channel, limits.lease, () => this.#look());
    this.#owned = '';
    this.#follow();
    void this.#run();
  }

  /** Keys that are not yet as they ought to be. */
  get unwritten(): number {
    return this.#unwritten;
  }

  publish(set: Published): void {
    this.#set = set;
    this.#unwritten = Math.max(1, this.#unwritten);
    this.#follow();
    this.#look();
  }

  close(): void {
    this.#abort.abort();
    this.#leases.close();
    for (const { mirror } of this.#mirrors) mirror.close();
    this.#wake?.();
  }

  #follow(): void {
    const owned = this.#set.owned.join('\n');
    if (owned === this.#owned) return;
    this.#owned = owned;
    for (const { mirror } of this.#mirrors) mirror.close();
    this.#actual.clear();
    this.#mirrors = this.#set.owned.map(each => this.#mirror(each));
  }

  #mirror(owned: string): { mirror: EtcdMirror; synced: boolean } {
    const followed = owned.endsWith('/') ? { prefix: owned } : { key: owned };
    const state = {
      synced: false,
      mirror: new EtcdMirror(
        this.#channel,
        followed,
        {
          put: (key, value, lease) => {
            this.#actual.set(key, { value: Buffer.from(value), lease });
            if (!this.#isRight(key)) this.#look();
          },
          delete: key => {
            this.#actual.delete(key);
            this.#look();
          },
          synced: () => {
            state.synced = true;
            this.#look();
          },
          // What is there is not known for a while: nothing is written on a guess.
          broken: () => {
            state.synced = false;
          },
        },
        { keysMax: ownKeysMax },
        this.#mirrorLimits,
      ),
    };
    return state;
  }

  #look(): void {
    this.#woken = true;
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      if (!this.#woken) await new Promise<void>(resolve => (this.#wake = resolve));
      this.#wake = undefined;
      this.#woken = false;
      if (signal.aborted || !this.#mirrors.every(each => each.synced)) continue;
      const writes = this.#writes();
      this.#unwritten = writes.length;
      if (writes.length === 0) continue;
      const failed = await this.#write(writes);
      this.#look();
      if (failed === 0) this.#failures = 0;
      else await this.#channel.sleep(Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(this.#failures++, 20)), signal);
    }
  }

  /** What differs; canaries only when nothing else does. */
  #writes(): Write[] {
    const { values, last } = this.#set;
    const writes: Write[] = [];
    for (const [key, value] of values) if (!this.#isRight(key)) writes.push({ key, value });
    for (const key of this.#actual.keys())
      if (!values.has(key) && !last.has(key)) writes.push({ key, value: undefined });
    if (writes.length > 0) return writes;
    for (const [key, value] of last) if (!this.#isRight(key)) writes.push({ key, value });
    return writes;
  }

  #isRight(key: string): boolean {
    const actual = this.#actual.get(key);
    if (actual === undefined || !this.#leases.holds(key, actual.lease)) return false;
    const value = this.#set.values.get(key);
    return value === undefined ? this.#set.last.has(key) : actual.value.equals(value);
  }

  /** How many failed. */
  async #write(writes: readonly Write[]): Promise<number> {
    let at = 0;
    let failed = 0;
    const work = async () => {
      while (at < writes.length && failed === 0 && !this.#abort.signal.aborted) {
        const write = writes[at++];
        if (write !== undefined) await this.#one(write).catch(() => failed++);
      }
    };
    await Promise.all(Array.from({ length: Math.min(writesMax, writes.length) }, work));
    return failed;
  }

  async #one({ key, value }: Write): Promise<void> {
    if (value === undefined) {
      await this.#channel.call('KV/DeleteRange', { key: keyOctets(key) });
      this.#leases.release(key);
      this.#actual.delete(key);
      return;
    }
    const lease = await this.#leases.of(key);
    await this.#channel.call('KV/Put', { key: keyOctets(key), value, lease }).catch(error => {
      if (isLeaseGone(error)) this.#leases.gone(lease);
      throw error;
    });
    this.#actual.set(key, { value: Buffer.from(value), lease });
  }
}
