/** Nodes with responders in memory over one store in memory, on a clock that stands still until a test moves it. */
import type { ObjectRef, RawObject } from '../../src/api/object.ts';
import { parseObject } from '../../src/api/parse.ts';
import { type Snapshot, SnapshotBuilder } from '../../src/api/snapshot.ts';
import { NodeControl } from '../../src/control/desired.ts';
import { controlDefaults, type HostFacts } from '../../src/control/settings.ts';
import type { Deadlines, OwnedRow, Wire } from '../../src/l2/address-table.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { L2Target } from '../../src/runtime/l2-target.ts';
import { Metrics } from '../../src/runtime/metrics.ts';
import { type Campaign, ConflictError, type EventRecord, type Store } from '../../src/runtime/ports.ts';
import type {
  Responder,
  ResponderEvents,
  ResponderHealth,
  ResponderLink,
  ResponderStatus,
} from '../../src/runtime/responder.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { recordingLog } from '../support/recording-log.ts';

/** Objects and their versions; a node's view of it can be cut off. */
export class MemoryObjects {
  readonly #builder = new SnapshotBuilder();
  readonly #raw = new Map<string, { readonly raw: RawObject; readonly version: string }>();
  readonly events: EventRecord[] = [];
  readonly #wakes = new Set<() => void>();
  #version = 0;
  snapshot: Snapshot = this.#builder.snapshot();

  put(raw: RawObject): string {
    const version = String(++this.#version);
    const metadata = { ...(raw.metadata as RawObject), resourceVersion: version };
    const parsed = parseObject({ ...raw, metadata });
    if (parsed.outcome !== 'known') throw new Error(`no object: ${JSON.stringify(parsed)}`);
    this.#raw.set(keyOf(parsed.object), { raw: { ...raw, metadata }, version });
    this.#builder.put(parsed.object.kind, parsed.object as never);
    this.#publish();
    return version;
  }

  delete(ref: ObjectRef): void {
    this.#raw.delete(nameOf(ref));
    this.#builder.delete(ref.kind as never, ref.namespace, ref.name);
    this.#publish();
  }

  version(ref: ObjectRef): string | undefined {
    return this.#raw.get(nameOf(ref))?.version;
  }

  read(ref: ObjectRef): RawObject | undefined {
    return this.#raw.get(nameOf(ref))?.raw;
  }

  subscribe(wake: () => void): () => void {
    this.#wakes.add(wake);
    return () => this.#wakes.delete(wake);
  }

  #publish(): void {
    this.snapshot = this.#builder.snapshot();
    for (const wake of this.#wakes) wake();
  }
}

function keyOf({ kind, metadata }: { kind: string; metadata: { namespace: string; name: string } }): string {
  return nameOf({ kind, ...metadata });
}

function nameOf({ kind, namespace, name }: ObjectRef): string {
  return `${kind} ${namespace}/${name}`;
}

class MemoryStore implements Store {
  readonly #objects: MemoryObjects;
  reachable = true;
  /** Is told of changes. */
  watching = true;
  /** Takes what is written, and is never heard to have done so. */
  mute = false;

  constructor(objects: MemoryObjects) {
    this.#objects = objects;
  }

  async start(): Promise<void> {}

  snapshot(): Snapshot {
    return this.#objects.snapshot;
  }

  subscribe(wake: () => void): () => void {
    return this.#objects.subscribe(() => this.reachable && this.watching && wake());
  }

  async applyStatus(): Promise<boolean> {
    return false;
  }

  async read(ref: ObjectRef): Promise<RawObject | undefined> {
    this.#demand();
    return this.#objects.read(ref);
  }

  async put(raw: RawObject, resourceVersion: string | undefined): Promise<string> {
    this.#demand();
    const { name = '', namespace = '' } = raw.metadata as { name?: string; namespace?: string };
    const there = this.#objects.version({ kind: String(raw.kind), namespace, name });
    if (there !== resourceVersion) throw new ConflictError(`${name} is at ${there}`);
    const version = this.#objects.put(raw);
    if (this.mute) throw new Error('no answer');
    return version;
  }

  async remove(ref: ObjectRef, resourceVersion: string): Promise<void> {
    this.#demand();
    const there = this.#objects.version(ref);
    if (there === undefined) return;
    if (there !== resourceVersion) throw new ConflictError(`${ref.name} is at ${there}`);
    this.#objects.delete(ref);
  }

  campaign(): Campaign {
    return { leading: false, close() {} };
  }

  record(event: EventRecord): void {
    this.#objects.events.push(event);
  }

  async close(): Promise<void> {}

  #demand(): void {
    if (!this.reachable) throw new Error('out of reach');
  }
}

export class MemoryResponder implements Responder {
  listening: readonly ResponderLink[] = [];
  rows: readonly OwnedRow[] = [];
  until: Deadlines = { sessionMs: 0, holdMs: 0 };
  closed: { readonly keep: boolean } | undefined;
  readonly frames: Uint8Array[] = [];
  carried: readonly Wire[] = [];
  /** Rows for these addresses do not get where they ought to. */
  readonly lost = new Set<string>();
  readonly events: ResponderEvents;

  constructor(events: ResponderEvents) {
    this.events = events;
  }

  links(all: readonly ResponderLink[]): void {
    this.listening = all;
  }

  own(rows: readonly OwnedRow[]): void {
    this.rows = rows;
  }

  deadlines(deadlines: Deadlines): void {
    this.until = deadlines;
  }

  cap(): void {}

  send(_link: number, frame: Uint8Array): void {
    this.frames.push(frame);
  }

  wires(): readonly Wire[] {
    return this.carried;
  }

  health(): ResponderHealth {
    return this.status();
  }

  status(): ResponderStatus {
    const links = this.listening.map(({ index, name }) => ({
      link: index,
      name,
      datapath: 'socket' as const,
      problem: undefined,
    }));
    const rows = this.rows
      .filter(row => !this.lost.has(IpAddress.format(row.address)))
      .map(({ link, address }) => ({ link, address, answers: 0, lastAsker: undefined }));
    return { links, rows, drops: {}, contradictions: [], note: undefined };
  }

  async close(how: { readonly keep: boolean }): Promise<void> {
    this.closed = how;
    if (!how.keep) this.rows = [];
  }
}

export const leaseNamespace = 'kube-system';

/** One node's part of a control plane, reduced to what local networks are about. */
export class TestNode {
  readonly name: string;
  readonly store: MemoryStore;
  readonly metrics = new Metrics();
  readonly log = recordingLog();
  readonly target: L2Target;
  readonly responders: MemoryResponder[] = [];
  readonly #clock: ManualClock;
  readonly #control: NodeControl;
  #applying: Promise<void> = Promise.resolve();
  cleanedUp = 0;
  host: HostFacts;

  constructor(name: string, clock: ManualClock, objects: MemoryObjects, restartGraceMs = 0) {
    this.name = name;
    this.#clock = clock;
    this.store = new MemoryStore(objects);
    this.host = hostFacts({ eth0: ['192.0.2.250/24', '2001:db8::ff/64'] });
    this.#control = new NodeControl(name, { ...controlDefaults, leaseNamespace });
    const times = { sessionMs: 3000, renewMs: 1000, retryMs: 200 };
    this.target = new L2Target({
      settings: {
        node: name,
        namespace: leaseNamespace,
        times,
        storeLoss: 'hold',
        restartGraceMs,
        garpIntervalMs: 60_000,
      },
      store: this.store,
      clock,
      bootMs: () => clock.nowMs(),
      log: this.log,
      metrics: this.metrics,
      open: async events => {
        const responder = new MemoryResponder(events);
        this.responders.push(responder);
        return responder;
      },
      cleanUp: async () => void this.cleanedUp++,
      wake: () => {},
    });
    objects.subscribe(() => this.wake());
  }

  get responder(): MemoryResponder {
    const responder = this.responders.at(-1);
    if (responder === undefined) throw new Error(`${this.name} has no responder`);
    return responder;
  }

  wake(): void {
    this.#applying = this.#applying.then(() =>
      this.target.apply(this.#control.desired(this.store.snapshot(), this.host).l2),
    );
  }

  /** `address link-index`, of rows that are answered at this moment. */
  answers(): readonly string[] {
    if (this.responders.length === 0) return [];
    const { rows, until } = this.responder;
    const nowMs = this.#clock.nowMs();
    return rows
      .filter(
        ({ mode }) => (mode === 'session' && nowMs < until.sessionMs) || (mode === 'hold' && nowMs < until.holdMs),
      )
      .map(({ address, link }) => `${IpAddress.format(address)} ${link}`)
      .sort();
  }
}

export function hostFacts(links: Readonly<Record<string, readonly string[]>>, up = true): HostFacts {
  const all = Object.entries(links).map(([name, addresses], i) => ({
    name,
    index: i + 2,
    up,
    mac: { value: 0x0200_0000_0001 + i },
    master: undefined,
    noArp: false,
    kind: undefined,
    mtu: 1500,
    addresses: addresses.map(text => {
      const [address = '', length] = text.split('/');
      const parsed = IpAddress.parse(address);
      if (parsed === undefined) throw new Error(`${text} is no address`);
      return { address: parsed, length: Number(length) };
    }),
  }));
  return { links: all, defaultRoutes: [] };
}

export class L2World {
  readonly clock = new ManualClock();
  readonly objects = new MemoryObjects();
  readonly nodes: TestNode[] = [];

  node(name: string, restartGraceMs = 0): TestNode {
    this.objects.put({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, labels: { name } },
      status: { addresses: [] },
    });
    const node = new TestNode(name, this.clock, this.objects, restartGraceMs);
    this.nodes.push(node);
    node.wake();
    return node;
  }

  async run(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 10) {
      await this.clock.advance(Math.min(10, left));
      await settle();
    }
  }

  /** Who answers for an address at this moment. */
  who(address: string): readonly string[] {
    return this.nodes.filter(node => node.answers().some(row => row.startsWith(`${address} `))).map(node => node.name);
  }

  lease(name: string) {
    return this.objects.snapshot.get('Lease', leaseNamespace, name);
  }
}

export const policy = (spec: RawObject = {}, name = 'lan'): RawObject => ({
  apiVersion: 'cilium.io/v2alpha1',
  kind: 'CiliumL2AnnouncementPolicy',
  metadata: { name },
  spec: { loadBalancerIPs: true, externalIPs: true, ...spec },
});

export const service = (name: string, addresses: readonly string[], spec: RawObject = {}): RawObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: {
    name,
    namespace: 'default',
    labels: { app: name },
    creationTimestamp: `2026-01-0${name.length}T00:00:00Z`,
  },
  spec: { type: 'LoadBalancer', ports: [{ port: 80 }], ...spec },
  status: { loadBalancer: { ingress: addresses.map(ip => ({ ip })) } },
});
