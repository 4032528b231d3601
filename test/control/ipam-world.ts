/** Objects, a store with server-side apply, the allocator's control and its target, for tests that edit and look. */

import type { Condition, ObjectRef, RawObject } from '../../src/api/object.ts';
import { parseObject } from '../../src/api/parse.ts';
import { type Snapshot, SnapshotBuilder } from '../../src/api/snapshot.ts';
import { IpamControl, type IpamDesired } from '../../src/control/ipam.ts';
import { type IpamSettings, ipamDefaults } from '../../src/control/ipam-claims.ts';
import type { IpamEvent } from '../../src/control/ipam-status.ts';
import { applyStatement, type Managers, mergedStatus } from '../../src/directory/status.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { IpamPoolTarget, IpamTarget } from '../../src/runtime/ipam-target.ts';
import type { Clock, Store, Target } from '../../src/runtime/ports.ts';

type Raw = Record<string, unknown>;
const day = '2024-01-01T00:00:00Z';
/** Whatever is waited for has come. */
const unhurried: Clock = {
  nowMs: () => 0,
  wallMs: () => 0,
  after: (_, fn) => {
    queueMicrotask(fn);
    return () => {};
  },
};

export interface PoolOptions {
  readonly createdMs?: number;
  readonly select?: Record<string, string>;
  readonly allowFirstLast?: 'Yes' | 'No';
  readonly disabled?: boolean;
  readonly cidrs?: readonly string[];
}

/** `10.0.0.0/24`, `10.0.0.1-10.0.0.9`, or one address. */
export function pool(name: string, blocks: readonly string[], options: PoolOptions = {}): Raw {
  const { createdMs = 0, select, allowFirstLast, disabled, cidrs } = options;
  return {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumLoadBalancerIPPool',
    metadata: { name, uid: `pool-${name}`, generation: 1, creationTimestamp: new Date(createdMs).toISOString() },
    spec: {
      blocks: blocks.map(text => {
        const [start, stop] = text.split('-');
        return text.includes('/') ? { cidr: text } : { start, ...(stop === undefined ? {} : { stop }) };
      }),
      ...(cidrs === undefined ? {} : { cidrs: cidrs.map(cidr => ({ cidr })) }),
      ...(select === undefined ? {} : { serviceSelector: { matchLabels: select } }),
      ...(allowFirstLast === undefined ? {} : { allowFirstLastIPs: allowFirstLast }),
      ...(disabled === undefined ? {} : { disabled }),
    },
  };
}

export interface ServiceOptions {
  readonly uid?: string;
  readonly createdMs?: number;
  readonly labels?: Record<string, string>;
  /** Short names of the annotations: `ips`, `sharing-key`, … */
  readonly notes?: Record<string, string>;
  readonly annotations?: Record<string, string>;
  readonly spec?: Raw;
  /** Shorthand for spec.ports: `80` or `UDP/53`. */
  readonly ports?: readonly string[];
  /** Addresses that the status names from the start. */
  readonly ingress?: readonly (string | Raw)[];
}

/** `web` in namespace default, or `other/web`. */
export function service(path: string, options: ServiceOptions = {}): Raw {
  const [namespace = '', name = ''] = path.includes('/') ? path.split('/') : ['default', path];
  const { uid = path, createdMs = 0, labels = {}, notes = {}, annotations = {}, spec = {}, ports, ingress } = options;
  const long = Object.entries(notes).map(([key, value]) => [`lbipam.cilium.io/${key}`, value]);
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      ...{ namespace, name, uid, labels, generation: 1, creationTimestamp: new Date(createdMs).toISOString() },
      annotations: { ...annotations, ...Object.fromEntries(long) },
    },
    spec: {
      type: 'LoadBalancer',
      ports: (ports ?? ['80']).map(text => {
        const [first = '', second] = text.split('/');
        return second === undefined ? { port: Number(first) } : { protocol: first, port: Number(second) };
      }),
      ...spec,
    },
    ...(ingress === undefined
      ? {}
      : {
          status: { loadBalancer: { ingress: ingress.map(each => (typeof each === 'string' ? { ip: each } : each)) } },
        }),
  };
}

export class IpamWorld {
  readonly #settings: IpamSettings;
  readonly #builder = new SnapshotBuilder();
  readonly #raw = new Map<string, Raw>();
  readonly #managers = new Map<string, Managers>();
  readonly events: IpamEvent[] = [];
  #control: IpamControl;
  #targets: readonly Target<IpamDesired>[];
  last: IpamDesired | undefined;
  /** Calls of applyStatus, and those that changed something. */
  calls = 0;
  writes = 0;
  /** Refuses every write while it is set. */
  outage: Error | undefined;

  constructor(settings: Partial<IpamSettings> = {}) {
    this.#settings = { ...ipamDefaults, ...settings };
    [this.#control, this.#targets] = this.#start();
  }

  #start(): [IpamControl, readonly Target<IpamDesired>[]] {
    const unused = () => {
      throw new Error('not for statuses');
    };
    const store: Store = {
      applyStatus: async (ref, manager, status) => {
        if (this.outage !== undefined) throw this.outage;
        this.calls++;
        return this.#apply(ref, manager, status);
      },
      record: event => this.events.push(event),
      snapshot: () => this.snapshot,
      ...{ campaign: unused, start: unused, subscribe: unused, read: unused },
      ...{ put: unused, remove: unused, close: unused },
    };
    const targets = [new IpamTarget(store, 'herald-ipam'), new IpamPoolTarget(store, 'herald-ipam', unhurried)];
    return [new IpamControl(this.#settings), targets];
  }

  /** The process ends and starts anew: nothing is left but the objects. */
  restart(): this {
    [this.#control, this.#targets] = this.#start();
    return this;
  }

  get control(): IpamControl {
    return this.#control;
  }

  get snapshot(): Snapshot {
    return this.#builder.snapshot();
  }

  put(...objects: readonly Raw[]): this {
    for (const object of objects) {
      const { status, ...raw } = object;
      const key = keyOf(raw);
      if (status !== undefined) this.#managers.set(key, { somebody: status as RawObject });
      this.#raw.set(key, raw);
      this.#show(key);
    }
    return this;
  }

  /** Replaces what an object asks for; its status stays, its generation grows. */
  edit(...objects: readonly Raw[]): this {
    for (const object of objects) {
      const metadata = object['metadata'] as Raw;
      const before = this.#raw.get(keyOf(object))?.['metadata'] as Raw | undefined;
      this.put({ ...object, metadata: { ...metadata, generation: Number(before?.['generation'] ?? 0) + 1 } });
    }
    return this;
  }

  remove(...paths: readonly string[]): this {
    for (const path of paths) {
      const key = this.#key(path);
      const raw = this.#raw.get(key);
      const metadata = raw?.['metadata'] as Raw;
      this.#raw.delete(key);
      this.#managers.delete(key);
      const kind = raw?.['kind'] === 'Service' ? 'Service' : 'CiliumLoadBalancerIPPool';
      this.#builder.delete(kind, kind === 'Service' ? String(metadata['namespace']) : '', String(metadata['name']));
      const ref = { kind, namespace: String(metadata['namespace'] ?? ''), name: String(metadata['name']) };
      this.#builder.fault({ ref, generation: 0, faults: [] });
    }
    return this;
  }

  /** Somebody else states a status. */
  async state(path: string, manager: string, status: RawObject): Promise<void> {
    const key = this.#key(path);
    this.#managers.set(key, applyStatement(this.#managers.get(key) ?? {}, manager, status, day));
    this.#show(key);
  }

  /** Passes until nothing is left to write. */
  async settle(): Promise<this> {
    for (let pass = 0; pass < 5; pass++) {
      const before = this.calls;
      await this.pass();
      if (this.calls === before) return this;
    }
    throw new Error('it does not come to rest');
  }

  async pass(): Promise<void> {
    this.last = this.#control.reconcile(this.#builder.snapshot());
    for (const target of this.#targets) await target.apply(this.last, new AbortController().signal);
  }

  /** Addresses in the Service's status. */
  held(path: string): string[] {
    return (this.#service(path)?.status.ingress ?? []).map(IpAddress.format);
  }

  /** `True satisfied`, or `False no_pool: No pool …`; undefined without our condition. */
  condition(path: string): string | undefined {
    const found = this.conditions(path).find(each => each.type === 'cilium.io/IPAMRequestSatisfied');
    return found && `${found.status} ${found.reason}${found.message === '' ? '' : `: ${found.message}`}`;
  }

  conditions(path: string): readonly Condition[] {
    return this.#service(path)?.status.conditions ?? [];
  }

  status(path: string): RawObject | undefined {
    return mergedStatus(this.#managers.get(this.#key(path)));
  }

  /** `total/available/used` of a pool. */
  counts(name: string): string {
    return ['IPsTotal', 'IPsAvailable', 'IPsUsed'].map(type => this.poolCondition(name, type)?.message).join('/');
  }

  poolCondition(name: string, type: string): Condition | undefined {
    const conditions = this.#builder.snapshot().get('CiliumLoadBalancerIPPool', '', name)?.status.conditions ?? [];
    return conditions.find(each => each.type === `cilium.io/${type}` || each.type === type);
  }

  #service(path: string) {
    const [namespace = '', name = ''] = path.includes('/') ? path.split('/') : ['default', path];
    return this.#builder.snapshot().get('Service', namespace, name);
  }

  #key(path: string): string {
    const candidates = [`Service ${path}`, `Service default/${path}`, `CiliumLoadBalancerIPPool ${path}`];
    return candidates.find(key => this.#raw.has(key)) ?? `Service ${path}`;
  }

  #apply({ kind, namespace, name }: ObjectRef, manager: string, status: RawObject): boolean {
    const key = namespace === '' ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
    if (!this.#raw.has(key)) throw new Error(`no ${key}`);
    const before = this.#managers.get(key) ?? {};
    const after = applyStatement(before, manager, status, day);
    if (after === before) return false;
    this.#managers.set(key, after);
    this.writes++;
    this.#show(key);
    return true;
  }

  #show(key: string): void {
    const raw = this.#raw.get(key);
    const parsed = parseObject({ ...raw, status: mergedStatus(this.#managers.get(key)) });
    if (parsed.outcome === 'known') {
      const { kind, metadata } = parsed.object;
      const ref = { kind, namespace: metadata.namespace, name: metadata.name };
      if (kind === 'Service' || kind === 'CiliumLoadBalancerIPPool') this.#builder.put(kind, parsed.object as never);
      this.#builder.fault({ ref, generation: metadata.generation, faults: parsed.warnings });
    } else if (parsed.outcome === 'refused' && parsed.ref !== undefined) {
      const { kind, namespace, name } = parsed.ref;
      this.#builder.delete(kind as 'Service', namespace, name);
      this.#builder.fault({ ref: parsed.ref, generation: parsed.generation, faults: parsed.faults });
    } else throw new Error(`no object: ${JSON.stringify(parsed)}`);
  }
}

function keyOf(raw: Raw): string {
  const metadata = raw['metadata'] as Raw;
  const { namespace, name } = metadata;
  return `${raw['kind']} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
}
