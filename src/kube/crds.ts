/**
 * Which CustomResourceDefinitions there are, so that a kind that is not installed (yet) is waited for without asking
 * for it again and again. Of each only its metadata is fetched.
 */
import type { RawObject } from '../api/object.ts';
import { type Api, ApiError } from './api.ts';
import { headOf } from './cache.ts';
import { definitions } from './paths.ts';
import { type Definition, Reflector, type ReflectorOptions, type ReflectorState } from './reflector.ts';

/** When nobody may tell us which there are. */
const askAgainMs = 60_000;

export class Definitions {
  readonly #names = new Set<string>();
  readonly #reflector: Reflector;
  readonly #clock: ReflectorOptions['clock'];
  readonly #waiting = new Set<() => void>();

  constructor({ api, clock, random }: { readonly api: Api } & Pick<ReflectorOptions, 'clock' | 'random'>) {
    this.#clock = clock;
    const told = () => this.#tell();
    this.#reflector = new Reflector({
      api,
      clock,
      random,
      metadataOnly: true,
      resources: [definitions],
      moved: told,
      sink: {
        put: (_, object) => {
          this.#names.add(headOf(object).name);
          told();
        },
        delete: (_, object: RawObject) => {
          this.#names.delete(headOf(object).name);
          told();
        },
        keepOnly: keys => {
          for (const name of this.#names) if (!keys.has(name)) this.#names.delete(name);
        },
      },
    });
  }

  get state(): ReflectorState {
    return this.#reflector.state;
  }

  start(): void {
    this.#reflector.start();
  }

  close(): void {
    this.#reflector.close();
  }

  /** Of one kind, by the name of its definition: `ciliumbgpnodeconfigs.cilium.io`. */
  of(name: string): Definition {
    return {
      whyMissing: async signal => {
        if (this.state.at === 'starting') await this.#change(signal, askAgainMs);
        const { state } = this;
        if (state.at === 'watching') return this.#names.has(name) ? 'retry' : 'absent';
        return isForbidden(state) ? 'unknown' : 'retry';
      },
      appears: async signal => {
        while (!signal.aborted && !this.#names.has(name)) {
          const isBlind = isForbidden(this.state);
          await this.#change(signal, isBlind ? askAgainMs : undefined);
          if (isBlind) return false;
        }
        return true;
      },
    };
  }

  #change(signal: AbortSignal, atMostMs: number | undefined): Promise<void> {
    return new Promise(resolve => {
      let cancel = () => {};
      const done = () => {
        cancel();
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      if (atMostMs !== undefined) cancel = this.#clock.after(atMostMs, done);
      this.#waiting.add(done);
      signal.addEventListener('abort', done);
    });
  }

  #tell(): void {
    for (const done of [...this.#waiting]) done();
  }
}

/** Then a kind that is not found is taken for one that is not there. */
function isForbidden(state: ReflectorState): boolean {
  return state.at === 'broken' && state.error instanceof ApiError && state.error.code === 403;
}
