/**
 * Processes of a test that end with it, whatever happens: at the end of this process and, for a run that was killed, at
 * the start of the next one. A folder belongs to them, whose name carries our pid; `pids` in it lists them.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const prefix = 'hrld-kube-';

export class ProcessFolder {
  readonly path: string;
  readonly #children = new Set<ChildProcess>();
  readonly #atExit = () => this.#end();

  constructor() {
    removeLeftovers();
    this.path = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`));
    process.once('exit', this.#atExit);
  }

  /** What it says goes to `NAME.log` in the folder. */
  run(name: string, words: readonly string[], env: NodeJS.ProcessEnv = process.env): ChildProcess {
    const [command = '', ...rest] = words;
    const log = openSync(join(this.path, `${name}.log`), 'a');
    const child = spawn(command, rest, { stdio: ['ignore', log, log], env });
    closeSync(log);
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    if (child.pid !== undefined) appendFileSync(join(this.path, 'pids'), `${child.pid}\n`);
    return child;
  }

  /** The end of what a program said. */
  said(name: string, characters = 4096): string {
    return readFileSync(join(this.path, `${name}.log`), 'utf8').slice(-characters);
  }

  async close(): Promise<void> {
    process.off('exit', this.#atExit);
    const ended = [...this.#children].map(child => new Promise(resolve => child.once('exit', resolve)));
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(ended);
    rmSync(this.path, { recursive: true, force: true });
  }

  #end(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Folders whose maker is dead, and what still runs of theirs. */
function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const maker = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1];
    if (maker === undefined || isAlive(Number(maker))) continue;
    const path = join(tmpdir(), name);
    // A pid may have been given to somebody else since: every process of ours names its folder.
    for (const pid of read(join(path, 'pids')).split('\n'))
      if (pid !== '' && read(`/proc/${pid}/cmdline`).includes(path)) process.kill(Number(pid), 'SIGKILL');
    rmSync(path, { recursive: true, force: true, maxRetries: 5 });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Empty when it cannot be read. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
