/** Several processes on one state directory: killed at any instant, contending, and what lock and journal bear. */
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Journal } from '../../src/directory/journal.ts';
import { LockFile } from '../../src/directory/lock.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { recordingLog } from '../support/recording-log.ts';
import { World } from './world.ts';

const script = (name: string) => fileURLToPath(new URL(name, import.meta.url));
/** Printed with every failure, so that it can be had again. */
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
let random = seed;
function nextRandom(): number {
  random = (Math.imul(random, 1103515245) + 12345) & 0x7fffffff;
  return random / 2 ** 31;
}

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.dispose());

interface Ended {
  readonly out: readonly number[];
  readonly err: string;
  readonly status: number | null;
}

/** Runs a script, and kills it that long after its first line of output when `killMs` is given. */
function run(name: string, args: readonly string[], killMs?: number): Promise<Ended> {
  const child = spawn(process.execPath, [script(name), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (out === '' && killMs !== undefined) setTimeout(() => child.kill('SIGKILL'), killMs);
    out += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', status => {
      // The last line may be cut off by the kill.
      const lines = out
        .slice(0, out.lastIndexOf('\n') + 1)
        .split('\n')
        .filter(Boolean);
      resolve({ out: lines.map(Number), err, status });
    });
  });
}

function openJournal(): Journal<{ n: number }> {
  const isValue = (value: unknown): value is { n: number } =>
    typeof value === 'object' && value !== null && 'n' in value;
  return new Journal<{ n: number }>({ dir: world.state, clock: systemClock, log: recordingLog(), isValue });
}

describe('killed at any instant', () => {
  it(`the state is readable and holds every confirmed write, 60 kills of 3 writers (SEED=${seed})`, async () => {
    const writers = ['a', 'b', 'c'];
    const confirmed = new Map<string, number>();
    const kills = 20;
    await Promise.all(
      writers.map(async id => {
        for (let i = 0; i < kills; i++) {
          const { out, err } = await run('journal-writer.ts', [world.state, id], nextRandom() * 60);
          expect(err).toBe('');
          // A writer goes on where the one before it was.
          expect(out[0]).toBeGreaterThan(confirmed.get(id) ?? 0);
          confirmed.set(id, out.at(-1) ?? 0);
        }
      }),
    );
    const journal = openJournal();
    await journal.open();
    const stored = (key: string) => journal.get(key)?.value.n ?? 0;
    let sum = 0;
    for (const id of writers) {
      expect(stored(id)).toBeGreaterThanOrEqual(confirmed.get(id) ?? Number.NaN);
      sum += stored(id);
    }
    // One transaction is two lines: a kill between them costs the second, and one kill costs one transaction at most.
    expect(Math.abs(stored('all') - sum)).toBeLessThanOrEqual(writers.length * kills);
    await journal.close();
  }, 60_000);
});

describe('many processes', () => {
  it('that take one lease by its version never win the same version twice', async () => {
    const wins = 40;
    const contenders = ['a', 'b', 'c'].map(id =>
      run('lease-contender.ts', [world.manifests, world.state, id, String(wins)]),
    );
    const ended = await Promise.all(contenders);
    for (const { err, status } of ended) expect({ err, status }).toEqual({ err: '', status: 0 });
    const versions = ended.flatMap(each => each.out);
    expect(versions).toHaveLength(3 * wins);
    expect(new Set(versions).size).toBe(versions.length);
    const store = await world.open();
    expect(store.snapshot().get('Lease', 'default', 'contended')?.spec.leaseTransitions).toBe(3 * wins);
  }, 60_000);
});

describe('the lock', () => {
  const lockPath = () => join(world.state, 'lock');
  const newLock = () => new LockFile(lockPath(), systemClock);
  beforeEach(() => mkdirSync(world.state));

  it('is held by one at a time', () => {
    const [a, b] = [newLock(), newLock()];
    expect(a.tryAcquire()).toBe(true);
    expect(b.tryAcquire()).toBe(false);
    a.release();
    expect(b.tryAcquire()).toBe(true);
  });

  it('is waited for no longer than asked, and the complaint names its holder', async () => {
    const [a, b] = [newLock(), newLock()];
    a.tryAcquire();
    const waiting = b.acquire(50);
    await expect(waiting).rejects.toMatchObject({ name: 'LockTimeoutError' });
    await expect(waiting).rejects.toThrow(new RegExp(`process ${process.pid}`));
  });

  it('is not let go by whoever does not hold it', () => {
    const [a, b] = [newLock(), newLock()];
    a.tryAcquire();
    b.release();
    expect(b.tryAcquire()).toBe(false);
  });

  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const ownTicks = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ')[19];
  it.each([
    ['a process that is gone', (ns: string) => `4194305 1 ${boot} ${ns} 00`],
    ['an earlier process of the same number', (ns: string) => `${process.pid} 1 ${boot} ${ns} 00`],
    ['a process from before the machine started', (ns: string) => `${process.pid} ${ownTicks} other-boot ${ns} 00`],
    ['nobody that can be understood', () => 'nonsense'],
  ])('is taken over from %s', (_, owner) => {
    const a = newLock();
    a.tryAcquire();
    const namespace = readlinkSync(lockPath()).split(' ')[3] ?? '';
    a.release();
    symlinkSync(owner(namespace), lockPath());
    expect(newLock().tryAcquire()).toBe(true);
  });

  it('is taken over although whoever was taking it over died at that', () => {
    const a = newLock();
    a.tryAcquire();
    const namespace = readlinkSync(lockPath()).split(' ')[3] ?? '';
    a.release();
    symlinkSync(`4194305 1 ${boot} ${namespace} dead1`, lockPath());
    symlinkSync(`4194306 1 ${boot} ${namespace} dead2`, `${lockPath()}.dead1`);
    const b = newLock();
    // The first try clears away the dead helper.
    expect([b.tryAcquire(), b.tryAcquire()]).toContain(true);
  });

  it('is left for a while to a process whose life cannot be seen from here', () => {
    symlinkSync(`1 1 ${boot} pid:[1] 00`, lockPath());
    expect(newLock().tryAcquire()).toBe(false);
  });
});

describe('a journal', () => {
  const fill = async () => {
    const journal = openJournal();
    await journal.open();
    for (let n = 1; n <= 3; n++) await journal.transact(transaction => transaction.set(`k${n}`, { n }));
    await journal.close();
  };
  const path = () => join(world.state, 'journal');
  const reopen = async () => {
    const journal = openJournal();
    await journal.open();
    return journal;
  };
  const keys = (journal: Journal<{ n: number }>) => [...journal.entries()].map(([key]) => key);

  it('loses at most the last line when it is cut off anywhere, and goes on from there', async () => {
    await fill();
    const size = statSync(path()).size;
    const whole = readFileSync(path());
    for (let cut = size - 1; cut > size - 40; cut--) {
      writeFileSync(path(), whole);
      truncateSync(path(), cut);
      const journal = await reopen();
      expect(keys(journal)).toEqual(['k1', 'k2']);
      await journal.transact(transaction => transaction.set('k4', { n: 4 }));
      await journal.close();
      const again = await reopen();
      expect(keys(again)).toEqual(['k1', 'k2', 'k4']);
      await again.close();
    }
  });

  it('leaves out what a failing disk made of a line, and keeps the rest', async () => {
    await fill();
    const text = readFileSync(path(), 'utf8');
    writeFileSync(path(), text.replace('"k2"', '"kX"'));
    const journal = await reopen();
    expect(keys(journal)).toEqual(['k1', 'k3']);
    await journal.close();
  });

  it('goes on after zeros, which a power cut can leave behind', async () => {
    await fill();
    appendFileSync(path(), Buffer.alloc(4096));
    const journal = await reopen();
    await journal.transact(transaction => transaction.set('k4', { n: 4 }));
    await journal.close();
    const again = await reopen();
    expect(keys(again)).toEqual(['k1', 'k2', 'k3', 'k4']);
    await again.close();
  });

  it('refuses a file of another format and leaves it as it is', async () => {
    const json = JSON.stringify({ herald: 'state', version: 99, seq: 0 });
    mkdirSync(world.state);
    writeFileSync(path(), `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`);
    await expect(reopen()).rejects.toThrow(/format 99/);
    expect(readFileSync(path(), 'utf8')).toContain('"version":99');
  });

  it('one decision that throws spoils no other of its batch', async () => {
    const journal = await reopen();
    const results = await Promise.allSettled([
      journal.transact(transaction => transaction.set('a', { n: 1 })),
      journal.transact(() => {
        throw new Error('not this one');
      }),
      journal.transact(transaction => transaction.set('b', { n: transaction.get('a')?.value.n ?? 0 })),
    ]);
    expect(results.map(each => each.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(journal.get('b')?.value).toEqual({ n: 1 });
    await journal.close();
  });

  it('writes everything again when somebody cleared it away', async () => {
    const journal = await reopen();
    await journal.transact(transaction => transaction.set('a', { n: 1 }));
    rmSync(world.state, { recursive: true });
    await journal.transact(transaction => transaction.set('b', { n: 2 }));
    await journal.close();
    const again = await reopen();
    expect(keys(again)).toEqual(['a', 'b']);
    await again.close();
  });

  it('has one write for all that is asked at once', async () => {
    const journal = await reopen();
    let changes = 0;
    journal.onChange = () => changes++;
    await Promise.all(
      Array.from({ length: 10_000 }, (_, n) => journal.transact(transaction => transaction.set(`k${n}`, { n }))),
    );
    expect(changes).toBe(1);
    await journal.close();
  });
});
