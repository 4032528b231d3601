/**
 * What to do about each condition, event and code, as far as the sources do not say it themselves. Codes are typed by
 * the sources' own unions, so that one that is added there and not here does not compile.
 */
import type { FaultCode } from '../src/api/object.ts';
import type { ConditionReason, PoolAnswerReason, RefusalReason, ReleaseReason } from '../src/ipam/reason.ts';
import type { Drop } from '../src/l2/drop.ts';
import type { OwnershipReason } from '../src/l2/ownership-event.ts';
import type { KernelRefusalReason } from '../src/runtime/kernel-routes.ts';

interface Said {
  readonly on: string;
  readonly means: string;
  readonly fix: string;
}

/** By type. True is trouble, except where it says otherwise. */
export const conditions: Readonly<Record<string, Said>> = {
  'cilium.io/IPAMRequestSatisfied': {
    on: 'Service',
    means: 'True: it has every address it asks for. False: see the reason, below',
    fix: 'what the reason says; `herald ipam explain NAMESPACE/NAME` names who or what is in the way',
  },
  'herald.io/IPAMRequestUnreadable': {
    on: 'Service',
    means: 'an annotation about addresses cannot be read; the Service is served without it',
    fix: 'correct the annotation that the message names',
  },
  'cilium.io/PoolConflict': {
    on: 'CiliumLoadBalancerIPPool',
    means: 'a block overlaps one of another pool; the younger pool gives nothing',
    fix: 'make the blocks disjoint; addresses that were given before stay',
  },
  'cilium.io/IPsTotal': { on: 'CiliumLoadBalancerIPPool', means: 'a count, in the message', fix: 'nothing' },
  'cilium.io/IPsAvailable': {
    on: 'CiliumLoadBalancerIPPool',
    means: 'a count, in the message',
    fix: 'at 0: add a block',
  },
  'cilium.io/IPsUsed': { on: 'CiliumLoadBalancerIPPool', means: 'a count, in the message', fix: 'nothing' },
  'herald.io/Refused': {
    on: 'every kind of Herald’s',
    means: 'the object cannot be used; what it said before stays in force',
    fix: 'correct the fields that the message names; `herald check` finds them before they are applied',
  },
  'io.cilium/bad-node-selector': {
    on: 'CiliumL2AnnouncementPolicy',
    means: 'spec.nodeSelector cannot be read',
    fix: 'correct it as the message says',
  },
  'io.cilium/bad-service-selector': {
    on: 'CiliumL2AnnouncementPolicy',
    means: 'spec.serviceSelector cannot be read',
    fix: 'correct it as the message says',
  },
  'io.cilium/bad-interface-regex': {
    on: 'CiliumL2AnnouncementPolicy',
    means: 'an expression in spec.interfaces cannot be read',
    fix: 'write it in RE2 syntax, without look-around and back-references',
  },
  'herald.io/L2NotAnnounced': {
    on: 'Service',
    means: 'a policy selects the Service, and no node can answer for its address',
    fix: '`herald explain service` says for each node what keeps it from answering',
  },
  'herald.io/L2SubnetNowhere': {
    on: 'Service',
    means: 'the address is in no subnet that a node is in',
    fix: 'give the Service another address, unless routers send this one to the network',
  },
  'herald.io/L2Conflict': {
    on: 'Service',
    means: 'another station answers for the address as well',
    fix: 'find the station by the MAC in the message and take the address from it',
  },
  'herald.io/L2NotProgrammed': {
    on: 'Service',
    means: 'a node owned the address and could not answer, so that it let go',
    fix: 'see the problems of interfaces in `herald l2` on that node',
  },
  'herald.io/PolicyConflict': {
    on: 'CiliumBGPPeeringPolicy',
    means: 'another policy has the node already',
    fix: 'make the node selectors exclude each other, or put both into one policy',
  },
  'herald.io/BadNodeAnnotation': {
    on: 'CiliumBGPPeeringPolicy',
    means: 'a virtual-router annotation of a node cannot be read',
    fix: 'correct the annotation of the Node that the message names',
  },
  'cilium.io/NoMatchingNode': {
    on: 'CiliumBGPClusterConfig',
    means: 'spec.nodeSelector matches no node',
    fix: 'label the nodes, or change the selector',
  },
  'cilium.io/MissingPeerConfigs': {
    on: 'CiliumBGPClusterConfig',
    means: 'a CiliumBGPPeerConfig that a peer refers to does not exist',
    fix: 'create it, or correct peerConfigRef',
  },
  'cilium.io/ConflictingClusterConfig': {
    on: 'CiliumBGPClusterConfig',
    means: 'another CiliumBGPClusterConfig has the same nodes already',
    fix: 'make the node selectors exclude each other',
  },
  'cilium.io/MissingAuthSecret': {
    on: 'CiliumBGPPeerConfig',
    means: 'the Secret with the password does not exist; sessions stay as they were',
    fix: 'create it in the namespace of `--bgp-secrets-namespace`, with the key password',
  },
  'cilium.io/BGPReconcileError': {
    on: 'CiliumBGPNodeConfig',
    means: 'something about the node’s BGP instances cannot be done',
    fix: 'what the message says; codes are below',
  },
  'herald.io/PeerWithoutAddress': {
    on: 'CiliumBGPClusterConfig',
    means: 'a peer has neither an address nor a way to find one',
    fix: 'set peerAddress or autoDiscovery',
  },
  'herald.io/NoFreeRouterID': {
    on: 'CiliumBGPClusterConfig',
    means: 'the pool for router IDs is used up',
    fix: 'give a larger pool, or set routerID in the CiliumBGPNodeConfigOverride of the node',
  },
};

/** By reason; every condition above that turns True is told as an event of its name as well. */
export const events: Readonly<Record<string, Said>> = {
  AddressAllocated: { on: 'Service', means: 'it was given these addresses', fix: 'nothing' },
  AddressReleased: {
    on: 'Service',
    means: 'an address was taken away, for the reason in the message',
    fix: 'see “Why an address was taken away”',
  },
  AddressRefused: {
    on: 'Service',
    means: 'an address that it asks for was not given',
    fix: 'see “Why an address was not given”',
  },
  StatusRestored: {
    on: 'Service',
    means: 'somebody else changed its addresses in status; they were put back',
    fix: 'find who writes there: a second load balancer, or a person. Ask for addresses by annotation instead',
  },
  BGPSessionUp: { on: 'Node', means: 'a session was established', fix: 'nothing' },
  BGPSessionDown: {
    on: 'Node',
    means: 'a session ended, for the reason in the message',
    fix: '`herald bgp peers`, and the router’s own log',
  },
  L2AddressTaken: { on: 'Service', means: 'this node answers for the address from now on', fix: 'nothing' },
  L2AddressReleased: { on: 'Service', means: 'this node does not answer for it any more', fix: 'nothing' },
  L2Conflict: {
    on: 'Service',
    means: 'another station claims or answers for an address that this node owns',
    fix: 'find the station by its MAC and take the address from it',
  },
  L2NotProgrammed: {
    on: 'Service',
    means: 'the node owned the address and could not answer',
    fix: 'see the problems of interfaces in `herald l2` on the node',
  },
  L2HoldSilenced: {
    on: 'Node',
    means: 'while the store was out of reach, addresses held by the node were not answered for a while',
    fix: 'what the message says: a link that carries nothing, or a machine that stands still for over 0.3 s',
  },
  L2Contradicted: {
    on: 'Node',
    means: 'something on the host answers, or refuses, beside Herald',
    fix: 'what the message says: usually an address on an interface, or a firewall rule',
  },
  OverlappingPodCIDR: {
    on: 'Node',
    means: 'a PodCIDR of another cluster overlaps one that was here before; its route is not taken',
    fix: 'give every cluster of the mesh pod ranges of its own; `herald mesh routes` shows both',
  },
};

export const conditionReasons: Readonly<Record<ConditionReason, string>> = {
  satisfied: 'nothing',
  no_pool: 'create a pool, enable one, or let the serviceSelector of one match',
  pool_selector_mismatch: 'change the Service’s labels or the serviceSelector of the pool that has the address',
  already_allocated: 'ask for another address, or let both Services share it (lbipam.cilium.io/sharing-key)',
  already_allocated_incompatible_service: 'remove what the message names: both Services must permit sharing',
  out_of_ips: 'add a block to the pool, or delete Services that are not needed',
};

export const refusals: Readonly<Record<RefusalReason, string>> = {
  no_pool: 'create a pool, enable one, or let the serviceSelector of one match',
  no_pool_for_address: 'add a block with the address to a pool, or ask for another one',
  pool_selector_mismatch: 'change the Service’s labels or the serviceSelector of the pool',
  already_allocated: 'ask for another address, or let both Services share it (lbipam.cilium.io/sharing-key)',
  incompatible_service: 'remove the difference that is named',
  held_back: 'ask for another address, or set allowFirstLastIPs of the pool to "Yes"',
  out_of_ips: 'add a block to the pool, or delete Services that are not needed',
};

export const releases: Readonly<Record<ReleaseReason, string>> = {
  pool_gone: 'give a pool a block with the address again, or accept the new one',
  selector_changed: 'let the pool’s serviceSelector match the Service again',
  not_requested: 'nothing: the Service was changed to ask for others',
  family_not_wanted: 'nothing: the Service was changed to another family',
  held_by_other: 'let both Services share it (lbipam.cilium.io/sharing-key), or accept the new one',
  sharing_incompatible: 'remove the difference that is named',
};

export const poolAnswers: Readonly<Record<PoolAnswerReason, string>> = {
  gives: 'nothing',
  holds: 'nothing',
  is_conflicting: 'make its blocks and those of the other pool disjoint',
  is_disabled: 'set disabled to false',
  does_not_select: 'change the serviceSelector, or the Service’s labels',
  has_no_family: 'add a block of that family',
  does_not_contain: 'add a block, or ask for another address',
  holds_back: 'set allowFirstLastIPs to "Yes", or ask for another address',
  is_taken: 'ask for another address, or share it',
  is_full: 'add a block',
  is_unreadable: 'correct the pool as its condition says',
};

export const ownership: Readonly<Record<OwnershipReason, string>> = {
  owner: 'this node answers',
  'address-held': 'ours, but another Lease still gives one of its addresses to somebody else; it is waited for',
  'not-eligible': 'this node may not: policy, endpoints or links; `herald explain service` says which',
  'no-session': 'this node has no session in the store',
  'held-by-other': 'another node answers',
  'held-by-foreign': 'something else than Herald holds the Lease, such as Cilium; end it',
  'waiting-for-view': 'all that is in the store has not been seen yet',
  taking: 'the Lease is being written',
  'not-our-turn': 'another node comes first and is there',
  yielded: 'the store is out of reach and another station speaks for the address: silent',
  unwanted: 'nobody asks for it any more',
  preferred: 'handed over to the node that comes first',
  'was-free': 'taken: nobody had it',
  'holder-gone': 'taken: its holder’s session ended',
  adopted: 'taken up again after a restart of this agent',
};

export const kernelRefusals: Readonly<Record<KernelRefusalReason, string>> = {
  taken: 'a route or link of the same name is there and not Herald’s: remove it, or use --mesh-table',
  'link-missing': 'the link does not exist: see `ip link`',
  'link-down': 'the link is down: bring it up',
  'gateway-unreachable': 'the next hop is on no network of the node',
  'no-next-hop': 'no next hop of the route could be set: see the other refusals',
  'overlay-failed': 'the VXLAN link could not be made: see the detail, --mesh-vni and --mesh-vxlan-port',
  kernel: 'the kernel refuses: see the detail',
};

export const faults: Readonly<Record<FaultCode, string>> = {
  'not-an-object': 'what stands there is no mapping',
  'no-kind': 'kind or apiVersion is missing',
  'unknown-version': 'that version of the kind does not exist; the message names those that do',
  missing: 'a required field is missing',
  'wrong-type': 'the value is of another type',
  'out-of-range': 'the number is too small or too large',
  'not-allowed-value': 'the message names the values that may stand there',
  'bad-format': 'the text has another form',
  duplicate: 'the same thing stands twice',
  'unknown-field': 'no such field; usually a misspelling',
  'ignored-field': 'a field that has no effect here',
  'too-many-faults': 'the first faults are shown; correct them and check again',
  'bad-name': 'not a name that Kubernetes takes',
  'bad-label': 'not a label key or value that Kubernetes takes',
  'bad-selector': 'the selector cannot be read',
  'bad-address': 'not an IP address',
  'bad-cidr': 'not a CIDR',
  'host-bits': 'bits are set behind the prefix length: it is another network than it looks like',
  'bad-duration': 'not a duration such as 15s',
  'bad-base64': 'data of a Secret is base64; plain text goes under stringData',
  'block-empty': 'a block has neither cidr nor start',
  'block-both': 'a block has cidr and start; give one',
  'range-reversed': 'stop comes before start',
  'range-families': 'start and stop are of different families',
  'bad-node-selector': 'the node selector cannot be read',
  'bad-service-selector': 'the service selector cannot be read',
  'bad-interface-regex': 'the expression is not RE2 syntax',
  'not-a-host-prefix': 'peerAddress of the first API is a prefix of one address: /32 or /128',
  'duplicate-local-asn': 'two virtual routers of one policy have the same localASN',
  'keepalive-above-hold': 'keepAliveTimeSeconds must not be above holdTimeSeconds',
  'bad-virtual-router-annotation': 'the annotation is written key=value,key=value',
  'selector-forbidden': 'this type of advertisement takes no selector',
  'no-service-block': 'advertisementType Service needs service.addresses',
  'no-interface-block': 'advertisementType Interface needs interface.name',
  'no-default-gateway-block': 'autoDiscovery by default gateway needs its block',
  'no-unnumbered-block': 'autoDiscovery by unnumbered needs its block',
  'no-peer-address': 'a peer needs peerAddress or autoDiscovery',
};

export const drops: Readonly<Record<Drop, string>> = {
  truncated: 'shorter than its protocol says',
  'vlan-tagged': 'for a VLAN that this link does not carry untagged',
  'other-ethertype': 'neither ARP nor IPv6',
  'own-frame': 'sent by this node',
  'not-for-us': 'addressed to another station',
  'multicast-source': 'no station sends from a multicast MAC',
  'wrong-hardware-type': 'not Ethernet',
  'wrong-protocol-type': 'not IPv4',
  'wrong-address-length': 'not 6 and 4 octets',
  'other-operation': 'not a request',
  'bad-sender': 'no host has that sender address',
  'not-owned': 'nobody here owns the address: the usual one',
  'other-link': 'owned, but not announced on this link',
  'deadline-passed': 'owned until a moment ago: the session ran out; see whether the store can be reached',
  listening: 'just taken: it is listened for others first',
  reply: 'an answer of somebody else, about an address that is not owned',
  'not-ipv6': 'wrong version',
  'bad-payload-length': 'length and frame differ',
  'other-next-header': 'not ICMPv6',
  'other-icmp': 'not a neighbour solicitation or advertisement',
  'hop-limit': 'came through a router, which none of these may',
  'bad-code': 'code is not 0',
  'bad-checksum': 'damaged on the way',
  'bad-target': 'the target is a multicast address',
  'bad-destination': 'a probe that was not sent to its solicited-node address',
  'zero-length-option': 'an option of length 0',
  'truncated-option': 'an option beyond the end',
  'bad-link-option': 'a link-layer address that is none',
  'probe-with-link-option': 'a probe that says who asks',
  'heard-claim': 'another station claims an owned address: herald.io/L2Conflict',
  'heard-answer': 'another station answers for an owned address: herald.io/L2Conflict',
  'heard-claim-yielded': 'the same without the store: the address was yielded',
  'heard-answer-yielded': 'the same without the store: the address was yielded',
};
