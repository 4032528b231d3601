/** A node as routes see it: where it is, and which addresses its pods have. Reference §1.4, §4. */
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import type { NodeRecord } from './node-record.ts';

export interface PodNode {
  readonly name: string;
  /** Those other nodes reach it at, best first. */
  readonly addresses: readonly IpAddress[];
  /** Ascending, without duplicates. */
  readonly podCidrs: readonly Prefix[];
}

/** A cluster as routes see it. */
export interface PodCluster {
  readonly name: string;
  readonly id: number;
  /** Wall time at which it was first seen: of two that overlap, the younger one is refused. */
  readonly sinceMs: number;
  /** By name; the same list while no node changed, and the same node while nothing of it did. */
  readonly nodes: readonly PodNode[];
}

export const PodNode = {
  /** Internal addresses before external ones, each kind in the record's order. */
  ofRecord(record: NodeRecord): PodNode {
    const of = (type: string) => record.addresses.filter(each => each.type === type).map(each => each.address);
    const cidrs = [record.ipv4Cidr, ...record.ipv4Secondary, record.ipv6Cidr, ...record.ipv6Secondary];
    return {
      name: record.name,
      addresses: [...of('InternalIP'), ...of('ExternalIP')],
      podCidrs: distinct(cidrs.filter(each => each !== undefined)),
    };
  },

  equals(a: PodNode, b: PodNode): boolean {
    return (
      a.name === b.name &&
      a.addresses.length === b.addresses.length &&
      a.podCidrs.length === b.podCidrs.length &&
      a.addresses.every((each, i) => sameAddress(each, b.addresses[i])) &&
      a.podCidrs.every((each, i) => samePrefix(each, b.podCidrs[i]))
    );
  },
};

export const PodCluster = {
  /** The older first: what overlaps it is refused. Equally old ones by ID, so that every node decides alike. */
  compareAge(a: PodCluster, b: PodCluster): number {
    return a.sinceMs - b.sinceMs || a.id - b.id;
  },
};

function distinct(prefixes: readonly Prefix[]): Prefix[] {
  return [...prefixes].sort(Prefix.compare).filter((each, i, all) => !samePrefix(each, all[i - 1]));
}

function sameAddress(a: IpAddress, b: IpAddress | undefined): boolean {
  return b !== undefined && IpAddress.equals(a, b);
}

function samePrefix(a: Prefix, b: Prefix | undefined): boolean {
  return b !== undefined && Prefix.equals(a, b);
}
