/**
 * A place: where a node's programs run instead of in a container. It has a network namespace (its own, or that of
 * another place), a root of its own over this host's (what is written there is gone with the place, and nobody else
 * sees it), processes and a host name of its own. It stands until its first process ends, and ends all others then.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  isRunning,
  labVariable,
  type Ran,
  type RunOptions,
  runWords,
  signalTo,
  startTicksOf,
  startWords,
} from './place-process.ts';
import { readyWord, rootScript, rootWords } from './place-root.ts';
import { shellWords } from './place-words.ts';

export interface Place {
  /** `tor0`, `kind-worker2`: unique in its lab. */
  readonly name: string;
  /** A path to its network namespace, for `nsenter --net=`, good as long as the place stands. */
  readonly netns: string;
  /** Of its first process, as this host counts. */
  readonly pid: number;
  /** What is known of it besides, for those who list places: `role: pod`. */
  readonly about: Readonly<Record<string, string>>;
  /** The words of this host that run words inside, and the environment they want. */
  entry(words: readonly string[]): {
    readonly words: readonly string[];
    readonly env: Readonly<Record<string, string>>;
  };
  /** Runs a program to its end. Throws only when it cannot be started at all. */
  run(words: readonly string[], options?: RunOptions): Promise<Ran>;
  /** One line split into words as a shell would split it: an `exec` line of a topology. */
  exec(line: string, options?: RunOptions): Promise<Ran>;
  /**
   * Starts a program that outlives this process; what it says goes to the end of the file `log` (a path of this host).
   * The result is the program's own pid, as this host counts: signals sent there reach it.
   */
  spawn(words: readonly string[], options: SpawnOptions): Promise<number>;
  /** Ends everything that runs in it, and the place. */
  close(): Promise<void>;
}

export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly log: string;
}

export interface PlaceSpec {
  /** The lab's name. */
  readonly lab: string;
  readonly name: string;
  /** Its host name inside; `name` unless given. */
  readonly hostName?: string;
  /** Whose network namespace it has; one of its own unless given. */
  readonly network?: Place | 'host';
  /** Files and folders of this host that it shares, written to by both; the lab's own folder is always among them. */
  readonly binds?: readonly { readonly from: string; readonly to: string; readonly readOnly: boolean }[];
  readonly env?: Readonly<Record<string, string>>;
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly about?: Readonly<Record<string, string>>;
}

/** Of every lab: a folder each, and in it a file each for its places. */
export const labsFolder = '/run/herald-lab';
const closeMaxMs = 10_000;

/** What is written down of a place. */
interface PlaceRecord {
  readonly name: string;
  readonly pid: number;
  readonly startTicks: string;
  readonly env: Readonly<Record<string, string>>;
  readonly about: Readonly<Record<string, string>>;
}

/** Makes a place; throws with what went wrong. Nothing is left of it then. */
export async function openPlace(spec: PlaceSpec): Promise<Place> {
  const folder = join(labsFolder, spec.lab);
  mkdirSync(join(folder, 'root'), { recursive: true });
  mkdirSync(join(folder, 'places'), { recursive: true });
  const hostName = spec.hostName ?? spec.name;
  const words = [
    ...(typeof spec.network === 'object' ? ['nsenter', `--net=${spec.network.netns}`] : []),
    ...['unshare', '--mount', '--uts', '--pid', '--fork', '--kill-child'],
    ...(spec.network === undefined ? ['--net'] : []),
    ...rootWords({
      folder,
      hostName,
      ownNetwork: spec.network === undefined,
      binds: (spec.binds ?? []).map(bind => ({ ...bind, from: realpathSync(bind.from) })),
      sysctls: spec.sysctls ?? {},
    }),
  ];
  const env = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    HOSTNAME: hostName,
    [labVariable]: spec.lab,
    ...spec.env,
  };
  const pid = await firstProcess(spec.name, words, env);
  const record = { name: spec.name, pid, startTicks: startTicksOf(pid) ?? '', env, about: spec.about ?? {} };
  const path = recordPath(spec.lab, spec.name);
  writeFileSync(`${path}.new`, JSON.stringify(record));
  renameSync(`${path}.new`, path);
  return new StandingPlace(spec.lab, record);
}

/** All places of a lab that stand, by name. */
export function placesOf(lab: string): Place[] {
  let files: string[];
  try {
    files = readdirSync(join(labsFolder, lab, 'places'));
  } catch {
    return [];
  }
  return files.flatMap(file => {
    if (!file.endsWith('.json')) return [];
    const record = JSON.parse(readFileSync(join(labsFolder, lab, 'places', file), 'utf8')) as PlaceRecord;
    const stands = isRunning(record.pid) && startTicksOf(record.pid) === record.startTicks;
    return stands ? [new StandingPlace(lab, record)] : [];
  });
}

function recordPath(lab: string, name: string): string {
  return join(labsFolder, lab, 'places', `${encodeURIComponent(name)}.json`);
}

/** Its pid, as this host counts, once everything is in place. */
function firstProcess(name: string, [command = '', ...rest]: readonly string[], env: Record<string, string>) {
  return new Promise<number>((resolve, reject) => {
    const child = spawn(command, rest, { cwd: '/', detached: true, stdio: 'pipe', env });
    child.stdin.on('error', () => undefined).end(rootScript);
    let out = '';
    let err = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      const ready = new RegExp(`^${readyWord} ([0-9]+)\n`, 'm').exec(out);
      if (ready === null) return;
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
      resolve(Number(ready[1]));
    });
    child.once('error', reject);
    child.once('close', status => reject(new Error(`${name} cannot be made (${status}): ${err.trim() || out.trim()}`)));
  });
}

class StandingPlace implements Place {
  readonly name: string;
  readonly pid: number;
  readonly netns: string;
  readonly about: Readonly<Record<string, string>>;
  readonly #lab: string;
  readonly #env: Readonly<Record<string, string>>;

  constructor(lab: string, { name, pid, env, about }: PlaceRecord) {
    this.#lab = lab;
    this.#env = env;
    this.name = name;
    this.pid = pid;
    this.netns = `/proc/${pid}/ns/net`;
    this.about = about;
  }

  entry(words: readonly string[]) {
    return {
      words: ['nsenter', `--target=${this.pid}`, '--mount', '--uts', '--net', '--pid', '--', ...words],
      env: this.#env,
    };
  }

  run(words: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const { words: all, env } = this.entry(words);
    return runWords(all, { ...options, env: { ...env, ...options.env }, folder: join(labsFolder, this.#lab) });
  }

  exec(line: string, options: RunOptions = {}): Promise<Ran> {
    return this.run(shellWords(line), options);
  }

  async spawn(words: readonly string[], { env: more, log }: SpawnOptions): Promise<number> {
    const { words: all, env } = this.entry(words);
    return await startWords(all, { env: { ...env, ...more }, log });
  }

  async close(): Promise<void> {
    signalTo(this.pid, 'SIGKILL');
    for (const endMs = performance.now() + closeMaxMs; isRunning(this.pid); await delay(2))
      if (performance.now() > endMs) throw new Error(`${this.name} does not end`);
    rmSync(recordPath(this.#lab, this.name), { force: true });
  }
}
