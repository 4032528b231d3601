/** Whatever a file holds, it is read to a value or to faults with lines; nothing is thrown. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readTopology } from '../../src/lab/clab.ts';
import { readCluster } from '../../src/lab/kind.ts';
import { shellWords } from '../../src/lab/place-words.ts';

/** Words that the formats know, among others. */
const words = [
  ...['name', 'prefix', 'topology', 'mgmt', 'defaults', 'kinds', 'groups', 'nodes', 'links', 'kind', 'linux', 'bridge'],
  ...['image', 'exec', 'binds', 'env', 'sysctls', 'group', 'network-mode', 'startup-delay', 'endpoints', 'endpoint'],
  ...[
    'type',
    'veth',
    'host',
    'a:b',
    'a',
    'host:x',
    'x:/y',
    'container:a',
    'networking',
    'ipFamily',
    'podSubnet',
    'role',
  ],
  ...['Cluster', 'apiVersion', 'kind.x-k8s.io/v1alpha4', 'kubeadmConfigPatches', '10.0.0.0/8', 'fd00::/48', 'labels'],
  ...['__proto__', 'constructor', 'worker', 'control-plane', 'kind: InitConfiguration', '', '-', '{'],
];
const scalar = fc.oneof(fc.constantFrom(...words), fc.integer(), fc.boolean(), fc.constant(null), fc.string());
const value: fc.Arbitrary<unknown> = fc.letrec(tie => ({
  value: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 4 }),
    fc
      .array(fc.tuple(fc.constantFrom(...words), tie('value')), { maxLength: 6 })
      .map(pairs => Object.fromEntries(pairs)),
  ),
})).value;
/** JSON is YAML. With what a file begins with, so that more of it is looked at. */
const text = fc.oneof(
  fc.string(),
  value.map(each => JSON.stringify(each)),
  value.map(nodes =>
    JSON.stringify({ name: 'x', topology: { nodes: { a: nodes, b: { kind: 'linux' } }, links: [nodes] } }),
  ),
  value.map(each =>
    JSON.stringify({ kind: 'Cluster', apiVersion: 'kind.x-k8s.io/v1alpha4', networking: each, nodes: [each] }),
  ),
);

describe('any file', () => {
  it.each([
    ['a topology', (each: string) => readTopology({ file: '/x/t.yml', text: each, env: {} })],
    ['a cluster', (each: string) => readCluster({ file: '/x/k.yml', text: each })],
  ])('as %s is a value, or faults in its lines', (_, read) => {
    fc.assert(
      fc.property(text, each => {
        const { value: found, faults } = read(each);
        expect(found === undefined).toBe(faults !== undefined && faults.length > 0);
        const count = each.split('\n').length;
        for (const { line } of faults ?? []) expect(line).toSatisfy((n: number) => n >= 1 && n <= count);
      }),
      { numRuns: 400 },
    );
  });

  it('as a line of words keeps what is not white space, a quote, a backslash or a comment', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z0-9=/:.-]{1,8}$/), { maxLength: 6 }), all => {
        expect(shellWords(all.join('  '))).toEqual(all);
        expect(shellWords(all.map(each => `'${each}'`).join(' '))).toEqual(all);
        expect(shellWords(all.map(each => `"${each}"`).join('\t'))).toEqual(all);
      }),
    );
  });
});
