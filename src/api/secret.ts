/** Secret (v1). Its values never show themselves: not in a log, a table, JSON, an inspection or an error. */
import type { ObjectMeta } from './object.ts';

/** Octets that somebody wants kept. */
export interface SecretValue {
  /** The octets themselves, for whoever configures the thing that needs them. */
  reveal(): Uint8Array;
  /** Whether two secrets hold the same octets. */
  equals(other: SecretValue): boolean;
}

export interface Secret {
  readonly kind: 'Secret';
  readonly metadata: ObjectMeta;
  readonly type: string;
  readonly data: ReadonlyMap<string, SecretValue>;
}
