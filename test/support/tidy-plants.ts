/** Breaches of each rule of the house, in files that exist only here, and what has to be said of them. */
import type { RuleName, Tables } from './tidy.ts';

/** What is planted, and the start of each message that has to come of it, and no other. A header is line 1. */
export interface Plant {
  readonly title: string;
  readonly files: Record<string, string>;
  readonly found: readonly string[];
  readonly tables?: Partial<Tables>;
  readonly manifest?: string;
}

const long = (lines: number) => '\n'.repeat(lines - 2);

export const plants: Record<RuleName, readonly Plant[]> = {
  'imports go to folders on the left': [
    {
      title: 'to the right',
      files: { 'src/net/ip.ts': `\nimport { loop } from '../runtime/loop.ts';` },
      found: ['src/net/ip.ts:3: net imports runtime, which is on its right'],
    },
    {
      title: 'to the right, a type',
      files: { 'src/net/ip.ts': `import type { Loop } from '../runtime/loop.ts';` },
      found: ['src/net/ip.ts:2: net imports runtime'],
    },
    {
      title: 'to the right, a type inside a type',
      files: { 'src/net/ip.ts': `type Loop = import('../runtime/loop.ts').Loop;` },
      found: ['src/net/ip.ts:2: net imports runtime'],
    },
    {
      title: 'to the right, when needed',
      files: { 'src/net/ip.ts': `export const load = () =>\n  import('../runtime/loop.ts');` },
      found: ['src/net/ip.ts:3: net imports runtime'],
    },
    {
      title: 'to the right, as a worker',
      files: { 'src/net/ip.ts': `new Worker(new URL('../runtime/loop.ts', import.meta.url));` },
      found: ['src/net/ip.ts:2: net imports runtime'],
    },
    {
      title: 'to the right, exporting again',
      files: { 'src/net/ip.ts': `export { loop } from '../runtime/loop.ts';` },
      found: ['src/net/ip.ts:2: net imports runtime'],
    },
    {
      title: 'beside, in braces',
      files: { 'src/bgp/peer.ts': `import { arp } from '../l2/arp.ts';` },
      found: ['src/bgp/peer.ts:2: bgp imports l2, which stands beside it'],
    },
    {
      title: 'of main, also by tests',
      files: { 'src/cli/run.ts': `import '../main.ts';`, 'test/run.test.ts': `import '../src/main.ts';` },
      found: ['src/cli/run.ts:2: nobody imports main', 'test/run.test.ts:2: nobody imports main'],
    },
    {
      title: 'out of src',
      files: { 'src/net/ip.ts': `import { clock } from '../../test/clock.ts';` },
      found: ['src/net/ip.ts:2: src imports test/clock.ts'],
    },
    {
      title: 'in a folder without a layer',
      files: { 'src/misc/x.ts': '', 'src/stray.ts': '' },
      found: ['src/misc/x.ts:1: src/misc is no folder of the layers', 'src/stray.ts:1: src/stray.ts is no folder'],
    },
  ],
  'left of runtime, no clock, chance, environment or output': [
    ...(
      [
        ['Date.now()', 'the clock'],
        ['new Date()', 'the clock'],
        ['Date()', 'the clock'],
        ['[1].map(Date.now)', 'the clock'],
        ['const { now } = Date', 'the clock'],
        [`Date['now']()`, 'the clock'],
        ['performance.now()', 'the global `performance`'],
        ['Math.random()', 'Math.random'],
        [`Math['random']()`, 'Math.random'],
        ['const { random } = Math', 'Math.random'],
        ['crypto.randomUUID()', 'the global `crypto`'],
        ['process.env', 'the global `process`'],
        ['const at = { process }', 'the global `process`'],
        [`console.log('x')`, 'the global `console`'],
        ['setTimeout(() => {}, 1)', 'the global `setTimeout`'],
        ['setInterval(() => {}, 1)', 'the global `setInterval`'],
        ['setImmediate(() => {})', 'the global `setImmediate`'],
        ['queueMicrotask(() => {})', 'the global `queueMicrotask`'],
        [`fetch('http://herald')`, 'the global `fetch`'],
        [`globalThis['process']`, 'the global `globalThis`'],
        ['global.process', 'the global `global`'],
        ['(process as object)', 'the global `process`'],
        ['import.meta.dirname', 'import.meta'],
        [`import { readFileSync } from 'node:fs'`, 'node:fs left of runtime'],
        [`import type { Socket } from 'net'`, 'net left of runtime'],
        [`await import('node:os')`, 'node:os left of runtime'],
      ] as const
    ).map(([code, message]) => ({
      title: code,
      files: { 'src/control/plan.ts': `export const one = 1;\n${code};` },
      found: [`src/control/plan.ts:3: ${message}`],
    })),
    {
      title: 'a name bound elsewhere in the file',
      files: { 'src/net/ip.ts': `export function one(process: number) {\n  return process;\n}\nprocess.exit();` },
      found: ['src/net/ip.ts:5: the global `process`'],
    },
    {
      title: 'nothing in pure code, in names of its own, or right of it',
      files: {
        'src/net/ip.ts': `
          new Date(0).getTime(); Date.UTC(2026, 0); Date.parse('x'); Math.max(1, 2); ({} as object) instanceof Date;
          type T = { process: string; fetch(console: string): Date }; declare const t: T; t.process; t.fetch('x');
          export function run({ process, crypto = 1 }: { process: number; crypto?: number }, ...console: number[]) {
            return process + crypto + console.length;
          }
          for (const fetch of [1]) { try { fetch; } catch (performance) { performance; } }
          function setTimeout() {} setTimeout();`,
        'src/runtime/loop.ts': `import { hrtime } from 'node:process';\nDate.now(); console.log(hrtime);`,
      },
      found: [],
    },
  ],
  'each package has one folder': [
    {
      title: 'a second user',
      files: { 'src/bgp/peer.ts': `import { Netmask } from 'netmask';` },
      found: ['src/bgp/peer.ts:2: netmask belongs to src/net'],
    },
    {
      title: 'a second user of its types, or of a part of it',
      files: { 'src/bgp/peer.ts': `import type { Netmask } from 'netmask';\nimport x from 'netmask/dist/netmask.js';` },
      found: ['src/bgp/peer.ts:2: netmask belongs', 'src/bgp/peer.ts:3: netmask belongs'],
    },
    {
      title: 'a package that is not shipped',
      files: { 'src/net/x.ts': `import fc from 'fast-check';` },
      found: ['src/net/x.ts:2: fast-check is not under "dependencies"', 'src/net/x.ts:2: fast-check has no folder'],
    },
    {
      title: 'a package without a folder, and unused',
      files: {},
      manifest: `{\n  "dependencies": {\n    "netmask": "1",\n    "left-pad": "1"\n  }\n}`,
      found: ['package.json:4: left-pad has no folder', 'package.json:4: src imports left-pad nowhere'],
    },
  ],
  'imports name files that are there, with .ts': [
    {
      title: 'no ending, no file',
      files: { 'src/net/x.ts': `import './prefix';\nimport './gone.ts';`, 'scripts/x.ts': `import '../src/gone.ts';` },
      found: [
        'src/net/x.ts:2: ./prefix leads',
        'src/net/x.ts:3: ./gone.ts leads',
        'scripts/x.ts:2: ../src/gone.ts leads',
      ],
    },
  ],
  'files, functions and lines keep their size': [
    {
      title: 'a file of 401 lines',
      files: { 'src/net/x.ts': `${long(401)}1;\n`, 'src/net/y.ts': `${long(400)}1;\n` },
      found: ['src/net/x.ts:401: 401 lines of 400'],
    },
    {
      title: 'a function of 71 lines',
      files: {
        'src/net/x.ts': `\nfunction slow() {${long(72)}}\nfunction fine() {${long(71)}}`,
        'scripts/x.ts': `const slow = () => {${long(72)}};`,
        'test/x.test.ts': `class A {\n  slow() {${long(72)}}\n}`,
      },
      found: [
        'src/net/x.ts:3: slow has 71 lines of 70',
        'scripts/x.ts:2: slow has 71 lines of 70',
        'test/x.test.ts:3: slow has 71 lines of 70',
      ],
    },
    {
      title: 'but not a chapter of tests',
      files: { 'test/x.test.ts': `describe('x', () => {${long(90)}});\ndescribe.each([1])('y', () => {${long(90)}});` },
      found: [],
    },
    {
      title: 'a line of 121 columns',
      files: { 'test/x.test.ts': `\n// ${'x'.repeat(118)}\n// ${'é'.repeat(117)}` },
      found: ['test/x.test.ts:3: 121 columns of 120'],
    },
  ],
  'syntax the house does without': [
    ...(
      [
        ['export default 1', 'a default export'],
        ['const one = 1; export { one as default }', 'a default export'],
        ['export const one = (x: any) => x', '`any`'],
        ['type Any = Record<string, any>', '`any`'],
        ['one as any', '`any`'],
        ['one!.two', 'a non-null `!`'],
        ['class A { one!: number }', 'a definite assignment'],
        ['let one!: number', 'a definite assignment'],
        ['enum One {}', 'an enum'],
        ['const enum One {}', 'an enum'],
        ['namespace One {}', 'a namespace'],
        ['class A { constructor(private one: number) {} }', 'a parameter property'],
        [`import fs = require('node:fs')`, '`import =`'],
        [`export * from './prefix.ts'`, 're-exporting'],
        [`export type { Prefix } from './prefix.ts'`, 're-exporting'],
        ['import(one)', 'import() of a name made up'],
      ] as const
    ).map(([code, message]) => ({
      title: code,
      files: { 'src/net/x.ts': `// é 漢 😀 do not move the lines\n${code};` },
      found: [`src/net/x.ts:3: ${message}`],
    })),
    {
      title: 'nothing in text, comments, or types for others’ code',
      files: { 'test/x.ts': `// any enum!\nconst text = 'any enum x!.y';\ndeclare module 'x' {}\nif (!text) text;` },
      found: [],
    },
  ],
  'a file opens with what it is, under a name that says it': [
    {
      title: 'no header',
      files: { 'src/net/x.ts#bare': `import './prefix.ts';`, 'scripts/x.ts#bare': '#!/usr/bin/env node\nrun();' },
      found: ['src/net/x.ts:1: no header comment', 'scripts/x.ts:2: no header comment'],
    },
    {
      title: 'a room for anything',
      files: { 'src/net/utils.ts': '', 'src/net/index.ts': '', 'src/net/path-index.ts': '' },
      found: ['src/net/utils.ts:1: a name that says nothing', 'src/net/index.ts:1: a name that says nothing'],
    },
  ],
  'no file of a folder imports itself in a circle': [
    {
      title: 'a circle of three',
      files: {
        'src/bgp/a.ts': `import { b } from './b.ts';`,
        'src/bgp/b.ts': `import { c } from './c.ts';`,
        'src/bgp/c.ts': `\nimport { a } from './a.ts';`,
      },
      found: ['src/bgp/c.ts:3: src/bgp/a.ts → src/bgp/b.ts → src/bgp/c.ts → src/bgp/a.ts'],
    },
    {
      title: 'not of types, nor of what is loaded when needed',
      files: {
        'src/bgp/a.ts': `import { b } from './b.ts';`,
        'src/bgp/b.ts': `import type { A } from './a.ts';\nimport { type B } from './a.ts';\nimport('./a.ts');`,
      },
      found: [],
    },
  ],
  'every file is used': [
    {
      title: 'only a test imports it',
      files: { 'src/net/dead.ts': '', 'test/net/dead.test.ts': `import '../../src/net/dead.ts';` },
      found: ['src/net/dead.ts:1: nothing in src or scripts imports it'],
    },
    {
      title: 'only itself imports it',
      files: { 'src/net/dead.ts': `import './dead.ts';` },
      found: ['src/net/dead.ts:1: nothing in src or scripts imports it'],
    },
    {
      title: 'a script, a lazy import or the table of entry points will do',
      files: {
        'src/net/a.ts': '',
        'src/net/b.ts': '',
        'src/net/worker.ts': '',
        'scripts/build.ts': `import '../src/net/a.ts';\nawait import('../src/net/b.ts');`,
      },
      tables: { entryPoints: ['src/main.ts', 'src/net/worker.ts', 'src/net/gone.ts'] },
      found: ['src/net/gone.ts:1: is listed as an entry point and not there'],
    },
  ],
  'every export is used': [
    {
      title: 'in any form',
      files: {
        'src/net/x.ts': [
          'export const used = 1;',
          'export function one() {}',
          'export const two = 1, { three, four: [five] } = used;',
          'export interface Six {}',
          'const seven = 1;',
          'export { seven as eight };',
          'export interface Spoken { readonly nine?: Spoken }',
        ].join('\n'),
        'src/net/y.ts': `import { used } from './x.ts';\nused;`,
        'test/x.test.ts': `import { one } from '../src/net/x.ts';`,
        'scripts/x.ts': `import '../src/net/y.ts';`,
      },
      found: [
        'src/net/x.ts:3: nothing in src or scripts imports one',
        'src/net/x.ts:4: nothing in src or scripts imports two',
        'src/net/x.ts:4: nothing in src or scripts imports three',
        'src/net/x.ts:4: nothing in src or scripts imports five',
        'src/net/x.ts:5: nothing in src or scripts imports Six',
        'src/net/x.ts:7: nothing in src or scripts imports eight',
      ],
    },
    {
      title: 'in any form of use',
      files: {
        'src/net/a.ts': 'export const one = 1, two = 2, three = 3, dead = 4;\nexport interface Four {}',
        'src/net/b.ts': 'export const one = 1;',
        'scripts/x.ts': `
          import * as b from '../src/net/b.ts';
          import { one as other } from '../src/net/a.ts';
          const { two } = await import('../src/net/a.ts');
          (await import('../src/net/a.ts')).three;
          type Four = import('../src/net/a.ts').Four;`,
      },
      found: ['src/net/a.ts:2: nothing in src or scripts imports dead'],
    },
    {
      title: 'for tests, only by the table; and the table is not stale',
      files: {
        'src/net/a.ts': 'export const one = 1, two = 2;',
        'scripts/x.ts': `import { two } from '../src/net/a.ts';`,
      },
      tables: {
        forTests: { 'src/net/a.ts#one': 'a reason', 'src/net/a.ts#two': 'used by now', 'src/net/z.ts#x': 'gone' },
      },
      found: ['src/net/a.ts:1: src/net/a.ts#two is listed', 'src/net/z.ts:1: src/net/z.ts#x is listed'],
    },
  ],
  'install scripts are decided on, one by one': [
    {
      title: 'one too few, one too many',
      files: {},
      manifest: `{\n  "dependencies": { "netmask": "1" },\n  "allowScripts": {\n    "left-pad": true\n  }\n}`,
      found: ['package.json:3: node has an install script', 'package.json:4: left-pad has no install script'],
    },
  ],
};
