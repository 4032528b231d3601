/**
 * JSON over HTTP, on a unix socket for the command line and on a TCP port for probes and scrapers. Bounded: small
 * requests, few connections, short time-outs; a client's mistake is an answer, never an exception.
 */
import { chmodSync, unlinkSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { connect } from 'node:net';

/** Not imported: an import asks for every export, and for `http.WebSocket` a whole client is loaded, of 10 MiB. */
const { createServer } = process.getBuiltinModule('node:http');

/** What a route answers: a value becomes JSON with status 200. */
export type Answer = { readonly status: number; readonly type: string; readonly body: string };
export type Route = (query: URLSearchParams) => Answer | Promise<Answer>;
export type Routes = Readonly<Record<string, Route>>;

/** A client asked for something that is not there, or asked wrongly: shown to it in one line. */
export class RequestError extends Error {
  override name = 'RequestError';
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export function jsonAnswer(value: unknown, status = 200): Answer {
  const body = JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? each.toString() : each));
  return { status, type: 'application/json', body };
}

export function textAnswer(body: string, status = 200): Answer {
  return { status, type: 'text/plain; charset=utf-8', body };
}

const connectionsMax = 64;
const requestTimeoutMs = 10_000;

export class HttpServer {
  readonly #server: Server;

  /** Routes are looked up by path alone; only GET is answered. */
  constructor(routes: Routes) {
    this.#server = createServer(
      { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs },
      (request, response) => {
        void answer(routes, request).then(result => send(response, result));
      },
    );
    this.#server.maxConnections = connectionsMax;
  }

  /** Rejects with the system's error when the address cannot be had. Resolves to the port, which matters for port 0. */
  async listenTcp(host: string, port: number): Promise<number> {
    // Without a host Node takes 0.0.0.0 where the kernel has no IPv6.
    await this.#listen(() => this.#server.listen(host === '::' ? { port } : { host, port }));
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : port;
  }

  /** Mode 0600 from its first moment. A socket whose owner is dead is replaced; a living owner's is an error. */
  async listenUnix(path: string): Promise<void> {
    if (await isAnswered(path)) throw new Error(`${path} is in use by another process`);
    removeIfThere(path);
    const before = process.umask(0o177);
    try {
      await this.#listen(() => this.#server.listen({ path }));
    } finally {
      process.umask(before);
    }
    chmodSync(path, 0o600);
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  #listen(start: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.once('listening', () => {
        this.#server.off('error', reject);
        resolve();
      });
      start();
    });
  }
}

async function answer(routes: Routes, request: IncomingMessage): Promise<Answer> {
  request.resume();
  const url = URL.canParse(request.url ?? '', 'http://herald')
    ? new URL(request.url ?? '', 'http://herald')
    : undefined;
  const route = url && Object.hasOwn(routes, url.pathname) ? routes[url.pathname] : undefined;
  if (url === undefined || route === undefined) return jsonAnswer({ error: `nothing at ${request.url}` }, 404);
  if (request.method !== 'GET') return jsonAnswer({ error: 'only GET is answered here' }, 405);
  try {
    return await route(url.searchParams);
  } catch (error) {
    if (error instanceof RequestError) return jsonAnswer({ error: error.message }, error.status);
    return jsonAnswer({ error: error instanceof Error ? error.message : String(error) }, 500);
  }
}

function send(response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}
