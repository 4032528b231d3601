/**
 * What answers in a lab's pods: small servers that say which pod and node they are, and who asked. All of them live in
 * one process: a socket belongs to the network namespace its thread was in when it was made, wherever that goes next.
 */
import { createSocket, type Socket } from 'node:dgram';
import { closeSync, openSync } from 'node:fs';
import type { Server } from 'node:http';
import { enterNamespace } from '../linux/netlink-namespace.ts';
import type { Log } from '../runtime/ports.ts';

const { createServer } = process.getBuiltinModule('node:http');

/** A pod, as far as it answers. */
export interface PodServer {
  /** `namespace/name`. */
  readonly pod: string;
  readonly node: string;
  /** A path to its network namespace, and what tells it from a former one of the same path. */
  readonly netns: string;
  readonly identity: string;
  /** TCP ports speak HTTP, whatever their number; UDP ports send one line back. */
  readonly ports: readonly { readonly protocol: 'TCP' | 'UDP'; readonly port: number }[];
}

export class WebServers {
  readonly #log: Log;
  readonly #open = new Map<string, { close(): void }>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** The whole set. Throws what the system says when a port cannot be had. */
  async serve(pods: readonly PodServer[]): Promise<void> {
    const wanted = pods.flatMap(pod =>
      pod.ports.map(({ protocol, port }) => {
        const key: string = `${pod.pod} ${pod.identity} ${protocol} ${port}`;
        return { key, pod, protocol, port };
      }),
    );
    const keys = new Set(wanted.map(({ key }) => key));
    for (const [key, server] of this.#open) {
      if (keys.has(key)) continue;
      server.close();
      this.#open.delete(key);
    }
    for (const { key, pod, protocol, port } of wanted) {
      if (this.#open.has(key)) continue;
      this.#open.set(key, protocol === 'TCP' ? await this.#http(pod, port) : await this.#echo(pod, port));
    }
  }

  close(): void {
    for (const server of this.#open.values()) server.close();
    this.#open.clear();
  }

  #http(pod: PodServer, port: number): Promise<{ close(): void }> {
    const server: Server = createServer((request, response) => {
      request.resume();
      response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
      response.end(sayWho(pod, request.socket.remoteAddress ?? ''));
    });
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.once('listening', () => {
        server.off('error', reject);
        server.on('error', error => this.#log.warn('web server', { pod: pod.pod, port, error: String(error) }));
        resolve({
          close: () => {
            server.close();
            server.closeAllConnections();
          },
        });
      });
      // Without a host nothing is looked up: the socket is there, and bound, before `listen` returns.
      inNamespace(pod.netns, () => server.listen({ port, exclusive: true }));
    });
  }

  #echo(pod: PodServer, port: number): Promise<{ close(): void }> {
    // Addresses are looked up at once, so that the socket is there, and bound, before `bind` returns.
    const socket: Socket = createSocket({ type: 'udp6', lookup: (address, _, done) => done(null, address, 6) });
    socket.on('message', (_, from) => socket.send(sayWho(pod, from.address), from.port, from.address));
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.once('listening', () => {
        socket.off('error', reject);
        socket.on('error', error => this.#log.warn('echo server', { pod: pod.pod, port, error: String(error) }));
        resolve(socket);
      });
      inNamespace(pod.netns, () => socket.bind({ port, exclusive: true }));
    });
  }
}

function sayWho({ pod, node }: PodServer, from: string): string {
  return `${pod} on ${node} to ${from.replace(/^::ffff:/, '')}\n`;
}

/** Runs `make` with this thread in another namespace; it must do all it has to do there before it returns. */
export function inNamespace(netns: string, make: () => void): void {
  const home = openSync('/proc/thread-self/ns/net', 'r');
  try {
    enterNamespace(netns);
    try {
      make();
    } finally {
      enterNamespace(`/proc/self/fd/${home}`);
    }
  } finally {
    closeSync(home);
  }
}
