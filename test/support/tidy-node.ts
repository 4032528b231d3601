/** Syntax tree nodes (ESTree with TypeScript's), a walk over them, and the names they bind. */

/** A node of the tree. What else it has depends on its type; the walkers below look for it by name. */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

/** Where a node stands: its parent last, and the field of the parent it is in. */
export interface Place {
  readonly field: string;
  readonly parents: readonly Node[];
}

/** The nodes in a field: none, one, or those of a list. */
export function nodesIn(node: Node, field: string): Node[] {
  return [node[field]].flat().filter(isNode);
}

export function nodeIn(node: Node | undefined, field: string): Node | undefined {
  return node && nodesIn(node, field)[0];
}

/** The name of an identifier, or the text of a string literal. */
export function nameIn(node: Node | undefined): string | undefined {
  const name = node?.type === 'Literal' ? node['value'] : node?.['name'];
  return typeof name === 'string' ? name : undefined;
}

/** The text of a string literal; undefined for anything made up at run time. */
export function textIn(node: Node | undefined): string | undefined {
  return node?.type === 'Literal' ? nameIn(node) : undefined;
}

export function walk(top: Node, visit: (node: Node, place: Place) => void): void {
  const parents: Node[] = [];
  const into = (node: Node, field: string): void => {
    visit(node, { field, parents });
    parents.push(node);
    for (const key of Object.keys(node)) for (const child of nodesIn(node, key)) into(child, key);
    parents.pop();
  };
  into(top, '');
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

/** Names that a pattern binds. */
export function boundNames(pattern: Node | undefined): string[] {
  if (pattern === undefined) return [];
  if (pattern.type === 'Identifier') return [nameIn(pattern) ?? []].flat();
  return ['properties', 'elements', 'value', 'argument', 'left'].flatMap(field =>
    nodesIn(pattern, field).flatMap(boundNames),
  );
}

export function isFunction(node: Node): boolean {
  return /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type);
}

/** Whether a name is, where a node stands, one of the file's own: a parameter, a variable, a function, an import. */
export function isBound(name: string, { parents }: Place): boolean {
  return parents.some(parent => {
    const patterns = isFunction(parent) ? nodesIn(parent, 'params') : nodesIn(parent, 'param');
    const statements = ['body', 'consequent', 'init', 'left'].flatMap(field => nodesIn(parent, field));
    return [...patterns.flatMap(boundNames), ...statements.flatMap(declaredNames)].includes(name);
  });
}

/** Names that a statement declares for what stands beside or below it. */
function declaredNames(node: Node): string[] {
  switch (node.type) {
    case 'VariableDeclaration':
      return nodesIn(node, 'declarations').flatMap(one => boundNames(nodeIn(one, 'id')));
    case 'ImportDeclaration':
      return nodesIn(node, 'specifiers').flatMap(one => boundNames(nodeIn(one, 'local')));
    case 'FunctionDeclaration':
    case 'ClassDeclaration':
      return boundNames(nodeIn(node, 'id'));
    case 'ExportNamedDeclaration':
      return nodesIn(node, 'declaration').flatMap(declaredNames);
    default:
      return [];
  }
}
