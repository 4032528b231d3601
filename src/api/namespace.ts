/** Namespace (v1): only its labels and annotations matter here. */
import type { ObjectMeta } from './object.ts';

export interface Namespace {
  readonly kind: 'Namespace';
  readonly metadata: ObjectMeta;
}
