/**
 * The mesh of one process: our own nodes, other clusters' and what BGP taught us in; pod routes into the kernel and,
 * from one process of the cluster, our state into our own etcd. A loop of its own, for it wakes to other things than
 * the control plane does.
 */
import type { PeerStatus } from '../bgp/speaker-status.ts';
import type { MeshNodes } from '../control/mesh-nodes.ts';
import type { HostFacts } from '../control/settings.ts';
import type { ClusterIdentity, ClustersMax } from '../mesh/cluster.ts';
import type { PodCluster, PodNode } from '../mesh/pod-node.ts';
import { type PodRoutes, PodRouteTable } from '../mesh/route-table.ts';
import {
  ClusterOverlap,
  type GuardedAddress,
  type LearnedRoute,
  type RouteRules,
  type RouteVerdict,
} from '../mesh/routing.ts';
import { Vtep } from '../mesh/vtep.ts';
import { sameValue } from '../net/equal.ts';
import { IpAddress } from '../net/ip.ts';
import type { KernelRoutes, KernelRouting } from './kernel-routes.ts';
import { type Lane, type LaneStatus, lane, ReconcileLoop } from './loop.ts';
import { MeshKernel, type OverlayChoices } from './mesh-kernel.ts';
import { MeshLearned, peerAddresses } from './mesh-learned.ts';
import type { MeshPeers } from './mesh-peers.ts';
import { heartbeatMs, MeshPublished } from './mesh-publish.ts';
import type { Published, SharedState } from './mesh-state.ts';
import type { Campaign, Clock, Log, Store } from './ports.ts';
import type { ShownSpeaker } from './speaker-views.ts';

export interface MeshPlaneOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly node: string;
  readonly own: ClusterIdentity;
  readonly clustersMax: ClustersMax;
  readonly nodes: MeshNodes;
  readonly rules: RouteRules;
  readonly overlay: OverlayChoices;
  readonly host: () => HostFacts | undefined;
  readonly speakers: () => readonly ShownSpeaker[];
  /** Absent: nothing is routed here. */
  readonly kernel: KernelRoutes | undefined;
  readonly peers: MeshPeers | undefined;
  /** Our own etcd; absent: nothing is published by this process. */
  readonly ownState: SharedState | undefined;
  /** Routes are not what they were. */
  readonly changed: () => void;
  /** How long routes of an earlier process wait for all that is to be known. */
  readonly holdMs?: number;
}

interface MeshDesired {
  readonly kernel: KernelRouting | undefined;
  readonly published: Published | undefined;
}

const holdDefaultMs = 30_000;
/** A session that has stood this long has told its routes. */
const toldMs = 3_000;
/** How long changes are gathered while routes are held; what ends that is looked at sooner. */
const heldWakeMs = 250;
const none: PodRoutes = { routes: [], overlaps: [], refused: 0 };

export class MeshPlane {
  readonly #options: MeshPlaneOptions;
  readonly #loop: ReconcileLoop<MeshDesired>;
  readonly #table = new PodRouteTable();
  readonly #learned = new MeshLearned();
  readonly #kernel: MeshKernel;
  #routes = none;
  #nodes: readonly PodNode[] = [];
  #values: ReadonlyMap<string, Uint8Array> = new Map();
  #own: PodCluster;
  #guarded: readonly GuardedAddress[] = [];
  #endpoints: MeshPeers['endpoints'] = [];
  #endpointAddresses: readonly GuardedAddress[] = [];
  readonly #published: MeshPublished;
  #publishing = false;
  #cancelBeat = () => {};
  #cancelHold = () => {};
  #held = true;
  #heldUntilMs = 0;
  #cancelWake: (() => void) | undefined;
  #campaign: Campaign | undefined;
  #unsubscribe = () => {};
  #saidOverlaps: readonly string[] = [];

  constructor(options: MeshPlaneOptions) {
    const { clock, log, random, kernel, ownState, overlay, own } = options;
    this.#options = options;
    this.#kernel = new MeshKernel(overlay);
    this.#published = new MeshPublished(own, options.clustersMax);
    this.#own = { ...own, sinceMs: 0, nodes: [] };
    const lanes: Lane<MeshDesired>[] = [];
    if (kernel !== undefined) {
      const target = { name: 'pod-routes', apply: async (wanted: KernelRouting) => void (await kernel.apply(wanted)) };
      lanes.push(lane(target, (desired: MeshDesired) => desired.kernel));
    }
    if (ownState !== undefined) {
      const target = {
        name: 'mesh-state',
        apply: async (set: { readonly set: Published | undefined }) => ownState.publish(set.set),
      };
      lanes.push(lane(target, (desired: MeshDesired) => ({ set: desired.published })));
    }
    this.#loop = new ReconcileLoop(() => this.#compute(), lanes, { clock, log, random });
  }

  /** After the store's first snapshot. */
  start(): void {
    const { store, ownState, clock, holdMs = holdDefaultMs } = this.#options;
    this.#heldUntilMs = clock.nowMs() + holdMs;
    this.#unsubscribe = store.subscribe(() => this.wake());
    if (ownState !== undefined) this.#campaign = store.campaign('mesh', () => this.wake());
    this.wake();
  }

  /** Something may be different. While much comes at once and nothing is done yet, it is looked at together. */
  wake(): void {
    if (!this.#held || !this.#isWaiting()) this.#loop.wake();
    else
      this.#cancelWake ??= this.#options.clock.after(heldWakeMs, () => {
        this.#cancelWake = undefined;
        this.#loop.wake();
      });
  }

  /** Routes stay in the kernel, and what was published stays until its leases end. */
  async stop(): Promise<void> {
    this.#unsubscribe();
    this.#cancelWake?.();
    this.#cancelBeat();
    this.#cancelHold();
    await this.#loop.stop();
    this.#campaign?.close();
  }

  get routes(): PodRoutes {
    return this.#routes;
  }

  get publishing(): boolean {
    return this.#publishing;
  }

  targets(): readonly LaneStatus[] {
    return this.#loop.status();
  }

  /** Waiting, after a start, for all that is to be known: until then routes of an earlier process stay as they are. */
  get held(): boolean {
    return this.#held;
  }

  explain(address: IpAddress): readonly RouteVerdict[] {
    return this.#table.explain(address);
  }

  /** Which cluster an ID belongs to. */
  idOf(cluster: string): number | undefined {
    return this.#options.peers?.clusters.find(each => each.name === cluster)?.id;
  }

  #compute(): MeshDesired {
    const { store, nodes, peers, kernel } = this.#options;
    const snapshot = store.snapshot();
    // What could not be read is not gone.
    if (!snapshot.isPartial || this.#nodes.length === 0) {
      this.#nodes = nodes.nodes(snapshot);
      this.#values = nodes.values(snapshot);
    }
    if (this.#own.nodes !== this.#nodes) this.#own = { ...this.#own, nodes: this.#nodes };
    const published = this.#publish(!snapshot.isPartial || this.#nodes.length > 0);
    this.#publishing = published !== undefined;
    if (kernel === undefined) return { kernel: undefined, published };
    const learned = this.#learn();
    const before = this.#routes;
    this.#routes = this.#table.update({
      self: this.#options.node,
      own: this.#own,
      clusters: peers?.clusters ?? [],
      learned,
      links: this.#options.host()?.links ?? [],
      guarded: this.#guards(),
      rules: this.#options.rules,
    });
    if (before !== this.#routes) this.#tell();
    return { kernel: this.#isHeld() ? undefined : this.#wanted(), published };
  }

  #wanted(): KernelRouting {
    const self = this.#nodes.find(each => each.name === this.#options.node);
    const { mode } = this.#options.rules;
    // The other end may need the overlay even where we do not.
    const end = self === undefined || mode === 'direct' || mode === 'bgp' ? undefined : Vtep.of(self);
    return this.#kernel.routing(this.#routes, end);
  }

  #learn(): readonly LearnedRoute[] {
    const { rules, speakers, clock } = this.#options;
    if (rules.podRanges.length === 0 && !rules.importDefault) return [];
    return this.#learned.read(speakers(), clock.nowMs());
  }

  #guards(): readonly GuardedAddress[] {
    const { host, speakers, clock, peers } = this.#options;
    const gateways = (host()?.defaultRoutes ?? []).map(({ gateway }) => ({
      address: gateway,
      what: 'the default gateway',
    }));
    if (peers !== undefined && peers.endpoints !== this.#endpoints) {
      this.#endpoints = peers.endpoints;
      this.#endpointAddresses = peers.endpoints.flatMap(({ cluster, endpoint }) => {
        const address = hostOf(endpoint);
        return address === undefined ? [] : [{ address, what: `etcd of cluster ${cluster}` }];
      });
    }
    const now = [...gateways, ...peerAddresses(speakers(), clock.nowMs()), ...this.#endpointAddresses];
    if (!sameValue(now, this.#guarded)) this.#guarded = now;
    return this.#guarded;
  }

  #publish(isWhole: boolean): Published | undefined {
    const { clock } = this.#options;
    // Of a cluster that could never be read whole nothing is said: what is missing would be deleted.
    if (this.#campaign?.leading !== true || !isWhole) {
      this.#published.forget();
      return undefined;
    }
    this.#cancelBeat();
    this.#cancelBeat = clock.after(heartbeatMs - (clock.wallMs() % heartbeatMs), () => this.wake());
    return this.#published.set(this.#values, clock.wallMs());
  }

  #isHeld(): boolean {
    if (!this.#held) return false;
    const { clock } = this.#options;
    const nowMs = clock.nowMs();
    this.#held = this.#isWaiting() && nowMs < this.#heldUntilMs;
    this.#cancelHold();
    if (this.#held) this.#cancelHold = clock.after(Math.min(1_000, this.#heldUntilMs - nowMs), () => this.wake());
    return this.#held;
  }

  /** For what other clusters and BGP peers have still to tell. */
  #isWaiting(): boolean {
    const { clock, peers, rules, speakers } = this.#options;
    if (peers?.isAwaiting) return true;
    const nowMs = clock.nowMs();
    const wantsBgp = rules.podRanges.length > 0 || rules.importDefault;
    const sessions = speakers().flatMap(({ speaker }) => speaker.peers(nowMs));
    // Not every router says that it has said all.
    const hasTold = ({ endOfRibReceived, upMs = 0 }: PeerStatus) => endOfRibReceived.length > 0 || upMs > toldMs;
    return wantsBgp && !sessions.every(hasTold);
  }

  #tell(): void {
    const { log, changed, store, node } = this.#options;
    const overlaps = this.#routes.overlaps.map(ClusterOverlap.message);
    for (const message of overlaps) {
      if (this.#saidOverlaps.includes(message)) continue;
      log.warn('clusters overlap', { why: message });
      const about = { kind: 'Node', namespace: '', name: node };
      store.record({ about, type: 'Warning', reason: 'OverlappingPodCIDR', message });
    }
    this.#saidOverlaps = overlaps;
    changed();
  }
}

function hostOf(endpoint: string): IpAddress | undefined {
  return URL.canParse(endpoint) ? IpAddress.parse(new URL(endpoint).hostname.replace(/^\[|\]$/g, '')) : undefined;
}
