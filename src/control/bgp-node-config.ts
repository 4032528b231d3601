/**
 * The second BGP API on the node's side: a CiliumBGPNodeConfig (written by the operator or by hand) with the
 * CiliumBGPPeerConfigs and CiliumBGPAdvertisements it leads to. Reference §1.4, §2.3-2.6.
 */
import type { BgpNodeInstance, BgpNodePeer, CiliumBGPNodeConfig } from '../api/bgp-node-config.ts';
import type { CiliumBGPPeerConfigSpec } from '../api/bgp-peer-config.ts';
import { LabelSelector } from '../api/selector.ts';
import type { Snapshot } from '../api/snapshot.ts';
import type { Remote } from '../bgp/config.ts';
import { type Family, IpAddress, type ZonedAddress } from '../net/ip.ts';
import { planAdvertisements, type Speaking } from './bgp-advertisement.ts';
import { planPeer, unplanned, usableFamilies } from './bgp-peer.ts';
import type { InstancePlan, PeerPlan } from './bgp-plan.ts';
import { isAnnounceable, type NodeInputs, routerIdOf } from './node.ts';
import { type Reason, Refusal } from './reason.ts';
import { HostFacts } from './settings.ts';

export function planNodeConfig(config: CiliumBGPNodeConfig, inputs: NodeInputs): readonly InstancePlan[] {
  return config.spec.bgpInstances.map(instance => planInstance(instance, inputs));
}

function planInstance(instance: BgpNodeInstance, inputs: NodeInputs): InstancePlan {
  const refusals: Refusal[] = [];
  if (instance.localASN === undefined) refusals.push(Refusal.of('no-local-asn', instance.name));
  for (const peer of instance.peers)
    if (peer.peerASN === undefined) refusals.push(Refusal.of('peer-without-asn', peer.name));
  const planned = withoutTwins(instance.peers.map(peer => planNodePeer(peer, instance.localASN ?? 0, inputs)));
  const routerId = instance.routerID ?? inputs.node.ipv4;
  return {
    name: instance.name,
    localAsn: instance.localASN,
    routerId: routerId === undefined ? madeUpRouterId(inputs.node.name) : routerIdOf(routerId),
    listenPort: instance.localPort,
    refusals,
    peers: planned.map(each => each.plan),
    routes: planAdvertisements(planned, inputs),
  };
}

/** A second peer at one address would fight the first over its connections. */
function withoutTwins(peers: readonly Speaking[]): readonly Speaking[] {
  const seen = new Set<string>();
  return peers.map(each => {
    const { state, remoteText: text } = each.plan;
    if (state === 'skip' || text === '') return each;
    if (seen.has(text)) return { ...each, plan: unplanned(each.plan, 'skip', [Refusal.of('duplicate-peer', text)]) };
    seen.add(text);
    return each;
  });
}

/** FNV-1a of the node's name: a node without an IPv4 address still needs 32 bits that are its own (RFC 6286 §2.1). */
function madeUpRouterId(nodeName: string): number {
  let hash = 0x811c9dc5;
  for (const octet of new TextEncoder().encode(nodeName)) hash = Math.imul(hash ^ octet, 0x01000193);
  return hash >>> 0 || 1;
}

/** A peer without a reference gets a session over which nothing is said. */
const defaultSpec: CiliumBGPPeerConfigSpec = {
  transport: { peerPort: 179, sourceInterface: undefined },
  timers: { connectRetryTimeSeconds: 120, holdTimeSeconds: 90, keepAliveTimeSeconds: 30 },
  authSecretRef: undefined,
  gracefulRestart: { enabled: false, restartTimeSeconds: 120 },
  ebgpMultihop: 1,
  families: (['ipv6', 'ipv4'] as const).map(afi => ({
    afi,
    safi: 'unicast',
    advertisements: LabelSelector.nothing,
  })),
  bfd: { enabled: false, transmitIntervalMilliseconds: 300, receiveIntervalMilliseconds: 300, detectionMultiplier: 3 },
};

function planNodePeer(peer: BgpNodePeer, localAsn: number, inputs: NodeInputs): Speaking {
  const spec = specOf(peer, inputs.snapshot);
  const remote = remoteOf(peer, inputs.host);
  const base = { key: peer.name, remoteText: remoteText(peer, remote), asn: peer.peerASN ?? 0 };
  if (typeof spec === 'string') {
    const refusals = [Refusal.of(spec, peer.peerConfigRef)];
    const state = spec === 'no-peer-config' ? 'skip' : 'keep';
    return { plan: unplanned({ ...base, families: [] }, state, refusals), families: [] };
  }
  const { families } = spec;
  if (peer.peerASN === undefined)
    return { plan: unplanned({ ...base, families: usableFamilies(families) }, 'keep', []), families };
  const skipped = (reason: Reason, detail = ''): PeerPlan =>
    unplanned({ ...base, families: usableFamilies(families) }, 'skip', [Refusal.of(reason, detail)]);
  if (typeof remote === 'string') return { plan: skipped(remote), families };
  const local = localAddressOf(peer, spec, remote, inputs.host);
  if (local === 'no-source-address') return { plan: skipped(local, spec.transport.sourceInterface), families };
  const about = { ...base, remote, localAsn, port: spec.transport.peerPort, localAddress: local };
  const { timers, gracefulRestart, authSecretRef, ebgpMultihop: multihopTtl } = spec;
  const how = { timers, gracefulRestart, families, authSecretRef, multihopTtl };
  const plan = planPeer({ ...about, ...how }, inputs.snapshot, inputs.settings);
  if (!spec.bfd.enabled) return { plan, families };
  return { plan: { ...plan, refusals: [...plan.refusals, Refusal.of('bfd-not-active')] }, families };
}

function specOf(
  { peerConfigRef: name }: BgpNodePeer,
  snapshot: Snapshot,
): CiliumBGPPeerConfigSpec | 'no-peer-config' | 'peer-config-refused' {
  if (name === undefined) return defaultSpec;
  const config = snapshot.get('CiliumBGPPeerConfig', '', name);
  if (config !== undefined) return config.spec;
  return isRefused(snapshot, 'CiliumBGPPeerConfig', name) ? 'peer-config-refused' : 'no-peer-config';
}

/** Whether there is such an object and it could not be understood; of any name when none is given. */
export function isRefused(snapshot: Snapshot, kind: string, name?: string): boolean {
  return snapshot.faulty.some(
    ({ ref, faults }) =>
      ref.kind === kind &&
      (name === undefined || ref.name === name) &&
      faults.some(fault => fault.severity === 'error'),
  );
}

function remoteOf(peer: BgpNodePeer, host: HostFacts | undefined): Remote | Reason {
  const { peerAddress, peerInterface, autoDiscovery } = peer;
  if (peerAddress !== undefined) {
    const { address, zone = peerInterface } = peerAddress;
    return { kind: 'address', address, zone: IpAddress.isLinkLocal(address) ? zone : undefined };
  }
  if (autoDiscovery?.mode === 'Unnumbered') return { kind: 'interface', interface: autoDiscovery.interface };
  if (autoDiscovery?.mode === 'DefaultGateway') {
    const route = HostFacts.defaultRoute(host, autoDiscovery.addressFamily);
    if (route === undefined) return 'no-default-gateway';
    const { gateway: address, link } = route;
    return { kind: 'address', address, zone: IpAddress.isLinkLocal(address) ? link : undefined };
  }
  return peerInterface === undefined ? 'peer-without-address' : { kind: 'interface', interface: peerInterface };
}

function remoteText(peer: BgpNodePeer, remote: Remote | Reason): string {
  if (typeof remote === 'string') return peer.autoDiscovery?.mode === 'DefaultGateway' ? 'default gateway' : '';
  if (remote.kind === 'interface') return remote.interface;
  if (remote.kind === 'range') return '';
  return formatZoned({ address: remote.address, zone: remote.zone });
}

export function formatZoned({ address, zone }: ZonedAddress): string {
  return IpAddress.format(address) + (zone === undefined ? '' : `%${zone}`);
}

/** The override's address wins; else the one usable address of the source interface, if one is named. */
function localAddressOf(
  peer: BgpNodePeer,
  spec: CiliumBGPPeerConfigSpec,
  remote: Remote,
  host: HostFacts | undefined,
): IpAddress | undefined | 'no-source-address' {
  if (peer.localAddress !== undefined) return peer.localAddress.address;
  const { sourceInterface } = spec.transport;
  if (sourceInterface === undefined) return undefined;
  const family: Family = remote.kind === 'address' ? remote.address.family : 'ipv6';
  const usable = (HostFacts.link(host, sourceInterface)?.addresses ?? [])
    .map(each => each.address)
    .filter(address => address.family === family && isAnnounceable(address));
  const [only] = usable;
  return only !== undefined && usable.length === 1 ? only : 'no-source-address';
}
