/** The Transport port over the kernel's TCP: sockets that libc prepared, carried by Node's event loop. */
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import type { ListenConfig } from '../bgp/config.ts';
import type { Endpoint, ListenKey } from '../bgp/speaker-effect.ts';
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import type { Clock } from '../runtime/ports.ts';
import type { Accept, ConnectHandler, NeighborChange, Outgoing, Transport } from '../runtime/transport.ts';
import type { Libc } from './libc.ts';
import { type Md5Counters, md5Dropped, md5Suspicion, parseMd5Counters } from './md5-counters.ts';
import { RouterDiscovery } from './router-discovery.ts';
import { TcpListeners } from './tcp-listeners.ts';
import { openTcpSocket } from './tcp-socket.ts';
import { describe, sharedRead, TcpStream } from './tcp-stream.ts';

/** However long the speaker would wait: the reason should be known soon. */
const CONNECT_TIMEOUT_MAX_MS = 10_000;

export class TcpTransport implements Transport {
  readonly #libc: Libc;
  readonly #clock: Clock;
  readonly #listeners: TcpListeners;
  #discovery: RouterDiscovery | undefined;
  #md5 = readMd5Counters();

  constructor(libc: Libc, clock: Clock) {
    this.#libc = libc;
    this.#clock = clock;
    this.#listeners = new TcpListeners(libc);
  }

  connect(to: Outgoing, handler: ConnectHandler): () => void {
    const { remote, transport } = to;
    let fd: number;
    try {
      fd = this.#open(to);
    } catch (error) {
      // Not before connect() has returned: the caller does not know the attempt yet.
      const cancel = this.#clock.after(0, () => handler.failed(error instanceof Error ? error.message : String(error)));
      return cancel;
    }
    const md5Before = readMd5Counters();
    let stream: TcpStream | undefined;
    // From here on the descriptor is Node's: only it may close it.
    const options = { fd, manualStart: true, onread: sharedRead(() => stream) };
    const socket = new Socket(options as object);
    const giveUp = () => {
      cancel();
      socket.removeAllListeners();
      // A destroyed socket may still report.
      socket.on('error', () => {});
      socket.destroy();
    };
    const failed = (error: Error) => {
      giveUp();
      handler.failed(explain(error, remote, md5Before, transport.password !== undefined));
    };
    // The kernel's own TCP_USER_TIMEOUT counts in whole SYN retries: a second at the least.
    const cancel = this.#clock.after(Math.min(to.timeoutMs, CONNECT_TIMEOUT_MAX_MS), () => failed(new NoAnswerError()));
    socket.once('error', failed);
    socket.once('connect', () => {
      cancel();
      socket.off('error', failed);
      try {
        stream = new TcpStream(socket, this.#libc);
      } catch (error) {
        failed(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      stream.attach(handler.connected(stream));
    });
    socket.connect({ host: hostOf(remote), port: remote.port });
    return giveUp;
  }

  listen(listeners: readonly ListenConfig[], keys: readonly ListenKey[], accept: Accept): Promise<readonly string[]> {
    return this.#listeners.set(listeners, keys, accept);
  }

  async discover(links: readonly string[], changed: NeighborChange): Promise<readonly string[]> {
    try {
      if (links.length > 0) this.#discovery ??= new RouterDiscovery(this.#libc, this.#clock, changed);
      this.#discovery?.watch(links);
      return [];
    } catch (error) {
      return [`router advertisements on ${links.join(', ')}: ${error instanceof Error ? error.message : error}`];
    }
  }

  dropped(): string | undefined {
    const before = this.#md5;
    this.#md5 = readMd5Counters();
    return md5Dropped(before, this.#md5);
  }

  close(): void {
    this.#listeners.close();
    this.#discovery?.close();
  }

  #open({ remote, transport, ttl }: Outgoing): number {
    const { family } = remote.address;
    const { localAddress, password, ttlSecurityHops } = transport;
    return openTcpSocket(this.#libc, {
      family,
      ...(localAddress === undefined
        ? {}
        : { local: { address: localAddress, port: 0, zone: zoneFor(localAddress, remote) } }),
      device: transport.device,
      ttl,
      ttlMin: ttlSecurityHops === undefined ? undefined : 256 - ttlSecurityHops,
      md5:
        password === undefined ? [] : [{ peers: Prefix.host(remote.address), key: new TextEncoder().encode(password) }],
    });
  }
}

class NoAnswerError extends Error {
  override name = 'NoAnswerError';
  constructor() {
    super('no answer');
  }
}

function zoneFor(local: IpAddress, remote: Endpoint): string | undefined {
  return IpAddress.isLinkLocal(local) && local.family === 'ipv6' ? remote.zone : undefined;
}

function hostOf({ address, zone }: Endpoint): string {
  return IpAddress.format(address) + (zone === undefined ? '' : `%${zone}`);
}

function readMd5Counters(): Md5Counters {
  try {
    return parseMd5Counters(readFileSync('/proc/net/netstat', 'latin1'));
  } catch {
    return parseMd5Counters('');
  }
}

/** Why an attempt failed. Silence is all that a wrong MD5 key, or a TTL the peer refuses, ever gives. */
function explain(error: Error, remote: Endpoint, before: Md5Counters, keyed: boolean): string {
  const what = `${hostOf(remote)} port ${remote.port}: ${describe(error)}`;
  const timedOut = error instanceof NoAnswerError || ('code' in error && error.code === 'ETIMEDOUT');
  const suspicion = timedOut ? md5Suspicion(before, readMd5Counters(), keyed) : undefined;
  return suspicion === undefined ? what : `${what}; ${suspicion}`;
}
