/**
 * What decides over one node's BGP: the CiliumBGPPeeringPolicy that has it, else its CiliumBGPNodeConfig. Reference
 * §0.3, §2.1. Two policies: the oldest keeps the node, or, when strict, nobody.
 */
import { ObjectRef } from '../api/object.ts';
import { isRefused, planNodeConfig } from './bgp-node-config.ts';
import { planPolicy, policiesFor } from './bgp-peering-policy.ts';
import type { InstancePlan } from './bgp-plan.ts';
import type { NodeInputs } from './node.ts';
import { Refusal } from './reason.ts';

export interface BgpPlan {
  /** The object that decides. */
  readonly source: ObjectRef | undefined;
  /**
   * `apply`: the instances are all there is to be. `keep`: an object that might be for this node could not be
   * understood and none that could is: what runs stays, nothing is started.
   */
  readonly state: 'apply' | 'keep';
  /** About the node as a whole. */
  readonly refusals: readonly Refusal[];
  readonly instances: readonly InstancePlan[];
}

export function planBgp(inputs: NodeInputs): BgpPlan {
  const { snapshot, node, settings } = inputs;
  const policies = policiesFor(snapshot, node);
  const [winner, ...others] = policies;
  if (winner !== undefined) {
    const names = policies.map(policy => policy.metadata.name).join(', ');
    const source: ObjectRef = { kind: winner.kind, namespace: '', name: winner.metadata.name };
    if (others.length > 0 && settings.strictPolicyConflicts) {
      const refusals = [Refusal.of('policy-conflict-withdrawn', names)];
      return { source: undefined, state: 'apply', refusals, instances: [] };
    }
    const refusals = others.map(({ metadata }) => Refusal.of('policy-conflict', losing(metadata.name, source)));
    return { source, state: 'apply', refusals, instances: planPolicy(winner, snapshot, node, settings) };
  }
  const config = snapshot.get('CiliumBGPNodeConfig', '', node.name);
  if (config !== undefined) {
    const source: ObjectRef = { kind: config.kind, namespace: '', name: node.name };
    return { source, state: 'apply', refusals: [], instances: planNodeConfig(config, inputs) };
  }
  return unconfigured(inputs);
}

function losing(policy: string, winner: ObjectRef): string {
  return `${policy} gives way to ${ObjectRef.format(winner)}`;
}

/**
 * A policy that cannot be read may well be the one for this node, and an edit that went wrong must not end its
 * sessions.
 */
function unconfigured({ snapshot, node }: NodeInputs): BgpPlan {
  const refused =
    isRefused(snapshot, 'CiliumBGPPeeringPolicy') || isRefused(snapshot, 'CiliumBGPNodeConfig', node.name);
  return {
    source: undefined,
    state: refused ? 'keep' : 'apply',
    refusals: [Refusal.of(refused ? 'policy-refused' : 'no-bgp-policy', refused ? '' : node.name)],
    instances: [],
  };
}
