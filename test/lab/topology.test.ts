/** Exec lines as words, whose network each node has, and the drawing. */
import { describe, expect, it } from 'vitest';
import { readTopology } from '../../src/lab/clab.ts';
import { readCluster } from '../../src/lab/kind.ts';
import { shellWords } from '../../src/lab/place-words.ts';
import { drawing } from '../../src/lab/topology-drawing.ts';
import { planOf } from '../../src/lab/topology-plan.ts';

describe('XCU §2.2: a line is split as a shell would', () => {
  it.each<[string, readonly string[]]>([
    ['ip addr add 10.0.0.1/24 dev net0', ['ip', 'addr', 'add', '10.0.0.1/24', 'dev', 'net0']],
    [`vtysh -c 'conf t' -c '  router bgp 1'`, ['vtysh', '-c', 'conf t', '-c', '  router bgp 1']],
    [`sh -c "echo \\"a\\" \\$x 'b'"`, ['sh', '-c', `echo "a" $x 'b'`]],
    [`a\\ b ''c""`, ['a b', 'c']],
    [`a '' ""`, ['a', '', '']],
    ['a #b c', ['a']],
    ['a#b', ['a#b']],
    ['a \\\n b', ['a', 'b']],
    [`"a\\nb"`, ['a\\nb']],
    [`'never closed`, ['never closed']],
    ['  ', []],
  ])('%j', (line, words) => expect(shellWords(line)).toEqual(words));
});

const topology = (nodes: string, links = '') => {
  const { value } = readTopology({ file: '/x/t.yml', text: `name: x\ntopology:\n  nodes:\n${nodes}${links}`, env: {} });
  if (value === undefined) throw new Error('no topology');
  return value;
};
const kind = readCluster({ file: '/x/k.yml', text: 'kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n' }).value;

describe('§1 network-mode: container:NAME', () => {
  const shared = (name: string) => `    a: {kind: linux}\n    b: {kind: linux, network-mode: "container:${name}"}\n`;
  it.each([
    ['a node of the lab by its full name', shared('clab-x-a'), 'a'],
    ['by its short one', shared('a'), 'a'],
    ['a node of the cluster', shared('kind-control-plane'), 'kind-control-plane'],
    ['one that shares itself', `${shared('c')}    c: {kind: linux, network-mode: "container:a"}\n`, 'a'],
  ])('%s', (_, nodes, owner) => {
    const plan = planOf(topology(nodes), kind).value;
    expect(plan?.sharers.find(each => each.name === 'b')?.sharedWith).toBe(owner);
  });

  it.each([
    ['nobody', shared('other'), kind, 'unknown-node'],
    ['a cluster that is not given', shared('kind-control-plane'), undefined, 'unknown-node'],
    ['itself, in a circle', `${shared('c')}    c: {kind: linux, network-mode: "container:b"}\n`, kind, 'bad-value'],
    ['a node that is called as one of the cluster', '    kind-control-plane: {kind: linux}\n', kind, 'duplicate'],
  ])('refused: %s', (_, nodes, cluster, reason) => {
    expect(planOf(topology(nodes), cluster).faults?.[0]?.reason).toBe(reason);
  });
});

describe('the drawing', () => {
  const nodes = `    spine: {kind: linux, image: frr}
    tor: {kind: linux, image: frr}
    n1: {kind: linux, image: "a<b>&c"}
`;
  const links = `  links:
    - endpoints: ["spine:e1", "tor:e1"]
    - endpoints: ["tor:e2", "n1:e1"]
    - endpoints: ["tor:e3", "n1:e2"]
`;
  const svg = drawing(topology(nodes, links));

  it('has every node, every link and the names of its ends', () => {
    for (const name of ['spine', 'tor', 'n1', 'e1', 'e2', 'e3']) expect(svg).toContain(`>${name}</text>`);
    expect(svg.match(/<path /g)).toHaveLength(3);
  });

  it('stands from the top down: spines, routers, nodes', () => {
    const yOf = (name: string) => Number(new RegExp(`y="([0-9.]+)" font-weight="600">${name}<`).exec(svg)?.[1]);
    expect(yOf('spine')).toBeLessThan(yOf('tor'));
    expect(yOf('tor')).toBeLessThan(yOf('n1'));
  });

  it('is well formed whatever names hold', () => expect(svg).toContain('a&#60;b&#62;&#38;c'));

  it('gives links between the same two nodes a line each', () => {
    const lines = [...svg.matchAll(/<path .*?\/>/g)].map(([line]) => line);
    expect(new Set(lines).size).toBe(3);
  });
});
