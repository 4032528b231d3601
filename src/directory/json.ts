/** JSON, which is YAML as well, by the engine's own parser: what `kubectl get -o json` writes may be long. */

const depthMax = 100;

/** The value, or undefined when the full reader has to say: no JSON after all, a key twice, too deep. */
export function readJson(text: string): { readonly value: unknown } | undefined {
  if (!/^\s*[{[]/.test(text)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  // The parser keeps the last of two equal keys: then there are fewer in the value than in the text.
  return countKeys(value) === countWrittenKeys(text) ? { value } : undefined;
}

function countKeys(root: unknown): number | undefined {
  let count = 0;
  let level: unknown[] = [root];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > depthMax) return undefined;
    const below: unknown[] = [];
    for (const each of level) {
      if (typeof each !== 'object' || each === null) continue;
      if (!Array.isArray(each)) count += Object.keys(each).length;
      for (const child of Object.values(each)) if (typeof child === 'object') below.push(child);
    }
    level = below;
  }
  return count;
}

function countWrittenKeys(text: string): number {
  let count = 0;
  for (const [, colon] of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)) if (colon !== undefined) count++;
  return count;
}
