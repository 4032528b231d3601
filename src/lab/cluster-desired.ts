/** Manifests, and what stands → what a lab's cluster ought to be. Pure; computed whole each time. */
import type { RawObject } from '../api/object.ts';
import type { Snapshot } from '../api/snapshot.ts';
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import { type ClusterFacts, internalIpsOf, nodeObject } from './cluster-facts.ts';
import { at, isKind, labelsAt, listAt, namespaceOf, textAt } from './cluster-raw.ts';
import { admitServices } from './cluster-services.ts';
import { endpointSlices, targetPorts } from './endpoints.ts';
import { type Pod, type PodNode, type PodPlan, planPods, podIdentity } from './pods.ts';
import { serviceRules } from './service-rules.ts';
import { ruleServices } from './service-rules-input.ts';

export interface ClusterInput {
  readonly facts: ClusterFacts;
  /** The user's. */
  readonly objects: readonly RawObject[];
  /** Services as they were admitted last. */
  readonly services: readonly RawObject[];
  /** Pods of the last plan. */
  readonly planned: readonly Pod[];
  /** Identities of the pods that stand. */
  readonly standing: ReadonlySet<string>;
  /** What Herald has made of it. */
  readonly snapshot: Snapshot;
}

export interface ClusterDesired {
  readonly nodes: readonly DesiredNode[];
  readonly plan: PodPlan;
  /** Ports that each pod of the plan listens on. */
  readonly ports: ReadonlyMap<Pod, readonly { readonly protocol: 'TCP' | 'UDP'; readonly port: number }[]>;
  readonly services: readonly RawObject[];
  /** Pods of the plan that stand. */
  readonly standing: readonly Pod[];
  /** The user's objects with what an API server adds. */
  readonly applied: readonly RawObject[];
  /** What the cluster itself makes: nodes, namespaces, EndpointSlices. */
  readonly made: readonly RawObject[];
  /** By node, for `nft -f`. */
  readonly rules: ReadonlyMap<string, string>;
}

export interface DesiredNode extends PodNode {
  /** Where its neighbours send what is for its pods, best first. */
  readonly nextHops: readonly IpAddress[];
}

export function desiredCluster(input: ClusterInput): ClusterDesired {
  const { facts, objects, snapshot } = input;
  const subnets = facts.serviceSubnets.flatMap(each => Prefix.parse(each) ?? []);
  const isService = (each: RawObject) => isKind(each, '', 'Service');
  const services = admitServices(objects.filter(isService), subnets, input.services);
  const admitted = new Map(objects.filter(isService).map((each, i) => [each, services[i] ?? each]));
  const nodes = nodesOf(facts, objects);
  const plan = planPods(objects, nodes, input.planned);
  const standing = plan.pods.filter(pod => input.standing.has(podIdentity(pod)));
  const made = [
    ...facts.nodes.filter(each => !describes(objects, each.name)).map(nodeObject),
    ...namespacesOf(objects),
    ...endpointSlices(services, standing),
  ];
  const podCidrs = nodes.flatMap(each => each.podCidrs);
  const served = ruleServices(snapshot, services);
  return {
    nodes,
    plan,
    ports: new Map(plan.pods.map(pod => [pod, portsOf(pod, services)])),
    services,
    standing,
    applied: objects.map(each => admitted.get(each) ?? each),
    made,
    rules: new Map(nodes.map(({ name }) => [name, serviceRules({ name, podCidrs }, served)])),
  };
}

function describes(objects: readonly RawObject[], node: string): boolean {
  return objects.some(each => isKind(each, '', 'Node') && textAt(each, 'metadata', 'name') === node);
}

/** Those that manifests describe, then those that the lab itself knows of. */
function nodesOf(facts: ClusterFacts, objects: readonly RawObject[]): readonly DesiredNode[] {
  const described = objects.filter(each => isKind(each, '', 'Node'));
  const known = facts.nodes.filter(each => !describes(objects, each.name));
  const raw = [
    ...described.map(node => ({ node, shared: sharedIpsOf(facts, node), isControlPlane: isControlPlane(node) })),
    ...known.map(each => ({ node: nodeObject(each), shared: each.sharedIps, isControlPlane: each.controlPlane })),
  ];
  const hasWorkers = raw.some(each => !each.isControlPlane);
  return raw.map(({ node, shared, isControlPlane }) => ({
    name: textAt(node, 'metadata', 'name'),
    labels: labelsAt(node, 'metadata', 'labels'),
    podCidrs: podCidrsOf(node),
    schedulable: at(node, 'spec', 'unschedulable') !== true && !(isControlPlane && hasWorkers),
    nextHops: [...shared, ...internalIpsOf(node)].flatMap(each => IpAddress.parse(each) ?? []),
  }));
}

function sharedIpsOf(facts: ClusterFacts, node: RawObject): readonly string[] {
  return facts.nodes.find(({ name }) => name === textAt(node, 'metadata', 'name'))?.sharedIps ?? [];
}

function isControlPlane(node: RawObject): boolean {
  return Object.hasOwn(labelsAt(node, 'metadata', 'labels'), 'node-role.kubernetes.io/control-plane');
}

function podCidrsOf(node: RawObject): readonly Prefix[] {
  const list = listAt(node, 'spec', 'podCIDRs');
  const texts = list.length > 0 ? list.map(String) : [textAt(node, 'spec', 'podCIDR')];
  return texts.flatMap(each => Prefix.parse(each) ?? []);
}

/** Of what is in one and says so, with the label that every namespace has. */
function namespacesOf(objects: readonly RawObject[]): readonly RawObject[] {
  const isNamespace = (each: RawObject) => isKind(each, '', 'Namespace');
  const theirs = new Set(objects.filter(isNamespace).map(each => textAt(each, 'metadata', 'name')));
  const used = new Set(['default', 'kube-system', ...objects.filter(each => !isNamespace(each)).map(namespaceOf)]);
  return [...used]
    .filter(name => !theirs.has(name))
    .sort()
    .map(name => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels: { 'kubernetes.io/metadata.name': name } },
    }));
}

function portsOf(pod: Pod, services: readonly RawObject[]) {
  const all = new Map<string, { readonly protocol: 'TCP' | 'UDP'; readonly port: number }>();
  for (const { protocol, port } of [...pod.ports, ...targetPorts(services, pod)])
    if (protocol === 'TCP' || protocol === 'UDP') all.set(`${protocol} ${port}`, { protocol, port });
  return [...all.values()];
}
