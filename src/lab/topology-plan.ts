/**
 * What a topology and a cluster come to: whose network namespace each node has, in which order places are made, and
 * what contradicts; all of it known before anything is made.
 */
import { clusterNetwork } from './kind.ts';
import type { Cluster, ClusterNode, LabFault, LabNode, Topology } from './topology.ts';

export interface LabPlan {
  /** Places that have a namespace of their own (or this host's), then those that share another's. */
  readonly owners: readonly PlannedPlace[];
  readonly sharers: readonly PlannedPlace[];
}

export interface PlannedPlace {
  readonly name: string;
  readonly node: LabNode | undefined;
  readonly clusterNode: ClusterNode | undefined;
  /** For sharers: whose namespace it has. */
  readonly sharedWith: string | undefined;
  readonly hostName: string;
}

export type PlanRead =
  | { readonly value: LabPlan; readonly faults?: undefined }
  | { readonly value?: undefined; readonly faults: readonly LabFault[] };

export function planOf(topology: Topology, cluster: Cluster | undefined): PlanRead {
  const faults: LabFault[] = [];
  const owners: PlannedPlace[] = (cluster?.nodes ?? []).map(clusterNode => ({
    name: clusterNode.name,
    node: undefined,
    clusterNode,
    sharedWith: undefined,
    hostName: clusterNode.name,
  }));
  const sharers: PlannedPlace[] = [];
  const clusterNames = new Set(cluster?.nodes.map(each => each.name));
  for (const node of topology.nodes) {
    if (clusterNames.has(node.name))
      faults.push({
        line: node.line,
        reason: 'duplicate',
        message: `${node.name} is the name of a node of the cluster`,
      });
    const place = { name: node.name, node, clusterNode: undefined, hostName: node.name };
    if (node.networkMode.mode !== 'container') {
      owners.push({ ...place, sharedWith: undefined });
      continue;
    }
    const owner = ownerOf(node, topology, clusterNames);
    if (typeof owner === 'string') sharers.push({ ...place, sharedWith: owner });
    else faults.push(owner);
  }
  return faults.length > 0 ? { faults } : { value: { owners, sharers } };
}

/** The names that `network-mode: container:…` gives and no node of the topology has: a cluster's, if there is one. */
export function clusterNamesIn(topology: Topology): readonly string[] {
  return topology.nodes.flatMap(({ networkMode }) => {
    if (networkMode.mode !== 'container' || nodeCalled(networkMode.name, topology) !== undefined) return [];
    return [networkMode.name];
  });
}

function nodeCalled(name: string, topology: Topology): LabNode | undefined {
  return topology.nodes.find(node => node.name === name || `${topology.prefix}${node.name}` === name);
}

/** Through nodes that share themselves, to the one that has the namespace. */
function ownerOf(node: LabNode, topology: Topology, clusterNames: ReadonlySet<string>): string | LabFault {
  const passed = new Set<LabNode>();
  let here = node;
  for (;;) {
    const { networkMode } = here;
    if (networkMode.mode !== 'container') return here.name;
    if (clusterNames.has(networkMode.name)) return networkMode.name;
    const next = nodeCalled(networkMode.name, topology);
    const { line, name } = networkMode;
    if (next === undefined)
      return {
        line,
        reason: 'unknown-node',
        message: `${node.name}: no container ${name}: no node of the lab, and none of a cluster; give --cluster`,
      };
    if (passed.has(next))
      return { line, reason: 'bad-value', message: `${node.name}: nodes share each other's network in a circle` };
    passed.add(next);
    here = next;
  }
}

/** Whether a node gets an eth0 on the management network. */
export function isManaged(node: LabNode, topology: Topology): boolean {
  if (node.networkMode.mode !== 'own' || node.kind === 'bridge') return false;
  return !topology.links.some(({ ends }) => ends.some(end => end.node === node.name && end.interface === 'eth0'));
}

/** The subnets of the network that a cluster's nodes are on. */
export const clusterSubnets = [clusterNetwork.ipv4Subnet, clusterNetwork.ipv6Subnet] as const;
