/**
 * What is hopelessly wrong with a regular expression in RE2's syntax, found without compiling it: brackets that do not
 * close, a repetition of nothing, what RE2 leaves out on purpose (look-around, back references). Linear in the text.
 */

const expressionMax = 1000;

/** In words, to follow the expression: `has a ( that is not closed`. Undefined when nothing is plainly wrong. */
export function re2Fault(text: string): string | undefined {
  if (text.length > expressionMax) return `is longer than ${expressionMax} characters`;
  let open = 0;
  // What stands before a repetition operator: nothing to repeat, something, or something already repeated.
  let before: 'nothing' | 'atom' | 'repeated' = 'nothing';
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    if (char === '\\') {
      const fault = escapeFault(text, i);
      if (fault !== undefined) return fault;
      i = escapeEnd(text, i);
      before = 'atom';
    } else if (char === '[') {
      const end = classEnd(text, i);
      if (end === undefined) return 'has a [ that is not closed';
      i = end;
      before = 'atom';
    } else if (char === '(') {
      const group =
        /^\((\?(:|P?<[A-Za-z_][A-Za-z0-9_]*>|[imsU]*(-[imsU]+)?[:)]))?/.exec(text.slice(i, i + 80))?.[0] ?? '(';
      if (group === '(' && text.charAt(i + 1) === '?') return `uses ${text.slice(i, i + 4)}…, which RE2 does not have`;
      i += group.length - 1;
      if (!group.endsWith(')')) open++;
      before = 'nothing';
    } else if (char === ')') {
      if (--open < 0) return 'has a ) that nothing opened';
      before = 'atom';
    } else if (char === '|') {
      before = 'nothing';
    } else {
      const repetition = /^([*+?]|\{[0-9]{1,9}(,[0-9]{0,9})?\})/.exec(text.slice(i, i + 24))?.[0];
      if (repetition !== undefined) {
        const fault = repetitionFault(repetition, before);
        if (fault !== undefined) return fault;
        i += repetition.length - 1;
        // A ? after a repetition makes it lazy, once.
        if (text.charAt(i + 1) === '?') i++;
        before = 'repeated';
      } else before = 'atom';
    }
  }
  return open > 0 ? 'has a ( that is not closed' : undefined;
}

function repetitionFault(repetition: string, before: 'nothing' | 'atom' | 'repeated'): string | undefined {
  if (before === 'nothing') return `repeats nothing with ${repetition}`;
  if (before === 'repeated') return `repeats a repetition with ${repetition}`;
  const [low = 0, high = low] = (repetition.match(/[0-9]+/g) ?? []).map(Number);
  if (repetition.startsWith('{') && (low > high || high > 1000)) return `repeats ${repetition}, which is out of range`;
  return undefined;
}

/** RE2 knows these letters after a backslash; any punctuation may be escaped. */
function escapeFault(text: string, at: number): string | undefined {
  const next = text.charAt(at + 1);
  if (next === '') return 'ends in a lone backslash';
  if (/[1-9]/.test(next)) return `refers back with \\${next}, which RE2 does not have`;
  if (/[A-Za-z]/.test(next) && !/[AbBdDsSwWzafnrtvxpPQEC]/.test(next)) return `has \\${next}, which RE2 does not have`;
  return undefined;
}

/** Index of the escape's last character; \Q…\E is literal up to its end. */
function escapeEnd(text: string, at: number): number {
  if (text.charAt(at + 1) !== 'Q') return at + 1;
  const end = text.indexOf('\\E', at + 2);
  return end < 0 ? text.length : end + 1;
}

/** Index of the ] that closes the class. The first character may be a literal ], and [:alpha:] is a class inside. */
function classEnd(text: string, at: number): number | undefined {
  let i = at + 1;
  if (text.charAt(i) === '^') i++;
  if (text.charAt(i) === ']') i++;
  for (; i < text.length; i++) {
    const char = text.charAt(i);
    if (char === '\\') i++;
    else if (char === '[' && text.charAt(i + 1) === ':') {
      const end = text.indexOf(':]', i + 2);
      if (end >= 0) i = end + 1;
    } else if (char === ']') return i;
  }
  return undefined;
}
