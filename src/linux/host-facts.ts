/**
 * What this host looks like: its links with their addresses, and its default routes. Told by rtnetlink as it happens;
 * where netlink cannot be opened, read from /proc and /sys again and again. The value stays the same as long as nothing
 * changed.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { basename } from 'node:path';
import { Stable } from '../control/keep.ts';
import type { HostFacts, HostLink } from '../control/settings.ts';
import { IpAddress } from '../net/ip.ts';
import { Mac } from '../net/mac.ts';
import type { Clock, Log } from '../runtime/ports.ts';
import type { NetlinkThread } from './netlink-thread.ts';
import { isUp, parseIpv6Routes, parseRoutes } from './proc-net.ts';

const defaultEveryMs = 2000;

export interface HostWatchEnv {
  readonly clock: Clock;
  readonly log: Log;
  /** The host changed; `facts` says how it looks now. */
  readonly changed: () => void;
}

export interface HostWatchOptions {
  /** How often to look where nobody tells. */
  readonly everyMs?: number;
  readonly read?: () => HostFacts;
}

/** The host as last told, or as last seen. */
export class HostWatch {
  readonly #stable = new Stable<HostFacts>();
  readonly #env: HostWatchEnv;
  readonly #everyMs: number;
  readonly #read: () => HostFacts;
  #leave = () => {};
  #cancel = () => {};
  #facts: HostFacts;

  /** By looking again and again, until `listen`. */
  constructor(env: HostWatchEnv, { everyMs = defaultEveryMs, read = readHostFacts }: HostWatchOptions = {}) {
    this.#env = env;
    this.#everyMs = everyMs;
    this.#read = read;
    this.#facts = this.#stable.keep(read());
    this.#arm();
  }

  /**
   * Told by the thread from now on, and no longer by looking. Resolves when the thread has told how the host looks, or
   * has failed: then looking goes on, as it does when the thread fails later.
   */
  async listen(thread: NetlinkThread): Promise<void> {
    await new Promise<void>(resolve => {
      this.#leave = thread.watch({
        facts: facts => {
          this.#cancel();
          this.#take(facts);
          resolve();
        },
        failed: error => {
          const detail = `${error.message}; looking at it every ${this.#everyMs} ms instead`;
          this.#env.log.warn('links and addresses of the host cannot be watched', { detail });
          this.#cancel();
          this.#arm();
          resolve();
        },
      });
    });
  }

  get facts(): HostFacts {
    return this.#facts;
  }

  close(): void {
    this.#leave();
    this.#cancel();
  }

  #take(seen: HostFacts): void {
    const facts = this.#stable.keep(seen);
    if (facts === this.#facts) return;
    this.#facts = facts;
    this.#env.changed();
  }

  #arm(): void {
    this.#cancel = this.#env.clock.after(this.#everyMs, () => {
      this.#arm();
      this.#take(this.#read());
    });
  }
}

function readHostFacts(): HostFacts {
  return {
    links: readLinks(),
    defaultRoutes: [
      ...parseRoutes(readText('/proc/net/route')),
      ...parseIpv6Routes(readText('/proc/net/ipv6_route')),
    ].sort((a, b) => (a.link < b.link ? -1 : a.link > b.link ? 1 : 0) || a.metric - b.metric),
  };
}

function readLinks(): readonly HostLink[] {
  const addresses = networkInterfaces();
  return readNames('/sys/class/net').map(name => {
    const read = (file: string) => readText(`/sys/class/net/${name}/${file}`);
    const flags = read('flags');
    return {
      name,
      index: Number(read('ifindex')),
      up: isUp(flags, read('operstate')),
      mac: Number(read('type')) === ARPHRD_ETHER ? Mac.parse(read('address').trim()) : undefined,
      master: readMaster(name),
      noArp: (Number.parseInt(flags, 16) & IFF_NOARP) !== 0,
      // Written nowhere but by rtnetlink.
      kind: undefined,
      mtu: Number(read('mtu')),
      addresses: (addresses[name] ?? []).flatMap(({ address: text, cidr }) => {
        const address = IpAddress.parse(text.split('%')[0] ?? text);
        return address === undefined ? [] : [{ address, length: Number(cidr?.split('/')[1] ?? 0) }];
      }),
    };
  });
}

const ARPHRD_ETHER = 1;
const IFF_NOARP = 0x80;

function readMaster(name: string): string | undefined {
  try {
    return basename(readlinkSync(`/sys/class/net/${name}/master`));
  } catch {
    return undefined;
  }
}

function readNames(path: string): readonly string[] {
  try {
    return readdirSync(path).sort();
  } catch {
    return [];
  }
}

/** Empty where there is no such file: a kernel without IPv6, a link that went away. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
