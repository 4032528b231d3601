/**
 * Everything below a prefix, followed for as long as wanted: listed in pages at one revision, then watched from the
 * next one. Whatever breaks the watch (an end, a revision that goes back, another cluster, a compaction, silence) leads
 * to another list, after which what has gone is told as deleted: nothing is ever lost between the two. A slow relist
 * heals what nobody could notice. Reference §1.11, §8.6.
 */
import {
  type Followed,
  type Mirror,
  type MirrorListener,
  type MirrorOptions,
  StateFailure,
} from '../runtime/mesh-state.ts';
import type { Channel, OpenStream } from './channel.ts';
import { failureOf, isTooLarge } from './failure.ts';
import type { WatchResponse } from './messages.ts';

export interface MirrorLimits {
  readonly pageKeys: number;
  readonly pageMs: number;
  /** How often etcd is asked whether it is still there. */
  readonly progressMs: number;
  /** How often all is read again although nothing broke. */
  readonly relistMs: number;
  /** How often the gate is asked again. */
  readonly gateMs: number;
  /** After something that more patience does not mend. */
  readonly hopelessMs: number;
}

const mirrorDefaults: MirrorLimits = {
  pageKeys: 500,
  pageMs: 10_000,
  progressMs: 5_000,
  relistMs: 15 * 60_000,
  gateMs: 1_000,
  hopelessMs: 30_000,
};

/** So many in a row without an answer break the watch. */
const QUESTIONS_MAX = 3;

/** Why a watch ended, where that is no failure. */
const relist = Symbol('relist');

export class EtcdMirror implements Mirror {
  readonly #channel: Channel;
  readonly #listener: MirrorListener;
  readonly #options: MirrorOptions;
  readonly #limits: MirrorLimits;
  readonly #first: Buffer;
  readonly #end: Buffer | undefined;
  readonly #abort = new AbortController();
  /** Keys that were told, with the list in which they were last seen. */
  readonly #known = new Map<string, number>();
  #round = 0;
  #pageKeys: number;

  constructor(
    channel: Channel,
    followed: Followed,
    listener: MirrorListener,
    options: MirrorOptions,
    limits: Partial<MirrorLimits> = {},
  ) {
    this.#channel = channel;
    this.#listener = listener;
    this.#options = options;
    this.#limits = { ...mirrorDefaults, ...limits };
    this.#pageKeys = this.#limits.pageKeys;
    if ('key' in followed) this.#first = keyOctets(followed.key);
    else {
      this.#first = keyOctets(followed.prefix);
      this.#end = after(this.#first);
    }
    void this.#run();
  }

  close(): void {
    this.#abort.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        await this.#options.gate?.(signal);
        if (signal.aborted) return;
        const revision = await this.#list();
        if (signal.aborted) return;
        this.#listener.synced();
        await this.#watch(revision);
      } catch (error) {
        if (signal.aborted) return;
        const failure = failureOf(error);
        this.#listener.broken(failure);
        const isHopeless = failure.kind === 'denied' || failure.kind === 'too-many-keys';
        if (isHopeless) await this.#channel.sleep(this.#limits.hopelessMs, signal);
        else if (failure.kind === 'not-there-yet') await this.#channel.sleep(this.#limits.gateMs, signal);
        else await this.#channel.rested(signal);
      }
    }
  }

  /** The revision at which all of it was read. */
  async #list(): Promise<string> {
    const round = ++this.#round;
    let from = this.#first;
    let revision: string | undefined;
    for (;;) {
      const page = await this.#page(from, revision);
      // Said with the first page, so that a flood is neither read nor told of.
      if (revision === undefined && Number(page.count) > this.#options.keysMax)
        throw new StateFailure(
          'too-many-keys',
          `${page.count} keys below ${this.#first.toString('latin1')}, more than ${this.#options.keysMax}`,
        );
      revision ??= page.header?.revision ?? '0';
      for (const { key, value, lease } of page.kvs) this.#told(keyText(key), value, lease, round);
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined || this.#abort.signal.aborted) break;
      from = Buffer.concat([last.key, new Uint8Array(1)]);
    }
    for (const [key, seen] of this.#known) if (seen !== round) this.#gone(key);
    return revision;
  }

  /** Smaller pages when values are so large that a page does not fit; they stay small. */
  async #page(from: Buffer, revision: string | undefined) {
    for (;;) {
      try {
        return await this.#channel.call(
          'KV/Range',
          {
            key: from,
            limit: this.#pageKeys,
            ...(this.#end === undefined ? {} : { range_end: this.#end }),
            ...(revision === undefined ? {} : { revision }),
          },
          this.#limits.pageMs,
        );
      } catch (error) {
        if (!isTooLarge(error) || this.#pageKeys === 1) throw error;
        this.#pageKeys = Math.max(1, this.#pageKeys >> 3);
      }
    }
  }

  async #watch(listed: string): Promise<void> {
    const opened = await this.#channel.stream('Watch/Watch');
    const { stream } = opened;
    // Questions, not time: after this process stood still there are answers to read before there is silence.
    let unanswered = 0;
    let cancelAsk = () => {};
    let cancelRelist = () => {};
    const ended = new Promise<unknown>(resolve => {
      const ask = () => {
        cancelAsk = this.#channel.clock.after(this.#limits.progressMs, () => {
          if (unanswered === QUESTIONS_MAX)
            resolve(new StateFailure('unreachable', `silent: ${unanswered} questions without an answer`));
          else {
            unanswered++;
            stream.write({ progress_request: {} });
            ask();
          }
        });
      };
      ask();
      const jitter = 0.8 + 0.4 * this.#channel.random();
      cancelRelist = this.#channel.clock.after(this.#limits.relistMs * jitter, () => resolve(relist));
      this.#abort.signal.addEventListener('abort', () => resolve(relist), { once: true });
      const follow = this.#follower(listed);
      stream.on('data', (answer: WatchResponse) => {
        unanswered = 0;
        if (this.#abort.signal.aborted) return;
        try {
          follow(answer);
        } catch (error) {
          resolve(error);
        }
      });
      stream.on('error', resolve);
      stream.on('end', () => resolve(new StateFailure('unreachable', 'the watch ended')));
    });
    this.#create(opened, listed);
    const why = await ended;
    cancelAsk();
    cancelRelist();
    // An error that comes of the cancelling is nobody's any more.
    stream.removeAllListeners('data');
    stream.cancel();
    if (why !== relist) throw opened.failed(why);
  }

  #create({ stream }: OpenStream<'Watch/Watch'>, listed: string): void {
    stream.write({
      create_request: {
        key: this.#first,
        ...(this.#end === undefined ? {} : { range_end: this.#end }),
        start_revision: (BigInt(listed) + 1n).toString(),
        progress_notify: true,
        fragment: true,
      },
    });
  }

  /** Takes one answer after another; throws when what follows cannot be trusted. */
  #follower(listed: string): (answer: WatchResponse) => void {
    let revision = BigInt(listed);
    return answer => {
      if (answer.canceled && answer.compact_revision !== '0')
        throw new StateFailure('lost', `compacted at ${answer.compact_revision}`);
      if (answer.canceled)
        throw new Error(answer.cancel_reason === '' ? 'the watch was cancelled' : answer.cancel_reason);
      const now = BigInt(this.#channel.checked(answer.header).revision);
      if (now < revision) throw new StateFailure('lost', `revision ${now} after ${revision}`);
      revision = now;
      for (const { type, kv } of answer.events) {
        if (kv === null) continue;
        const key = keyText(kv.key);
        if (type === 'DELETE') this.#gone(key);
        else if (this.#known.size < this.#options.keysMax || this.#known.has(key))
          this.#told(key, kv.value, kv.lease, this.#round);
        else throw new StateFailure('too-many-keys', `more than ${this.#options.keysMax} keys`);
      }
    };
  }

  #told(key: string, value: Uint8Array, lease: string, round: number): void {
    this.#known.set(key, round);
    this.#listener.put(key, value, lease);
  }

  #gone(key: string): void {
    if (this.#known.delete(key)) this.#listener.delete(key);
  }
}

/** An octet a character: whatever a key is made of, no two are the same text. Keys of ours are ASCII. */
function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}

export function keyOctets(key: string): Buffer {
  return Buffer.from(key, 'latin1');
}

/** The first key behind all that begin with `prefix`, which ends in a slash. */
function after(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return end;
}
