/** A CiliumBGPNodeConfig as it is written to a store: the reverse of what `api/` reads. Reference §1.4. */
import type { AutoDiscovery } from '../api/bgp-cluster-config.ts';
import type { BgpNodeInstance, BgpNodePeer } from '../api/bgp-node-config.ts';
import type { RawObject } from '../api/object.ts';
import { IpAddress } from '../net/ip.ts';
import { formatZoned } from './bgp-node-config.ts';
import type { DesiredNodeConfig } from './bgp-operator.ts';

export function nodeConfigObject({ name, owner, spec }: DesiredNodeConfig): RawObject {
  return {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumBGPNodeConfig',
    metadata: { name, ownerReferences: [{ ...owner, controller: true }] },
    spec: { bgpInstances: spec.bgpInstances.map(instanceObject) },
  };
}

function instanceObject({ name, localASN, routerID, localPort, peers }: BgpNodeInstance): RawObject {
  return present({
    name,
    localASN,
    routerID: routerID && IpAddress.format(routerID),
    localPort,
    peers: peers.map(peerObject),
  });
}

function peerObject(peer: BgpNodePeer): RawObject {
  const { name, peerAddress, peerInterface, peerASN, autoDiscovery, localAddress, peerConfigRef } = peer;
  return present({
    name,
    peerAddress: peerAddress && formatZoned(peerAddress),
    peerInterface,
    peerASN,
    autoDiscovery: autoDiscovery && discoveryObject(autoDiscovery),
    localAddress: localAddress && formatZoned(localAddress),
    peerConfigRef: peerConfigRef === undefined ? undefined : { name: peerConfigRef },
  });
}

function discoveryObject(how: AutoDiscovery): RawObject {
  if (how.mode === 'DefaultGateway') return { mode: how.mode, defaultGateway: { addressFamily: how.addressFamily } };
  return { mode: how.mode, unnumbered: { interface: how.interface } };
}

function present(fields: RawObject): RawObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
