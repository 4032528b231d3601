/**
 * A node of a containerlab topology: what the file says of it at four levels (defaults, its kind, its group, itself),
 * merged: maps merge, scalars replace, exec and binds append; a bind replaces one of the same place inside.
 */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { IpAddress } from '../net/ip.ts';
import type { Bind, ExecLine, LabNode, LabRole, NetworkMode } from './topology.ts';
import type { FieldRules, Section, Sited } from './topology-file.ts';

/** What is not here is refused. */
const nodeFields: FieldRules = {
  kind: 'read',
  image: 'read',
  cmd: 'read',
  exec: 'read',
  binds: 'read',
  env: 'read',
  sysctls: 'read',
  group: 'read',
  labels: 'read',
  'network-mode': 'read',
  'startup-delay': 'read',
  'mgmt-ipv4': 'read',
  'mgmt-ipv6': 'read',
  aliases: 'passed',
  'auto-remove': 'passed',
  'cap-add': 'passed',
  certificate: 'passed',
  cpu: 'passed',
  'cpu-set': 'passed',
  devices: 'passed',
  dns: 'passed',
  entrypoint: 'passed',
  extras: 'passed',
  healthcheck: 'passed',
  'image-pull-policy': 'passed',
  memory: 'passed',
  ports: 'passed',
  position: 'passed',
  privileged: 'passed',
  publish: 'passed',
  'restart-policy': 'passed',
  runtime: 'passed',
  'shm-size': 'passed',
  type: 'passed',
  user: 'passed',
  'wait-for': 'passed',
  components: { refused: 'a chassis of a vendor is not built here; remove it' },
  config: { refused: 'vendors configurations are not sent; configure the node in exec' },
  'env-files': { refused: 'files of variables are not read; write them under env' },
  license: { refused: 'images of vendors are not run; remove it' },
  stages: { refused: 'stages are not run; every link is up before the first exec line: move their commands to exec' },
  'startup-config': { refused: 'vendors configurations are not sent; bind the file, or configure the node in exec' },
};

/** Where names of containerlab's own lead. */
export interface ClabFolders {
  /** The topology file's folder. */
  readonly topology: string;
  readonly labName: string;
}

/** What one level says; `undefined` and nothing in a list or map leave it to the levels below. */
interface Level {
  readonly kind: Sited<string> | undefined;
  readonly group: Sited<string> | undefined;
  readonly image: string | undefined;
  readonly cmd: string | undefined;
  readonly exec: readonly ExecLine[];
  readonly binds: readonly Sited<string>[];
  readonly env: Readonly<Record<string, string>>;
  readonly sysctls: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly networkMode: NetworkMode | undefined;
  readonly startupDelaySeconds: number | undefined;
  readonly managementIpv4: string | undefined;
  readonly managementIpv6: string | undefined;
}

/** The levels that nodes share, each read once. */
export class NodeLevels {
  readonly #defaults: Level | undefined;
  readonly #kinds: ReadonlyMap<string, Level>;
  readonly #groups: ReadonlyMap<string, Level>;
  readonly #folders: ClabFolders;

  constructor(topology: Section, folders: ClabFolders) {
    const named = (key: string) => {
      const section = topology.section(key);
      const names = section?.keys ?? [];
      return new Map(
        names.flatMap(name => {
          const level = levelOf(section?.section(name));
          return level === undefined ? [] : [[name, level] as const];
        }),
      );
    };
    this.#defaults = levelOf(topology.section('defaults'));
    this.#kinds = named('kinds');
    this.#groups = named('groups');
    this.#folders = folders;
  }

  /** One node; undefined when it is at fault. */
  node(name: string, section: Section | undefined, parent: Section): LabNode | undefined {
    const own = levelOf(section);
    const outerKind = own?.kind ?? this.#defaults?.kind;
    const ofKind = outerKind && this.#kinds.get(outerKind.value);
    const group = own?.group ?? ofKind?.group ?? this.#defaults?.group;
    // One that is not under groups is a word for drawings.
    const ofGroup = group && this.#groups.get(group.value);
    const kind = own?.kind ?? ofGroup?.kind ?? this.#defaults?.kind;
    if (kind === undefined) return parent.fault(name, 'missing-field', `it has no kind; write 'kind: linux'`);
    if (kind.value !== 'linux' && kind.value !== 'bridge')
      return parent.fault(
        section?.raw('kind') === undefined ? name : `${name}.kind`,
        'unknown-kind',
        `'${kind.value}' cannot be run here; linux and bridge can, and a linux node with an FRR image is a router`,
      );
    const levels = [this.#defaults, this.#kinds.get(kind.value), ofGroup, own].filter(each => each !== undefined);
    const places = { ...this.#folders, node: name };
    return { ...merge(levels, places), name, line: parent.file.line(parent.at(name)), kind: kind.value };
  }
}

function levelOf(section: Section | undefined): Level | undefined {
  if (section === undefined) return undefined;
  section.hold(nodeFields);
  const address = (key: string, family: 'ipv4' | 'ipv6') => {
    const text = section.text(key);
    if (text === undefined) return undefined;
    const bare = text.value.replace(/\/[0-9]+$/, '');
    if (IpAddress.parse(bare)?.family === family) return bare;
    return section.fault(key, 'bad-value', `'${text.value}' is no ${family === 'ipv4' ? 'IPv4' : 'IPv6'} address`);
  };
  return {
    kind: section.text('kind'),
    group: section.text('group'),
    image: section.text('image')?.value,
    cmd: section.text('cmd')?.value,
    exec: section.texts('exec').map(({ value, line }) => ({ text: value, line })),
    binds: section.texts('binds').filter(bind => isBind(section, bind)),
    env: section.pairs('env'),
    sysctls: section.pairs('sysctls'),
    labels: section.pairs('labels'),
    networkMode: networkModeOf(section),
    startupDelaySeconds: section.count('startup-delay', 0),
    managementIpv4: address('mgmt-ipv4', 'ipv4'),
    managementIpv6: address('mgmt-ipv6', 'ipv6'),
  };
}

function isBind(section: Section, { value }: Sited<string>): boolean {
  if (/^[^:]+:\/[^:]*(:[a-zA-Z,]+)?$/.test(value)) return true;
  section.fault('binds', 'bad-value', `'${value}' is no bind; write FROM:/TO or FROM:/TO:ro`);
  return false;
}

function networkModeOf(section: Section): NetworkMode | undefined {
  const text = section.text('network-mode');
  if (text === undefined) return undefined;
  const { value, line } = text;
  if (value === 'none' || value === 'host') return { mode: value };
  if (value === 'bridge' || value === '') return { mode: 'own' };
  const container = /^container:(.+)$/.exec(value)?.[1];
  if (container !== undefined) return { mode: 'container', name: container, line };
  return section.fault('network-mode', 'bad-value', `'${value}' is not none, host or container:NAME`);
}

type Merged = Omit<LabNode, 'name' | 'line' | 'kind'>;

/** From the lowest level to the highest. */
function merge(levels: readonly Level[], places: ClabFolders & { readonly node: string }): Merged {
  const last = <K extends keyof Level>(key: K): Level[K] | undefined =>
    levels.findLast(each => each[key] !== undefined)?.[key];
  const all = (key: 'env' | 'sysctls' | 'labels') => Object.assign({}, ...levels.map(each => each[key]));
  const image = last('image') ?? '';
  const binds = new Map<string, Bind>();
  for (const bind of levels.flatMap(each => each.binds)) {
    const made = bindOf(bind, places);
    binds.set(made.to, made);
  }
  return {
    image,
    role: roleOf(image),
    cmd: last('cmd') ?? '',
    exec: levels.flatMap(each => each.exec).map(({ text, line }) => ({ text: own(text, places), line })),
    binds: [...binds.values()],
    env: all('env'),
    sysctls: all('sysctls'),
    labels: all('labels'),
    networkMode: last('networkMode') ?? { mode: 'own' },
    startupDelaySeconds: last('startupDelaySeconds') ?? 0,
    managementIpv4: last('managementIpv4'),
    managementIpv6: last('managementIpv6'),
  };
}

function bindOf({ value, line }: Sited<string>, places: ClabFolders & { readonly node: string }): Bind {
  const [from = '', to = '', options = ''] = own(value, places).split(':');
  const home = from.startsWith('~/') ? join(homedir(), from.slice(2)) : from;
  return { from: resolve(places.topology, home), to, readOnly: options.split(',').includes('ro'), line };
}

/** containerlab's own names in bind paths and exec lines. */
function own(text: string, { topology, labName, node }: ClabFolders & { readonly node: string }): string {
  const labFolder = join(topology, `clab-${labName}`);
  return text
    .replaceAll('__clabNodeDir__', join(labFolder, node))
    .replaceAll('__clabDir__', labFolder)
    .replaceAll('__clabNodeName__', node)
    .replaceAll('__clabLabName__', labName);
}

/** By the last part of the image's name: `quay.io/frrouting/frr:8.4.0`, `herald:dev`. */
function roleOf(image: string): LabRole {
  const last = image.replace(/@.*$/, '').split('/').at(-1)?.replace(/:.*$/, '') ?? '';
  const words = last.toLowerCase().split(/[-_.]/);
  if (words.includes('frr') || words.includes('frrouting')) return 'frr';
  return words.includes('herald') ? 'herald' : 'plain';
}
