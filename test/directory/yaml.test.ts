/** The two YAML readers: the fast one against the full one, the full one against what must not bring it down. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { readPlain } from '../../src/directory/plain.ts';
import { locator, parseYaml, toYaml, YamlError } from '../../src/directory/yaml.ts';

/** What the package makes of it by itself, with duplicate keys refused; undefined when it refuses. */
function reference(text: string): { value: unknown } | undefined {
  const documents = parseAllDocuments(text, { prettyErrors: false, logLevel: 'silent', stringKeys: true });
  if (!Array.isArray(documents) || documents.length > 1 || documents.some(each => each.errors.length > 0))
    return undefined;
  return { value: documents[0]?.toJS() ?? null };
}

function faultOf(text: string): YamlError['fault'] | undefined {
  try {
    parseYaml(text);
    return undefined;
  } catch (error) {
    if (error instanceof YamlError) return error.fault;
    throw error;
  }
}

describe('the fast reader', () => {
  const pieces = [
    'a',
    'b: ',
    'c:',
    '- ',
    '-',
    ' ',
    '  ',
    '    ',
    '\n',
    '\n  ',
    '\n- ',
    '\n  - ',
    '#',
    ' # x',
    '"',
    "'",
    '"q"',
    "'q'",
    ': ',
    ':',
    '1',
    '01',
    '1.5',
    '1e3',
    '0x1F',
    '-1',
    '-0',
    '+1',
    '.5',
    '12:30',
    'true',
    'Null',
    'no',
    '~',
    'null',
    '[]',
    '{}',
    '[a]',
    '{a: b}',
    '|',
    '|\n',
    '|-\n',
    '|\n    x\n',
    '>\n',
    '---',
    '---\n',
    '\n---\n',
    '...',
    '%',
    '&x ',
    '*x',
    '!t ',
    '?',
    '? ',
    '\\',
    '\u00e9',
    '\u00a0',
    ',',
    '/',
    '@',
    '`',
    '<<: ',
    '__proto__: ',
    'b: c\n',
    'key: value\n',
    'k: "v"\n',
    '  n: 1\n',
    '- x\n',
    '\n\n',
    '=',
    '192.0.2.1/24',
    '{ ',
    '{a: ',
    'b: { ',
    ', ',
    ', c: ',
    ' }',
    '[',
    ']',
    '[x, ',
    '2001:db8::1',
    '{ address: 192.0.2.1, asn: 65001, on: true }',
    '"80": ',
    '80: ',
    '\t',
    '\r\n',
  ];

  it('reads whatever it does read to the value that the full reader gives', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 14 }), parts => {
        const text = parts.join('');
        const plain = readPlain(text);
        if (plain === undefined) return;
        expect({ text, value: plain.value ?? null }).toEqual({ text, value: reference(text)?.value });
      }),
      { numRuns: 20_000 },
    );
  });

  it('reads what people write', () => {
    const text = `# a comment
---
apiVersion: v1  # a comment
kind: Service
metadata:
  name: web
  labels: {}
  annotations:
    "a.b/c": 'x: y'
    note: |
      two
        lines

spec:
  ports:
  - name: http
    port: 80
  -
    name: https
    port: 443
  ranges: []
  peers:
  - { address: 2001:db8::1, asn: 65001, passive: true, timers: { holdSeconds: 9 }, "import": [all, 'b c'] }
  cidr: 192.0.2.0/24
`;
    expect(readPlain(text)?.value).toEqual(reference(text)?.value);
    expect(readPlain(text)?.value).toMatchObject({ metadata: { annotations: { note: 'two\n  lines\n' } } });
  });
});

describe('the full reader', () => {
  it.each([
    ['anchors and aliases', 'a: &x {b: 1}\nc: *x', { a: { b: 1 }, c: { b: 1 } }],
    ['merge keys', 'a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3', { a: { b: 1, c: 2 }, d: { b: 1, c: 3 } }],
    [
      'merge keys, several',
      'a: [&x {b: 1}, &y {b: 2, c: 3}]\nd: {<<: [*x, *y]}',
      { a: [{ b: 1 }, { b: 2, c: 3 }], d: { b: 1, c: 3 } },
    ],
    ['an anchor that is given again', 'a: &x 1\nb: *x\nc: &x 2\nd: *x', { a: 1, b: 1, c: 2, d: 2 }],
    ['keys as text', '80: a\ntrue: b\n1.0: c', { '80': 'a', true: 'b', '1.0': 'c' }],
    ['YAML 1.2: no is a word', 'a: no\nb: on\nc: 010', { a: 'no', b: 'on', c: 10 }],
    ['JSON with a key named __proto__', '{"__proto__": {"x": 1}}', JSON.parse('{"__proto__": {"x": 1}}')],
    ['JSON', '{"a": [1, "x", null, true]}', { a: [1, 'x', null, true] }],
    ['folded blocks', 'a: >-\n  x\n  y', { a: 'x y' }],
    ['nothing', '# nothing\n', undefined],
    ['nothing behind a marker', '---\n', undefined],
  ])('%s', (_, text, value) => {
    expect(parseYaml(text)).toEqual(value);
  });

  it('defines a key named __proto__ and changes no prototype', () => {
    const value = parseYaml('__proto__: {x: 1}');
    expect(Object.keys(value as object)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  it.each([
    ['a duplicate key', 'a: 1\nb: 2\na: 3', 3, /'a' is there twice/],
    ['a duplicate key in a flow mapping', 'x:\n  {a: 1, a: 2}', 2, /'a' is there twice/],
    ['a duplicate key in JSON', '{"a": 1,\n "b": {"c": 1, "c": "\\":"}}', 2, /'c' is there twice/],
    ['a tab as indentation', 'a:\n\tb: 1', 2, /tab/i],
    ['an unclosed quote', 'a: 1\nb: "x\nc: 2', 2, /quote/],
    ['an alias without an anchor', 'a: 1\nb: *x', 2, /\*x has no anchor/],
    ['an alias in its own anchor', 'a: &x [*x]', 1, /\*x has no anchor/],
    ['a merge of something else', 'a: 1\nb: {<<: 3}', 2, /merges something/],
    ['a key that is no text', '[a]: 1', 1, /key/i],
    ['bad indentation', 'a:\n    b: 1\n  c: 2', 3, /./],
  ])('names the line of %s', (_, text, line, message) => {
    expect(faultOf(text)).toMatchObject({ line, message: expect.stringMatching(message) });
  });

  const repeat = (piece: string, times: number) => piece.repeat(times);
  const lines = (times: number, line: (i: number) => string) =>
    Array.from({ length: times }, (_, i) => line(i)).join('\n');
  const wide = Array.from({ length: 5000 }, (_, i) => `k${i}: x, `).join('');
  const bomb = `a0: &a0 [${repeat('lol,', 9)}]\n${lines(12, i => `a${i + 1}: &a${i + 1} [${repeat(`*a${i},`, 9)}]`)}`;
  it.each([
    ['a bomb of aliases', bomb, /aliases expand/],
    ['a bomb of merges', `a0: &a0 {${wide}}\n${lines(5000, i => `b${i}: {<<: *a0}`)}`, /aliases expand/],
    ['flow sequences, nested', repeat('[', 50_000), /nested more than/],
    ['flow mappings, nested', repeat('{a: ', 50_000), /nested more than/],
    ['block sequences, nested', repeat('- ', 50_000), /nested more than/],
    ['block mappings, nested', lines(1000, i => `${' '.repeat(i)}k:`), /nested more than/],
    ['explicit keys, nested', repeat('? ', 50_000), /nested more than/],
    ['many closing brackets', repeat(']', 20_000), /./],
    ['many anchors on one node', repeat('&a ', 20_000), /./],
    ['one document beyond the limit', `a: [${repeat('x,', 512 * 1024)}]`, /the document has/],
  ])('gives up on %s', (_, text, message) => {
    const startMs = performance.now();
    expect(faultOf(text)?.message).toMatch(message);
    expect(performance.now() - startMs).toBeLessThan(10_000);
  });

  it.each([
    ['mapping keys', lines(20_000, i => `? k${i}\n: 1`)],
    ['flow mapping keys', `{${lines(20_000, i => `k${i}: 1,`)}}`],
    ['anchors with aliases', lines(10_000, i => `- &a${i} x\n- *a${i}`)],
    ['merges', `- &a {x: 1}\n${lines(10_000, i => `- {<<: *a, y: ${i}}`)}`],
  ])('takes time that grows with the text alone: many %s', (_, text) => {
    const startMs = performance.now();
    expect(faultOf(text)).toBeUndefined();
    expect(performance.now() - startMs).toBeLessThan(10_000);
  });
});

describe('lines of paths', () => {
  const block = `kind: X
metadata:
  labels:
    app.kubernetes.io/name: a
    app.kubernetes.io: b
spec:
  blocks:
    - cidr: 10.0.0.0/33
      other: 1
    - start: 10.0.0.1
`;
  it.each([
    ['kind', 1],
    ['metadata.labels["app.kubernetes.io/name"]', 4],
    ['metadata.labels.app.kubernetes.io/name', 4],
    ['metadata.labels["app.kubernetes.io"]', 5],
    ['spec', 6],
    ['spec.blocks[0]', 8],
    ['spec.blocks[0].cidr', 8],
    ['spec.blocks[0].other', 9],
    ['spec.blocks[1].start', 10],
    ['spec.blocks[1].stop', 10],
    ['spec.blocks[7]', 7],
    ['nothing', 1],
  ])('%s is on line %i, whichever reader it takes', (path, line) => {
    expect(locator(block)(path)).toBe(line);
    // An anchor is for the full reader.
    expect(locator(block.replace('kind: X', 'kind: &x X'))(path)).toBe(line);
  });
});

it('writes what it reads back', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), value => {
      // JSON has one zero.
      const json: unknown = JSON.parse(JSON.stringify(value));
      expect(parseYaml(toYaml(json)) ?? null).toEqual(json);
    }),
    { numRuns: 1000 },
  );
});
