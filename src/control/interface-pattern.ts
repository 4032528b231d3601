/**
 * Interface names against RE2 expressions (reference §1.2, L31): unanchored, and in time that no expression can blow
 * up. The expression is a tree, and each node maps the set of places in the name where it may begin to those where it
 * may end, so that a repetition is a walk to a fixed point and nothing is ever tried twice.
 */

/**
 * Places between the characters of a name, as bits: bit 0 is before the first. Names have at most 15 characters
 * (IFNAMSIZ).
 */
type Places = number;
type Matcher = (name: string, starts: Places) => Places;
type CharTest = (char: string) => boolean;

const nameMax = 30;

export interface InterfacePattern {
  readonly text: string;
  matches(name: string): boolean;
}

export const InterfacePattern = {
  /** Undefined when it is no expression. */
  parse(text: string): InterfacePattern | undefined {
    const parser = new Parser(text);
    const matcher = parser.alternatives({ ignoreCase: false, dotAll: false });
    if (matcher === undefined || !parser.atEnd) return undefined;
    const anywhere = (name: string): Places => 2 ** (name.length + 1) - 1;
    return { text, matches: name => name.length <= nameMax && matcher(name, anywhere(name)) !== 0 };
  },
};

interface Flags {
  readonly ignoreCase: boolean;
  readonly dotAll: boolean;
}

/** Recursive descent over RE2's syntax; every method gives undefined where the text is no expression. */
class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get atEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  alternatives(flags: Flags): Matcher | undefined {
    const branches: Matcher[] = [];
    do {
      const branch = this.#sequence(flags);
      if (branch === undefined) return undefined;
      branches.push(branch);
    } while (this.#take('|') !== undefined);
    return (name, starts) => branches.reduce((ends, branch) => ends | branch(name, starts), 0);
  }

  #sequence(outer: Flags): Matcher | undefined {
    const parts: Matcher[] = [];
    let flags = outer;
    while (!this.atEnd && !/[|)]/.test(this.#peek)) {
      const changed = this.#take(/^\(\?([imsU]*)(-[imsU]+)?\)/);
      if (changed !== undefined) {
        flags = withFlags(flags, changed);
        continue;
      }
      const atom = this.#atom(flags);
      const repeated = atom && this.#repeated(atom);
      if (repeated === undefined) return undefined;
      parts.push(repeated);
    }
    return (name, starts) => parts.reduce((places, part) => (places === 0 ? 0 : part(name, places)), starts);
  }

  #atom(flags: Flags): Matcher | undefined {
    if (this.#peek === '(') return this.#group(flags);
    if (this.#peek === '[') return this.#charClass(flags);
    if (this.#peek === '\\') return this.#escape(flags);
    const char = this.#text.charAt(this.#at++);
    if (/[*+?]/.test(char)) return undefined;
    if (char === '^') return only((_, place) => place === 0);
    if (char === '$') return only((name, place) => place === name.length);
    if (char === '.') return one(flags.dotAll ? () => true : each => each !== '\n');
    return one(literal(char, flags));
  }

  #group(flags: Flags): Matcher | undefined {
    const opening = this.#take(/^\((\?(P?<\w+>|[imsU]*(-[imsU]+)?:))?/);
    if (opening === undefined || ++this.#depth > 100) return undefined;
    const inner = this.alternatives(/^\(\?[-imsU:]+$/.test(opening) ? withFlags(flags, opening) : flags);
    this.#depth--;
    return this.#take(')') === undefined ? undefined : inner;
  }

  /** Greedy or not makes no difference to whether something matches. */
  #repeated(atom: Matcher): Matcher | undefined {
    const text = this.#take(/^([*+?]|\{\d+(,\d*)?\})/);
    if (text === undefined) return atom;
    this.#take('?');
    const [low = 0, high = text.endsWith(',}') ? Number.POSITIVE_INFINITY : low] = (text.match(/\d+/g) ?? []).map(
      Number,
    );
    if (text === '*') return repeat(atom, 0, Number.POSITIVE_INFINITY);
    if (text === '+') return repeat(atom, 1, Number.POSITIVE_INFINITY);
    return text === '?' ? repeat(atom, 0, 1) : repeat(atom, low, high);
  }

  #escape(flags: Flags): Matcher | undefined {
    const quoted = this.#take(/^\\Q.*?(\\E|$)/s);
    if (quoted !== undefined) {
      const parts = [...quoted.slice(2).replace(/\\E$/, '')].map(char => one(literal(char, flags)));
      return (name, starts) => parts.reduce((places, part) => part(name, places), starts);
    }
    const anchor = this.#take(/^\\[bBAz]/);
    if (anchor === '\\A') return only((_, place) => place === 0);
    if (anchor === '\\z') return only((name, place) => place === name.length);
    if (anchor !== undefined) return only((name, place) => isWordEdge(name, place) === (anchor === '\\b'));
    const test = this.#escapedChar(flags);
    return test && one(test);
  }

  /** One escaped character or class of characters, inside brackets or outside. */
  #escapedChar(flags: Flags): CharTest | undefined {
    const perl = this.#take(/^\\([dDsSwW]|[pP](\{\^?\w+\}|\w))/);
    if (perl !== undefined) return perlClass(perl);
    const code = this.#take(/^\\(x[0-9a-fA-F]{2}|x\{[0-9a-fA-F]{1,6}\}|[0-7]{1,3})/);
    if (code !== undefined) {
      const digits = code.replace(/[^0-9a-fA-F]/g, '');
      const value = Number.parseInt(digits, code.startsWith('\\x') ? 16 : 8);
      return value > 0x10ffff ? undefined : literal(String.fromCodePoint(value), flags);
    }
    const char = this.#take(/^\\./s)?.charAt(1);
    return char === undefined ? undefined : literal(controls[char] ?? char, flags);
  }

  #charClass(flags: Flags): Matcher | undefined {
    const negated = this.#take(/^\[\^?/) === '[^';
    const tests: CharTest[] = [];
    while (tests.length === 0 || this.#peek !== ']') {
      const test = this.#classItem(flags);
      if (test === undefined) return undefined;
      tests.push(test);
    }
    this.#at++;
    return one(char => tests.some(test => test(char)) !== negated);
  }

  #classItem(flags: Flags): CharTest | undefined {
    const posix = this.#take(/^\[:\^?[a-z]+:\]/);
    if (posix !== undefined) return posixClass(posix);
    const range = this.#take(/^[^\\[]-(?:[^\]\\]|\\[^\w\s])/s);
    if (range !== undefined) {
      const [low, high] = [range.charAt(0), range.charAt(range.length - 1)];
      return char =>
        [char, ...(flags.ignoreCase ? [char.toLowerCase(), char.toUpperCase()] : [])].some(
          each => each >= low && each <= high,
        );
    }
    if (this.#peek === '\\') return this.#escapedChar(flags);
    return this.atEnd ? undefined : literal(this.#text.charAt(this.#at++), flags);
  }

  get #peek(): string {
    return this.#text.charAt(this.#at);
  }

  /** The text that `what` matches here, which is then behind us. */
  #take(what: string | RegExp): string | undefined {
    const rest = this.#text.slice(this.#at);
    const found = typeof what === 'string' ? (rest.startsWith(what) ? what : undefined) : what.exec(rest)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }
}

function withFlags(flags: Flags, text: string): Flags {
  const [on = '', off = ''] = text.split('-');
  const now = (flag: string, before: boolean) => (on.includes(flag) || before) && !off.includes(flag);
  return { ignoreCase: now('i', flags.ignoreCase), dotAll: now('s', flags.dotAll) };
}

/** One character that passes. */
function one(test: CharTest): Matcher {
  return (name, starts) => {
    let ends = 0;
    for (let place = 0; place < name.length; place++)
      if ((starts & (1 << place)) !== 0 && test(name.charAt(place))) ends |= 1 << (place + 1);
    return ends;
  };
}

/** No character, but only at certain places. */
function only(holds: (name: string, place: number) => boolean): Matcher {
  return (name, starts) => {
    let ends = 0;
    for (let place = 0; place <= name.length; place++)
      if ((starts & (1 << place)) !== 0 && holds(name, place)) ends |= 1 << place;
    return ends;
  };
}

/**
 * A round moves places forward or leaves them, so after no more rounds than the name has places the set stays the same,
 * and further rounds, however many are asked for, would say nothing new.
 */
function repeat(atom: Matcher, low: number, high: number): Matcher {
  return (name, starts) => {
    let here = starts;
    let ends = low === 0 ? starts : 0;
    for (let round = 1; round <= high && here !== 0; round++) {
      const next = atom(name, here);
      if (next === here) return ends | here;
      if (round >= low) ends |= next;
      here = next;
    }
    return ends;
  };
}

const controls: Readonly<Record<string, string>> = { a: '\x07', f: '\f', t: '\t', n: '\n', r: '\r', v: '\v' };

function literal(wanted: string, { ignoreCase }: Flags): CharTest {
  if (!ignoreCase) return char => char === wanted;
  return char => char.toLowerCase() === wanted.toLowerCase();
}

/** Single characters only, so the platform's own tables serve. */
function perlClass(text: string): CharTest | undefined {
  const unicode = /^\\([pP])(?:\{(\^?)(\w+)\}|(\w))$/.exec(text);
  try {
    if (unicode === null) return test(new RegExp(`^${text}$`));
    const negated = (unicode[1] === 'P') !== (unicode[2] === '^');
    const name = unicode[3] ?? unicode[4] ?? '';
    const script = name.length > 2 && name !== 'Any' ? `Script=${name}` : name;
    return test(new RegExp(`^\\${negated ? 'P' : 'p'}{${script}}$`, 'u'));
  } catch {
    return undefined;
  }
}

const posixClasses: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7F',
  blank: '\\t ',
  cntrl: '\\x00-\\x1F\\x7F',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-/:-@\\[-`{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
};

function posixClass(text: string): CharTest | undefined {
  const [, not = '', name = ''] = /^\[:(\^?)([a-z]+):\]$/.exec(text) ?? [];
  const chars = posixClasses[name];
  return chars === undefined ? undefined : test(new RegExp(`^[${not}${chars}]$`));
}

function test(expression: RegExp): CharTest {
  return char => expression.test(char);
}

function isWordEdge(name: string, place: number): boolean {
  const isWord = (at: number) => /\w/.test(name.charAt(at));
  return (place > 0 && isWord(place - 1)) !== (place < name.length && isWord(place));
}
