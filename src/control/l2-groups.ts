/**
 * Services that share addresses, with all their addresses: each group has one owner, and one Lease named by the oldest
 * of its Services, so that one that joins renames nothing. Reference §2.15.1, L25, #48419.
 */
import type { L2Group } from '../l2/ownership-event.ts';
import type { L2Address } from './l2-addresses.ts';
import { L2Lease } from './l2-leases.ts';
import type { NodeL2, NodeL2Address } from './l2-node.ts';
import { HostFacts } from './settings.ts';

export interface NodeL2Group extends L2Group {
  /** `namespace/name`, the oldest first. */
  readonly services: readonly string[];
}

interface Member {
  readonly service: string;
  readonly creationMs: number;
}

/**
 * `all`: every address that some node may announce; `ours`: what this node makes of its part; `without`: links, by
 * index, that its responder cannot answer on. By the name of the Lease.
 */
export function groupAddresses(
  node: { readonly name: string; readonly l2: NodeL2 },
  host: HostFacts,
  all: readonly L2Address[],
  ours: readonly NodeL2Address[],
  without: ReadonlySet<number>,
): readonly NodeL2Group[] {
  const here = new Map(ours.map(each => [each.text, each]));
  const indices = new Map<string, number>();
  const indexOf = (link: string): readonly number[] => {
    const index = indices.get(link) ?? HostFacts.link(host, link)?.index;
    if (index === undefined || without.has(index)) return [];
    indices.set(link, index);
    return [index];
  };
  const groups = connected(all).map(({ members, addresses }): NodeL2Group => {
    const placed = addresses.map(({ address, text }) => ({
      address,
      links: (here.get(text)?.links ?? []).flatMap(indexOf),
    }));
    const candidates = candidatesOf(addresses, node.l2);
    const eligible = candidates.includes(node.name) && placed.some(({ links }) => links.length > 0);
    const services = members.map(({ service }) => service);
    return { lease: leaseOf(services[0] ?? ''), services, addresses: placed, candidates, eligible };
  });
  return groups.sort((a, b) => (a.lease < b.lease ? -1 : 1));
}

function leaseOf(service: string): string {
  const [namespace = '', name = ''] = service.split('/');
  return L2Lease.ownershipName({ namespace, name });
}

/** Nodes that can answer for the most of the addresses: for all of them, where there is such a node. */
function candidatesOf(addresses: readonly L2Address[], l2: NodeL2): readonly string[] {
  const [first] = addresses;
  if (first !== undefined && addresses.length === 1) return (l2.reach(first)?.able ?? first.candidates).names;
  const counts = new Map<string, number>();
  for (const each of addresses)
    for (const name of (l2.reach(each)?.able ?? each.candidates).names) counts.set(name, (counts.get(name) ?? 0) + 1);
  const most = Math.max(0, ...counts.values());
  return [...counts]
    .filter(([, count]) => count === most)
    .map(([name]) => name)
    .sort();
}

/**
 * Which Services and addresses hang together: a walk from each address that was not reached yet. Services whose Lease
 * would have one name (`a-b/c` and `a/b-c`) hang together as well: a Lease has one holder.
 */
function connected(
  all: readonly L2Address[],
): readonly { members: readonly Member[]; addresses: readonly L2Address[] }[] {
  const byLease = new Map<string, L2Address[]>();
  for (const each of all)
    for (const { service } of each.claims) {
      const list = byLease.get(leaseOf(service));
      if (list === undefined) byLease.set(leaseOf(service), [each]);
      else if (list.at(-1) !== each) list.push(each);
    }
  const reached = new Set<L2Address>();
  const groups: { members: readonly Member[]; addresses: readonly L2Address[] }[] = [];
  for (const start of all) {
    if (reached.has(start)) continue;
    reached.add(start);
    const addresses = [start];
    const members = new Map<string, Member>();
    for (const each of addresses)
      for (const { service, creationMs } of each.claims) {
        if (members.has(service)) continue;
        members.set(service, { service, creationMs });
        for (const other of byLease.get(leaseOf(service)) ?? []) {
          if (reached.has(other)) continue;
          reached.add(other);
          addresses.push(other);
        }
      }
    groups.push({ members: [...members.values()].sort(byAge), addresses });
  }
  return groups;
}

function byAge(a: Member, b: Member): number {
  return a.creationMs - b.creationMs || (a.service < b.service ? -1 : 1);
}
