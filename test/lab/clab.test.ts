/** containerlab's topology file, as its schema and manual have it; titles name the section of the lab's formats. */
import { describe, expect, it } from 'vitest';
import { readTopology } from '../../src/lab/clab.ts';
import { expandVariables } from '../../src/lab/clab-variables.ts';
import type { LabNode, Topology } from '../../src/lab/topology.ts';

const read = (text: string, env: Record<string, string> = {}) =>
  readTopology({ file: '/labs/x/t.clab.yml', text, env });

function topologyOf(text: string, env: Record<string, string> = {}): Topology {
  const { value, faults } = read(text, env);
  if (value === undefined) throw new Error(JSON.stringify(faults));
  return value;
}

/** A topology of these nodes, as lines below `nodes:`. */
const withNodes = (lines: string, more = '') => `name: x\ntopology:\n${more}  nodes:\n${lines}\n`;

function nodeOf(text: string, name = 'a'): LabNode {
  const found = topologyOf(text).nodes.find(node => node.name === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

/** Written with @, so that nobody takes them for ours. */
const dollars = (text: string) => text.replaceAll('@', '$');

describe('§1 variables', () => {
  const env = { NAME: 'tor', EMPTY: '' };
  it.each([
    ['a name in braces', '@{NAME}', 'tor'],
    ['a name alone', '@NAME-1', 'tor-1'],
    ['a default for what is not set', '@{NONE:=x}', 'x'],
    ['a default, the other way to write it', '@{NONE:-a b}', 'a b'],
    ['a default for what is set and empty', '@{EMPTY:-x}', 'x'],
    ['no default where the name is set', '@{NAME:=x}', 'tor'],
    ['an empty default', '[@{NONE:-}]', '[]'],
    ['two dollars are one', '@@NAME', '@NAME'],
    ['what is not set and has no default stays', '@{NONE} @NONE @(seq 3) @1', '@{NONE} @NONE @(seq 3) @1'],
  ])('%s', (_, text, expanded) => expect(expandVariables(dollars(text), env)).toBe(dollars(expanded)));

  it('are put in before the file is YAML', () => {
    expect(topologyOf(withNodes(dollars('    @{WHO:=a}: {kind: linux}')), { WHO: 'b' }).nodes[0]?.name).toBe('b');
  });
});

describe('§1 full names', () => {
  it.each([
    ['clab-NAME- by default', '', 'clab-x-'],
    ['the prefix given', 'prefix: lab', 'lab-x-'],
    ['no prefix', 'prefix: ""', ''],
    ['the name of the lab', 'prefix: __lab-name', 'x-'],
  ])('%s', (_, line, prefix) => {
    expect(topologyOf(`${withNodes('    a: {kind: linux}')}${line}\n`).prefix).toBe(prefix);
  });
});

describe('§1 nodes are merged: defaults, kinds, groups, the node', () => {
  const levels = `  defaults:
    {kind: linux, group: g, env: {a: d, b: d}, exec: [d], binds: ["d:/d", "d:/same"], startup-delay: 3}
  kinds: {linux: {image: k, env: {b: k, c: k}, exec: [k], sysctls: {net.x: 1}}}
  groups: {g: {image: g, exec: [g]}, h: {exec: [h]}}
`;
  it.each<[string, string, (node: LabNode) => unknown, unknown]>([
    ['scalars replace', '    a:', node => node.image, 'g'],
    ['the node wins', '    a: {image: n}', node => node.image, 'n'],
    ['maps merge', '    a: {env: {d: n}}', node => node.env, { a: 'd', b: 'k', c: 'k', d: 'n' }],
    [
      'exec appends, the lowest first',
      '    a: {exec: [n]}',
      node => node.exec.map(each => each.text),
      ['d', 'k', 'g', 'n'],
    ],
    [
      'binds append, one for each place',
      '    a: {binds: ["n:/same:ro"]}',
      binds,
      ['/labs/x/d>/d', '/labs/x/n>/same ro'],
    ],
    ['another group', '    a: {group: h}', node => node.exec.map(each => each.text), ['d', 'k', 'h']],
    ['a group that only drawings know', '    a: {group: "10"}', node => node.image, 'k'],
    ['numbers are text', '    a: {sysctls: {net.y: 2}}', node => node.sysctls, { 'net.x': '1', 'net.y': '2' }],
    ['a delay of 0 replaces one', '    a: {startup-delay: 0}', node => node.startupDelaySeconds, 0],
  ])('%s', (_, lines, of, wanted) => expect(of(nodeOf(withNodes(lines, levels)))).toEqual(wanted));
});

function binds(node: LabNode): readonly string[] {
  return node.binds.map(({ from, to, readOnly }) => `${from}>${to}${readOnly ? ' ro' : ''}`);
}

describe('§1 one node', () => {
  it.each<[string, string, (node: LabNode) => unknown, unknown]>([
    [
      'binds are relative to the file',
      '{binds: ["d/frr.conf:/etc/frr/frr.conf"]}',
      binds,
      ['/labs/x/d/frr.conf>/etc/frr/frr.conf'],
    ],
    ['names of containerlab in binds', '{binds: ["__clabNodeDir__/f:/f"]}', binds, ['/labs/x/clab-x/a/f>/f']],
    [
      'names of containerlab in exec',
      '{exec: [echo __clabLabName__ __clabNodeName__]}',
      node => node.exec[0]?.text,
      'echo x a',
    ],
    [
      'a cluster’s container',
      '{network-mode: "container:k-worker"}',
      node => node.networkMode,
      { mode: 'container', name: 'k-worker', line: 4 },
    ],
    ['no network', '{network-mode: none}', node => node.networkMode.mode, 'none'],
    ['an FRR image is a router', '{image: "quay.io/frrouting/frr:8.4.0"}', node => node.role, 'frr'],
    ['an FRR image by another name', '{image: my/alpine-frr}', node => node.role, 'frr'],
    ['our image', '{image: "localhost:5000/herald:dev"}', node => node.role, 'herald'],
    ['a box of tools', '{image: nicolaka/netshoot}', node => node.role, 'plain'],
    ['an address on the management network', '{mgmt-ipv4: 172.20.20.9}', node => node.managementIpv4, '172.20.20.9'],
  ])('%s', (_, fields, of, wanted) =>
    expect(of(nodeOf(withNodes(`    a: ${fields.replace('{', '{kind: linux, ')}`)))).toEqual(wanted));

  it('a command of several lines is one', () => {
    const text = withNodes(
      "    a:\n      kind: linux\n      exec:\n        - >-\n          vtysh -c 'conf t'\n          -c 'router bgp 1'",
    );
    expect(nodeOf(text).exec).toEqual([{ text: "vtysh -c 'conf t' -c 'router bgp 1'", line: 7 }]);
  });
});

describe('§1 links', () => {
  const nodes = '    a: {kind: linux}\n    b: {kind: linux}\n    sw: {kind: bridge}\n  links:\n';
  it.each([
    ['short', '- endpoints: ["a:eth1", "b:net0"]', 'a:eth1 b:net0'],
    [
      'short, with a MAC address and an mtu',
      '- {endpoints: ["a:eth1:02:00:00:00:00:01", "b:eth1"], mtu: 9000}',
      'a:eth1@02:00:00:00:00:01 b:eth1 9000',
    ],
    ['to this host', '- endpoints: ["a:eth1", "host:vethX"]', 'a:eth1 host:vethX'],
    ['to a bridge', '- endpoints: ["a:eth1", "sw:p1"]', 'a:eth1 sw:p1'],
    [
      'long',
      '- {endpoints: [{node: a, interface: e, mac: "02:00:00:00:00:02"}, {node: b, interface: f}], mtu: 1500}',
      'a:e@02:00:00:00:00:02 b:f 1500',
    ],
    ['long, to this host', '- {type: host, endpoint: {node: a, interface: e}, host-interface: h0}', 'a:e host:h0'],
    [
      'long, to the management network',
      '- {type: mgmt-net, endpoint: {node: a, interface: e}, host-interface: h0}',
      'a:e mgmt-net:h0',
    ],
  ])('%s', (_, line, wanted) => {
    const [link] = topologyOf(withNodes(`${nodes}    ${line}`)).links;
    const ends = link?.ends.map(end => `${end.node}:${end.interface}${end.mac === undefined ? '' : `@${end.mac}`}`);
    expect([...(ends ?? []), ...(link?.mtu === undefined ? [] : [link.mtu])].join(' ')).toBe(wanted);
  });
});

describe('§1 the management network', () => {
  it('is containerlab’s own unless it is given', () => {
    expect(topologyOf(withNodes('    a: {kind: linux}')).management).toEqual({
      ipv4Subnet: '172.20.20.0/24',
      ipv6Subnet: '3fff:172:20:20::/64',
    });
    const text = `${withNodes('    a: {kind: linux}')}mgmt: {network: n, ipv4-subnet: 10.9.0.0/24}\n`;
    expect(topologyOf(text).management.ipv4Subnet).toBe('10.9.0.0/24');
  });
});

describe('refused by name and line', () => {
  const links = (line: string) => withNodes(`    a: {kind: linux}\n    b: {kind: linux}\n  links:\n    ${line}`);
  it.each([
    ['no YAML', 'name: [', 'not-yaml', 1],
    ['nothing', '', 'not-yaml', 1],
    ['no topology', 'name: x\n', 'missing-field', 1],
    ['no name', 'topology:\n  nodes: {a: {kind: linux}}\n', 'missing-field', 1],
    ['no kind', withNodes('    a:\n      image: x'), 'missing-field', 4],
    ['a vendor’s kind', withNodes('    a:\n      kind: nokia_srlinux'), 'unknown-kind', 5],
    ['a field that is not known', withNodes('    a:\n      kind: linux\n      imagee: x'), 'unknown-field', 6],
    ['a field at the top', `${withNodes('    a: {kind: linux}')}nodes: {}`, 'unknown-field', 5],
    ['what would change the node', withNodes('    a:\n      kind: linux\n      startup-config: x'), 'unknown-field', 6],
    ['a bind without a place', withNodes('    a:\n      kind: linux\n      binds: [x]'), 'bad-value', 6],
    ['a network mode', withNodes('    a:\n      kind: linux\n      network-mode: macvlan'), 'bad-value', 6],
    ['a delay that is no number', withNodes('    a:\n      kind: linux\n      startup-delay: 5s'), 'bad-value', 6],
    ['a name that nobody can have', withNodes('    "a/b": {kind: linux}'), 'bad-value', 4],
    ['a link to a node that is not there', links('- endpoints: ["a:e", "c:e"]'), 'unknown-node', 7],
    ['a link with one end', links('- endpoints: ["a:e"]'), 'bad-value', 7],
    ['a link with an end too many', links('- endpoints: ["a:e", "b:e", "a:f"]'), 'bad-value', 7],
    ['an interface twice', links('- endpoints: ["a:e", "b:e"]\n    - endpoints: ["a:e", "b:f"]'), 'duplicate', 8],
    ['a name too long for an interface', links('- endpoints: ["a:e234567890123456", "b:e"]'), 'bad-value', 7],
    ['a link type', links('- {type: vxlan, endpoint: {node: a, interface: e}}'), 'bad-value', 7],
    [
      'an address that is none',
      links('- endpoints: [{node: a, interface: e, mac: zz}, {node: b, interface: e}]'),
      'bad-value',
      7,
    ],
    ['a link outside the lab', links('- endpoints: ["host:x", "host:y"]'), 'bad-value', 7],
  ])('%s', (_, text, reason, line) => {
    expect(read(text).faults?.map(fault => [fault.reason, fault.line])).toEqual([[reason, line]]);
  });

  it('all of them at once, in the order of the file', () => {
    const text = withNodes('    a: {kind: ceos}\n    b:\n      kind: linux\n      foo: 1\n    c: {}');
    expect(read(text).faults?.map(fault => fault.line)).toEqual([4, 7, 8]);
  });
});

describe('passed over with a note', () => {
  it.each([
    ['what a container engine is told', withNodes('    a:\n      kind: linux\n      memory: 1Gb'), 6],
    [
      'what a vendor’s link is told',
      withNodes('    a: {kind: linux}\n    b: {kind: linux}\n  links:\n    - {endpoints: ["a:e", "b:e"], vars: {}}'),
      7,
    ],
    ['an image that is not run', withNodes('    a: {kind: linux, image: "vyos/vyos:1.4"}'), 4],
  ])('%s', (_, text, line) => {
    const { notes, faults } = read(text);
    expect(faults).toBeUndefined();
    expect(notes.map(note => note.line)).toEqual([line]);
  });
});
