/**
 * What the house rules need to know of one source file: whom it imports, what it exports, how long its functions are,
 * and the syntax it had better not use. Read from the syntax tree (ESTree with TypeScript's nodes), in one walk.
 */
import { parseAst } from 'rolldown/parseAst';
import { boundNames, isFunction, type Node, nameIn, nodeIn, nodesIn, type Place, textIn, walk } from './tidy-node.ts';
import { type Advice, ambientUse, forbiddenSyntax } from './tidy-syntax.ts';

export interface Import {
  readonly line: number;
  readonly specifier: string;
  /** `lazy` is import(), `file` is new URL('./x.ts', import.meta.url). Only `value` runs as the importer is loaded. */
  readonly kind: 'value' | 'type' | 'lazy' | 'file';
  /** Exports it names; `all` when it may use any. */
  readonly names: readonly string[] | 'all';
}

export interface Finding extends Advice {
  readonly line: number;
}

export interface FunctionSpan {
  readonly line: number;
  readonly lines: number;
  readonly name: string;
}

export interface Source {
  readonly path: string;
  readonly lines: readonly string[];
  readonly imports: readonly Import[];
  /** Line of each exported name. */
  readonly exports: ReadonlyMap<string, number>;
  /** Exported types that the file's own types speak of: whoever uses those needs a name for them. */
  readonly spokenTypes: ReadonlySet<string>;
  /** Without the callbacks of describe(), which are chapters, not functions. */
  readonly functions: readonly FunctionSpan[];
  readonly syntax: readonly Finding[];
  /** Clock, randomness, environment, timers, output: what code left of runtime must not touch. */
  readonly ambient: readonly Finding[];
}

/** Throws, with the path, when the text is not TypeScript. */
export function readSource(path: string, text: string): Source {
  const lines = text.split('\n');
  const lineOf = lineFinder(lines);
  const imports: Import[] = [];
  const exports = new Map<string, number>();
  const types = new Set<string>();
  const spoken = new Set<string>();
  const functions: FunctionSpan[] = [];
  const syntax: Finding[] = [];
  const ambient: Finding[] = [];
  walk(parse(path, text), (node, place) => {
    const line = lineOf(node.start);
    const found = importOf(node, place);
    if (found !== undefined) imports.push({ line, ...found });
    for (const name of exportsOf(node)) exports.set(name, line);
    if (isTypeDeclaration(node)) types.add(nameIn(nodeIn(node, 'id')) ?? '');
    if (node.type === 'TSTypeReference') spoken.add(leftmostName(nodeIn(node, 'typeName')) ?? '');
    if (isFunction(node) && !isChapter(place))
      functions.push({ line, lines: lineOf(node.end) - line + 1, name: nameOf(node, place) });
    const bad = forbiddenSyntax(node, place);
    if (bad !== undefined) syntax.push({ line, ...bad });
    const outside = ambientUse(node, place);
    if (outside !== undefined) ambient.push({ line, ...outside });
  });
  return { path, lines, imports, exports, spokenTypes: types.intersection(spoken), functions, syntax, ambient };
}

function parse(path: string, text: string): Node {
  try {
    return parseAst(text, { lang: 'ts' }) as unknown as Node;
  } catch (cause) {
    throw new Error(`${path} is not TypeScript`, { cause });
  }
}

/** Line numbers, from 1, of offsets into the text. */
function lineFinder(lines: readonly string[]): (offset: number) => number {
  const starts: number[] = [];
  let at = 0;
  for (const line of lines) {
    starts.push(at);
    at += line.length + 1;
  }
  return offset => {
    let [low, high] = [0, starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  };
}

function importOf(node: Node, place: Place): Omit<Import, 'line'> | undefined {
  if (node.type === 'NewExpression') return fileImport(node);
  const specifier = textIn(nodeIn(node, 'source'));
  if (specifier === undefined) return undefined;
  switch (node.type) {
    case 'ImportDeclaration': {
      const each = nodesIn(node, 'specifiers');
      const typeOnly = each.length > 0 && each.every(one => one['importKind'] === 'type');
      return {
        specifier,
        kind: node['importKind'] === 'type' || typeOnly ? 'type' : 'value',
        names: importedNames(each),
      };
    }
    case 'ExportNamedDeclaration':
    case 'ExportAllDeclaration': {
      const names = nodesIn(node, 'specifiers').flatMap(one => nameIn(nodeIn(one, 'local')) ?? []);
      const kind = node['exportKind'] === 'type' ? 'type' : 'value';
      return { specifier, kind, names: node.type === 'ExportAllDeclaration' ? 'all' : names };
    }
    case 'TSImportType': {
      const name = leftmostName(nodeIn(node, 'qualifier'));
      return { specifier, kind: 'type', names: name === undefined ? 'all' : [name] };
    }
    case 'ImportExpression':
      return { specifier, kind: 'lazy', names: lazyNames(place.parents) };
  }
  return undefined;
}

function importedNames(specifiers: readonly Node[]): readonly string[] | 'all' {
  if (specifiers.some(one => one.type === 'ImportNamespaceSpecifier')) return 'all';
  return specifiers.map(one => nameIn(nodeIn(one, 'imported')) ?? 'default');
}

/** `new URL('./worker.ts', import.meta.url)` */
function fileImport(node: Node): Omit<Import, 'line'> | undefined {
  if (nameIn(nodeIn(node, 'callee')) !== 'URL') return undefined;
  const specifier = textIn(nodeIn(node, 'arguments'));
  if (specifier === undefined || !/^\.\.?\/.*\.ts$/.test(specifier)) return undefined;
  return { specifier, kind: 'file', names: [] };
}

/** What becomes of an import(): `(await import(x)).name` and `const { name } = await import(x)` say what they use. */
function lazyNames(parents: readonly Node[]): readonly string[] | 'all' {
  const [user, awaiting] = parents.slice(-2);
  if (awaiting?.type !== 'AwaitExpression' || user === undefined) return 'all';
  if (user.type === 'MemberExpression' && user['computed'] === false) {
    const name = nameIn(nodeIn(user, 'property'));
    return name === undefined ? 'all' : [name];
  }
  const pattern = user.type === 'VariableDeclarator' ? nodeIn(user, 'id') : undefined;
  const properties = pattern?.type === 'ObjectPattern' ? nodesIn(pattern, 'properties') : [];
  const names = properties.map(one => nameIn(nodeIn(one, 'key')));
  return names.length > 0 && names.every(name => name !== undefined) ? names : 'all';
}

/** `A` of the qualified name `A.B.C`. */
function leftmostName(node: Node | undefined): string | undefined {
  while (node?.type === 'TSQualifiedName') node = nodeIn(node, 'left');
  return nameIn(node);
}

function exportsOf(node: Node): string[] {
  if (node.type !== 'ExportNamedDeclaration') return [];
  const declaration = nodeIn(node, 'declaration');
  if (declaration === undefined)
    return nodesIn(node, 'specifiers').flatMap(one => nameIn(nodeIn(one, 'exported')) ?? []);
  if (declaration.type !== 'VariableDeclaration') return [nameIn(nodeIn(declaration, 'id')) ?? []].flat();
  return nodesIn(declaration, 'declarations').flatMap(one => boundNames(nodeIn(one, 'id')));
}

function isTypeDeclaration({ type }: Node): boolean {
  return type === 'TSInterfaceDeclaration' || type === 'TSTypeAliasDeclaration';
}

/** An argument of describe(…), describe.each(…)(…) and the like. */
function isChapter({ parents, field }: Place): boolean {
  let callee = field === 'arguments' ? nodeIn(parents.at(-1), 'callee') : undefined;
  while (callee !== undefined && callee.type !== 'Identifier')
    callee = nodeIn(callee, 'object') ?? nodeIn(callee, 'callee') ?? nodeIn(callee, 'tag');
  return nameIn(callee) === 'describe';
}

function nameOf(node: Node, { parents }: Place): string {
  const parent = parents.at(-1);
  return nameIn(nodeIn(node, 'id') ?? nodeIn(parent, 'key') ?? nodeIn(parent, 'id')) ?? 'a function';
}
