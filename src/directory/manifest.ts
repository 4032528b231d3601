/**
 * One manifest file's content → its objects, document by document. Documents end at `---` and `...` (YAML 1.2 §9.1.2);
 * `List` kinds are taken apart. A document whose text is as before is the same value as before, objects and all, so
 * that one change in a file of ten thousand Services costs one document.
 */
import { isUtf8 } from 'node:buffer';
import type { RawObject } from '../api/object.ts';
import { locator, parseYaml, YamlError, type YamlFault } from './yaml.ts';

export const manifestLimits = { fileBytes: 16 * 1024 * 1024, listNesting: 4 } as const;

/** An object of a document: `at` is where in the document, '' when it is all of it, `items[3]` in a List. */
export interface ManifestItem {
  readonly raw: RawObject;
  readonly at: string;
}

export interface ManifestDocument {
  readonly text: string;
  /** Of the file, from 1: where `text` begins. */
  readonly line: number;
  readonly content: DocumentContent;
}

export interface DocumentContent {
  readonly items: readonly ManifestItem[];
  /** Lines count within the document. */
  readonly faults: readonly YamlFault[];
  readonly newlines: number;
}

export interface Manifest {
  readonly documents: readonly ManifestDocument[];
  /** What is wrong with the file as a whole; there are no documents then. */
  readonly fault: FileFault | undefined;
}

/** Without a line where the content is not the matter. */
export interface FileFault extends Omit<YamlFault, 'line'> {
  readonly line: number | undefined;
}

const emptyManifest: Manifest = { documents: [], fault: undefined };

/** True when something of it could not be read. */
export function isBroken(manifest: Manifest): boolean {
  return manifest.fault !== undefined || manifest.documents.some(each => each.content.faults.length > 0);
}

export function holdsNothing(manifest: Manifest): boolean {
  return manifest.documents.every(each => each.content.items.length === 0);
}

/** `before` is what the same file held last time. Never throws, whatever the bytes are. */
export function readManifest(bytes: Uint8Array, before: Manifest = emptyManifest): Manifest {
  const fault = faultOfBytes(bytes);
  if (fault !== undefined) return { documents: [], fault };
  const decoded = new TextDecoder().decode(bytes);
  const text = decoded.includes('\r\n') ? decoded.replaceAll('\r\n', '\n') : decoded;
  return { documents: text === '' ? [] : update(before.documents, text), fault: undefined };
}

/** Reads only what differs from `before` between a common beginning and a common end. */
function update(before: readonly ManifestDocument[], text: string): readonly ManifestDocument[] {
  const { head, tail, from, to } = common(before, text);
  if (head === before.length && from === text.length) return before;
  const known = new Map(before.slice(head, tail).map(document => [document.text, document]));
  const documents = before.slice(0, head);
  const last = documents.at(-1);
  let line = last === undefined ? 1 : last.line + last.content.newlines;
  const add = (document: ManifestDocument) => {
    documents.push(document.line === line ? document : { ...document, line });
    line += document.content.newlines;
  };
  for (const part of split(text.slice(from, to))) {
    // Two of the same text are two documents.
    const same = known.get(part);
    known.delete(part);
    add(same ?? read(part, line));
  }
  for (const document of before.slice(tail)) add(document);
  return documents;
}

/**
 * `before` up to `head`, and from `tail` on, is found again in the text up to `from`, and from `to` on. One document
 * at each edge is left out: what now stands beside it may have become part of it.
 */
function common(before: readonly ManifestDocument[], text: string) {
  let head = 0;
  let from = 0;
  for (; head < before.length && text.startsWith(before[head]?.text ?? '', from); head++)
    from += before[head]?.text.length ?? 0;
  if (head === before.length && from === text.length) return { head, tail: head, from, to: from };
  if (head > 0) from -= before[--head]?.text.length ?? 0;
  let tail = before.length;
  let to = text.length;
  for (let part = before[tail - 1]; tail > head && part !== undefined; part = before[tail - 1]) {
    if (to - part.text.length < from || !text.startsWith(part.text, to - part.text.length)) break;
    to -= part.text.length;
    tail--;
  }
  do {
    to += before[tail]?.text.length ?? 0;
    tail++;
  } while (tail < before.length && !before[tail]?.text.startsWith('---'));
  return tail > before.length ? { head, tail: before.length, from, to: text.length } : { head, tail, from, to };
}

/** For a document, a function that gives the line of the file that `path` of one of its items is on. */
export function lineLocator(document: ManifestDocument): (item: ManifestItem, path: string) => number {
  let locate: ((path: string) => number) | undefined;
  return ({ at }, path) => {
    const whole = at === '' || path === '' || path.startsWith('[') ? at + path : `${at}.${path}`;
    if (whole === '') return document.line + firstContentLine(document.text);
    locate ??= locator(document.text);
    return document.line + locate(whole) - 1;
  };
}

function faultOfBytes(bytes: Uint8Array): FileFault | undefined {
  if (bytes.length > manifestLimits.fileBytes) {
    const limit = `${manifestLimits.fileBytes / 2 ** 20} MiB`;
    const message = `the file has ${(bytes.length / 2 ** 20).toFixed(1)} MiB`;
    return { line: undefined, message, fix: `split it: ${limit} is the limit` };
  }
  const nul = bytes.indexOf(0);
  if (nul !== -1) {
    const fix = 'a manifest is UTF-8 text; move other files out of this folder';
    return { line: lineOfByte(bytes, nul), message: 'not text: there is a NUL byte', fix };
  }
  if (isUtf8(bytes)) return undefined;
  return { line: lineOfBadUtf8(bytes), message: 'not UTF-8', fix: 'save the file as UTF-8' };
}

function lineOfByte(bytes: Uint8Array, offset: number): number {
  let line = 1;
  for (let at = bytes.indexOf(0x0a); at !== -1 && at < offset; at = bytes.indexOf(0x0a, at + 1)) line++;
  return line;
}

/** A line feed is part of no longer UTF-8 sequence, so each line can be asked by itself. */
function lineOfBadUtf8(bytes: Uint8Array): number {
  let line = 1;
  for (let from = 0; from <= bytes.length; line++) {
    const newline = bytes.indexOf(0x0a, from);
    const end = newline === -1 ? bytes.length : newline;
    if (!isUtf8(bytes.subarray(from, end))) return line;
    from = end + 1;
  }
  return 1;
}

/** The documents' texts; together they are the whole text. What stands before the first marker goes with it. */
function* split(text: string): Generator<string> {
  let start = 0;
  // Both are looked for once: the next of each stays known until it is passed.
  let begins = lineStart(text, '---', 0);
  let ends = lineStart(text, '...', 0);
  while (begins !== -1 || ends !== -1) {
    if (ends !== -1 && (begins === -1 || ends < begins)) {
      const newline = text.indexOf('\n', ends);
      const after = newline === -1 ? text.length : newline + 1;
      yield text.slice(start, after);
      start = after;
      ends = lineStart(text, '...', after);
      continue;
    }
    if (!isPreamble(text, start, begins)) {
      yield text.slice(start, begins);
      start = begins;
    }
    begins = lineStart(text, '---', begins + 3);
  }
  if (start < text.length) yield text.slice(start);
}

/** Offset of the next line, from `from` on, that begins with the marker and then a blank or nothing; -1 without. */
function lineStart(text: string, marker: string, from: number): number {
  let at = from === 0 && text.startsWith(marker) ? 0 : next(text, marker, Math.max(0, from - 1));
  while (at !== -1 && !' \n\t'.includes(text.charAt(at + 3))) at = next(text, marker, at + 3);
  return at;
}

function next(text: string, marker: string, from: number): number {
  const newline = text.indexOf(`\n${marker}`, from);
  return newline === -1 ? -1 : newline + 1;
}

/** Comments, blank lines and directives belong to the document whose marker they precede. */
function isPreamble(text: string, from: number, to: number): boolean {
  for (let at = from; at < to; ) {
    const first = text.charAt(at);
    const newline = text.indexOf('\n', at);
    const end = newline === -1 ? to : newline;
    if (first !== '#' && first !== '%' && text.slice(at, end).trim() !== '') return false;
    at = end + 1;
  }
  return true;
}

function read(part: string, line: number): ManifestDocument {
  // A copy: a slice would keep the whole file's text alive for as long as one of its objects lives.
  const text = Buffer.from(part).toString();
  let newlines = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) newlines++;
  const faults: YamlFault[] = [];
  const items: ManifestItem[] = [];
  try {
    const value = parseYaml(text);
    if (value !== undefined && value !== null) collect(value, '', items, 0);
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    faults.push(error.fault);
  }
  return { text, line, content: { items, faults, newlines } };
}

/** An object as it stands, or what a List holds. What is no mapping stays as it is: parsing names that fault. */
function collect(value: unknown, at: string, into: ManifestItem[], nesting: number): void {
  const raw = value as RawObject;
  if (!isList(value) || nesting >= manifestLimits.listNesting) {
    into.push({ raw, at });
    return;
  }
  const { items, apiVersion, kind } = value;
  // The API server leaves out of a typed list what the list's own kind says.
  const implied = kind === 'List' ? {} : { apiVersion, kind: kind.slice(0, -'List'.length) };
  for (const [i, item] of items.entries()) {
    const whole = isMapping(item) && item['kind'] === undefined ? { ...implied, ...item } : item;
    collect(whole, `${at === '' ? '' : `${at}.`}items[${i}]`, into, nesting + 1);
  }
}

function isList(value: unknown): value is { apiVersion: unknown; kind: string; items: readonly unknown[] } {
  if (!isMapping(value) || typeof value['kind'] !== 'string') return false;
  return value['kind'].endsWith('List') && Array.isArray(value['items']);
}

export function isMapping(value: unknown): value is RawObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function firstContentLine(text: string): number {
  let line = 0;
  for (const each of text.split('\n')) {
    if (!/^\s*(?:#|%|---\s*(?:#.*)?$|$)/.test(each)) return line;
    line++;
  }
  return 0;
}
