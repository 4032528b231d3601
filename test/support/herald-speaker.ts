/** `herald speaker` in a namespace, as a user would run it, asked over its socket. */
import { rmSync, writeFileSync } from 'node:fs';
import { ask } from '../../src/cli/client.ts';
import type { RoutesJson } from '../../src/runtime/speaker-routes.ts';
import type { PeerJson, RouteJson, SummaryJson } from '../../src/runtime/speaker-views.ts';
import { Foreground, makeFolder } from './daemons/daemon.ts';
import type { Namespace } from './netns.ts';
import { heraldPath } from './run-herald.ts';
import { eventually } from './wait.ts';

/** The speaker's file as a value: JSON is YAML. */
export type SpeakerFileText = { readonly [key: string]: unknown };

export class HeraldSpeaker {
  readonly folder: string;
  readonly #namespace: Namespace;
  #process: Foreground;
  #before = '';

  private constructor(namespace: Namespace, folder: string) {
    this.#namespace = namespace;
    this.folder = folder;
    this.#process = this.#run();
  }

  static async start(namespace: Namespace, file: SpeakerFileText): Promise<HeraldSpeaker> {
    const folder = makeFolder('herald');
    writeFileSync(`${folder}/speaker.yaml`, JSON.stringify(file));
    const started = new HeraldSpeaker(namespace, folder);
    await started.#serves();
    return started;
  }

  get configPath(): string {
    return `${this.folder}/speaker.yaml`;
  }

  get socketPath(): string {
    return `${this.folder}/sock`;
  }

  get pid(): number {
    return this.#process.pid;
  }

  async summary(): Promise<SummaryJson> {
    return (await ask(this.socketPath, '/bgp/summary')) as SummaryJson;
  }

  /** The only peer, or the one of this name. */
  async peer(key?: string): Promise<PeerJson> {
    const { peers } = await this.summary();
    const found = key === undefined ? peers[0] : peers.find(each => each.peer === key);
    if (found === undefined) throw new Error(`no peer ${key} among ${peers.map(each => each.peer).join(', ')}`);
    return found;
  }

  async routes(
    table: 'loc' | 'in' | 'out',
    narrow: Readonly<Record<string, string>> = {},
  ): Promise<readonly RouteJson[]> {
    const answer = (await ask(
      this.socketPath,
      `/bgp/routes?${new URLSearchParams({ table, ...narrow })}`,
    )) as RoutesJson;
    if (answer.truncated) throw new Error('more routes than one answer holds');
    return answer.routes;
  }

  /** The best path of a prefix. */
  async best(prefix: string): Promise<RouteJson | undefined> {
    return (await this.routes('loc', { prefix })).find(route => route.best);
  }

  established(key?: string): Promise<PeerJson> {
    return eventually(
      `Herald's session ${key ?? ''} is established`,
      async () => {
        const peer = await this.peer(key);
        return peer.state === 'established' && peer;
      },
      { limitMs: 25_000, detail: () => this.log() },
    );
  }

  configure(file: SpeakerFileText): void {
    writeFileSync(this.configPath, JSON.stringify(file));
    this.#process.signal('SIGHUP');
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.signal(signal);
  }

  /** Ends it as asked and starts it again with the same file. */
  async restart(signal: NodeJS.Signals): Promise<void> {
    await this.#process.stop(signal);
    this.#before += this.#process.said();
    this.#process = this.#run();
    await this.#serves();
  }

  log(): string {
    return this.#before + this.#process.said();
  }

  async stop(): Promise<void> {
    await this.#process.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #run(): Foreground {
    return new Foreground(this.#namespace, [
      heraldPath,
      'speaker',
      '--config',
      this.configPath,
      '--socket',
      this.socketPath,
      '--log-level',
      'debug',
    ]);
  }

  async #serves(): Promise<void> {
    await eventually('herald speaker answers', async () => (await this.summary()) !== undefined, {
      detail: () => this.log(),
      hopeless: () => this.#process.exitCode !== undefined,
    });
  }
}
