/**
 * YAML 1.2 by the `yaml` package, whose only user this is: exact, with positions, for everything that plain.ts passes
 * on. Text may be anything: nesting, size and alias expansion are bounded, and the work stays linear in the text, which
 * is why aliases, merge keys and duplicate keys are worked out here and not by the package (its ways are quadratic).
 */
import { Composer, type CST, type Document, isAlias, isMap, isScalar, isSeq, type Node, Parser, stringify } from 'yaml';
import { readJson } from './json.ts';
import { type Marks, readPlain } from './plain.ts';

const yamlLimits = {
  /** Of one document that needs this reader: the package takes about 1 ms and 0.5 MB for 1 kB. */
  documentChars: 1024 * 1024,
  nesting: 100,
  /** Of one document with its aliases written out. */
  expandedChars: 4 * 1024 * 1024,
} as const;

/** Why a document cannot be read. `line` counts from 1 within the text. */
export interface YamlFault {
  readonly line: number;
  readonly message: string;
  readonly fix: string;
}

export class YamlError extends Error {
  override name = 'YamlError';
  readonly fault: YamlFault;

  constructor(fault: YamlFault) {
    super(`line ${fault.line}: ${fault.message}; ${fault.fix}`);
    this.fault = fault;
  }
}

/**
 * Block style, keys in their order, no anchors. Quotes what YAML 1.1 takes for a boolean (Yes, No, on), as kubectl
 * does.
 */
export function toYaml(value: unknown): string {
  return stringify(value, { aliasDuplicateObjects: false, lineWidth: 0, compat: 'yaml-1.1' });
}

/**
 * The value of a single document; undefined when there is none. Throws YamlError for what is not YAML and for what
 * exceeds the limits, nothing else.
 */
export function parseYaml(text: string): unknown {
  const plain = readPlain(text) ?? readJson(text);
  if (plain !== undefined) return plain.value;
  const document = compose(text);
  return document?.contents ? new Conversion(text).value(document.contents, 0).value : undefined;
}

/**
 * For a document that parseYaml could read: a function that gives the line, from 1, of what a path
 * (`spec.blocks[0].cidr`) names, or of the nearest that exists on the way there.
 */
export function locator(text: string): (path: string) => number {
  const marks: Marks = new Map();
  const plain = readPlain(text, marks);
  // JSON may be longer than what can be composed: its beginning is all that is known then.
  const isTooLong = plain === undefined && text.length > yamlLimits.documentChars;
  const root = plain !== undefined ? plain.value : isTooLong ? undefined : compose(text)?.contents;
  const childrenOf = plain === undefined ? childrenOfNode : (value: unknown) => childrenOfValue(value, marks);
  const known = new Map<unknown, readonly Child[]>();
  const children = (node: unknown) => {
    const there = known.get(node) ?? childrenOf(node);
    known.set(node, there);
    return there;
  };
  const lines = lineStarts(text);
  return path => lineOf(lines, offsetOf(root, path, children) ?? start(root) ?? 0);
}

function lineStarts(text: string): readonly number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

/** The line, from 1, that holds the offset. */
function lineOf(starts: readonly number[], offset: number): number {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function compose(text: string): Document.Parsed | undefined {
  if (text.length > yamlLimits.documentChars)
    throw fault(
      text,
      0,
      `the document has ${text.length} characters`,
      `split it: ${yamlLimits.documentChars} is the limit`,
    );
  const tokens = [...new Parser().parse(text)];
  checkNesting(text, tokens);
  const [document, second] = new Composer({
    prettyErrors: false,
    logLevel: 'silent',
    stringKeys: true,
    uniqueKeys: false,
  }).compose(tokens);
  const [error] = document?.errors ?? [];
  if (error !== undefined) {
    const offset = openedAt(tokens, error.message, error.pos[0]) ?? error.pos[0];
    throw fault(text, offset, said(error.message), fixes[error.code] ?? 'correct the YAML here');
  }
  if (second !== undefined)
    throw fault(text, second.range[0], 'a second document begins here', "begin it with a line '---'");
  return document;
}

/** The composer recurses; how deep is known beforehand from the flat token tree. */
function checkNesting(text: string, tokens: readonly CST.Token[]): void {
  const fix = 'flatten it: no object nests that deep';
  for (const { token, depth } of allTokens(tokens))
    if (depth > yamlLimits.nesting) throw fault(text, token.offset, `nested more than ${yamlLimits.nesting} deep`, fix);
}

/** A quote that is never closed is noticed at the end of the text; the mistake is where it opens. */
function openedAt(tokens: readonly CST.Token[], message: string, noticedAt: number): number | undefined {
  if (!/^Missing closing ["']quote/.test(message)) return undefined;
  let opened: number | undefined;
  for (const { token } of allTokens(tokens))
    if (token.type.endsWith('quoted-scalar') && token.offset <= noticedAt) opened = Math.max(opened ?? 0, token.offset);
  return opened;
}

function* allTokens(tokens: readonly CST.Token[]): Generator<{ token: CST.Token; depth: number }> {
  const open = tokens.map(token => ({ token, depth: 1 }));
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    yield next;
    const { token, depth } = next;
    if (token.type === 'document' && token.value) open.push({ token: token.value, depth });
    if (!('items' in token)) continue;
    for (const item of token.items) {
      if (item.key) open.push({ token: item.key, depth: depth + 1 });
      if (item.value) open.push({ token: item.value, depth: depth + 1 });
    }
  }
}

/** A value, and how many characters it stands for with its aliases written out. */
interface Sized {
  readonly value: unknown;
  readonly chars: number;
}

/** One walk over a document's nodes, in the order of the text, as anchors demand. */
class Conversion {
  readonly #text: string;
  readonly #anchors = new Map<string, Sized>();

  constructor(text: string) {
    this.#text = text;
  }

  value(node: unknown, offset: number): Sized {
    const sized = this.#sized(node, offset);
    if ((isMap(node) || isSeq(node) || isScalar(node)) && node.anchor) this.#anchors.set(node.anchor, sized);
    return sized;
  }

  /** Asked after each part, so that nothing larger is ever made. */
  #checkSize(chars: number, offset: number): void {
    if (chars <= yamlLimits.expandedChars) return;
    throw fault(
      this.#text,
      offset,
      `aliases expand to more than ${yamlLimits.expandedChars} characters`,
      'repeat less',
    );
  }

  #sized(node: unknown, offset: number): Sized {
    if (isScalar(node)) return scalar(node.value);
    if (isMap(node)) return this.#map(node.items, offset);
    if (isSeq(node)) {
      const items: unknown[] = [];
      let chars = 2;
      for (const item of node.items) {
        const { value, chars: more } = this.value(item, start(item) ?? offset);
        items.push(value);
        chars += more;
        this.#checkSize(chars, start(item) ?? offset);
      }
      return { value: items, chars };
    }
    if (!isAlias(node)) return { value: null, chars: 4 };
    const target = this.#anchors.get(node.source);
    if (target !== undefined) return target;
    throw fault(
      this.#text,
      offset,
      `the alias *${node.source} has no anchor before it`,
      `write &${node.source} before what it names`,
    );
  }

  #map(pairs: readonly { key: unknown; value: unknown }[], offset: number): Sized {
    const entries = new Map<string, unknown>();
    const merged: unknown[] = [];
    let chars = 2;
    for (const pair of pairs) {
      const at = start(pair.key) ?? offset;
      const key = String(isScalar(pair.key) ? pair.key.value : pair.key);
      const { value, chars: more } = this.value(pair.value, start(pair.value) ?? at);
      chars += key.length + more + 2;
      this.#checkSize(chars, at);
      if (isMergeKey(pair.key)) merged.push(...(Array.isArray(value) ? value : [value]));
      else if (entries.has(key))
        throw fault(this.#text, at, `the key '${shown(key)}' is there twice`, 'keep one of the two');
      else entries.set(key, value);
    }
    for (const from of merged) {
      if (typeof from !== 'object' || from === null || Array.isArray(from))
        throw fault(this.#text, offset, "'<<' merges something that is no mapping", 'give it an alias of a mapping');
      for (const [key, value] of Object.entries(from)) if (!entries.has(key)) entries.set(key, value);
    }
    // Defines, never assigns: a key named __proto__ is a key like any other.
    return { value: Object.fromEntries(entries), chars };
  }
}

function scalar(value: unknown): Sized {
  return { value, chars: typeof value === 'string' ? value.length + 2 : 8 };
}

function isMergeKey(key: unknown): boolean {
  return isScalar(key) && key.value === '<<' && key.type === 'PLAIN';
}

function start(node: unknown): number | undefined {
  return (node as Partial<Node> | null | undefined)?.range?.[0];
}

interface Child {
  readonly key: string | number;
  readonly offset: number | undefined;
  readonly node: unknown;
}

function childrenOfNode(node: unknown): Child[] {
  if (isSeq(node)) return node.items.map((item, key) => ({ key, offset: start(item), node: item }));
  if (!isMap(node)) return [];
  return node.items.map(({ key, value }) => {
    const name = String(isScalar(key) ? key.value : key);
    return { key: name, offset: start(key), node: value };
  });
}

function childrenOfValue(value: unknown, marks: Marks): Child[] {
  if (typeof value !== 'object' || value === null) return [];
  const nodes = value as Readonly<Record<string | number, unknown>>;
  return [...(marks.get(value) ?? [])].map(([key, offset]) => ({ key, offset, node: nodes[key] }));
}

function offsetOf(root: unknown, path: string, childrenOf: (node: unknown) => readonly Child[]): number | undefined {
  let offset: number | undefined;
  let here = root;
  let rest = path;
  while (rest !== '') {
    const step = stepOf(childrenOf(here), rest);
    if (step === undefined) break;
    offset = step.child.offset ?? offset;
    here = step.child.node;
    rest = rest.slice(step.length);
  }
  return offset;
}

/**
 * The child that `rest` begins with. A key with dots is matched as far as it reaches, plain or in brackets and quotes.
 */
function stepOf(children: readonly Child[], rest: string): { child: Child; length: number } | undefined {
  const index = /^\[([0-9]+)\]/.exec(rest);
  const indexed = index === null ? undefined : children[Number(index[1])];
  if (index !== null && typeof indexed?.key === 'number') return { child: indexed, length: index[0].length };
  let best: { child: Child; length: number } | undefined;
  for (const child of children) {
    for (const text of [`${child.key}`, `.${child.key}`, `["${child.key}"]`]) {
      if (text.length <= (best?.length ?? 0) || !rest.startsWith(text)) continue;
      if (rest.length === text.length || '.['.includes(rest.charAt(text.length))) best = { child, length: text.length };
    }
  }
  return best;
}

function fault(text: string, offset: number, message: string, fix: string): YamlError {
  return new YamlError({ line: lineAt(text, offset), message, fix });
}

function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) line++;
  return line;
}

function said(message: string): string {
  return shown(message.charAt(0).toLowerCase() + message.slice(1));
}

/** Never more than a line of somebody's text, and none of its control characters. */
function shown(text: string): string {
  const line = text.replace(/\p{Cc}+/gu, ' ');
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}

/** What would be right, by the package's error codes; those that users meet. */
const fixes: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'indent with blanks',
  BAD_INDENT: 'align it with the lines it belongs to',
  MISSING_CHAR: 'close the quote or bracket, or put a blank after the colon',
  BLOCK_AS_IMPLICIT_KEY: 'put the value on a line of its own, or in quotes when it holds a colon',
  MULTILINE_IMPLICIT_KEY: "end the key with ':' on the same line",
  IMPOSSIBLE: 'correct the YAML here',
  KEY_OVER_1024_CHARS: 'shorten the key',
  UNEXPECTED_TOKEN: 'put the text in quotes, or remove what does not belong here',
  BAD_SCALAR_START: 'put the text in quotes',
  BAD_ALIAS: 'put the text in quotes: a leading * names an alias',
  NON_STRING_KEY: 'use plain text as the key',
};
