/** The world a store's rules are tried in: objects a user makes, stores upon them, and ways to look at both. */
import { expect } from 'vitest';
import type { ObjectRef, RawObject } from '../../src/api/object.ts';
import type { Service } from '../../src/api/service.ts';
import type { Store } from '../../src/runtime/ports.ts';
import { eventually } from '../support/wait.ts';

/** One world: its objects, and stores upon it. */
export interface StoreWorld {
  /** A new store, started. Several may be open; the world outlives them. */
  open(): Promise<Store>;
  /** As a user: makes the object, or makes it what is given. */
  apply(object: RawObject): Promise<void>;
  /** As a user: takes it away. */
  delete(ref: ObjectRef): Promise<void>;
  dispose(): Promise<void>;
}

export const web: ObjectRef = { kind: 'Service', namespace: 'default', name: 'web' };
export const lease: ObjectRef = { kind: 'Lease', namespace: 'kube-system', name: 'herald-a' };

export function service(name: string, spec: RawObject = {}, namespace = 'default'): RawObject {
  const ports = [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 80 }];
  const metadata = { name, namespace, labels: { app: name } };
  return { apiVersion: 'v1', kind: 'Service', metadata, spec: { type: 'LoadBalancer', ports, ...spec } };
}

export function leaseOf(holder: string, ref: ObjectRef = lease): RawObject {
  const spec = { holderIdentity: holder, leaseDurationSeconds: 15 };
  const metadata = { name: ref.name, namespace: ref.namespace };
  return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec };
}

export type Json = Record<string, unknown>;
export const at = (object: RawObject | undefined, ...path: string[]): unknown =>
  path.reduce<unknown>((here, step) => (here as Json | undefined)?.[step], object);
export const version = (object: RawObject | undefined): string => String(at(object, 'metadata', 'resourceVersion'));
export const conditionsOf = (object: RawObject | undefined) => (at(object, 'status', 'conditions') ?? []) as Json[];

export const ingress = (ip: string) => ({ loadBalancer: { ingress: [{ ip }] } });
export const condition = (type: string, status: string, reason = 'Because') => ({ type, status, reason, message: '' });

/** The loop's own way of waiting: nothing but wake-ups and snapshots. */
export function until<T>(what: string, probe: () => T | undefined | false): Promise<T> {
  return eventually(what, probe, { everyMs: 5, limitMs: 10_000 });
}

/** One world with a store upon it, and what rules ask of both. */
export class Fixture {
  readonly #makeWorld: () => Promise<StoreWorld>;
  readonly #open: Store[] = [];
  #world: StoreWorld | undefined;
  #store: Store | undefined;

  constructor(makeWorld: () => Promise<StoreWorld>) {
    this.#makeWorld = makeWorld;
  }

  get world(): StoreWorld {
    return this.#world ?? expect.fail('begin() comes first');
  }

  get store(): Store {
    return this.#store ?? expect.fail('begin() comes first');
  }

  async begin(): Promise<void> {
    this.#world = await this.#makeWorld();
    await this.restart();
  }

  async end(): Promise<void> {
    await this.#closeAll();
    await this.world.dispose();
  }

  async another(): Promise<Store> {
    const store = await this.world.open();
    this.#open.push(store);
    return store;
  }

  async restart(): Promise<void> {
    await this.#closeAll();
    this.#store = await this.another();
  }

  async #closeAll(): Promise<void> {
    for (const each of this.#open.splice(0)) await each.close();
  }

  /** What users made: an API server has a Service of its own. */
  services(): readonly Service[] {
    return this.store
      .snapshot()
      .list('Service')
      .filter(({ metadata }) => metadata.name !== 'kubernetes');
  }

  names(): string[] {
    return this.services().map(each => each.metadata.name);
  }

  seen(name = 'web'): Service | undefined {
    return this.store.snapshot().get('Service', 'default', name);
  }

  /** Objects a user makes, and the store has noticed. */
  async applied(...objects: RawObject[]): Promise<void> {
    for (const object of objects) await this.world.apply(object);
    const last = String(at(objects.at(-1), 'metadata', 'name'));
    await until(`${last} in the snapshot`, () => this.names().includes(last));
  }
}
