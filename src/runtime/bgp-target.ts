/**
 * The node's BGP sessions, made to look as desired: one speaker for each instance, started, changed and stopped as the
 * whole set says. What an object cannot say any more stays as it runs; what nobody asks for is withdrawn. Reference
 * §2.1-2.7.
 */
import type { ObjectRef } from '../api/object.ts';
import { describeDown } from '../bgp/peer-status.ts';
import type { SpeakerEvent } from '../bgp/speaker-effect.ts';
import type { BgpPlan } from '../control/bgp-node.ts';
import { type InstancePlan, peerText } from '../control/bgp-plan.ts';
import type { NodeDesired } from '../control/desired.ts';
import { BgpInstance } from './bgp-instance.ts';
import { bgpSamples } from './bgp-samples.ts';
import { BgpStatusWriter, bgpStatus } from './bgp-status.ts';
import type { Metrics, Sample } from './metrics.ts';
import type { Clock, Log, Store, Target } from './ports.ts';
import type { ShownSpeaker } from './speaker-views.ts';
import type { Transport } from './transport.ts';

export interface BgpTargetOptions {
  readonly node: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly random: () => number;
  /** Sockets for one instance. */
  readonly transport: () => Transport;
  /** Told when what peers say may have become different; often. */
  readonly heard?: (() => void) | undefined;
  /** How long a node that takes no more traffic keeps its routes, as the last choice, before it withdraws them. */
  readonly leaveMs?: number;
}

/** How sessions end with the process. */
export type BgpStop =
  /** Peers that negotiated graceful restart keep our routes; the others are told and withdraw them. */
  | { readonly kind: 'restart' }
  /** Routes become the last choice for `leaveMs`, then they are withdrawn, then sessions end. */
  | { readonly kind: 'drain'; readonly leaveMs: number };

const leaveDefaultMs = 5_000;
/** Withdrawals that no socket takes do not hold up the end. */
const unsentMaxMs = 1_000;
const unsentLookMs = 5;

export class BgpTarget implements Target<NodeDesired['bgp'] | undefined> {
  readonly name = 'bgp';
  readonly #options: BgpTargetOptions;
  readonly #status: BgpStatusWriter;
  readonly #unsubscribe: () => void;
  #instances: ReadonlyMap<string, BgpInstance> = new Map();
  #source: BgpPlan['source'];
  /** When the store first told of a change that no pass has seen yet. */
  #changedAtMs: number | undefined;
  /** Of the change whose routes are on their way: when it came, and how many UPDATEs had been sent until then. */
  #underWay: { readonly sinceMs: number; readonly updates: number } | undefined;
  #stopped = false;

  constructor(options: BgpTargetOptions) {
    this.#options = options;
    const { node, store, clock } = options;
    const read = () => bgpStatus(this.#instances, clock.nowMs());
    this.#status = new BgpStatusWriter(options, `herald-bgp-${node}`, read);
    this.#unsubscribe = store.subscribe(() => {
      this.#changedAtMs ??= clock.nowMs();
    });
  }

  /** What runs, by name. */
  get instances(): ReadonlyMap<string, BgpInstance> {
    return this.#instances;
  }

  async apply(desired: NodeDesired['bgp'] | undefined): Promise<void> {
    const sinceMs = this.#changedAtMs;
    this.#changedAtMs = undefined;
    // A change that nobody had to be told of by now is no longer on its way.
    this.#underWay = undefined;
    // Nothing can be said of what ought to be: what runs stays.
    if (this.#stopped || desired === undefined || desired.state === 'keep') return;
    this.#source = desired.source;
    const { context } = desired;
    const before = this.#instances;
    const after = new Map<string, BgpInstance>();
    const names = new Set(desired.instances.map(({ plan }) => plan.name));
    // First those that go: another one may want their port.
    for (const [name, instance] of before)
      if (!names.has(name)) instance.close({ kind: 'shutdown', reason: 'no longer configured' });
    let changed = before.size !== desired.instances.length;
    for (const each of desired.instances) {
      const running = before.get(each.plan.name);
      const leaving = context.excluded || context.cordoned;
      if (running === undefined) {
        after.set(each.plan.name, this.#start(each, leaving));
        changed = true;
      } else {
        after.set(each.plan.name, running);
        changed = this.#apply(running, each, leaving, sinceMs) || changed;
      }
    }
    this.#instances = after;
    const { source } = desired;
    this.#status.about(source?.kind === 'CiliumBGPNodeConfig' ? source : undefined);
    if (changed) this.#status.changed();
  }

  /** What runs, for people. */
  shown(): readonly ShownSpeaker[] {
    const { node } = this.#options;
    return [...this.#instances].map(([instance, running]) => ({
      node,
      instance,
      asn: running.config?.asn,
      speaker: running.speaker,
      policies: {},
      originatedMs: () => running.originatedMs(),
    }));
  }

  /** Gauges, for `Metrics.state`. */
  samples(): readonly Sample[] {
    return bgpSamples(this.#instances, this.#options.clock.nowMs());
  }

  /** Ends everything; resolves when what was left to say has been handed to the sockets and the store. */
  async stop(how: BgpStop): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe();
    const all = [...this.#instances.values()];
    if (how.kind === 'drain') await this.#drain(all, how.leaveMs);
    for (const instance of all)
      instance.close(how.kind === 'restart' ? how : { kind: 'shutdown', reason: 'node drains' });
    await this.#status.close();
  }

  async #drain(all: readonly BgpInstance[], leaveMs: number): Promise<void> {
    const { clock } = this.#options;
    const wait = (ms: number) => new Promise<void>(resolve => clock.after(ms, resolve));
    const telling = all.some(
      each => each.announced.length > 0 && each.speaker.peers(clock.nowMs()).some(peer => peer.upMs !== undefined),
    );
    if (!telling) return;
    for (const instance of all) instance.leave();
    await wait(leaveMs);
    for (const instance of all) instance.withdraw();
    const untilMs = clock.nowMs() + unsentMaxMs;
    while (all.some(each => each.hasUnsent) && clock.nowMs() < untilMs) await wait(unsentLookMs);
  }

  #start(desired: NodeDesired['bgp']['instances'][number], leaving: boolean): BgpInstance {
    const { transport, clock, log, random, leaveMs = leaveDefaultMs } = this.#options;
    const { name } = desired.plan;
    return new BgpInstance(desired, leaving, {
      transport: transport(),
      clock,
      log: namedLog(log, name),
      random,
      restarting: true,
      leaveMs,
      onEvent: event => this.#happened(name, event),
      onSent: () => this.#sent(),
      onTurn: this.#options.heard,
    });
  }

  #apply(
    running: BgpInstance,
    desired: NodeDesired['bgp']['instances'][number],
    leaving: boolean,
    sinceMs: number | undefined,
  ): boolean {
    const { clock, metrics } = this.#options;
    const planned = desired.plan !== running.desired.plan;
    const startMs = clock.nowMs();
    const told = running.apply(desired, leaving);
    if (told && sinceMs !== undefined) this.#underWay ??= { sinceMs, updates: this.#updatesSent() };
    if (!planned && !told) return false;
    const vrouter = String(desired.plan.localAsn ?? desired.plan.name);
    metrics.observe('cilium_bgp_control_plane_reconcile_run_duration_seconds', (clock.nowMs() - startMs) / 1000, {
      vrouter,
    });
    if (planned && hasErrors(desired.plan))
      metrics.count('cilium_bgp_control_plane_reconcile_errors_total', { vrouter });
    return true;
  }

  /** Something was sent: for the change under way, if it was an UPDATE. */
  #sent(): void {
    const underWay = this.#underWay;
    if (underWay === undefined || this.#updatesSent() === underWay.updates) return;
    this.#underWay = undefined;
    const { clock, metrics } = this.#options;
    metrics.observe('herald_bgp_change_to_update_seconds', (clock.nowMs() - underWay.sinceMs) / 1000);
  }

  #updatesSent(): number {
    const nowMs = this.#options.clock.nowMs();
    const peers = [...this.#instances.values()].flatMap(each => each.speaker.peers(nowMs));
    return peers.reduce((sum, peer) => sum + peer.sent.update, 0);
  }

  /** Sessions that come and go are told beside the object that asks for them. */
  #happened(name: string, event: SpeakerEvent): void {
    this.#status.changed();
    if (event.kind !== 'up' && event.kind !== 'down') return;
    const { node, store } = this.#options;
    const plan = this.#instances.get(name)?.desired.plan;
    const peer = plan?.peers.find(each => each.key === event.peer);
    const who = `node ${node}, instance ${name}, peer ${peer === undefined ? event.peer : peerText(peer)}`;
    const about: ObjectRef = this.#source ?? { kind: 'Node', namespace: '', name: node };
    if (event.kind === 'up') {
      const message = `${who}: session up (${event.families.join(', ')})`;
      store.record({ about, type: 'Normal', reason: 'BGPSessionUp', message });
    } else {
      const message = `${who}: session down: ${describeDown(event.reason)}`;
      store.record({ about, type: 'Warning', reason: 'BGPSessionDown', message });
    }
  }
}

function hasErrors({ refusals, peers }: InstancePlan): boolean {
  return refusals.length > 0 || peers.some(peer => peer.state !== 'run');
}

function namedLog(log: Log, instance: string): Log {
  return {
    debug: (event, fields) => log.debug(event, { instance, ...fields }),
    info: (event, fields) => log.info(event, { instance, ...fields }),
    warn: (event, fields) => log.warn(event, { instance, ...fields }),
    error: (event, fields) => log.error(event, { instance, ...fields }),
  };
}
