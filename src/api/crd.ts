/**
 * Kind definitions as CustomResourceDefinitions (apiextensions.k8s.io/v1): plain data, to be written as YAML.
 * The schemas are structural; every version has the same one, so that none needs converting.
 */
import { z } from 'zod';
import type { CrdFacts, Kind } from './kind.ts';
import { type KnownObject, kinds } from './kinds.ts';
import type { RawObject } from './object.ts';

interface Crd {
  /** `ciliumloadbalancerippools.cilium.io`. */
  readonly name: string;
  readonly owner: CrdFacts['owner'];
  readonly object: RawObject;
}

/** One for every kind that is a custom resource, sorted by name. */
export function crds(): readonly Crd[] {
  return Object.values<Kind<KnownObject>>(kinds)
    .flatMap(kind => (kind.crd === undefined ? [] : crdOf(kind, kind.crd)))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function crdOf(kind: Kind<KnownObject>, facts: CrdFacts): Crd {
  const name = `${kind.plural}.${kind.group}`;
  const schema = schemaOf(kind, facts);
  const object = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name },
    spec: {
      group: kind.group,
      scope: kind.scope,
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.kind.toLowerCase(),
        shortNames: facts.shortNames,
        categories: facts.categories,
      },
      versions: kind.versions.map((version, i) => ({
        name: version,
        served: true,
        storage: i === 0,
        ...(i === 0 ? {} : deprecation(kind, version)),
        subresources: { status: {} },
        additionalPrinterColumns: facts.columns,
        schema: { openAPIV3Schema: schema },
      })),
    },
  };
  return { name, owner: facts.owner, object };
}

function deprecation(kind: Kind<KnownObject>, version: string): RawObject {
  const { group, versions } = kind;
  const warning = `${group}/${version} ${kind.kind} is deprecated; use ${group}/${versions[0]}`;
  return { deprecated: true, deprecationWarning: warning };
}

function schemaOf(kind: Kind<KnownObject>, facts: CrdFacts): RawObject {
  const body = openApi(kind.body);
  const status = openApi(kind.status);
  const properties = {
    apiVersion: { type: 'string', description: 'Group and version of the kind.' },
    kind: { type: 'string', description: 'The kind of the object.' },
    metadata: { type: 'object' },
    ...(body['properties'] as RawObject),
    ...(Object.keys(kind.status.shape).length === 0 ? {} : { status }),
  };
  const required = (body['required'] as readonly string[] | undefined) ?? [];
  const schema = {
    description: facts.about,
    type: 'object',
    properties,
    ...(required.length === 0 ? {} : { required }),
  };
  // We know only some of the fields of other people's kinds; the rest must survive.
  return facts.owner === 'herald' ? schema : { ...schema, 'x-kubernetes-preserve-unknown-fields': true };
}

function openApi(schema: z.ZodObject): RawObject {
  const converted = z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input', reused: 'inline', cycles: 'throw' });
  return tidy(converted as RawObject);
}

/** One schema with its keywords in a reader's order, and its inner schemas likewise. */
function tidy({ description, type, format, properties, items, additionalProperties, ...rest }: RawObject): RawObject {
  const inner = {
    properties: properties && mapValues(properties as RawObject, each => tidy(each as RawObject)),
    items: items && tidy(items as RawObject),
    additionalProperties: additionalProperties && tidy(additionalProperties as RawObject),
  };
  const keywords = Object.entries({ description, type, format, ...rest, ...inner });
  return Object.fromEntries(keywords.filter(([keyword, value]) => says(keyword, value)));
}

/** Empty descriptions say nothing, nor do defaults that only stand for absence. */
function says(keyword: string, value: unknown): boolean {
  if (value === undefined || value === '') return false;
  return keyword !== 'default' || typeof value !== 'object' || value === null || Object.keys(value).length > 0;
}

function mapValues(object: RawObject, fn: (value: unknown) => unknown): RawObject {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, fn(value)]));
}
