/** All other clusters: one peer for each file, begun, changed and ended as the folder says. */
import { ClusterIdentity } from '../mesh/cluster.ts';
import type { PodCluster } from '../mesh/pod-node.ts';
import { MeshRefusal } from '../mesh/reason.ts';
import type { RemoteCluster, RemoteClusterRules } from '../mesh/remote-cluster.ts';
import type { FolderEntry } from './mesh-folder.ts';
import { MeshPeer, type MeshPeerStatus } from './mesh-peer.ts';
import type { ClusterRecords } from './mesh-records.ts';
import type { SharedState, StateAccess } from './mesh-state.ts';
import type { Clock, Log } from './ports.ts';

export interface MeshPeersOptions {
  readonly rules: RemoteClusterRules;
  readonly open: (access: StateAccess) => SharedState;
  readonly clock: Clock;
  readonly log: Log;
  readonly records: ClusterRecords;
  readonly changed: () => void;
}

interface Running {
  readonly entry: FolderEntry;
  /** Undefined: its file cannot be used. */
  readonly peer: MeshPeer | undefined;
}

export class MeshPeers {
  readonly #options: MeshPeersOptions;
  readonly #running = new Map<string, Running>();
  #clusters: readonly PodCluster[] = [];
  #endpoints: readonly { readonly cluster: string; readonly endpoint: string }[] = [];

  constructor(options: MeshPeersOptions) {
    this.#options = options;
  }

  /** All there ought to be. A file that says something else begins anew. */
  apply(entries: ReadonlyMap<string, FolderEntry>): void {
    for (const [name, { peer }] of this.#running) {
      if (entries.has(name)) continue;
      this.#running.delete(name);
      void peer?.close();
    }
    this.#options.records.retain(new Set(entries.keys()));
    for (const [name, entry] of entries) {
      const before = this.#running.get(name);
      if (before?.entry === entry) continue;
      // The cluster is the same one, reached in another way; nothing of it is lost.
      this.#running.set(name, { entry, peer: this.#start(name, entry, before?.peer?.leave()) });
    }
    this.#endpoints = [...entries].flatMap(([cluster, entry]) =>
      typeof entry === 'string' ? [] : entry.endpoints.map(endpoint => ({ cluster, endpoint })),
    );
    this.#options.changed();
    this.#retry();
  }

  /** By name. The same list while nothing of it changed. */
  get clusters(): readonly PodCluster[] {
    const now = [...this.#running.values()]
      .flatMap(({ peer }) => peer?.cluster ?? [])
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    if (now.length !== this.#clusters.length || now.some((each, i) => each !== this.#clusters[i])) this.#clusters = now;
    return this.#clusters;
  }

  /** Some cluster's nodes may still come. */
  get isAwaiting(): boolean {
    for (const { peer } of this.#running.values()) if (peer?.isAwaited) return true;
    return false;
  }

  /** Where their etcds are, as the files say. The same list while no file changed. */
  get endpoints(): readonly { readonly cluster: string; readonly endpoint: string }[] {
    return this.#endpoints;
  }

  /** By name; of a file that cannot be used only why. */
  status(): readonly (
    | MeshPeerStatus
    | { readonly name: string; readonly ready: false; readonly refusal: MeshRefusal }
  )[] {
    return [...this.#running]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { entry, peer }]) => {
        if (peer !== undefined) return peer.status();
        return { name, ready: false, refusal: MeshRefusal.of('bad-peer-file', fault(name, entry)) } as const;
      });
  }

  /** Nothing is drained: the process ends, the clusters go on. */
  close(): void {
    for (const { peer } of this.#running.values()) peer?.leave();
    this.#running.clear();
    this.#options.records.close();
  }

  #start(name: string, entry: FolderEntry, known: RemoteCluster | undefined): MeshPeer | undefined {
    const { open, changed, ...rest } = this.#options;
    if (typeof entry === 'string' || ClusterIdentity.nameFault(name) !== undefined) {
      rest.log.warn('peer is passed over', { cluster: name, why: fault(name, entry) });
      return undefined;
    }
    const env = {
      ...rest,
      idHolder: (id: number, asking: string) => this.#holder(id, asking),
      changed: () => {
        changed();
        this.#retry();
      },
    };
    return new MeshPeer(name, open(entry), env, known);
  }

  #holder(id: number, asking: string): string | undefined {
    for (const [name, { peer }] of this.#running) if (name !== asking && peer?.id === id) return name;
    return undefined;
  }

  #retry(): void {
    for (const { peer } of this.#running.values()) peer?.retry();
  }
}

function fault(name: string, entry: FolderEntry): string {
  const named = ClusterIdentity.nameFault(name);
  return named === undefined ? String(entry) : `the name ${JSON.stringify(name.slice(0, 64))} ${named}`;
}
