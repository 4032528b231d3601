/**
 * What the state directory keeps about an object, and the object that comes of it together with its manifest. A
 * manifest says what ought to be; identity, age, generation and status live in the record. What Herald wrote itself
 * has no manifest, or hides one until somebody edits that: the last word stands.
 */
import { hash, randomUUID } from 'node:crypto';
import { kindOf } from '../api/kinds.ts';
import type { ObjectRef, RawObject } from '../api/object.ts';
import { isMapping } from './manifest.ts';
import { applyStatement, type Managers, manifestManager, mergedStatus } from './status.ts';

export interface ObjectRecord {
  readonly ref: ObjectRef;
  readonly uid: string;
  /** RFC 3339. */
  readonly creationTimestamp: string;
  readonly generation: number;
  /** Of the newest manifest that was seen, in whole and without metadata; absent when there never was one. */
  readonly manifest?: { readonly digest: string; readonly specDigest: string; readonly folder: string };
  /** Absent until there is a first status. */
  readonly managers?: Managers;
  /** What Herald wrote, without what the record says. */
  readonly object?: RawObject;
}

/** Written by this file and guarded by a checksum: it only has to be told from what else there is. */
export function isRecord(value: unknown): value is ObjectRecord {
  return isMapping(value) && isMapping(value['ref']) && typeof value['uid'] === 'string';
}

/** Who a raw object of a kind we know is; undefined for others and for those that do not say. */
export function refOf(raw: unknown): ObjectRef | undefined {
  if (!isMapping(raw)) return undefined;
  const { apiVersion, kind: name, metadata } = raw;
  if (typeof apiVersion !== 'string' || typeof name !== 'string' || !isMapping(metadata)) return undefined;
  const slash = apiVersion.indexOf('/');
  const kind = kindOf(slash < 0 ? '' : apiVersion.slice(0, slash), name);
  if (kind === undefined || typeof metadata['name'] !== 'string' || metadata['name'] === '') return undefined;
  const namespace = typeof metadata['namespace'] === 'string' ? metadata['namespace'] : 'default';
  return { kind: kind.kind, namespace: kind.scope === 'Cluster' ? '' : namespace, name: metadata['name'] };
}

/** A manifest's object, and the folder it is in. */
export interface Seen {
  readonly ref: ObjectRef;
  readonly raw: RawObject;
  readonly folder: string;
}

/** The record after a manifest was seen; the same value as before when it says nothing new. */
export function adopt(before: ObjectRecord | undefined, seen: Seen, now: string): ObjectRecord {
  const { ref, raw, folder } = seen;
  const { metadata, status, ...spec } = raw;
  const meta = isMapping(metadata) ? metadata : {};
  const manifest = { digest: digest(raw), specDigest: digest(spec), folder };
  const isSame = before?.manifest?.digest === manifest.digest;
  if (isSame && before.manifest?.folder === folder) return before;
  const initial = before?.managers === undefined && isMapping(status) && Object.keys(status).length > 0;
  const managers = initial ? applyStatement({}, manifestManager, status, now) : before?.managers;
  const isSameSpec = before?.object === undefined && before?.manifest?.specDigest === manifest.specDigest;
  return {
    ref,
    uid: before?.uid ?? text(meta['uid']) ?? randomUUID(),
    creationTimestamp: before?.creationTimestamp ?? text(meta['creationTimestamp']) ?? now,
    generation:
      before === undefined ? firstGeneration(meta['generation']) : before.generation + (isSame || isSameSpec ? 0 : 1),
    manifest,
    ...(managers === undefined ? {} : { managers }),
    // What Herald wrote stands until the manifest is edited.
    ...(isSame && before?.object !== undefined ? { object: before.object } : {}),
  };
}

/** The record after Herald wrote `raw`; the same value as before when that says nothing new. */
export function overwrite(before: ObjectRecord | undefined, ref: ObjectRef, raw: RawObject, now: string): ObjectRecord {
  const { metadata, status: _, ...spec } = raw;
  const object = { ...spec, metadata: statedMetadata(isMapping(metadata) ? metadata : {}) };
  const beforeSpec = before?.object === undefined ? before?.manifest?.specDigest : digest(specOf(before.object));
  const isSameSpec = beforeSpec === digest(spec);
  return {
    ref,
    uid: before?.uid ?? randomUUID(),
    creationTimestamp: before?.creationTimestamp ?? now,
    generation: before === undefined ? 1 : before.generation + (isSameSpec ? 0 : 1),
    ...(before?.manifest === undefined ? {} : { manifest: before.manifest }),
    ...(before?.managers === undefined ? {} : { managers: before.managers }),
    object,
  };
}

/** The object as readers see it. `record` is undefined when the state directory cannot be written. */
export function wholeObject(raw: RawObject, record: ObjectRecord | undefined, resourceVersion: string): RawObject {
  const { metadata, status: _, ...rest } = record?.object ?? raw;
  const stated = isMapping(metadata) ? metadata : {};
  if (record === undefined) return { ...rest, metadata: { ...stated, resourceVersion } };
  const { uid, creationTimestamp, generation } = record;
  const status = mergedStatus(record.managers);
  return {
    ...rest,
    metadata: { ...stated, uid, creationTimestamp, generation, resourceVersion },
    ...(status === undefined ? {} : { status }),
  };
}

const bookkeeping = new Set(['uid', 'creationTimestamp', 'generation', 'resourceVersion', 'managedFields']);

function statedMetadata(metadata: RawObject): RawObject {
  return Object.fromEntries(Object.entries(metadata).filter(([field]) => !bookkeeping.has(field)));
}

function specOf(raw: RawObject): RawObject {
  const { metadata: _, status: __, ...spec } = raw;
  return spec;
}

function digest(value: unknown): string {
  return hash('sha1', JSON.stringify(value), 'base64').slice(0, 22);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function firstGeneration(stated: unknown): number {
  return typeof stated === 'number' && Number.isSafeInteger(stated) && stated > 0 ? stated : 1;
}
