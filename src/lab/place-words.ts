/**
 * A line split into words as a POSIX shell would split it (quotes, backslashes, comments; XCU §2.2, §2.3), but nothing
 * expanded and nothing run: what containerlab does with `exec` and `cmd` lines.
 */

/** A quote that is never closed reaches to the end. */
export function shellWords(line: string): readonly string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < line.length; at++) {
    const char = line.charAt(at);
    if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === '#' && word === undefined) {
      const newline = line.indexOf('\n', at);
      at = newline < 0 ? line.length : newline;
    } else if (char === "'") {
      const close = line.indexOf("'", at + 1);
      word = (word ?? '') + line.slice(at + 1, close < 0 ? undefined : close);
      at = close < 0 ? line.length : close;
    } else if (char === '"') {
      const [text, close] = doubleQuoted(line, at + 1);
      word = (word ?? '') + text;
      at = close;
    } else if (char === '\\') {
      at++;
      if (line.charAt(at) !== '\n') word = (word ?? '') + line.charAt(at);
    } else word = (word ?? '') + char;
  }
  return word === undefined ? words : [...words, word];
}

/** What stands in double quotes, from `at` on, and where they close. */
function doubleQuoted(line: string, at: number): [text: string, close: number] {
  let text = '';
  for (; at < line.length; at++) {
    const char = line.charAt(at);
    if (char === '"') break;
    const escaped = char === '\\' && /["\\$`\n]/.test(line.charAt(at + 1));
    if (!escaped) text += char;
    else if (line.charAt(++at) !== '\n') text += line.charAt(at);
  }
  return [text, at];
}
