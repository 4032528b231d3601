/** A folder of manifests and a state directory for one test, and stores upon them. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { RawObject } from '../../src/api/object.ts';
import { DirectoryStore, type DirectoryStoreOptions } from '../../src/directory/store.ts';
import { toYaml } from '../../src/directory/yaml.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { type Line, recordingLog } from '../support/recording-log.ts';

export class World {
  readonly dir = mkdtempSync(join(tmpdir(), 'herald-store-'));
  readonly manifests = join(this.dir, 'manifests');
  readonly state = join(this.dir, 'state');
  readonly #log = recordingLog();
  readonly #stores: DirectoryStore[] = [];

  constructor() {
    mkdirSync(this.manifests);
  }

  get lines(): readonly Line[] {
    return this.#log.lines;
  }

  path(name: string): string {
    return join(this.manifests, name);
  }

  write(name: string, content: string | Uint8Array): void {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), content);
  }

  /** As careful tools do: nobody ever sees half a file. */
  writeAtomically(name: string, object: RawObject): void {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(`${name}.tmp`), toYaml(object));
    renameSync(this.path(`${name}.tmp`), this.path(name));
  }

  async open(options: Partial<DirectoryStoreOptions> = {}): Promise<DirectoryStore> {
    const { manifests: manifestsDir, state: stateDir } = this;
    const store = new DirectoryStore({ manifestsDir, stateDir, clock: systemClock, log: this.#log, ...options });
    this.#stores.push(store);
    await store.start();
    return store;
  }

  async dispose(): Promise<void> {
    for (const store of this.#stores.splice(0)) await store.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
