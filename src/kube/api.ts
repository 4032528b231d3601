/**
 * Requests to the API server and what its answers mean: JSON out and in, a Status as an error with its reason, 401
 * with fresh credentials once more, 429 after the time it asks for. Three connections: watches, what is written, and
 * leases, which wait for nobody.
 */
import type { RawObject } from '../api/object.ts';
import type { Clock } from '../runtime/ports.ts';
import { Budget, type Lane } from './budget.ts';
import { type Answer, Connection, type Request } from './connection.ts';
import type { Credentials } from './credentials.ts';

/** The API server's refusal. `reason` is that of metav1.Status: NotFound, Conflict, Forbidden, Expired … */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly code: number;
  readonly reason: string;

  constructor(code: number, reason: string, message: string) {
    super(message);
    this.code = code;
    this.reason = reason;
  }
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly body?: RawObject;
  /** Of the body; JSON unless said. */
  readonly contentType?: string;
  readonly accept?: string;
  /** In all, however often it is sent. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Told of every answer: `code` is 0 when there was none. */
export type Observe = (method: string, code: number) => void;

export interface ApiOptions {
  readonly credentials: Credentials;
  readonly clock: Clock;
  readonly random: () => number;
  readonly observe?: Observe;
}

const timeoutMs = 10_000;
const leaseTimeoutMs = 5000;
const listTimeoutMs = 60_000;
const attemptsMax = 5;

export class Api {
  readonly #options: ApiOptions;
  readonly #watches: Connection;
  readonly #writes: Connection;
  readonly #leases: Connection;
  readonly #budget: Budget;
  readonly #end = new AbortController();

  constructor(options: ApiOptions) {
    const { credentials, clock, random } = options;
    this.#options = options;
    this.#watches = new Connection(credentials, clock, random);
    this.#writes = new Connection(credentials, clock, random);
    // The sooner a lease is renewed after the server is back, the fewer have to act on its absence.
    this.#leases = new Connection(credentials, clock, random, { pingMs: 2000, pongMs: 2000, backoffMaxMs: 500 });
    this.#budget = new Budget(clock);
  }

  /** The object in the answer. Waits for its turn among others of its lane. */
  async call(lane: Lane, call: Call): Promise<RawObject> {
    const signal = this.#signalOf(call);
    const connection = this.#writes;
    return await this.#persist({ timeoutMs, ...call, signal }, connection, request =>
      this.#budget.run(lane, request.timeoutMs, () => connection.request(request), request.signal),
    );
  }

  /** As `call`, at once and on a connection of its own. */
  async lease(call: Call): Promise<RawObject> {
    const signal = this.#signalOf(call);
    const connection = this.#leases;
    return await this.#persist({ timeoutMs: leaseTimeoutMs, ...call, signal }, connection, request =>
      connection.request(request),
    );
  }

  /** A list: beside the watches, which it is part of. */
  async list(call: Call): Promise<RawObject> {
    const signal = this.#signalOf(call);
    const connection = this.#watches;
    return await this.#persist({ timeoutMs: listTimeoutMs, ...call, signal }, connection, request =>
      connection.request(request),
    );
  }

  /** Octets as they come until the server ends the stream; resolves then. */
  async stream(
    { path, accept = 'application/json' }: { readonly path: string; readonly accept?: string },
    begun: () => void,
    take: (bytes: Buffer) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const request = { method: 'GET', path, headers: { accept }, timeoutMs: listTimeoutMs, signal };
    const connection = this.#watches;
    const answer = await this.#ask(request, connection, each => connection.request(each, { take, begun }));
    if (answer.status !== 200) throw errorOf(answer);
  }

  close(): void {
    this.#end.abort(new Error('closed'));
    for (const each of [this.#watches, this.#writes, this.#leases]) each.close();
  }

  #signalOf({ signal }: Call): AbortSignal {
    return signal === undefined ? this.#end.signal : AbortSignal.any([signal, this.#end.signal]);
  }

  async #persist(
    call: Call & { readonly timeoutMs: number; readonly signal: AbortSignal },
    connection: Connection,
    send: (request: Request) => Promise<Answer>,
  ): Promise<RawObject> {
    const { clock } = this.#options;
    const dueMs = clock.nowMs() + call.timeoutMs;
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#ask(requestOf(call, dueMs - clock.nowMs()), connection, send);
      if (answer.status >= 200 && answer.status < 300) return parsed(answer.text);
      // Nothing was done about a request that is answered 429, so it may be sent again whatever it is.
      const isThrottled = answer.status === 429;
      if (isThrottled) this.#budget.throttled(answer.retryAfterMs);
      const waitMs = answer.retryAfterMs ?? 1000;
      if (!isThrottled || attempt >= attemptsMax || clock.nowMs() + waitMs >= dueMs) throw errorOf(answer);
      await pause(clock, waitMs * (1 + this.#options.random() / 4), call.signal);
    }
  }

  /** Once more when the server does not know us: a token may have been replaced. */
  async #ask(request: Request, connection: Connection, send: (request: Request) => Promise<Answer>): Promise<Answer> {
    const { credentials, observe } = this.#options;
    for (const isLast of [false, true]) {
      let code = 0;
      try {
        const answer = await send(request);
        code = answer.status;
        if (code !== 401) return answer;
        credentials.refused();
        if (isLast) return answer;
        // A certificate is the connection's.
        connection.renew();
      } finally {
        observe?.(request.method, code);
      }
    }
    throw new Error('unreachable');
  }
}

function requestOf(call: Call & { readonly signal: AbortSignal }, leftMs: number): Request {
  const { method, path, body, contentType = 'application/json', accept = 'application/json', signal } = call;
  const common = { method, path, signal, timeoutMs: Math.max(1, Math.round(leftMs)) };
  return body === undefined
    ? { ...common, headers: { accept } }
    : { ...common, headers: { accept, 'content-type': contentType }, body: JSON.stringify(body) };
}

function errorOf({ status, text }: Answer): ApiError {
  try {
    const { reason, message } = JSON.parse(text) as { readonly reason?: unknown; readonly message?: unknown };
    if (typeof message === 'string') return new ApiError(status, typeof reason === 'string' ? reason : '', message);
  } catch {
    // Not every answer is the API server's own.
  }
  return new ApiError(status, '', `HTTP ${status}: ${text.slice(0, 200)}`);
}

function parsed(text: string): RawObject {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null) throw new Error('the answer is no object');
  return value as RawObject;
}

function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const aborted = () => {
      cancel();
      reject(signal.reason);
    };
    const cancel = clock.after(ms, () => {
      signal.removeEventListener('abort', aborted);
      resolve();
    });
    signal.addEventListener('abort', aborted);
  });
}
