/**
 * What the Leases of announcements on local networks say, as values: a node's session, and who owns the addresses of a
 * group of Services. The argument that there is one owner (ownership.ts) rests on what is written here.
 */

/** A Lease as it is in the store. */
export interface SeenLease {
  readonly name: string;
  readonly resourceVersion: string;
  /** spec.holderIdentity; empty: nobody. */
  readonly holder: string;
  /** spec.preferredHolder; empty: unsaid. */
  readonly preferred: string;
  /** spec.leaseDurationSeconds, which rounds up: others may wait longer than the holder counts on, never less. */
  readonly durationMs: number | undefined;
  /** metadata.annotations, at least those that begin with `herald.io/`. */
  readonly annotations: Readonly<Record<string, string>>;
}

/** A Lease as it is to be written; the writer adds kind, namespace, renewTime and the like. */
export interface LeaseContent {
  readonly name: string;
  readonly holder: string;
  readonly preferred: string;
  readonly durationMs: number;
  /** Replace those that begin with `herald.io/`. */
  readonly annotations: Readonly<Record<string, string>>;
}

/** A node's word that it is there, renewed all the time. */
export interface Session {
  readonly node: string;
  /** Names one unbroken life, for ever: a session that ended is never had again. */
  readonly id: string;
  /** The process that runs it. A process that comes back in time goes on with the session of the one before. */
  readonly instance: string;
  /** Over for good: its node let go of it, or another one saw it expire. */
  readonly over: boolean;
  /** Who let go of it: its own node, which had fallen silent, or one that saw it expire. Empty while it lasts. */
  readonly endedBy: string;
  /** Without a renewal, others may end it after this long. */
  readonly durationMs: number;
}

/** Who owns a group's addresses. */
export interface Ownership {
  /** Its holder; of one that was let go, the node that did so. */
  readonly node: string;
  /** The holder's session; undefined: written by something else, such as Cilium, and as good as its own renewals. */
  readonly session: string | undefined;
  /** The process that wrote it. */
  readonly instance: string;
  /** Let go: `node` has fallen silent. */
  readonly released: boolean;
  /** Taken while somebody out of reach could be answering by short deadlines: the taker announces itself first. */
  readonly loud: boolean;
  /** Who is to have it next; empty: unsaid. */
  readonly preferred: string;
  /** In their canonical text, ascending. What the holder answers for, or is about to. */
  readonly addresses: readonly string[];
  readonly durationMs: number | undefined;
}

/** One that Herald wrote. */
export interface OwnOwnership extends Ownership {
  readonly session: string;
  readonly durationMs: number;
}

const SESSION_PREFIX = 'herald-l2-session-';
const OWNERSHIP_PREFIX = 'cilium-l2announce-';
const SESSION = 'herald.io/l2-session';
const INSTANCE = 'herald.io/l2-instance';
const NODE = 'herald.io/l2-node';
const ADDRESSES = 'herald.io/l2-addresses';
const LOUD = 'herald.io/l2-loud';
const ENDED_BY = 'herald.io/l2-ended-by';
/** A write has to differ from what it replaces, or a store takes it for none and keeps the version. */
const BEAT = 'herald.io/l2-beat';

export const Session = {
  nameOf(node: string): string {
    return `${SESSION_PREFIX}${node}`;
  },

  /** Undefined for a Lease that is no session, or one whose marks somebody took off. */
  read(lease: SeenLease): Session | undefined {
    if (!lease.name.startsWith(SESSION_PREFIX)) return undefined;
    const { [SESSION]: id, [INSTANCE]: instance = '', [ENDED_BY]: endedBy = '' } = lease.annotations;
    if (id === undefined || lease.durationMs === undefined) return undefined;
    const node = lease.name.slice(SESSION_PREFIX.length);
    return { node, id, instance, over: lease.holder !== node, endedBy, durationMs: lease.durationMs };
  },

  /** A session that another node than its own ended: its node may be there, and not know. */
  isCutOff(lease: SeenLease): boolean {
    const session = Session.read(lease);
    return session?.over === true && session.endedBy !== session.node;
  },

  /** `more`: other annotations that the node tells the others by. */
  write(session: Session, beat: number, more: Readonly<Record<string, string>> = {}): LeaseContent {
    const { node, id, instance, over, endedBy, durationMs } = session;
    const end = over ? { [ENDED_BY]: endedBy } : {};
    return {
      name: Session.nameOf(node),
      holder: over ? '' : node,
      preferred: '',
      durationMs,
      annotations: { ...more, ...end, [SESSION]: id, [INSTANCE]: instance, [BEAT]: String(beat) },
    };
  },
};

export const Ownership = {
  /** Undefined for a Lease that is no ownership. */
  read(lease: SeenLease): Ownership | undefined {
    if (!lease.name.startsWith(OWNERSHIP_PREFIX)) return undefined;
    const { [SESSION]: session, [INSTANCE]: instance = '', [NODE]: node, [ADDRESSES]: list = '' } = lease.annotations;
    // Somebody else wrote over it, and left our marks where they were.
    const foreign = session === undefined || (lease.holder !== '' && lease.holder !== node);
    return {
      node: foreign ? lease.holder : (node ?? ''),
      session: foreign ? undefined : session,
      instance,
      released: lease.holder === '',
      loud: lease.annotations[LOUD] !== undefined,
      preferred: lease.preferred,
      addresses: list === '' ? [] : list.split(','),
      durationMs: lease.durationMs,
    };
  },

  write(name: string, ownership: OwnOwnership, beat: number): LeaseContent {
    const { node, session, instance, released, loud, preferred, addresses, durationMs } = ownership;
    const how = loud ? { [LOUD]: 'true' } : {};
    const marks = { ...how, [SESSION]: session, [INSTANCE]: instance, [NODE]: node, [BEAT]: String(beat) };
    return {
      name,
      holder: released ? '' : node,
      preferred,
      durationMs,
      annotations: { ...marks, [ADDRESSES]: addresses.join(',') },
    };
  },
};
