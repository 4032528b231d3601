/**
 * The Lease objects behind announcements on local networks: sessions of nodes and ownerships, between the objects of
 * the API and what l2/ reads and writes; and what nodes tell in their sessions. Reference §2.15.1, L27.
 */
import { Lease } from '../api/lease.ts';
import type { RawObject } from '../api/object.ts';
import type { Snapshot } from '../api/snapshot.ts';
import { type LeaseContent, Ownership, type SeenLease, Session } from '../l2/lease-record.ts';
import { forEachChange } from './changes.ts';
import { type L2Link, L2Links } from './l2-links.ts';

/** Links of the node that can carry announcements, as `L2Links` writes them. */
export const linksAnnotation = 'herald.io/l2-links';
/**
 * Who ought to hold it next. Not spec.preferredHolder: an API server takes that only together with a strategy, and
 * forgets it where coordinated elections are off.
 */
const preferredAnnotation = 'herald.io/l2-preferred';
const ours = 'herald.io/';

/** An unchanged Lease is the same value in the next snapshot, and seen once. */
const seen = new WeakMap<Lease, SeenLease>();

export const L2Lease = {
  ownershipName({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
    return `cilium-l2announce-${namespace}-${name}`;
  },

  isSession({ metadata }: Lease): boolean {
    return metadata.name.startsWith(Session.nameOf(''));
  },

  isOwnership({ metadata }: Lease): boolean {
    return metadata.name.startsWith('cilium-l2announce-');
  },

  seen(lease: Lease): SeenLease {
    const known = seen.get(lease);
    if (known !== undefined) return known;
    const { metadata, spec } = lease;
    const made: SeenLease = {
      name: metadata.name,
      resourceVersion: metadata.resourceVersion,
      holder: spec.holderIdentity,
      preferred: metadata.annotations[preferredAnnotation] ?? spec.preferredHolder,
      durationMs: spec.leaseDurationSeconds === undefined ? undefined : spec.leaseDurationSeconds * 1000,
      annotations: metadata.annotations,
    };
    seen.set(lease, made);
    return made;
  },

  ownership(lease: Lease): Ownership | undefined {
    return Ownership.read(L2Lease.seen(lease));
  },

  /** The object to write. `before`: what is there; what others noted on it stays. `wallMs` is for people. */
  object(content: LeaseContent, namespace: string, before: Lease | undefined, wallMs: number): RawObject {
    const { name, holder, preferred, durationMs, annotations } = content;
    const changes = before !== undefined && before.spec.holderIdentity !== holder;
    const kept = Object.entries(before?.metadata.annotations ?? {}).filter(([key]) => !key.startsWith(ours));
    const wanted = preferred === '' ? annotations : { ...annotations, [preferredAnnotation]: preferred };
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: {
        name,
        namespace,
        labels: before?.metadata.labels ?? {},
        annotations: { ...Object.fromEntries(kept), ...wanted },
      },
      spec: Lease.specToRaw({
        holderIdentity: holder,
        // Whole seconds, and never fewer than the holder itself goes by.
        leaseDurationSeconds: Math.max(1, Math.ceil(durationMs / 1000)),
        acquireMs: before === undefined || changes ? wallMs : before.spec.acquireMs,
        renewMs: wallMs,
        leaseTransitions: (before?.spec.leaseTransitions ?? 0) + (changes ? 1 : 0),
        preferredHolder: '',
      }),
    };
  },
};

/** What nodes told about their links; a node that told nothing that can be read is not in it. */
export interface ToldLinks {
  readonly offers: ReadonlyMap<string, readonly L2Link[]>;
  /** Of nodes whose session others ended: where they were, and may be again without a word. */
  readonly former: ReadonlyMap<string, readonly L2Link[]>;
}

/** What every node told about its links, kept up to date by what changed among the Leases. */
export class ToldByNode {
  readonly #namespace: string;
  #leases: readonly Lease[] = [];
  readonly #texts = new Map<string, { readonly text: string; readonly isCutOff: boolean }>();
  #told: ToldLinks = { offers: new Map(), former: new Map() };

  constructor(namespace: string) {
    this.#namespace = namespace;
  }

  /** The same value while no node tells anything else. */
  update(snapshot: Snapshot): ToldLinks {
    const leases = snapshot.list('Lease');
    let changed = false;
    forEachChange(this.#leases, leases, (before, after) => {
      const lease = after ?? before;
      if (lease === undefined || lease.metadata.namespace !== this.#namespace || !L2Lease.isSession(lease)) return;
      const node = lease.metadata.name.slice(Session.nameOf('').length);
      const text = after?.metadata.annotations[linksAnnotation];
      const isCutOff = after !== undefined && Session.isCutOff(L2Lease.seen(after));
      const known = this.#texts.get(node);
      changed ||= known?.text !== text || known?.isCutOff !== isCutOff;
      if (text === undefined) this.#texts.delete(node);
      else this.#texts.set(node, { text, isCutOff });
    });
    this.#leases = leases;
    if (changed) this.#told = this.#read();
    return this.#told;
  }

  #read(): ToldLinks {
    const offers = new Map<string, readonly L2Link[]>();
    const former = new Map<string, readonly L2Link[]>();
    for (const [node, { text, isCutOff }] of this.#texts) {
      const links = L2Links.parse(text);
      if (links !== undefined) (isCutOff ? former : offers).set(node, links);
    }
    return { offers, former };
  }
}
