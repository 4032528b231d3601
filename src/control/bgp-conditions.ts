/**
 * What is said on the BGP kinds: conflicts and bad annotations on CiliumBGPPeeringPolicies (which Cilium leaves to its
 * logs), Cilium's own conditions on the kinds of the second API. Reference §1.4, §2.1, §2.6.
 */
import type { CiliumBGPClusterConfig } from '../api/bgp-cluster-config.ts';
import type { CiliumBGPNodeConfig } from '../api/bgp-node-config.ts';
import type { CiliumBGPPeeringPolicy } from '../api/bgp-peering-policy.ts';
import type { Condition } from '../api/object.ts';
import type { Snapshot } from '../api/snapshot.ts';
import type { BgpPlan } from './bgp-node.ts';
import { isRefused } from './bgp-node-config.ts';
import type { ClusterConfigOutcome } from './bgp-operator.ts';
import { policiesFor } from './bgp-peering-policy.ts';
import { errorCondition, type ObjectConditions, statedCondition, type Trouble } from './conditions.ts';
import type { NodeFacts } from './node.ts';
import { type Reason, Refusal, reasons } from './reason.ts';
import type { ControlSettings } from './settings.ts';

const conditionTypes = {
  policyConflict: 'herald.io/PolicyConflict',
  badNodeAnnotation: 'herald.io/BadNodeAnnotation',
  noMatchingNode: 'cilium.io/NoMatchingNode',
  missingPeerConfigs: 'cilium.io/MissingPeerConfigs',
  conflictingClusterConfig: 'cilium.io/ConflictingClusterConfig',
  missingAuthSecret: 'cilium.io/MissingAuthSecret',
  reconcileError: 'cilium.io/BGPReconcileError',
  peerWithoutAddress: 'herald.io/PeerWithoutAddress',
  noFreeRouterId: 'herald.io/NoFreeRouterID',
} as const;

/** Names in a message, at most; a policy may select hundreds of nodes. */
const namesMax = 10;

function listed(names: readonly string[], separator = ', '): string {
  const shown = names.slice(0, namesMax).join(separator);
  return names.length > namesMax ? `${shown} and ${names.length - namesMax} more` : shown;
}

function trouble(reason: Reason, details: readonly string[]): Trouble | undefined {
  if (details.length === 0) return undefined;
  const { sentence, fix } = reasons[reason];
  return { reason, message: `${sentence}: ${listed(details, '; ')}. To mend it: ${fix}.` };
}

export function peeringPolicyConditions(
  snapshot: Snapshot,
  nodes: readonly NodeFacts[],
  settings: ControlSettings,
): readonly ObjectConditions[] {
  const policies = snapshot.list('CiliumBGPPeeringPolicy');
  const lost = new Map<CiliumBGPPeeringPolicy, Map<string, string[]>>(policies.map(policy => [policy, new Map()]));
  const annotated = new Map<CiliumBGPPeeringPolicy, string[]>(policies.map(policy => [policy, []]));
  for (const node of nodes) {
    const [winner, ...losers] = policiesFor(snapshot, node);
    if (winner === undefined) continue;
    for (const error of node.virtualRouterErrors) annotated.get(winner)?.push(`node ${node.name}: ${error}`);
    const all = settings.strictPolicyConflicts && losers.length > 0 ? [winner, ...losers] : losers;
    for (const policy of all) {
      const other = (policy === winner ? losers[0] : winner)?.metadata.name ?? '';
      const byOther = lost.get(policy);
      byOther?.set(other, [...(byOther.get(other) ?? []), node.name]);
    }
  }
  const reason = settings.strictPolicyConflicts ? 'policy-conflict-withdrawn' : 'policy-conflict';
  return policies.map(policy => {
    const conflicts = [...(lost.get(policy) ?? [])].map(([other, names]) => `${other} (nodes ${listed(names)})`);
    const bad = annotated.get(policy) ?? [];
    return about(policy, [
      ...errorCondition(conditionTypes.policyConflict, policy, trouble(reason, conflicts)),
      ...errorCondition(conditionTypes.badNodeAnnotation, policy, trouble('bad-node-annotation', bad)),
    ]);
  });
}

export function clusterConfigConditions(
  outcomes: readonly ClusterConfigOutcome[],
  snapshot: Snapshot,
): readonly ObjectConditions[] {
  return outcomes.map(({ config, nodes, conflicts, withoutRouterId }) => {
    const { generation } = config.metadata;
    const missing = missingPeerConfigs(config, snapshot);
    const state = (type: string, about: Trouble | undefined) => statedCondition(type, generation, about);
    return about(config, [
      state(
        conditionTypes.noMatchingNode,
        nodes > 0 ? undefined : { reason: 'NoMatchingNode', message: 'no node matches spec.nodeSelector' },
      ),
      state(
        conditionTypes.missingPeerConfigs,
        missing.length === 0
          ? undefined
          : { reason: 'MissingPeerConfigs', message: `there is no CiliumBGPPeerConfig ${listed(missing)}` },
      ),
      state(
        conditionTypes.conflictingClusterConfig,
        conflicts.length === 0
          ? undefined
          : { reason: 'ConflictingClusterConfig', message: `gives way on the same nodes to ${listed(conflicts)}` },
      ),
      ...errorCondition(
        conditionTypes.peerWithoutAddress,
        config,
        trouble('peer-without-address', peersWithoutAddress(config)),
      ),
      ...errorCondition(conditionTypes.noFreeRouterId, config, trouble('no-free-router-id', withoutRouterId)),
    ]);
  });
}

/** A reference is only missing when the object is: one that was refused has a condition of its own. */
function missingPeerConfigs({ spec }: CiliumBGPClusterConfig, snapshot: Snapshot): readonly string[] {
  const refs = spec.bgpInstances.flatMap(each => each.peers).map(peer => peer.peerConfigRef);
  const names = [...new Set(refs.filter(name => name !== undefined))];
  const isMissing = (name: string) =>
    snapshot.get('CiliumBGPPeerConfig', '', name) === undefined && !isRefused(snapshot, 'CiliumBGPPeerConfig', name);
  return names.filter(isMissing).sort();
}

function peersWithoutAddress({ spec }: CiliumBGPClusterConfig): readonly string[] {
  return spec.bgpInstances.flatMap(instance =>
    instance.peers
      .filter(peer => peer.peerAddress === undefined && peer.autoDiscovery === undefined)
      .map(peer => `${peer.name} of instance ${instance.name}`),
  );
}

export function peerConfigConditions(snapshot: Snapshot, settings: ControlSettings): readonly ObjectConditions[] {
  return snapshot.list('CiliumBGPPeerConfig').map(config => {
    const { authSecretRef } = config.spec;
    const where = `${settings.secretsNamespace}/${authSecretRef}`;
    const secret = authSecretRef && snapshot.get('Secret', settings.secretsNamespace, authSecretRef);
    const missing = authSecretRef !== undefined && secret === undefined;
    const message = `there is no Secret ${where}; sessions stay as they are`;
    const said = missing ? { reason: 'MissingAuthSecret', message } : undefined;
    return about(config, [statedCondition(conditionTypes.missingAuthSecret, config.metadata.generation, said)]);
  });
}

/** Accepted, and merely without effect. */
const harmless: ReadonlySet<Reason> = new Set(['family-without-effect', 'bfd-not-active', 'policy-conflict']);

/** What a node's agent says on its own CiliumBGPNodeConfig. */
export function nodeConfigCondition(config: CiliumBGPNodeConfig, plan: BgpPlan): Condition {
  const ofInstances = plan.instances.flatMap(instance => [
    ...instance.refusals.map(refusal => ({ where: `instance ${instance.name}`, refusal })),
    ...instance.peers.flatMap(peer =>
      peer.refusals.map(refusal => ({ where: `instance ${instance.name}, peer ${peer.key}`, refusal })),
    ),
  ]);
  const errors = ofInstances
    .filter(({ refusal }) => !harmless.has(refusal.reason))
    .map(({ where, refusal }) => `${where}: ${Refusal.format(refusal)}`);
  const said = errors.length === 0 ? undefined : { reason: 'BGPReconcileError', message: errors.join('; ') };
  return statedCondition(conditionTypes.reconcileError, config.metadata.generation, said);
}

function about(object: { kind: string; metadata: { name: string } }, conditions: readonly Condition[]) {
  return { ref: { kind: object.kind, namespace: '', name: object.metadata.name }, conditions };
}
