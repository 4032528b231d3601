/**
 * What is wrong with manifests: every fault with its file and line. The same findings for `herald check`, which reads
 * files once, and for the running store.
 */
import { readdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Fault, type FaultCode, ObjectRef } from '../api/object.ts';
import { parseObject } from '../api/parse.ts';
import { holdsNothing, isBroken, lineLocator, type Manifest, type ManifestItem } from './manifest.ts';
import { isManifestName, loadManifest } from './manifest-file.ts';
import { refOf } from './record.ts';

export interface Finding {
  readonly severity: Fault['severity'];
  readonly code: FaultCode | 'unreadable' | 'bad-yaml' | 'no-objects' | 'unknown-kind';
  readonly file: string;
  /** Undefined where the file itself is the matter. */
  readonly line: number | undefined;
  /** `Service default/web`; undefined where the object does not say who it is. */
  readonly object: string | undefined;
  readonly path: string;
  readonly message: string;
  readonly fix: string;
}

export interface CheckResult {
  /** By file and line. */
  readonly findings: readonly Finding[];
  readonly files: number;
  /** Of kinds that Herald reads. */
  readonly objects: number;
  /** Kinds that Herald does not read, and how many of each. */
  readonly passedOver: Readonly<Record<string, number>>;
}

type Locate = (item: ManifestItem, path: string) => number;

/** Reads files, and folders with all that is below them. Whatever goes wrong is a finding. */
export function checkManifests(paths: readonly string[]): CheckResult {
  const findings: Finding[] = [];
  const seen = new Map<string, () => string>();
  const passedOver: Record<string, number> = {};
  let objects = 0;
  const files = new Set<string>();
  for (const path of paths) {
    const below = filesIn(path, findings);
    let holdsSomething = false;
    for (const file of below) {
      if (files.has(file)) holdsSomething = true;
      if (files.has(file)) continue;
      files.add(file);
      const manifest = loadManifest(file);
      findings.push(...faultsOfFile(file, manifest));
      holdsSomething ||= isBroken(manifest) || !holdsNothing(manifest);
      for (const { item, ref, line } of itemsOf(manifest)) {
        const parsed = parseObject(item.raw);
        if (parsed.outcome === 'unknown-kind') passedOver[parsed.kind] = (passedOver[parsed.kind] ?? 0) + 1;
        else objects++;
        findings.push(...faultsOfItem(file, item, parsed, line));
        const first = ref === undefined ? undefined : seen.get(ref);
        if (first !== undefined) findings.push(duplicate(file, line(item, ''), ref, first()));
        else if (ref !== undefined) seen.set(ref, () => `${file}:${line(item, '')}`);
      }
    }
    if (below.length > 0 && !holdsSomething) findings.push(nothingIn(path));
  }
  return { findings: inOrder(findings), files: files.size, objects, passedOver };
}

/** What keeps a file, or a document of it, from being read. */
export function faultsOfFile(file: string, manifest: Manifest): Finding[] {
  const about = { severity: 'error', file, object: undefined, path: '' } as const;
  const whole = manifest.fault;
  if (whole !== undefined) return [{ ...about, code: 'unreadable', ...whole }];
  return manifest.documents.flatMap(({ line, content }) =>
    content.faults.map(fault => ({ ...about, ...fault, code: 'bad-yaml' as const, line: line + fault.line - 1 })),
  );
}

/** What parsing said about an object, with its lines. */
export function faultsOfItem(
  file: string,
  item: ManifestItem,
  parsed: ReturnType<typeof parseObject>,
  line: Locate,
): Finding[] {
  if (parsed.outcome === 'known')
    return parsed.warnings.map(fault =>
      placed(fault, file, ObjectRef.format(refOfKnown(parsed.object)), line(item, fault.path)),
    );
  if (parsed.outcome === 'refused') {
    const name = parsed.ref && ObjectRef.format(parsed.ref);
    return parsed.faults.map(fault => placed(fault, file, name, line(item, fault.path)));
  }
  if (parsed.outcome === 'not-an-object') return [placed(parsed.fault, file, undefined, line(item, ''))];
  if (parsed.meant === undefined) return [];
  const fix = `did you mean ${parsed.meant}?`;
  const message = `there is no kind '${parsed.kind}' in ${parsed.apiVersion}`;
  const about = { severity: 'warning', code: 'unknown-kind', file, object: undefined, path: 'kind' } as const;
  return [{ ...about, line: line(item, 'kind'), message, fix }];
}

/** The same object again, where `first` is what stands. */
export function duplicate(file: string, line: number, object: string | undefined, first: string): Finding {
  const message = `is also in ${first}, which is what counts`;
  return { severity: 'error', code: 'duplicate', file, line, object, path: '', message, fix: 'keep one of the two' };
}

function refOfKnown({ kind, metadata }: { kind: string; metadata: { namespace: string; name: string } }): ObjectRef {
  return { kind, namespace: metadata.namespace, name: metadata.name };
}

function placed(
  { severity, code, path, message, fix }: Fault,
  file: string,
  object: string | undefined,
  line: number,
): Finding {
  return { severity, code, file, line, object, path, message, fix };
}

function* itemsOf(manifest: Manifest) {
  for (const document of manifest.documents) {
    const line = lineLocator(document);
    for (const item of document.content.items) {
      const ref = refOf(item.raw);
      yield { item, line, ref: ref && ObjectRef.format(ref) };
    }
  }
}

/** The file itself, or the manifests of a folder in the order of their names. */
function filesIn(path: string, findings: Finding[]): readonly string[] {
  const files: string[] = [];
  try {
    // What is named is read whatever it is called; a file that is not there is the loader's to report.
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return [path];
    collect(path, [], files, findings);
    if (files.length === 0 && findings.every(each => !each.file.startsWith(path))) findings.push(nothingIn(path));
  } catch (error) {
    findings.push(unreadable(path, error));
  }
  return files;
}

function collect(dir: string, above: readonly string[], into: string[], findings: Finding[]): void {
  const real = realpathSync(dir);
  if (above.includes(real)) return;
  const entries = readdirSync(dir, { withFileTypes: true }).filter(each => !each.name.startsWith('.'));
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(dir, entry.name);
    try {
      const stats = entry.isSymbolicLink() ? statSync(path, { throwIfNoEntry: false }) : entry;
      if (stats?.isDirectory()) collect(path, [...above, real], into, findings);
      else if (stats?.isFile() && isManifestName(entry.name)) into.push(path);
    } catch (error) {
      findings.push(unreadable(path, error));
    }
  }
}

function unreadable(file: string, error: unknown): Finding {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const message =
    code === 'ENOENT' ? 'it went away while it was read' : error instanceof Error ? error.message : String(error);
  const fix = code === 'EACCES' ? 'run as a user who may read it, or change its mode' : 'check the name and try again';
  const about = { severity: 'error', code: 'unreadable', line: undefined, object: undefined, path: '' } as const;
  return { ...about, file, message: code === 'EACCES' ? 'no permission to read it' : message, fix };
}

function nothingIn(file: string): Finding {
  const about = { severity: 'error', code: 'no-objects', line: undefined, object: undefined, path: '' } as const;
  return {
    ...about,
    file,
    message: 'there are no objects in it',
    fix: 'name files or folders with .yaml, .yml or .json manifests',
  };
}

export function inOrder(findings: readonly Finding[]): readonly Finding[] {
  return [...findings].sort((a, b) => (a.file === b.file ? (a.line ?? 0) - (b.line ?? 0) : a.file < b.file ? -1 : 1));
}
