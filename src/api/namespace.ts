/** Namespace (v1): only its labels and annotations matter here. */
import { object } from './fields.ts';
import { defineKind } from './kind.ts';
import type { ObjectMeta } from './object.ts';

export interface Namespace {
  readonly kind: 'Namespace';
  readonly metadata: ObjectMeta;
}

export const namespaceKind = defineKind({
  kind: 'Namespace',
  group: '',
  versions: ['v1'],
  plural: 'namespaces',
  scope: 'Cluster',
  body: object('A Namespace.', {}),
  status: object('Nothing in it matters here.', {}),
  read: ({ metadata }): Namespace => ({ kind: 'Namespace', metadata }),
});
