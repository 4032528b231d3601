/**
 * A lock between processes of one machine that outlives nobody: a symbolic link whose target names its owner. Making
 * one is atomic together with what it says, and only one process can; there is no moment at which the owner is
 * unknown.
 *
 * The lock of an owner that died is removed by whoever holds the right to remove it, a link named after that owner:
 * between reading «it is still theirs» and removing it, nobody else can have put another in its place.
 */
import { randomBytes } from 'node:crypto';
import { lstatSync, lutimesSync, readFileSync, readlinkSync, symlinkSync, unlinkSync } from 'node:fs';
import type { Clock } from '../runtime/ports.ts';

/** Whether a process of another PID namespace lives cannot be seen; it renews what it holds for longer than this. */
const foreignOwnerMaxMs = 30_000;
const retryMinMs = 0.5;
const retryMaxMs = 8;

interface Owner {
  readonly pid: number;
  /** Clock ticks since boot at which the process began: tells it from a later one of the same number. */
  readonly startTicks: string;
  readonly boot: string;
  readonly pidNamespace: string;
  /** Unique among all locks there ever were. */
  readonly id: string;
}

/** Held by somebody who lives and did not let go in time. */
class LockTimeoutError extends Error {
  override name = 'LockTimeoutError';
}

export class LockFile {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #self: Owner = ownOwner();

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  /** Resolves when this process holds the lock; rejects with LockTimeoutError after `limitMs`. */
  async acquire(limitMs: number): Promise<void> {
    const endMs = this.#clock.nowMs() + limitMs;
    for (let delayMs = retryMinMs; !this.tryAcquire(); delayMs = Math.min(2 * delayMs, retryMaxMs)) {
      if (this.#clock.nowMs() >= endMs) throw new LockTimeoutError(this.#complaint(limitMs));
      // Waiters must not keep step with each other.
      const waitMs = delayMs * (0.5 + Math.random());
      await new Promise<void>(resolve => this.#clock.after(waitMs, resolve));
    }
  }

  tryAcquire(): boolean {
    return link(this.#self, this.#path) || (this.#removeDead(this.#path) && link(this.#self, this.#path));
  }

  release(): void {
    // Not what somebody else put there since, having taken us for dead.
    if (readOwner(this.#path)?.id === this.#self.id) unlinkSync(this.#path);
  }

  /** For a lock that is held for long: says that its owner lives. False when somebody took us for dead. */
  renew(): boolean {
    if (readOwner(this.#path)?.id !== this.#self.id) return false;
    const now = new Date(this.#clock.wallMs());
    lutimesSync(this.#path, now, now);
    return true;
  }

  /** True when nothing is at `path` any more. */
  #removeDead(path: string): boolean {
    const owner = readOwner(path);
    if (owner === undefined) return true;
    if (this.#lives(owner, path)) return false;
    const right = `${this.#path}.${owner.id}`;
    if (!link(this.#self, right)) {
      // Somebody is at it, or died at it.
      this.#removeDead(right);
      return false;
    }
    try {
      if (readOwner(path)?.id === owner.id) unlinkSync(path);
    } finally {
      unlinkSync(right);
    }
    return true;
  }

  #lives(owner: Owner, path: string): boolean {
    if (owner.boot !== this.#self.boot) return false;
    if (owner.pidNamespace === this.#self.pidNamespace) return startTicksOf(owner.pid) === owner.startTicks;
    const sinceMs = lstatSync(path, { throwIfNoEntry: false })?.mtimeMs;
    return sinceMs !== undefined && this.#clock.wallMs() - sinceMs < foreignOwnerMaxMs;
  }

  #complaint(limitMs: number): string {
    const owner = readOwner(this.#path);
    const who = owner === undefined ? 'other processes' : `process ${owner.pid}`;
    return `${this.#path}: held by ${who} for more than ${limitMs} ms; end that process or use another state directory`;
  }
}

function link(owner: Owner, path: string): boolean {
  try {
    symlinkSync([owner.pid, owner.startTicks, owner.boot, owner.pidNamespace, owner.id].join(' '), path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function readOwner(path: string): Owner | undefined {
  try {
    const [pid = '', startTicks = '', boot = '', pidNamespace = '', id = ''] = readlinkSync(path).split(' ');
    return { pid: Number(pid), startTicks, boot, pidNamespace, id };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function ownOwner(): Owner {
  return {
    pid: process.pid,
    startTicks: startTicksOf(process.pid) ?? '',
    boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    pidNamespace: readlinkSync('/proc/self/ns/pid'),
    id: randomBytes(8).toString('hex'),
  };
}

/** Undefined when there is no such process, or nothing left of it but its exit status. */
function startTicksOf(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The name in parentheses may hold anything; behind it: state, then numbers (proc_pid_stat(5), fields 3 and 22).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
