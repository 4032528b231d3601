/**
 * What a person wants to see of one node: what is announced, to whom and with which attributes, and what is not, with the reason.
 * Rows of plain text, for tables and for JSON; no secret ever gets here.
 */
import type { Snapshot } from '../api/snapshot.ts';
import type { Announcement } from '../bgp/announcement.ts';
import { LargeCommunity, StandardCommunity } from '../bgp/community.ts';
import { Prefix } from '../net/prefix.ts';
import { BackendIndex } from './backends.ts';
import type { InstancePlan, PeerPlan, RouteSource } from './bgp-plan.ts';
import { serviceDetail, serviceRefusals } from './bgp-refusals.ts';
import type { DesiredInstance, NodeDesired } from './desired.ts';
import type { InterfaceChoice } from './l2-node.ts';
import { nodeRefusal, visitL2Service } from './l2-plan.ts';
import { type Reason, Refusal, reasons } from './reason.ts';
import { type ServiceFacts, serviceFacts } from './service-address.ts';

export interface AnnouncedRow {
  readonly node: string;
  readonly how: 'bgp' | 'l2';
  /** BGP: the instance. */
  readonly instance: string;
  /** A prefix over BGP, an address on the local network. */
  readonly what: string;
  /** `Service default/web LoadBalancerIP`, `PodCIDR`, `CiliumPodIPPool blue`, `Interface lo`. */
  readonly from: readonly string[];
  /** Peers, or interfaces. */
  readonly to: readonly string[];
  /** In words; empty when there is nothing to say. */
  readonly attributes: string;
}

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

export interface AnnouncedView {
  readonly announced: readonly AnnouncedRow[];
  readonly notAnnounced: readonly NotAnnouncedRow[];
}

export function announcedView(snapshot: Snapshot, desired: NodeDesired): AnnouncedView {
  const announced = [...desired.bgp.instances.flatMap(each => bgpRows(desired, each)), ...l2Rows(desired)];
  const refused = [...nodeRefusals(snapshot, desired), ...servicesRefused(snapshot, desired)];
  const reached = reachedAddresses(desired);
  const notAnnounced = refused.filter(row => !(unasked.has(row.reason) && reached.has(`${row.from} ${row.what}`)));
  return { announced, notAnnounced };
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

/** `Service namespace/name address` of what is announced one way or another. */
function reachedAddresses({ bgp, l2 }: NodeDesired): ReadonlySet<string> {
  const claims = bgp.instances.flatMap(each => each.routes).flatMap(route => route.claims);
  const overBgp = claims.flatMap(({ source }) =>
    source.kind === 'service' ? [`Service ${source.service} ${source.address}`] : [],
  );
  const overL2 = l2.addresses.flatMap(({ services, text }) => services.map(service => `Service ${service} ${text}`));
  return new Set([...overBgp, ...overL2]);
}

function bgpRows({ node }: NodeDesired, { plan, routes }: DesiredInstance): readonly AnnouncedRow[] {
  const peers = new Map(plan.peers.map(peer => [peer.key, peerText(peer)]));
  return routes.flatMap(({ prefix, claims, announcements }) =>
    announcements.map(said => ({
      node: node.name,
      how: 'bgp' as const,
      instance: plan.name,
      what: Prefix.format(prefix),
      from: [...new Set(claims.map(claim => sourceText(claim.source)))],
      to: (said.peers ?? []).map(key => peers.get(key) ?? key),
      attributes: attributesText(said),
    })),
  );
}

function l2Rows({ node, l2 }: NodeDesired): readonly AnnouncedRow[] {
  return l2.addresses
    .filter(({ interfaces }) => interfaces.links?.length !== 0)
    .map(({ text, services, interfaces, candidates }) => ({
      node: node.name,
      how: 'l2' as const,
      instance: '',
      what: text,
      from: services.map(service => `Service ${service}`),
      to: interfacesText(interfaces),
      attributes: candidates.names.length > 1 ? `one of ${candidates.names.join(', ')}` : '',
    }));
}

function sourceText(source: RouteSource): string {
  switch (source.kind) {
    case 'service':
      return `Service ${source.service}`;
    case 'pod-cidr':
      return 'PodCIDR';
    case 'pod-pool':
      return `CiliumPodIPPool ${source.pool}`;
    case 'interface':
      return `Interface ${source.link}`;
  }
}

/** `tor1 10.0.0.1 (AS 65000)`. */
export function peerText({ key, remoteText, asn }: PeerPlan): string {
  const name = key === remoteText || remoteText === '' ? key : `${key} ${remoteText}`;
  return `${name} (${asn === 0 ? 'any AS' : `AS ${asn}`})`;
}

export function attributesText(said: Announcement): string {
  const parts: string[] = [];
  const list = (name: string, values: readonly string[]) =>
    values.length > 0 && parts.push(`${name} ${values.join(' ')}`);
  list('communities', (said.communities ?? []).map(StandardCommunity.format));
  list('large communities', (said.largeCommunities ?? []).map(LargeCommunity.format));
  if (said.localPref !== undefined) parts.push(`local preference ${said.localPref}`);
  return parts.join(', ');
}

function interfacesText({ expressions, links }: InterfaceChoice): readonly string[] {
  return links ?? expressions?.map(expression => `interfaces matching ${expression}`) ?? ['every interface'];
}

type About = Pick<NotAnnouncedRow, 'how' | 'instance' | 'what' | 'from' | 'to'>;

function refusedRow(node: string, about: Partial<About>, refusal: Refusal): NotAnnouncedRow {
  const { how = 'bgp', instance = '', what = '', from = '', to = [] } = about;
  const { fix } = reasons[refusal.reason];
  return { node, how, instance, what, from, to, reason: refusal.reason, message: Refusal.format(refusal), fix };
}

/** About the node, its instances and peers. Says nothing where no object speaks of BGP at all. */
function nodeRefusals(snapshot: Snapshot, { node, bgp }: NodeDesired): readonly NotAnnouncedRow[] {
  const kinds = ['CiliumBGPPeeringPolicy', 'CiliumBGPClusterConfig', 'CiliumBGPNodeConfig'] as const;
  const concerned = snapshot.faulty.length > 0 || kinds.some(kind => snapshot.list(kind).length > 0);
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
  const { bgp, l2, node } = desired;
  if (bgp.instances.length === 0 && l2.plan.policies.length === 0) return [];
  const backends = new BackendIndex();
  backends.update(snapshot);
  return snapshot.list('Service').flatMap(service => {
    const facts = serviceFacts(service);
    const from = `Service ${facts.key}`;
    const overBgp = bgp.instances.flatMap(({ plan }) =>
      serviceRefusals(plan, bgp.context, facts, backends.get(facts.key)).map(refusal => {
        const to = refusal.peers.map(peerText);
        const what = refusal.address ?? refusal.type;
        return refusedRow(node.name, { instance: plan.name, what, from, to }, refusal);
      }),
    );
    return [...overBgp, ...(l2.plan.policies.length > 0 ? l2Refused(desired, facts, backends) : [])];
  });
}

function l2Refused({ node, l2 }: NodeDesired, facts: ServiceFacts, index: BackendIndex): readonly NotAnnouncedRow[] {
  const rows: NotAnnouncedRow[] = [];
  const backends = index.get(facts.key);
  const from = `Service ${facts.key}`;
  const refuse = (what: string, reason: Reason) => {
    const detail = serviceDetail(reason, facts, backends);
    rows.push(refusedRow(node.name, { how: 'l2', what, from }, { reason, detail }));
  };
  const wanted = facts.service.spec.type === 'LoadBalancer' || facts.addresses.ExternalIP.length > 0;
  if (!wanted) return rows;
  const ours = new Map(l2.addresses.map(each => [each.text, each]));
  visitL2Service(l2.plan, facts, {
    announce: ({ text }, _, policies) => {
      const reason = nodeRefusal(l2.plan, policies, facts, backends, node.name);
      const here = ours.get(text);
      if (reason !== undefined) refuse(text, reason);
      else if (here === undefined) refuse(text, 'not-with-the-others');
      else if (here.interfaces.links?.length === 0) refuse(text, 'no-interface');
    },
    refuse: (reason, type) => {
      const types = type === undefined ? (['LoadBalancerIP', 'ExternalIP'] as const) : [type];
      const texts = types.flatMap(each => facts.addresses[each].map(address => address.text));
      if (type === 'ExternalIP' && texts.length === 0) return;
      if (type === 'LoadBalancerIP' && facts.service.spec.type !== 'LoadBalancer') return;
      for (const what of texts.length > 0 ? texts : ['LoadBalancerIP']) refuse(what, reason);
    },
  });
  return rows;
}
