/**
 * Sessions of nodes that are gone for good: their Leases are removed once the Node object is gone too and nobody has
 * written them for long, by this process's own observation. Every agent may; they take turns, so that one does.
 */
import { L2Lease } from '../control/l2-leases.ts';
import { Session } from '../l2/lease-record.ts';
import { rendezvousOrder } from '../l2/rendezvous.ts';
import { type Clock, ConflictError, type Log, type Store } from './ports.ts';

export interface L2SweepOptions {
  readonly settings: { readonly node: string; readonly namespace: string };
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
}

/** A session that lasts is renewed every few seconds, and one that is over stays for what refers to it. */
const unchangedMs = 600_000;
/** Between the turns of agents. */
const turnMs = 60_000;

export class L2Sweep {
  readonly #options: L2SweepOptions;
  /** Sessions without a Node: their version, and since when it is that. */
  #seen = new Map<string, { readonly version: string; readonly sinceMs: number }>();

  constructor(options: L2SweepOptions) {
    this.#options = options;
  }

  /** Every minute or so. */
  async look(): Promise<void> {
    const { store, clock, log, settings } = this.#options;
    const snapshot = store.snapshot();
    // A Node that cannot be read may be there.
    if (snapshot.isPartial) return;
    const nowMs = clock.nowMs();
    const before = this.#seen;
    this.#seen = new Map();
    const sessions = snapshot
      .list('Lease')
      .filter(lease => lease.metadata.namespace === settings.namespace && L2Lease.isSession(lease));
    const nodeOf = (name: string) => name.slice(Session.nameOf('').length);
    const isGone = (name: string) => nodeOf(name) !== settings.node && !snapshot.get('Node', '', nodeOf(name));
    const [gone = [], there = []] = [true, false].map(is => sessions.filter(each => isGone(each.metadata.name) === is));
    for (const { metadata } of gone) {
      const { name, namespace, resourceVersion: version } = metadata;
      const known = before.get(name);
      const seen = known?.version === version ? known : { version, sinceMs: nowMs };
      this.#seen.set(name, seen);
      const order = rendezvousOrder(name, [settings.node, ...there.map(each => nodeOf(each.metadata.name))]);
      if (nowMs < seen.sinceMs + unchangedMs + order.indexOf(settings.node) * turnMs) continue;
      try {
        await store.remove({ kind: 'Lease', namespace, name }, version);
        log.info('session of a node that is gone removed', { node: nodeOf(name) });
      } catch (error) {
        // Somebody wrote it: then it is not gone.
        if (!(error instanceof ConflictError)) throw error;
      }
    }
  }
}
