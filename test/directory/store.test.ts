/** The directory store does what any store must. */
import { rmSync } from 'node:fs';
import { describe } from 'vitest';
import { storeContract } from '../contracts/store.ts';
import { World } from './world.ts';

describe('the directory store', () => {
  storeContract(async () => {
    const world = new World();
    const file = (kind: unknown, namespace: unknown, name: unknown) => `${kind}-${namespace}-${name}.yaml`;
    return {
      open: () => world.open({ orphanMs: 200 }),
      async apply(object) {
        const { name, namespace } = object['metadata'] as Record<string, unknown>;
        world.writeAtomically(file(object['kind'], namespace, name), object);
      },
      async delete({ kind, namespace, name }) {
        rmSync(world.path(file(kind, namespace, name)));
      },
      dispose: () => world.dispose(),
    };
  });
});
