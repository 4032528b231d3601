/**
 * The rules of the house, as functions from a tree of sources to what breaks them. The tables say what the house looks
 * like; a rule that wants an exception gets it there, with the reason, or nowhere.
 */
import { isBuiltin } from 'node:module';
import { posix } from 'node:path';
import type { Finding, Import, Source } from './tidy-source.ts';

/** Everything the rules look at. */
export interface Tree {
  /** By path from the root of the checkout: src, test and scripts. */
  readonly sources: ReadonlyMap<string, Source>;
  /** Text of package.json. */
  readonly manifest: string;
  /** Packages that have an install script, by the lock file. */
  readonly withInstallScript: readonly string[];
  readonly tables: Tables;
}

export interface Tables {
  /** Folders of src from left to right; those in one list never import each other. */
  readonly layers: readonly (readonly string[])[];
  /** Everything left of this folder is pure. */
  readonly firstImpure: string;
  /** Package → the one folder that imports it. */
  readonly packages: Readonly<Record<string, string>>;
  /** Files that are started, not imported: the program and its workers. */
  readonly entryPoints: readonly string[];
  /** `file#name` → why something is exported for tests alone. */
  readonly forTests: Readonly<Record<string, string>>;
}

export const house: Tables = {
  layers: [
    ['net'],
    ['bgp', 'bfd', 'l2', 'ipam', 'mesh'],
    ['api'],
    ['control'],
    ['runtime'],
    ['kube', 'directory', 'etcd', 'linux'],
    ['lab'],
    ['cli', 'web'],
    ['main'],
  ],
  firstImpure: 'runtime',
  packages: {
    netmask: 'net',
    zod: 'api',
    yaml: 'directory',
    koffi: 'linux',
    pino: 'runtime',
    'prom-client': 'runtime',
    '@kubernetes/client-node': 'kube',
    '@grpc/grpc-js': 'etcd',
    '@grpc/proto-loader': 'etcd',
  },
  entryPoints: ['src/main.ts', 'src/linux/nd-worker.ts', 'src/linux/nl-worker.ts', 'src/lab/cluster-controller.ts'],
  forTests: {
    'src/cli/main.ts#run': 'the whole command line but for the process around it',
  },
};

export interface Violation {
  readonly path: string;
  readonly line: number;
  /** What is wrong, and what to do. */
  readonly message: string;
}

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;
const LINE_COLUMNS_MAX = 120;

type Rule = (tree: Tree) => Iterable<Violation>;

/** Each rule by the title its test has. */
export const rules = {
  'imports go to folders on the left': layers,
  'left of runtime, no clock, chance, environment or output': purity,
  'each package has one folder': packages,
  'imports name files that are there, with .ts': resolution,
  'files, functions and lines keep their size': sizes,
  'syntax the house does without': ({ sources }) => [...sources.values()].flatMap(each => findings(each, each.syntax)),
  'a file opens with what it is, under a name that says it': headers,
  'no file of a folder imports itself in a circle': cycles,
  'every file is used': deadFiles,
  'every export is used': unusedExports,
  'install scripts are decided on, one by one': installScripts,
} satisfies Record<string, Rule>;

export type RuleName = keyof typeof rules;

export function format({ path, line, message }: Violation): string {
  return `${path}:${line}: ${message}`;
}

/** A folder of src, or `main`; undefined outside src. */
function folderOf(path: string): string | undefined {
  if (path === 'src/main.ts') return 'main';
  return /^src\/([^/]+)/.exec(path)?.[1];
}

/** What a relative import leads to, from the root; undefined for a package. */
function targetOf(source: Source, { specifier }: Import): string | undefined {
  return specifier.startsWith('.') ? posix.join(posix.dirname(source.path), specifier) : undefined;
}

/** Sources below any of these folders. */
function within({ sources }: Tree, ...folders: readonly string[]): Source[] {
  return [...sources.values()].filter(each => folders.some(folder => each.path.startsWith(`${folder}/`)));
}

function* layers(tree: Tree): Iterable<Violation> {
  const rank = (folder: string) => tree.tables.layers.findIndex(each => each.includes(folder));
  for (const source of tree.sources.values()) {
    const { path } = source;
    const from = folderOf(path);
    if (from !== undefined && rank(from) < 0)
      yield {
        path,
        line: 1,
        message: `src/${from} is no folder of the layers; move the file, or give the folder its layer`,
      };
    for (const each of source.imports) {
      const target = targetOf(source, each);
      const to = target === undefined ? undefined : folderOf(target);
      const at = { path, line: each.line };
      if (to === 'main')
        yield { ...at, message: 'nobody imports main; move what you need to the folder it belongs to' };
      else if (from === undefined || target === undefined || from === to) continue;
      else if (to === undefined) {
        if (!target.endsWith('.json'))
          yield { ...at, message: `src imports ${target}; only what is in src is shipped` };
      } else if (rank(to) >= rank(from))
        yield { ...at, message: `${from} imports ${to}, which ${reason(rank(to) - rank(from))}` };
    }
  }
}

function reason(distance: number): string {
  if (distance === 0) return 'stands beside it; share through a folder on the left, or meet in one on the right';
  return 'is on its right; pass the value or the function in as an argument, or move the code';
}

function* purity(tree: Tree): Iterable<Violation> {
  const { layers: all, firstImpure } = tree.tables;
  const pure = all
    .slice(
      0,
      all.findIndex(each => each.includes(firstImpure)),
    )
    .flat();
  for (const source of within(tree, ...pure.map(folder => `src/${folder}`))) {
    yield* findings(source, source.ambient);
    for (const { line, specifier } of source.imports)
      if (isBuiltin(specifier))
        yield { path: source.path, line, message: `${specifier} left of ${firstImpure}; take its values as arguments` };
  }
}

function findings({ path }: Source, found: readonly Finding[]): Violation[] {
  return found.map(({ line, what, instead }) => ({ path, line, message: `${what}; ${instead}` }));
}

/** `@scope/name` or `name` of an import; undefined for files and for what Node brings. */
function packageOf({ specifier }: Import): string | undefined {
  if (specifier.startsWith('.') || isBuiltin(specifier)) return undefined;
  return /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0];
}

function* packages(tree: Tree): Iterable<Violation> {
  const dependencies = Object.keys(manifestField(tree, 'dependencies'));
  const imported = new Set<string>();
  for (const source of within(tree, 'src')) {
    for (const each of source.imports) {
      const name = packageOf(each);
      if (name === undefined) continue;
      imported.add(name);
      const at = { path: source.path, line: each.line };
      const home = tree.tables.packages[name];
      if (!dependencies.includes(name))
        yield { ...at, message: `${name} is not under "dependencies" of package.json; add it, or do without` };
      if (home !== folderOf(source.path))
        yield {
          ...at,
          message: `${name} ${home ? `belongs to src/${home}; ask it there` : 'has no folder; give it one'}`,
        };
    }
  }
  for (const name of dependencies) {
    const at = { path: 'package.json', line: lineIn(tree.manifest, `"${name}":`) };
    if (tree.tables.packages[name] === undefined) yield { ...at, message: `${name} has no folder; give it one` };
    if (!imported.has(name)) yield { ...at, message: `src imports ${name} nowhere; remove it` };
  }
}

function manifestField({ manifest }: Tree, field: string): Record<string, unknown> {
  return JSON.parse(manifest)[field] ?? {};
}

/** Line, from 1, where a text first stands; the first line when it stands nowhere. */
function lineIn(text: string, wanted: string): number {
  return text.slice(0, Math.max(0, text.indexOf(wanted))).split('\n').length;
}

function* resolution(tree: Tree): Iterable<Violation> {
  for (const source of tree.sources.values())
    for (const each of source.imports) {
      const target = targetOf(source, each);
      if (target === undefined || target.endsWith('.json') || tree.sources.has(target)) continue;
      yield {
        path: source.path,
        line: each.line,
        message: `${each.specifier} leads to no file; write its name with .ts`,
      };
    }
}

function* sizes({ sources }: Tree): Iterable<Violation> {
  for (const { path, lines, functions } of sources.values()) {
    const count = lines.at(-1) === '' ? lines.length - 1 : lines.length;
    if (count > FILE_LINES_MAX)
      yield { path, line: FILE_LINES_MAX + 1, message: `${count} lines of ${FILE_LINES_MAX}; make two rooms of it` };
    for (const [i, text] of lines.entries())
      if (text.length > LINE_COLUMNS_MAX)
        yield { path, line: i + 1, message: `${text.length} columns of ${LINE_COLUMNS_MAX}; break the line` };
    for (const { line, lines: length, name } of functions)
      if (length > FUNCTION_LINES_MAX)
        yield {
          path,
          line,
          message: `${name} has ${length} lines of ${FUNCTION_LINES_MAX}; take pure leaves out of it`,
        };
  }
}

const namesNothing = /(^|\/)(utils?|helpers?|common|misc|shared|index)\.ts$/;

function* headers({ sources }: Tree): Iterable<Violation> {
  for (const { path, lines } of sources.values()) {
    const line = lines[0]?.startsWith('#!') ? 2 : 1;
    if (!/^\/(\*\*|\/)/.test(lines[line - 1] ?? ''))
      yield { path, line, message: 'no header comment; say what the file is and which RFC sections it covers' };
    if (namesNothing.test(path)) yield { path, line: 1, message: 'a name that says nothing; call it by what is in it' };
  }
}

/** Each circle once, at the import that closes it. Types make no circle: nothing of them runs. */
function* cycles(tree: Tree): Iterable<Violation> {
  const done = new Set<string>();
  const path: string[] = [];
  function* visit(source: Source): Iterable<Violation> {
    path.push(source.path);
    for (const each of source.imports) {
      const target = targetOf(source, each);
      const next = target === undefined || each.kind !== 'value' ? undefined : tree.sources.get(target);
      if (next === undefined || done.has(next.path) || folderOf(next.path) !== folderOf(source.path)) continue;
      const circle = path.includes(next.path) ? [...path.slice(path.indexOf(next.path)), next.path] : undefined;
      if (circle === undefined) yield* visit(next);
      else
        yield {
          path: source.path,
          line: each.line,
          message: `${circle.join(' → ')}; move what both need to a third file`,
        };
    }
    path.pop();
    done.add(source.path);
  }
  for (const source of tree.sources.values()) if (!done.has(source.path)) yield* visit(source);
}

/** Imports of src and scripts by the file they lead to. What only a test imports is not used. */
function importsByTarget(tree: Tree): Map<string, Import[]> {
  const found = new Map<string, Import[]>();
  for (const source of within(tree, 'src', 'scripts'))
    for (const each of source.imports) {
      const target = targetOf(source, each);
      if (target === undefined || target === source.path || each.kind === 'file') continue;
      found.set(target, [...(found.get(target) ?? []), each]);
    }
  return found;
}

function* deadFiles(tree: Tree): Iterable<Violation> {
  const { entryPoints } = tree.tables;
  const used = importsByTarget(tree);
  for (const { path } of within(tree, 'src'))
    if (!used.has(path) && !entryPoints.includes(path))
      yield {
        path,
        line: 1,
        message: 'nothing in src or scripts imports it; use it, remove it, or list it as an entry point',
      };
  for (const path of entryPoints)
    if (!tree.sources.has(path))
      yield { path, line: 1, message: 'is listed as an entry point and not there; strike it off' };
}

function* unusedExports(tree: Tree): Iterable<Violation> {
  const { entryPoints, forTests } = tree.tables;
  const used = importsByTarget(tree);
  const unused = new Set<string>();
  for (const { path, exports, spokenTypes } of within(tree, 'src')) {
    const imports = used.get(path) ?? [];
    if (imports.some(each => each.names === 'all')) continue;
    const names = new Set(imports.flatMap(each => each.names));
    for (const [name, line] of exports) {
      if (names.has(name) || spokenTypes.has(name)) continue;
      unused.add(`${path}#${name}`);
      // Of a file that nothing imports, the rule above has said what there is to say.
      const dead = imports.length === 0 && !entryPoints.includes(path);
      if (!dead && forTests[`${path}#${name}`] === undefined)
        yield { path, line, message: `nothing in src or scripts imports ${name}; drop the export, or what it exports` };
    }
  }
  for (const key of Object.keys(forTests))
    if (!unused.has(key))
      yield {
        path: key.replace(/#.*/, ''),
        line: 1,
        message: `${key} is listed as for tests, and is not; strike it off`,
      };
}

function* installScripts(tree: Tree): Iterable<Violation> {
  const decided = Object.keys(manifestField(tree, 'allowScripts'));
  const at = (name: string) => ({ path: 'package.json', line: lineIn(tree.manifest, `"${name}":`) });
  for (const name of tree.withInstallScript)
    if (!decided.includes(name))
      yield {
        ...at('allowScripts'),
        message: `${name} has an install script; say under allowScripts whether it may run`,
      };
  for (const name of decided)
    if (!tree.withInstallScript.includes(name))
      yield { ...at(name), message: `${name} has no install script; take it out of allowScripts` };
}
