/**
 * Cuts an object down to the fields its schema knows, as the API server's pruning does, and takes a null for an absent
 * field, as it does too. The result is a copy as deep as the schema, never as deep as the input. Fields that nobody
 * knows can be named on the way, with the field that was probably meant.
 */
import { z } from 'zod';

type OnUnknown = (path: readonly PropertyKey[], known: readonly string[]) => void;

type Prune = (value: unknown, path: PropertyKey[], onUnknown: OnUnknown | undefined) => unknown;

/** Compiles a schema once; the result is called for every object of the kind. */
export function pruner(schema: z.core.$ZodType): Prune {
  if (schema instanceof z.ZodObject) return objectPruner(schema);
  if (schema instanceof z.ZodArray) return arrayPruner(schema);
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return pruner(schema.def.innerType);
  return value => value;
}

function objectPruner(schema: z.ZodObject): Prune {
  const fields = Object.entries(schema.shape).map(([key, field]) => ({ key, prune: pruner(field) }));
  const known = fields.map(field => field.key);
  const isKnown = new Set(known);
  return (value, path, onUnknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    const raw = value as Readonly<Record<string, unknown>>;
    const out: Record<string, unknown> = {};
    for (const { key, prune } of fields) {
      if (!Object.hasOwn(raw, key)) continue;
      const inner = raw[key];
      if (inner === null || inner === undefined) continue;
      path.push(key);
      out[key] = prune(inner, path, onUnknown);
      path.pop();
    }
    if (onUnknown !== undefined)
      for (const key of Object.keys(raw)) if (!isKnown.has(key)) onUnknown([...path, key], known);
    return out;
  };
}

function arrayPruner(schema: z.ZodArray): Prune {
  const prune = pruner(schema.def.element);
  return (value, path, onUnknown) => {
    if (!Array.isArray(value)) return value;
    return value.map((item, i) => {
      path.push(i);
      const out = prune(item, path, onUnknown);
      path.pop();
      return out;
    });
  };
}

/** The known word that `word` is most likely a misspelling of; letters in the wrong case do not count. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > 64) return undefined;
  const lower = word.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.min(3, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(lower, candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Letters to change, add, remove or swap with their neighbour (optimal string alignment), in three rows. */
function editDistance(a: string, b: string): number {
  let last: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = swapped ? (last[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY;
      next.push(Math.min(substitution, swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    [last, row] = [row, next];
  }
  return row[b.length] ?? 0;
}
