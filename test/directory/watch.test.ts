/** Every way in which a folder of manifests changes, and what the store makes of it. */
import {
  appendFileSync,
  type FSWatcher,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DirectoryStore } from '../../src/directory/store.ts';
import { toYaml } from '../../src/directory/yaml.ts';
import { service } from '../contracts/store-world.ts';
import { eventually } from '../support/wait.ts';
import { World } from './world.ts';

/** The promise of the store is 100 ms; a machine that does other things as well gets longer, but not for ever. */
const limitMs = 5000;

let world: World;
let store: DirectoryStore;
const text = (name: string, spec = {}) => toYaml(service(name, spec));
const names = () =>
  store
    .snapshot()
    .list('Service')
    .map(each => each.metadata.name)
    .join(' ');
const portOf = (name: string) => store.snapshot().get('Service', 'default', name)?.spec.ports[0]?.port;
const port = (number: number) => ({ ports: [{ port: number }] });
const become = (expected: string) =>
  eventually(`'${expected}', not '${names()}'`, () => names() === expected, { limitMs, everyMs: 2 });
const faultLines = () =>
  store.problems().map(each => `${each.file.replace(`${world.manifests}/`, '')}:${each.line} ${each.message}`);

beforeEach(async () => {
  world = new World();
  world.write('a.yaml', text('a'));
  store = await world.open({ orphanMs: 200 });
});
afterEach(() => world.dispose());

describe('a change is noticed', () => {
  const at = (name: string) => world.path(name);
  it.each<[string, () => void, string]>([
    ['a new file', () => world.write('b.yaml', text('b')), 'a b'],
    ['a new file .yml', () => world.write('b.yml', text('b')), 'a b'],
    ['a new file .json', () => world.write('b.json', JSON.stringify(service('b'))), 'a b'],
    ['an edited file', () => world.write('a.yaml', text('other')), 'other'],
    ['a file written longer', () => appendFileSync(at('a.yaml'), `---\n${text('b')}`), 'a b'],
    ['an atomic replacement', () => world.writeAtomically('a.yaml', service('other')), 'other'],
    ['a removed file', () => unlinkSync(at('a.yaml')), ''],
    ['an emptied file', () => world.write('a.yaml', ''), ''],
    ['a renamed file', () => renameSync(at('a.yaml'), at('z.yaml')), 'a'],
    ['a file renamed to no manifest', () => renameSync(at('a.yaml'), at('a.bak')), ''],
    ['a file in a new folder', () => world.write('sub/deep/b.yaml', text('b')), 'a b'],
    [
      'a hidden file, which is none',
      () => {
        world.write('.b.yaml', text('x'));
        world.write('c.yaml', text('c'));
      },
      'a c',
    ],
    [
      'a file moved in from elsewhere',
      () => {
        writeFileSync(join(world.dir, 'b.yaml'), text('b'));
        renameSync(join(world.dir, 'b.yaml'), at('b.yaml'));
      },
      'a b',
    ],
    [
      'a folder moved in from elsewhere',
      () => {
        mkdirSync(join(world.dir, 'sub'));
        writeFileSync(join(world.dir, 'sub/b.yaml'), text('b'));
        renameSync(join(world.dir, 'sub'), at('sub'));
      },
      'a b',
    ],
    [
      'a link to a file elsewhere',
      () => {
        writeFileSync(join(world.dir, 'b.yaml'), text('b'));
        symlinkSync(join(world.dir, 'b.yaml'), at('b.yaml'));
      },
      'a b',
    ],
    [
      'a link that leads back, which is not followed',
      () => {
        symlinkSync('.', at('loop'));
        world.write('b.yaml', text('b'));
      },
      'a b',
    ],
    [
      'a pipe with the name of a manifest, which is none',
      () => {
        mkdirSync(at('p.yaml'));
        world.write('b.yaml', text('b'));
      },
      'a b',
    ],
  ])('%s', async (_, change, expected) => {
    change();
    await become(expected);
  });

  it('within 100 ms of the write, as a rule: the median of nine', async () => {
    const tookMs: number[] = [];
    for (let number = 81; number < 90; number++) {
      const seen = new Promise<void>(resolve => {
        const unsubscribe = store.subscribe(() => {
          if (portOf('a') !== number) return;
          unsubscribe();
          resolve();
        });
      });
      world.write('a.yaml', text('a', port(number)));
      const startMs = performance.now();
      await seen;
      tookMs.push(performance.now() - startMs);
    }
    expect(tookMs.sort((a, b) => a - b)[4]).toBeLessThan(100);
  });

  it('in a subfolder that went away and came back', async () => {
    for (const name of ['b', 'c', 'd']) {
      world.write('sub/x.yaml', text(name));
      await become(`a ${name}`);
      rmSync(world.path('sub'), { recursive: true });
      await become('a');
    }
    world.write('sub/x.yaml', text('e'));
    await become('a e');
    world.write('sub/x.yaml', text('f'));
    await become('a f');
  });

  it('behind a link, in the file it leads to', async () => {
    writeFileSync(join(world.dir, 'b.yaml'), text('b'));
    symlinkSync(join(world.dir, 'b.yaml'), world.path('b.yaml'));
    await become('a b');
    writeFileSync(join(world.dir, 'b.yaml'), text('c'));
    await become('a c');
  });

  it('in a mounted ConfigMap, which swaps the link ..data', async () => {
    const mount = (generation: string, name: string) => {
      mkdirSync(world.path(`..${generation}`));
      writeFileSync(world.path(`..${generation}/b.yaml`), text(name));
      symlinkSync(`..${generation}`, world.path('..data_tmp'));
      renameSync(world.path('..data_tmp'), world.path('..data'));
    };
    mount('1', 'b');
    symlinkSync('..data/b.yaml', world.path('b.yaml'));
    await become('a b');
    for (const generation of ['2', '3', '4']) {
      mount(generation, `b${generation}`);
      await become(`a b${generation}`);
      rmSync(world.path(`..${Number(generation) - 1}`), { recursive: true });
    }
  });

  it('when many files come at once', async () => {
    for (let i = 0; i < 1500; i++) world.write(`many/${i}.yaml`, text(`s${i}`));
    await eventually('all of them', () => store.snapshot().list('Service').length === 1501, { limitMs: 20_000 });
    rmSync(world.path('many'), { recursive: true });
    await eventually('none of them', () => names() === 'a', { limitMs: 20_000 });
  });
});

describe('what does not change anything', () => {
  it.each<[string, () => void]>([
    ['a touched file', () => utimesSync(world.path('a.yaml'), new Date(), new Date())],
    ['the same again', () => world.write('a.yaml', text('a'))],
    ['a comment', () => world.write('a.yaml', `# about a\n${text('a')}`)],
    ['another way to write it', () => world.write('a.yaml', JSON.stringify(service('a')))],
    ['a rename', () => renameSync(world.path('a.yaml'), world.path('b.yaml'))],
  ])('%s leaves every value as it is', async (_, change) => {
    const before = store.snapshot().get('Service', 'default', 'a');
    change();
    world.write('z.yaml', text('z'));
    await become('a z');
    expect(store.snapshot().get('Service', 'default', 'a')).toBe(before);
  });

  it('one changed document of a file leaves the others as they are', async () => {
    world.write('a.yaml', ['a', 'b', 'c'].map(name => text(name)).join('---\n'));
    await become('a b c');
    const before = store.snapshot().list('Service');
    world.write('a.yaml', ['a', 'b', 'c'].map(name => text(name, name === 'b' ? port(81) : {})).join('---\n'));
    await eventually('the change', () => portOf('b') === 81, { limitMs });
    expect(
      store
        .snapshot()
        .list('Service')
        .map((each, i) => each === before[i]),
    ).toEqual([true, false, true]);
  });
});

describe('what cannot be read', () => {
  it('a half-written file keeps its last good objects until it is whole', async () => {
    world.write('a.yaml', `${text('a')}---\n${text('b')}`);
    await become('a b');
    const before = store.snapshot().list('Service');
    const whole = `${text('a')}---\n${text('b', port(81))}---\n${text('c')}`;
    const half = whole.indexOf('"') > 0 ? whole : whole.replace('name: http', 'name: "http"');
    world.write('a.yaml', half.slice(0, half.lastIndexOf('"')));
    await eventually('the fault', () => faultLines().length > 0, { limitMs });
    expect(store.snapshot().get('Service', 'default', 'a')).toBe(before[0]);
    expect(names()).toContain('b');
    world.write('a.yaml', whole);
    await become('a b c');
    expect(faultLines()).toEqual([]);
  });

  it('a file that is emptied before it is written anew is never seen empty', async () => {
    const seen: string[] = [];
    store.subscribe(() => seen.push(names()));
    for (let number = 81; number < 86; number++) {
      world.write('a.yaml', '');
      await delay(5);
      appendFileSync(world.path('a.yaml'), text('a', port(number)));
      await eventually('the change', () => portOf('a') === number, { limitMs, everyMs: 2 });
    }
    expect(seen.filter(each => each !== 'a')).toEqual([]);
  });

  it('a file that stays bad is a fault with its line, and the rest goes on', async () => {
    world.write('bad.yaml', `${text('b')}---\nkind: "Service\n`);
    await become('a b');
    expect(faultLines()).toEqual([expect.stringMatching(/^bad\.yaml:\d+ missing closing "quote/)]);
    await eventually('a line in the log', () => world.lines.some(each => each.event === 'manifest not readable'), {
      limitMs,
    });
    world.write('c.yaml', text('c'));
    await become('a b c');
    expect(world.lines.filter(each => each.event === 'manifest not readable')).toMatchObject([
      { level: 'warn', fields: { file: world.path('bad.yaml'), line: expect.any(Number) } },
    ]);
  });

  it('an object that is refused is faulty, with file and line, and the rest goes on', async () => {
    world.write('b.yaml', text('b', { ports: [{ port: 99_999 }] }));
    await eventually('the faulty object', () => store.snapshot().faulty.length === 1, { limitMs });
    expect(store.snapshot().faulty).toMatchObject([{ ref: { kind: 'Service', namespace: 'default', name: 'b' } }]);
    expect(faultLines()).toEqual([expect.stringMatching(/^b\.yaml:\d+ /)]);
    expect(names()).toBe('a');
    // It can be told so in its status.
    expect(await store.applyStatus({ kind: 'Service', namespace: 'default', name: 'b' }, 'x', { conditions: [] })).toBe(
      true,
    );
    world.write('b.yaml', text('b'));
    await become('a b');
    expect(store.snapshot().faulty).toEqual([]);
  });

  it('the same object in two files: the first by path counts, the other is a named fault', async () => {
    world.write('0.yaml', text('a', port(81)));
    await eventually('the first', () => portOf('a') === 81, { limitMs });
    expect(store.problems()).toMatchObject([
      { file: world.path('a.yaml'), code: 'duplicate', object: 'Service default/a', line: 1 },
    ]);
    expect(store.snapshot().faulty).toMatchObject([
      { ref: { name: 'a' }, faults: [{ code: 'duplicate', severity: 'warning' }] },
    ]);
    unlinkSync(world.path('0.yaml'));
    await eventually('the second', () => portOf('a') === 80, { limitMs });
    expect(store.problems()).toEqual([]);
    expect(store.snapshot().faulty).toEqual([]);
  });

  it('without the folder the last good snapshot stays, and the error shows until it is back', async () => {
    const before = store.snapshot();
    renameSync(world.manifests, join(world.dir, 'away'));
    await eventually('the error', () => faultLines().some(each => each.includes('cannot read the manifests')), {
      limitMs,
    });
    expect(store.snapshot().list('Service')).toBe(before.list('Service'));
    expect(store.snapshot().isPartial).toBe(true);
    expect(world.lines).toContainEqual(expect.objectContaining({ level: 'error', event: 'manifests gone' }));
    renameSync(join(world.dir, 'away'), world.manifests);
    await eventually('no error', () => faultLines().length === 0, { limitMs });
    await eventually('whole again', () => !store.snapshot().isPartial, { limitMs });
    expect(store.snapshot().list('Service')).toBe(before.list('Service'));
    world.write('b.yaml', text('b'));
    await become('a b');
  });

  it('a folder that is another one now is read anew', async () => {
    mkdirSync(join(world.dir, 'new'));
    writeFileSync(join(world.dir, 'new/n.yaml'), text('n'));
    renameSync(world.manifests, join(world.dir, 'old'));
    renameSync(join(world.dir, 'new'), world.manifests);
    await become('n');
    world.write('n.yaml', text('m'));
    await become('m');
  });

  it('does not start without the folder', async () => {
    await expect(world.open({ manifestsDir: join(world.dir, 'nowhere') })).rejects.toThrow(/nowhere/);
  });
});

describe('a system without watches left', () => {
  const noWatches = (() => {
    throw Object.assign(new Error('System limit for number of file watchers reached'), { code: 'ENOSPC' });
  }) as unknown as () => FSWatcher;

  it('is polled, and the log says so once', async () => {
    const polling = await world.open({ watch: noWatches as never });
    world.write('sub/b.yaml', text('b'));
    await eventually('the new file', () => polling.snapshot().list('Service').length === 2, { limitMs });
    world.write('a.yaml', text('a', port(81)));
    await eventually('the edit', () => polling.snapshot().list('Service')[0]?.spec.ports[0]?.port === 81, { limitMs });
    await store.applyStatus({ kind: 'Service', namespace: 'default', name: 'a' }, 'x', {
      loadBalancer: { ingress: [{ ip: '192.0.2.1' }] },
    });
    await eventually('the status', () => polling.snapshot().list('Service')[0]?.status.ingress.length === 1, {
      limitMs,
    });
    expect(world.lines.filter(each => each.event === 'watching not possible, polling instead')).toHaveLength(1);
  });
});

it('the manifests are never written to', async () => {
  const before = readFileSync(world.path('a.yaml'), 'utf8');
  await store.applyStatus({ kind: 'Service', namespace: 'default', name: 'a' }, 'x', { loadBalancer: {} });
  expect(readFileSync(world.path('a.yaml'), 'utf8')).toBe(before);
});
