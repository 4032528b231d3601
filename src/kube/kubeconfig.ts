/**
 * A kubeconfig as credentials: clusters, contexts and users by the client library's reader, tokens from programs
 * (client.authentication.k8s.io) by its authenticator. What the library reads once and keeps (token files), or does
 * not tell those programs (KUBERNETES_EXEC_INFO), is done here. Only these parts of it are imported: with its API
 * types it weighs twice of what an agent does.
 */
import { dirname, resolve } from 'node:path';
import {
  type Cluster,
  newClusters,
  newContexts,
  newUsers,
  type User,
} from '@kubernetes/client-node/dist/config_types.js';
import { ExecAuth } from '@kubernetes/client-node/dist/exec_auth.js';
import type { Clock } from '../runtime/ports.ts';
import { type Credentials, CredentialsError, readBytes, type TlsFacts, TokenFile } from './credentials.ts';

interface Document {
  readonly users?: unknown;
  readonly contexts?: unknown;
  readonly clusters?: unknown;
  readonly 'current-context'?: unknown;
}

interface ExecPart {
  readonly apiVersion?: string;
  readonly command?: string;
  readonly env?: readonly { readonly name: string; readonly value: string }[];
}

/**
 * The current context of the kubeconfig at `path`, which says what `document` does: how its text is read is another
 * folder's. CredentialsError says what is missing in it.
 */
export function kubeconfigCredentials(path: string, document: unknown, clock: Clock): Credentials {
  if (typeof document !== 'object' || document === null) throw new CredentialsError(`${path} is no kubeconfig`);
  const home = dirname(resolve(path));
  const { cluster, user, namespace, tokenFile } = currentOf(document, path);
  if (!cluster.server.startsWith('https://'))
    throw new CredentialsError(`${path}: ${cluster.server} is not https, which is all that is spoken here`);
  if (cluster.proxyUrl)
    throw new CredentialsError(`${path}: proxy-url ${cluster.proxyUrl} is not supported; reach the server directly`);
  if (user.authProvider)
    throw new CredentialsError(`${path}: auth-provider is gone from Kubernetes since 1.26; use exec`);
  const identity = identityOf(
    cluster,
    user,
    tokenFile === undefined ? undefined : new TokenFile(resolve(home, tokenFile), clock),
  );
  const own: TlsFacts = {
    ...bytesOf('ca', home, cluster.caFile, cluster.caData),
    ...(cluster.tlsServerName ? { servername: cluster.tlsServerName } : {}),
    ...(cluster.skipTLSVerify ? { rejectUnauthorized: false } : {}),
  };
  return {
    server: new URL(cluster.server),
    namespace,
    // Files anew for each connection: certificates are replaced too.
    tls: async () => ({
      ...own,
      ...bytesOf('cert', home, user.certFile, user.certData),
      ...bytesOf('key', home, user.keyFile, user.keyData),
      ...(await identity.tls()),
    }),
    headers: () => identity.headers(),
    refused: () => identity.refused(),
  };
}

type Identity = Pick<Credentials, 'tls' | 'headers' | 'refused'>;

function identityOf(cluster: Cluster, user: User, file: TokenFile | undefined): Identity {
  const fixed: Record<string, string> = {};
  if (user.token) fixed['authorization'] = `Bearer ${user.token}`;
  else if (user.username)
    fixed['authorization'] = `Basic ${Buffer.from(`${user.username}:${user.password ?? ''}`).toString('base64')}`;
  if (user.impersonateUser) fixed['impersonate-user'] = user.impersonateUser;
  if (user.exec) return new ExecIdentity(cluster, user, fixed);
  return {
    tls: async () => ({}),
    headers: async () => (file ? { ...fixed, authorization: `Bearer ${file.token()}` } : fixed),
    refused: () => file?.refused(),
  };
}

/** A program that prints a token, a certificate or both; asked again when they have expired or were refused. */
class ExecIdentity implements Identity {
  readonly #user: User;
  readonly #fixed: Readonly<Record<string, string>>;
  #auth = new ExecAuth();

  constructor(cluster: Cluster, user: User, fixed: Readonly<Record<string, string>>) {
    const exec = user.exec as ExecPart;
    const spec = {
      interactive: false,
      cluster: { server: cluster.server, 'certificate-authority-data': cluster.caData },
    };
    const info = { kind: 'ExecCredential', apiVersion: exec.apiVersion, spec };
    const env = [...(exec.env ?? []), { name: 'KUBERNETES_EXEC_INFO', value: JSON.stringify(info) }];
    this.#user = { ...user, exec: { ...exec, env } };
    this.#fixed = fixed;
  }

  async tls(): Promise<TlsFacts> {
    const { cert, key } = await this.#ask();
    return { ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
  }

  async headers(): Promise<Readonly<Record<string, string>>> {
    const { headers } = await this.#ask();
    return { ...this.#fixed, ...(headers.Authorization ? { authorization: headers.Authorization } : {}) };
  }

  refused(): void {
    this.#auth = new ExecAuth();
  }

  async #ask(): Promise<{ cert?: string; key?: string; headers: { Authorization?: string } }> {
    const answer: { cert?: string; key?: string; headers: { Authorization?: string } } = { headers: {} };
    try {
      await this.#auth.applyAuthentication(this.#user, answer);
    } catch (error) {
      const command = (this.#user.exec as ExecPart).command;
      throw new CredentialsError(`${command} gave no credentials: ${error instanceof Error ? error.message : error}`);
    }
    return answer;
  }
}

/** What the current context names. `tokenFile` is held back from the library, which would read it once for good. */
function currentOf(document: object, path: string) {
  const { users: listed, contexts, clusters, 'current-context': current } = document as Document;
  const users: readonly { name?: string; user?: Record<string, unknown> }[] = Array.isArray(listed) ? listed : [];
  try {
    const context = newContexts(contexts).find(each => each.name === current);
    if (context === undefined) throw new Error(`there is no context '${current ?? ''}'`);
    const cluster = newClusters(clusters).find(each => each.name === context.cluster);
    if (cluster === undefined) throw new Error(`there is no cluster '${context.cluster}'`);
    const files = users.map(({ user }) => user?.['tokenFile'] ?? user?.['token-file']);
    const rest = users.map(each => ({ ...each, user: { ...each.user, 'token-file': undefined } }));
    const at = users.findIndex(each => each.name === context.user);
    const user = newUsers(rest)[at];
    if (user === undefined) throw new Error(`there is no user '${context.user}'`);
    const tokenFile = typeof files[at] === 'string' ? files[at] : undefined;
    return { cluster, user, namespace: context.namespace, tokenFile };
  } catch (error) {
    throw new CredentialsError(`${path}: ${error instanceof Error ? error.message : error}`);
  }
}

/** Kubernetes lets data win over a file. */
function bytesOf<K extends string>(field: K, home: string, file: string | undefined, data: string | undefined) {
  if (data) return { [field]: Buffer.from(data, 'base64') } as { readonly [F in K]: Buffer };
  return file ? ({ [field]: readBytes(resolve(home, file)) } as { readonly [F in K]: Buffer }) : {};
}
