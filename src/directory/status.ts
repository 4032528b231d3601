/**
 * Who said what about an object's status, and what it says in all: server-side apply as far as statuses need it.
 * Top-level fields belong whole to who stated them, conditions one by one by type. Stating what another manager states
 * shares it; stating something else takes it over.
 */
import type { RawObject } from '../api/object.ts';
import { sameValue } from '../net/equal.ts';
import { isMapping } from './manifest.ts';

/** Each manager's own statements. Two that state the same field state the same value. */
export type Managers = Readonly<Record<string, RawObject>>;

/** The manager of what a manifest says about its own status. */
export const manifestManager = 'manifest';

/** After `manager` stated `status`; the same value as before when that changes nothing. */
export function applyStatement(before: Managers, manager: string, status: RawObject, now: string): Managers {
  const standing = byType(conditionsOf(mergedStatus(before)) ?? []);
  const conditions = conditionsOf(status)?.map(each => timed(each, standing.get(each['type']), now));
  const statement = conditions === undefined ? status : { ...status, conditions };
  const after: Record<string, RawObject> = {};
  for (const [name, theirs] of Object.entries(before)) {
    if (name === manager) continue;
    const left = withoutContradicted(theirs, statement);
    if (Object.keys(left).length > 0) after[name] = left;
  }
  if (Object.keys(statement).length > 0) after[manager] = statement;
  return sameValue(before, after) ? before : after;
}

/** All statements together; conditions sorted by type. Undefined when nobody states anything. */
export function mergedStatus(managers: Managers | undefined): RawObject | undefined {
  const statements = Object.values(managers ?? {});
  if (statements.length === 0) return undefined;
  const merged = Object.assign({}, ...statements) as RawObject;
  const conditions = statements.flatMap(each => conditionsOf(each) ?? []);
  if (conditions.length === 0) return merged;
  return { ...merged, conditions: [...byType(conditions).values()].sort((a, b) => (a['type'] < b['type'] ? -1 : 1)) };
}

interface TypedCondition extends RawObject {
  readonly type: string;
}

/** Undefined when there are none, or none that could be told apart: then the field is one like the others. */
function conditionsOf(status: RawObject | undefined): readonly TypedCondition[] | undefined {
  const conditions = status?.['conditions'];
  return Array.isArray(conditions) && conditions.every(isTyped) ? conditions : undefined;
}

function isTyped(value: unknown): value is TypedCondition {
  return isMapping(value) && typeof value['type'] === 'string';
}

function byType(conditions: readonly TypedCondition[]): Map<string, TypedCondition> {
  return new Map(conditions.map(each => [each.type, each]));
}

/** lastTransitionTime is when `status` became what it is (metav1.Condition). */
function timed(condition: TypedCondition, standing: TypedCondition | undefined, now: string): TypedCondition {
  const stays = standing !== undefined && standing['status'] === condition['status'];
  const since = stays ? standing['lastTransitionTime'] : undefined;
  return { ...condition, lastTransitionTime: since ?? condition['lastTransitionTime'] ?? now };
}

function withoutContradicted(theirs: RawObject, statement: RawObject): RawObject {
  const ours = byType(conditionsOf(statement) ?? []);
  const left: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(theirs)) {
    if (field === 'conditions' && conditionsOf(theirs) !== undefined && conditionsOf(statement) !== undefined) {
      const kept = (conditionsOf(theirs) ?? []).filter(each => {
        const other = ours.get(each.type);
        return other === undefined || sameValue(other, each);
      });
      if (kept.length > 0) left[field] = kept;
    } else if (!Object.hasOwn(statement, field) || sameValue(statement[field], value)) left[field] = value;
  }
  return left;
}
