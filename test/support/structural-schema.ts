/**
 * What the API server demands of a CustomResourceDefinition's schema (apiextensions.k8s.io/v1, "structural schemas"): a
 * type everywhere, no construct that pruning and defaulting could not follow, defaults that are valid themselves, list
 * maps with usable keys, CEL rules that speak of fields that exist. Each fault is a path and what is wrong there.
 */

type Schema = { readonly [keyword: string]: unknown };

const keywords = new Set([
  'description',
  'type',
  'format',
  'default',
  'enum',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'pattern',
  'required',
  'properties',
  'items',
  'additionalProperties',
  'x-kubernetes-validations',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-preserve-unknown-fields',
]);
const types = new Set(['object', 'array', 'string', 'integer', 'boolean', 'number']);
/** Of the formats the API server checks, those in use here. */
const formats = new Set(['int32', 'int64', 'cidr', 'ipv4', 'ipv6', 'date-time']);

export function schemaFaults(root: Schema): readonly string[] {
  return [...metadataFaults(root), ...nodeFaults(root, '')];
}

/** Of metadata a schema may only restrict the name. */
function metadataFaults(root: Schema): string[] {
  const metadata = (root['properties'] as Record<string, Schema> | undefined)?.['metadata'];
  return metadata === undefined || JSON.stringify(metadata) === '{"type":"object"}'
    ? []
    : ['metadata: must be a plain object'];
}

function nodeFaults(schema: Schema, path: string): string[] {
  const faults: string[] = [];
  const say = (text: string) => faults.push(`${path || '(root)'}: ${text}`);
  for (const keyword of Object.keys(schema)) if (!keywords.has(keyword)) say(`${keyword} is not allowed here`);
  const type = schema['type'];
  if (typeof type !== 'string' || !types.has(type)) say('has no type');
  const format = schema['format'];
  if (format !== undefined && !formats.has(String(format))) say(`has an unknown format ${String(format)}`);
  if (schema['pattern'] !== undefined) new RegExp(String(schema['pattern']), 'u');
  if (Number(schema['minimum'] ?? 0) > Number(schema['maximum'] ?? Number.POSITIVE_INFINITY))
    say('has no value in range');
  if (schema['default'] !== undefined)
    for (const fault of valueFaults(schema, schema['default'])) say(`default ${fault}`);
  faults.push(...listFaults(schema, path), ...ruleFaults(schema, path), ...childFaults(schema, path));
  return faults;
}

function childFaults(schema: Schema, path: string): string[] {
  const faults: string[] = [];
  const type = schema['type'];
  const properties = schema['properties'] as Record<string, Schema> | undefined;
  const additional = schema['additionalProperties'];
  if (properties !== undefined && type !== 'object') faults.push(`${path}: has properties and is no object`);
  if (properties !== undefined && additional !== undefined)
    faults.push(`${path}: has both properties and additionalProperties`);
  if (additional === true || additional === false) faults.push(`${path}: additionalProperties must be a schema`);
  for (const name of (schema['required'] as readonly string[] | undefined) ?? [])
    if (properties === undefined || !Object.hasOwn(properties, name))
      faults.push(`${path}: requires ${name}, which it does not have`);
  for (const [name, each] of Object.entries(properties ?? {})) faults.push(...nodeFaults(each, `${path}.${name}`));
  if (typeof additional === 'object' && additional !== null)
    faults.push(...nodeFaults(additional as Schema, `${path}.*`));
  if (type === 'array' && typeof schema['items'] !== 'object') faults.push(`${path}: has no items`);
  if (schema['items'] !== undefined) faults.push(...nodeFaults(schema['items'] as Schema, `${path}[]`));
  return faults;
}

function listFaults(schema: Schema, path: string): string[] {
  const listType = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'] as readonly string[] | undefined;
  if (listType === undefined) return keys === undefined ? [] : [`${path}: has map keys and is no map`];
  if (listType !== 'map' || keys === undefined || keys.length === 0) return [`${path}: is a list type without keys`];
  const items = schema['items'] as Schema;
  const properties = items['properties'] as Record<string, Schema> | undefined;
  const required = (items['required'] as readonly string[] | undefined) ?? [];
  return keys.flatMap(key => {
    const field = properties?.[key];
    if (field === undefined || field['type'] === 'object' || field['type'] === 'array')
      return [`${path}: key ${key} is no scalar field`];
    return required.includes(key) || field['default'] !== undefined ? [] : [`${path}: key ${key} may be absent`];
  });
}

/** Every field a rule reads must exist, and be there or be asked for with has(). */
function ruleFaults(schema: Schema, path: string): string[] {
  const rules =
    (schema['x-kubernetes-validations'] as readonly { rule?: string; message?: string }[] | undefined) ?? [];
  const properties = (schema['properties'] as Record<string, Schema> | undefined) ?? {};
  const required = (schema['required'] as readonly string[] | undefined) ?? [];
  return rules.flatMap(({ rule = '', message = '' }) => {
    const faults: string[] = [];
    if (rule === '' || message === '' || message.includes('\n'))
      faults.push(`${path}: a rule needs text and one line of message`);
    const guarded = new Set([...rule.matchAll(/has\(self\.(\w+)\)/g)].map(match => match[1]));
    for (const [, field = ''] of rule.matchAll(/self\.(\w+)/g)) {
      if (properties[field] === undefined) faults.push(`${path}: rule reads ${field}, which does not exist`);
      else if (!required.includes(field) && properties[field]['default'] === undefined && !guarded.has(field))
        faults.push(`${path}: rule reads ${field}, which may be absent`);
    }
    return faults;
  });
}

/** Whether a value obeys a schema, as far as the keywords above go. */
export function valueFaults(schema: Schema, value: unknown): string[] {
  const type = schema['type'];
  const actual = Array.isArray(value) ? 'array' : Number.isInteger(value) ? 'integer' : typeof value;
  if (type !== actual) return [`is ${actual}, not ${String(type)}`];
  const faults: string[] = [];
  const values = schema['enum'] as readonly unknown[] | undefined;
  if (values !== undefined && !values.includes(value)) faults.push(`${String(value)} is not allowed`);
  if (typeof value === 'number') {
    const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = schema as Record<string, number>;
    if (value < minimum || value > maximum) faults.push(`${value} is out of range`);
  }
  if (typeof value === 'string') {
    const { minLength = 0, maxLength = Number.POSITIVE_INFINITY } = schema as Record<string, number>;
    if (value.length < minLength || value.length > maxLength) faults.push('is too short or too long');
    if (schema['pattern'] !== undefined && !new RegExp(String(schema['pattern']), 'u').test(value))
      faults.push('does not match');
  }
  if (Array.isArray(value)) {
    const { minItems = 0, maxItems = Number.POSITIVE_INFINITY } = schema as Record<string, number>;
    if (value.length < minItems || value.length > maxItems) faults.push('has too few or too many entries');
    return [...faults, ...value.flatMap(each => valueFaults(schema['items'] as Schema, each))];
  }
  if (type === 'object') faults.push(...objectFaults(schema, value as Record<string, unknown>));
  return faults;
}

function objectFaults(schema: Schema, value: Record<string, unknown>): string[] {
  const properties = (schema['properties'] as Record<string, Schema> | undefined) ?? {};
  const missing = ((schema['required'] as readonly string[] | undefined) ?? []).filter(
    key => !Object.hasOwn(value, key),
  );
  const faults = missing.map(key => `${key} is missing`);
  for (const [key, each] of Object.entries(value)) {
    const inner = properties[key] ?? (schema['additionalProperties'] as Schema | undefined);
    if (inner !== undefined) faults.push(...valueFaults(inner, each).map(fault => `${key} ${fault}`));
    else if (schema['x-kubernetes-preserve-unknown-fields'] !== true) faults.push(`${key} is unknown`);
  }
  return faults;
}
