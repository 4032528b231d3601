/**
 * Whatever came out of YAML or JSON → a known object, or the reasons why it is none. Never throws: bad input is normal
 * input. The order: which kind, cut to what the schema knows, limits and defaults (zod), names and labels, values.
 */
import { z } from 'zod';
import type { Kind } from './kind.ts';
import { type KnownObject, kindOf, kinds } from './kinds.ts';
import { type Bookkeeping, blankForNull, bookkeepingSchema, identitySchema, readMetadata } from './metadata.ts';
import { faultsOf, formatPath, Notes, type Path, shorten, typeName } from './notes.ts';
import type { Fault, ObjectRef, RawObject } from './object.ts';
import { nearest, pruner } from './prune.ts';

type Parsed =
  | { readonly outcome: 'known'; readonly object: KnownObject; readonly warnings: readonly Fault[] }
  | {
      readonly outcome: 'refused';
      /** Undefined when the object does not even say its name. */
      readonly ref: ObjectRef | undefined;
      readonly generation: number;
      /** At least one error among them. */
      readonly faults: readonly Fault[];
    }
  /** Somebody else's: passed over. `meant` is the kind of ours that was probably meant. */
  | {
      readonly outcome: 'unknown-kind';
      readonly apiVersion: string;
      readonly kind: string;
      readonly meant: string | undefined;
    }
  | { readonly outcome: 'not-an-object'; readonly fault: Fault };

const salvageRoundsMax = 8;
const metadataSchema = identitySchema.extend(bookkeepingSchema.shape);
const pruneMetadata = pruner(metadataSchema);
const compiled = new Map(Object.values<Kind<KnownObject>>(kinds).map(kind => [kind, compile(kind)]));

function compile(kind: Kind<KnownObject>) {
  const whole = z.object({ ...kind.body.shape, metadata: metadataSchema, status: kind.status.prefault({}) });
  return { whole, pruneBody: pruner(kind.body), pruneStatus: pruner(kind.status) };
}

export function parseObject(raw: unknown): Parsed {
  if (!isMapping(raw)) {
    const fix = 'write a Kubernetes object with apiVersion, kind and metadata';
    const fault: Fault = {
      severity: 'error',
      code: 'not-an-object',
      path: '',
      message: `is ${typeName(raw)}, not an object`,
      fix,
    };
    return { outcome: 'not-an-object', fault };
  }
  const { apiVersion, kind: name } = raw;
  if (typeof apiVersion !== 'string' || typeof name !== 'string') return withoutKind(raw);
  const slash = apiVersion.indexOf('/');
  const group = slash < 0 ? '' : apiVersion.slice(0, slash);
  const kind = kindOf(group, name);
  if (kind === undefined) return { outcome: 'unknown-kind', apiVersion, kind: name, meant: meantKind(group, name) };
  return parseKnown(raw, kind, apiVersion.slice(slash + 1));
}

function parseKnown(raw: RawObject, kind: Kind<KnownObject>, version: string): Parsed {
  const notes = new Notes();
  const quick = parseQuickly(raw, kind, version, notes);
  if (quick !== undefined) return quick;
  if (!kind.versions.includes(version)) {
    const right = kind.versions.map(each => (kind.group === '' ? each : `${kind.group}/${each}`)).join(' or ');
    notes.error('unknown-version', 'apiVersion', `${kind.kind} has no version '${shorten(version)}'`, `write ${right}`);
  }
  const metadata = parseMetadata(raw['metadata'], kind, notes);
  const body = parseBody(raw, kind, notes);
  const rawStatus = compiled.get(kind)?.pruneStatus(raw['status'] ?? {}, [], undefined);
  const status = salvage(kind.status, rawStatus, ['status'], kind.quiet === true, notes);
  if (metadata !== undefined && body !== undefined && !notes.refused) {
    const object = kind.read({ body, status, metadata, notes });
    if (!notes.refused) return { outcome: 'known', object, warnings: notes.faults };
  }
  return refused(raw, kind, metadata?.generation ?? 0, notes);
}

/**
 * In one go, for kinds whose unknown fields are none of our business: nearly every object of theirs comes from an API
 * server and is right as it is. Undefined when the object needs the long way: a null, a fault, a version of its own.
 */
function parseQuickly(raw: RawObject, kind: Kind<KnownObject>, version: string, notes: Notes): Parsed | undefined {
  if (kind.crd?.owner === 'herald' || !kind.versions.includes(version)) return undefined;
  const result = compiled.get(kind)?.whole.safeParse(raw);
  if (result?.success !== true) return undefined;
  const { metadata: rawMetadata, status, ...body } = result.data;
  const metadata = readMetadata(rawMetadata, rawMetadata, kind, notes);
  const object = kind.read({ body, status, metadata, notes });
  return notes.refused
    ? refused(raw, kind, metadata.generation, notes)
    : { outcome: 'known', object, warnings: notes.faults };
}

function refused(raw: RawObject, kind: Kind<KnownObject>, generation: number, notes: Notes): Parsed {
  return { outcome: 'refused', ref: refOf(raw, kind), generation, faults: named(notes.faults, kind) };
}

function parseMetadata(raw: unknown, kind: Kind<KnownObject>, notes: Notes) {
  const quiet = kind.quiet === true;
  const pruned = blankForNull(pruneMetadata(raw, [], undefined));
  const identity = strict(identitySchema, pruned, ['metadata'], quiet, notes);
  if (identity === undefined) return undefined;
  const bookkeeping: Bookkeeping = salvage(bookkeepingSchema, pruned, ['metadata'], quiet, notes);
  return readMetadata(identity, bookkeeping, kind, notes);
}

const commonFields = new Set(['apiVersion', 'kind', 'metadata', 'status']);

function parseBody(raw: RawObject, kind: Kind<KnownObject>, notes: Notes) {
  const onUnknown = (path: Path, known: readonly string[]) => {
    const field = String(path.at(-1));
    if (path.length === 1 && commonFields.has(field)) return;
    const meant = nearest(field, known);
    const fix = meant === undefined ? `remove it; the fields here are ${known.join(', ')}` : `did you mean ${meant}?`;
    notes.warn('unknown-field', formatPath(path), 'is no field of this kind and is ignored', fix);
  };
  const ours = kind.crd?.owner === 'herald';
  const pruned = compiled.get(kind)?.pruneBody(raw, [], ours ? onUnknown : undefined);
  return strict(kind.body, pruned, [], kind.quiet === true, notes);
}

/** The value, or errors and undefined. */
function strict<S extends z.ZodType>(
  schema: S,
  raw: unknown,
  path: Path,
  quiet: boolean,
  notes: Notes,
): z.output<S> | undefined {
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  notes.add(faultsOf(result.error.issues, raw, path, quiet), 'error');
  return undefined;
}

/** Leaves out what is wrong, with a warning for each. `raw` is ours to change: it came from pruning. */
function salvage<S extends z.ZodObject>(
  schema: S,
  raw: unknown,
  path: Path,
  quiet: boolean,
  notes: Notes,
): z.output<S> {
  for (let round = 0; round < salvageRoundsMax; round++) {
    const result = schema.safeParse(raw);
    if (result.success) return result.data;
    const { issues } = result.error;
    if (round === 0) notes.add(faultsOf(issues, raw, path, quiet), 'warning');
    if (!isMapping(raw)) break;
    removeAll(
      raw,
      issues.map(issue => issue.path),
    );
  }
  return schema.parse({});
}

/** Removes what each path names or, where that is not there, what ought to have held it. */
function removeAll(root: RawObject, paths: readonly Path[]): void {
  const doomed = new Map<object, Set<PropertyKey>>();
  for (const path of paths) {
    const holders: object[] = [];
    let holder: unknown = root;
    for (const step of path) {
      if (typeof holder !== 'object' || holder === null || !Object.hasOwn(holder, step)) break;
      holders.push(holder);
      holder = (holder as Readonly<Record<PropertyKey, unknown>>)[step];
    }
    const from = holders.at(-1);
    const step = path[holders.length - 1];
    if (from === undefined || step === undefined) continue;
    doomed.set(from, (doomed.get(from) ?? new Set()).add(step));
  }
  for (const [from, steps] of doomed) {
    if (!Array.isArray(from)) for (const step of steps) Reflect.deleteProperty(from, step);
    // From the back, so that the indices of what is still to go stay true.
    else for (const step of [...steps].map(Number).sort((a, b) => b - a)) from.splice(step, 1);
  }
}

/** Errors below certain paths of a kind have names of their own. */
function named(faults: readonly Fault[], kind: Kind<KnownObject>): readonly Fault[] {
  if (kind.codes === undefined) return faults;
  const codes = Object.entries(kind.codes);
  return faults.map(fault => {
    const code = fault.severity === 'error' ? codes.find(([path]) => isBelow(fault.path, path))?.[1] : undefined;
    return code === undefined ? fault : { ...fault, code };
  });
}

function isBelow(path: string, top: string): boolean {
  return path === top || (path.startsWith(top) && /[.[]/.test(path.charAt(top.length)));
}

function refOf(raw: RawObject, kind: Kind<KnownObject>): ObjectRef | undefined {
  const metadata = raw['metadata'];
  if (!isMapping(metadata) || typeof metadata['name'] !== 'string' || metadata['name'] === '') return undefined;
  const { name, namespace } = metadata;
  const inNamespace = typeof namespace === 'string' ? namespace : 'default';
  return { kind: kind.kind, namespace: kind.scope === 'Cluster' ? '' : shorten(inNamespace), name: shorten(name) };
}

function withoutKind(raw: RawObject): Parsed {
  const notes = new Notes();
  for (const field of ['apiVersion', 'kind']) {
    if (typeof raw[field] === 'string') continue;
    const message = raw[field] === undefined ? 'is missing' : `is ${typeName(raw[field])}`;
    notes.error(
      'no-kind',
      field,
      message,
      field === 'kind' ? 'add kind, such as Service' : 'add apiVersion, such as v1',
    );
  }
  return { outcome: 'refused', ref: undefined, generation: 0, faults: notes.faults };
}

function meantKind(group: string, name: string): string | undefined {
  const candidates = Object.values<Kind<KnownObject>>(kinds).filter(kind => kind.group === group);
  return group === 'cilium.io'
    ? nearest(
        name,
        candidates.map(kind => kind.kind),
      )
    : undefined;
}

function isMapping(value: unknown): value is RawObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
