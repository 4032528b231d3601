/** A real API server with stores upon it, for one test file: what a user does there goes by bare requests. */
import { readFileSync } from 'node:fs';
import { type KindName, kinds } from '../../src/api/kinds.ts';
import type { ObjectRef, RawObject } from '../../src/api/object.ts';
import type { Credentials } from '../../src/kube/credentials.ts';
import { kubeconfigCredentials } from '../../src/kube/kubeconfig.ts';
import { listPath, objectPath, resourceOf } from '../../src/kube/paths.ts';
import { KubeStore, type KubeStoreOptions } from '../../src/kube/store.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { type ApiServer, type ApiServerOptions, startApiServer } from '../support/kube/api-server.ts';
import type { Identity } from '../support/kube/identity.ts';
import { recordingLog } from '../support/recording-log.ts';
import { eventually } from '../support/wait.ts';

export const place = { node: 'node-1', namespace: 'kube-system', secretsNamespace: 'kube-system' };

export function credentialsOf({ kubeconfig }: Identity): Credentials {
  return kubeconfigCredentials(kubeconfig, JSON.parse(readFileSync(kubeconfig, 'utf8')), systemClock);
}

export class KubeWorld {
  readonly server: ApiServer;
  readonly #stores: KubeStore[] = [];
  /** Of all stores together. */
  readonly log = recordingLog();

  static async start(options: ApiServerOptions = {}): Promise<KubeWorld> {
    return new KubeWorld(await startApiServer(options));
  }

  constructor(server: ApiServer) {
    this.server = server;
  }

  /** Not started yet. */
  store(options: Partial<KubeStoreOptions> = {}): KubeStore {
    const store = new KubeStore({
      credentials: credentialsOf(this.server.admin),
      roles: new Set(['operator', 'agent']),
      place,
      clock: systemClock,
      log: this.log,
      random: Math.random,
      ...options,
    });
    this.#stores.push(store);
    return store;
  }

  async open(options: Partial<KubeStoreOptions> = {}): Promise<KubeStore> {
    const store = this.store(options);
    await store.start();
    return store;
  }

  /** As a user: makes the object what is given, whatever it was. */
  async apply(object: RawObject): Promise<void> {
    const { name, namespace = '' } = object['metadata'] as { name: string; namespace?: string };
    const resource = resourceOf(object['kind'] as KindName);
    if (namespace !== '') await this.#namespace(namespace);
    const path = objectPath(resource, { kind: resource.kind, namespace, name });
    // A kind that has just been defined is served in a moment.
    await eventually(`${name} is taken`, async () => {
      const { status, body } = await this.server.admin.apply(path, object, 'user');
      if (status >= 400) throw new Error(JSON.stringify(body));
      return true;
    });
  }

  async delete(ref: ObjectRef): Promise<void> {
    const path = objectPath(resourceOf(ref.kind as KindName), ref);
    const { status, body } = await this.server.admin.request('DELETE', path);
    if (status >= 400) throw new Error(JSON.stringify(body));
  }

  /** Closes the stores, and removes what tests made of these kinds. */
  async clean(...names: readonly KindName[]): Promise<void> {
    for (const store of this.#stores.splice(0)) await store.close();
    for (const kind of names) {
      const resource = resourceOf(kind);
      const { body } = await this.server.admin.request('GET', listPath(resource, undefined));
      for (const { metadata } of (body['items'] ?? []) as { metadata: { name: string; namespace?: string } }[]) {
        // The API server's own.
        if (metadata.name === 'kubernetes' || metadata.name.startsWith('apiserver-')) continue;
        await this.delete({ kind, namespace: metadata.namespace ?? '', name: metadata.name });
      }
    }
  }

  async stop(): Promise<void> {
    await this.clean();
    await this.server.stop();
  }

  /** The definition of one of the kinds that are in the folder `crds`. */
  async define(kind: KindName): Promise<void> {
    const file = new URL(`../../crds/${kinds[kind].plural}.yaml`, import.meta.url);
    this.server.kubectl(['apply', '--server-side', '-f', '-'], readFileSync(file, 'utf8'));
  }

  async #namespace(name: string): Promise<void> {
    const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
    const { status, body } = await this.server.admin.apply(`/api/v1/namespaces/${name}`, object, 'user');
    if (status >= 400) throw new Error(JSON.stringify(body));
  }
}
