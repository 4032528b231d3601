/**
 * What is written, one object at a time: statuses by server-side apply (KEP-555), objects of our own by
 * compare-and-swap on their version. Refusals that mean "somebody else was first" are ConflictErrors.
 */
import { ObjectRef, type RawObject } from '../api/object.ts';
import { ConflictError } from '../runtime/ports.ts';
import { type Api, ApiError, type Call } from './api.ts';
import { type Cache, headOf } from './cache.ts';
import { isKind, listPath, objectPath, type Resource, resourceOf } from './paths.ts';
import { isStated, timedStatus } from './statements.ts';

export interface ObjectsEnv {
  readonly api: Api;
  readonly cache: Cache;
  readonly wallMs: () => number;
  /** In the version that is served; undefined for a kind that is not watched. */
  readonly resource: (kind: string) => Resource | undefined;
  /** Whether an object of the kind that is not in the cache is not there. */
  readonly isInStep: (kind: string) => boolean;
}

export class Objects {
  readonly #env: ObjectsEnv;
  /** Of objects of our own: who it was that had which version. */
  readonly #identities = new Map<string, { readonly version: string; readonly uid: string }>();

  constructor(env: ObjectsEnv) {
    this.#env = env;
  }

  /** See Store.applyStatus. */
  async applyStatus(ref: ObjectRef, manager: string, status: RawObject): Promise<boolean> {
    const { cache, api, wallMs } = this.#env;
    const known = cache.known(ref);
    if (known === undefined && this.#env.isInStep(ref.kind)) throw gone(ref);
    if (known !== undefined && isStated(known.told, manager, status)) return false;
    const resource = this.#resource(ref.kind);
    const now = new Date(wallMs()).toISOString().replace(/\.[0-9]+Z$/, 'Z');
    const stated = Object.keys(status).length === 0 ? {} : { status: timedStatus(known?.told, status, now) };
    const metadata = { name: ref.name, ...namespaceOf(ref), ...(known === undefined ? {} : { uid: known.uid }) };
    const after = await asConflict(
      ref,
      api.call('status', {
        method: 'PATCH',
        // What is sent is our own schema's: the server need not read it a second time to find unknown fields.
        path: objectPath(resource, ref, '/status', { fieldManager: manager, force: true, fieldValidation: 'Ignore' }),
        contentType: 'application/apply-patch+yaml',
        body: { apiVersion: resource.apiVersion, kind: ref.kind, metadata, ...stated },
      }),
    );
    // What changes nothing leaves the version as it was.
    return cache.wrote(ref, after).version !== known?.version;
  }

  /** See Store.read. */
  async read(ref: ObjectRef): Promise<RawObject | undefined> {
    const object = await (ref.kind === 'Lease' ? this.#listed(ref) : this.#got(ref));
    if (object !== undefined) this.#note(ref, object);
    return object;
  }

  async #got(ref: ObjectRef): Promise<RawObject | undefined> {
    try {
      return await this.#send(ref, { method: 'GET', path: objectPath(this.#resource(ref.kind), ref) });
    } catch (error) {
      if (error instanceof ApiError && error.code === 404) return undefined;
      throw error;
    }
  }

  /** Who watches may list, and needs no further right to read. */
  async #listed(ref: ObjectRef): Promise<RawObject | undefined> {
    const resource = this.#resource(ref.kind);
    const path = listPath(resource, ref.namespace, { fieldSelector: `metadata.name=${ref.name}` });
    const { items } = await this.#send(ref, { method: 'GET', path });
    const [item] = Array.isArray(items) ? (items as readonly RawObject[]) : [];
    // In a list they do not say what they are.
    return item && { ...item, apiVersion: resource.apiVersion, kind: ref.kind };
  }

  /** See Store.put. */
  async put(object: RawObject, version: string | undefined): Promise<string> {
    const metadata = object['metadata'] as RawObject | undefined;
    const { name, namespace } = headOf(object);
    const ref = { kind: String(object['kind']), namespace, name };
    const resource = this.#resource(ref.kind);
    if (name === '') throw new Error('put takes an object with a name');
    const { resourceVersion: _, ...named } = metadata ?? {};
    const body = { ...object, apiVersion: resource.apiVersion, metadata: named };
    if (version === undefined) {
      const path = listPath(resource, namespace || undefined);
      return this.#note(ref, await asConflict(ref, this.#send(ref, { method: 'POST', path, body }), false));
    }
    const resourceVersion = this.#env.cache.newestVersion(ref, version);
    // A PUT makes some objects where there are none, Leases among them, whatever version it names.
    const exact = { ...named, resourceVersion, uid: await this.#uidOf(ref, version) };
    const call = { method: 'PUT', path: objectPath(resource, ref), body: { ...body, metadata: exact } } as const;
    return this.#note(ref, await asConflict(ref, this.#send(ref, call)));
  }

  /** See Store.remove. */
  async remove(ref: ObjectRef, version: string): Promise<void> {
    this.#identities.delete(ObjectRef.format(ref));
    const preconditions = { resourceVersion: this.#env.cache.newestVersion(ref, version) };
    try {
      const path = objectPath(this.#resource(ref.kind), ref);
      await asConflict(ref, this.#send(ref, { method: 'DELETE', path, body: { preconditions } }), false);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 404) throw error;
    }
  }

  /** Who had that version; ConflictError when nobody has it now and it is not known. */
  async #uidOf(ref: ObjectRef, version: string): Promise<string> {
    const own = this.#identities.get(ObjectRef.format(ref));
    if (own?.version === version) return own.uid;
    const known = this.#env.cache.known(ref);
    if (known?.version === this.#env.cache.newestVersion(ref, version)) return known.uid;
    const now = await this.read(ref);
    if (now === undefined) throw gone(ref);
    if (headOf(now).version !== version)
      throw new ConflictError(`${ObjectRef.format(ref)} is not at ${version} any more`);
    return headOf(now).uid;
  }

  /** The object's version. */
  #note(ref: ObjectRef, object: RawObject): string {
    const { version, uid } = headOf(object);
    this.#identities.set(ObjectRef.format(ref), { version, uid });
    return version;
  }

  /** Leases are renewed whatever else is under way. */
  #send(ref: ObjectRef, call: Call): Promise<RawObject> {
    const { api } = this.#env;
    return ref.kind === 'Lease' ? api.lease(call) : api.call('object', call);
  }

  #resource(kind: string): Resource {
    const resource = this.#env.resource(kind) ?? (isKind(kind) ? resourceOf(kind) : undefined);
    if (resource === undefined) throw new Error(`${kind} is no kind that Herald knows`);
    return resource;
  }
}

function namespaceOf({ namespace }: ObjectRef) {
  return namespace === '' ? {} : { namespace };
}

/** 409 whatever its reason, and 404 where there ought to be an object. */
async function asConflict(ref: ObjectRef, work: Promise<RawObject>, mustExist = true): Promise<RawObject> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === 409) throw new ConflictError(`${ObjectRef.format(ref)}: ${error.message}`);
    if (error.code === 404 && mustExist) throw gone(ref);
    throw error;
  }
}

function gone(ref: ObjectRef): ConflictError {
  return new ConflictError(`there is no ${ObjectRef.format(ref)}`);
}
