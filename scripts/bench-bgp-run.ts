/** One run: two namespaces and a link, the speaker under test in one, the peers around it in the other. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Net } from '../test/support/netns.ts';
import { eventually } from '../test/support/wait.ts';
import { type Subject, type SubjectName, type SubjectSpec, subjects } from './bench-bgp-daemons.ts';
import type { Order, PeerSpec, Reply } from './bench-bgp-peers.ts';

const peersPath = fileURLToPath(new URL('./bench-bgp-peers.ts', import.meta.url));
const SUBJECT = '10.98.255.254';
const SUBJECT_ASN = 65_000;
const FIRST_PEER_ASN = 4_200_000_001;
/** A case that takes longer has failed. */
const CASE_LIMIT_MS = 300_000;
/** The speaker is done when it has used no more than this in that time. */
const QUIET = { cpuMs: 10, forMs: 400 } as const;

export interface Setting {
  readonly peers: number;
  readonly holdSeconds?: number;
  readonly keepaliveSeconds?: number;
  readonly networks?: readonly string[];
  readonly silent?: boolean;
}

export class Run {
  readonly peers: readonly PeerSpec[];
  readonly #setting: Setting;
  readonly #net = new Net();
  readonly #folder = mkdtempSync(join(tmpdir(), 'bench-bgp-'));
  readonly #words: readonly string[];
  readonly #announce: Subject['announce'];
  readonly #subject;
  readonly #around: ChildProcess;
  #daemon: ChildProcess | undefined;
  startedMs = 0;

  constructor(name: SubjectName, setting: Setting) {
    this.#setting = setting;
    this.peers = Array.from({ length: setting.peers }, (_, i) => ({
      address: `10.98.${(i + 1) >> 8}.${(i + 1) & 255}`,
      asn: FIRST_PEER_ASN + i,
    }));
    this.#subject = this.#net.namespace('dut');
    const around = this.#net.namespace('gen');
    this.#net.link(
      { in: this.#subject, link: 'eth0', addresses: [`${SUBJECT}/16`] },
      { in: around, link: 'eth0', addresses: ['10.98.254.1/16'] },
    );
    // Every address of the peers is local, without a thousand of them on the link.
    around.ip('route', 'add', 'local', '10.98.0.0/17', 'dev', 'lo');
    // All behind one neighbour: the kernel's table of them is small, and shared by all namespaces.
    this.#subject.ip('route', 'add', '10.98.0.0/17', 'via', '10.98.254.1');
    const subject: Subject = subjects[name];
    this.#announce = subject.announce;
    this.#words = subject.configure(this.#spec(), this.#folder);
    const [command = '', ...words] = around.inside(process.execPath, peersPath);
    this.#around = spawn(command, words, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }

  start(): void {
    const log = openSync(join(this.#folder, 'log'), 'w');
    const [command = '', ...words] = this.#subject.inside(...this.#words);
    this.startedMs = Number(process.hrtime.bigint()) / 1e6;
    this.#daemon = spawn(command, words, { stdio: ['ignore', log, log] });
    closeSync(log);
  }

  /** Waits until it listens, then for these peers' sessions. */
  async connect(from: number, to: number): Promise<Reply> {
    const inFlightMax = await eventually('the speaker listens', () => this.#backlog(), {
      everyMs: 5,
      limitMs: 60_000,
      hopeless: () => this.#daemon?.exitCode !== null,
      detail: () => readFileSync(join(this.#folder, 'log'), 'utf8').slice(-2000),
    });
    if (this.#setting.networks !== undefined && this.#announce !== undefined)
      this.#subject.run(...this.#announce(this.#folder));
    const { holdSeconds, keepaliveSeconds } = this.#spec();
    const peers = this.peers.slice(from, to);
    return await this.ask({ kind: 'connect', to: SUBJECT, peers, holdSeconds, keepaliveSeconds, inFlightMax });
  }

  /** Rejects with what went wrong for the peers. */
  ask(order: Order): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const end = (reply: Reply) => {
        clearTimeout(timer);
        if (reply.error === undefined) resolve(reply);
        else reject(new Error(reply.error));
      };
      const timer = setTimeout(() => end({ atMs: 0, error: `no end within ${CASE_LIMIT_MS / 1000} s` }), CASE_LIMIT_MS);
      this.#around.once('message', end);
      this.#around.send(order);
    });
  }

  /** When the speaker last did something that matters. */
  async quiet(): Promise<number> {
    const samples: { atMs: number; cpuMs: number }[] = [];
    for (;;) {
      const now = { atMs: Number(process.hrtime.bigint()) / 1e6, cpuMs: this.usage().cpuMs };
      samples.push(now);
      const before = samples.findLast(each => each.atMs <= now.atMs - QUIET.forMs);
      if (before !== undefined && now.cpuMs - before.cpuMs < QUIET.cpuMs)
        return samples.find(each => each.cpuMs >= now.cpuMs - QUIET.cpuMs)?.atMs ?? now.atMs;
      await delay(5);
    }
  }

  /** Of all processes of the speaker: CPU so far, peak and present resident memory. */
  usage(): { cpuMs: number; peakMib: number; nowMib: number } {
    const sum = { cpuMs: 0, peakMib: 0, nowMib: 0 };
    for (const pid of this.#pids()) {
      const status = readText(`/proc/${pid}/status`);
      const mib = (field: string) => Number(new RegExp(`${field}:\\s+([0-9]+)`).exec(status)?.[1] ?? 0) / 1024;
      sum.peakMib += mib('VmHWM');
      sum.nowMib += mib('VmRSS');
      for (const task of readNames(`/proc/${pid}/task`))
        sum.cpuMs += Number(readText(`/proc/${pid}/task/${task}/schedstat`).split(' ')[0] ?? 0) / 1e6;
    }
    return sum;
  }

  async close(): Promise<void> {
    this.#around.disconnect();
    const daemon = this.#daemon;
    if (daemon !== undefined && daemon.exitCode === null) {
      const ended = new Promise(resolve => daemon.once('exit', resolve));
      daemon.kill('SIGTERM');
      await Promise.race([ended, delay(3000)]);
    }
    this.#net.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #spec(): SubjectSpec {
    const { holdSeconds = 90, keepaliveSeconds = 30, networks = [], silent = false } = this.#setting;
    return { address: SUBJECT, asn: SUBJECT_ASN, holdSeconds, keepaliveSeconds, peers: this.peers, networks, silent };
  }

  /** What its queue holds, at least 1: past that the kernel drops calls, and their retry would be what is measured. */
  #backlog(): number | undefined {
    const pid = this.#pids()[0];
    if (pid === undefined || !/:00B3 00000000:0000 0A/.test(readText(`/proc/${pid}/net/tcp`))) return undefined;
    const listening = this.#subject.run('ss', '-Hltn', 'sport', '=', ':179').trim().split(/\s+/);
    return Math.max(1, Number(listening[2] ?? 1));
  }

  /** Whatever runs in its namespace. */
  #pids(): readonly string[] {
    if (performance.now() < this.#knownUntilMs) return this.#known;
    this.#knownUntilMs = performance.now() + 100;
    this.#known =
      spawnSync('ip', ['netns', 'pids', this.#subject.name], { encoding: 'utf8' }).stdout.match(/\d+/g) ?? [];
    return this.#known;
  }
  #known: readonly string[] = [];
  #knownUntilMs = 0;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function readNames(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
