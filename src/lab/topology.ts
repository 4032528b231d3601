/**
 * A lab as plain values, whatever file it was read from: nodes, links, and the cluster that some of the nodes belong
 * to. Every value that can turn out wrong later carries the line of the file it comes from.
 */

/** What a topology file says. */
export interface Topology {
  /** Where it was read from: what messages begin with, and what bind paths are relative to. */
  readonly file: string;
  readonly name: string;
  /** Before a node's name in its full one, `clab-NAME-` unless the file says otherwise. */
  readonly prefix: string;
  readonly management: { readonly ipv4Subnet: string; readonly ipv6Subnet: string };
  /** In the order of the file. */
  readonly nodes: readonly LabNode[];
  readonly links: readonly LabLink[];
}

/** `frr` and `herald` by the image: what the image would have brought is run from this host. */
export type LabRole = 'frr' | 'herald' | 'plain';

export type NetworkMode =
  | { readonly mode: 'own' }
  | { readonly mode: 'none' }
  | { readonly mode: 'host' }
  /** The namespace of another: a cluster's node (`NAME-worker2`), or a node of this lab by its full name. */
  | { readonly mode: 'container'; readonly name: string; readonly line: number };

export interface LabNode {
  readonly name: string;
  readonly line: number;
  readonly kind: 'linux' | 'bridge';
  readonly image: string;
  readonly role: LabRole;
  /** As written; '' when there is none. */
  readonly cmd: string;
  readonly exec: readonly ExecLine[];
  readonly binds: readonly Bind[];
  readonly env: Readonly<Record<string, string>>;
  readonly sysctls: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly networkMode: NetworkMode;
  /** On the management network, without prefix length; undefined: the next that is free. */
  readonly managementIpv4: string | undefined;
  readonly managementIpv6: string | undefined;
  readonly startupDelaySeconds: number;
}

/** One command, split into words as a shell would, but run by none. */
export interface ExecLine {
  readonly text: string;
  readonly line: number;
}

/** Paths are absolute. */
export interface Bind {
  readonly from: string;
  readonly to: string;
  readonly readOnly: boolean;
  readonly line: number;
}

export interface LabLink {
  readonly line: number;
  readonly ends: readonly [LabLinkEnd, LabLinkEnd];
  readonly mtu: number | undefined;
}

/** `node` is a node's name, or `host`: this machine's own namespace. */
export interface LabLinkEnd {
  readonly node: string;
  readonly interface: string;
  readonly mac: string | undefined;
}

/** What a kind cluster file says, with what kind and kubeadm would have added. */
export interface Cluster {
  readonly file: string;
  readonly name: string;
  readonly ipFamily: 'ipv4' | 'ipv6' | 'dual';
  /** One prefix for each family, IPv4 first or as the file has them. */
  readonly podSubnet: readonly string[];
  readonly serviceSubnet: readonly string[];
  /** In the order of the file, which is that of joining. */
  readonly nodes: readonly ClusterNode[];
}

export interface ClusterNode {
  /** `NAME-control-plane`, `NAME-worker2`. */
  readonly name: string;
  readonly line: number;
  readonly role: 'control-plane' | 'worker';
  /** All of them, `kubernetes.io/hostname` among them. */
  readonly labels: Readonly<Record<string, string>>;
  /** InternalIPs, without prefix length: those of `node-ip`, else those of eth0. */
  readonly nodeIps: readonly string[];
  /** Of eth0 on the cluster's own network, with prefix length. */
  readonly eth0: readonly string[];
  readonly podCidrs: readonly string[];
}

/** Why a file is refused. */
export type LabReason =
  | 'not-yaml'
  | 'unknown-field'
  | 'bad-value'
  | 'missing-field'
  | 'unknown-kind'
  | 'unknown-node'
  | 'duplicate';

export interface LabFault {
  readonly line: number;
  readonly reason: LabReason;
  /** What is wrong and what to do, in one line. */
  readonly message: string;
}

/** Something that is passed over, because it cannot matter here. */
export interface LabNote {
  readonly line: number;
  readonly message: string;
}

/** A file read: its value, or all that is wrong with it. */
export type LabRead<T> =
  | { readonly value: T; readonly notes: readonly LabNote[]; readonly faults?: undefined }
  | { readonly value?: undefined; readonly notes: readonly LabNote[]; readonly faults: readonly LabFault[] };
