/**
 * Why a Service's address is, or is not, at a router: the chain pool → address → policy → node → peer → what was sent,
 * link by link. At the first broken one the named reason and what to change. Asked for people; by the very rules that
 * allocate and announce.
 */
import type { Snapshot } from '../api/snapshot.ts';
import { Prefix } from '../net/prefix.ts';
import { attributesText } from './announced.ts';
import { BackendIndex } from './backends.ts';
import { type PeerPlan, peerText } from './bgp-plan.ts';
import { serviceRefusals } from './bgp-refusals.ts';
import type { Route } from './bgp-routes.ts';
import type { DesiredInstance, NodeDesired } from './desired.ts';
import type { ExplanationView } from './ipam-view.ts';
import { type LiveReason, liveReasons, Refusal, reasons } from './reason.ts';
import { type ServiceFacts, serviceFacts } from './service-address.ts';

export interface ExplainLink {
  readonly link: 'service' | 'pool' | 'address' | 'policy' | 'node' | 'peer' | 'sent' | 'l2';
  readonly ok: boolean;
  readonly text: string;
  /** A code that never changes, where the link is broken. */
  readonly reason?: string;
  readonly fix?: string;
}

export interface ServiceExplanation {
  /** `namespace/name`. */
  readonly service: string;
  /** What all nodes have in common. */
  readonly links: readonly ExplainLink[];
  readonly nodes: readonly {
    readonly node: string;
    /** Undefined: about the node as a whole. */
    readonly instance: string | undefined;
    readonly links: readonly ExplainLink[];
  }[];
  /** Somebody is told, or would be. */
  readonly reached: boolean;
}

/** What a running speaker knows about one peer and one prefix. */
export interface Told {
  readonly state: string;
  /** `2m05s`. */
  readonly up: string;
  readonly lastError: string | undefined;
  /** The families that session carries. */
  readonly families: readonly string[];
  /** What was sent, in words, and since when; undefined while nothing was. */
  readonly sent: { readonly text: string; readonly since: string } | undefined;
}

export interface ExplainInput {
  readonly snapshot: Snapshot;
  readonly namespace: string;
  readonly name: string;
  /** Undefined where this process does not allocate. */
  readonly ipam: ExplanationView | undefined;
  readonly nodes: readonly NodeDesired[];
  /** Undefined where nothing runs: then it is said what would be. */
  readonly told?: (instance: string, peer: string, prefix: Prefix) => Told | undefined;
  /** Who answers for an address on the local network; undefined where nothing runs, or nobody is to answer. */
  readonly answering?: (address: string) => Answering | undefined;
}

/** What a running node knows about one address of the local network. */
export interface Answering {
  /** Who answers, on what, since when; undefined: nobody. */
  readonly text: string | undefined;
  /** Why this node does not, where nobody does. */
  readonly reason: LiveReason;
  readonly detail: string;
}

/** Undefined when there is no such Service. */
export function explainServiceRoutes(input: ExplainInput): ServiceExplanation | undefined {
  const { snapshot, namespace, name } = input;
  const service = snapshot.get('Service', namespace, name);
  if (service === undefined) return undefined;
  const facts = serviceFacts(service);
  const links = commonLinks(facts, input.ipam);
  const backends = new BackendIndex();
  backends.update(snapshot);
  const whole = links.every(link => link.ok || link.link === 'pool');
  const nodes = whole ? input.nodes.flatMap(desired => nodeChains(desired, facts, backends, input)) : [];
  const told = input.told === undefined ? 'node' : 'sent';
  const reached = nodes.some(each => each.links.some(link => link.ok && (link.link === told || link.link === 'l2')));
  return { service: facts.key, links, nodes, reached };
}

function commonLinks(facts: ServiceFacts, ipam: ExplanationView | undefined): readonly ExplainLink[] {
  const { spec } = facts.service;
  const loadBalancerClass = spec.loadBalancerClass === undefined ? [] : [`class ${spec.loadBalancerClass}`];
  const policies = [`externalTrafficPolicy ${spec.externalTrafficPolicy}`];
  const links: ExplainLink[] = [good('service', [`type ${spec.type}`, ...loadBalancerClass, ...policies].join(', '))];
  if (ipam !== undefined && spec.type === 'LoadBalancer') links.push(...poolLinks(ipam));
  const addresses = Object.entries(facts.addresses).flatMap(([type, all]) =>
    all.map(({ text }) => `${text} (${type})`),
  );
  const pending = ipam?.held.length && facts.addresses.LoadBalancerIP.length === 0 ? ', not in its status yet' : '';
  links.push(
    addresses.length > 0
      ? good('address', addresses.join(', ') + pending)
      : broken('address', Refusal.of('no-address')),
  );
  return links;
}

function poolLinks({ notOurs, held, refusals, pools }: ExplanationView): readonly ExplainLink[] {
  const fix = 'see `herald ipam explain`';
  if (notOurs !== undefined) return [{ link: 'pool', ok: false, text: notOurs, reason: 'not-ours', fix }];
  const gives = held.map(({ address, pool, sharedWith }) => {
    const shared = sharedWith.length === 0 ? '' : `, shared with ${sharedWith.join(', ')}`;
    return good('pool', `${pool ?? 'a pool that cannot be read'} gives ${address}${shared}`);
  });
  const answers = pools.map(each => `${each.pool} ${each.text}`).join('; ');
  const lacks = refusals.map(({ reason, message, details }): ExplainLink => {
    const text = [message, ...details, ...(answers === '' ? [] : [`pools: ${answers}`])].join('; ');
    return { link: 'pool', ok: false, text, reason, fix };
  });
  return [...gives, ...lacks];
}

function nodeChains(
  desired: NodeDesired,
  facts: ServiceFacts,
  backends: BackendIndex,
  input: ExplainInput,
): ServiceExplanation['nodes'] {
  const { node, bgp } = desired;
  const about = { node: node.name, instance: undefined };
  const l2 = l2Links(desired, facts, input.answering);
  const chains = bgp.instances.map(instance => ({
    node: node.name,
    instance: instance.plan.name,
    links: instanceLinks(desired, instance, facts, backends, input.told),
  }));
  const refused = bgp.instances.length > 0 ? [] : bgp.refusals.map(refusal => broken('policy', refusal));
  const whole = [...(l2.length > 0 && bgp.source === undefined ? [] : refused), ...l2];
  return whole.length > 0 ? [{ ...about, links: whole }, ...chains] : chains;
}

function instanceLinks(
  { bgp }: NodeDesired,
  { plan, routes }: DesiredInstance,
  facts: ServiceFacts,
  backends: BackendIndex,
  told: ExplainInput['told'],
): readonly ExplainLink[] {
  const source = bgp.source === undefined ? '' : `${bgp.source.kind} ${bgp.source.name}`;
  const links: ExplainLink[] = plan.refusals.map(refusal => broken('policy', refusal));
  const ours = routes.filter(route =>
    route.claims.some(claim => claim.source.kind === 'service' && claim.source.service === facts.key),
  );
  const rules = new Set(
    ours.flatMap(route =>
      route.claims.flatMap(({ source: of, grant }) =>
        of.kind === 'service' && of.service === facts.key ? [grant.from] : [],
      ),
    ),
  );
  const from = [...rules].filter(rule => rule !== source && !rule.startsWith(`${source},`));
  if (ours.length > 0)
    links.push(good('policy', [source, ...rules].slice(from.length === rules.size ? 0 : 1).join('; ')));
  const peers = new Map(plan.peers.map(peer => [peer.key, peer]));
  for (const route of ours) links.push(...routeLinks(plan.name, route, peers, told));
  const skipped = plan.peers.filter(peer => peer.state !== 'run');
  for (const peer of skipped)
    for (const refusal of peer.refusals)
      links.push({ ...broken('peer', refusal), text: `${peerText(peer)}: ${Refusal.format(refusal)}` });
  for (const refusal of serviceRefusals(plan, bgp.context, facts, backends)) {
    const to = refusal.peers.length === 0 ? '' : ` to ${refusal.peers.map(peerText).join(', ')}`;
    const text = `${refusal.address ?? refusal.type} is not announced${to}: ${Refusal.format(refusal)}`;
    links.push({ ...broken(linkOf(refusal), refusal), text });
  }
  return links;
}

/** Where in the chain a reason belongs. */
function linkOf({ reason }: Refusal): ExplainLink['link'] {
  const policy = ['no-service-selector', 'no-advertisement', 'service-not-selected', 'address-type-not-advertised'];
  if (policy.includes(reason)) return 'policy';
  if (['family-not-negotiated', 'no-peers'].includes(reason)) return 'peer';
  return reason === 'no-address' || reason === 'headless' ? 'address' : 'node';
}

function routeLinks(
  instance: string,
  { prefix, announcements }: Route,
  peers: ReadonlyMap<string, PeerPlan>,
  told: ExplainInput['told'],
): readonly ExplainLink[] {
  return announcements.flatMap(said => {
    const attributes = attributesText(said);
    const keys = said.peers ?? [...peers.keys()];
    const names = keys.map(key => peers.get(key)).flatMap(peer => (peer === undefined ? [] : [peerText(peer)]));
    const what = Prefix.format(prefix) + (attributes === '' ? '' : ` with ${attributes}`);
    const links: ExplainLink[] = [good('node', `announces ${what} to ${names.join(', ')}`)];
    if (told === undefined) return links;
    for (const key of keys) {
      const peer = peers.get(key);
      if (peer !== undefined) links.push(...peerLinks(peer, prefix, told(instance, key, prefix)));
    }
    return links;
  });
}

function peerLinks(peer: PeerPlan, prefix: Prefix, told: Told | undefined): readonly ExplainLink[] {
  const name = peerText(peer);
  if (told === undefined) return [live('peer', 'session-down', `${name}: not started`)];
  if (told.state !== 'established') {
    const why = told.lastError === undefined ? '' : `; ${told.lastError}`;
    return [live('peer', 'session-down', `${name}: ${told.state}${why}`)];
  }
  const up = good('peer', `${name}: established for ${told.up}`);
  if (told.sent !== undefined)
    return [up, good('sent', `${Prefix.format(prefix)} to ${peer.key}: ${told.sent.text}; since ${told.sent.since}`)];
  const agreed = told.families.some(family => family.startsWith(prefix.address.family));
  const reason = agreed ? 'not-sent-yet' : 'family-not-agreed';
  return [up, live('sent', reason, `${Prefix.format(prefix)} to ${peer.key}: ${liveReasons[reason].sentence}`)];
}

function l2Links(
  { l2 }: NodeDesired,
  facts: ServiceFacts,
  answering: ExplainInput['answering'],
): readonly ExplainLink[] {
  const ours = l2.addresses.filter(each => each.services.includes(facts.key));
  return ours.flatMap(({ text, refusal, links }) => {
    const on = links === undefined || links.length === 0 ? 'the local network' : links.join(', ');
    const may = refusal === undefined ? good('node', `may answer for ${text} on ${on}`) : broken('node', refusal);
    const now = answering?.(text);
    if (now === undefined) return [refusal === undefined ? good('l2', `may answer for ${text} on ${on}`) : may];
    if (now.text !== undefined) return [may, good('l2', now.text)];
    const why =
      now.detail === '' ? liveReasons[now.reason].sentence : `${liveReasons[now.reason].sentence}: ${now.detail}`;
    return [may, live('l2', now.reason, `${text}: ${why}`)];
  });
}

function good(link: ExplainLink['link'], text: string): ExplainLink {
  return { link, ok: true, text };
}

function broken(link: ExplainLink['link'], refusal: Refusal): ExplainLink {
  const { reason } = refusal;
  return { link, ok: false, text: Refusal.format(refusal), reason, fix: reasons[reason].fix };
}

function live(link: ExplainLink['link'], reason: LiveReason, text: string): ExplainLink {
  return { link, ok: false, text, reason, fix: liveReasons[reason].fix };
}
