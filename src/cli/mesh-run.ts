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
import { PeerFolder } from '../runtime/mesh-folder.ts';
import { MeshPeers } from '../runtime/mesh-peers.ts';
import { MeshPlane } from '../runtime/mesh-plane.ts';
import { ClusterRecords } from '../runtime/mesh-records.ts';
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
  const { settings, clock, roles, netlink, node, store, log, host, speakers } = env;
  const { own, clustersMax, etcd, rules, overlay, table } = settings;
  const open = await opener(env);
  const isAgent = roles.has('agent') && netlink !== undefined;
  let wake = () => {};
  const changed = () => wake();
  const shown = {
    own,
    ownState: etcd === undefined || !roles.has('operator') ? undefined : open(ownAccess(etcd), true),
    peers: isAgent ? peersOf(env, access => open(access, false), changed) : undefined,
    kernel: isAgent ? new NetlinkRoutes(netlink, { table, changed }) : undefined,
  };
  const files = shown.peers && folderOf(env, shown.peers);
  const world = {
    store,
    clock,
    log,
    random: Math.random,
    node,
    host,
    speakers,
    changed: settings.advertiseRemote ? env.wake : () => {},
  };
  const nodes = new MeshNodes(own, env.ipam);
  const plane = new MeshPlane({ ...world, ...shown, clustersMax, nodes, rules, overlay });
  wake = () => plane.wake();
  return partOf(env, { ...shown, plane }, files);
}

/** What etcd needs is loaded only where there is one to talk to. */
async function opener({ settings: { folder, etcd }, clock }: MeshEnv) {
  const loaded = folder === undefined && etcd === undefined ? undefined : await import('../etcd/state.ts');
  return (access: StateAccess, isOwn: boolean): SharedState => {
    if (loaded === undefined) throw new Error('there is no etcd to talk to');
    const limits = isOwn ? loaded.ownLimits : {};
    return new loaded.EtcdState({ clock, random: Math.random, access, limits });
  };
}

function peersOf(env: MeshEnv, open: (access: StateAccess) => SharedState, changed: () => void): MeshPeers | undefined {
  const { settings, clock, log, stateDir } = env;
  const { own, clustersMax, folder } = settings;
  if (folder === undefined) return undefined;
  const records = new ClusterRecords(`${stateDir}/mesh`, clock, log);
  return new MeshPeers({ rules: { own, clustersMax }, open, clock, log, records, changed });
}

function folderOf({ settings: { folder, own }, clock }: MeshEnv, peers: MeshPeers): PeerFolder | undefined {
  if (folder === undefined) return undefined;
  const changed = (entries: Parameters<MeshPeers['apply']>[0]) => peers.apply(entries);
  return new PeerFolder({ folder, ownCluster: own.name, parseYaml, clock, changed });
}

function partOf({ settings, clock }: MeshEnv, shown: ShownMesh, files: PeerFolder | undefined): MeshPart {
  const { plane, peers, ownState } = shown;
  const announcements = new MeshAnnouncements();
  let cancelHeard: (() => void) | undefined;
  return {
    routes: meshRoutes(shown),
    samples: () => meshSamples(shown),
    besides: instances =>
      settings.advertiseRemote
        ? announcements.with(instances, plane.routes.routes, cluster => plane.idOf(cluster))
        : instances,
    heard: () => {
      cancelHeard ??= clock.after(heardMs, () => {
        cancelHeard = undefined;
        plane.wake();
      });
    },
    start: () => plane.start(),
    async stop() {
      cancelHeard?.();
      files?.close();
      await plane.stop();
      peers?.close();
      await ownState?.close();
    },
  };
}

/** A URL, or a file like those of peers. */
function ownAccess(etcd: string): StateAccess {
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
