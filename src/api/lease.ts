/** Lease (coordination.k8s.io/v1): who holds something, and until when. */
import { maxInt32, object, text, whole } from './fields.ts';
import { defineKind } from './kind.ts';
import { type Notes, shorten } from './notes.ts';
import type { ObjectMeta, RawObject } from './object.ts';
import { parseTime } from './value-field.ts';

interface LeaseSpec {
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

const body = object('A Lease.', {
  spec: object('Who holds it.', {
    holderIdentity: text('Who holds it.').default(''),
    leaseDurationSeconds: whole('How long after renewTime it is held.', 1, maxInt32).optional(),
    acquireTime: text('When the holder got it.').optional(),
    renewTime: text('When the holder last said that it is there.').optional(),
    leaseTransitions: whole('How often the holder changed.', 0, maxInt32).default(0),
    preferredHolder: text('Who ought to hold it next.').default(''),
  }).prefault({}),
});

export const leaseKind = defineKind({
  kind: 'Lease',
  group: 'coordination.k8s.io',
  versions: ['v1'],
  plural: 'leases',
  scope: 'Namespaced',
  body,
  status: object('Leases have none.', {}),
  read: ({ body: { spec }, metadata, notes }): Lease => ({
    kind: 'Lease',
    metadata,
    spec: {
      holderIdentity: spec.holderIdentity,
      leaseDurationSeconds: spec.leaseDurationSeconds,
      acquireMs: readTime(spec.acquireTime, 'spec.acquireTime', notes),
      renewMs: readTime(spec.renewTime, 'spec.renewTime', notes),
      leaseTransitions: spec.leaseTransitions,
      preferredHolder: spec.preferredHolder,
    },
  }),
});

function readTime(time: string | undefined, path: string, notes: Notes): number | undefined {
  const ms = time === undefined ? undefined : parseTime(time);
  if (time !== undefined && ms === undefined)
    notes.warn('bad-format', path, `'${shorten(time)}' is no time`, 'write a time such as 2024-05-01T12:00:00.000000Z');
  return ms;
}

export const Lease = {
  /** The spec as the API server takes it: times in microseconds, nothing where nothing is known. */
  specToRaw(spec: LeaseSpec): RawObject {
    return {
      ...(spec.holderIdentity === '' ? {} : { holderIdentity: spec.holderIdentity }),
      ...(spec.leaseDurationSeconds === undefined ? {} : { leaseDurationSeconds: spec.leaseDurationSeconds }),
      ...(spec.acquireMs === undefined ? {} : { acquireTime: microTime(spec.acquireMs) }),
      ...(spec.renewMs === undefined ? {} : { renewTime: microTime(spec.renewMs) }),
      leaseTransitions: spec.leaseTransitions,
      ...(spec.preferredHolder === '' ? {} : { preferredHolder: spec.preferredHolder }),
    };
  },
};

function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}
