/** Somebody who talks to a test's API server: a client certificate, a kubeconfig, kubectl, and bare requests. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import type { Certificate } from '../../../src/lab/kube-certificates.ts';
import { program } from '../../../src/lab/kube-programs.ts';
import { kubeconfigText } from '../../../src/lab/kube-server.ts';

/** An object, or the API server's Status where it refused. */
export type Body = { readonly [key: string]: unknown };

export interface Answer {
  readonly status: number;
  readonly body: Body;
}

export interface Said {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

export class Identity {
  readonly user: string;
  /** Path of a kubeconfig with everything in it. */
  readonly kubeconfig: string;
  readonly #url: string;
  readonly #folder: string;
  readonly #tls: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer };
  #agent: Agent;

  /** `path` without an ending names this identity's files. */
  constructor(user: string, path: string, url: string, caPath: string, files: Certificate) {
    this.user = user;
    this.#url = url;
    this.#folder = path;
    this.#tls = { ca: readFileSync(caPath), cert: readFileSync(files.certificate), key: readFileSync(files.key) };
    this.#agent = new Agent({ keepAlive: true, ...this.#tls });
    this.kubeconfig = `${path}.kubeconfig`;
    writeFileSync(this.kubeconfig, kubeconfigText(url, caPath, files), { mode: 0o600 });
  }

  /** Throws with what kubectl said when it fails. `input` is its standard input. */
  kubectl(words: readonly string[], input?: string): string {
    const { status, out, err } = this.tryKubectl(words, input);
    if (status !== 0) throw new Error(`kubectl ${words.join(' ')}: ${err}`);
    return out;
  }

  tryKubectl(words: readonly string[], input?: string): Said {
    const done = spawnSync(program('kubectl'), [`--kubeconfig=${this.kubeconfig}`, ...words], {
      encoding: 'utf8',
      input: input ?? '',
      env: { ...process.env, KUBECACHEDIR: join(this.#folder, 'kubectl') },
      maxBuffer: 2 ** 28,
    });
    return { status: done.status, out: done.stdout, err: done.stderr };
  }

  /** Rejects only when nobody answers. `type` defaults to JSON; a patch names its own. */
  request(method: string, path: string, body?: object, type = 'application/json'): Promise<Answer> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = text === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(text) };
    return new Promise((resolve, reject) => {
      const sent = request(`${this.#url}${path}`, { method, headers, agent: this.#agent }, response => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => resolve(answer(response.statusCode ?? 0, Buffer.concat(chunks).toString())));
      });
      sent.once('error', reject);
      sent.end(text);
    });
  }

  /** Server-side apply of an object or of a status, at its path. */
  apply(path: string, object: object, manager = 'test'): Promise<Answer> {
    const query = new URLSearchParams({ fieldManager: manager, force: 'true' });
    return this.request('PATCH', `${path}?${query}`, object, 'application/apply-patch+yaml');
  }

  /** Connections are let go of. */
  forget(): void {
    this.#agent.destroy();
    this.#agent = new Agent({ keepAlive: true, ...this.#tls });
  }
}

function answer(status: number, text: string): Answer {
  try {
    return { status, body: JSON.parse(text) as Body };
  } catch {
    return { status, body: { text } };
  }
}
