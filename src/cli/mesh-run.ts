/** The mesh part of `herald run`: other clusters, our own etcd, pod routes in the kernel. */
import { readFileSync } from 'node:fs';
import type { DesiredInstance } from '../control/desired.ts';
import { MeshAnnouncements } from '../control/mesh-bgp.ts';
import { MeshNodes } from '../control/mesh-nodes.ts';
import type { HostFacts, PodIpam } from '../control/settings.ts';
import { parseYaml } from '../directory/yaml.ts';
import { NetlinkRoutes } from '../linux/kernel-routes.ts';
import type { NetlinkThread } from '../linux/netlink-thread.ts';
import { PeerFile } from '../mesh/peer-file.ts';
import type { Role } from '../runtime/control-plane.ts';
import type { Routes } from '../runtime/http.ts';
import { ClusterAges } from '../runtime/mesh-ages.ts';
import { PeerFolder } from '../runtime/mesh-folder.ts';
import { MeshPeers } from '../runtime/mesh-peers.ts';
import { MeshPlane } from '../runtime/mesh-plane.ts';
import type { SharedState, StateAccess } from '../runtime/mesh-state.ts';
import { meshRoutes, meshSamples, type ShownMesh } from '../runtime/mesh-views.ts';
import type { Sample } from '../runtime/metrics.ts';
import type { Clock, Log, Store } from '../runtime/ports.ts';
import type { ShownSpeaker } from '../runtime/speaker-views.ts';
import { CommandError } from './command.ts';
import type { MeshSettings } from './mesh-options.ts';

export interface MeshEnv {
  readonly settings: MeshSettings;
  readonly node: string;
  readonly roles: ReadonlySet<Role>;
  readonly ipam: PodIpam;
  readonly stateDir: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly host: () => HostFacts | undefined;
  readonly speakers: () => readonly ShownSpeaker[];
  /** Absent where no agent is. */
  readonly netlink: NetlinkThread | undefined;
  /** What is announced to BGP peers changed. */
  readonly wake: () => void;
}

export interface MeshPart {
  readonly routes: Routes;
  readonly samples: () => readonly Sample[];
  readonly besides: (instances: readonly DesiredInstance[]) => readonly DesiredInstance[];
  /** The host or what BGP peers say may be different. */
  readonly heard: () => void;
  /** Once the store's first snapshot stands. */
  readonly start: () => void;
  readonly stop: () => Promise<void>;
}

/** What peers say comes in many pieces. */
const heardMs = 25;

export async function startMesh(env: MeshEnv): Promise<MeshPart> {
  const { settings, clock, log, node, store, stateDir, roles, netlink } = env;
  const { own, clustersMax, folder, etcd, rules, overlay } = settings;
  const common = { clock, random: Math.random };
  // Loaded only where there is an etcd to talk to.
  const etcdFolder = folder === undefined && etcd === undefined ? undefined : await import('../etcd/state.ts');
  const open = (access: StateAccess, isOwn: boolean): SharedState => {
    if (etcdFolder === undefined) throw new Error('there is no etcd to talk to');
    const limits = isOwn ? etcdFolder.ownLimits : {};
    return new etcdFolder.EtcdState({ ...common, access, limits });
  };
  const ownState = etcd === undefined || !roles.has('operator') ? undefined : open(ownAccess(etcd), true);
  let plane: MeshPlane | undefined;
  const changed = () => plane?.wake();
  const isAgent = roles.has('agent') && netlink !== undefined;
  const peers =
    folder === undefined || !isAgent
      ? undefined
      : new MeshPeers({
          rules: { own, clustersMax },
          open: access => open(access, false),
          clock,
          log,
          ages: new ClusterAges(`${stateDir}/mesh-clusters.json`, clock, log),
          changed,
        });
  const files =
    folder === undefined || peers === undefined
      ? undefined
      : new PeerFolder({
          folder,
          ownCluster: own.name,
          parseYaml,
          clock,
          changed: entries => peers.apply(entries),
        });
  const kernel = isAgent ? new NetlinkRoutes(netlink, { table: settings.table, changed }) : undefined;
  const nodes = new MeshNodes(own, env.ipam);
  const { host, speakers, wake } = env;
  const options = {
    ...common,
    store,
    log,
    node,
    own,
    clustersMax,
    nodes,
    rules,
    overlay,
    host,
    speakers,
    kernel,
    peers,
    ownState,
    changed: wake,
  };
  const running = new MeshPlane(options);
  plane = running;
  const announcements = new MeshAnnouncements();
  const shown: ShownMesh = { own, plane: running, peers, ownState, kernel };
  let cancelHeard: (() => void) | undefined;
  return {
    routes: meshRoutes(shown),
    samples: () => meshSamples(shown),
    besides: instances =>
      settings.advertiseRemote
        ? announcements.with(instances, running.routes.routes, cluster => running.idOf(cluster))
        : instances,
    heard: () => {
      cancelHeard ??= clock.after(heardMs, () => {
        cancelHeard = undefined;
        running.wake();
      });
    },
    start: () => running.start(),
    async stop() {
      cancelHeard?.();
      files?.close();
      await running.stop();
      peers?.close();
      await ownState?.close();
    },
  };
}

/** A URL, or a file like those of peers. */
export function ownAccess(etcd: string): StateAccess {
  const read = /^https?:\/\//.test(etcd)
    ? PeerFile.read({ endpoints: [etcd] })
    : PeerFile.read(parseYaml(readText(etcd)));
  if (typeof read === 'string') throw new CommandError(`${etcd}: ${read}`);
  return read;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CommandError(error instanceof Error ? error.message : String(error));
  }
}
