/**
 * What this host looks like: its links with their addresses, and its default routes. Read from /proc and /sys and
 * looked at again on a timer; the value stays the same as long as nothing changed.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { Stable } from '../control/keep.ts';
import type { HostFacts, HostLink } from '../control/settings.ts';
import { IpAddress } from '../net/ip.ts';
import type { Clock } from '../runtime/ports.ts';
import { isUp, parseIpv6Routes, parseRoutes } from './proc-net.ts';

const defaultEveryMs = 2000;

/** Looks at the host again and again. */
export class HostWatch {
  readonly #stable = new Stable<HostFacts>();
  readonly #read: () => HostFacts;
  readonly #clock: Clock;
  readonly #changed: () => void;
  readonly #everyMs: number;
  #cancel = () => {};
  #facts: HostFacts;

  constructor(clock: Clock, changed: () => void, { everyMs = defaultEveryMs, read = readHostFacts } = {}) {
    this.#clock = clock;
    this.#changed = changed;
    this.#everyMs = everyMs;
    this.#read = read;
    this.#facts = this.#stable.keep(read());
    this.#arm();
  }

  /** As last seen. */
  get facts(): HostFacts {
    return this.#facts;
  }

  close(): void {
    this.#cancel();
  }

  #arm(): void {
    this.#cancel = this.#clock.after(this.#everyMs, () => {
      this.#arm();
      const facts = this.#stable.keep(this.#read());
      if (facts === this.#facts) return;
      this.#facts = facts;
      this.#changed();
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
  return readNames('/sys/class/net').map(name => ({
    name,
    up: isUp(readText(`/sys/class/net/${name}/flags`), readText(`/sys/class/net/${name}/operstate`)),
    addresses: (addresses[name] ?? []).flatMap(({ address: text, cidr }) => {
      const address = IpAddress.parse(text.split('%')[0] ?? text);
      return address === undefined ? [] : [{ address, length: Number(cidr?.split('/')[1] ?? 0) }];
    }),
  }));
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
