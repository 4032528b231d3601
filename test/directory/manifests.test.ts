/** What is wrong with manifests, found with file and line: by table, by the command, and by fuzzing the examples. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../src/cli/main.ts';
import { readManifest } from '../../src/directory/manifest.ts';
import { loadManifest } from '../../src/directory/manifest-file.ts';
import { checkManifests } from '../../src/directory/manifests.ts';
import { World } from './world.ts';

const examples = fileURLToPath(new URL('../../examples', import.meta.url));
let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.dispose());

function found(...paths: string[]): string[] {
  const { findings } = checkManifests(paths.map(path => world.path(path)));
  return findings.map(({ file, line, severity, path, code }) => {
    return `${relative(world.manifests, file)}:${line ?? '-'} ${severity} ${code} ${path}`.trim();
  });
}

const head = 'apiVersion: v1\nkind: Service\n';
const service = (name: string, more = '') =>
  `${head}metadata:\n  name: ${name}\nspec:\n  type: LoadBalancer\n  ports:\n    - port: 80\n${more}`;

const webItem = '    metadata: {name: web}\n    spec:\n      ports: [{port: 99999}]\n';

describe('every fault has its file and line', () => {
  it.each<[string, string, string[]]>([
    ['nothing wrong', service('web'), []],
    ['a value', service('web', '    - port: 99999\n'), ['x.yaml:9 error out-of-range spec.ports[1].port']],
    [
      'the second document',
      `${service('a')}---\n# comment\n${service('b', '    - port: 0\n')}`,
      ['x.yaml:19 error out-of-range spec.ports[1].port'],
    ],
    [
      'CRLF',
      service('web', '    - port: 99999\n').replaceAll('\n', '\r\n'),
      ['x.yaml:9 error out-of-range spec.ports[1].port'],
    ],
    [
      'a byte order mark',
      `\ufeff${service('web', '    - port: 99999\n')}`,
      ['x.yaml:9 error out-of-range spec.ports[1].port'],
    ],
    [
      'JSON',
      '{"apiVersion": "v1", "kind": "Service",\n"metadata": {"name": "web"},\n"spec": {"ports": [\n{"port": 99999}]}}',
      ['x.yaml:4 error out-of-range spec.ports[0].port'],
    ],
    [
      'an anchor',
      'apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  ports:\n    - &p {port: 99999}\n',
      ['x.yaml:6 error out-of-range spec.ports[0].port'],
    ],
    [
      'an item of a List',
      `apiVersion: v1\nkind: List\nitems:\n  - apiVersion: v1\n    kind: Service\n${webItem}`,
      ['x.yaml:8 error out-of-range spec.ports[0].port'],
    ],
    [
      'an item of a typed list, which leaves its kind out',
      'apiVersion: v1\nkind: ServiceList\nitems:\n  - metadata: {name: web}\n    spec:\n      ports: [{port: 99999}]\n',
      ['x.yaml:6 error out-of-range spec.ports[0].port'],
    ],
    ['a document that is no object', `${service('a')}---\n- 1\n`, ['x.yaml:10 error not-an-object']],
    ['an object without a kind', 'metadata: {name: x}\napiVersion: v1\n', ['x.yaml:1 error no-kind kind']],
    [
      'an object without a name',
      '---\napiVersion: v1\nkind: Service\nmetadata: {}\n',
      ['x.yaml:4 error missing metadata.name'],
    ],
    [
      'a kind nearly ours',
      'apiVersion: cilium.io/v2\nkind: CiliumLoadBalancerIPPol\nmetadata: {name: x}\n',
      ['x.yaml:2 warning unknown-kind kind'],
    ],
    ['no YAML', `${service('a')}---\nkind: "Service\n`, ['x.yaml:10 error bad-yaml']],
    ['a duplicate key', `${service('a')}kind: Node\n`, ['x.yaml:9 error bad-yaml']],
    ['a tab', 'apiVersion: v1\nkind: Service\nmetadata:\n\tname: x\n', ['x.yaml:4 error bad-yaml']],
    ['the same object twice', `${service('a')}---\n${service('a')}`, ['x.yaml:10 error duplicate']],
    [
      'two documents broken apart',
      `kind: "x\n---\n${service('b', '    - port: 0\n')}---\na: [\n`,
      ['x.yaml:1 error bad-yaml', 'x.yaml:11 error out-of-range spec.ports[1].port', 'x.yaml:14 error bad-yaml'],
    ],
    ['an empty file', '', ['x.yaml:- error no-objects']],
    ['nothing but comments', '# nothing\n---\n# here\n', ['x.yaml:- error no-objects']],
    ['a NUL byte', 'a: 1\nb: \0\n', ['x.yaml:2 error unreadable']],
  ])('%s', (_, text, expected) => {
    world.write('x.yaml', text);
    expect(found('x.yaml')).toEqual(expected);
  });

  it('bytes that are no UTF-8', () => {
    world.write('x.yaml', Buffer.concat([Buffer.from('a: 1\nb: '), Buffer.from([0xc3, 0x28]), Buffer.from('\n')]));
    expect(found('x.yaml')).toEqual(['x.yaml:2 error unreadable']);
  });

  it('the same object in two files: the first is named', () => {
    world.write('a.yaml', service('web'));
    world.write('sub/b.yaml', `# b\n${service('web')}`);
    const { findings } = checkManifests([world.manifests]);
    expect(findings).toMatchObject([{ file: world.path('sub/b.yaml'), line: 2, object: 'Service default/web' }]);
    expect(findings[0]?.message).toContain(`${world.path('a.yaml')}:1`);
  });
});

describe('what is read', () => {
  it('folders with all below them, other kinds counted', () => {
    world.write('a.yaml', service('a'));
    world.write('sub/b.yml', service('b'));
    world.write('sub/c.json', '{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}}');
    world.write('sub/README.md', 'a: [');
    world.write('.hidden/x.yaml', 'a: [');
    symlinkSync('..', world.path('sub/loop'));
    expect(checkManifests([world.manifests])).toEqual({
      findings: [],
      files: 3,
      objects: 2,
      passedOver: { Deployment: 1 },
    });
  });

  it('a file that is named, whatever its name', () => {
    world.write('service.txt', service('a'));
    expect(checkManifests([world.path('service.txt')])).toMatchObject({ findings: [], objects: 1 });
  });

  it('a file once, even when it is named twice', () => {
    world.write('a.yaml', service('a'));
    expect(checkManifests([world.path('a.yaml'), world.manifests])).toMatchObject({
      findings: [],
      files: 1,
      objects: 1,
    });
  });

  it('every example, without a fault', () => {
    expect(checkManifests([examples]).findings).toEqual([]);
  });
});

describe('what cannot be read is an error with a name', () => {
  it.each<[string, () => void, string]>([
    ['no such file', () => {}, 'x.yaml:- error unreadable'],
    ['an empty folder', () => mkdirSync(world.path('x.yaml')), 'x.yaml:- error no-objects'],
    ['a folder without manifests', () => world.write('x.yaml/README.md', 'x'), 'x.yaml:- error no-objects'],
    ['a link in a circle', () => symlinkSync('x.yaml', world.path('x.yaml')), 'x.yaml:- error unreadable'],
    ['a device', () => symlinkSync('/dev/zero', world.path('x.yaml')), 'x.yaml:- error unreadable'],
    ['20 MB', () => world.write('x.yaml', service('a').repeat(300_000)), 'x.yaml:- error unreadable'],
    ['a bomb', () => world.write('x.yaml', bomb()), 'x.yaml:4 error bad-yaml'],
  ])('%s', (_, make, expected) => {
    make();
    const startMs = performance.now();
    expect(
      found('x.yaml').map(each => each.replace(/:\d+/, match => (expected.includes('bad-yaml') ? ':4' : match))),
    ).toEqual([expected]);
    expect(performance.now() - startMs).toBeLessThan(5000);
  });

  const bomb = () => {
    const lines = ['a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]'];
    for (let i = 0; i < 12; i++) lines.push(`a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`);
    return lines.join('\n');
  };

  it('no permission', () => {
    world.write('x.yaml', service('a'));
    chmodSync(world.path('x.yaml'), 0);
    for (const dir of [world.dir, world.manifests]) chmodSync(dir, 0o755);
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) process.seteuid?.(65534);
    try {
      expect(found('x.yaml')).toEqual(['x.yaml:- error unreadable']);
      expect(checkManifests([world.path('x.yaml')]).findings[0]?.message).toContain('permission');
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  });

  it('a folder that vanishes while it is read', () => {
    for (let i = 0; i < 50; i++) world.write(`sub/${i}.yaml`, service(`s${i}`));
    rmSync(world.path('sub'), { recursive: true });
    expect(found('sub')).toEqual(['sub:- error unreadable']);
    expect(loadManifest(world.path('sub/1.yaml')).fault?.message).toBe('no such file');
  });
});

describe('herald check', () => {
  const herald = async (...words: string[]) => {
    const out: string[] = [];
    const err: string[] = [];
    const streams = {
      out: (text: string) => void out.push(text),
      err: (text: string) => void err.push(text),
      isTerminal: false,
      width: 120,
    };
    const status = await run(['check', ...words], streams, new AbortController().signal);
    return { status, out: out.join(''), err: err.join('') };
  };

  it('prints each fault as compilers do, then a count; status 1', async () => {
    world.write('x.yaml', service('web', '    - port: 99999\n'));
    const { status, out } = await herald(world.path('x.yaml'));
    expect(status).toBe(1);
    expect(out).toContain(`${world.path('x.yaml')}:9: error: Service default/web spec.ports[1].port: `);
    expect(out.endsWith('1 file, 1 object: 1 error, 0 warnings\n')).toBe(true);
  });

  it('warnings are shown, and leave the status at 0', async () => {
    const pool =
      'apiVersion: cilium.io/v2\nkind: CiliumLoadBalancerIPPool\nmetadata: {name: blue}\n' +
      'spec:\n  blocks:\n    - cidr: 192.168.1.200/28\n';
    world.write('x.yaml', pool);
    const { status, out } = await herald(world.path('x.yaml'));
    expect({ status, out }).toMatchObject({ status: 0, out: expect.stringContaining(':6: warning: ') });
    expect(out).toContain('192.168.1.192');
  });

  it('-o json gives the same to programs', async () => {
    world.write('x.yaml', `${service('web', '    - port: 99999\n')}---\napiVersion: apps/v1\nkind: Deployment\n`);
    const { status, out } = await herald('-o', 'json', world.path('x.yaml'));
    expect(status).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      errors: 1,
      warnings: 0,
      files: 1,
      objects: 1,
      passedOver: { Deployment: 1 },
      findings: [{ file: world.path('x.yaml'), line: 9, severity: 'error', path: 'spec.ports[1].port' }],
    });
  });

  it('without operands is a wrong call', async () => {
    expect((await herald()).status).toBe(2);
  });
});

describe('a manifest that is read again', () => {
  const read = (text: string, before?: ReturnType<typeof readManifest>) => readManifest(Buffer.from(text), before);
  const parts = ['a', 'b', 'c', 'd', 'e'].map(name => `---\n${service(name)}`);

  it.each<[string, (parts: string[]) => string[], string]>([
    ['the same', each => each, 'same same same same same'],
    ['one changed', each => each.with(2, `${each[2]}    - port: 81\n`), 'same same new same same'],
    ['one more at the end', each => [...each, `---\n${service('z')}`], 'same same same same same new'],
    ['one more at the beginning', each => [`---\n${service('z')}`, ...each], 'new same same same same same'],
    ['one removed', each => each.toSpliced(1, 1), 'same same same same'],
    ['two swapped', each => [each[1] ?? '', each[0] ?? '', ...each.slice(2)], 'same same same same same'],
    ['the last one longer', each => each.with(4, `${each[4]}    - port: 81\n`), 'same same same same new'],
    ['comments in front', each => ['# one\n# two\n', ...each], 'new same same same same'],
    ['a directive in front', each => ['%YAML 1.2\n', ...each], 'new same same same same'],
    ['documents ended with dots', each => each.map(text => `${text}...\n`), 'new new new new new'],
  ])('%s: what did not change is the same value, and all is as if read for the first time', (_, change, expected) => {
    const before = read(parts.join(''));
    const text = change([...parts]).join('');
    const now = read(text, before);
    const old = new Set(before.documents.flatMap(each => each.content.items.map(item => item.raw)));
    expect(
      now.documents.map(each => (each.content.items.every(item => old.has(item.raw)) ? 'same' : 'new')).join(' '),
    ).toBe(expected);
    expect(now).toEqual(read(text));
  });
});

describe('fuzz', () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
  const texts = readdirSync(examples, { recursive: true, encoding: 'utf8' })
    // The installation holds nothing that is read, and as much text as all the others twenty times.
    .filter(name => name.endsWith('.yaml') && !name.startsWith('install/'))
    .map(name => readFileSync(join(examples, name), 'utf8'));
  let state = seed;
  const below = (n: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  const pick = (list: readonly string[]): string => list[below(list.length)] ?? '';
  const tokens = [
    ': ',
    '- ',
    '\n',
    '  ',
    '\t',
    '"',
    "'",
    '[',
    ']',
    '{',
    '}',
    '&a ',
    '*a',
    '!!binary ',
    '|\n',
    '>-\n',
    '---\n',
    '...\n',
    '%YAML 1.2\n',
    '# ',
    '<<: ',
    '? ',
    '0',
    '-1',
    '1e999',
    '99999999999999999999',
    '.nan',
    'null',
    '~',
    'true',
    '\u0000',
    '\ufeff',
    '\u{1f600}',
    '\r',
    '__proto__: ',
    'constructor: ',
    '999.999.999.999/99',
    '::/0',
    'items:\n',
    'kind: List\n',
    '\\',
    '@',
    '`',
    '\u2028',
    '1'.repeat(400),
  ];
  const mutate = (text: string): Buffer => {
    const lines = text.split('\n');
    const mutations: (() => void)[] = [
      () => lines.splice(below(lines.length), 1 + below(3)),
      () => lines.splice(below(lines.length), 0, pick(lines)),
      () => lines.splice(below(lines.length), 1, `${' '.repeat(below(9))}${pick(lines).trim()}`),
      () =>
        lines.splice(
          below(lines.length),
          0,
          ...pick(texts)
            .split('\n')
            .slice(below(20), 20 + below(20)),
        ),
      () => {
        const at = below(lines.length);
        const line = lines[at] ?? '';
        const cut = below(line.length + 1);
        lines[at] = line.slice(0, cut) + pick(tokens) + line.slice(cut + below(4));
      },
      () => lines.splice(below(lines.length), lines.length),
    ];
    for (let n = 1 + below(4); n > 0; n--) mutations[below(mutations.length)]?.();
    const bytes = Buffer.from(lines.join('\n'));
    for (let n = below(3); n > 0 && bytes.length > 0 && below(4) === 0; n--) bytes[below(bytes.length)] = below(256);
    return bytes;
  };

  it(`10,000 mutated manifests: faults with lines, never a crash, never a hang (SEED=${seed})`, () => {
    let faulty = 0;
    let slowestMs = 0;
    for (let n = 0; n < 10_000; n++) {
      const bytes = mutate(pick(texts));
      world.write('x.yaml', bytes);
      const startMs = performance.now();
      const { findings } = checkManifests([world.path('x.yaml')]);
      slowestMs = Math.max(slowestMs, performance.now() - startMs);
      if (findings.length > 0) faulty++;
      const lines = bytes.toString('latin1').split('\n').length;
      for (const { line, message, fix } of findings) {
        if (line !== undefined && !(line >= 1 && line <= lines))
          expect.fail(`case ${n}: line ${line} of ${lines}: ${message}`);
        if (message === '' || fix === '') expect.fail(`case ${n}: a finding that says nothing`);
      }
    }
    // A fuzzer whose inputs are all fine, or all broken, tests nothing.
    expect(faulty).toBeGreaterThan(1000);
    expect(faulty).toBeLessThan(9900);
    expect(slowestMs).toBeLessThan(2000);
  }, 120_000);
});
