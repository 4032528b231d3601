/** `herald run` in a namespace, from a folder of manifests that a test edits while it runs; asked over its socket. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { CiliumBGPNodeConfig } from '../../src/api/bgp-node-config.ts';
import type { Snapshot } from '../../src/api/snapshot.ts';
import { ask } from '../../src/cli/client.ts';
import type { AnnouncedView } from '../../src/control/announced.ts';
import type { StoredEvent } from '../../src/directory/events.ts';
import { DirectoryStore } from '../../src/directory/store.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import type { RoutesJson } from '../../src/runtime/speaker-routes.ts';
import type { PeerJson, RouteJson, SummaryJson } from '../../src/runtime/speaker-views.ts';
import { Foreground, makeFolder } from './daemons/daemon.ts';
import type { Namespace } from './netns.ts';
import { recordingLog } from './recording-log.ts';
import { heraldPath } from './run-herald.ts';
import { eventually } from './wait.ts';

/** A manifest as a value: JSON is YAML. */
export type Manifest = { readonly [key: string]: unknown };

export class HeraldRun {
  readonly folder: string;
  readonly #namespace: Namespace;
  readonly #words: readonly string[];
  #process: Foreground;
  #before = '';

  private constructor(namespace: Namespace, folder: string, words: readonly string[]) {
    this.#namespace = namespace;
    this.folder = folder;
    this.#words = words;
    this.#process = this.#run();
  }

  static async start(
    namespace: Namespace,
    manifests: Readonly<Record<string, readonly Manifest[]>>,
    ...words: string[]
  ): Promise<HeraldRun> {
    const folder = makeFolder('herald');
    mkdirSync(`${folder}/manifests`);
    for (const [name, objects] of Object.entries(manifests)) write(folder, name, objects);
    const started = new HeraldRun(namespace, folder, words);
    await started.#serves();
    return started;
  }

  get socketPath(): string {
    return `${this.folder}/state/herald.sock`;
  }

  /** The objects of one file, replaced in one step; none removes it. */
  edit(name: string, ...objects: readonly Manifest[]): void {
    write(this.folder, name, objects);
  }

  async peers(): Promise<readonly PeerJson[]> {
    return ((await ask(this.socketPath, '/bgp/summary')) as SummaryJson).peers;
  }

  async peer(key: string): Promise<PeerJson> {
    const found = (await this.peers()).find(each => each.peer === key);
    if (found === undefined) throw new Error(`there is no peer ${key}`);
    return found;
  }

  async out(peer: string): Promise<readonly RouteJson[]> {
    return ((await ask(this.socketPath, `/bgp/routes?${new URLSearchParams({ table: 'out', peer })}`)) as RoutesJson)
      .routes;
  }

  async announced(): Promise<AnnouncedView> {
    return (await ask(this.socketPath, '/announced')) as AnnouncedView;
  }

  /** A command of Herald's against this process; throws with what it said when it fails. */
  cli(...words: string[]): string {
    return this.#namespace.run(heraldPath, ...words, '--socket', this.socketPath);
  }

  /** What the store holds, seen as another process of the machine sees it. */
  async stored(): Promise<{ readonly snapshot: Snapshot; readonly events: readonly StoredEvent[] }> {
    const [manifestsDir, stateDir] = [`${this.folder}/manifests`, `${this.folder}/state`];
    const store = new DirectoryStore({ manifestsDir, stateDir, clock: systemClock, log: recordingLog() });
    await store.start();
    try {
      return { snapshot: store.snapshot(), events: store.events() };
    } finally {
      await store.close();
    }
  }

  async nodeConfig(node: string): Promise<CiliumBGPNodeConfig | undefined> {
    return (await this.stored()).snapshot.get('CiliumBGPNodeConfig', '', node);
  }

  log(): string {
    return this.#before + this.#process.said();
  }

  /** SIGTERM, and what comes of it. */
  async end(): Promise<void> {
    await this.#process.stop();
    this.#before += this.#process.said();
  }

  async begin(): Promise<void> {
    this.#process = this.#run();
    await this.#serves();
  }

  async close(): Promise<void> {
    await this.#process.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #run(): Foreground {
    const { folder } = this;
    const words = ['run', '--manifests', `${folder}/manifests`, '--state', `${folder}/state`, '--listen', 'off'];
    return new Foreground(this.#namespace, [heraldPath, ...words, ...this.#words]);
  }

  async #serves(): Promise<void> {
    await eventually('herald run answers', async () => (await this.peers()) !== undefined, {
      detail: () => this.log(),
      hopeless: () => this.#process.exitCode !== undefined,
    });
  }
}

function write(folder: string, name: string, objects: readonly Manifest[]): void {
  const path = `${folder}/manifests/${name}.yaml`;
  if (objects.length === 0) {
    rmSync(path, { force: true });
    return;
  }
  writeFileSync(`${path}.new`, objects.map(each => `${JSON.stringify(each, null, 1)}\n`).join('---\n'));
  renameSync(`${path}.new`, path);
}
