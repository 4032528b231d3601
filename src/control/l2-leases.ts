/**
 * The Lease objects behind announcements on local networks. A node's session says that it is alive and which links it
 * has; an ownership says who answers for the addresses of a Service, under the name and with the holder that Cilium
 * gives it. Reference §2.15.1, L27.
 */
import type { Lease } from '../api/lease.ts';
import type { Snapshot } from '../api/snapshot.ts';
import { forEachChange } from './changes.ts';
import { type L2Link, L2Links } from './l2-links.ts';

const sessionPrefix = 'herald-l2-session-';
const ownershipPrefix = 'cilium-l2announce-';
/** Links of the node that can carry announcements, as `L2Links` writes them. */
export const linksAnnotation = 'herald.io/l2-links';

export const L2Lease = {
  sessionName(node: string): string {
    return `${sessionPrefix}${node}`;
  },

  isSession(lease: Lease): boolean {
    return lease.metadata.name.startsWith(sessionPrefix) && lease.spec.holderIdentity !== '';
  },

  ownershipName(service: { readonly namespace: string; readonly name: string }): string {
    return `${ownershipPrefix}${service.namespace}-${service.name}`;
  },

  isOwnership({ metadata }: Lease): boolean {
    return metadata.name.startsWith(ownershipPrefix);
  },
};

/** What every node told about its links, kept up to date by what changed among the Leases. */
export class OfferedByNode {
  readonly #namespace: string;
  #leases: readonly Lease[] = [];
  readonly #texts = new Map<string, string>();
  #offers: ReadonlyMap<string, readonly L2Link[]> = new Map();

  constructor(namespace: string) {
    this.#namespace = namespace;
  }

  /** The same value while no node tells anything else; a node that told nothing that can be read is not in it. */
  update(snapshot: Snapshot): ReadonlyMap<string, readonly L2Link[]> {
    const leases = snapshot.list('Lease');
    let changed = false;
    forEachChange(this.#leases, leases, (before, after) => {
      const lease = after ?? before;
      if (lease === undefined || !this.#concerns(lease)) return;
      const { holderIdentity: node } = lease.spec;
      const text = after?.metadata.annotations[linksAnnotation];
      changed ||= this.#texts.get(node) !== text;
      if (text === undefined) this.#texts.delete(node);
      else this.#texts.set(node, text);
    });
    this.#leases = leases;
    if (changed) this.#offers = this.#read();
    return this.#offers;
  }

  #concerns(lease: Lease): boolean {
    return (
      lease.metadata.namespace === this.#namespace &&
      L2Lease.isSession(lease) &&
      lease.metadata.name === L2Lease.sessionName(lease.spec.holderIdentity)
    );
  }

  #read(): ReadonlyMap<string, readonly L2Link[]> {
    const offers = new Map<string, readonly L2Link[]>();
    for (const [node, text] of this.#texts) {
      const links = L2Links.parse(text);
      if (links !== undefined) offers.set(node, links);
    }
    return offers;
  }
}
