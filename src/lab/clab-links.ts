/** The links of a containerlab topology, in the short form (`endpoints: ["a:eth1", "b:eth1"]`) and the long ones. */
import { Mac } from '../net/mac.ts';
import type { LabLink, LabLinkEnd, LabNode } from './topology.ts';
import type { FieldRules, LabFile, Section } from './topology-file.ts';

/** This machine, and the management network: names that a node cannot have. */
export const hostNode = 'host';
export const managementNode = 'mgmt-net';

/** Vendors' kinds configure addresses that a link gives; a linux node gets its own from exec. */
const linkFields: FieldRules = {
  type: 'read',
  endpoints: 'read',
  endpoint: 'read',
  'host-interface': 'read',
  mtu: 'read',
  labels: 'passed',
  vars: 'passed',
  ipv4: 'passed',
  ipv6: 'passed',
};
const endFields: FieldRules = {
  node: 'read',
  interface: 'read',
  mac: 'read',
  ipv4: 'passed',
  ipv6: 'passed',
  vars: 'passed',
};

/** Of Linux: IFNAMSIZ without the octet that ends it. */
const interfaceMaxChars = 15;

export function readLinks(topology: Section, nodes: readonly LabNode[]): readonly LabLink[] {
  const { file } = topology;
  const taken = new Map<string, number>();
  const byName = new Map(nodes.map(node => [node.name, node]));
  return topology.list('links').flatMap(({ value, path }) => {
    const section = file.section(value, path)?.hold(linkFields);
    const ends = section && endsOf(section);
    if (section === undefined || ends === undefined) return [];
    const ok = ends.map(end => isSound(file, path, end, byName, taken)).every(each => each);
    return ok ? [{ line: section.line, ends, mtu: section.count('mtu', 68) }] : [];
  });
}

type Ends = readonly [LabLinkEnd, LabLinkEnd];

function endsOf(section: Section): Ends | undefined {
  const type = section.text('type')?.value;
  if (type === 'host' || type === managementNode) {
    const end = section.section('endpoint');
    if (end === undefined) return section.fault('', 'missing-field', `a link of type ${type} has an endpoint`);
    const far = section.text('host-interface')?.value;
    const one = longEnd(end);
    if (far === undefined) return section.fault('endpoint', 'missing-field', 'write host-interface beside it');
    return one && [one, { node: type === 'host' ? hostNode : managementNode, interface: far, mac: undefined }];
  }
  if (type !== undefined && type !== 'veth')
    return section.fault('type', 'bad-value', `'${type}' cannot be built here; veth, host and ${managementNode} can`);
  const ends = section.list('endpoints').map(({ value, path }) => {
    if (typeof value === 'string') return shortEnd(section.file, value, path);
    const end = section.file.section(value, path);
    return end && longEnd(end);
  });
  const [a, b] = ends;
  if (a !== undefined && b !== undefined && isOutside(a) && isOutside(b))
    return section.file.fault(section.path, 'bad-value', 'one end of a link is a node of the lab');
  if (ends.length === 2) return a && b && [a, b];
  return section.file.fault(section.path, 'bad-value', `a link has two endpoints, this one ${ends.length}`);
}

function isOutside({ node }: LabLinkEnd): boolean {
  return node === hostNode || node === managementNode;
}

/** `node:interface`; a third part is the MAC address. */
function shortEnd(file: LabFile, text: string, path: string): LabLinkEnd | undefined {
  const [node = '', link = '', ...rest] = text.split(':');
  if (node === '' || link === '')
    return file.fault(path, 'bad-value', `'${text}' is no endpoint; write NODE:INTERFACE`);
  const mac = rest.length === 0 ? undefined : rest.join(':');
  return checked(file, path, { node, interface: link, mac });
}

function longEnd(section: Section): LabLinkEnd | undefined {
  section.hold(endFields);
  const node = section.text('node')?.value;
  const link = section.text('interface')?.value;
  if (node === undefined || link === undefined)
    return section.file.fault(section.path, 'missing-field', 'an endpoint has a node and an interface');
  return checked(section.file, section.path, { node, interface: link, mac: section.text('mac')?.value });
}

function checked(file: LabFile, path: string, end: LabLinkEnd): LabLinkEnd | undefined {
  const name = end.interface;
  if (name.length > interfaceMaxChars || /[\s/:]/.test(name) || name === '.' || name === '..')
    return file.fault(
      path,
      'bad-value',
      `'${name}' is no name of an interface: at most ${interfaceMaxChars} characters`,
    );
  if (end.mac !== undefined && Mac.parse(end.mac) === undefined)
    return file.fault(path, 'bad-value', `'${end.mac}' is no MAC address`);
  return end;
}

function isSound(
  file: LabFile,
  path: string,
  end: LabLinkEnd,
  nodes: ReadonlyMap<string, LabNode>,
  taken: Map<string, number>,
): boolean {
  const node = nodes.get(end.node);
  if (!isOutside(end)) {
    if (node === undefined) file.fault(path, 'unknown-node', `there is no node '${end.node}' under topology.nodes`);
    else if (node.networkMode.mode === 'host')
      file.fault(path, 'bad-value', `${end.node} is on this host's own network: link 'host' instead`);
    if (node === undefined || node.networkMode.mode === 'host') return false;
  }
  const key = `${end.node}:${end.interface}`;
  const before = taken.get(key);
  taken.set(key, before ?? file.line(path));
  if (before === undefined) return true;
  file.fault(path, 'duplicate', `${key} is already an end of the link in line ${before}`);
  return false;
}
