/**
 * Network namespaces for tests: routers and links made of veth pairs and bridges, gone again when the test ends, when
 * it is interrupted, and, for those that were left behind by a run that was killed, at the start of the next one.
 * Names carry our pid.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';

const PREFIX = 'hrld';

/** Undefined when namespaces can be made here; otherwise the reason, for the line a skipped test says. */
export function namespacesMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  if (spawnSync('ip', ['-V']).status !== 0) return 'needs iproute2';
  const probe = `${PREFIX}-${process.pid}-probe`;
  const made = spawnSync('ip', ['netns', 'add', probe], { encoding: 'utf8' });
  if (made.status !== 0) return `network namespaces are refused: ${made.stderr.trim()}`;
  spawnSync('ip', ['netns', 'del', probe]);
  return undefined;
}

/** One network namespace. */
export class Namespace {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
    ip('netns', 'add', name);
    live.add(name);
    // No IPv6 address may wait for duplicate detection: a listener bound to it would fail until then.
    for (const knob of ['all', 'default'])
      this.run('sysctl', '-qw', `net.ipv6.conf.${knob}.accept_dad=0`, `net.ipv6.conf.${knob}.disable_ipv6=0`);
    this.ip('link', 'set', 'lo', 'up');
  }

  /** `ip -n NAME …`; throws with what ip said. */
  ip(...words: string[]): string {
    return ip('-n', this.name, ...words);
  }

  /** The words that run a program inside. */
  inside(...words: string[]): string[] {
    return ['ip', 'netns', 'exec', this.name, ...words];
  }

  /** Runs a program inside to its end; throws with what it said. Standard output is the result. */
  run(...words: string[]): string {
    const [command = '', ...rest] = this.inside(...words);
    return execFileSync(command, rest, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 2 ** 28 });
  }

  /** The link-local address of a link. */
  linkLocal(link: string): string {
    const found = /inet6 (fe80:[0-9a-f:]+)\/64/.exec(this.ip('-6', '-o', 'addr', 'show', 'dev', link));
    if (found?.[1] === undefined) throw new Error(`${link} in ${this.name} has no link-local address`);
    return found[1];
  }

  close(): void {
    if (!live.delete(this.name)) return;
    destroy(this.name);
  }
}

/** A set of namespaces that ends together. */
export class Net {
  readonly #namespaces: Namespace[] = [];

  constructor() {
    armCleanup();
  }

  namespace(name: string): Namespace {
    const made = new Namespace(`${PREFIX}-${process.pid}-${sequence++}-${name}`);
    this.#namespaces.push(made);
    return made;
  }

  /** A veth pair, both ends up, with the addresses given (`10.0.0.1/24`). */
  link(a: LinkEnd, b: LinkEnd): void {
    ip('link', 'add', a.link, 'netns', a.in.name, 'type', 'veth', 'peer', 'name', b.link, 'netns', b.in.name);
    for (const end of [a, b]) {
      for (const address of end.addresses ?? []) addAddress(end.in, end.link, address);
      end.in.ip('link', 'set', end.link, 'up');
    }
    for (const end of [a, b])
      until(() => /,LOWER_UP/.test(end.in.ip('link', 'show', 'dev', end.link)), `${end.link} up`);
  }

  /** One Ethernet segment that all ends are on, bridged in a namespace of its own. */
  segment(ends: readonly LinkEnd[]): void {
    const middle = this.namespace('seg');
    middle.ip('link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0', 'mcast_snooping', '0');
    middle.ip('link', 'set', 'br0', 'up');
    for (const [i, end] of ends.entries()) {
      this.link(end, { in: middle, link: `p${i}` });
      middle.ip('link', 'set', `p${i}`, 'master', 'br0');
    }
  }

  close(): void {
    for (const namespace of this.#namespaces.splice(0)) namespace.close();
  }
}

export interface LinkEnd {
  readonly in: Namespace;
  readonly link: string;
  readonly addresses?: readonly string[];
}

let sequence = 0;
let armed = false;
const live = new Set<string>();

function armCleanup(): void {
  if (armed) return;
  armed = true;
  removeLeftovers();
  const all = () => {
    for (const name of live) destroy(name);
    live.clear();
  };
  process.once('exit', all);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => {
      all();
      process.kill(process.pid, signal);
    });
}

/** Those whose maker is dead. */
function removeLeftovers(): void {
  if (!existsSync('/run/netns')) return;
  for (const name of readdirSync('/run/netns')) {
    const pid = new RegExp(`^${PREFIX}-([0-9]+)-`).exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) destroy(name);
  }
}

/** Ends what still runs inside, then the namespace. */
function destroy(name: string): void {
  const pids = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).stdout ?? '';
  for (const pid of pids.split('\n').filter(text => text !== '')) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It ended by itself.
    }
  }
  spawnSync('ip', ['netns', 'del', name]);
}

function addAddress(namespace: Namespace, link: string, address: string): void {
  namespace.ip('addr', 'add', address, 'dev', link, ...(address.includes(':') ? ['nodad'] : []));
}

function ip(...words: string[]): string {
  const done = spawnSync('ip', words, { encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (done.status !== 0) throw new Error(`ip ${words.join(' ')}: ${done.stderr}`);
  return done.stdout;
}

/** Only for what the kernel does within milliseconds. */
function until(condition: () => boolean, what: string): void {
  const endMs = performance.now() + 3000;
  while (!condition()) if (performance.now() > endMs) throw new Error(`never: ${what}`);
}
