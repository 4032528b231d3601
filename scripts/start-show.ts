/**
 * What `npm start` shows: steps, the commands themselves with what they print, waiting that says for what and how long,
 * and checks. On a terminal the line that waits is written over; elsewhere it is a line.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { styleText } from 'node:util';
import { program } from '../src/lab/kube-programs.ts';
import { labName } from './start-ask.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const pollMs = 100;
/** A loaded machine takes its time. */
const waitMaxMs = 90_000;

export interface Ran {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

export class Show {
  readonly #signal: AbortSignal;
  readonly #terminal = process.stdout.isTTY === true;
  readonly #failed: string[] = [];
  #checks = 0;
  readonly #stepsMs: number[] = [];

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  get failed(): readonly string[] {
    return this.#failed;
  }

  get checks(): number {
    return this.#checks;
  }

  step(title: string): void {
    this.#stepsMs.push(performance.now());
    console.log(styleText('bold', `\n${this.#stepsMs.length}. ${title}`));
  }

  /** How long each step took, in order. */
  get stepSeconds(): readonly number[] {
    const ends = [...this.#stepsMs.slice(1), performance.now()];
    return this.#stepsMs.map((startMs, i) => ((ends[i] ?? 0) - startMs) / 1000);
  }

  say(text: string): void {
    console.log(text);
  }

  check(what: string, holds: boolean): void {
    this.#checks++;
    if (!holds) this.#failed.push(what);
    console.log(holds ? styleText('green', `   ✓ ${what}`) : styleText('red', `   ✗ ${what}`));
  }

  /** Shows `bin/herald …` and what it prints, and gives it back. */
  async herald(...words: string[]): Promise<Ran> {
    console.log(styleText('cyan', `   $ bin/herald ${shown(words)}`));
    const ran = await this.begin(words).ended;
    this.quote(`${ran.out}${ran.err}`);
    return ran;
  }

  /** Shows `kubectl …` and what it prints. */
  async kubectl(...words: string[]): Promise<Ran> {
    console.log(styleText('cyan', `   $ kubectl ${shown(words)}`));
    const ran = await this.beginKubectl(words).ended;
    this.quote(`${ran.out}${ran.err}`);
    return ran;
  }

  /** What a program has printed. */
  quote(text: string): void {
    for (const line of text.trimEnd().split('\n')) console.log(`     ${line}`.trimEnd());
  }

  /** `bin/herald …`, which goes on beside what follows. */
  begin(words: readonly string[], options: BeginOptions = {}): Begun {
    return this.#spawn(`${root}bin/herald`, words, options);
  }

  beginKubectl(words: readonly string[]): Begun {
    const folder = `/run/herald-lab/${labName}/kube`;
    const env = { ...process.env, KUBECONFIG: `${folder}/admin.kubeconfig`, KUBECACHEDIR: `${folder}/cache` };
    return this.#spawn(program('kubectl'), words, { env });
  }

  #spawn(command: string, words: readonly string[], options: BeginOptions): Begun {
    this.#signal.throwIfAborted();
    const child = spawn(command, words, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    const ended = new Promise<Ran>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', status => resolve({ status, out, err }));
      // What it started may hold its output open: nobody waits for that.
      const stop = () => {
        child.kill('SIGTERM');
        reject(this.#signal.reason);
      };
      this.#signal.addEventListener('abort', stop, { once: true });
      child.once('close', () => this.#signal.removeEventListener('abort', stop));
    });
    // One that nobody waits for ends unheard.
    ended.catch(() => {});
    return { child, ended, out: () => out };
  }

  /** Asks until there is an answer; undefined when there is none in time. */
  async until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T | undefined> {
    const startedMs = performance.now();
    if (!this.#terminal) console.log(`   waiting for ${what}`);
    try {
      for (;;) {
        this.#signal.throwIfAborted();
        const found = await ask();
        const waitedMs = performance.now() - startedMs;
        if (found !== undefined || waitedMs > waitMaxMs) return found;
        if (this.#terminal) process.stdout.write(`\r\x1b[K   waiting for ${what}: ${Math.round(waitedMs / 1000)} s`);
        await delay(pollMs, undefined, { signal: this.#signal });
      }
    } finally {
      if (this.#terminal) process.stdout.write('\r\x1b[K');
    }
  }
}

interface BeginOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly detached?: boolean;
}

interface Begun {
  readonly child: ChildProcess;
  readonly ended: Promise<Ran>;
  /** What it has printed so far. */
  out(): string;
}

/** As it is typed where there is no other lab. */
function shown(words: readonly string[]): string {
  const line = words.map(quoted).join(' ');
  return line.replace(/^lab exec --lab \S+/, 'lab exec').replace(/^(lab (?:verify|down)) \S+$/, '$1');
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
