/**
 * Where the API server is and who we are to it: in a pod, from what Kubernetes mounts there. Tokens are bound to a time
 * and change under the process (KEP-1205), so they are read again before they are old and when they are refused.
 */
import { readFileSync } from 'node:fs';
import type { Clock } from '../runtime/ports.ts';

/** What a TLS connection is made of, as node:tls takes it. */
export interface TlsFacts {
  readonly ca?: Buffer;
  readonly cert?: Buffer | string;
  readonly key?: Buffer | string;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

export interface Credentials {
  /** `https://10.96.0.1:443`, perhaps with a path before the API's. */
  readonly server: URL;
  /** Of the context, or of the pod; undefined where nobody said. */
  readonly namespace: string | undefined;
  /** For a new connection. */
  tls(): Promise<TlsFacts>;
  /** For every request. */
  headers(): Promise<Readonly<Record<string, string>>>;
  /** The API server does not know who we are: what is kept of an earlier answer is of no use. */
  refused(): void;
}

/** The server's side, or ours, cannot be had: a file is missing, a program failed. The message says which. */
export class CredentialsError extends Error {
  override name = 'CredentialsError';
}

const tokenAgeMaxMs = 30_000;

/** A file with a bearer token in it that somebody replaces from time to time. */
export class TokenFile {
  readonly #path: string;
  readonly #clock: Clock;
  #token: string | undefined;
  #readMs = 0;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  token(): string {
    const nowMs = this.#clock.nowMs();
    if (this.#token !== undefined && nowMs - this.#readMs < tokenAgeMaxMs) return this.#token;
    const text = readText(this.#path).trim();
    if (text === '') throw new CredentialsError(`${this.#path} holds no token`);
    this.#token = text;
    this.#readMs = nowMs;
    return text;
  }

  refused(): void {
    this.#token = undefined;
  }
}

const serviceAccountDir = '/var/run/secrets/kubernetes.io/serviceaccount';

/** From the environment and the files of a pod. CredentialsError outside of one. */
export function podCredentials(
  env: Readonly<Record<string, string | undefined>>,
  clock: Clock,
  dir = serviceAccountDir,
): Credentials {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env;
  if (!host) throw new CredentialsError('this is no pod: KUBERNETES_SERVICE_HOST is not set; name a kubeconfig');
  const file = new TokenFile(`${dir}/token`, clock);
  return {
    server: new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`),
    namespace: readText(`${dir}/namespace`).trim() || undefined,
    tls: async () => ({ ca: readBytes(`${dir}/ca.crt`) }),
    headers: async () => ({ authorization: `Bearer ${file.token()}` }),
    refused: () => file.refused(),
  };
}

export function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new CredentialsError(`${path} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}

function readText(path: string): string {
  return readBytes(path).toString('utf8');
}
