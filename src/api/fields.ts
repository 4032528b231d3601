/**
 * The fields schemas are made of. Each says three things once: what it accepts, what `kubectl explain` shows and, as
 * its zod message, a noun phrase for what would be right, from which faults are worded (notes.ts). Cross-field rules
 * are one row for both readers: CEL for the API server, a predicate for Herald.
 */
import { z } from 'zod';
import type { Condition, FaultCode } from './object.ts';

/** A rule over the fields of one object: `cel` and `holds` say the same. */
export interface Rule<T> {
  readonly code: FaultCode;
  readonly cel: string;
  readonly holds: (value: T) => boolean;
  /** What is wrong when it does not hold, and what would be right. */
  readonly message: string;
  readonly fix: string;
  /** The field to point at; the object itself when absent. */
  readonly field?: string;
}

export const maxInt32 = 2 ** 31 - 1;
export const maxUint32 = 2 ** 32 - 1;

/** A whole number from `min` to `max`. */
export function whole(about: string, min: number, max: number): z.ZodInt {
  const right = `a whole number from ${min} to ${max}`;
  const format = max > maxInt32 ? 'int64' : 'int32';
  return z.int(right).min(min, right).max(max, right).meta({ description: about, format });
}

/** `crd` adds keywords that only the API server needs to check, such as `format` and `pattern`. */
export function text(about: string, right = 'text', crd: Readonly<Record<string, unknown>> = {}): z.ZodString {
  return z.string(right).meta({ description: about, ...crd });
}

/** Text of 1 to `max` characters. */
export function name(about: string, max = 255): z.ZodString {
  const right = `a name of 1 to ${max} characters`;
  return z.string(right).min(1, right).max(max, right).meta({ description: about });
}

export function flag(about: string): z.ZodBoolean {
  return z.boolean('true or false').meta({ description: about });
}

export function oneOf<const T extends readonly [string, ...string[]]>(about: string, values: T) {
  return z.enum(values, `one of ${values.join(', ')}`).meta({ description: about });
}

/** A mapping with these fields. Unknown ones are left out here and named by prune.ts. */
export function object<S extends z.core.$ZodLooseShape>(
  about: string,
  shape: S,
  rules: readonly Rule<z.output<z.ZodObject<S>>>[] = [],
): z.ZodObject<S> {
  const plain = z.object(shape, 'a mapping of fields');
  const cel = rules.map(rule => ({ rule: rule.cel, message: `${rule.message}; ${rule.fix}` }));
  const meta = { description: about, ...(cel.length === 0 ? {} : { 'x-kubernetes-validations': cel }) };
  if (rules.length === 0) return plain.meta(meta);
  const ruled = plain.check(({ value, issues }) => {
    // A rule over a value that is wrong by itself would only repeat it.
    if (issues.length > 0) return;
    for (const { holds, code, message, fix, field } of rules) {
      if (holds(value)) continue;
      const path = field === undefined ? [] : [field];
      issues.push({ code: 'custom', input: value, message, params: { code, fix }, path });
    }
  });
  return ruled.meta(meta);
}

/** A list; with `key`, no two entries have one value in that field, and the API server merges entries by it. */
export function list<T extends z.ZodType>(
  about: string,
  item: T,
  limits: { readonly min?: number; readonly max?: number; readonly key?: string } = {},
): z.ZodArray<T> {
  const { min = 0, max, key } = limits;
  const right = min === 0 ? 'a list' : `a list of at least ${min}${max === undefined ? '' : ` and at most ${max}`}`;
  let schema = z.array(item, right);
  if (min > 0) schema = schema.min(min, right);
  if (max !== undefined) schema = schema.max(max, right);
  if (key === undefined) return schema.meta({ description: about });
  const listMap = { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': [key] };
  return schema.check(payload => refuseTwins(payload, key)).meta({ description: about, ...listMap });
}

function refuseTwins({ value: items, issues }: z.core.ParsePayload<readonly unknown[]>, key: string): void {
  if (items.length < 2 || issues.length > 0) return;
  const seen = new Set<unknown>();
  for (const [i, item] of items.entries()) {
    const value = (item as Readonly<Record<string, unknown>>)[key];
    if (seen.has(value)) {
      const params = { code: 'duplicate' satisfies FaultCode, fix: `give every entry a ${key} of its own` };
      const message = `another entry has this ${key} too`;
      issues.push({ code: 'custom', input: value, message, params, path: [i, key] });
    }
    seen.add(value);
  }
}

/** Text to text. */
export function textMap(about: string, value: z.ZodString = z.string('text')) {
  return z.record(z.string(), value, 'a mapping of text to text').meta({ description: about });
}

/** The API server checks the form of these, parsing what they mean. */
export const cidrText = (about: string) =>
  text(about, 'a CIDR such as 192.0.2.0/24 or 2001:db8::/64', { format: 'cidr' });
const addressPattern = '[0-9.]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[^\\s/%]+)?';
export const ipText = (about: string) => text(about, 'an IPv4 or IPv6 address', { pattern: `^(${addressPattern})$` });
/** Empty text stands for absence. */
export const ipTextOrNone = (about: string) =>
  text(about, 'an IPv4 or IPv6 address', { pattern: `^(|${addressPattern})$` });
export const ipv4Text = (about: string) => text(about, 'an IPv4 address', { format: 'ipv4' });

export const asn = (about: string, min: 0 | 1) => whole(about, min, maxUint32);
export const port = (about: string) => whole(about, 1, 65535);

/** metav1.Condition, one of each type. */
const condition = object('One thing known about the state of the object.', {
  type: name('What is known, as a stable name.', 316),
  status: oneOf('Whether it is so.', ['True', 'False', 'Unknown']),
  reason: text('A stable word for why.').optional(),
  message: text('Why, for people.').optional(),
  observedGeneration: whole('The metadata.generation this was found out about.', 0, Number.MAX_SAFE_INTEGER).optional(),
  lastTransitionTime: text('When the status last changed.', 'a time', { format: 'date-time' }).optional(),
});

export const conditions = list('What is known about the state of the object.', condition, { key: 'type' }).optional();

/** A status of nothing but conditions, which is what most kinds have. */
export const conditionStatus = object('What Herald found out; never written by users.', { conditions });

export function readConditions(raw: z.output<typeof conditions>): readonly Condition[] {
  return (raw ?? []).map(({ type, status, reason, message, observedGeneration, lastTransitionTime }) => ({
    type,
    status,
    reason: reason ?? '',
    message: message ?? '',
    ...(observedGeneration === undefined ? {} : { observedGeneration }),
    ...(lastTransitionTime === undefined ? {} : { lastTransitionTime }),
  }));
}
