/**
 * Scenario folders: `input.yaml` holds objects, and a first document of kind Scenario that says which nodes to look at;
 * what comes out is compared with `expected.yaml`. Further steps are `input-2.yaml`, `expected-2.yaml` and so on: their
 * objects replace those of the same name, and documents of kind Delete remove. SCENARIOS=write rewrites the
 * expectations, to be read before they are kept.
 */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ObjectRef } from '../../src/api/object.ts';
import { parseObject } from '../../src/api/parse.ts';
import type { Snapshot, SnapshotBuilder } from '../../src/api/snapshot.ts';
import { announcedView } from '../../src/control/announced.ts';
import { peerText } from '../../src/control/bgp-plan.ts';
import { ClusterControl, type ClusterDesired, desiredForNode, type NodeDesired } from '../../src/control/desired.ts';
import { nodeConfigObject } from '../../src/control/node-config-object.ts';
import type { NotAnnouncedRow } from '../../src/control/not-announced.ts';
import { type ControlSettings, controlDefaults, type HostFacts } from '../../src/control/settings.ts';
import { parseYaml, toYaml } from '../../src/directory/yaml.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';

export interface Step {
  readonly objects: readonly unknown[];
  readonly deleted: readonly ObjectRef[];
  readonly expectedFile: string;
}

export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly nodes: readonly string[];
  readonly show: readonly Section[];
  readonly settings: ControlSettings;
  readonly host: HostFacts | undefined;
  readonly steps: readonly Step[];
}

export type Section = 'announced' | 'notAnnounced' | 'instances' | 'peers' | 'l2' | 'conditions' | 'nodeConfigs';

interface Head {
  readonly kind: 'Scenario';
  readonly nodes?: readonly string[];
  readonly show?: readonly Section[];
  readonly settings?: Partial<Record<keyof ControlSettings, unknown>>;
  readonly host?: {
    readonly links?: readonly {
      name: string;
      up?: boolean;
      master?: string;
      noArp?: boolean;
      kind?: string;
      addresses?: readonly string[];
    }[];
    readonly defaultRoutes?: readonly { gateway: string; link: string; metric?: number }[];
  };
}

const root = join(import.meta.dirname, '..', 'scenarios');

export function scenarios(): readonly Scenario[] {
  const groups = readdirSync(root).filter(name => statSync(join(root, name)).isDirectory());
  return groups
    .flatMap(group => readdirSync(join(root, group)).map(name => `${group}/${name}`))
    .filter(name => existsSync(join(root, name, 'input.yaml')))
    .sort()
    .map(readScenario);
}

function readScenario(name: string): Scenario {
  const folder = join(root, name);
  const about = readFileSync(join(folder, 'README.md'), 'utf8').trim();
  const [head, ...objects] = documents(join(folder, 'input.yaml'));
  const { nodes = ['n1'], show = ['announced', 'notAnnounced'], settings = {}, host } = head as Head;
  if ((head as Head).kind !== 'Scenario') throw new Error(`${name}: the first document must be of kind Scenario`);
  const steps: Step[] = [step(objects, join(folder, 'expected.yaml'))];
  for (let n = 2; existsSync(join(folder, `input-${n}.yaml`)); n++)
    steps.push(step(documents(join(folder, `input-${n}.yaml`)), join(folder, `expected-${n}.yaml`)));
  return { name, about, nodes, show, settings: readSettings(settings), host: host && readHost(host), steps };
}

function step(all: readonly unknown[], expectedFile: string): Step {
  const isDelete = (each: unknown): each is { ref: ObjectRef } => (each as { kind?: string }).kind === 'Delete';
  const deleted = all
    .filter(isDelete)
    .map(({ ref }) => ({ kind: ref.kind, namespace: ref.namespace ?? '', name: ref.name }));
  return { objects: all.filter(each => !isDelete(each)), deleted, expectedFile };
}

function documents(file: string): readonly unknown[] {
  return readFileSync(file, 'utf8')
    .split(/^---$/m)
    .filter(text => text.trim() !== '')
    .map(parseYaml);
}

function readSettings(raw: NonNullable<Head['settings']>): ControlSettings {
  const { routerIdPool, ...rest } = raw;
  const pool = typeof routerIdPool === 'string' ? Prefix.parse(routerIdPool) : undefined;
  return { ...controlDefaults, ...(rest as Partial<ControlSettings>), routerIdPool: pool };
}

function readHost({ links = [], defaultRoutes = [] }: NonNullable<Head['host']>): HostFacts {
  const address = (text: string): IpAddress => {
    const parsed = IpAddress.parse(text);
    if (parsed === undefined) throw new Error(`${text} is no address`);
    return parsed;
  };
  return {
    links: links.map(({ name, up = true, master, noArp = false, kind, addresses = [] }, i) => ({
      name,
      index: i + 1,
      up,
      mac: name === 'lo' ? undefined : { value: 0x0200_0000_0001 + i },
      master,
      noArp,
      kind,
      mtu: 1500,
      addresses: addresses.map(text => {
        const [before = '', length] = text.split('/');
        return { address: address(before), length: Number(length) };
      }),
    })),
    defaultRoutes: defaultRoutes.map(({ gateway, link, metric = 0 }) => ({ gateway: address(gateway), link, metric })),
  };
}

/** An object that parsing refuses after an edit leaves what was good before, as it does at an API server. */
export function put(builder: SnapshotBuilder, raw: unknown): void {
  const parsed = parseObject(raw);
  if (parsed.outcome === 'known') {
    const { object, warnings } = parsed;
    builder.put(object.kind, object as never);
    const { kind, metadata } = object;
    const ref = { kind, namespace: metadata.namespace, name: metadata.name };
    builder.fault({ ref, generation: metadata.generation, faults: warnings });
  } else if (parsed.outcome === 'refused' && parsed.ref !== undefined)
    builder.fault({ ref: parsed.ref, generation: parsed.generation, faults: parsed.faults });
  else throw new Error(`a scenario has an object that is none: ${JSON.stringify(raw)}`);
}

export function apply(builder: SnapshotBuilder, { objects, deleted }: Step): Snapshot {
  for (const raw of objects) put(builder, raw);
  for (const { kind, namespace, name } of deleted) builder.delete(kind as never, namespace, name);
  return builder.snapshot();
}

export interface Outcome {
  readonly nodes: readonly NodeDesired[];
  readonly cluster: ClusterDesired;
}

export function outcomeOf(snapshot: Snapshot, { nodes, settings, host }: Scenario): Outcome {
  return {
    nodes: nodes.map(node => desiredForNode(snapshot, node, settings, host)),
    cluster: new ClusterControl(settings).desired(snapshot),
  };
}

/** The sections as plain data, one line of text a row. */
export function render(snapshot: Snapshot, { nodes, cluster }: Outcome, { show }: Scenario): Record<string, unknown> {
  const views = nodes.map(desired => announcedView(snapshot, desired));
  const many = nodes.length > 1;
  const at = (node: string) => (many ? `${node} ` : '');
  const all: Record<Section, () => readonly unknown[]> = {
    announced: () =>
      views
        .flatMap(view => view.announced)
        .map(row => {
          const said = row.attributes === '' ? '' : ` [${row.attributes}]`;
          const where = row.instance === '' ? row.how : `${row.how} ${row.instance}`;
          return `${at(row.node)}${where}: ${row.what} for ${row.from.join(' + ')} to ${row.to.join(', ')}${said}`;
        }),
    notAnnounced: () => views.flatMap(view => view.notAnnounced).map(row => at(row.node) + refusedText(row)),
    instances: () => nodes.flatMap(desired => instancesText(desired).map(text => at(desired.node.name) + text)),
    peers: () => nodes.flatMap(desired => peersText(desired).map(text => at(desired.node.name) + text)),
    l2: () =>
      nodes.flatMap(({ node, l2 }) =>
        l2.addresses.map(each => {
          const where = each.links ?? each.interfaces.expressions ?? 'every interface';
          const how = each.subnetNowhere ? ', a subnet that no node has' : '';
          return `${at(node.name)}${each.text} for ${each.services} by one of ${each.able.names} on ${where}${how}`;
        }),
      ),
    conditions: () =>
      [
        ...cluster.conditions.map(({ ref, conditions }) => ({ about: `${ref.kind} ${ref.name}`, conditions })),
        ...nodes.map(({ node, nodeConfigConditions: conditions }) => ({ about: `agent on ${node.name}`, conditions })),
      ].flatMap(({ about, conditions }) =>
        // What is wrong with a field is worded by the parser, and tested there.
        conditions.map(({ type, status, reason, message }) =>
          `${about}: ${type} ${status} ${reason} ${reason === 'error' ? '…' : message}`.trim(),
        ),
      ),
    nodeConfigs: () => cluster.nodeConfigs.map(nodeConfigObject),
  };
  const refused = snapshot.faulty
    .filter(({ faults }) => faults.some(fault => fault.severity === 'error'))
    .map(({ ref }) => `${ref.kind} ${ref.name}`);
  const sections = show.map((section): [string, unknown] => [section, all[section]()]);
  return Object.fromEntries(refused.length === 0 ? sections : [...sections, ['refused', refused]]);
}

function refusedText({ how, instance, what, from, to, reason, message }: NotAnnouncedRow): string {
  const parts = [how, instance, what && `${what}`, from && `for ${from}`, to.length > 0 && `to ${to.join(', ')}`];
  return `${parts.filter(part => part !== '' && part !== false).join(' ')}: ${reason}: ${message}`;
}

function instancesText({ bgp }: NodeDesired): readonly string[] {
  const said = bgp.refusals.map(({ reason, detail }) => `${bgp.state}: ${reason} ${detail}`.trim());
  return [
    ...said,
    ...bgp.instances.map(({ plan }) => {
      const id = plan.routerId === undefined ? 'none' : IpAddress.format(IpAddress.of('ipv4', BigInt(plan.routerId)));
      const listens = plan.listenPort === undefined ? 'does not listen' : `listens on ${plan.listenPort}`;
      const kept = plan.refusals.length > 0 ? ` stays as it was: ${plan.refusals.map(each => each.reason)}` : '';
      return `${plan.name}: AS ${plan.localAsn}, router ID ${id}, ${listens}${kept}`;
    }),
  ];
}

function peersText({ bgp }: NodeDesired): readonly string[] {
  return bgp.instances.flatMap(({ plan }) =>
    plan.peers.map(peer => {
      const why = peer.refusals.map(({ reason, detail }) => (detail === '' ? reason : `${reason} (${detail})`));
      const { config } = peer;
      const seconds = (ms: number) => ms / 1000;
      const timers = config && [config.timers.connectRetryMs, config.timers.holdMs, config.timers.keepaliveMs];
      const facts = config && [
        `families ${peer.families}`,
        `port ${config.transport.port}`,
        `timers ${timers?.map(seconds).join('/')}`,
        ...(config.transport.ttl === undefined ? [] : [`ttl ${config.transport.ttl}`]),
        ...(config.transport.localAddress === undefined
          ? []
          : [`from ${IpAddress.format(config.transport.localAddress)}`]),
        ...(config.gracefulRestart === undefined ? [] : [`restart ${config.gracefulRestart.restartMs / 1000}`]),
        ...(peer.password === undefined ? [] : ['password']),
      ];
      return `${plan.name} ${peerText(peer)}: ${[peer.state, ...(facts ?? []), ...why].join('; ')}`;
    }),
  );
}

export function expected(file: string, rendered: unknown): unknown {
  if (process.env['SCENARIOS'] === 'write') writeFileSync(file, toYaml(rendered));
  return parseYaml(readFileSync(file, 'utf8'));
}
