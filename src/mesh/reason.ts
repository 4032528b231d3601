/**
 * Every answer to "why is this cluster, node or route of the mesh not used", shared by status, log, explanations and
 * tests: a code that never changes, a sentence, and what to change. Reference §1.2-1.4, §2.2-2.3, §2.5.
 */

interface MeshReasonText {
  readonly sentence: string;
  readonly fix: string;
}

export const meshReasons = {
  // The way to the other cluster.
  'not-connected': {
    sentence: 'the other cluster’s etcd cannot be reached',
    fix: 'run `herald mesh troubleshoot` on this node: it names the step that fails',
  },
  'access-denied': {
    sentence: 'the other cluster’s etcd does not let us read',
    fix: 'give the user named by our certificate the role `remote` there; its common name must be that user',
  },
  'bad-peer-file': {
    sentence: 'the peer’s file cannot be used',
    fix: 'correct the file; `herald mesh connect` writes one that is right',
  },
  // Its configuration.
  'no-cluster-config': {
    sentence: 'the other cluster’s etcd has no configuration under the name of the peer’s file',
    fix: 'name the file exactly as the other cluster is named, and see that it publishes its state',
  },
  'bad-cluster-config': {
    sentence: 'the other cluster’s configuration cannot be read',
    fix: 'see who writes cilium/cluster-config there',
  },
  'id-zero': {
    sentence: 'cluster ID 0 is reserved',
    fix: 'give the other cluster an ID from 1 on',
  },
  'id-out-of-range': {
    sentence: 'the cluster ID is larger than the mesh allows',
    fix: 'give every cluster the same maximum of connected clusters, and IDs up to it',
  },
  'id-is-ours': {
    sentence: 'the cluster ID is assigned to the local cluster',
    fix: 'give one of the two clusters another ID',
  },
  'id-in-use': {
    sentence: 'the cluster ID is already used by another peer',
    fix: 'give one of the two clusters another ID',
  },
  'max-clusters-mismatch': {
    sentence: 'the other cluster is set up for another maximum of connected clusters',
    fix: 'set up all clusters of the mesh for the same one, 255 or 511',
  },
  'bad-export-mode': {
    sentence: 'the other cluster exports services in a way that is not known',
    fix: 'bring this side up to the version of the other one',
  },
  // Its state.
  'no-canary': {
    sentence: 'the other cluster has not finished writing its nodes',
    fix: 'wait; if it does not end, see the other cluster’s writer',
  },
  listing: {
    sentence: 'the other cluster’s nodes are being read for the first time',
    fix: 'wait',
  },
  'too-many-keys': {
    sentence: 'the other cluster’s etcd has more keys for nodes than a cluster can have nodes',
    fix: 'see who writes below cilium/state/nodes there',
  },
  // One node.
  'value-too-large': {
    sentence: 'the record of the node is larger than a node’s record can be',
    fix: 'see the labels and annotations that the writer puts into it',
  },
  'bad-value': {
    sentence: 'the record of the node cannot be read',
    fix: 'see who writes it',
  },
  'no-name': {
    sentence: 'the record names no node or no cluster',
    fix: 'see who writes it',
  },
  'wrong-cluster': {
    sentence: 'the record is about a node of another cluster',
    fix: 'a cluster writes its own nodes only: see who writes it',
  },
  'wrong-key': {
    sentence: 'the record is about another node than its key',
    fix: 'see who writes it',
  },
  'wrong-id': {
    sentence: 'the record has another cluster ID than the cluster’s configuration',
    fix: 'have the other cluster write its state anew after its ID has changed',
  },
  // One route.
  'own-pod-cidr': {
    sentence: 'the prefix overlaps this node’s own PodCIDRs',
    fix: 'give every node PodCIDRs of its own',
  },
  'overlaps-cluster': {
    sentence: 'the prefix overlaps PodCIDRs of a cluster that was here before',
    fix: 'give every cluster of the mesh pod ranges of its own',
  },
  'covers-local-address': {
    sentence: 'the prefix covers an address of this node',
    fix: 'give pods addresses that no node has',
  },
  'on-own-link': {
    sentence: 'the prefix is part of a network this node is attached to',
    fix: 'give pods addresses that no network of the nodes has',
  },
  'covers-peer': {
    sentence: 'the prefix covers an address that routes are reached through',
    fix: 'give pods addresses that no node, router or etcd has',
  },
  'default-route': {
    sentence: 'a default route is not taken for pods',
    fix: 'run with --mesh-import-default to take it nevertheless',
  },
  'outside-pod-ranges': {
    sentence: 'the prefix lies outside the pod ranges that are taken from BGP',
    fix: 'add the range to --mesh-import',
  },
  'came-back': {
    sentence: 'the route is one of this cluster’s own that came back over BGP',
    fix: 'nothing: this is what protects from a loop',
  },
  'no-node-address': {
    sentence: 'the node has no address of a usable family',
    fix: 'see the addresses in the node’s record',
  },
  'not-on-link': {
    sentence: 'the node is on no link of this node',
    fix: 'run with --mesh-routing auto or vxlan, or have the fabric teach the route over BGP',
  },
  'not-learned': {
    sentence: 'no BGP route leads there',
    fix: 'see `herald bgp routes in`, and the option --mesh-import',
  },
  'next-hop-not-on-link': {
    sentence: 'the next hop of the BGP route is on no link of this node',
    fix: 'have the router set itself as the next hop',
  },
  'less-preferred': {
    sentence: 'another origin of the same prefix goes before it',
    fix: 'nothing, or see what is announced for the same prefix',
  },
} as const satisfies Readonly<Record<string, MeshReasonText>>;

export type MeshReason = keyof typeof meshReasons;

/** A reason, and the particulars of this case: names and addresses, or nothing. */
export interface MeshRefusal {
  readonly reason: MeshReason;
  readonly detail: string;
}

export const MeshRefusal = {
  of(reason: MeshReason, detail = ''): MeshRefusal {
    return { reason, detail };
  },

  format({ reason, detail }: MeshRefusal): string {
    const { sentence } = meshReasons[reason];
    return detail === '' ? sentence : `${sentence}: ${detail}`;
  },
};
