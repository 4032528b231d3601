/** Sockets in a namespace without a process there: the calling thread goes in, opens them, and comes back. */
import { openSync } from 'node:fs';
import { enterNamespace } from '../../src/linux/netlink-namespace.ts';
import type { Namespace } from './netns.ts';

const home = openSync('/proc/thread-self/ns/net', 'r');

/** Only for what is done when `run` returns: a promise would go on outside. */
export function within<T>(namespace: Namespace, run: () => T): T {
  enterNamespace(`/run/netns/${namespace.name}`);
  try {
    return run();
  } finally {
    enterNamespace(`/proc/self/fd/${home}`);
  }
}
