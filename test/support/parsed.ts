/** Parsing as tests ask about it: the value of an object that must be good, or the faults of one in a line each. */
import type { KindName, Kinds } from '../../src/api/kinds.ts';
import type { Fault } from '../../src/api/object.ts';
import { parseObject } from '../../src/api/parse.ts';

/** The value; throws with the faults when there is any, warnings included. */
export function good<K extends KindName>(kind: K, raw: unknown): Kinds[K] {
  const parsed = parseObject(raw);
  if (parsed.outcome !== 'known' || parsed.object.kind !== kind || parsed.warnings.length > 0)
    throw new Error(`not a good ${kind}: ${parsed.outcome}\n${faults(raw).join('\n')}`);
  return parsed.object as Kinds[K];
}

/** The value whatever the warnings; throws when the object is refused. */
export function accepted<K extends KindName>(kind: K, raw: unknown): Kinds[K] {
  const parsed = parseObject(raw);
  if (parsed.outcome !== 'known' || parsed.object.kind !== kind) throw new Error(`refused: ${faults(raw).join('\n')}`);
  return parsed.object as Kinds[K];
}

/** `error bad-cidr spec.blocks[0].cidr`, in order. */
export function faults(raw: unknown): readonly string[] {
  return allFaults(raw).map(({ severity, code, path }) => `${severity} ${code} ${path}`);
}

export function allFaults(raw: unknown): readonly Fault[] {
  const parsed = parseObject(raw);
  switch (parsed.outcome) {
    case 'known':
      return parsed.warnings;
    case 'refused':
      return parsed.faults;
    case 'not-an-object':
      return [parsed.fault];
    case 'unknown-kind':
      return [];
  }
}

/** A copy of `raw` with the field at `path` (`spec.blocks[0].cidr`) set, or removed when `value` is undefined. */
export function altered(raw: object, path: string, value: unknown): object {
  const copy = structuredClone(raw);
  const steps = path.split(/[.[\]]+/).filter(step => step !== '');
  let holder = copy as Record<string, unknown>;
  for (const step of steps.slice(0, -1)) {
    holder[step] ??= {};
    holder = holder[step] as Record<string, unknown>;
  }
  const last = steps.at(-1) ?? '';
  if (value === undefined) delete holder[last];
  else holder[last] = value;
  return copy;
}
