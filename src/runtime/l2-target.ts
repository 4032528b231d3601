/**
 * Announcements on local networks, made true: a responder and the ownership of addresses, running while a policy
 * selects the node, fed with what is desired. What is owned and not programmed, or on a link that cannot be opened, is
 * let go within one renewal: nobody else could see that it is not answered (E21).
 */
import { randomUUID } from 'node:crypto';
import type { Lease } from '../api/lease.ts';
import type { NodeL2Desired } from '../control/desired.ts';
import { groupAddresses, type NodeL2Group } from '../control/l2-groups.ts';
import { L2Lease, linksAnnotation } from '../control/l2-leases.ts';
import { L2Links, l2Link, neighboursOn } from '../control/l2-links.ts';
import type { NodeL2 } from '../control/l2-node.ts';
import type { HostFacts } from '../control/settings.ts';
import type { OwnedRow } from '../l2/address-table.ts';
import type { OwnershipConfig, OwnershipLink } from '../l2/ownership-event.ts';
import { IpAddress } from '../net/ip.ts';
import { L2Driver, type L2DriverStatus } from './l2-driver.ts';
import { L2Notes } from './l2-notes.ts';
import { L2Sweep } from './l2-sweep.ts';
import type { Metrics } from './metrics.ts';
import { type Clock, ConflictError, type Log, type Store, type Target } from './ports.ts';
import type { Responder, ResponderEvents, ResponderHealth, ResponderLink, ResponderStatus } from './responder.ts';

export interface L2Settings extends Omit<OwnershipConfig, 'instance'> {
  readonly namespace: string;
}

export interface L2TargetOptions {
  readonly settings: L2Settings;
  readonly store: Store;
  readonly clock: Clock;
  readonly bootMs: () => number;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly open: (events: ResponderEvents) => Promise<Responder>;
  /** Takes away what a former process left in the kernel. */
  readonly cleanUp: () => Promise<void>;
  /** Another pass is due: what there is to say about addresses changed. */
  readonly wake: () => void;
}

/** What runs while a policy selects the node. */
interface Running {
  readonly responder: Responder;
  readonly driver: L2Driver;
  groups: readonly NodeL2Group[];
  links: readonly ResponderLink[];
  /** What the session tells the others of this node's links. */
  told: string | undefined;
  /** Inputs of `groups`, compared by identity. */
  from: readonly unknown[];
}

const none: readonly OwnedRow[] = [];

/** How often the rest of the host is asked whether it contradicts the responder. */
const auditEveryMs = 60_000;
/** A group that was not programmed is not taken again for this long. */
const unprogrammedMs = 30_000;

export class L2Target implements Target<NodeL2Desired> {
  readonly name = 'l2';
  readonly notes: L2Notes;
  readonly #options: L2TargetOptions;
  readonly #gone: L2Sweep;
  #desired: NodeL2Desired | undefined;
  #running: Running | undefined;
  #cleanedUp = false;
  /** Leases of groups that were owned and not programmed, and until when they are left alone. */
  readonly #unprogrammed = new Map<string, number>();
  #cancelWatch = () => {};
  #auditedMs = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(options: L2TargetOptions) {
    this.#options = options;
    this.#gone = new L2Sweep(options);
    this.notes = new L2Notes(options, () => this.#running?.groups ?? []);
  }

  async apply(desired: NodeL2Desired): Promise<void> {
    if (this.#stopped) return;
    const { node } = this.#options.settings;
    this.#desired = desired;
    const selected = desired.host !== undefined && desired.plan.policies.some(policy => policy.nodes.includes(node));
    if (!selected) return await this.#withoutPolicy();
    this.#running ??= await this.#start();
    this.#refresh();
  }

  /** Addresses that are answered for here; the same value while they are the same rows. */
  get rows(): readonly OwnedRow[] {
    return this.#running?.driver.rows ?? none;
  }

  /** What is there to be seen; undefined while no policy selects the node. */
  get shown(): L2Shown | undefined {
    const [running, desired] = [this.#running, this.#desired];
    if (running === undefined || desired === undefined) return undefined;
    const { responder, driver, groups } = running;
    return { desired, groups, ownership: driver.status(), responder: responder.status() };
  }

  /**
   * Falls silent and lets go, or says that it will be back. Resolves when the others know, or cannot be told. After
   * that nothing is applied any more; a responder that is to be back goes on until `close`.
   */
  async leave(how: 'leave' | 'restart'): Promise<void> {
    this.#stopped = true;
    this.#cancelWatch();
    const clean = await this.#running?.driver.leave(how);
    if (clean === false) this.#options.log.warn('left without the store knowing', { how });
  }

  /** `keep`: what is pinned in the kernel goes on answering. */
  async close(how: { readonly keep: boolean }): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.responder.close(how);
  }

  async #start(): Promise<Running> {
    const { open, settings, wake } = this.#options;
    const responder = await open({
      heard: heard => this.#running?.driver.step({ kind: 'heard', heard }),
      changed: () => this.#refresh(),
    });
    const { namespace, ...config } = settings;
    const driver = new L2Driver({
      ...this.#options,
      namespace,
      responder,
      config: { ...config, instance: randomUUID() },
      noted: note => {
        this.notes.take(note);
        wake();
      },
    });
    this.#cleanedUp = false;
    this.#cancelWatch = this.#options.clock.after(settings.times.renewMs, () => this.#watch());
    return { responder, driver, groups: [], links: [], told: undefined, from: [] };
  }

  /** Nothing of ours may stay: not in the kernel, and no Lease that nobody holds (L29). */
  async #withoutPolicy(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    this.#cancelWatch();
    if (running !== undefined) {
      await running.driver.leave('leave');
      await running.responder.close({ keep: false });
    }
    if (this.#cleanedUp) return;
    await this.#options.cleanUp();
    if (this.#desired?.plan.policies.length === 0) await this.#sweep();
    this.#cleanedUp = true;
  }

  async #sweep(): Promise<void> {
    const { store, settings } = this.#options;
    // What names this node was its own: it has left, and is silent.
    const left = ({ metadata, spec }: Lease) =>
      metadata.namespace === settings.namespace && ['', settings.node].includes(spec.holderIdentity);
    for (const lease of store.snapshot().list('Lease')) {
      if (!left(lease) || !(L2Lease.isOwnership(lease) || L2Lease.isSession(lease))) continue;
      const { name, namespace, resourceVersion } = lease.metadata;
      try {
        await store.remove({ kind: 'Lease', namespace, name }, resourceVersion);
      } catch (error) {
        // Somebody took it: then it is not left.
        if (!(error instanceof ConflictError)) throw error;
      }
    }
  }

  /** Tells the machine what is desired, as far as that is anything new. */
  #refresh(): void {
    const [running, desired] = [this.#running, this.#desired];
    if (running === undefined || desired?.host === undefined || this.#stopped) return;
    const name = this.#options.settings.node;
    const without = brokenLinks(running.responder.health());
    const nowMs = this.#options.clock.nowMs();
    for (const [lease, untilMs] of this.#unprogrammed) if (untilMs <= nowMs) this.#unprogrammed.delete(lease);
    const from = [
      desired.all,
      desired.addresses,
      desired.node,
      desired.host,
      [...without, ...this.#unprogrammed.keys()].join(),
    ];
    if (from.every((input, i) => input === running.from[i])) return;
    running.from = from;
    const { node, host, all, addresses } = desired;
    const candidate = groupAddresses({ name, l2: node }, host, all, addresses, new Set());
    const links = linksOf(candidate, host);
    // Opened before anything is owned on them, closed after nothing is any more.
    running.responder.links(union(running.links, links));
    running.driver.step({ kind: 'links', links: links.map(link => ownershipLink(link, name, node, host)) });
    const told = L2Links.format(node.offered.get(name) ?? []);
    if (told !== running.told) running.driver.step({ kind: 'told', annotations: { [linksAnnotation]: told } });
    running.told = told;
    const able = without.size === 0 ? candidate : groupAddresses({ name, l2: node }, host, all, addresses, without);
    running.groups = able.map(group => (this.#unprogrammed.has(group.lease) ? { ...group, eligible: false } : group));
    running.driver.step({ kind: 'groups', groups: running.groups });
    running.responder.links(links);
    running.links = links;
  }

  /** Looks at the responder as often as the session is renewed. */
  #watch(): void {
    const { clock, settings, metrics, log } = this.#options;
    this.#cancelWatch = clock.after(settings.times.renewMs, () => this.#watch());
    const running = this.#running;
    if (running === undefined) return;
    const programmed = new Set(running.responder.health().rows.map(keyOf));
    const missing = running.driver.rows.filter(row => row.mode === 'session' && !programmed.has(keyOf(row)));
    const addresses = new Set(missing.map(row => IpAddress.format(row.address)));
    for (const { lease, addresses: own } of missing.length === 0 ? [] : running.groups) {
      const lost = own.map(each => IpAddress.format(each.address)).filter(text => addresses.has(text));
      if (lost.length === 0) continue;
      this.#unprogrammed.set(lease, clock.nowMs() + unprogrammedMs);
      metrics.count('herald_l2_unprogrammed_total', {});
      log.error('owned and not programmed, let go', { lease, addresses: lost });
      this.notes.unprogrammed(lease, lost);
    }
    if (clock.nowMs() - this.#auditedMs >= auditEveryMs) {
      this.#auditedMs = clock.nowMs();
      this.notes.contradicted(running.responder.status().contradictions);
      this.#gone.look().catch((error: unknown) => log.debug('sessions not removed', { error: String(error) }));
    }
    this.#refresh();
  }
}

/** What people may see of it. */
export interface L2Shown {
  readonly desired: NodeL2Desired;
  readonly groups: readonly NodeL2Group[];
  readonly ownership: L2DriverStatus;
  readonly responder: ResponderStatus;
}

function brokenLinks({ links }: ResponderHealth): ReadonlySet<number> {
  return new Set(links.filter(each => each.datapath === undefined).map(each => each.link));
}

function linksOf(groups: readonly NodeL2Group[], host: HostFacts): readonly ResponderLink[] {
  const indices = new Set(groups.flatMap(group => group.addresses.flatMap(each => each.links)));
  return host.links.flatMap(({ name, index, mac }) =>
    indices.has(index) && mac !== undefined ? [{ name, index, mac }] : [],
  );
}

function ownershipLink(
  { name, index, mac }: ResponderLink,
  node: string,
  { offered, former }: NodeL2,
  host: HostFacts,
): OwnershipLink {
  const link = host.links.find(each => each.index === index);
  const routers = host.defaultRoutes.filter(route => route.link === name).map(({ gateway }) => gateway);
  const told = [...offered, ...former];
  return { index, mac, neighbours: link === undefined ? [] : neighboursOn(l2Link(link), node, told, routers) };
}

function union(before: readonly ResponderLink[], after: readonly ResponderLink[]): readonly ResponderLink[] {
  const indices = new Set(after.map(link => link.index));
  return [...before.filter(link => !indices.has(link.index)), ...after];
}

function keyOf({ link, address }: Pick<OwnedRow, 'link' | 'address'>): string {
  return `${link} ${address.family} ${address.value}`;
}
