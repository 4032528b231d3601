/**
 * Binds the ownership of addresses to the world: Leases as the store shows them, the clock, and what was heard go in;
 * writes, rows, deadlines and frames go out. What falls silent does so before the store is told, and a renewal of the
 * session is sent the moment it is due, whatever other writes are under way.
 */
import type { Lease } from '../api/lease.ts';
import { parseObject } from '../api/parse.ts';
import type { Snapshot } from '../api/snapshot.ts';
import { L2Lease } from '../control/l2-leases.ts';
import type { OwnedRow } from '../l2/address-table.ts';
import { AddressOwnership } from '../l2/ownership.ts';
import type {
  OwnershipConfig,
  OwnershipEffect,
  OwnershipEvent,
  OwnershipNote,
  OwnershipStatus,
} from '../l2/ownership-event.ts';
import { type Clock, ConflictError, type Log, type Store } from './ports.ts';
import type { Responder } from './responder.ts';

export interface L2DriverOptions {
  readonly store: Store;
  /** Where the Leases are. */
  readonly namespace: string;
  readonly clock: Clock;
  /** CLOCK_BOOTTIME in milliseconds. */
  readonly bootMs: () => number;
  readonly log: Log;
  readonly responder: Responder;
  readonly config: OwnershipConfig;
  readonly noted: (note: OwnershipNote) => void;
}

export interface L2DriverStatus {
  /** Addresses are held without the store. */
  readonly holding: boolean;
  /** Time left of the session, in milliseconds; 0: there is none. */
  readonly sessionLeftMs: number;
  readonly groups: readonly OwnershipStatus[];
}

/** How long leaving waits for a store that does not answer. */
const leaveMaxMs = 3000;

export class L2Driver {
  readonly #options: L2DriverOptions;
  readonly #ownership: AddressOwnership;
  readonly #unsubscribe: () => void;
  #leases: readonly Lease[] | undefined;
  #cancelTimer = () => {};
  #armedMs = Number.POSITIVE_INFINITY;
  #left: ((clean: boolean) => void) | undefined;
  #rows: readonly OwnedRow[] = [];
  #ended = false;

  constructor(options: L2DriverOptions) {
    const { store, config, bootMs } = options;
    this.#options = options;
    this.#ownership = new AddressOwnership(config, bootMs());
    this.#unsubscribe = store.subscribe(() => this.#look(store.snapshot()));
  }

  /** Takes an event, and carries out what comes of it before it returns; writes are under way then. */
  step(event: OwnershipEvent): void {
    if (this.#ended) return;
    if (this.#leases === undefined && event.kind !== 'leases') this.#look(this.#options.store.snapshot());
    for (const effect of this.#ownership.step(event, this.#options.bootMs())) this.#carryOut(effect);
    this.#arm();
  }

  /** What the responder was last told to answer for. */
  get rows(): readonly OwnedRow[] {
    return this.#rows;
  }

  status(): L2DriverStatus {
    const sessionLeftMs = Math.max(0, this.#ownership.sessionMs - this.#options.bootMs());
    return { holding: this.#ownership.holding, sessionLeftMs, groups: this.#ownership.status() };
  }

  /** Leaves; resolves when the store knows, or did not answer in time. Whether it knows. */
  async leave(how: 'leave' | 'restart'): Promise<boolean> {
    const left = new Promise<boolean>(resolve => {
      this.#left = resolve;
    });
    const cancel = this.#options.clock.after(leaveMaxMs, () => this.#left?.(false));
    this.step({ kind: how });
    const clean = await left;
    cancel();
    this.#ended = true;
    this.#cancelTimer();
    this.#unsubscribe();
    return clean;
  }

  #look(snapshot: Snapshot): void {
    const leases = snapshot.list('Lease');
    if (leases === this.#leases) return;
    const { namespace } = this.#options;
    this.#leases = leases;
    const ours = leases.filter(
      lease => lease.metadata.namespace === namespace && (L2Lease.isSession(lease) || L2Lease.isOwnership(lease)),
    );
    this.step({ kind: 'leases', leases: ours.map(L2Lease.seen) });
  }

  #carryOut(effect: OwnershipEffect): void {
    const { responder, noted } = this.#options;
    switch (effect.kind) {
      case 'cap':
        responder.cap(effect.sessionMs);
        break;
      case 'own':
        this.#rows = effect.rows;
        responder.own(effect.rows);
        break;
      case 'deadlines':
        responder.deadlines(effect.deadlines);
        break;
      case 'send':
        responder.send(effect.link, effect.frame);
        break;
      case 'put':
        void this.#put(effect);
        break;
      case 'remove':
        void this.#remove(effect);
        break;
      case 'read':
        void this.#read(effect.name);
        break;
      case 'note':
        noted(effect.note);
        break;
      case 'left':
        this.#left?.(effect.clean);
        break;
    }
  }

  async #put({ request, lease, resourceVersion }: OwnershipEffect & { readonly kind: 'put' }): Promise<void> {
    const { store, namespace, clock } = this.#options;
    const before = store.snapshot().get('Lease', namespace, lease.name);
    const object = L2Lease.object(lease, namespace, before, clock.wallMs());
    await this.#result(request, () => store.put(object, resourceVersion));
  }

  async #remove({ request, name, resourceVersion }: OwnershipEffect & { readonly kind: 'remove' }): Promise<void> {
    const { store, namespace } = this.#options;
    await this.#result(request, async () => {
      await store.remove({ kind: 'Lease', namespace, name }, resourceVersion);
      return '';
    });
  }

  /** Nobody waits for it: it is asked again for as long as it matters. */
  async #read(name: string): Promise<void> {
    const { store, namespace, log } = this.#options;
    try {
      const raw = await store.read({ kind: 'Lease', namespace, name });
      const parsed = raw && parseObject(raw);
      if (parsed?.outcome !== 'known' || parsed.object.kind !== 'Lease') return;
      this.step({ kind: 'found', lease: L2Lease.seen(parsed.object) });
    } catch (error) {
      log.debug('lease not read', { name, error: error instanceof Error ? error.message : String(error) });
    }
  }

  async #result(request: number, write: () => Promise<string>): Promise<void> {
    let event: OwnershipEvent;
    try {
      event = { kind: 'written', request, resourceVersion: await write() };
    } catch (error) {
      event = { kind: error instanceof ConflictError ? 'conflict' : 'failed', request };
      const why = error instanceof Error ? error.message : String(error);
      this.#options.log.debug('lease not written', { request, error: why });
    }
    this.step(event);
  }

  #arm(): void {
    const { clock, bootMs } = this.#options;
    const dueMs = this.#ownership.nextMs;
    if (dueMs === this.#armedMs || this.#ended) return;
    this.#cancelTimer();
    this.#armedMs = dueMs;
    this.#cancelTimer = () => {};
    if (dueMs === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer = clock.after(Math.max(0, dueMs - bootMs()), () => {
      this.#armedMs = Number.POSITIVE_INFINITY;
      const { responder } = this.#options;
      this.step(this.#ownership.holding ? { kind: 'wires', wires: responder.wires() } : { kind: 'tick' });
    });
  }
}
