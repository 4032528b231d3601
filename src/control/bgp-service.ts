/**
 * The rules that decide whether a Service's addresses are announced over BGP from one node (the table of reference
 * §2.4), asked once for both answers: what is announced, and why the rest is not.
 */
import type { ServiceAddressType } from '../api/bgp-attributes.ts';
import { Prefix } from '../net/prefix.ts';
import { type BackendIndex, Backends } from './backends.ts';
import type { RoutePlan, ServiceRule } from './bgp-plan.ts';
import type { Reason } from './reason.ts';
import { addressRefusal, isLocalOnly, type ServiceAddress, type ServiceFacts } from './service-address.ts';

/** What the rules need to know about the node. */
export interface RouteContext {
  readonly node: string;
  readonly excluded: boolean;
  readonly cordoned: boolean;
  readonly noServiceEndpointsRoutable: boolean;
}

export interface ServiceVisitor {
  announce(prefix: Prefix, address: ServiceAddress, type: ServiceAddressType, rule: ServiceRule): void;
  /** `type` is undefined where the rule does not select the Service at all. */
  refuse(reason: Reason, type: ServiceAddressType | undefined, rule: ServiceRule): void;
}

export function visitService(
  plan: RoutePlan,
  context: RouteContext,
  facts: ServiceFacts,
  backends: BackendIndex,
  visitor: ServiceVisitor,
): void {
  for (const rule of plan.rules) {
    if (!rule.selector.matches(facts.service.selectorLabels)) {
      const nothing = rule.selector.requirements === 'nothing';
      visitor.refuse(nothing ? 'no-service-selector' : 'service-not-selected', undefined, rule);
      continue;
    }
    for (const type of rule.addresses) {
      const reason = addressRefusal(facts, type, 'bgp') ?? nodeRefusal(facts, type, context, backends);
      if (reason !== undefined) {
        visitor.refuse(reason, type, rule);
        continue;
      }
      for (const address of facts.addresses[type])
        if (rule.grant.peers[address.address.family].length > 0)
          visitor.announce(routeFor(facts, type, address, rule), address, type, rule);
    }
  }
}

function nodeRefusal(
  facts: ServiceFacts,
  type: ServiceAddressType,
  context: RouteContext,
  index: BackendIndex,
): Reason | undefined {
  if (context.excluded) return 'node-excluded';
  if (context.cordoned) return 'node-cordoned';
  if (isLocalOnly(facts, type))
    return Backends.on(index.get(facts.key), context.node) ? undefined : 'no-local-endpoint';
  return context.noServiceEndpointsRoutable || index.get(facts.key).any ? undefined : 'no-endpoints';
}

/** A Local traffic policy needs the host route: other nodes announce other addresses of the aggregate. */
function routeFor(facts: ServiceFacts, type: ServiceAddressType, { address, host }: ServiceAddress, rule: ServiceRule) {
  const length = rule.aggregation[address.family];
  return length === undefined || isLocalOnly(facts, type) ? host : Prefix.of(address, length);
}
