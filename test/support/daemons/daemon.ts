/**
 * Real BGP daemons under test conditions: each in a namespace and a folder of its own, in the foreground, stopped by
 * its pid. What a test says to them and asks of them is the same for all four; each file beside this one speaks one
 * dialect.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, fstatSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Namespace } from '../netns.ts';

export type Family = 'ipv4' | 'ipv6';

export interface RouterSpec {
  readonly asn: number;
  readonly routerId: string;
  /** Bound to these alone. */
  readonly addresses: readonly string[];
  readonly peers: readonly PeerSpec[];
  /** Originated from the start, of either family. */
  readonly networks?: readonly string[];
  /** FRR without zebra: nothing reaches the kernel's table, and next hops must be IPv4. */
  readonly alone?: boolean;
}

export interface PeerSpec {
  /** A link-local address carries its zone: `fe80::1%eth0`. */
  readonly address: string;
  /** Unnumbered: the peer is whoever is at the other end of this link; `address` is ignored. */
  readonly interface?: string;
  readonly asn: number;
  readonly passive?: boolean;
  readonly localAddress?: string;
  readonly password?: string;
  /** TTL security, one hop. */
  readonly gtsm?: boolean;
  /** Default: both. */
  readonly families?: readonly Family[];
  /** RFC 8950. */
  readonly extendedNextHop?: boolean;
  readonly gracefulRestart?: boolean;
  /** Default 9; keepalive is a third. */
  readonly holdSeconds?: number;
}

/** A route as the daemon tells it. AS path in the daemon's order as numbers; communities as text, sorted. */
export interface RouteView {
  readonly prefix: string;
  readonly nextHop: string;
  readonly asPath: readonly number[];
  readonly communities: readonly string[];
  readonly largeCommunities: readonly string[];
  readonly extendedCommunities: readonly string[];
  readonly med: number | undefined;
  readonly stale: boolean;
}

export interface Router {
  readonly kind: DaemonKind;
  /** Addresses (or the interface) of the peers that are Established. */
  established(): readonly string[];
  /** For each established peer what tells its session from any other: the same text means that it never ended. */
  sessions?(): Readonly<Record<string, string>>;
  /** Prefixes of the family that have a best path. */
  prefixes(family: Family): readonly string[];
  /** The AS path of every best path, as text. */
  asPaths(family: Family): ReadonlyMap<string, string>;
  /** All that is known of one prefix's best path; undefined when it is not there. */
  route(prefix: string): RouteView | undefined;
  /** Originates these as well, or no longer. */
  change(add: readonly string[], remove: readonly string[]): void;
  /** Asks the peer to send its routes again (RFC 2918). */
  refresh(peer: string): void;
  /** Ends the session with the peer, which then comes back. */
  reset(peer: string): void;
  log(): string;
  /** SIGTERM, and SIGKILL when that is not heard. `hard` is SIGKILL at once. */
  stop(hard?: boolean): Promise<void>;
}

export type DaemonKind = 'frr' | 'bird' | 'gobgp' | 'openbgpd';

const programs = {
  frr: ['/usr/lib/frr/bgpd', '/usr/lib/frr/zebra', '/usr/bin/vtysh'],
  bird: ['/usr/sbin/bird', '/usr/sbin/birdc'],
  gobgp: ['/usr/bin/gobgpd', '/usr/bin/gobgp'],
  openbgpd: ['/usr/sbin/bgpd', '/usr/sbin/bgpctl'],
} as const satisfies Record<DaemonKind, readonly string[]>;

/** The first of a daemon's programs that is not installed, or undefined. */
export function daemonMissing(kind: DaemonKind): string | undefined {
  return programs[kind].find(path => !existsSync(path));
}

/** A folder for configuration, sockets and logs. */
export function makeFolder(name: string): string {
  return mkdtempSync(join(tmpdir(), `hrld-${name}-`));
}

/**
 * A program in the foreground of a namespace. What it says goes into a file without a name: with a pipe it would stand
 * still whenever we wait for another program without reading.
 */
export class Foreground {
  readonly #child: ChildProcess;
  readonly #folder: string | undefined;
  readonly #log: number;
  #ended: Promise<void>;

  constructor(
    namespace: Namespace,
    words: readonly string[],
    options: { folder?: string; env?: Record<string, string> } = {},
  ) {
    const [command = '', ...rest] = namespace.inside(...words);
    this.#folder = options.folder;
    const path = join(tmpdir(), `hrld-log-${process.pid}-${sequence++}`);
    this.#log = openSync(path, 'a+');
    rmSync(path);
    const stdio = ['ignore', this.#log, this.#log] as const;
    this.#child = spawn(command, rest, { stdio: [...stdio], env: { ...process.env, ...options.env } });
    this.#ended = new Promise(resolve => this.#child.once('exit', () => resolve()));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Undefined while it runs. */
  get exitCode(): number | undefined {
    return this.#child.exitCode ?? (this.#child.signalCode === null ? undefined : 128);
  }

  /** The last 64 KiB. */
  said(): string {
    const tail = Buffer.alloc(65_536);
    const size = fstatSync(this.#log).size;
    return tail.toString('utf8', 0, readSync(this.#log, tail, 0, tail.length, Math.max(0, size - tail.length)));
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM', graceMs = 5000): Promise<void> {
    this.#child.kill(signal);
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), graceMs);
    await this.#ended;
    clearTimeout(timer);
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }
}

let sequence = 0;

export function familyOf(prefix: string): Family {
  return prefix.includes(':') ? 'ipv6' : 'ipv4';
}

export function ofFamily(prefixes: readonly string[] | undefined, family: Family): string[] {
  return (prefixes ?? []).filter(prefix => familyOf(prefix) === family);
}

export function familiesOf(peer: PeerSpec): readonly Family[] {
  return peer.families ?? ['ipv4', 'ipv6'];
}

export function holdOf(peer: PeerSpec): number {
  return peer.holdSeconds ?? 9;
}
