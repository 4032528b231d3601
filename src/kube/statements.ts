/**
 * What field managers have stated about an object's status, read back from its managedFields (server-side apply,
 * KEP-555): which conditions and which other fields are whose, with the values they have. So a process that has just
 * started knows what its predecessor wrote and does not write it again.
 */
import type { RawObject } from '../api/object.ts';
import { sameValue } from '../net/equal.ts';

/** Kept as text: there is one for each object that anything was said about, and it is seldom looked at. */
export type Told = string;

interface Statements {
  /** By manager, in the plain form of `plainStatus`. */
  readonly by: Readonly<Record<string, unknown>>;
  /** By type of condition: its status and since when. */
  readonly since: Readonly<Record<string, readonly [status: string, time: string]>>;
}

const nothing: Statements = { by: {}, since: {} };

function readTold(told: Told | undefined): Statements {
  return told === undefined ? nothing : (JSON.parse(told) as Statements);
}

/** Undefined when nobody has applied anything to the status and it has no conditions. */
export function toldBy(object: RawObject): Told | undefined {
  const status = mapping(object['status']);
  if (status === undefined) return undefined;
  const by: Record<string, unknown> = {};
  const managed = mapping(object['metadata'])?.['managedFields'];
  for (const entry of Array.isArray(managed) ? managed.map(mapping) : []) {
    const fields = mapping(mapping(entry?.['fieldsV1'])?.['f:status']);
    if (entry?.['operation'] !== 'Apply' || entry['subresource'] !== 'status' || fields === undefined) continue;
    by[String(entry['manager'])] = plainStatus(ownedPart(status, fields));
  }
  const since: Record<string, readonly [string, string]> = {};
  for (const condition of conditionsOf(status) ?? []) {
    const { type, status: state, lastTransitionTime } = condition;
    if (typeof lastTransitionTime === 'string') since[String(type)] = [String(state), lastTransitionTime];
  }
  if (Object.keys(by).length === 0 && Object.keys(since).length === 0) return undefined;
  return JSON.stringify({ by, since } satisfies Statements);
}

/** Whether `manager` states just this. */
export function isStated(told: Told | undefined, manager: string, status: RawObject): boolean {
  return sameValue(readTold(told).by[manager] ?? {}, plainStatus(status));
}

/** With the times at which conditions turned (metav1.Condition): as they were when their status stays. */
export function timedStatus(told: Told | undefined, status: RawObject, now: string): RawObject {
  const conditions = conditionsOf(status);
  if (conditions === undefined) return status;
  const { since } = readTold(told);
  const timed = conditions.map(condition => {
    const [before, time] = since[String(condition['type'])] ?? [];
    const stays = before === condition['status'] ? time : undefined;
    return { ...condition, lastTransitionTime: stays ?? condition['lastTransitionTime'] ?? now };
  });
  return { ...status, conditions: timed };
}

/** Fields of the status belong whole to who stated any part of them, conditions one by one. */
function ownedPart(status: RawObject, fields: RawObject): RawObject {
  const owned: Record<string, unknown> = {};
  for (const [key, below] of Object.entries(fields)) {
    const name = key.slice(2);
    if (!key.startsWith('f:') || status[name] === undefined) continue;
    const types = name === 'conditions' ? conditionTypes(mapping(below)) : undefined;
    owned[name] =
      types === undefined
        ? status[name]
        : (conditionsOf(status) ?? []).filter(condition => types.has(String(condition['type'])));
  }
  return owned;
}

/** Types of the conditions under `f:conditions`; undefined where the list is owned as one. */
function conditionTypes(fields: RawObject | undefined): ReadonlySet<string> | undefined {
  const keys = Object.keys(fields ?? {}).filter(key => key.startsWith('k:'));
  if (keys.length === 0) return undefined;
  return new Set(keys.map(key => String(mapping(JSON.parse(key.slice(2)))?.['type'])));
}

/**
 * A status in the form in which two that say the same are equal, whatever the API server leaves out (what is empty) and
 * adds (ipMode). Conditions by type, without the times at which they turned.
 */
function plainStatus(status: RawObject): unknown {
  const conditions = conditionsOf(status);
  if (conditions === undefined) return plain(status) ?? {};
  const byType = conditions.map(({ lastTransitionTime: _, type, ...rest }) => [String(type), plain(rest)] as const);
  return plain({ ...status, conditions: Object.fromEntries(byType) }) ?? {};
}

/** Undefined for what is as good as absent. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map(each => plain(each) ?? null);
  const fields = mapping(value);
  if (fields === undefined) return value === '' || value === 0 || value === null ? undefined : value;
  const kept = Object.entries(fields).flatMap(([key, each]) => {
    const left = key === 'ipMode' && each === 'VIP' ? undefined : plain(each);
    return left === undefined ? [] : [[key, left] as const];
  });
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}

function conditionsOf(status: RawObject): readonly RawObject[] | undefined {
  const conditions = status['conditions'];
  return Array.isArray(conditions) && conditions.every(each => mapping(each) !== undefined)
    ? (conditions as readonly RawObject[])
    : undefined;
}

function mapping(value: unknown): RawObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as RawObject) : undefined;
}
