/**
 * A process that takes a lease away from the others, again and again: `node lease-contender.ts MANIFESTS STATE ID
 * WINS`. Prints the version of every lease it won.
 */
import { isDeepStrictEqual } from 'node:util';
import { DirectoryStore } from '../../src/directory/store.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { ConflictError } from '../../src/runtime/ports.ts';
import { recordingLog } from '../support/recording-log.ts';

const [, , manifestsDir = '', stateDir = '', id = '', wins = ''] = process.argv;
const ref = { kind: 'Lease', namespace: 'default', name: 'contended' };
const store = new DirectoryStore({ manifestsDir, stateDir, clock: systemClock, log: recordingLog() });
await store.start();
for (let won = 0; won < Number(wins); ) {
  const before = await store.read(ref);
  const spec = (before?.['spec'] ?? {}) as { leaseTransitions?: number };
  const metadata = (before?.['metadata'] ?? { name: ref.name, namespace: ref.namespace }) as {
    resourceVersion?: string;
  };
  const leaseTransitions = (spec.leaseTransitions ?? 0) + 1;
  const object = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata,
    spec: { holderIdentity: id, leaseTransitions },
  };
  try {
    const version = await store.put(object, metadata.resourceVersion);
    won++;
    process.stdout.write(`${version}\n`);
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
  }
  if (isDeepStrictEqual(before, await store.read(ref))) await new Promise(resolve => setTimeout(resolve, 1));
}
await store.close();
