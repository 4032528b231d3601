/**
 * The CiliumBGPNodeConfigs the operator resolved, into the store: written when they differ, removed when no cluster
 * configuration stands behind them any more. Those written by hand are never touched.
 */
import type { RawObject } from '../api/object.ts';
import { type DesiredNodeConfig, isOperatorOwned } from '../control/bgp-operator.ts';
import { nodeConfigObject } from '../control/node-config-object.ts';
import { sameValue } from '../net/equal.ts';
import type { Store, Target } from './ports.ts';

const kind = 'CiliumBGPNodeConfig';

export class NodeConfigTarget implements Target<readonly DesiredNodeConfig[]> {
  readonly name = 'node-configs';
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async apply(desired: readonly DesiredNodeConfig[], signal: AbortSignal): Promise<void> {
    const wanted = new Set(desired.map(config => config.name));
    for (const config of desired) {
      signal.throwIfAborted();
      await this.#write(nodeConfigObject(config), config.name);
    }
    const snapshot = this.#store.snapshot();
    // What cannot be read may be the configuration that one stands on.
    if (snapshot.isPartial) return;
    for (const config of snapshot.list(kind)) {
      const { name, resourceVersion } = config.metadata;
      if (wanted.has(name) || !isOperatorOwned(config)) continue;
      signal.throwIfAborted();
      await this.#store.remove({ kind, namespace: '', name }, resourceVersion);
    }
  }

  async #write(object: RawObject, name: string): Promise<void> {
    const stored = await this.#store.read({ kind, namespace: '', name });
    if (stored !== undefined && sameValue(stored.spec, object.spec) && sameValue(ownersOf(stored), ownersOf(object)))
      return;
    await this.#store.put(object, stored === undefined ? undefined : versionOf(stored));
  }
}

function metadataOf(object: RawObject): RawObject {
  return typeof object.metadata === 'object' && object.metadata !== null ? (object.metadata as RawObject) : {};
}

function ownersOf(object: RawObject): unknown {
  return metadataOf(object).ownerReferences;
}

function versionOf(object: RawObject): string {
  return String(metadataOf(object).resourceVersion ?? '');
}
