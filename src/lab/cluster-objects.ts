/** Where a lab's cluster has its objects: what people apply, what Herald makes of it, what the cluster itself adds. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { RawObject } from '../api/object.ts';
import type { Snapshot } from '../api/snapshot.ts';
import { DirectoryStore } from '../directory/store.ts';
import type { Clock, Log } from '../runtime/ports.ts';
import type { ClusterDesired } from './cluster-desired.ts';
import { LabFolder } from './cluster-facts.ts';
import { ObjectFile, objectFiles, UserManifests } from './cluster-manifests.ts';
import { isKind } from './cluster-raw.ts';

export interface ClusterObjects {
  /** Resolves when everything that is there has been heard of. */
  start(): Promise<void>;
  /** What people have applied, of whatever kind. */
  applied(): readonly RawObject[];
  /** Services as a former process admitted them. */
  admitted(): readonly RawObject[];
  /** What Herald reads, and has written. */
  snapshot(): Snapshot;
  /** The whole set. */
  write(desired: ClusterDesired): Promise<void>;
  close(): Promise<void>;
}

export interface ObjectsEnv {
  readonly clock: Clock;
  readonly log: Log;
  /** Told when something may be different. */
  readonly changed: () => void;
}

/** The user's manifests, watched, and a folder that stands for the API server: Herald reads that one. */
export class FolderObjects implements ClusterObjects {
  readonly #manifests: UserManifests;
  readonly #store: DirectoryStore;
  readonly #files: { readonly applied: ObjectFile; readonly made: ObjectFile };
  readonly #changed: () => void;

  constructor(folder: string, { clock, log, changed }: ObjectsEnv) {
    const manifestsDir = LabFolder.manifests(folder);
    mkdirSync(manifestsDir, { recursive: true });
    this.#changed = changed;
    this.#manifests = new UserManifests(LabFolder.user(folder), { clock, log }, changed);
    this.#store = new DirectoryStore({ manifestsDir, stateDir: LabFolder.state(folder), clock, log });
    this.#files = {
      applied: new ObjectFile(join(manifestsDir, objectFiles.applied)),
      made: new ObjectFile(join(manifestsDir, objectFiles.made)),
    };
  }

  async start(): Promise<void> {
    await this.#store.start();
    this.#store.subscribe(this.#changed);
    this.#manifests.start();
  }

  applied(): readonly RawObject[] {
    return this.#manifests.objects();
  }

  admitted(): readonly RawObject[] {
    return this.#files.applied.read().filter(each => isKind(each, '', 'Service'));
  }

  snapshot(): Snapshot {
    return this.#store.snapshot();
  }

  async write({ applied, made }: ClusterDesired): Promise<void> {
    this.#files.made.write('Made by the lab as a cluster would have made it.', made);
    this.#files.applied.write('The manifests as they were applied, with what an API server adds.', applied);
  }

  async close(): Promise<void> {
    this.#manifests.close();
    await this.#store.close();
  }
}
