/**
 * What is not announced from a node, and why: about the node, its BGP instances and peers, and every Service that
 * somebody may be waiting for. The same rules that announce give the reasons.
 */
import type { Service } from '../api/service.ts';
import type { Snapshot } from '../api/snapshot.ts';
import { BackendIndex } from './backends.ts';
import { type InstancePlan, peerText } from './bgp-plan.ts';
import { serviceDetail, serviceRefusals } from './bgp-refusals.ts';
import type { NodeDesired } from './desired.ts';
import type { NodeL2Address } from './l2-node.ts';
import { nodeRefusal, visitL2Service } from './l2-plan.ts';
import { type Reason, Refusal, reasons } from './reason.ts';
import { type ServiceFacts, serviceFacts } from './service-address.ts';

export interface NotAnnouncedRow {
  readonly node: string;
  readonly how: 'bgp' | 'l2';
  readonly instance: string;
  /** An address, or what would have been announced; empty when it is about the node as a whole. */
  readonly what: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly reason: Reason;
  /** The reason's sentence with the particulars. */
  readonly message: string;
  readonly fix: string;
}

/** `reached`: `Service namespace/name address` of all that is announced one way or another. */
export function notAnnouncedRows(
  snapshot: Snapshot,
  desired: NodeDesired,
  reached: ReadonlySet<string>,
): readonly NotAnnouncedRow[] {
  const all = [...nodeRefusals(snapshot, desired), ...servicesRefused(snapshot, desired)];
  return all.filter(row => !(unasked.has(row.reason) && reached.has(`${row.from} ${row.what}`)));
}

/** Nobody asked for it: no answer worth a row where the address is announced another way. */
const unasked: ReadonlySet<Reason> = new Set([
  'no-service-selector',
  'no-advertisement',
  'service-not-selected',
  'address-type-not-advertised',
  'foreign-class',
  'no-l2-policy',
  'l2-kind-off',
  'node-not-selected',
]);

type About = Pick<NotAnnouncedRow, 'how' | 'instance' | 'what' | 'from' | 'to'>;

function refusedRow(node: string, about: Partial<About>, refusal: Refusal): NotAnnouncedRow {
  const { how = 'bgp', instance = '', what = '', from = '', to = [] } = about;
  const { fix } = reasons[refusal.reason];
  return { node, how, instance, what, from, to, reason: refusal.reason, message: Refusal.format(refusal), fix };
}

/** About the node, its instances and peers. Says nothing where no object speaks of BGP at all. */
function nodeRefusals(snapshot: Snapshot, { node, bgp }: NodeDesired): readonly NotAnnouncedRow[] {
  const kinds = ['CiliumBGPPeeringPolicy', 'CiliumBGPClusterConfig', 'CiliumBGPNodeConfig'] as const;
  const concerned = bgp.state === 'keep' || kinds.some(kind => snapshot.list(kind).length > 0);
  const row = (about: Partial<About>, refusal: Refusal) => refusedRow(node.name, about, refusal);
  return [
    ...(concerned ? bgp.refusals.map(refusal => row({}, refusal)) : []),
    ...bgp.instances.flatMap(({ plan }) => [
      ...plan.refusals.map(refusal => row({ instance: plan.name }, refusal)),
      ...plan.peers.flatMap(peer =>
        peer.refusals.map(refusal => row({ instance: plan.name, to: [peerText(peer)] }, refusal)),
      ),
      ...plan.routes.missing.map(({ what, from, reason, detail }) =>
        row({ instance: plan.name, what, from, to: peersOf(plan) }, { reason, detail }),
      ),
    ]),
  ];
}

function peersOf(plan: InstancePlan): readonly string[] {
  return plan.peers.filter(peer => peer.state !== 'skip').map(peerText);
}

function servicesRefused(snapshot: Snapshot, desired: NodeDesired): readonly NotAnnouncedRow[] {
  if (desired.bgp.instances.length === 0 && desired.l2.plan.policies.length === 0) return [];
  const inquiry = inquire(snapshot, desired);
  return snapshot.list('Service').flatMap(service => serviceNotAnnounced(inquiry, service));
}

/** What questions about Services are answered from; made once for many. */
interface Inquiry {
  readonly desired: NodeDesired;
  readonly backends: BackendIndex;
  readonly l2: ReadonlyMap<string, NodeL2Address>;
}

function inquire(snapshot: Snapshot, desired: NodeDesired): Inquiry {
  const backends = new BackendIndex();
  backends.update(snapshot);
  return { desired, backends, l2: new Map(desired.l2.addresses.map(each => [each.text, each])) };
}

/** Why addresses of this one Service are not announced from the node. */
function serviceNotAnnounced(inquiry: Inquiry, service: Service): readonly NotAnnouncedRow[] {
  const { bgp, l2, node } = inquiry.desired;
  const facts = serviceFacts(service);
  const from = `Service ${facts.key}`;
  const overBgp = bgp.instances.flatMap(({ plan }) =>
    serviceRefusals(plan, bgp.context, facts, inquiry.backends).map(refusal => {
      const to = refusal.peers.map(peerText);
      const what = refusal.address ?? refusal.type;
      return refusedRow(node.name, { instance: plan.name, what, from, to }, refusal);
    }),
  );
  return l2.plan.policies.length > 0 ? [...overBgp, ...l2Refused(inquiry, facts)] : overBgp;
}

function l2Refused({ desired, backends: index, l2: ours }: Inquiry, facts: ServiceFacts): readonly NotAnnouncedRow[] {
  const { node, l2 } = desired;
  const rows: NotAnnouncedRow[] = [];
  const backends = index.get(facts.key);
  const from = `Service ${facts.key}`;
  const refuseWith = (what: string, refusal: Refusal) =>
    void rows.push(refusedRow(node.name, { how: 'l2', what, from }, refusal));
  const refuse = (what: string, reason: Reason) =>
    refuseWith(what, { reason, detail: serviceDetail(reason, facts, backends) });
  const isLoadBalancer = facts.service.spec.type === 'LoadBalancer';
  if (!isLoadBalancer && facts.addresses.ExternalIP.length === 0) return rows;
  visitL2Service(l2.plan, facts, {
    announce: ({ text }, _, policies) => {
      const reason = nodeRefusal(l2.plan, policies, facts, backends, node.name);
      const here = ours.get(text);
      if (reason !== undefined) refuse(text, reason);
      else if (here === undefined) refuse(text, 'not-with-the-others');
      else if (here.refusal !== undefined) refuseWith(text, here.refusal);
    },
    refuse: (reason, type) => {
      const types = type === undefined ? (['LoadBalancerIP', 'ExternalIP'] as const) : [type];
      const texts = types.flatMap(each => facts.addresses[each].map(address => address.text));
      // An address that nobody gave is missed only where one is to be allocated.
      const missed = isLoadBalancer && types.includes('LoadBalancerIP') ? ['LoadBalancerIP'] : [];
      for (const what of texts.length > 0 ? texts : missed) refuse(what, reason);
    },
  });
  return rows;
}
