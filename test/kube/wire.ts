/** The wire between a store and its API server, which a test can cut. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Credentials } from '../../src/kube/credentials.ts';
import { freePort } from '../../src/lab/kube-port.ts';

export class Wire {
  readonly port: number;
  readonly #to: number;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  static async to(port: number): Promise<Wire> {
    const wire = new Wire(await freePort(), port);
    await wire.mend();
    return wire;
  }

  private constructor(port: number, to: number) {
    this.port = port;
    this.#to = to;
  }

  /** The same identity, over this wire. */
  credentials(own: Credentials): Credentials {
    const server = new URL(own.server);
    server.port = String(this.port);
    return { ...own, server, headers: () => own.headers(), tls: () => own.tls(), refused: () => own.refused() };
  }

  /** Connections break; new ones are taken. */
  breakAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Connections stay, and nothing gets through them. */
  freeze(): void {
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  /** There are no connections any more. */
  async cut(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = new Promise(resolve => server?.close(resolve));
    this.breakAll();
    await closed;
  }

  async mend(): Promise<void> {
    const server = createServer(near => {
      const far = connect(this.#to, '127.0.0.1');
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(one);
        one.on('error', () => {});
        one.on('close', () => {
          this.#sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
    await new Promise<void>(resolve => server.listen(this.port, '127.0.0.1', resolve));
    this.#server = server;
  }
}
