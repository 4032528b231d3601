/**
 * Services and CiliumLoadBalancerIPPools in the allocator's words: which Services are ours to serve, what each asks
 * for, and what in its annotations cannot be read (reference §2.9-2.11, §2.13).
 */
import type { CiliumLoadBalancerIPPool } from '../api/load-balancer-ip-pool.ts';
import type { LabelSelector } from '../api/selector.ts';
import type { Service } from '../api/service.ts';
import type { Claim } from '../ipam/claim.ts';
import type { Pool, PoolSelector } from '../ipam/pool.ts';
import type { SharingTerms } from '../ipam/sharing.ts';
import { type Family, IpAddress } from '../net/ip.ts';

export interface IpamSettings {
  /** Who serves a Service without a class: `--default-lb-service-ipam`. */
  readonly defaultLBServiceIPAM: 'lbipam' | 'nodeipam' | 'none';
  /** Families that the cluster has. */
  readonly families: Readonly<Record<Family, boolean>>;
  /** Whether Services of class io.cilium/bgp-control-plane, or io.cilium/l2-announcer, are ours. */
  readonly bgp: boolean;
  readonly l2: boolean;
}

export const ipamDefaults: IpamSettings = {
  defaultLBServiceIPAM: 'lbipam',
  families: { ipv4: true, ipv6: true },
  bgp: true,
  l2: true,
};

/** A Service as a claim, and what was left out because it cannot be read, a sentence each. */
export interface ReadClaim {
  readonly claim: Claim;
  readonly unreadable: readonly string[];
}

/** Each annotation with its old spelling, which counts where the new one is absent. */
const annotations = {
  ips: ['lbipam.cilium.io/ips', 'io.cilium/lb-ipam-ips'],
  sharingKey: ['lbipam.cilium.io/sharing-key', 'io.cilium/lb-ipam-sharing-key'],
  crossNamespace: ['lbipam.cilium.io/sharing-cross-namespace', 'io.cilium/lb-ipam-sharing-cross-namespace'],
  permitDifferentPods: ['lbipam.cilium.io/sharing-permit-different-pods'],
} as const;

/** What Go's strconv.ParseBool takes for true, and for false. */
const booleans: Readonly<Record<string, boolean>> = {
  ...Object.fromEntries(['1', 't', 'T', 'TRUE', 'true', 'True'].map(text => [text, true])),
  ...Object.fromEntries(['0', 'f', 'F', 'FALSE', 'false', 'False', ''].map(text => [text, false])),
};

const none: readonly never[] = [];
const onlyIpv4: readonly Family[] = ['ipv4'];
const onlyIpv6: readonly Family[] = ['ipv6'];

/** Unreadable items named in one condition; the rest are counted. */
const unreadableMax = 10;

/** Whether the Service is ours to serve. Of any other we never touch more than what we wrote ourselves. */
export function isOurs({ spec }: Service, settings: IpamSettings): boolean {
  if (spec.type !== 'LoadBalancer') return false;
  switch (spec.loadBalancerClass) {
    case undefined:
      return settings.defaultLBServiceIPAM === 'lbipam';
    case 'io.cilium/bgp-control-plane':
      return settings.bgp;
    case 'io.cilium/l2-announcer':
      return settings.l2;
    default:
      return false;
  }
}

export function readClaim(service: Service, settings: IpamSettings): ReadClaim {
  const { metadata, spec, status } = service;
  const unreadable: string[] = [];
  const claim: Claim = {
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    createdMs: metadata.creationMs,
    labels: service.selectorLabels,
    families: wantedFamilies(spec, settings.families),
    requested: requestedAddresses(service, unreadable),
    sharing: sharingTerms(service, unreadable),
    held: status.ingress,
  };
  const more = unreadable.length - unreadableMax;
  return { claim, unreadable: more > 0 ? [...unreadable.slice(0, unreadableMax), `and ${more} more`] : unreadable };
}

/** Reference §2.11. */
function wantedFamilies(
  { ipFamilyPolicy, ipFamilies }: Service['spec'],
  enabled: IpamSettings['families'],
): readonly Family[] {
  if (ipFamilyPolicy === undefined || ipFamilyPolicy === 'SingleStack') {
    if (ipFamilies.length > 0) return ipFamilies.length === 1 ? ipFamilies : ipFamilies.slice(0, 1);
    return enabled.ipv4 ? onlyIpv4 : enabled.ipv6 ? onlyIpv6 : none;
  }
  const all = (['ipv4', 'ipv6'] as const).filter(family => enabled[family]);
  if (ipFamilyPolicy === 'RequireDualStack' || ipFamilies.length === 0) return all;
  return all.filter(family => ipFamilies.includes(family));
}

function requestedAddresses(service: Service, unreadable: string[]): readonly IpAddress[] {
  const { loadBalancerIP } = service.spec;
  const { key, value } = annotation(service, annotations.ips);
  if (value === '') return loadBalancerIP === undefined ? none : [loadBalancerIP];
  const out = new Map<string, IpAddress>();
  if (loadBalancerIP !== undefined) out.set(IpAddress.format(loadBalancerIP), loadBalancerIP);
  for (const item of value.split(',').map(each => each.trim())) {
    const address = IpAddress.parse(item);
    if (address === undefined) unreadable.push(`${key}: '${shorten(item)}' is not an IP address`);
    else if (!out.has(IpAddress.format(address))) out.set(IpAddress.format(address), address);
  }
  return [...out.values()];
}

function sharingTerms(service: Service, unreadable: string[]): SharingTerms | undefined {
  const key = annotation(service, annotations.sharingKey).value;
  if (key === '') return undefined;
  const { metadata, spec } = service;
  const crossNamespace = annotation(service, annotations.crossNamespace).value;
  return {
    key,
    namespace: metadata.namespace,
    permits: crossNamespace
      .split(',')
      .map(item => item.trim())
      .filter(item => item !== ''),
    ports: [...new Set(spec.ports.map(({ protocol, port }) => `${protocol}/${port}`))],
    trafficPolicy: spec.externalTrafficPolicy,
    podSelector: canonical(spec.selector),
    permitDifferentPods: permitsDifferentPods(service, unreadable),
  };
}

function permitsDifferentPods(service: Service, unreadable: string[]): boolean {
  const { key, value } = annotation(service, annotations.permitDifferentPods);
  const on = Object.hasOwn(booleans, value) ? booleans[value] : undefined;
  if (on === undefined) unreadable.push(`${key}: '${shorten(value)}' is neither true nor false`);
  return on ?? false;
}

function annotation({ metadata: { annotations } }: Service, keys: readonly [string, ...string[]]) {
  for (const key of keys) {
    const value = annotations[key];
    if (value !== undefined && Object.hasOwn(annotations, key)) return { key, value };
  }
  return { key: keys[0], value: '' };
}

/** Equal text for equal label maps; empty for none. */
function canonical(labels: Readonly<Record<string, string>>): string {
  const entries = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length === 0 ? '' : JSON.stringify(entries);
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

export function readPool({ metadata, spec }: CiliumLoadBalancerIPPool): Pool {
  return {
    name: metadata.name,
    createdMs: metadata.creationMs,
    blocks: spec.blocks.map(({ range, prefix }) => ({ range, cidr: prefix !== undefined })),
    allowFirstLast: spec.allowFirstLastIPs,
    disabled: spec.disabled,
    selector: readSelector(spec.serviceSelector),
  };
}

function readSelector(selector: LabelSelector): PoolSelector {
  const requirements = selector.requirements === 'nothing' ? [] : selector.requirements;
  const only = requirements.find(({ operator, values }) => operator === 'In' && values.length === 1);
  const value = only?.values[0];
  return {
    key: JSON.stringify(selector.requirements),
    text: selector.text,
    anchor: only === undefined || value === undefined ? undefined : { key: only.key, value },
    matches: labels => selector.matches(labels),
  };
}
