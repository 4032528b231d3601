/**
 * A CiliumBGPPeeringPolicy in the words of the second API (the mapping of reference §1.4), and what those words cannot
 * say. The objects do the same on every node as far as they go; path attributes chosen by pool have no counterpart and
 * are listed.
 */
import type { AddressFamily, PathAttributes } from '../api/bgp-attributes.ts';
import type { AdvertisedPathAttributes, CiliumBGPPeeringPolicy, VirtualRouter } from '../api/bgp-peering-policy.ts';
import type { Node } from '../api/node.ts';
import type { RawObject } from '../api/object.ts';
import { LabelSelector } from '../api/selector.ts';
import { LargeCommunity, type StandardCommunity } from '../bgp/community.ts';
import { IpAddress } from '../net/ip.ts';

export interface Migration {
  /** In an order in which they can be applied. */
  readonly objects: readonly RawObject[];
  /** What does not translate, or is different afterwards, a sentence each. */
  readonly notes: readonly string[];
}

const api = 'cilium.io/v2';
/** Advertisements and the families that select them meet in this label. */
const label = 'advertise';

type Neighbor = VirtualRouter['neighbors'][number];

/** `nodes`: those whose annotations count; none are needed. */
export function migratePolicy(policy: CiliumBGPPeeringPolicy, nodes: readonly Node[]): Migration {
  const { name } = policy.metadata;
  const notes: string[] = [];
  const advertisements: RawObject[] = [];
  const configs = new PeerConfigs(name);
  const instances = policy.spec.virtualRouters.map(router => {
    if (router.localASN === 0) notes.push('localASN 0 is refused there: give the instance its AS number');
    const base = `${name}-${router.localASN}`;
    const shared = advertisement(base, entries(router));
    if (shared !== undefined) advertisements.push(shared);
    const peers = router.neighbors.map(neighbor => {
      const address = IpAddress.format(neighbor.peerAddress);
      const own = ownEntries(router, neighbor, `neighbor ${address} of AS ${router.localASN}`, notes);
      const ownName = `${base}-${named(address)}`;
      const extra = own.length === 0 ? undefined : advertisement(ownName, own);
      if (extra !== undefined) advertisements.push(extra);
      const told = [...(shared === undefined ? [] : [base]), ...(extra === undefined ? [] : [ownName])];
      const peerConfigRef = { name: configs.nameFor(peerSpec(neighbor, told)) };
      noteFamilies(neighbor, address, notes);
      const { peerASN } = neighbor;
      return { name: `peer-${peerASN}-${named(address)}`, peerASN, peerAddress: address, peerConfigRef };
    });
    return { name: instanceName(router), localASN: router.localASN, peers };
  });
  const cluster = {
    apiVersion: api,
    kind: 'CiliumBGPClusterConfig',
    metadata: { name },
    spec: { nodeSelector: selector(policy.spec.nodeSelector), bgpInstances: instances },
  };
  const overrides = nodeOverrides(policy, nodes);
  notes.push(
    `delete CiliumBGPPeeringPolicy ${name} once these objects are there: until then it decides`,
    'sessions end once when the objects of the second API take over',
  );
  return { objects: [...advertisements, ...configs.objects(), ...overrides, cluster], notes };
}

/** The same settings are one object, however many neighbors have them. */
class PeerConfigs {
  readonly #policy: string;
  readonly #specs = new Map<string, { readonly name: string; readonly spec: RawObject }>();

  constructor(policy: string) {
    this.#policy = policy;
  }

  nameFor(spec: RawObject): string {
    const key = JSON.stringify(spec);
    const number = this.#specs.size + 1;
    const known = this.#specs.get(key) ?? { name: number === 1 ? this.#policy : `${this.#policy}-${number}`, spec };
    this.#specs.set(key, known);
    return known.name;
  }

  objects(): readonly RawObject[] {
    return [...this.#specs.values()].map(({ name, spec }) => ({
      apiVersion: api,
      kind: 'CiliumBGPPeerConfig',
      metadata: { name },
      spec,
    }));
  }
}

function peerSpec(neighbor: Neighbor, told: readonly string[]): RawObject {
  const { timers, gracefulRestart, peerPort, authSecretRef, eBGPMultihopTTL } = neighbor;
  const [only] = told;
  const chosen =
    told.length === 1
      ? { matchLabels: { [label]: only } }
      : { matchExpressions: [{ key: label, operator: 'In', values: told }] };
  return {
    transport: { peerPort },
    timers: { ...timers },
    ...(authSecretRef === undefined ? {} : { authSecretRef }),
    ...(gracefulRestart.enabled ? { gracefulRestart: { ...gracefulRestart } } : {}),
    ebgpMultihop: eBGPMultihopTTL,
    families: neighbor.families.map(({ afi, safi }) => ({
      afi,
      safi,
      ...(told.length === 0 ? {} : { advertisements: chosen }),
    })),
  };
}

/** What the router announces to all its neighbors. */
function entries(router: VirtualRouter, attributes?: RawObject): readonly RawObject[] {
  const { serviceSelector, serviceAdvertisements, podIPPoolSelector, exportPodCIDR } = router;
  const with_ = attributes === undefined ? {} : { attributes };
  return [
    ...(exportPodCIDR ? [{ advertisementType: 'PodCIDR', ...with_ }] : []),
    ...(podIPPoolSelector.requirements === 'nothing'
      ? []
      : [{ advertisementType: 'CiliumPodIPPool', selector: selector(podIPPoolSelector), ...with_ }]),
    ...(serviceSelector.requirements === 'nothing'
      ? []
      : [
          {
            advertisementType: 'Service',
            service: { addresses: [...serviceAdvertisements] },
            selector: selector(serviceSelector),
            ...with_,
          },
        ]),
  ];
}

/** The same routes again, with attributes for one neighbor: statements on one prefix add up. */
function ownEntries(router: VirtualRouter, neighbor: Neighbor, who: string, notes: string[]): readonly RawObject[] {
  return neighbor.advertisedPathAttributes.flatMap(each => attributedEntries(router, each, who, notes));
}

function attributedEntries(
  router: VirtualRouter,
  said: AdvertisedPathAttributes,
  who: string,
  notes: string[],
): readonly RawObject[] {
  const all = entries(router, attributesOf(said));
  const isAll = said.selector.requirements !== 'nothing' && said.selector.requirements.length === 0;
  const of = (type: string) => all.filter(entry => entry['advertisementType'] === type);
  switch (said.selectorType) {
    case 'PodCIDR':
      if (!isAll) notes.push(untranslated(who, said, 'advertisements of PodCIDRs have no selector on nodes'));
      return isAll ? of('PodCIDR') : [];
    case 'CiliumPodIPPool': {
      const chosen = selector(both(router.podIPPoolSelector, said.selector));
      return of('CiliumPodIPPool').map(entry => ({ ...entry, selector: chosen }));
    }
    case 'CiliumLoadBalancerIPPool':
      if (!isAll) {
        const why = 'attributes are chosen by Service there: give the Services of the pool a label and select that';
        notes.push(untranslated(who, said, why));
        return [];
      }
      if (!router.serviceAdvertisements.includes('LoadBalancerIP')) {
        notes.push(untranslated(who, said, 'they would announce the pool’s addresses, which the router does not'));
        return [];
      }
      if (router.serviceAdvertisements.some(type => type !== 'LoadBalancerIP'))
        notes.push(`${who}: the attributes of pool addresses are now only on LoadBalancerIP addresses`);
      return of('Service').map(entry => ({ ...entry, service: { addresses: ['LoadBalancerIP'] } }));
  }
}

function untranslated(who: string, { selectorType, selector: chosen }: AdvertisedPathAttributes, why: string): string {
  return `${who}: advertisedPathAttributes for ${selectorType} where ${chosen.text} are left out; ${why}`;
}

function attributesOf({ communities, largeCommunities, localPreference }: PathAttributes): RawObject {
  const standard = communities.map(numbers);
  const large = largeCommunities.map(LargeCommunity.format);
  const lists = { ...(standard.length > 0 && { standard }), ...(large.length > 0 && { large }) };
  return {
    ...(standard.length + large.length > 0 && { communities: lists }),
    ...(localPreference !== undefined && { localPreference }),
  };
}

/** Manifests write numbers; names are for people. */
function numbers(community: StandardCommunity): string {
  return `${community >>> 16}:${community & 0xffff}`;
}

function noteFamilies({ families }: Neighbor, address: string, notes: string[]): void {
  const isUsed = ({ afi, safi }: AddressFamily) => (afi === 'ipv4' || afi === 'ipv6') && safi === 'unicast';
  const unused = families.filter(each => !isUsed(each)).map(({ afi, safi }) => `${afi}/${safi}`);
  if (unused.length > 0) notes.push(`neighbor ${address}: families without effect are kept: ${unused.join(', ')}`);
}

function nodeOverrides({ spec }: CiliumBGPPeeringPolicy, nodes: readonly Node[]): readonly RawObject[] {
  return nodes
    .filter(node => spec.nodeSelector.matches(node.metadata.labels))
    .flatMap(({ metadata, virtualRouters }) => {
      const bgpInstances = spec.virtualRouters.flatMap(router => {
        const said = virtualRouters.findLast(each => each.localASN === router.localASN);
        if (said?.routerID === undefined && said?.localPort === undefined) return [];
        const { routerID, localPort } = said;
        return [
          {
            name: instanceName(router),
            ...(routerID === undefined ? {} : { routerID: IpAddress.format(routerID) }),
            ...(localPort === undefined ? {} : { localPort }),
          },
        ];
      });
      if (bgpInstances.length === 0) return [];
      const about = { apiVersion: api, kind: 'CiliumBGPNodeConfigOverride', metadata: { name: metadata.name } };
      return [{ ...about, spec: { bgpInstances } }];
    });
}

function advertisement(name: string, all: readonly RawObject[]): RawObject | undefined {
  if (all.length === 0) return undefined;
  const metadata = { name, labels: { [label]: name } };
  return { apiVersion: api, kind: 'CiliumBGPAdvertisement', metadata, spec: { advertisements: all } };
}

function instanceName({ localASN }: VirtualRouter): string {
  return `as${localASN}`;
}

/** An address as a part of a name. */
function named(address: string): string {
  return address.replaceAll(/[.:]+/g, '-').replaceAll(/^-|-$/g, '').toLowerCase();
}

function both(a: LabelSelector, b: LabelSelector): LabelSelector {
  if (a.requirements === 'nothing' || b.requirements === 'nothing') return LabelSelector.nothing;
  const said = new Map([...a.requirements, ...b.requirements].map(each => [JSON.stringify(each), each]));
  return LabelSelector.of([...said.values()]);
}

/** As a person would write it: one value for a key under matchLabels. */
function selector({ requirements }: LabelSelector): RawObject {
  if (requirements === 'nothing') return {};
  const keys = requirements.map(each => each.key);
  const isPlain = (key: string, operator: string, values: readonly string[]) =>
    operator === 'In' && values.length === 1 && keys.indexOf(key) === keys.lastIndexOf(key);
  const plain = requirements.filter(each => isPlain(each.key, each.operator, each.values));
  const others = requirements.filter(each => !plain.includes(each));
  return {
    ...(plain.length > 0 && { matchLabels: Object.fromEntries(plain.map(each => [each.key, each.values[0]])) }),
    ...(others.length > 0 && {
      matchExpressions: others.map(({ key, operator, values }) => ({
        key,
        operator,
        ...(values.length > 0 && { values: [...values] }),
      })),
    }),
  };
}
