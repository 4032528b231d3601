/** What is known about a kind: one definition each, from which parsing, defaults, limits and the CRD follow. */
import type { z } from 'zod';
import type { Notes } from './notes.ts';
import type { FaultCode, ObjectMeta } from './object.ts';

/** A column that `kubectl get` prints. */
interface Column {
  readonly name: string;
  readonly type: 'string' | 'boolean' | 'date' | 'integer';
  readonly jsonPath: string;
}

export const ageColumn: Column = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

/** What belongs to the kind as the API server serves it. */
export interface KindNames<K extends string> {
  readonly kind: K;
  /** Empty for the core group. */
  readonly group: string;
  /** The first is the one that is stored and written; the others are served, and deprecated. */
  readonly versions: readonly [string, ...string[]];
  readonly plural: string;
  readonly scope: 'Cluster' | 'Namespaced';
}

/** What the CustomResourceDefinition adds. */
export interface CrdFacts {
  /** `herald`: ours to define. `cilium`: theirs, read where it exists; our schema is a part of the whole. */
  readonly owner: 'herald' | 'cilium';
  readonly about: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly columns: readonly Column[];
}

/** `body` is everything beside apiVersion, kind, metadata and status. */
interface KindDefinition<V, B extends z.ZodObject, S extends z.ZodObject> extends KindNames<string> {
  readonly crd?: CrdFacts;
  readonly body: B;
  /** Faults in here are warnings: what was said about an object must not stop us from reading the object. */
  readonly status: S;
  /** Errors below a path that have a name of their own. */
  readonly codes?: Readonly<Record<string, FaultCode>>;
  /** Values never appear in faults. */
  readonly quiet?: true;
  /** Checks across fields and makes domain values. Whatever it returns is dropped when it noted an error. */
  readonly read: (raw: {
    readonly body: z.output<B>;
    readonly status: z.output<S>;
    readonly metadata: ObjectMeta;
    readonly notes: Notes;
  }) => V;
}

/** A definition whose schemas' types have been checked against each other and are no longer of interest. */
export type Kind<V> = KindDefinition<V, z.ZodObject, z.ZodObject>;

export function defineKind<V, B extends z.ZodObject, S extends z.ZodObject>(
  definition: KindDefinition<V, B, S>,
): Kind<V> {
  // `read` is only ever called with what `body` and `status` gave (parse.ts).
  return definition as unknown as Kind<V>;
}
