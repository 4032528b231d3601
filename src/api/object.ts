/** What every object has, whatever its kind: who it is, its metadata, its conditions, and what is wrong with it. */

/** The part of metadata that Herald reads (k8s.io ObjectMeta). */
export interface ObjectMeta {
  readonly name: string;
  /** Empty for cluster-scoped kinds. */
  readonly namespace: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch; 0 where the object does not say. */
  readonly creationMs: number;
  readonly deleting: boolean;
  readonly generation: number;
  /** Opaque; equal means unchanged. */
  readonly resourceVersion: string;
  readonly ownerReferences: readonly OwnerReference[];
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

/** Names one object. `namespace` is empty for cluster-scoped kinds. */
export interface ObjectRef {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

export const ObjectRef = {
  /** `namespace/name`, or `name` for cluster-scoped kinds: how tables and logs name an object. */
  key(ref: { readonly namespace: string; readonly name: string }): string {
    return ref.namespace === '' ? ref.name : `${ref.namespace}/${ref.name}`;
  },

  /** `Service default/web`. */
  format(ref: ObjectRef): string {
    return `${ref.kind} ${ObjectRef.key(ref)}`;
  },
};

/** metav1.Condition. `lastTransitionTime` is set by whoever writes it, when `status` changes. */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration?: number;
  readonly lastTransitionTime?: string;
}

/** One thing wrong with an object. An `error` refuses the object, a `warning` does not. */
export interface Fault {
  readonly severity: 'error' | 'warning';
  /** Names the rule that was broken: conditions, metrics and tests go by it. */
  readonly code: FaultCode;
  /** Where: `spec.blocks[0].cidr`. */
  readonly path: string;
  /** What is wrong, and what would be right, in one sentence each. */
  readonly message: string;
  readonly fix: string;
}

/** Every rule an object can break. */
export type FaultCode =
  // Of any object: its shape.
  | 'not-an-object'
  | 'no-kind'
  | 'unknown-version'
  | 'missing'
  | 'wrong-type'
  | 'out-of-range'
  | 'not-allowed-value'
  | 'bad-format'
  | 'duplicate'
  | 'unknown-field'
  | 'ignored-field'
  | 'too-many-faults'
  // Of values that mean something.
  | 'bad-name'
  | 'bad-label'
  | 'bad-selector'
  | 'bad-address'
  | 'bad-cidr'
  | 'host-bits'
  | 'bad-duration'
  | 'bad-base64'
  // Of pools.
  | 'block-empty'
  | 'block-both'
  | 'range-reversed'
  | 'range-families'
  // Of L2 announcement policies: reported as conditions io.cilium/<code>.
  | 'bad-node-selector'
  | 'bad-service-selector'
  | 'bad-interface-regex'
  // Of the BGP kinds.
  | 'not-a-host-prefix'
  | 'duplicate-local-asn'
  | 'keepalive-above-hold'
  | 'bad-virtual-router-annotation'
  | 'selector-forbidden'
  | 'no-service-block'
  | 'no-interface-block'
  | 'no-default-gateway-block'
  | 'no-unnumbered-block'
  | 'no-peer-address';

/** An object as it came, before anything is known about it. */
export type RawObject = { readonly [key: string]: unknown };
