/** Where objects are in the API: a kind's paths, and the query parameters that are used with them. */
import { type KindName, kinds } from '../api/kinds.ts';
import type { ObjectRef } from '../api/object.ts';

/** A kind in one of the versions it is served in. */
export interface Resource {
  readonly kind: string;
  readonly apiVersion: string;
  /** `/apis/cilium.io/v2` */
  readonly base: string;
  readonly plural: string;
  readonly isNamespaced: boolean;
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export function isKind(kind: string): kind is KindName {
  return Object.hasOwn(kinds, kind);
}

/** In the version that is written; `version` where another one is served. */
export function resourceOf(kind: KindName, version = kinds[kind].versions[0]): Resource {
  const { group, plural, scope } = kinds[kind];
  const isNamespaced = scope === 'Namespaced';
  return group === ''
    ? { kind, plural, isNamespaced, apiVersion: version, base: `/api/${version}` }
    : { kind, plural, isNamespaced, apiVersion: `${group}/${version}`, base: `/apis/${group}/${version}` };
}

/** Of each object only its metadata: of the objects of a list, or of those of a watch. */
export const acceptMetadata = {
  list: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
  watch: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
} as const;

export const definitions: Resource = {
  kind: 'CustomResourceDefinition',
  apiVersion: 'apiextensions.k8s.io/v1',
  base: '/apis/apiextensions.k8s.io/v1',
  plural: 'customresourcedefinitions',
  isNamespaced: false,
};

/** All objects of a kind, or those of one namespace. */
export function listPath({ base, plural }: Resource, namespace: string | undefined, query: Query = {}): string {
  return withQuery(namespace === undefined ? `${base}/${plural}` : `${base}/namespaces/${namespace}/${plural}`, query);
}

export function objectPath(resource: Resource, ref: ObjectRef, subresource = '', query: Query = {}): string {
  const { base, plural, isNamespaced } = resource;
  const place = isNamespaced ? `${base}/namespaces/${encodeURIComponent(ref.namespace)}` : base;
  return withQuery(`${place}/${plural}/${encodeURIComponent(ref.name)}${subresource}`, query);
}

function withQuery(path: string, query: Query): string {
  const pairs = Object.entries(query).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${encodeURIComponent(value)}`],
  );
  return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`;
}

/**
 * Whether a version of an object is older than another. They are decimal numbers of one counter, compared as the API
 * server's own clients have come to (KEP-5504).
 */
export function isOlder(a: string, b: string): boolean {
  return a.length === b.length ? a < b : a.length < b.length;
}
