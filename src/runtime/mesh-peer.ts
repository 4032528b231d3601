/**
 * One other cluster while its file is there: its configuration is followed; once that is accepted and the canary is
 * there, its nodes are followed. Whatever breaks, what is known stays; another ID, or the end of the file, drains it.
 * Nothing is ever written there. Cluster mesh reference §1.2-1.4, §2.3.
 */

import { MeshKey } from '../mesh/key.ts';
import type { PodCluster } from '../mesh/pod-node.ts';
import { type MeshReason, MeshRefusal } from '../mesh/reason.ts';
import { nodesMax, RemoteCluster, type RemoteClusterRules } from '../mesh/remote-cluster.ts';
import type { ClusterRecords } from './mesh-records.ts';
import { type Mirror, type SharedState, type SharedStateStatus, StateFailure } from './mesh-state.ts';
import type { Clock, Log } from './ports.ts';

export interface MeshPeerEnv {
  readonly rules: RemoteClusterRules;
  readonly clock: Clock;
  readonly log: Log;
  readonly records: ClusterRecords;
  /** Which other peer has an ID. */
  readonly idHolder: (id: number, asking: string) => string | undefined;
  /** Nodes changed, or an ID became free. */
  readonly changed: () => void;
}

export interface MeshPeerStatus {
  readonly name: string;
  readonly ready: boolean;
  /** Why not. */
  readonly refusal: MeshRefusal | undefined;
  readonly id: number | undefined;
  readonly nodes: number;
  /** Wall time of the last change of its nodes. */
  readonly changedMs: number | undefined;
  /** Values that were refused, and why the last one was. */
  readonly rejected: number;
  readonly lastRejection: MeshRefusal | undefined;
  readonly cached: boolean;
  readonly canaries: boolean;
  readonly state: SharedStateStatus;
}

/** A peer says no more than this, whatever it does. */
const lineEveryMs = 60_000;
/** More keys than nodes can be: some are refused one by one, and too many altogether. */
const keysMax = nodesMax * 2;

export class MeshPeer {
  readonly name: string;
  readonly #env: MeshPeerEnv;
  readonly #state: SharedState;
  readonly #remote: RemoteCluster;
  readonly #config: Mirror;
  #configValue: Uint8Array | undefined;
  #nodes: Mirror | undefined;
  #synced = false;
  #refusal: MeshRefusal | undefined = MeshRefusal.of('not-connected');
  #changedMs: number | undefined;
  #cluster: PodCluster | undefined;
  #saidMs = Number.NEGATIVE_INFINITY;
  #unsaid = 0;
  #cancelSaying: (() => void) | undefined;
  #said = '';

  /** `known`: of the same cluster, from before its file said something else. */
  constructor(name: string, state: SharedState, env: MeshPeerEnv, known?: RemoteCluster) {
    this.name = name;
    this.#env = env;
    this.#state = state;
    this.#remote = known ?? restored(name, env);
    this.#config = state.mirror(
      { key: MeshKey.clusterConfig(name) },
      {
        put: (_, value) => {
          this.#configValue = value.slice();
          this.#configure();
        },
        // Another one may come: it may just be written anew.
        delete: () => {
          this.#configValue = undefined;
          this.#refuse(MeshRefusal.of('no-cluster-config', name));
        },
        synced: () => {
          if (this.#configValue === undefined) this.#refuse(MeshRefusal.of('no-cluster-config', name));
          else this.#configure();
        },
        broken: failure => this.#broken(failure),
      },
      { keysMax: 1 },
    );
  }

  /** The ID it has, while it has one. */
  get id(): number | undefined {
    return this.#remote.config?.id;
  }

  /** Undefined while nothing of it is known. The same value while nothing of it changed. */
  get cluster(): PodCluster | undefined {
    const id = this.id;
    const { nodes } = this.#remote;
    if (id === undefined) return undefined;
    if (this.#cluster?.id === id && this.#cluster.nodes === nodes) return this.#cluster;
    const { records } = this.#env;
    this.#cluster = { name: this.name, id, sinceMs: records.sinceMs(this.name, id), nodes };
    records.keep({ ...this.#cluster, cached: this.#remote.config?.cached ?? false });
    return this.#cluster;
  }

  /** Its nodes may still come: why they are not there is no answer for ever. */
  get isAwaited(): boolean {
    if (this.id !== undefined && this.#remote.nodes.length > 0) return false;
    return this.#refusal === undefined ? !this.#synced : awaited.has(this.#refusal.reason);
  }

  /** An ID may have become free. */
  retry(): void {
    if (this.#refusal?.reason === 'id-in-use') this.#configure();
  }

  status(): MeshPeerStatus {
    const { config, nodes, rejected } = this.#remote;
    return {
      name: this.name,
      ready: this.#refusal === undefined && this.#synced,
      refusal: this.#refusal,
      id: config?.id,
      nodes: nodes.length,
      changedMs: this.#changedMs,
      rejected: rejected.count,
      lastRejection: rejected.last,
      cached: config?.cached ?? false,
      canaries: config?.syncedCanaries ?? false,
      state: this.#state.status(),
    };
  }

  /** Its nodes are nobody's any more. */
  async close(): Promise<void> {
    this.#cancelSaying?.();
    this.#config.close();
    this.#nodes?.close();
    this.#remote.drain();
    this.#env.records.forget(this.name);
    await this.#state.close();
  }

  /** The cluster goes on, with another peer or without us: what is known of it stays. */
  leave(): RemoteCluster {
    this.#cancelSaying?.();
    this.#config.close();
    this.#nodes?.close();
    void this.#state.close();
    return this.#remote;
  }

  #configure(): void {
    if (this.#configValue === undefined) return;
    const before = this.#remote.config;
    const outcome = this.#remote.configure(this.#configValue, id => this.#env.idHolder(id, this.name));
    if (before !== undefined && this.#remote.config?.id !== before.id) {
      this.#stopNodes();
      this.#env.records.forget(this.name);
      this.#changed();
    }
    if (outcome.kind === 'refused') {
      this.#refuse(outcome.refusal);
      return;
    }
    if (outcome.kind === 'begin' || this.#nodes === undefined) {
      this.#stopNodes();
      this.#startNodes(outcome.config.cached);
    }
    if (this.#synced) this.#fine();
    else if (this.#refusal === undefined || this.#refusal.reason !== 'no-canary')
      this.#refuse(MeshRefusal.of('listing'));
  }

  #startNodes(cached: boolean): void {
    const prefix = MeshKey.nodes(this.name, cached);
    const suffix = (key: string) => key.slice(prefix.length);
    // The mirror tells what goes while it follows; what went before it began is for us to find.
    let seen: Set<string> | undefined = new Set();
    this.#nodes = this.#state.mirror(
      { prefix },
      {
        put: (key, value) => {
          seen?.add(suffix(key));
          if (this.#remote.put(suffix(key), value)) this.#changed();
        },
        delete: key => {
          seen?.delete(suffix(key));
          if (this.#remote.delete(suffix(key))) this.#changed();
        },
        synced: () => {
          if (seen !== undefined) this.#remote.retain(seen);
          seen = undefined;
          this.#synced = true;
          this.#fine();
          this.#changed();
        },
        broken: failure => this.#broken(failure),
      },
      { keysMax, gate: () => this.#gate() },
    );
  }

  #stopNodes(): void {
    this.#nodes?.close();
    this.#nodes = undefined;
    this.#synced = false;
  }

  /** A state that is not complete is not read: an etcd that began anew would take everything away for a moment. */
  async #gate(): Promise<void> {
    const { config } = this.#remote;
    // A canary is written after everything else.
    const key = config?.syncedCanaries
      ? MeshKey.canary(this.name, 'nodes', config.cached)
      : MeshKey.clusterConfig(this.name);
    if ((await this.#state.get(key)) === undefined) throw new StateFailure('not-there-yet', key);
  }

  #broken(failure: StateFailure): void {
    const reason = reasons[failure.kind];
    if (reason !== undefined) this.#refuse(MeshRefusal.of(reason, failure.message));
  }

  #fine(): void {
    if (this.#configValue === undefined) return;
    this.#refusal = undefined;
    this.#say();
  }

  #refuse(refusal: MeshRefusal): void {
    this.#refusal = refusal;
    this.#say();
  }

  #changed(): void {
    this.#changedMs = this.#env.clock.wallMs();
    // What comes before all has been read comes to its readers in one piece.
    if (this.#synced || this.#remote.config === undefined) this.#env.changed();
  }

  /** At most one line a minute: the newest there is to say. */
  #say(): void {
    const { clock, log } = this.#env;
    const text = this.#refusal === undefined ? 'ready' : MeshRefusal.format(this.#refusal);
    if (text === this.#said) return;
    const waitMs = this.#saidMs + lineEveryMs - clock.nowMs();
    if (waitMs > 0) {
      this.#unsaid++;
      this.#cancelSaying ??= clock.after(waitMs, () => {
        this.#cancelSaying = undefined;
        this.#say();
      });
      return;
    }
    this.#saidMs = clock.nowMs();
    this.#said = text;
    const more = this.#unsaid > 0 ? { changes: this.#unsaid } : {};
    this.#unsaid = 0;
    const { reason } = this.#refusal ?? {};
    if (reason === undefined)
      log.info('cluster is ready', { cluster: this.name, nodes: this.#remote.nodes.length, ...more });
    else log.warn('cluster is not ready', { cluster: this.name, reason, why: text, ...more });
  }
}

/** As the process before this one knew it. */
function restored(name: string, { rules, records }: MeshPeerEnv): RemoteCluster {
  const remote = new RemoteCluster(name, rules);
  const record = records.get(name);
  if (record !== undefined) remote.restore(record.id, record.cached, record.nodes);
  return remote;
}

const awaited: ReadonlySet<MeshReason> = new Set([
  'not-connected',
  'access-denied',
  'no-cluster-config',
  'no-canary',
  'listing',
]);

const reasons: Partial<Record<StateFailure['kind'], MeshReason>> = {
  unreachable: 'not-connected',
  certificate: 'not-connected',
  denied: 'access-denied',
  refused: 'not-connected',
  'not-there-yet': 'no-canary',
  'too-many-keys': 'too-many-keys',
  lost: 'listing',
};
