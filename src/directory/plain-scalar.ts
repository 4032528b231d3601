/** The letters of plain.ts, and the scalars among them: YAML 1.2 as far as no doubt is possible about its meaning. */

/** Thrown where it takes the full reader to tell. */
export const notPlain: unique symbol = Symbol('not plain');
export const nestingMax = 100;
/** YAML 1.2 §7.4.2: an implicit key is no longer than this. */
export const keyCharsMax = 1024;

export const space = 0x20;
export const quote = 0x22;
export const hash = 0x23;
export const apostrophe = 0x27;
export const plus = 0x2b;
export const dash = 0x2d;
export const dot = 0x2e;
export const slash = 0x2f;
export const colon = 0x3a;
export const comma = 0x2c;
export const bracket = 0x5b;
export const closingBracket = 0x5d;
export const closingBrace = 0x7d;
export const backslash = 0x5c;
const underscore = 0x5f;
export const brace = 0x7b;
export const bar = 0x7c;

/** YAML 1.2 §10.3.2, as far as no doubt is possible. */
export function resolved(text: string, numberish: boolean): unknown {
  if (numberish) {
    if (/^-?(?:0|[1-9][0-9]{0,14})$/.test(text)) return text === '-0' ? refuse() : Number(text);
    if (!/^[0-9]/.test(text) || /^[0-9]*\.?[0-9]*(?:[eE][-+]?[0-9]*)?$|^0[xo]/.test(text)) throw notPlain;
    return text;
  }
  if (text === 'true') return true;
  if (text === 'false') return false;
  if (text === 'null') return null;
  return text.length <= 5 && /^(?:true|false|null)$/i.test(text) ? refuse() : text;
}

function refuse(): never {
  throw notPlain;
}

export function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

export function isWord(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code === underscore || isDigit(code);
}

export function isKeyChar(code: number): boolean {
  return isWord(code) || code === dash || code === dot || code === slash;
}

/** Printable ASCII. */
export function isSafe(code: number): boolean {
  return code >= space && code <= 0x7e;
}
