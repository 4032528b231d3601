/**
 * The second BGP API on the operator's side: CiliumBGPClusterConfigs and CiliumBGPNodeConfigOverrides in, one
 * CiliumBGPNodeConfig for each selected node out. Of two configurations that select a node the one that has it keeps
 * it. Reference §1.4, §2.6.
 */
import type { BgpInstance, CiliumBGPClusterConfig } from '../api/bgp-cluster-config.ts';
import type { BgpNodeInstance, CiliumBGPNodeConfig } from '../api/bgp-node-config.ts';
import type { OwnerReference } from '../api/object.ts';
import type { Snapshot } from '../api/snapshot.ts';
import type { IpAddress } from '../net/ip.ts';
import { isRefused } from './bgp-node-config.ts';
import type { NodeFacts } from './node.ts';
import { allotRouterIds } from './router-ids.ts';
import type { ControlSettings } from './settings.ts';

/** A CiliumBGPNodeConfig that is to be; whichever the operator wrote before and is not among them is to go. */
export interface DesiredNodeConfig {
  readonly name: string;
  readonly owner: OwnerReference;
  readonly spec: CiliumBGPNodeConfig['spec'];
}

/** What became of one cluster configuration, for its conditions. */
export interface ClusterConfigOutcome {
  readonly config: CiliumBGPClusterConfig;
  readonly nodes: number;
  /** Names of the configurations, or of the nodes configured by hand, that it gives way to. */
  readonly conflicts: readonly string[];
  /** Instances that found no router ID in the pool, as `node, instance name`. */
  readonly withoutRouterId: readonly string[];
}

export interface OperatorPlan {
  /** By name. */
  readonly nodeConfigs: readonly DesiredNodeConfig[];
  readonly outcomes: readonly ClusterConfigOutcome[];
}

const ownerKind = 'CiliumBGPClusterConfig';

/** Whether the operator wrote it. Anything else was written by hand and is left alone. */
export function isOperatorOwned(config: CiliumBGPNodeConfig): boolean {
  return ownerOf(config) !== undefined;
}

function ownerOf(config: CiliumBGPNodeConfig | undefined): OwnerReference | undefined {
  return config?.metadata.ownerReferences.find(owner => owner.kind === ownerKind);
}

export function planOperator(snapshot: Snapshot, nodes: readonly NodeFacts[], settings: ControlSettings): OperatorPlan {
  const configs = [...snapshot.list('CiliumBGPClusterConfig')].sort(
    (a, b) => a.metadata.creationMs - b.metadata.creationMs || (a.metadata.name < b.metadata.name ? -1 : 1),
  );
  const tallies = new Map(configs.map(config => [config, { nodes: 0, conflicts: new Set<string>() }]));
  const nodeConfigs: DesiredNodeConfig[] = [];
  for (const node of nodes) {
    const existing = snapshot.get('CiliumBGPNodeConfig', '', node.name);
    const selecting = configs.filter(config => config.spec.nodeSelector.matches(node.labels));
    const winner = chooseWinner(existing, selecting, snapshot);
    for (const config of selecting) {
      const tally = tallies.get(config);
      if (tally === undefined) continue;
      tally.nodes++;
      if (config !== winner) tally.conflicts.add(winnerName(winner, node.name));
    }
    if (winner === 'kept' && existing !== undefined) nodeConfigs.push(unchanged(existing));
    else if (typeof winner === 'object') nodeConfigs.push(resolve(winner, node.name, snapshot));
  }
  const withIds = withRouterIds(nodeConfigs, snapshot, settings);
  const outcomes = [...tallies].map(([config, { nodes, conflicts }]) => ({
    config,
    nodes,
    conflicts: [...conflicts].sort(),
    withoutRouterId: withIds.without.filter(each => each.owner === config.metadata.name).map(each => each.text),
  }));
  return { nodeConfigs: withIds.nodeConfigs, outcomes };
}

/**
 * `by hand`: nobody's. `kept`: its owner could not be understood after an edit, so it stays as it is until that is
 * mended. Else the owner while it selects the node, else the oldest that does.
 */
function chooseWinner(
  existing: CiliumBGPNodeConfig | undefined,
  selecting: readonly CiliumBGPClusterConfig[],
  snapshot: Snapshot,
): CiliumBGPClusterConfig | 'by hand' | 'kept' | undefined {
  if (existing === undefined) return selecting[0];
  const owner = ownerOf(existing);
  if (owner === undefined) return 'by hand';
  const known = snapshot.get('CiliumBGPClusterConfig', '', owner.name);
  if (known === undefined && isRefused(snapshot, ownerKind, owner.name)) return 'kept';
  return selecting.find(config => config.metadata.name === owner.name) ?? selecting[0];
}

function winnerName(winner: CiliumBGPClusterConfig | 'by hand' | 'kept' | undefined, node: string): string {
  return typeof winner === 'object' ? winner.metadata.name : `CiliumBGPNodeConfig ${node}`;
}

function unchanged(existing: CiliumBGPNodeConfig): DesiredNodeConfig {
  const owner = ownerOf(existing);
  if (owner === undefined) throw new Error('a node configuration is kept for its owner, and has none');
  return { name: existing.metadata.name, owner, spec: existing.spec };
}

function resolve(config: CiliumBGPClusterConfig, node: string, snapshot: Snapshot): DesiredNodeConfig {
  const { name, uid } = config.metadata;
  const override = snapshot.get('CiliumBGPNodeConfigOverride', '', node);
  const instances = config.spec.bgpInstances.map((instance): BgpNodeInstance => {
    const said = override?.spec.bgpInstances.find(each => each.name === instance.name);
    return {
      name: instance.name,
      localASN: said?.localASN ?? instance.localASN,
      routerID: said?.routerID,
      localPort: said?.localPort ?? instance.localPort,
      peers: reachablePeers(instance).map(peer => ({
        ...peer,
        peerInterface: undefined,
        localAddress: said?.peers.find(each => each.name === peer.name)?.localAddress,
      })),
    };
  });
  return {
    name: node,
    owner: { apiVersion: 'cilium.io/v2', kind: ownerKind, name, uid },
    spec: { bgpInstances: instances },
  };
}

/** A peer that says neither where it is nor how to find it has no place in a node's configuration. */
function reachablePeers({ peers }: BgpInstance): BgpInstance['peers'] {
  return peers.filter(peer => peer.peerAddress !== undefined || peer.autoDiscovery !== undefined);
}

interface WithRouterIds {
  readonly nodeConfigs: readonly DesiredNodeConfig[];
  readonly without: readonly { readonly owner: string; readonly text: string }[];
}

/** What an override sets stays; with a pool, the rest get theirs from it, and keep it from pass to pass. */
function withRouterIds(
  nodeConfigs: readonly DesiredNodeConfig[],
  snapshot: Snapshot,
  { routerIdPool }: ControlSettings,
): WithRouterIds {
  if (routerIdPool === undefined) return { nodeConfigs, without: [] };
  const taken: IpAddress[] = [];
  const claims: { key: string; held: IpAddress | undefined }[] = [];
  for (const { name, spec } of nodeConfigs) {
    const existing = snapshot.get('CiliumBGPNodeConfig', '', name)?.spec.bgpInstances;
    for (const instance of spec.bgpInstances) {
      if (instance.routerID !== undefined) taken.push(instance.routerID);
      else
        claims.push({
          key: keyOf(name, instance),
          held: existing?.find(each => each.name === instance.name)?.routerID,
        });
    }
  }
  const allotted = allotRouterIds(routerIdPool, claims, taken);
  const without: { owner: string; text: string }[] = [];
  const filled = nodeConfigs.map(config => {
    const bgpInstances = config.spec.bgpInstances.map(instance => {
      const routerID = instance.routerID ?? allotted.get(keyOf(config.name, instance));
      if (routerID === undefined) without.push({ owner: config.owner.name, text: keyOf(config.name, instance) });
      return { ...instance, routerID };
    });
    return { ...config, spec: { bgpInstances } };
  });
  return { nodeConfigs: filled, without };
}

function keyOf(node: string, instance: BgpNodeInstance): string {
  return `${node}, instance ${instance.name}`;
}
