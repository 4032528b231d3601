/** Syntax the house does without, and the names by which a program reaches the world: two tables, two walkers. */
import { isBound, type Node, nameIn, nodeIn, nodesIn, type Place, textIn } from './tidy-node.ts';

/** Something the house does without, and what to do instead. */
export interface Advice {
  readonly what: string;
  readonly instead: string;
}

const noModule = { what: 'a namespace', instead: 'a file is the namespace: export from it' };
const noBarrel = { what: 're-exporting (a barrel)', instead: 'let the reader import from the file that defines it' };
const noDefinite = {
  what: 'a definite assignment `!:`',
  instead: 'assign it where it is declared, or in the constructor',
};

const forbidden: Readonly<Record<string, Advice>> = {
  TSAnyKeyword: { what: '`any`', instead: 'name the type, or take unknown and narrow it' },
  TSNonNullExpression: { what: 'a non-null `!`', instead: 'narrow, then use; or throw when it cannot be' },
  TSEnumDeclaration: { what: 'an enum', instead: 'use a union of strings, or a const object' },
  TSParameterProperty: {
    what: 'a parameter property',
    instead: 'declare the field and assign it: types are only stripped',
  },
  TSImportEqualsDeclaration: { what: '`import =`', instead: 'use import … from: types are only stripped' },
  TSExportAssignment: { what: '`export =`', instead: 'export it by name' },
  ExportDefaultDeclaration: { what: 'a default export', instead: 'export it by name' },
  ExportAllDeclaration: noBarrel,
};

export function forbiddenSyntax(node: Node, place: Place): Advice | undefined {
  if (node.type === 'ExportNamedDeclaration') return nodeIn(node, 'source') && noBarrel;
  // `declare module 'x'` and `declare global` give types to others' code and leave nothing at run time.
  if (node.type === 'TSModuleDeclaration') return node['declare'] === true ? undefined : noModule;
  if (node['definite'] === true) return noDefinite;
  if (node.type === 'ImportExpression' && textIn(nodeIn(node, 'source')) === undefined)
    return { what: 'import() of a name made up at run time', instead: 'give it a literal: a table of import() calls' };
  if (node.type === 'ExportSpecifier' && nameIn(nodeIn(node, 'exported')) === 'default' && place.field === 'specifiers')
    return forbidden['ExportDefaultDeclaration'];
  return forbidden[node.type];
}

const asTime = 'take `now` as an argument';
const asRandom = 'take the random value as an argument';
const asDeadline = 'return a deadline; whoever drives this arms the timer';
const asEffect = 'return an effect; whoever drives this carries it out';
const asArgument = 'take what you need of it as an argument';

/** Globals that are the outside world, and what to do instead. Date and Math are pure in part. */
const ambient: Readonly<Record<string, string>> = {
  performance: asTime,
  crypto: asRandom,
  setTimeout: asDeadline,
  setInterval: asDeadline,
  setImmediate: asDeadline,
  clearTimeout: asDeadline,
  clearInterval: asDeadline,
  clearImmediate: asDeadline,
  queueMicrotask: asEffect,
  fetch: asEffect,
  WebSocket: asEffect,
  EventSource: asEffect,
  Worker: asEffect,
  BroadcastChannel: asEffect,
  console: 'return the value; whoever drives this logs it',
  process: asArgument,
  navigator: asArgument,
  require: asArgument,
  globalThis: asArgument,
  global: asArgument,
  self: asArgument,
};

/** A use of the outside world by its global name; a file's own names, properties and types do not count. */
export function ambientUse(node: Node, place: Place): Advice | undefined {
  if (node.type === 'MetaProperty')
    return nameIn(nodeIn(node, 'meta')) === 'import' ? { what: 'import.meta', instead: asArgument } : undefined;
  if (node.type !== 'Identifier' || !isValueName(place)) return undefined;
  const name = nameIn(node) ?? '';
  if (!(name === 'Date' || name === 'Math' || Object.hasOwn(ambient, name)) || isBound(name, place)) return undefined;
  const parent = place.parents.at(-1);
  if (name === 'Date' && !isPureDate(parent, place.field))
    return { what: 'the clock, by Date', instead: `${asTime}; Date.UTC, Date.parse and new Date(time) are fine` };
  if (name === 'Math' && !isPureMath(parent))
    return { what: 'Math.random, or Math by another name', instead: asRandom };
  const instead = ambient[name];
  return instead === undefined ? undefined : { what: `the global \`${name}\``, instead };
}

/** `new Date(time)`, `Date.UTC`, `Date.parse`, `x instanceof Date`. */
function isPureDate(parent: Node | undefined, field: string): boolean {
  if (parent?.type === 'NewExpression') return field === 'callee' && nodesIn(parent, 'arguments').length > 0;
  if (parent?.type === 'BinaryExpression') return parent['operator'] === 'instanceof';
  return /^(UTC|parse)$/.test(plainProperty(parent) ?? '');
}

function isPureMath(parent: Node | undefined): boolean {
  return (plainProperty(parent) ?? 'random') !== 'random';
}

/** `p` of `o.p`. */
function plainProperty(node: Node | undefined): string | undefined {
  return node?.type === 'MemberExpression' && node['computed'] === false ? nameIn(nodeIn(node, 'property')) : undefined;
}

/** TypeScript's nodes that hold an expression; in all the others an identifier is a type or a label. */
const holdsExpression = new Set([
  'TSAsExpression',
  'TSSatisfiesExpression',
  'TSNonNullExpression',
  'TSTypeAssertion',
  'TSInstantiationExpression',
  'TSParameterProperty',
]);

/** Whether an identifier stands for a value, and is not the name of a property, a label or something in a type. */
function isValueName({ field, parents }: Place): boolean {
  const parent = parents.at(-1);
  if (parent === undefined || parent.type.startsWith('TS'))
    return parent !== undefined && holdsExpression.has(parent.type);
  if (field === 'property' || field === 'key') return parent['computed'] === true;
  return !['label', 'imported', 'exported', 'meta'].includes(field) && parent.type !== 'MetaProperty';
}
