/** Lease (coordination.k8s.io/v1): who holds something, and until when. */
import type { ObjectMeta } from './object.ts';

export interface LeaseSpec {
  /** Empty when nobody holds it. */
  readonly holderIdentity: string;
  readonly leaseDurationSeconds: number | undefined;
  /** Milliseconds since the epoch by the holder's clock. */
  readonly acquireMs: number | undefined;
  readonly renewMs: number | undefined;
  readonly leaseTransitions: number;
  /** Who ought to hold it next (Kubernetes 1.31); empty when unsaid. */
  readonly preferredHolder: string;
}

export interface Lease {
  readonly kind: 'Lease';
  readonly metadata: ObjectMeta;
  readonly spec: LeaseSpec;
}
