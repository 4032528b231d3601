/**
 * State that clusters share, as the mesh needs it: small values under keys, followed whole, and one set of keys that is
 * ours to write. Reference §1.11, §8.7.
 */

/**
 * Why a state cannot be had. `unreachable`: nobody answers, or not in time. `certificate`: one of the two ends does not
 * accept the other's. `denied`: we may not read this. `refused`: an answer that says no to this one thing. `not-there-
 * yet`: it is not complete. `too-many-keys`: more than can be. `lost`: what was followed is no longer there to follow
 * (compacted, wiped, another server); it is read anew.
 */
export type StateFailureKind =
  | 'unreachable'
  | 'certificate'
  | 'denied'
  | 'refused'
  | 'not-there-yet'
  | 'too-many-keys'
  | 'lost';

/** The world's own failure, classified. */
export class StateFailure extends Error {
  override name = 'StateFailure';
  readonly kind: StateFailureKind;
  constructor(kind: StateFailureKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** What is followed. A key, or everything below a prefix that ends in a slash. */
export type Followed = { readonly key: string } | { readonly prefix: string };

/** Told at once, in order, never while a call is under way. Values are only to be looked at: their memory is shared. */
export interface MirrorListener {
  put(key: string, value: Uint8Array, lease: string): void;
  delete(key: string): void;
  /** All that is there has been told, and all that has gone. Told again after each time it had to be read anew. */
  synced(): void;
  /** Not followed for now: what was told stays until it is. */
  broken(failure: StateFailure): void;
}

export interface Mirror {
  close(): void;
}

export interface MirrorOptions {
  /** More keys than this are not read. */
  readonly keysMax: number;
  /**
   * Asked before everything is read, the first time and again after each break; rejects as long as it makes no sense.
   */
  readonly gate?: (signal: AbortSignal) => Promise<void>;
}

/** What is ours to write. */
export interface Published {
  /** Everything below is ours: what is not in `values` or `last` goes. Each ends in a slash, or is a whole key. */
  readonly owned: readonly string[];
  readonly values: ReadonlyMap<string, Uint8Array>;
  /** Written once all `values` stand, and then left as they are: what they say is when that was. */
  readonly last: ReadonlyMap<string, Uint8Array>;
}

export interface SharedStateStatus {
  readonly endpoint: string;
  readonly connected: boolean;
  /** Connections that were lost so far, and the wall time of the last loss. */
  readonly failures: number;
  readonly lastFailureMs: number | undefined;
  readonly lastError: string | undefined;
  /** Hexadecimal; undefined before the first answer. */
  readonly clusterId: string | undefined;
  /** Wall time at which our certificate ends; undefined without one. */
  readonly certificateEndsMs: number | undefined;
  /** Keys that are still to be written. */
  readonly unwritten: number;
}

export interface SharedState {
  /** Rejects with StateFailure. */
  get(key: string): Promise<Uint8Array | undefined>;
  mirror(followed: Followed, listener: MirrorListener, options: MirrorOptions): Mirror;
  /** The whole of what is ours; undefined: nothing is ours to write any more, and what was written stays. */
  publish(set: Published | undefined): void;
  status(): SharedStateStatus;
  close(): Promise<void>;
}

/** Where a state is and how to get in. Files are read anew with every connection. */
export interface StateAccess {
  /** `https://host:2379`; at least one. */
  readonly endpoints: readonly string[];
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Addresses of host names that no name server knows. */
  readonly hostAliases: ReadonlyMap<string, readonly string[]>;
}
