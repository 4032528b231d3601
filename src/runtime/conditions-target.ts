/** Conditions onto the objects they are about, as one writer among others: what is no longer said is taken back. */

import type { ObjectRef } from '../api/object.ts';
import type { ObjectConditions } from '../control/conditions.ts';
import type { Store, Target } from './ports.ts';

export class ConditionsTarget implements Target<readonly ObjectConditions[]> {
  readonly name: string;
  readonly #store: Store;
  readonly #manager: string;
  /** Objects on which this process has said something. */
  #said = new Map<string, ObjectRef>();

  constructor(name: string, store: Store, manager: string) {
    this.name = name;
    this.#store = store;
    this.#manager = manager;
  }

  async apply(desired: readonly ObjectConditions[], signal: AbortSignal): Promise<void> {
    const silent = new Map(this.#said);
    for (const { ref, conditions } of desired) {
      signal.throwIfAborted();
      silent.delete(keyOf(ref));
      this.#said.set(keyOf(ref), ref);
      await this.#store.applyStatus(ref, this.#manager, { conditions });
    }
    for (const [key, ref] of silent) {
      signal.throwIfAborted();
      await this.#store.applyStatus(ref, this.#manager, {});
      this.#said.delete(key);
    }
  }
}

function keyOf({ kind, namespace, name }: ObjectRef): string {
  return `${kind} ${namespace}/${name}`;
}
