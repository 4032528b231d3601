/** What is measured on Kubernetes: how it is installed and configured, which programs it is, what they cost. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** One node, one pool, one peer: the same for every product. */
export const site = {
  node: 'node-1',
  podCidr: '10.1.0.0/24',
  pool: '10.128.0.0/16',
  asn: 65001,
  routerId: '10.0.0.1',
  // MetalLB takes no port above 16384.
  router: { address: '127.0.0.2', port: 12_179, asn: 65002 },
} as const;

export const nodeObject = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: {
    name: site.node,
    annotations: { [`cilium.io/bgp-virtual-router.${site.asn}`]: `router-id=${site.routerId}` },
  },
  spec: { podCIDR: site.podCidr, podCIDRs: [site.podCidr] },
};

export interface Product {
  readonly name: string;
  /** Undefined when it can be had here; otherwise why not. */
  readonly missing: () => string | undefined;
  /** Namespace of its service accounts. */
  readonly namespace: string;
  /** What it is installed from: text for kubectl. */
  readonly manifests: () => string;
  readonly objects: readonly object[];
  /** In the order of their starts. */
  readonly programs: readonly Program[];
}

export interface Program {
  readonly name: string;
  /** The service account that it runs as. */
  readonly account: string;
  readonly command: string;
  readonly words: (kubeconfig: string, folder: string) => readonly string[];
  readonly env?: (kubeconfig: string) => NodeJS.ProcessEnv;
  /** Answers 200 when it is ready. */
  readonly ready: string;
}

const readyMaxMs = 60_000;

/** One program of a product at work. */
export class Running {
  readonly name: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'herald-bench-'));
  readonly #child: ChildProcess;
  readonly #ready: string;
  readonly #atExit = () => void this.#child.kill('SIGKILL');
  readonly #startMs = performance.now();
  readyMs = Number.NaN;

  constructor(program: Program, kubeconfig: string) {
    this.name = program.name;
    this.#ready = program.ready;
    const log = openSync(`${this.#folder}/log`, 'w');
    this.#child = spawn(program.command, [...program.words(kubeconfig, this.#folder)], {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...program.env?.(kubeconfig) },
    });
    closeSync(log);
    process.once('exit', this.#atExit);
  }

  async ready(): Promise<void> {
    const endMs = performance.now() + readyMaxMs;
    while (Number.isNaN(this.readyMs)) {
      if (performance.now() > endMs || this.#child.exitCode !== null) throw new Error(this.#log());
      await delay(5);
      const answer = await fetch(this.#ready).catch(() => undefined);
      if (answer?.status === 200) this.readyMs = performance.now() - this.#startMs;
    }
  }

  /** MiB: resident now, and at most so far. */
  memory(): { readonly now: number; readonly peak: number } {
    const status = readFileSync(`/proc/${this.#pid()}/status`, 'utf8');
    const field = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
    return { now: field('VmRSS'), peak: field('VmHWM') };
  }

  /** Seconds of CPU so far. */
  cpu(): number {
    return cpuOf(this.#pid());
  }

  async stop(): Promise<void> {
    const ended = new Promise(resolve => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    if (this.#child.exitCode === null && this.#child.signalCode === null) await ended;
    process.off('exit', this.#atExit);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #log(): string {
    return readFileSync(`${this.#folder}/log`, 'utf8').slice(-4096);
  }

  /** The launcher may have started the node it wants. */
  #pid(): number {
    const pid = this.#child.pid ?? 0;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
    return Number(children[0] ?? pid);
  }
}

/** Seconds of user and system time. */
export function cpuOf(pid: string | number): number {
  return timesOf(pid).own;
}

/** Seconds of CPU of this process and of all it has started, those that have ended too. */
export function ourCpu(): number {
  const living = readdirSync('/proc').filter(name => /^\d+$/.test(name));
  const children = Map.groupBy(
    living.flatMap(pid => timesIfThere(pid)),
    each => each.parent,
  );
  const sum = (pid: number): number =>
    (children.get(pid) ?? []).reduce((total, child) => total + child.own + child.ended + sum(child.pid), 0);
  const { own, ended } = timesOf(process.pid);
  return own + ended + sum(process.pid);
}

interface Times {
  readonly pid: number;
  readonly parent: number;
  /** Seconds: its own, and of children that have ended. */
  readonly own: number;
  readonly ended: number;
}

/** proc(5), /proc/pid/stat. Throws when there is no such process. */
function timesOf(pid: string | number): Times {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text
    .replace(/^.*\) /s, '')
    .split(' ')
    .map(Number);
  const seconds = (first: number) => ((fields[first] ?? 0) + (fields[first + 1] ?? 0)) / 100;
  return { pid: Number(pid), parent: fields[1] ?? 0, own: seconds(11), ended: seconds(13) };
}

function timesIfThere(pid: string): readonly Times[] {
  try {
    return [timesOf(pid)];
  } catch {
    return [];
  }
}
