/** An HTTP/2 server that says what a test wants, for what a real API server does not do when asked. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import {
  createSecureServer,
  type Http2SecureServer,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Credentials } from '../../src/kube/credentials.ts';
import { Authority } from '../../src/lab/kube-certificates.ts';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly stream: ServerHttp2Stream;
}

export class FakeServer {
  readonly asked: Asked[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), 'herald-fake-'));
  readonly #server: Http2SecureServer;
  readonly #ca: Buffer;
  readonly #sessions = new Set<ServerHttp2Session>();

  static async start(answer: (asked: Asked) => void): Promise<FakeServer> {
    const fake = new FakeServer(answer);
    await new Promise<void>(resolve => fake.#server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  private constructor(answer: (asked: Asked) => void) {
    const authority = new Authority(this.#folder);
    const { certificate, key } = authority.issue('server', { name: 'fake' });
    this.#ca = readFileSync(authority.certificate);
    this.#server = createSecureServer({ cert: readFileSync(certificate), key: readFileSync(key) });
    this.#server.on('session', session => {
      this.#sessions.add(session);
      session.on('error', () => {});
    });
    this.#server.on('stream', (stream, headers) => {
      stream.on('error', () => {});
      const asked: Asked = {
        method: String(headers[':method']),
        path: String(headers[':path']),
        authorization: headers.authorization,
        stream,
      };
      this.asked.push(asked);
      answer(asked);
    });
  }

  credentials(more: Partial<Credentials> = {}): Credentials {
    return {
      server: new URL(`https://127.0.0.1:${this.port}`),
      namespace: undefined,
      tls: async () => ({ ca: this.#ca }),
      headers: async () => ({}),
      refused: () => {},
      ...more,
    };
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    for (const session of this.#sessions) session.destroy();
    this.#server.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A whole answer. */
export function say(stream: ServerHttp2Stream, status: number, body: unknown, headers: Record<string, string> = {}) {
  stream.respond({ ':status': status, 'content-type': 'application/json', ...headers });
  stream.end(typeof body === 'string' ? body : JSON.stringify(body));
}

/** The beginning of a watch. */
export function sayLines(stream: ServerHttp2Stream, ...lines: readonly unknown[]): void {
  if (!stream.headersSent) stream.respond({ ':status': 200, 'content-type': 'application/json' });
  for (const line of lines) stream.write(`${typeof line === 'string' ? line : JSON.stringify(line)}\n`);
}
