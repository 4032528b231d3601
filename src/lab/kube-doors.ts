/**
 * The way from nodes to an API server that listens on this host's loopback address: in each node's network namespace
 * somebody listens on the same port and passes connections on, so that one kubeconfig is good everywhere.
 */
import { readlinkSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import type { Log } from '../runtime/ports.ts';
import type { Place } from './place.ts';
import { inNamespace } from './web-server.ts';

export class ApiDoors {
  readonly #port: number;
  readonly #log: Log;
  readonly #open = new Map<string, Server>();

  constructor(port: number, log: Log) {
    this.#port = port;
    this.#log = log;
  }

  /** The whole set. */
  async serve(places: readonly Place[]): Promise<void> {
    const wanted = new Map(places.map(place => [namespaceOf(place.netns), place]));
    for (const [namespace, server] of this.#open) {
      if (wanted.has(namespace)) continue;
      server.close();
      this.#open.delete(namespace);
    }
    for (const [namespace, place] of wanted) {
      // Of this host's own network there is the server itself.
      if (this.#open.has(namespace) || namespace === namespaceOf('/proc/self/ns/net')) continue;
      this.#open.set(namespace, await this.#listen(place));
    }
  }

  close(): void {
    for (const server of this.#open.values()) server.close();
    this.#open.clear();
  }

  #listen(place: Place): Promise<Server> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, near => {
      const far = connect({ port: this.#port, host: '127.0.0.1', allowHalfOpen: true });
      near.pipe(far).pipe(near);
      near.once('error', () => far.destroy());
      far.once('error', () => near.destroy());
    });
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.once('listening', () => {
        server.off('error', reject);
        server.on('error', error =>
          this.#log.warn('way to the API server', { node: place.name, error: String(error) }),
        );
        resolve(server);
      });
      // Without a host nothing is looked up: the socket is bound before `listen` returns.
      inNamespace(place.netns, () => server.listen({ port: this.#port, exclusive: true }));
    });
  }
}

function namespaceOf(path: string): string {
  return readlinkSync(path);
}
