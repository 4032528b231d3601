/**
 * One HTTP/2 connection to the API server, opened when it is needed and opened anew when it broke. A connection whose
 * other end is silently gone is noticed by pings (RFC 9113 §6.7); whoever asks while the server cannot be reached
 * waits for the next attempt, so that many askers make one.
 */
import http2 from 'node:http2';
import type { Clock } from '../runtime/ports.ts';
import type { Credentials } from './credentials.ts';
import { afterListening } from './patience.ts';

export interface ConnectionLimits {
  readonly connectMs: number;
  /** Without a sign of life for this long, the other end is asked for one. */
  readonly pingMs: number;
  readonly pongMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
}

const connectionDefaults: ConnectionLimits = {
  connectMs: 5000,
  pingMs: 5000,
  pongMs: 5000,
  backoffMinMs: 100,
  backoffMaxMs: 5000,
};

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** From asking to the last octet of the answer; of a stream: to the beginning of the answer. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly retryAfterMs: number | undefined;
  readonly text: string;
}

/** A body that goes on: `take` is called with each piece until the stream ends. */
export interface Streaming {
  readonly take: (bytes: Buffer) => void;
  /** Told once, with 200. */
  readonly begun: () => void;
}

/** Receive windows: a large list is not to wait for permission to go on. */
const streamWindow = 1024 * 1024;
const sessionWindow = 4 * 1024 * 1024;

export class Connection {
  readonly #credentials: Credentials;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #limits: ConnectionLimits;
  #session: http2.ClientHttp2Session | undefined;
  #opening: Promise<http2.ClientHttp2Session> | undefined;
  #failures = 0;
  #notBeforeMs = 0;
  #heardMs = 0;
  #closed = false;

  constructor(credentials: Credentials, clock: Clock, random: () => number, limits: Partial<ConnectionLimits> = {}) {
    this.#credentials = credentials;
    this.#clock = clock;
    this.#random = random;
    this.#limits = { ...connectionDefaults, ...limits };
  }

  /** Rejects when there is no whole answer in time: nothing is known then of what became of the request. */
  async request(request: Request, streaming?: Streaming): Promise<Answer> {
    const dueMs = this.#clock.nowMs() + request.timeoutMs;
    const session = await this.#within(request, this.#ready(dueMs));
    const own = await this.#within(request, this.#credentials.headers());
    const path = this.#credentials.server.pathname.replace(/\/$/, '') + request.path;
    const headers = {
      ':method': request.method,
      ':path': path,
      accept: 'application/json',
      ...own,
      ...request.headers,
    };
    request.signal?.throwIfAborted();
    const stream = session.request(
      { ...headers, [http2.sensitiveHeaders]: ['authorization'] },
      { endStream: request.body === undefined },
    );
    const answered = this.#answer(stream, request, Math.max(1, dueMs - this.#clock.nowMs()), streaming);
    if (request.body !== undefined) stream.end(request.body);
    return await answered;
  }

  /** What is under way is broken off; the next request opens it again, with certificates of that moment. */
  renew(): void {
    this.#session?.destroy();
    this.#session = undefined;
  }

  close(): void {
    this.#closed = true;
    this.renew();
  }

  /** Gives up waiting for what cannot be broken off when the request is. */
  #within<T>({ timeoutMs, signal }: Request, work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(timeoutMs, () =>
        end(() => reject(new Error(`no connection in ${timeoutMs} ms`))),
      );
      const aborted = () => end(() => reject(signal?.reason));
      const end = (tell: () => void) => {
        cancel();
        signal?.removeEventListener('abort', aborted);
        tell();
      };
      signal?.addEventListener('abort', aborted);
      work.then(
        value => end(() => resolve(value)),
        error => end(() => reject(error)),
      );
    });
  }

  #answer(stream: http2.ClientHttp2Stream, request: Request, leftMs: number, streaming?: Streaming): Promise<Answer> {
    return new Promise((resolve, reject) => {
      let failure: Error | undefined;
      let status = 0;
      let retryAfterMs: number | undefined;
      const pieces: Buffer[] = [];
      const stop = (error: Error) => {
        failure ??= error;
        stream.close(http2.constants.NGHTTP2_CANCEL);
      };
      const cancel = afterListening(this.#clock, leftMs, () => stop(new Error(`no answer in ${request.timeoutMs} ms`)));
      const aborted = () => stop(request.signal?.reason);
      request.signal?.addEventListener('abort', aborted);
      stream.on('response', headers => {
        status = Number(headers[':status']);
        const seconds = Number(headers['retry-after'] ?? Number.NaN);
        retryAfterMs = Number.isNaN(seconds) ? undefined : seconds * 1000;
        if (streaming === undefined || status !== 200) return;
        cancel();
        streaming.begun();
      });
      stream.on('data', (bytes: Buffer) => {
        this.#heardMs = this.#clock.nowMs();
        if (streaming === undefined || status !== 200) pieces.push(bytes);
        else {
          try {
            streaming.take(bytes);
          } catch (error) {
            stop(error instanceof Error ? error : new Error(String(error)));
          }
        }
      });
      let ended = false;
      stream.on('end', () => {
        ended = true;
      });
      stream.on('error', error => {
        failure ??= error;
      });
      stream.on('close', () => {
        cancel();
        request.signal?.removeEventListener('abort', aborted);
        if (failure === undefined && (!ended || status === 0)) failure = new Error('the connection broke');
        if (failure !== undefined) reject(failure);
        else resolve({ status, retryAfterMs, text: Buffer.concat(pieces).toString('utf8') });
      });
    });
  }

  async #ready(dueMs: number): Promise<http2.ClientHttp2Session> {
    for (;;) {
      if (this.#closed) throw new Error('closed');
      if (this.#session !== undefined && !this.#session.closed && !this.#session.destroyed) return this.#session;
      const waitMs = this.#notBeforeMs - this.#clock.nowMs();
      if (waitMs > 0 && this.#opening === undefined) {
        if (this.#clock.nowMs() + waitMs >= dueMs) throw new Error('the API server cannot be reached');
        await new Promise<void>(resolve => this.#clock.after(waitMs, resolve));
        continue;
      }
      this.#opening ??= this.#open().finally(() => {
        this.#opening = undefined;
      });
      return await this.#opening;
    }
  }

  async #open(): Promise<http2.ClientHttp2Session> {
    try {
      const session = await this.#connect();
      this.#failures = 0;
      this.#notBeforeMs = 0;
      this.#session = session;
      this.#watchOver(session);
      return session;
    } catch (error) {
      const { backoffMinMs, backoffMaxMs } = this.#limits;
      const fullMs = Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(this.#failures++, 20));
      this.#notBeforeMs = this.#clock.nowMs() + (fullMs / 2) * (1 + this.#random());
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`the API server at ${this.#credentials.server.origin} cannot be reached: ${message}`);
    }
  }

  async #connect(): Promise<http2.ClientHttp2Session> {
    const tls = await this.#credentials.tls();
    const settings = { enablePush: false, initialWindowSize: streamWindow };
    const session = http2.connect(this.#credentials.server.origin, { ...tls, settings });
    return await new Promise((resolve, reject) => {
      const fail = (error: Error) => {
        cancel();
        session.destroy();
        reject(error);
      };
      const { connectMs } = this.#limits;
      const cancel = this.#clock.after(connectMs, () => fail(new Error(`no connection in ${connectMs} ms`)));
      session.once('error', fail);
      session.once('close', () => fail(new Error('closed by the other end')));
      session.once('connect', () => {
        cancel();
        session.removeAllListeners('error');
        session.removeAllListeners('close');
        session.setLocalWindowSize(sessionWindow);
        resolve(session);
      });
    });
  }

  /** Streams tell of their own end; what is left is to notice that nobody answers any more. */
  #watchOver(session: http2.ClientHttp2Session): void {
    this.#heardMs = this.#clock.nowMs();
    let cancel = () => {};
    const { pingMs, pongMs } = this.#limits;
    const look = () => {
      if (session.destroyed) return;
      const silentMs = this.#clock.nowMs() - this.#heardMs;
      if (silentMs < pingMs) {
        cancel = this.#clock.after(pingMs - silentMs, look);
        return;
      }
      cancel = afterListening(this.#clock, pongMs, () =>
        session.destroy(new Error(`no sign of life in ${pingMs + pongMs} ms`)),
      );
      session.ping(error => {
        cancel();
        if (error !== null || session.destroyed) return;
        this.#heardMs = this.#clock.nowMs();
        cancel = this.#clock.after(pingMs, look);
      });
    };
    cancel = this.#clock.after(pingMs, look);
    // An error is followed by close, and told to every stream.
    session.on('error', () => {});
    session.on('close', () => cancel());
  }
}
