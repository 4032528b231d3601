/**
 * What this host looks like: its links with their addresses, and its default routes. Read from /proc and /sys and
 * looked at again on a timer; the value stays the same as long as nothing changed. Formats: Linux
 * Documentation/networking (proc/net/route, ipv6_route).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { Stable } from '../control/keep.ts';
import type { DefaultRoute, HostFacts, HostLink } from '../control/settings.ts';
import { IpAddress } from '../net/ip.ts';
import type { Clock } from '../runtime/ports.ts';

const RTF_UP = 0x1;
const RTF_GATEWAY = 0x2;
/** Of IPv6 routes: unreachable, blackhole and the like. */
const RTF_REJECT = 0x200;
const IFF_UP = 0x1;

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

export function readHostFacts(): HostFacts {
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

/** Administratively up, and operationally up, or unknown as for links that have no carrier to speak of. */
export function isUp(flags: string, operstate: string): boolean {
  const isWanted = (Number.parseInt(flags, 16) & IFF_UP) !== 0;
  return isWanted && ['up', 'unknown'].includes(operstate.trim());
}

/** /proc/net/route: hexadecimal words as the machine holds them, which is little-endian wherever Node 24 runs. */
export function parseRoutes(text: string): readonly DefaultRoute[] {
  return text.split('\n').flatMap(line => {
    const [link = '', destination, gateway = '', flagsText = '', , , metric, mask] = line.split(/\s+/);
    const flags = Number.parseInt(flagsText, 16);
    if (destination !== '00000000' || mask !== '00000000') return [];
    if ((flags & RTF_UP) === 0 || (flags & RTF_GATEWAY) === 0 || !/^[0-9A-Fa-f]{8}$/.test(gateway)) return [];
    const turned = (gateway.match(/../g) ?? []).reverse().join('');
    return [{ gateway: IpAddress.of('ipv4', BigInt(`0x${turned}`)), link, metric: Number(metric) }];
  });
}

/** /proc/net/ipv6_route: hexadecimal digits in network order, numbers in hexadecimal. */
export function parseIpv6Routes(text: string): readonly DefaultRoute[] {
  return text.split('\n').flatMap(line => {
    const words = line.trim().split(/\s+/);
    const [destination, length, , , gateway = '', metric = '', , , flagsText = '', link = ''] = words;
    const flags = Number.parseInt(flagsText, 16);
    if (destination !== '0'.repeat(32) || length !== '00' || !/^[0-9a-f]{32}$/.test(gateway)) return [];
    if ((flags & RTF_UP) === 0 || (flags & RTF_GATEWAY) === 0 || (flags & RTF_REJECT) !== 0) return [];
    return [{ gateway: IpAddress.of('ipv6', BigInt(`0x${gateway}`)), link, metric: Number.parseInt(metric, 16) }];
  });
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
