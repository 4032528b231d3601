/** Looks into objects of kinds that Herald does not read: any shape is normal input, what is not there is undefined. */
import type { RawObject } from '../api/object.ts';
import { isMapping } from '../directory/manifest.ts';

/** What stands at the end of the path: `at(object, 'spec', 'template', 'metadata')`. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  let here = value;
  for (const key of path) {
    if (!isMapping(here) || !Object.hasOwn(here, key)) return undefined;
    here = here[key];
  }
  return here;
}

export function textAt(value: unknown, ...path: readonly string[]): string {
  const found = at(value, ...path);
  return typeof found === 'string' ? found : '';
}

/** Empty when there is none, or what stands there is none. */
export function listAt(value: unknown, ...path: readonly string[]): readonly unknown[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? found : [];
}

/** Keys whose values are text, as labels are. */
export function labelsAt(value: unknown, ...path: readonly string[]): Readonly<Record<string, string>> {
  const found = at(value, ...path);
  if (!isMapping(found)) return {};
  return Object.fromEntries(
    Object.entries(found).flatMap(([key, text]) => (typeof text === 'string' ? [[key, text]] : [])),
  );
}

/** A whole number within bounds, or undefined. */
export function wholeAt(
  bounds: { readonly min: number; readonly max: number },
  value: unknown,
  ...path: readonly string[]
) {
  const found = at(value, ...path);
  const isWhole = typeof found === 'number' && Number.isInteger(found) && found >= bounds.min && found <= bounds.max;
  return isWhole ? found : undefined;
}

/** True for `apiVersion` of that group, whatever the version, and that kind. */
export function isKind(object: RawObject, group: string, kind: string): boolean {
  const version = textAt(object, 'apiVersion');
  const slash = version.indexOf('/');
  return textAt(object, 'kind') === kind && (slash < 0 ? '' : version.slice(0, slash)) === group;
}

/** `namespace/name` of an object that is in a namespace. */
export function keyOf(object: RawObject): string {
  return `${namespaceOf(object)}/${textAt(object, 'metadata', 'name')}`;
}

export function namespaceOf(object: RawObject): string {
  return textAt(object, 'metadata', 'namespace') || 'default';
}

/** True when every label of the selector is there with that value. */
export function selects(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value);
}
