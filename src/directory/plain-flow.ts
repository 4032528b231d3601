/**
 * Flow collections for plain.ts: `[a, b]` and `{ address: 192.0.2.1, timers: { hold: 9 } }`, as people write lists of
 * many short things. YAML 1.2 §7.4, within one line and without what is doubtful (adjacent values, trailing commas,
 * pairs in sequences).
 */
import {
  apostrophe,
  backslash,
  brace,
  bracket,
  closingBrace,
  closingBracket,
  colon,
  comma,
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

/** Where reading stands; `end` is the end of the line. */
export interface Place {
  readonly text: string;
  at: number;
  readonly end: number;
  depth: number;
}

type Mark = (collection: object, key: string | number, at: number) => void;

/** The collection that begins at `place`, which then stands behind it. */
export function flowCollection(place: Place, mark: Mark): unknown {
  if (++place.depth > nestingMax) throw notPlain;
  const value = place.text.charCodeAt(place.at) === bracket ? sequence(place, mark) : mapping(place, mark);
  place.depth--;
  return value;
}

function sequence(place: Place, mark: Mark): unknown[] {
  const items: unknown[] = [];
  for (let code = begin(place); code !== closingBracket; code = separator(place, closingBracket)) {
    mark(items, items.length, place.at);
    items.push(flowValue(place, mark));
  }
  place.at++;
  return items;
}

function mapping(place: Place, mark: Mark): Record<string, unknown> {
  const map: Record<string, unknown> = {};
  for (let code = begin(place); code !== closingBrace; code = separator(place, closingBrace)) {
    const at = place.at;
    const name = key(place);
    if (name === '__proto__' || Object.hasOwn(map, name)) throw notPlain;
    mark(map, name, at);
    map[name] = flowValue(place, mark);
  }
  place.at++;
  return map;
}

/** Steps behind the opening bracket, to the first entry or the closing one. */
function begin(place: Place): number {
  place.at++;
  return skipBlanks(place);
}

/** Steps over a comma to the next entry, or stays at the closing bracket. */
function separator(place: Place, closing: number): number {
  if (skipBlanks(place) === closing) return closing;
  if (place.text.charCodeAt(place.at) !== comma) throw notPlain;
  place.at++;
  if (skipBlanks(place) === closing) throw notPlain;
  return 0;
}

/** The code at the next thing that is no blank. */
function skipBlanks(place: Place): number {
  while (place.at < place.end && place.text.charCodeAt(place.at) === space) place.at++;
  if (place.at >= place.end) throw notPlain;
  return place.text.charCodeAt(place.at);
}

function key(place: Place): string {
  const { text, at, end } = place;
  const first = text.charCodeAt(at);
  let name: string;
  if (first === quote || first === apostrophe) name = quoted(place);
  else {
    if (!isWord(first)) throw notPlain;
    while (place.at < end && isKeyChar(text.charCodeAt(place.at))) place.at++;
    name = text.slice(at, place.at);
  }
  const isKey = text.charCodeAt(place.at) === colon && text.charCodeAt(place.at + 1) === space;
  if (!isKey || place.at - at > keyCharsMax) throw notPlain;
  place.at += 2;
  skipBlanks(place);
  return name;
}

function flowValue(place: Place, mark: Mark): unknown {
  const first = place.text.charCodeAt(place.at);
  if (first === bracket || first === brace) return flowCollection(place, mark);
  if (first === quote || first === apostrophe) return quoted(place);
  return plainScalar(place);
}

function quoted(place: Place): string {
  const { text, at, end } = place;
  const closing = text.charCodeAt(at);
  for (let i = at + 1; i < end; i++) {
    const code = text.charCodeAt(i);
    if (!isSafe(code) || code === backslash) throw notPlain;
    if (code !== closing) continue;
    // Two apostrophes are one.
    if (text.charCodeAt(i + 1) === closing) throw notPlain;
    place.at = i + 1;
    return text.slice(at + 1, i);
  }
  throw notPlain;
}

function plainScalar(place: Place): unknown {
  const { text, at, end } = place;
  const first = text.charCodeAt(at);
  const numberish = isDigit(first) || first === dash || first === plus || first === dot;
  if (!numberish && !isWord(first) && first !== slash) throw notPlain;
  let i = at;
  for (; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === comma || code === closingBracket || code === closingBrace) break;
    const opens = code === bracket || code === brace || code === quote || code === apostrophe || code === hash;
    if (opens || !isSafe(code)) throw notPlain;
    // A colon within a scalar (2001:db8::1) has a letter behind it; any other is a key's, or doubtful.
    if (code === colon && !(isWord(text.charCodeAt(i + 1)) || text.charCodeAt(i + 1) === colon)) throw notPlain;
  }
  if (i >= end) throw notPlain;
  place.at = i;
  while (text.charCodeAt(i - 1) === space) i--;
  return resolved(text.slice(at, i), numberish);
}
