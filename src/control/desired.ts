/**
 * Everything that ought to be, for one node and for the cluster, as a function of the snapshot: level-triggered, the
 * same for the same objects whatever came before. `NodeControl` and `ClusterControl` give the same answers and remember
 * what unchanged objects led to, so that a change costs what it changes.
 */
import type { KindName, Kinds } from '../api/kinds.ts';
import type { Condition } from '../api/object.ts';
import type { Snapshot } from '../api/snapshot.ts';
import { BackendIndex } from './backends.ts';
import {
  clusterConfigConditions,
  nodeConfigCondition,
  peerConfigConditions,
  peeringPolicyConditions,
} from './bgp-conditions.ts';
import { type BgpPlan, planBgp } from './bgp-node.ts';
import { type DesiredNodeConfig, planOperator } from './bgp-operator.ts';
import type { InstancePlan, RoutePlan } from './bgp-plan.ts';
import { type Routes, RouteTable } from './bgp-routes.ts';
import type { RouteContext } from './bgp-service.ts';
import { type ServiceChanges, ServiceWatch } from './changes.ts';
import { collectConditions, faultConditions, type ObjectConditions } from './conditions.ts';
import { Memo, Stable } from './keep.ts';
import { type L2Address, L2Table } from './l2-addresses.ts';
import { ToldByNode } from './l2-leases.ts';
import { NodeL2, type NodeL2Address } from './l2-node.ts';
import { type L2Plan, planL2 } from './l2-plan.ts';
import { allNodeFacts, type NodeFacts, nodeFacts } from './node.ts';
import type { ControlSettings, HostFacts } from './settings.ts';

/** A BGP speaker that ought to run on the node, and all it ought to announce. */
export interface DesiredInstance extends Routes {
  /** The same value while nothing in it changed. */
  readonly plan: InstancePlan;
}

export interface NodeDesired {
  readonly node: NodeFacts;
  readonly bgp: {
    readonly source: BgpPlan['source'];
    readonly state: BgpPlan['state'];
    readonly refusals: BgpPlan['refusals'];
    readonly instances: readonly DesiredInstance[];
    /** What decided over Services here. */
    readonly context: RouteContext;
  };
  readonly l2: NodeL2Desired;
  /** To be said on the node's CiliumBGPNodeConfig, where that is what decides. */
  readonly nodeConfigConditions: readonly Condition[];
}

export interface NodeL2Desired {
  readonly plan: L2Plan;
  /** Those this node may answer for, by address. */
  readonly addresses: readonly NodeL2Address[];
  /** Every address that is to be announced by some node, and which of its candidates can. */
  readonly all: readonly L2Address[];
  readonly node: NodeL2;
  /** Undefined where nobody looked. */
  readonly host: HostFacts | undefined;
}

export interface ClusterDesired {
  readonly nodeConfigs: readonly DesiredNodeConfig[];
  /** By kind and name. Pools and Services are the allocator's. */
  readonly conditions: readonly ObjectConditions[];
}

/** One answer, from nothing. */
export function desiredForNode(
  snapshot: Snapshot,
  node: string,
  settings: ControlSettings,
  host?: HostFacts,
): NodeDesired {
  return new NodeControl(node, settings).desired(snapshot, host);
}

interface Running {
  readonly plan: Stable<InstancePlan>;
  readonly routes: Stable<RoutePlan>;
  readonly table: RouteTable;
}

/** Answers again and again for one node. Call it with the newest snapshot; any order is right, only slower. */
export class NodeControl {
  readonly #name: string;
  readonly #settings: ControlSettings;
  readonly #facts = new Stable<NodeFacts>();
  readonly #context = new Stable<RouteContext>();
  readonly #host = new Stable<HostFacts>();
  readonly #bgp = new Memo<readonly unknown[], BgpPlan>();
  readonly #backends = new BackendIndex();
  readonly #watch = new ServiceWatch();
  readonly #running = new Map<string, Running>();
  readonly #l2Inputs = new Memo<readonly unknown[], L2Plan>();
  readonly #l2Plan = new Stable<L2Plan>();
  readonly #l2Table = new L2Table();
  readonly #l2Node = new Memo<readonly unknown[], NodeL2>();
  readonly #told: ToldByNode;

  constructor(name: string, settings: ControlSettings) {
    this.#name = name;
    this.#settings = settings;
    this.#told = new ToldByNode(settings.leaseNamespace);
  }

  desired(snapshot: Snapshot, seen?: HostFacts): NodeDesired {
    const host = seen && this.#host.keep(seen);
    const node = this.#facts.keep(nodeFacts(snapshot, this.#name, this.#settings.ipam, host));
    this.#backends.update(snapshot);
    const changes = this.#watch.take(snapshot);
    const plan = this.#bgp.get([...bgpKinds.map(kind => listOf(snapshot, kind)), snapshot.faulty, node, host], () =>
      planBgp({ snapshot, node, settings: this.#settings, host }),
    );
    const { noServiceEndpointsRoutable } = this.#settings;
    const context = this.#context.keep({
      node: node.name,
      excluded: node.excluded,
      cordoned: node.cordoned,
      noServiceEndpointsRoutable,
    });
    const config = snapshot.get('CiliumBGPNodeConfig', '', node.name);
    const decides = config !== undefined && plan.source?.kind === 'CiliumBGPNodeConfig';
    return {
      node,
      bgp: {
        source: plan.source,
        state: plan.state,
        refusals: plan.refusals,
        instances: this.#instances(plan, context, snapshot, changes),
        context,
      },
      l2: this.#l2(snapshot, changes, host),
      nodeConfigConditions: decides ? [nodeConfigCondition(config, plan)] : [],
    };
  }

  #instances(
    plan: BgpPlan,
    context: RouteContext,
    snapshot: Snapshot,
    changes: ServiceChanges,
  ): readonly DesiredInstance[] {
    const names = new Set(plan.instances.map(instance => instance.name));
    for (const name of this.#running.keys()) if (!names.has(name)) this.#running.delete(name);
    return plan.instances.map(instance => {
      const running = this.#running.get(instance.name) ?? startRunning();
      this.#running.set(instance.name, running);
      // Peers may change while what they are told does not, and the other way round.
      const routes = running.routes.keep(instance.routes);
      const plan = running.plan.keep({ ...instance, routes });
      return { plan, ...running.table.update(routes, context, snapshot, changes, this.#backends) };
    });
  }

  #l2(snapshot: Snapshot, changes: ServiceChanges, host: HostFacts | undefined): NodeL2Desired {
    const inputs = l2Kinds.map(kind => listOf(snapshot, kind));
    const planned = this.#l2Inputs.get(inputs, () =>
      planL2(snapshot.list('CiliumL2AnnouncementPolicy'), allNodeFacts(snapshot, this.#settings.ipam, this.#name)),
    );
    const plan = this.#l2Plan.keep(planned);
    const told = this.#told.update(snapshot);
    const hosts = host && { host, ...told };
    const node = this.#l2Node.get([plan, host, told], () => new NodeL2(this.#name, plan, hosts));
    const all = this.#l2Table.update(plan, snapshot, changes, this.#backends);
    return { plan, addresses: node.addresses(all), all, node, host };
  }
}

function startRunning(): Running {
  return { plan: new Stable(), routes: new Stable(), table: new RouteTable() };
}

/** Answers again and again for the cluster. */
export class ClusterControl {
  readonly #settings: ControlSettings;
  readonly #memo = new Memo<readonly unknown[], ClusterDesired>();

  constructor(settings: ControlSettings) {
    this.#settings = settings;
  }

  desired(snapshot: Snapshot): ClusterDesired {
    const inputs = [...clusterKinds.map(kind => listOf(snapshot, kind)), snapshot.faulty];
    return this.#memo.get(inputs, () => this.#work(snapshot));
  }

  #work(snapshot: Snapshot): ClusterDesired {
    const nodes = allNodeFacts(snapshot, this.#settings.ipam);
    const { nodeConfigs, outcomes } = planOperator(snapshot, nodes, this.#settings);
    const conditions = collectConditions([
      ...faultConditions(snapshot),
      ...peeringPolicyConditions(snapshot, nodes, this.#settings),
      ...clusterConfigConditions(outcomes, snapshot),
      ...peerConfigConditions(snapshot, this.#settings),
    ]);
    return { nodeConfigs, conditions };
  }
}

/** What plans are made from, so that nothing is planned anew while these lists are the same. */
const bgpKinds = [
  'CiliumBGPPeeringPolicy',
  'CiliumBGPNodeConfig',
  'CiliumBGPPeerConfig',
  'CiliumBGPAdvertisement',
  'CiliumLoadBalancerIPPool',
  'CiliumPodIPPool',
  'Secret',
] as const;
const l2Kinds = ['CiliumL2AnnouncementPolicy', 'Node', 'CiliumNode'] as const;
const clusterKinds = [
  'CiliumBGPAdvertisement',
  'CiliumBGPClusterConfig',
  'CiliumBGPNodeConfig',
  'CiliumBGPNodeConfigOverride',
  'CiliumBGPPeerConfig',
  'CiliumBGPPeeringPolicy',
  'CiliumL2AnnouncementPolicy',
  'CiliumNode',
  'Node',
  'Secret',
] as const;

const none: readonly never[] = [];

/** A snapshot makes a new empty list each time it is asked; nothing is always the same nothing here. */
function listOf<K extends KindName>(snapshot: Snapshot, kind: K): readonly Kinds[K][] {
  const list = snapshot.list(kind);
  return list.length === 0 ? none : list;
}
