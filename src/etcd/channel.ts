/**
 * One etcd as seen from here: a connection that is made anew after every failure, with certificates read anew, backing
 * off together for all who use it; calls with deadlines, at a polite rate; a token when there is a user. An answer from
 * another cluster than before ends the connection like a failure. Reference §2.3, §8.7.
 */
import { Client, type ClientDuplexStream, Metadata } from '@grpc/grpc-js';
import type { SharedStateStatus, StateAccess } from '../runtime/mesh-state.ts';
import { StateFailure } from '../runtime/mesh-state.ts';
import type { Clock } from '../runtime/ports.ts';
import { certificateEndsMs, dial, type Material, readMaterial, sameMaterial } from './credentials.ts';
import { breaksConnection, ClusterChanged, failureOf, isTooLarge, needsNewToken } from './failure.ts';
import { type Header, type Methods, methodOf, type Streams } from './messages.ts';

export interface ChannelLimits {
  readonly callMs: number;
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /** A connection that lasted this long was a good one: the next failure is the first again. */
  readonly stableMs: number;
  /** Calls a second in the long run, and at once after a rest. */
  readonly callsPerSecond: number;
  readonly callsBurst: number;
  /** Octets of one answer. etcd's own limit for one value is 1.5 MiB. */
  readonly answerOctetsMax: number;
  /** How often certificates are looked at while connected. */
  readonly certificatesMs: number;
}

const channelDefaults: ChannelLimits = {
  callMs: 5_000,
  keepaliveMs: 15_000,
  keepaliveTimeoutMs: 25_000,
  backoffMinMs: 100,
  backoffMaxMs: 15_000,
  stableMs: 5_000,
  callsPerSecond: 20,
  callsBurst: 100,
  answerOctetsMax: 16 * 1024 * 1024,
  certificatesMs: 10_000,
};

export interface ChannelOptions {
  readonly access: StateAccess;
  readonly clock: Clock;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly limits?: Partial<ChannelLimits>;
}

interface Open {
  readonly client: Client;
  readonly endpoint: string;
  readonly material: Material;
  readonly certificateEndsMs: number | undefined;
}

export class Channel {
  readonly clock: Clock;
  readonly random: () => number;
  readonly limits: ChannelLimits;
  readonly #access: StateAccess;
  #open: Open | undefined;
  /** They outlive their client unless they are ended. */
  readonly #streams = new Set<ClientDuplexStream<object, object>>();
  #connected = false;
  /** When this connection gave its first answer. */
  #answeredMs: number | undefined;
  #next = 0;
  #inARow = 0;
  #notBeforeMs = 0;
  #failures = 0;
  #lastFailureMs: number | undefined;
  #lastError: string | undefined;
  #clusterId: string | undefined;
  #token: Promise<string> | undefined;
  #tokens: number;
  #tokensAtMs: number;
  #cancelCertificates = () => {};
  #closed = false;

  constructor({ access, clock, random, limits = {} }: ChannelOptions) {
    this.#access = access;
    this.clock = clock;
    this.random = random;
    this.limits = { ...channelDefaults, ...limits };
    this.#tokens = this.limits.callsBurst;
    this.#tokensAtMs = clock.nowMs();
    this.#watchCertificates();
  }

  status(): Omit<SharedStateStatus, 'unwritten'> {
    return {
      endpoint: this.#open?.endpoint ?? this.#endpoint(),
      connected: this.#connected,
      failures: this.#failures,
      lastFailureMs: this.#lastFailureMs,
      lastError: this.#lastError,
      clusterId: this.#clusterId === undefined ? undefined : BigInt(this.#clusterId).toString(16),
      certificateEndsMs: this.#open?.certificateEndsMs,
    };
  }

  /** Rejects with StateFailure, or with gRPC's own error for an answer that is too large (`isTooLarge`). */
  async call<K extends keyof Methods>(
    name: K,
    request: Methods[K]['in'],
    deadlineMs = this.limits.callMs,
  ): Promise<Methods[K]['out']> {
    await this.#permit();
    const open = this.#connection();
    try {
      return await this.#withToken(open, token => this.#unary(open, name, request, token, deadlineMs));
    } catch (error) {
      if (isTooLarge(error)) throw error;
      throw this.#failed(open, error);
    }
  }

  /** A stream that is open; whoever reads it tells `streamFailed` how it ended. */
  async stream<K extends keyof Streams>(name: K): Promise<OpenStream<K>> {
    await this.#permit();
    const open = this.#connection();
    const token = await this.#tokenFor(open).catch(error => {
      throw this.#failed(open, error);
    });
    const { path, requestSerialize, responseDeserialize } = methodOf(name);
    const stream = open.client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      this.#metadata(token),
    );
    this.#streams.add(stream);
    stream.once('close', () => this.#streams.delete(stream));
    // The table decided what goes in and what comes out.
    return {
      stream: stream as ClientDuplexStream<Streams[K]['in'], Streams[K]['out']>,
      failed: error => {
        if (needsNewToken(error)) this.#token = undefined;
        return this.#failed(open, error);
      },
    };
  }

  /** Throws when the header is missing or another cluster's: then nothing that was known holds. */
  checked(header: Header | null): Header {
    if (header === null || header.cluster_id === '0') throw new ClusterChanged('an answer without a header');
    this.#connected = true;
    const nowMs = this.clock.nowMs();
    this.#answeredMs ??= nowMs;
    if (nowMs - this.#answeredMs >= this.limits.stableMs) this.#inARow = 0;
    if (this.#clusterId !== undefined && this.#clusterId !== header.cluster_id) {
      this.#clusterId = header.cluster_id;
      throw new ClusterChanged('it is another etcd cluster than before');
    }
    this.#clusterId = header.cluster_id;
    return header;
  }

  /** After a failure: resolves when another attempt may be made. */
  async rested(signal: AbortSignal): Promise<void> {
    await this.sleep(this.#notBeforeMs - this.clock.nowMs(), signal);
  }

  /** Resolves early, and without a word, when aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (ms <= 0 || signal.aborted) return Promise.resolve();
    return new Promise(resolve => {
      const done = () => {
        cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.clock.after(ms, done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  close(): void {
    this.#closed = true;
    this.#cancelCertificates();
    this.#drop();
  }

  #unary<K extends keyof Methods>(
    open: Open,
    name: K,
    request: Methods[K]['in'],
    token: string | undefined,
    deadlineMs: number,
  ) {
    const { path, requestSerialize, responseDeserialize } = methodOf(name);
    // gRPC takes a deadline as wall time.
    const deadline = this.clock.wallMs() + deadlineMs;
    return new Promise<Methods[K]['out']>((resolve, reject) => {
      open.client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        this.#metadata(token),
        { deadline },
        (error, answer) => {
          if (error !== null || answer === undefined) {
            reject(error ?? new Error('no answer'));
            return;
          }
          try {
            const value = answer as Methods[K]['out'];
            this.checked(value.header);
            resolve(value);
          } catch (failure) {
            reject(failure);
          }
        },
      );
    });
  }

  /** Once more with a new token when the old one is refused. */
  async #withToken<T>(open: Open, call: (token: string | undefined) => Promise<T>): Promise<T> {
    try {
      return await call(await this.#tokenFor(open));
    } catch (error) {
      if (!needsNewToken(error)) throw error;
      this.#token = undefined;
      return await call(await this.#tokenFor(open));
    }
  }

  async #tokenFor(open: Open): Promise<string | undefined> {
    const { username: name, password } = this.#access;
    if (name === undefined || password === undefined) return undefined;
    this.#token ??= this.#unary(open, 'Auth/Authenticate', { name, password }, undefined, this.limits.callMs).then(
      answer => answer.token,
      error => {
        this.#token = undefined;
        // A wrong password is an invalid argument to etcd; to us it is a locked door.
        throw /authentication failed/.test(String(error))
          ? new StateFailure('denied', 'user name or password is wrong')
          : error;
      },
    );
    return await this.#token;
  }

  #metadata(token: string | undefined): Metadata {
    const metadata = new Metadata();
    // A member without a leader is to say so, and not to go on with what it last knew.
    metadata.set('hasleader', 'true');
    if (token !== undefined) metadata.set('token', token);
    return metadata;
  }

  #connection(): Open {
    if (this.#closed) throw new StateFailure('unreachable', 'closed');
    if (this.#open !== undefined) return this.#open;
    const endpoint = this.#endpoint();
    try {
      const material = readMaterial(this.#access);
      const { target, credentials, options } = dial(endpoint, this.#access, material);
      const client = new Client(target, credentials, {
        ...options,
        'grpc.keepalive_time_ms': this.limits.keepaliveMs,
        'grpc.keepalive_timeout_ms': this.limits.keepaliveTimeoutMs,
        'grpc.keepalive_permit_without_calls': 1,
        'grpc.max_receive_message_length': this.limits.answerOctetsMax,
        'grpc.enable_retries': 0,
        'grpc.service_config_disable_resolution': 1,
        'grpc.use_local_subchannel_pool': 1,
      });
      this.#open = { client, endpoint, material, certificateEndsMs: certificateEndsMs(material) };
      return this.#open;
    } catch (error) {
      throw this.#failed(undefined, error);
    }
  }

  #endpoint(): string {
    const { endpoints } = this.#access;
    return endpoints[this.#next % endpoints.length] ?? '';
  }

  /** One failure of one connection, however many notice it. */
  #failed(open: Open | undefined, error: unknown): StateFailure {
    const failure = failureOf(error);
    if (this.#closed || (open !== undefined && open !== this.#open)) return failure;
    this.#lastError = failure.message;
    // A locked door is no reason to leave: but knocking is not to be louder for it.
    if (breaksConnection(failure)) {
      this.#drop();
      this.#next++;
    }
    this.#failures++;
    this.#lastFailureMs = this.clock.wallMs();
    const fullMs = Math.min(this.limits.backoffMaxMs, this.limits.backoffMinMs * 2 ** Math.min(this.#inARow++, 20));
    this.#notBeforeMs = this.clock.nowMs() + (fullMs / 2) * (1 + this.random());
    return failure;
  }

  #drop(): void {
    const open = this.#open;
    this.#open = undefined;
    this.#connected = false;
    this.#answeredMs = undefined;
    this.#token = undefined;
    for (const stream of this.#streams) stream.cancel();
    this.#streams.clear();
    open?.client.close();
  }

  async #permit(): Promise<void> {
    const { callsPerSecond, callsBurst } = this.limits;
    const nowMs = this.clock.nowMs();
    this.#tokens = Math.min(callsBurst, this.#tokens + ((nowMs - this.#tokensAtMs) / 1000) * callsPerSecond);
    this.#tokensAtMs = nowMs;
    this.#tokens--;
    if (this.#tokens >= 0) return;
    const waitMs = (-this.#tokens / callsPerSecond) * 1000;
    await new Promise<void>(resolve => this.clock.after(waitMs, resolve));
  }

  /** New certificates are used at once: a connection that stands on the old ones is left for a new one. */
  #watchCertificates(): void {
    this.#cancelCertificates = this.clock.after(this.limits.certificatesMs, () => {
      const open = this.#open;
      if (open !== undefined && this.#changed(open)) this.#drop();
      if (!this.#closed) this.#watchCertificates();
    });
  }

  #changed(open: Open): boolean {
    try {
      return !sameMaterial(open.material, readMaterial(this.#access));
    } catch {
      // Half of a rotation: the next look will find both halves.
      return false;
    }
  }
}

export interface OpenStream<K extends keyof Streams> {
  readonly stream: ClientDuplexStream<Streams[K]['in'], Streams[K]['out']>;
  /** The stream ended; what that means. */
  readonly failed: (error: unknown) => StateFailure;
}
