/**
 * The listening sockets and the MD5 keys on them (RFC 2385), each as a whole set that is diffed: a socket that stays
 * keeps its queue, a key that stays is not written again. One socket a family; `::` never takes IPv4.
 */
import { createServer, type Server } from 'node:net';
import type { ListenConfig } from '../bgp/config.ts';
import type { Endpoint, ListenKey } from '../bgp/speaker-effect.ts';
import { type Family, IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import type { Accept } from '../runtime/transport.ts';
import type { Libc } from './libc.ts';
import { openTcpSocket, setMd5Key } from './tcp-socket.ts';
import { socketOf, TcpStream, takeAccepted } from './tcp-stream.ts';

/** Connections the kernel completes for us while we are busy. */
const BACKLOG = 4096;
/** Sent with by a listener: a peer with GTSM (RFC 5082) takes nothing less, any other takes this as well. */
const LISTEN_TTL = 255;

interface Listener {
  readonly family: Family;
  readonly server: Server;
  readonly fd: number;
  /** Keys that are set, by whose they are. */
  readonly keys: Map<string, string>;
}

export class TcpListeners {
  readonly #libc: Libc;
  readonly #open = new Map<string, Listener>();

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /** Resolves to what could not be had, in words. */
  async set(
    listeners: readonly ListenConfig[],
    keys: readonly ListenKey[],
    accept: Accept,
  ): Promise<readonly string[]> {
    const wanted = new Map(listeners.flatMap(perFamily).map(each => [describeListen(each), each]));
    for (const [name, listener] of this.#open) {
      if (wanted.has(name)) continue;
      listener.server.close();
      this.#open.delete(name);
    }
    const faults: string[] = [];
    for (const [name, config] of wanted) {
      try {
        const listener = this.#open.get(name) ?? (await this.#listen(config, accept));
        this.#open.set(name, listener);
        faults.push(...this.#setKeys(listener, keys).map(fault => `listening on ${name}: ${fault}`));
      } catch (error) {
        faults.push(`listening on ${name}: ${error instanceof Error ? error.message : error}`);
      }
    }
    return faults;
  }

  close(): void {
    for (const { server } of this.#open.values()) server.close();
    this.#open.clear();
  }

  #listen(config: Bound, accept: Accept): Promise<Listener> {
    const { address, port, device } = config;
    const { family } = address;
    const fd = openTcpSocket(this.#libc, {
      family,
      local: { address, port, zone: zoneOf(config) },
      device,
      ttl: LISTEN_TTL,
      freeBind: true,
    });
    const server = createServer();
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ fd, backlog: BACKLOG }, () => {
        server.off('error', reject);
        takeAccepted(server, handle => this.#accepted(handle, localOf(config), accept));
        resolve({ family, server, fd, keys: new Map() });
      });
    });
  }

  #accepted(handle: object, local: Endpoint | undefined, accept: Accept): void {
    let stream: TcpStream | undefined;
    const socket = socketOf(handle, () => stream);
    try {
      stream = new TcpStream(socket, this.#libc, { local });
    } catch {
      // Reset before we came to it.
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    stream.attach(accept(stream));
  }

  #setKeys(listener: Listener, keys: readonly ListenKey[]): string[] {
    const wanted = new Map(
      keys.filter(key => key.remote.address.family === listener.family).map(key => [Prefix.format(key.remote), key]),
    );
    const faults: string[] = [];
    const write = (peers: Prefix, password: string) => {
      const name = Prefix.format(peers);
      try {
        setMd5Key(this.#libc, listener.fd, { peers, key: new TextEncoder().encode(password) });
        if (password === '') listener.keys.delete(name);
        else listener.keys.set(name, password);
      } catch (error) {
        faults.push(error instanceof Error ? error.message : String(error));
      }
    };
    for (const name of [...listener.keys.keys()]) {
      const peers = wanted.has(name) ? undefined : Prefix.parse(name);
      if (peers !== undefined) write(peers, '');
    }
    for (const [name, key] of wanted) if (listener.keys.get(name) !== key.password) write(key.remote, key.password);
    return faults;
  }
}

interface Bound extends ListenConfig {
  readonly address: IpAddress;
}

/** No address means all of both families: one socket each. */
function perFamily(config: ListenConfig): Bound[] {
  if (config.address !== undefined) return [{ ...config, address: config.address }];
  return (['ipv4', 'ipv6'] as const).map(family => ({ ...config, address: IpAddress.of(family, 0n) }));
}

/** Where its connections end, when that is one place. */
function localOf({ address, port }: Bound): Endpoint | undefined {
  return address.value === 0n || port === 0 || IpAddress.isLinkLocal(address) ? undefined : { address, port };
}

function describeListen({ address, port, device }: Bound): string {
  const text = IpAddress.format(address);
  const host = address.family === 'ipv6' ? `[${text}]` : text;
  return `${host}:${port}${device === undefined ? '' : ` on ${device}`}`;
}

function zoneOf({ address, device }: Bound): string | undefined {
  return address.family === 'ipv6' && IpAddress.isLinkLocal(address) ? device : undefined;
}
