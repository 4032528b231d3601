/** The store over a real API server does what any store must. */
import { afterAll, beforeAll, describe } from 'vitest';
import { storeContract } from '../contracts/store.ts';
import { kubeMissing } from '../support/kube/programs.ts';
import { KubeWorld } from './world.ts';

const missing = kubeMissing();

describe.skipIf(missing !== undefined)(`the Kubernetes store${missing ? `: skipped, ${missing}` : ''}`, () => {
  let world: KubeWorld;
  beforeAll(async () => {
    world = await KubeWorld.start();
  }, 180_000);
  afterAll(() => world?.stop());

  storeContract(async () => ({
    open: () => world.open(),
    apply: object => world.apply(object),
    delete: ref => world.delete(ref),
    dispose: () => world.clean('Service', 'Lease'),
  }));
});
