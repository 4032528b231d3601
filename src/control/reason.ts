/**
 * Every answer to "why is this not announced", shared by conditions, events, metrics, tables, `explain` and tests: a
 * code that never changes, a sentence, and what to change. Grouped by how far along the chain from policy to peer the
 * link is that is broken; within a group, in the order in which the rules ask.
 */

export interface ReasonText {
  readonly sentence: string;
  readonly fix: string;
}

export const reasons = {
  // The node and what configures it.
  'no-bgp-policy': {
    sentence: 'no BGP policy or node configuration is for this node',
    fix: 'label the node so that a policy or a CiliumBGPClusterConfig selects it, or write its CiliumBGPNodeConfig',
  },
  'policy-conflict': {
    sentence: 'another policy has this node already',
    fix: 'make the node selectors exclude each other, or put both into one policy',
  },
  'policy-conflict-withdrawn': {
    sentence: 'more than one policy selects this node, and strict policy conflicts are on',
    fix: 'make the node selectors exclude each other, or run without --strict-policy-conflicts',
  },
  'policy-refused': {
    sentence: 'a policy was refused, so what was configured before stays',
    fix: 'correct the policy as its condition says',
  },
  'bad-node-annotation': {
    sentence: 'a virtual-router annotation of the node cannot be read, so the routers stay as they were',
    fix: 'correct the annotation cilium.io/bgp-virtual-router.<asn> of the Node',
  },
  'no-local-asn': {
    sentence: 'the BGP instance has no local AS number',
    fix: 'set localASN in the CiliumBGPClusterConfig or in the CiliumBGPNodeConfigOverride of the node',
  },
  'no-router-id': {
    sentence: 'the BGP instance has no router ID, and the node has no IPv4 InternalIP to take it from',
    fix: 'annotate the Node with cilium.io/bgp-virtual-router.<asn>: router-id=<IPv4 address>',
  },
  'no-free-router-id': {
    sentence: 'the pool for router IDs is used up',
    fix: 'give a larger pool, or set routerID in the CiliumBGPNodeConfigOverride of the node',
  },
  'peer-without-asn': {
    sentence: 'a peer of the BGP instance has no AS number',
    fix: 'set peerASN of the peer; 0 accepts whatever AS it is in',
  },
  // The peer.
  'duplicate-peer': {
    sentence: 'another peer of the same instance has this address',
    fix: 'keep one of the two',
  },
  'peer-without-address': {
    sentence: 'the peer has neither an address nor a way to find one',
    fix: 'set peerAddress or autoDiscovery',
  },
  'no-default-gateway': {
    sentence: 'the peer is the default gateway, and the node has no default route of that family',
    fix: 'add a default route on the node, or set peerAddress',
  },
  'no-source-address': {
    sentence:
      'the interface the session is to start from does not have exactly one usable address of the peer’s family',
    fix: 'correct transport.sourceInterface, or set localAddress of the peer in the CiliumBGPNodeConfigOverride',
  },
  'no-peer-config': {
    sentence: 'the CiliumBGPPeerConfig of the peer does not exist',
    fix: 'create it, or correct peerConfigRef',
  },
  'peer-config-refused': {
    sentence: 'the CiliumBGPPeerConfig of the peer was refused, so the session stays as it was',
    fix: 'correct the CiliumBGPPeerConfig as its condition says',
  },
  'no-auth-secret': {
    sentence: 'the Secret with the peer’s password does not exist, so the session stays as it was',
    fix: 'create the Secret in the namespace for BGP secrets',
  },
  'no-auth-password': {
    sentence: 'the Secret with the peer’s password has no key named password, so the session stays as it was',
    fix: 'put the password under the key password',
  },
  'bad-auth-password': {
    sentence: 'the peer’s password is not 1 to 80 octets of UTF-8, so the session stays as it was',
    fix: 'correct the value under the key password of the Secret',
  },
  'no-usable-family': {
    sentence: 'the peer has neither ipv4/unicast nor ipv6/unicast among its families',
    fix: 'add one of them to families',
  },
  'family-without-effect': {
    sentence: 'only ipv4/unicast and ipv6/unicast are carried; the other families have no effect',
    fix: 'remove them from families',
  },
  'bfd-not-active': {
    sentence: 'BFD is configured for the peer and not active: failures are detected by the hold time',
    fix: 'set holdTimeSeconds as low as the peer allows, 3 at least',
  },
  // What was asked to be announced.
  'no-peers': {
    sentence: 'no peer of the BGP instance can be configured',
    fix: 'see what is reported for the peers',
  },
  'family-not-negotiated': {
    sentence: 'the peer’s families do not include that of the address',
    fix: 'add the family to the peer’s families',
  },
  'no-advertisement': {
    sentence: 'no CiliumBGPAdvertisement for services is selected for the peer and family',
    fix: 'set families[].advertisements in the CiliumBGPPeerConfig to the labels of a CiliumBGPAdvertisement',
  },
  'no-service-selector': {
    sentence: 'there is no selector, which selects no service',
    fix: 'add one; {} selects every service',
  },
  'service-not-selected': {
    sentence: 'the selector does not match the service',
    fix: 'change the labels of the service or the selector',
  },
  'address-type-not-advertised': {
    sentence: 'addresses of this kind are not advertised',
    fix: 'add the kind to serviceAdvertisements or to service.addresses',
  },
  // The service itself.
  'not-load-balancer': {
    sentence: 'the service is not of type LoadBalancer',
    fix: 'set spec.type to LoadBalancer, or advertise another kind of address',
  },
  'foreign-class': {
    sentence: 'the service asks for another load balancer by its class',
    fix: 'leave loadBalancerClass out when creating the service, or set it to the class of this announcer',
  },
  'no-address': {
    sentence: 'the service has no address of this kind',
    fix: 'see the service’s IPAMRequestSatisfied condition, or set the address',
  },
  headless: {
    sentence: 'the service has no cluster IP',
    fix: 'advertise another kind of address',
  },
  'node-excluded': {
    sentence: 'the node is excluded from external load balancers by its label',
    fix: 'remove the label node.kubernetes.io/exclude-from-external-load-balancers from the Node',
  },
  'node-cordoned': {
    sentence: 'the node is cordoned, so it takes no new traffic for services',
    fix: 'uncordon the node (spec.unschedulable of the Node)',
  },
  'no-local-endpoint': {
    sentence: 'the traffic policy is Local and no ready endpoint is on this node',
    fix: 'run a ready pod of the service on the node, or set the traffic policy to Cluster',
  },
  'no-endpoints': {
    sentence: 'the service has no ready endpoint, and services without endpoints are not announced',
    fix: 'bring up a pod of the service, or run with --enable-no-service-endpoints-routable',
  },
  // Pod addresses and interfaces.
  'pod-cidr-in-pools': {
    sentence: 'with multi-pool IPAM a node has blocks of pools and no PodCIDR',
    fix: 'advertise CiliumPodIPPool instead of PodCIDR',
  },
  'no-pod-cidr': {
    sentence: 'the node has no PodCIDR',
    fix: 'see spec.podCIDRs of the Node or of the CiliumNode, and the option --ipam',
  },
  'not-multi-pool': {
    sentence: 'pod pools are only handed out with multi-pool IPAM',
    fix: 'run with --ipam multi-pool, or advertise PodCIDR',
  },
  'no-pool-block': {
    sentence: 'no block of a selected pod pool belongs to the node',
    fix: 'check the selector, and spec.ipam.pools.allocated of the CiliumNode',
  },
  'interface-missing': {
    sentence: 'the node has no such interface',
    fix: 'correct interface.name in the advertisement',
  },
  'interface-down': {
    sentence: 'the interface is down',
    fix: 'bring the interface up',
  },
  'interface-without-address': {
    sentence: 'the interface has no address that can be announced',
    fix: 'give it one that is neither loopback, link-local nor multicast',
  },
  // The local network.
  'no-l2-policy': {
    sentence: 'no CiliumL2AnnouncementPolicy selects the service',
    fix: 'change the labels of the service or the serviceSelector of a policy',
  },
  'l2-kind-off': {
    sentence: 'the policies that select the service do not announce addresses of this kind',
    fix: 'set loadBalancerIPs or externalIPs to true in the policy',
  },
  'node-not-selected': {
    sentence: 'no policy that selects the service selects this node',
    fix: 'change the labels of the node or the nodeSelector of the policy',
  },
  'not-with-the-others': {
    sentence: 'another service on the same address cannot be served from this node',
    fix: 'run ready pods of all services that share the address on the node, or set their traffic policies to Cluster',
  },
  'no-interface': {
    sentence: 'no interface of the node that is up matches the policy',
    fix: 'correct the expressions in spec.interfaces',
  },
  'interface-enslaved': {
    sentence: 'the interface is a member of a bond or a bridge, which speaks for it',
    fix: 'name the bond or the bridge in spec.interfaces',
  },
  'interface-no-arp': {
    sentence: 'nobody resolves addresses on the interface (NOARP, or no link-layer address)',
    fix: 'name an Ethernet interface in spec.interfaces',
  },
  'no-subnet': {
    sentence: 'no interface of the node that the policy selects is in the subnet of the address',
    fix: 'give the node an address of that subnet, or the Service an address of a subnet that nodes are in',
  },
} as const satisfies Readonly<Record<string, ReasonText>>;

export type Reason = keyof typeof reasons;

/** What only a running process can find. */
export const liveReasons = {
  // Of a BGP session.
  'session-down': {
    sentence: 'the session is not established',
    fix: 'see what ended the last attempt; check the peer’s address, AS number, password and that it is reachable',
  },
  'family-not-agreed': {
    sentence: 'the peer did not agree to the family of the address',
    fix: 'configure the family on the router',
  },
  'not-sent-yet': {
    sentence: 'the route has not left yet',
    fix: 'ask again; if it stays, the peer reads too slowly',
  },
  // Of an address on the local network.
  'no-l2-candidate': {
    sentence: 'no node can answer for the address',
    fix: 'see `herald explain service` for what keeps each node from it',
  },
  'subnet-nowhere': {
    sentence: 'no node is in the subnet of the address; it is announced on the interfaces that the policy names',
    fix: 'give the Service an address of a subnet that nodes are in, unless routers send this one here',
  },
  'no-l2-session': {
    sentence: 'the node has no session in the store, so that it may not answer',
    fix: 'check that the store can be reached, and takes the Lease of the session',
  },
  'address-held': {
    sentence: 'another Lease still gives the address to another node',
    fix: 'wait for that Lease to be let go, or remove it when its holder does not run Herald any more',
  },
  'held-by-foreign': {
    sentence: 'something else than Herald holds the Lease of the address, such as Cilium',
    fix: 'end the other announcer; what it held is taken when its Lease has run out',
  },
  'not-taken-yet': {
    sentence: 'nobody has taken the address yet',
    fix: 'ask again in a few seconds',
  },
  'address-yielded': {
    sentence: 'the store is out of reach and another station speaks for the address, so that this node is silent',
    fix: 'bring the store back within reach of this node',
  },
  'address-contested': {
    sentence: 'another station answers for the address as well',
    fix: 'find the station by its MAC and take the address from it',
  },
  'responder-not-programmed': {
    sentence: 'the address was owned and could not be answered for, so that it was let go',
    fix: 'see the problems of interfaces in `herald l2`',
  },
} as const satisfies Readonly<Record<string, ReasonText>>;

export type LiveReason = keyof typeof liveReasons;

/** A reason, and the particulars of this case: names and addresses, or nothing. */
export interface Refusal {
  readonly reason: Reason;
  readonly detail: string;
}

export const Refusal = {
  of(reason: Reason, detail = ''): Refusal {
    return { reason, detail };
  },

  /** `the node is excluded …: node7`. */
  format({ reason, detail }: Refusal): string {
    const { sentence } = reasons[reason];
    return detail === '' ? sentence : `${sentence}: ${detail}`;
  },
};

const order = Object.keys(reasons);

/** How far along the chain the broken link is: what got further is the more telling answer. */
export function progress(reason: Reason): number {
  return order.indexOf(reason);
}
