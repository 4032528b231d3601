/**
 * Which addresses are announced on local networks, and which nodes may answer for each: CiliumL2AnnouncementPolicies,
 * Services and nodes in, candidates out. Reference §1.2, §2.15. Who of the candidates does it is decided elsewhere.
 */
import type { CiliumL2AnnouncementPolicy } from '../api/l2-announcement-policy.ts';
import type { LabelSelector } from '../api/selector.ts';
import { Backends } from './backends.ts';
import type { NodeFacts } from './node.ts';
import type { Reason } from './reason.ts';
import { addressRefusal, isForeign, isLocalOnly, type ServiceAddress, type ServiceFacts } from './service-address.ts';

export type L2AddressType = 'LoadBalancerIP' | 'ExternalIP';

export interface L2Policy {
  readonly name: string;
  readonly serviceSelector: LabelSelector;
  readonly types: readonly L2AddressType[];
  /** RE2 expressions; none means every interface. */
  readonly interfaces: readonly string[];
  /** Names of the nodes it selects, ascending. */
  readonly nodes: readonly string[];
}

type LeavingReason = 'node-excluded' | 'node-cordoned';

export interface L2Plan {
  /** By name. */
  readonly policies: readonly L2Policy[];
  /** Nodes that take no traffic for Services, and why. */
  readonly leaving: ReadonlyMap<string, LeavingReason>;
}

export function planL2(policies: readonly CiliumL2AnnouncementPolicy[], nodes: readonly NodeFacts[]): L2Plan {
  return {
    policies: policies.map(({ metadata, spec }) => ({
      name: metadata.name,
      serviceSelector: spec.serviceSelector,
      types: [
        ...(spec.loadBalancerIPs ? (['LoadBalancerIP'] as const) : []),
        ...(spec.externalIPs ? (['ExternalIP'] as const) : []),
      ],
      interfaces: spec.interfaces,
      nodes: nodes.filter(node => spec.nodeSelector.matches(node.labels)).map(node => node.name),
    })),
    leaving: new Map(nodes.flatMap(leavingReason)),
  };
}

function leavingReason({ name, excluded, cordoned }: NodeFacts): readonly (readonly [string, LeavingReason])[] {
  if (excluded) return [[name, 'node-excluded']];
  return cordoned ? [[name, 'node-cordoned']] : [];
}

export interface L2Visitor {
  announce(address: ServiceAddress, type: L2AddressType, policies: readonly L2Policy[]): void;
  refuse(reason: Reason, type: L2AddressType | undefined): void;
}

/** Nothing here depends on the node: the policies that cover an address say which nodes may answer for it. */
export function visitL2Service(plan: L2Plan, facts: ServiceFacts, visitor: L2Visitor): void {
  const selecting = plan.policies.filter(policy => policy.serviceSelector.matches(facts.service.selectorLabels));
  if (selecting.length === 0 || isForeign(facts, 'l2')) {
    visitor.refuse(selecting.length === 0 ? 'no-l2-policy' : 'foreign-class', undefined);
    return;
  }
  for (const type of ['LoadBalancerIP', 'ExternalIP'] as const) {
    const reason = addressRefusal(facts, type, 'l2');
    if (reason !== undefined) {
      visitor.refuse(reason, type);
      continue;
    }
    const all = selecting.every(policy => policy.types.includes(type));
    const covering = all ? selecting : selecting.filter(policy => policy.types.includes(type));
    if (covering.length === 0) visitor.refuse('l2-kind-off', type);
    else for (const address of facts.addresses[type]) visitor.announce(address, type, covering);
  }
}

/** Why a node may not answer for an address of this Service; undefined when it may. */
export function nodeRefusal(
  plan: L2Plan,
  policies: readonly L2Policy[],
  facts: ServiceFacts,
  backends: Backends,
  node: string,
): Reason | undefined {
  if (!policies.some(policy => policy.nodes.includes(node))) return 'node-not-selected';
  const leaving = plan.leaving.get(node);
  if (leaving !== undefined) return leaving;
  if (!isLocalOnly(facts, 'LoadBalancerIP') || Backends.on(backends, node)) return undefined;
  return 'no-local-endpoint';
}
