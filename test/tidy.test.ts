/** The rules of the house, held over the sources that are there; and a planted breach of each, found where it is. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { format, house, type RuleName, rules, type Tree } from './support/tidy.ts';
import { type Plant, plants } from './support/tidy-plants.ts';
import { readSource } from './support/tidy-source.ts';

const ruleNames = Object.keys(rules) as RuleName[];

function found(tree: Tree, name: RuleName): string[] {
  return Array.from(rules[name](tree), format);
}

describe('the house', () => {
  const tree = checkout();

  it('has sources to look at', () => {
    expect(tree.sources.size).toBeGreaterThan(20);
    expect(tree.sources.has('src/main.ts')).toBe(true);
  });

  it.each(ruleNames)('%s', name => {
    expect(found(tree, name).join('\n')).toBe('');
  });
});

describe('a house in order', () => {
  it.each(ruleNames)('%s', name => {
    expect(found(planted({}), name)).toEqual([]);
  });
});

describe.each(ruleNames)('%s: a breach is found where it is', name => {
  it.each(plants[name])('$title', plant => {
    const messages = found(planted(plant.files, plant), name);
    expect(messages.map((message, i) => message.slice(0, plant.found[i]?.length))).toEqual(plant.found);
  });
});

/** A small house in order, with these files put in it or in the place of its own. `#bare` files get no header. */
function planted(files: Record<string, string>, plant: Pick<Plant, 'tables' | 'manifest'> = {}): Tree {
  const standing = {
    'src/main.ts': `import { run } from './cli/run.ts';\nrun();`,
    'src/cli/run.ts': `import { loop } from '../runtime/loop.ts';\nexport const run = () => loop();`,
    'src/runtime/loop.ts': `import { prefix } from '../net/prefix.ts';\nexport const loop = () => prefix(Date.now());`,
    'src/net/prefix.ts': `import { Netmask } from 'netmask';\nexport const prefix = (n: number) => new Netmask('', n);`,
  };
  const sources = Object.entries({ ...standing, ...files }).map(([key, code]) => {
    const path = key.replace('#bare', '');
    return [path, readSource(path, key === path ? `/** A file. */\n${code}` : code)] as const;
  });
  return {
    sources: new Map(sources),
    manifest: plant.manifest ?? `{ "dependencies": { "netmask": "1" }, "allowScripts": { "node": true } }`,
    withInstallScript: ['node'],
    // The small house has none of the exceptions of the large one.
    tables: { ...house, entryPoints: ['src/main.ts'], forTests: {}, ...plant.tables },
  };
}

function checkout(): Tree {
  const root = new URL('..', import.meta.url);
  const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
  const paths = ['src', 'scripts', 'test'].flatMap(folder =>
    readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' }).map(path => `${folder}/${path}`),
  );
  const sources = paths.filter(path => path.endsWith('.ts')).map(path => [path, readSource(path, read(path))] as const);
  const lock: { packages: Record<string, { hasInstallScript?: boolean }> } = JSON.parse(read('package-lock.json'));
  const withInstallScript = Object.entries(lock.packages)
    .filter(([, entry]) => entry.hasInstallScript === true)
    .map(([path]) => path.replace(/^.*node_modules\//, ''));
  return { sources: new Map(sources), manifest: read('package.json'), withInstallScript, tables: house };
}
