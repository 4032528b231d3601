/** Notices what other processes write to the state directory: by watching it, and by looking every now and then. */
import { type FSWatcher, watch } from 'node:fs';
import type { Clock } from '../runtime/ports.ts';

/** In case a wake-up was lost. */
const refreshMs = 1000;
/** Where watching is not possible. */
const pollMs = 50;

export interface StateWatchOptions {
  readonly dir: string;
  readonly clock: Clock;
  readonly watch?: typeof watch;
}

/** Calls `refresh` whenever `file` of the directory may have changed. The result ends that. */
export function watchState(options: StateWatchOptions, file: string, refresh: () => void): () => void {
  let watcher: FSWatcher | undefined;
  try {
    watcher = (options.watch ?? watch)(options.dir, (_, name) => name === file && refresh());
    watcher.on('error', () => watcher?.close());
  } catch {
    // No watches left on this system: the manifests' folder, which needs them too, says so.
  }
  const everyMs = watcher === undefined ? pollMs : refreshMs;
  let cancel = () => {};
  const again = () => {
    refresh();
    cancel = options.clock.after(everyMs, again);
  };
  cancel = options.clock.after(everyMs, again);
  return () => {
    watcher?.close();
    cancel();
  };
}
