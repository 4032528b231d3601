/** ObjectMeta, read once for every kind. Who the object is must be right; the rest is the store's bookkeeping. */
import { z } from 'zod';
import { list, object, text, textMap } from './fields.ts';
import type { KindNames } from './kind.ts';
import { formatPath, type Notes, shorten } from './notes.ts';
import type { ObjectMeta } from './object.ts';
import { isLabelValue, isQualifiedName, isSubdomain } from './selector-field.ts';
import { parseTime } from './value-field.ts';

export const identitySchema = object('Who the object is.', {
  name: text('Unique among the objects of the kind in its namespace.'),
  namespace: text('Absent means default.').optional(),
  labels: textMap('What selectors match on.').optional(),
  annotations: textMap('What tools and users noted.').optional(),
});

const owner = object('The object this one belongs to.', {
  apiVersion: text(''),
  kind: text(''),
  name: text(''),
  uid: text('').default(''),
});

/** Kept by the store; a fault in here is a warning. */
export const bookkeepingSchema = object('What the store keeps.', {
  uid: text('').default(''),
  generation: z.int('a whole number').min(0, 'a whole number').default(0),
  resourceVersion: text('').default(''),
  creationTimestamp: text('').optional(),
  deletionTimestamp: text('').optional(),
  ownerReferences: list('', owner).default([]),
});

type Identity = z.output<typeof identitySchema>;
export type Bookkeeping = z.output<typeof bookkeepingSchema>;

const path = (...rest: string[]) => formatPath(['metadata', ...rest]);

/** `node-role.kubernetes.io/control-plane:` with nothing behind it is a label with an empty value, as for kubectl. */
export function blankForNull(metadata: unknown): unknown {
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) return metadata;
  const blank = (map: unknown) =>
    typeof map === 'object' && map !== null && !Array.isArray(map)
      ? Object.fromEntries(Object.entries(map).map(([key, value]) => [key, value ?? '']))
      : map;
  const { labels, annotations } = metadata as { readonly labels?: unknown; readonly annotations?: unknown };
  return { ...metadata, labels: blank(labels), annotations: blank(annotations) };
}

export function readMetadata(
  identity: Identity,
  bookkeeping: Bookkeeping,
  kind: KindNames<string>,
  notes: Notes,
): ObjectMeta {
  const { labels = {}, annotations = {} } = identity;
  checkNames(identity, notes);
  checkLabels(labels, annotations, notes);
  if (kind.scope === 'Cluster' && identity.namespace !== undefined)
    notes.warn('ignored-field', path('namespace'), `${kind.kind} belongs to no namespace`, 'remove it');
  const creationMs = identityTime(bookkeeping.creationTimestamp, notes);
  return {
    name: identity.name,
    namespace: kind.scope === 'Cluster' ? '' : (identity.namespace ?? 'default'),
    uid: bookkeeping.uid,
    labels,
    annotations,
    creationMs,
    deleting: bookkeeping.deletionTimestamp !== undefined,
    generation: bookkeeping.generation,
    resourceVersion: bookkeeping.resourceVersion,
    ownerReferences: bookkeeping.ownerReferences,
  };
}

/** Names become file names, lease names and metric labels, so nothing else may get through. */
function checkNames({ name, namespace }: Identity, notes: Notes): void {
  const right = 'write lower-case letters, digits, "-" and ".", with a letter or digit at both ends';
  if (!isSubdomain(name)) notes.error('bad-name', path('name'), `'${shorten(name)}' is no object name`, right);
  if (namespace !== undefined && (!isSubdomain(namespace) || namespace.includes('.') || namespace.length > 63))
    notes.error('bad-name', path('namespace'), `'${shorten(namespace)}' is no namespace name`, right);
}

function checkLabels(labels: ObjectMeta['labels'], annotations: ObjectMeta['annotations'], notes: Notes): void {
  for (const [key, value] of Object.entries(labels)) {
    if (!isQualifiedName(key)) badKey('labels', key, notes);
    if (isLabelValue(value)) continue;
    const right = 'write at most 63 letters, digits, "-", "_" and ".", with a letter or digit at both ends';
    notes.error('bad-label', path('labels', key), `'${shorten(value)}' is no label value`, right);
  }
  for (const key of Object.keys(annotations)) if (!isQualifiedName(key)) badKey('annotations', key, notes);
}

function badKey(field: 'labels' | 'annotations', key: string, notes: Notes): void {
  notes.error('bad-label', path(field), `'${shorten(key)}' is no key`, 'write a name such as app or example.com/app');
}

function identityTime(text: string | undefined, notes: Notes): number {
  if (text === undefined) return 0;
  const ms = parseTime(text);
  if (ms === undefined)
    notes.warn(
      'bad-format',
      path('creationTimestamp'),
      `'${shorten(text)}' is no time`,
      'write a time such as 2024-05-01T12:00:00Z',
    );
  return ms ?? 0;
}
