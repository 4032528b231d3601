/**
 * Programs in namespaces: run to their end with what they said, or started to stay. nsenter(1) enters, forks (a PID
 * namespace is entered by children only) and waits, so the program itself is its only child.
 */
import { type SpawnOptions as ChildOptions, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** A program that ran to its end. `status` is 128 and the signal's number when one ended it. */
export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Until it is killed; without it, as long as it takes. */
  readonly timeoutMs?: number;
  /** What it reads; nothing unless given. */
  readonly stdin?: string;
}

/** Of what a program says, on each of its two outputs; the rest is dropped. */
const outputMaxBytes = 64 * 2 ** 20;
/** In the environment of whatever runs for a lab, so that it is found again whoever started it. */
export const labVariable = 'HERALD_LAB';
const childPollMs = 5;
const childMaxMs = 30_000;

/**
 * Runs words of this host to their end. Output goes through files below `folder`, not pipes: a daemon that a command
 * leaves behind keeps its output open, and a pipe would then never end.
 */
export async function runWords(
  words: readonly string[],
  options: RunOptions & { readonly folder: string },
): Promise<Ran> {
  const out = nameless(options.folder);
  const err = nameless(options.folder);
  const input = options.stdin === undefined ? undefined : nameless(options.folder, options.stdin);
  try {
    const stdio: ChildOptions['stdio'] = [input ?? 'ignore', out, err];
    const status = await finish(
      words,
      { cwd: '/', stdio, ...(options.env && { env: options.env }) },
      options.timeoutMs,
    );
    return { status, stdout: contentOf(out), stderr: contentOf(err) };
  } finally {
    for (const fd of [out, err, input]) if (fd !== undefined) closeSync(fd);
  }
}

function finish(
  [command = '', ...rest]: readonly string[],
  options: ChildOptions,
  timeoutMs?: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, rest, options);
    // The one that runs, not the one that waits for it and would leave it behind.
    const timer = timeoutMs && setTimeout(() => killChildren(child.pid ?? 0), timeoutMs);
    child.once('error', reject);
    child.once('exit', (status, signal) => {
      clearTimeout(timer);
      resolve(status ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

/** A file without a name, read and written by the same descriptor. */
function nameless(folder: string, content = ''): number {
  const path = join(folder, `.${randomBytes(8).toString('hex')}`);
  const fd = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  // At its beginning still, for whoever reads it.
  if (content !== '') writeSync(fd, content, 0);
  return fd;
}

function contentOf(fd: number): string {
  const bytes = Buffer.alloc(Math.min(fstatSync(fd).size, outputMaxBytes));
  return bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, 0));
}

/** Starts words that enter a namespace by nsenter; the result is the pid of what runs there, as this host counts. */
export async function startWords(
  [command = '', ...rest]: readonly string[],
  options: { readonly env: Readonly<Record<string, string>>; readonly log: string },
): Promise<number> {
  const log = openSync(options.log, 'a');
  const child = spawn(command, rest, { cwd: '/', detached: true, stdio: ['ignore', log, log], env: options.env });
  closeSync(log);
  const failed = new Promise<never>((_, reject) => child.once('error', reject));
  child.unref();
  return await Promise.race([failed, childOf(child.pid ?? 0, options.log)]);
}

/** Starts words of this host that outlive this process, in no place; the result is their pid. */
export function spawnApart(
  [command = '', ...rest]: readonly string[],
  { lab, log, env = process.env }: { readonly lab: string; readonly log: string; readonly env?: NodeJS.ProcessEnv },
): number {
  const fd = openSync(log, 'a');
  const stdio: ChildOptions['stdio'] = ['ignore', fd, fd];
  const child = spawn(command, rest, { cwd: '/', detached: true, stdio, env: { ...env, [labVariable]: lab } });
  closeSync(fd);
  child.on('error', () => {});
  child.unref();
  return child.pid ?? 0;
}

async function childOf(pid: number, log: string): Promise<number> {
  const endMs = performance.now() + childMaxMs;
  for (;;) {
    const [child] = childrenOf(pid);
    if (child !== undefined) return child;
    if (!isRunning(pid)) throw new Error(`it ended at once: ${readFileSync(log, 'utf8').slice(-400).trim()}`);
    if (performance.now() > endMs) throw new Error(`it did not begin within ${childMaxMs / 1000} s`);
    await delay(childPollMs);
  }
}

/** Not by /proc/PID/task/TID/children: not every kernel has it. */
function childrenOf(parent: number): number[] {
  return processIds().filter(pid => statOf(pid)?.[1] === String(parent));
}

function killChildren(parent: number): void {
  for (const pid of childrenOf(parent)) signalTo(pid, 'SIGKILL');
}

/** False when it was gone. */
export function signalTo(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

export function processIds(): number[] {
  return readdirSync('/proc')
    .filter(name => /^[0-9]+$/.test(name))
    .map(Number);
}

/** A process that has not ended; a dead one that nobody has asked for yet has. */
export function isRunning(pid: number): boolean {
  const state = statOf(pid)?.[0];
  return state !== undefined && state !== 'Z' && state !== 'X';
}

/** Clock ticks since boot at which a process began: tells it from a later one of the same number. */
export function startTicksOf(pid: number): string | undefined {
  return statOf(pid)?.[19];
}

/** The fields of proc(5)'s stat from the third on. */
function statOf(pid: number): readonly string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}
