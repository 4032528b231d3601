/** containerlab's topology file (`*.clab.yml`) → a Topology, or every fault in it by name and line. */
import { dirname } from 'node:path';
import { Prefix } from '../net/prefix.ts';
import { hostNode, managementNode, readLinks } from './clab-links.ts';
import { NodeLevels } from './clab-node.ts';
import { expandVariables } from './clab-variables.ts';
import type { LabNode, LabRead, Topology } from './topology.ts';
import { type FieldRules, type LabFile, openFile, type Section } from './topology-file.ts';

const topFields: FieldRules = {
  name: 'read',
  prefix: 'read',
  topology: 'read',
  mgmt: 'read',
  settings: 'passed',
  debug: 'passed',
};
const topologyFields: FieldRules = { defaults: 'read', kinds: 'read', groups: 'read', nodes: 'read', links: 'read' };
const managementFields: FieldRules = {
  network: 'read',
  'ipv4-subnet': 'read',
  'ipv6-subnet': 'read',
  bridge: 'passed',
  'external-access': 'passed',
  'ipv4-gw': 'passed',
  'ipv4-range': 'passed',
  'ipv6-gw': 'passed',
  'ipv6-range': 'passed',
  mtu: 'passed',
};

/** containerlab's own. */
const defaultManagement = { ipv4Subnet: '172.20.20.0/24', ipv6Subnet: '3fff:172:20:20::/64' };
const defaultPrefix = 'clab';

export interface ClabSource {
  /** An absolute path: binds are relative to its folder. */
  readonly file: string;
  readonly text: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export function readTopology({ file: path, text, env }: ClabSource): LabRead<Topology> {
  const { file, root } = openFile(expandVariables(text, env));
  if (root === undefined) return file.result<Topology>(undefined);
  root.hold(topFields);
  const name = root.text('name')?.value ?? '';
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/.test(name))
    file.fault('name', 'missing-field', "a lab has a name of letters, digits, '-', '_' and '.'");
  const section = root.section('topology');
  if (section === undefined) {
    file.fault('', 'missing-field', "there is no 'topology'; write nodes and links below it");
    return file.result<Topology>(undefined);
  }
  section.hold(topologyFields);
  const levels = new NodeLevels(section, { topology: dirname(path), labName: name });
  const parent = section.section('nodes');
  const names = parent?.keys ?? [];
  const nodes = names.flatMap(each => {
    if (parent === undefined || !isNodeName(parent, each)) return [];
    return levels.node(each, parent.section(each), parent) ?? [];
  });
  if (names.length === 0) file.fault('topology', 'missing-field', 'there are no nodes');
  // Links are told against all the nodes that are named, so that a fault in one is not one in its links.
  const links = nodes.length === names.length ? readLinks(section, nodes) : [];
  noteImages(file, nodes);
  const prefix = prefixOf(root.text('prefix')?.value ?? defaultPrefix, name);
  return file.result<Topology>({ file: path, name, prefix, management: managementOf(root), nodes, links });
}

function isNodeName(parent: Section, name: string): boolean {
  const isOurs = name === hostNode || name === managementNode;
  if (!isOurs && /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/.test(name)) return true;
  const what = isOurs ? 'stands for what is outside' : "is no name: letters, digits, '-', '_' and '.'";
  parent.fault(name, 'bad-value', `'${name}' ${what}`);
  return false;
}

function prefixOf(prefix: string, name: string): string {
  if (prefix === '') return '';
  return prefix === '__lab-name' ? `${name}-` : `${prefix}-${name}-`;
}

function managementOf(root: Section): Topology['management'] {
  const section = root.section('mgmt')?.hold(managementFields);
  const subnet = (key: 'ipv4-subnet' | 'ipv6-subnet', family: 'ipv4' | 'ipv6', fallback: string) => {
    const text = section?.text(key);
    if (text === undefined || text.value === 'auto') return fallback;
    const prefix = Prefix.parse(text.value);
    if (prefix?.address.family === family && prefix.length <= (family === 'ipv4' ? 29 : 120))
      return Prefix.format(prefix);
    section?.fault(key, 'bad-value', `'${text.value}' is no subnet that has room for nodes`);
    return fallback;
  };
  return {
    ipv4Subnet: subnet('ipv4-subnet', 'ipv4', defaultManagement.ipv4Subnet),
    ipv6Subnet: subnet('ipv6-subnet', 'ipv6', defaultManagement.ipv6Subnet),
  };
}

/** Boxes of tools: all that is in them is on this host, or is missed by name. */
const toolImages = /(?:netshoot|alpine|debian|ubuntu|busybox|nettool|network-multitool|toolbox|fedora|centos|linux)/i;

function noteImages(file: LabFile, nodes: readonly LabNode[]): void {
  for (const { name, image, role, cmd } of nodes) {
    if (role !== 'plain' || image === '' || (toolImages.test(image) && !/\binit\b/.test(cmd))) continue;
    const path = `topology.nodes.${name}`;
    file.note(path, `the image ${image} is not run: the node has this host's programs, and its exec lines`);
  }
}
