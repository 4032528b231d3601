/**
 * A fast reader for YAML as kubectl, Helm and most people write it: block mappings and sequences, flow collections on
 * one line, plain and simply quoted scalars, literal blocks, comments. Anything else (anchors, tags, escapes, tabs,
 * errors …) it does not touch: the caller turns to yaml.ts, which is twenty times slower. What this reader does read,
 * it reads to the same value; a property test compares the two.
 */
import { flowCollection, type Place } from './plain-flow.ts';
import {
  apostrophe,
  backslash,
  bar,
  brace,
  bracket,
  colon,
  dash,
  dot,
  hash,
  isDigit,
  isKeyChar,
  isSafe,
  isWord,
  keyCharsMax,
  nestingMax,
  notPlain,
  plus,
  quote,
  resolved,
  slash,
  space,
} from './plain-scalar.ts';

/** Where, as offsets in the text, each key of a mapping and each item of a sequence stands. */
export type Marks = Map<object, Map<string | number, number>>;

/**
 * The document's value, or undefined when it takes the full reader to tell. Fills `marks` when there are any to fill.
 */
export function readPlain(text: string, marks?: Marks): { readonly value: unknown } | undefined {
  if (text.includes('\t') || text.includes('\r')) return undefined;
  const lines = new Lines(text, marks);
  try {
    // The marker that begins the document, alone on its line.
    const isThere = lines.next() && (!lines.atMarker || lines.next());
    if (!isThere) return { value: undefined };
    if (lines.indent !== 0) return undefined;
    const value = block(lines, 0);
    return lines.ended ? { value } : undefined;
  } catch (error) {
    if (error === notPlain) return undefined;
    throw error;
  }
}

/** Stands on one line that has content; comments and blank lines are stepped over. */
class Lines {
  readonly text: string;
  /** Column of the content; a sequence's item moves it behind the dash. */
  indent = 0;
  /** Offset of the content, and of the line's end. */
  at = 0;
  end = -1;
  ended = false;
  depth = 0;

  readonly #marks: Marks | undefined;

  constructor(text: string, marks: Marks | undefined) {
    this.text = text;
    this.#marks = marks;
  }

  /** `key` of `collection` stands here, or at an offset further on in the line. */
  mark(collection: object, key: string | number, at = this.at): void {
    if (this.#marks === undefined) return;
    const places = this.#marks.get(collection);
    if (places === undefined) this.#marks.set(collection, new Map([[key, at]]));
    else places.set(key, at);
  }

  next(): boolean {
    const { text } = this;
    while (this.end < text.length) {
      const start = this.end + 1;
      const newline = text.indexOf('\n', start);
      this.end = newline === -1 ? text.length : newline;
      let at = start;
      while (at < this.end && text.charCodeAt(at) === space) at++;
      if (at === this.end || text.charCodeAt(at) === hash) continue;
      this.at = at;
      this.indent = at - start;
      return true;
    }
    this.ended = true;
    this.indent = -1;
    return false;
  }

  get atMarker(): boolean {
    return this.indent === 0 && /^--- *(?: #.*)?$/.test(this.text.slice(this.at, this.end));
  }

  /** True where a sequence's item begins: a dash, then a blank or nothing. */
  get atDash(): boolean {
    if (this.text.charCodeAt(this.at) !== dash) return false;
    return this.at + 1 === this.end || this.text.charCodeAt(this.at + 1) === space;
  }
}

function block(lines: Lines, indent: number): unknown {
  if (++lines.depth > nestingMax) throw notPlain;
  const value = lines.atDash ? sequence(lines, indent) : mapping(lines, indent);
  lines.depth--;
  return value;
}

function mapping(lines: Lines, indent: number): Record<string, unknown> {
  const { text } = lines;
  const map: Record<string, unknown> = {};
  while (lines.indent === indent) {
    const colonAt = keyEnd(text, lines.at, lines.end);
    if (colonAt === -1) throw notPlain;
    const key = keyText(text, lines.at, colonAt);
    if (key === '__proto__' || Object.hasOwn(map, key)) throw notPlain;
    lines.mark(map, key);
    let at = colonAt + 1;
    while (at < lines.end && text.charCodeAt(at) === space) at++;
    if (at < lines.end && text.charCodeAt(at) !== hash) map[key] = inline(lines, at, indent);
    else if (lines.next() && lines.indent > indent) map[key] = block(lines, lines.indent);
    else map[key] = lines.indent === indent && lines.atDash ? sequence(lines, indent) : null;
  }
  if (lines.indent > indent) throw notPlain;
  return map;
}

function sequence(lines: Lines, indent: number): unknown[] {
  const { text } = lines;
  const items: unknown[] = [];
  while (lines.indent === indent && lines.atDash) {
    lines.mark(items, items.length);
    let at = lines.at + 1;
    while (at < lines.end && text.charCodeAt(at) === space) at++;
    if (at === lines.end || text.charCodeAt(at) === hash) {
      items.push(lines.next() && lines.indent > indent ? block(lines, lines.indent) : null);
      continue;
    }
    lines.indent += at - lines.at;
    lines.at = at;
    if (lines.atDash || keyEnd(text, at, lines.end) !== -1) items.push(block(lines, lines.indent));
    else items.push(inline(lines, at, indent));
  }
  if (lines.indent > indent) throw notPlain;
  return items;
}

/** Offset of the colon that makes the text from `at` a key; -1 when it is none that this reader knows. */
function keyEnd(text: string, at: number, end: number): number {
  const first = text.charCodeAt(at);
  let i = at;
  if (first === quote || first === apostrophe) {
    i = text.indexOf(first === quote ? '"' : "'", at + 1);
    if (i === -1 || i >= end) return -1;
    for (let k = at + 1; k < i; k++) if (!isSafe(text.charCodeAt(k)) || text.charCodeAt(k) === backslash) return -1;
    i++;
  } else {
    if (!isWord(first)) return -1;
    while (i < end && isKeyChar(text.charCodeAt(i))) i++;
  }
  if (i - at > keyCharsMax || i >= end || text.charCodeAt(i) !== colon) return -1;
  return i + 1 === end || text.charCodeAt(i + 1) === space ? i : -1;
}

function keyText(text: string, at: number, end: number): string {
  const first = text.charCodeAt(at);
  return first === quote || first === apostrophe ? text.slice(at + 1, end - 1) : text.slice(at, end);
}

/** A value that begins on the line, from `at`; `indent` is that of the collection it belongs to. */
function inline(lines: Lines, at: number, indent: number): unknown {
  const { text, end } = lines;
  const first = text.charCodeAt(at);
  if (first === bar) return literal(lines, at, indent);
  let value: unknown;
  if (first === quote || first === apostrophe) value = quoted(text, at, end);
  else if (first === bracket || first === brace) value = flow(lines, at);
  else value = plainScalar(text, at, end);
  // A deeper line goes on with the scalar.
  if (lines.next() && lines.indent > indent) throw notPlain;
  return value;
}

function quoted(text: string, at: number, end: number): string {
  const mark = text.charCodeAt(at);
  let close = at + 1;
  for (; close < end && text.charCodeAt(close) !== mark; close++) {
    const code = text.charCodeAt(close);
    if (code === backslash && mark === quote) throw notPlain;
  }
  requireNothing(text, close + 1, end);
  return text.slice(at + 1, close);
}

/** A flow collection (§7.4) that ends on the line. */
function flow(lines: Lines, at: number): unknown {
  const place: Place = { text: lines.text, at, end: lines.end, depth: lines.depth };
  const value = flowCollection(place, (collection, key, offset) => lines.mark(collection, key, offset));
  requireNothing(lines.text, place.at, lines.end);
  return value;
}

/** Blanks and a comment may follow a value that ended before `at`. */
function requireNothing(text: string, at: number, end: number): void {
  if (at > end) throw notPlain;
  let i = at;
  while (i < end && text.charCodeAt(i) === space) i++;
  if (i < end && (text.charCodeAt(i) !== hash || i === at)) throw notPlain;
}

function plainScalar(text: string, at: number, end: number): unknown {
  const first = text.charCodeAt(at);
  const numberish = isDigit(first) || first === dash || first === plus || first === dot;
  if (!numberish && !isWord(first) && first !== slash) throw notPlain;
  let stop = end;
  for (let i = at; i < end; i++) {
    const code = text.charCodeAt(i);
    if (!isSafe(code)) throw notPlain;
    if (code === colon && (i + 1 === end || text.charCodeAt(i + 1) === space)) throw notPlain;
    if (code === hash && text.charCodeAt(i - 1) === space) {
      stop = i;
      break;
    }
  }
  while (text.charCodeAt(stop - 1) === space) stop--;
  return resolved(text.slice(at, stop), numberish);
}

/** A literal block scalar (§8.1.2), kept or stripped at its end, its indentation found from its first line. */
function literal(lines: Lines, at: number, indent: number): string {
  const { text } = lines;
  const header = text.slice(at, lines.end).trimEnd();
  if (header !== '|' && header !== '|-') throw notPlain;
  const out: string[] = [];
  let column = -1;
  let kept = 0;
  while (lines.end < text.length) {
    const start = lines.end + 1;
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    let content = start;
    while (content < end && text.charCodeAt(content) === space) content++;
    if (content === end) {
      // A blank line with more blanks than the block's indentation holds text of its own.
      if (content - start > Math.max(column, indent)) throw notPlain;
      out.push('');
    } else {
      if (content - start <= indent) break;
      if (column === -1) column = content - start;
      if (content - start < column) throw notPlain;
      out.push(text.slice(start + column, end));
      kept = out.length;
    }
    lines.end = end;
  }
  // Nothing in it, or nothing after it: rules of their own.
  if (kept === 0 || !text.endsWith('\n')) throw notPlain;
  if (lines.next() && lines.indent > indent) throw notPlain;
  const body = out.slice(0, kept).join('\n');
  return header === '|' ? `${body}\n` : body;
}
