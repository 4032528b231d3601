/**
 * What happens to addresses on local networks, told where people look: events beside the Services, log lines, metrics,
 * and what their conditions are made of. Reference §4.5: what the incumbents keep to themselves.
 */
import type { ObjectRef } from '../api/object.ts';
import type { L2Trouble } from '../control/l2-conditions.ts';
import type { NodeL2Group } from '../control/l2-groups.ts';
import type { OwnershipNote } from '../l2/ownership-event.ts';
import { IpAddress } from '../net/ip.ts';
import { Mac } from '../net/mac.ts';
import type { Metrics } from './metrics.ts';
import type { Clock, Log, LogFields, Store } from './ports.ts';
import type { Contradiction } from './responder.ts';

export interface L2NotesOptions {
  readonly settings: { readonly node: string };
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly wake: () => void;
}

/** A conflict that was not heard again for this long is over. */
const conflictForMs = 60_000;
/** Of one address and station, at most one event in this time; every one is counted. */
const conflictEveryMs = 10_000;
const conflictsMax = 10_000;

interface Conflict {
  readonly address: string;
  readonly mac: string;
  /** When it was last heard, and last told. */
  heardMs: number;
  toldMs: number;
}

export class L2Notes {
  readonly #options: L2NotesOptions;
  readonly #groups: () => readonly NodeL2Group[];
  /** By address and station. */
  readonly #conflicts = new Map<string, Conflict>();
  readonly #unprogrammed = new Map<string, readonly string[]>();
  #contradictions = new Set<string>();
  #forget = () => {};

  constructor(options: L2NotesOptions, groups: () => readonly NodeL2Group[]) {
    this.#options = options;
    this.#groups = groups;
  }

  take(note: OwnershipNote): void {
    const { log, settings } = this.#options;
    const { node } = settings;
    switch (note.what) {
      case 'conflict':
        this.#conflict(note.heard);
        break;
      case 'session-begun':
        log.info('session begun', { node });
        break;
      case 'session-lost':
        log.warn('session lost', { node });
        break;
      case 'store-lost':
        log.warn('store out of reach', { node });
        break;
      case 'store-back':
        log.info('store back', { node });
        break;
      case 'session-ended':
        log.info('session of another node ended', { node: note.node });
        break;
      case 'link-silent':
        this.#silenced(note.what, `nothing comes over link ${note.link} any more`, { link: note.link });
        break;
      case 'stood-still':
        // By how much is in the log alone: events that say the same are one.
        this.#silenced(note.what, 'it stood still for too long', {
          addresses: note.addresses,
          lateMs: Math.round(note.lateMs),
        });
        break;
      case 'link-back':
        log.info('a link carries something again', { link: note.link });
        break;
      case 'taken':
      case 'released':
      case 'lost':
        this.#moved(note);
        break;
    }
  }

  /** Owned, and the responder has no row: let go. */
  unprogrammed(lease: string, addresses: readonly string[]): void {
    this.#unprogrammed.set(lease, addresses);
    const message = `node ${this.#options.settings.node} owned ${addresses.join(', ')} and could not answer; let go`;
    this.#tell(this.#groupOf(lease), 'Warning', 'L2NotProgrammed', message);
    this.#options.wake();
  }

  /** What answers or refuses beside the responder: each once. */
  contradicted(contradictions: readonly Contradiction[]): void {
    const { log, store, settings } = this.#options;
    const about: ObjectRef = { kind: 'Node', namespace: '', name: settings.node };
    for (const { name, message } of contradictions) {
      if (this.#contradictions.has(`${name} ${message}`)) continue;
      log.warn('the host contradicts the responder', { name, problem: message });
      store.record({ about, type: 'Warning', reason: 'L2Contradicted', message: `${name}: ${message}` });
    }
    this.#contradictions = new Set(contradictions.map(({ name, message }) => `${name} ${message}`));
  }

  /** What conditions say, by address. */
  troubles(): readonly L2Trouble[] {
    const nowMs = this.#options.clock.nowMs();
    const contested = [...this.#conflicts.values()].filter(each => nowMs - each.heardMs < conflictForMs);
    const silent = [...this.#unprogrammed.values()].flat();
    return [
      ...contested.map(({ address, mac }): L2Trouble => ({ address, reason: 'address-contested', detail: mac })),
      ...silent.map(
        (address): L2Trouble => ({
          address,
          reason: 'responder-not-programmed',
          detail: this.#options.settings.node,
        }),
      ),
    ];
  }

  /** Without the store, what cannot be known to be ours is not answered. */
  #silenced(why: 'link-silent' | 'stood-still', problem: string, fields: LogFields): void {
    const { log, metrics, settings } = this.#options;
    metrics.count('herald_l2_hold_silenced_total', { why });
    log.warn('addresses held without the store are not answered for a while', { why, ...fields });
    const message = `node ${settings.node} did not answer for a while for what it held without the store: ${problem}`;
    this.#tell(undefined, 'Warning', 'L2HoldSilenced', message);
  }

  #conflict(heard: (OwnershipNote & { readonly what: 'conflict' })['heard']): void {
    const { clock, log, metrics, settings } = this.#options;
    metrics.count('herald_l2_conflicts_total', { kind: heard.kind });
    const nowMs = clock.nowMs();
    const [address, mac] = [IpAddress.format(heard.address), Mac.format(heard.mac)];
    const key = `${address} ${mac}`;
    const known = this.#conflicts.get(key);
    if (known !== undefined) known.heardMs = nowMs;
    if (known !== undefined && nowMs - known.toldMs < conflictEveryMs) return;
    if (this.#conflicts.size >= conflictsMax) this.#conflicts.clear();
    this.#conflicts.set(key, { address, mac, heardMs: nowMs, toldMs: nowMs });
    log.warn('another station speaks for an address of ours', {
      address,
      mac,
      how: heard.kind,
      yielded: heard.yielded,
    });
    const group = this.#groups().find(({ addresses }) =>
      addresses.some(each => IpAddress.equals(each.address, heard.address)),
    );
    const does = heard.kind === 'claim' ? 'claims' : 'answers for';
    this.#tell(group, 'Warning', 'L2Conflict', `${mac} ${does} ${address} on the network of node ${settings.node}`);
    this.#forget();
    this.#forget = clock.after(conflictForMs, () => this.#options.wake());
  }

  #moved({ what, lease, reason }: OwnershipNote & { readonly what: 'taken' | 'released' | 'lost' }): void {
    const { log, metrics, settings } = this.#options;
    const taken = what === 'taken';
    const group = this.#groupOf(lease);
    if (taken) this.#unprogrammed.delete(lease);
    metrics.count('herald_l2_ownership_changes_total', { change: what });
    const addresses = group?.addresses.map(each => IpAddress.format(each.address)) ?? [];
    log.info(taken ? 'addresses taken' : 'addresses let go', { lease, addresses, why: reason });
    const does = taken ? 'answers' : 'no longer answers';
    const message = `node ${settings.node} ${does} for ${addresses.join(', ')} (${reason})`;
    this.#tell(group, 'Normal', taken ? 'L2AddressTaken' : 'L2AddressReleased', message);
  }

  #groupOf(lease: string): NodeL2Group | undefined {
    return this.#groups().find(group => group.lease === lease);
  }

  #tell(group: NodeL2Group | undefined, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const service = group?.services[0];
    const [namespace = '', name = ''] = (service ?? '').split('/');
    const about: ObjectRef =
      service === undefined
        ? { kind: 'Node', namespace: '', name: this.#options.settings.node }
        : { kind: 'Service', namespace, name };
    this.#options.store.record({ about, type, reason, message });
  }
}
