/**
 * Why the addresses of a Service are not announced to which peers of one BGP instance. Asked for people, one Service at
 * a time, by the very rules that announce (bgp-service.ts): of several rules that say no, the one that got furthest
 * answers.
 */
import type { ServiceAddressType } from '../api/bgp-attributes.ts';
import type { BackendIndex, Backends } from './backends.ts';
import type { InstancePlan, PeerPlan, ServiceRule } from './bgp-plan.ts';
import { type RouteContext, visitService } from './bgp-service.ts';
import { progress, type Reason, type Refusal } from './reason.ts';
import type { ServiceAddress, ServiceFacts } from './service-address.ts';

export interface ServiceRefusal extends Refusal {
  readonly type: ServiceAddressType;
  /** Undefined: the Service has no address of this type. */
  readonly address: string | undefined;
  readonly peers: readonly PeerPlan[];
}

interface RuleRefusal {
  readonly reason: Reason;
  readonly type: ServiceAddressType | undefined;
  readonly rule: ServiceRule;
}

export function serviceRefusals(
  plan: InstancePlan,
  context: RouteContext,
  facts: ServiceFacts,
  index: BackendIndex,
): readonly ServiceRefusal[] {
  const backends = index.get(facts.key);
  const announced = new Set<string>();
  const refused: RuleRefusal[] = [];
  visitService(plan.routes, context, facts, index, {
    announce: (_, { address, text }, type, rule) => {
      for (const peer of rule.grant.peers[address.family]) announced.add(`${type} ${text} ${peer}`);
    },
    refuse: (reason, type, rule) => refused.push({ reason, type, rule }),
  });
  const peers = plan.peers.filter(peer => peer.state !== 'skip');
  const out: ServiceRefusal[] = [];
  for (const type of typesOfInterest(plan, facts, refused)) {
    const addresses: readonly (ServiceAddress | undefined)[] =
      facts.addresses[type].length > 0 ? facts.addresses[type] : [undefined];
    for (const address of addresses) {
      const about = { type, address: address?.text };
      if (peers.length === 0) out.push({ ...about, peers: [], reason: 'no-peers', detail: `instance ${plan.name}` });
      const left = peers.filter(peer => !announced.has(`${type} ${address?.text} ${peer.key}`));
      const groups = Map.groupBy(left, peer =>
        JSON.stringify(best(peer, type, address, plan, refused, facts, backends)),
      );
      for (const [said, group] of groups) out.push({ ...about, peers: group, ...(JSON.parse(said) as Refusal) });
    }
  }
  return out;
}

/** What somebody may be waiting for. ClusterIPs only where a policy that selects the Service speaks of them. */
function typesOfInterest(
  { routes }: InstancePlan,
  facts: ServiceFacts,
  refused: readonly RuleRefusal[],
): readonly ServiceAddressType[] {
  const types: ServiceAddressType[] = [];
  const { spec, status } = facts.service;
  if (spec.type === 'LoadBalancer' || status.ingress.length > 0) types.push('LoadBalancerIP');
  if (facts.addresses.ExternalIP.length > 0) types.push('ExternalIP');
  const unselected = new Set(refused.filter(each => each.type === undefined).map(each => each.rule));
  if (routes.rules.some(rule => rule.addresses.includes('ClusterIP') && !unselected.has(rule))) types.push('ClusterIP');
  return types;
}

function best(
  peer: PeerPlan,
  type: ServiceAddressType,
  address: ServiceAddress | undefined,
  { routes }: InstancePlan,
  refused: readonly RuleRefusal[],
  facts: ServiceFacts,
  backends: Backends,
): Refusal {
  const families = address === undefined ? peer.families : [address.address.family];
  if (!families.some(family => peer.families.includes(family)))
    return { reason: 'family-not-negotiated', detail: families.join(', ') };
  const rules = routes.rules.filter(({ grant }) => families.some(family => grant.peers[family].includes(peer.key)));
  let found: Refusal = { reason: 'no-advertisement', detail: '' };
  for (const rule of rules) {
    const said = refused.find(each => each.rule === rule && (each.type === undefined || each.type === type));
    const reason = said?.reason ?? 'address-type-not-advertised';
    if (progress(reason) > progress(found.reason)) found = { reason, detail: detailOf(reason, rule, facts, backends) };
  }
  return found;
}

function detailOf(reason: Reason, rule: ServiceRule, facts: ServiceFacts, backends: Backends): string {
  switch (reason) {
    case 'service-not-selected':
      return `${rule.grant.from} selects services where ${rule.selector.text}`;
    case 'no-service-selector':
    case 'address-type-not-advertised':
      return rule.grant.from;
    default:
      return serviceDetail(reason, facts, backends);
  }
}

/** The particulars of a reason that lies in the Service, whoever would announce it. */
export function serviceDetail(reason: Reason, { service }: ServiceFacts, backends: Backends): string {
  switch (reason) {
    case 'foreign-class':
      return service.spec.loadBalancerClass ?? '';
    case 'not-load-balancer':
      return service.spec.type;
    case 'no-address':
      return (
        service.status.conditions.find(each => each.type === ipamCondition && each.status === 'False')?.message ?? ''
      );
    case 'no-local-endpoint': {
      const nodes = backends.nodes;
      const more = nodes.length > 5 ? ` and ${nodes.length - 5} more` : '';
      return nodes.length === 0 ? 'there is none anywhere' : `they are on ${nodes.slice(0, 5).join(', ')}${more}`;
    }
    default:
      return '';
  }
}

const ipamCondition = 'cilium.io/IPAMRequestSatisfied';
