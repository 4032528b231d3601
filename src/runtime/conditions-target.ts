/**
 * Conditions onto the objects they are about, as one writer among others: what is no longer said is taken back. Trouble
 * that is new is an event as well.
 */

import type { Condition, ObjectRef } from '../api/object.ts';
import type { ObjectConditions } from '../control/conditions.ts';
import type { Store, Target } from './ports.ts';

export class ConditionsTarget implements Target<readonly ObjectConditions[]> {
  readonly name: string;
  readonly #store: Store;
  readonly #manager: string;
  /** Objects on which this process has said something. */
  #said = new Map<string, ObjectRef>();
  /** Messages of conditions that are True, by object and type. */
  readonly #trouble = new Map<string, string>();

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
      const written = await this.#store.applyStatus(ref, this.#manager, { conditions });
      for (const condition of conditions) this.#tell(ref, condition, written);
    }
    for (const [key, ref] of silent) {
      signal.throwIfAborted();
      await this.#store.applyStatus(ref, this.#manager, {});
      this.#said.delete(key);
      for (const known of this.#trouble.keys()) if (known.startsWith(`${key} `)) this.#trouble.delete(known);
    }
  }

  /** What was there before this process needs no event of its own: nothing had to be written then. */
  #tell(about: ObjectRef, { type, status, message }: Condition, written: boolean): void {
    const key = `${keyOf(about)} ${type}`;
    const before = this.#trouble.get(key);
    if (status !== 'True') this.#trouble.delete(key);
    else this.#trouble.set(key, message);
    if (status !== 'True' || before === message || !written) return;
    this.#store.record({ about, type: 'Warning', reason: type.slice(type.indexOf('/') + 1), message });
  }
}

function keyOf({ kind, namespace, name }: ObjectRef): string {
  return `${kind} ${namespace}/${name}`;
}
