/** A lab is brought up: places, then links, then routers and exec lines, then what the cluster would make. */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { programBinds } from './agents-program.ts';
import { hostNode, managementNode } from './clab-links.ts';
import { startCluster } from './cluster.ts';
import { kubeFolders } from './kube-programs.ts';
import { folderOf, type LabState, writeLab } from './lab-state.ts';
import { addPort, FlatNetwork, joinPlaces, type LinkEnd, makeBridge } from './link.ts';
import { openPlace, type Place } from './place.ts';
import { startFrr, startsByItself } from './router.ts';
import type { Bind, LabLinkEnd, LabNode } from './topology.ts';
import { runExec } from './topology-exec.ts';
import { clusterSubnets, isManaged, type LabPlan, type PlannedPlace } from './topology-plan.ts';

export interface LabWork {
  readonly state: LabState;
  readonly plan: LabPlan;
  /** Aborted: it stops at the next step, with the reason thrown. */
  readonly signal: AbortSignal;
  say(line: string): void;
}

/** Places are made and commands are run for so many nodes at a time. */
const atOnceMax = 4;

/** The result are lines that name what does not stand and why. Throws when it cannot be brought up at all. */
export async function bringUp(work: LabWork): Promise<readonly string[]> {
  const { topology, cluster, manifests, kube } = work.state;
  work.say(`nodes: ${work.plan.owners.length + work.plan.sharers.length}`);
  const places = await openPlaces(work);
  const management = await connect(work, places);
  work.say(`links: ${topology.links.length}`);
  const hostLinks = await makeLinks(work, places, management);
  writeLab({ ...work.state, hostLinks });
  const problems = [...(await startNodes(work, places))];
  const herald = topology.nodes.some(node => node.role === 'herald');
  if (cluster !== undefined || herald || manifests.length > 0) {
    work.signal.throwIfAborted();
    const folder = folderOf(topology.name);
    const { say, signal } = work;
    const parts = { name: topology.name, folder, topology, cluster, places, manifests, kube, signal, say };
    problems.push(...(await startCluster(parts)));
  }
  work.signal.throwIfAborted();
  writeLab({ ...work.state, hostLinks, standing: true });
  return problems;
}

async function openPlaces(work: LabWork): Promise<ReadonlyMap<string, Place>> {
  const places = new Map<string, Place>();
  const open = async (planned: PlannedPlace) => {
    places.set(planned.name, await openOne(work, planned, places));
  };
  await each(work, work.plan.owners, open);
  await each(work, work.plan.sharers, open);
  return places;
}

async function openOne({ state }: LabWork, planned: PlannedPlace, places: ReadonlyMap<string, Place>): Promise<Place> {
  const { topology } = state;
  const { name, node, clusterNode, hostName } = planned;
  const owner = planned.sharedWith === undefined ? undefined : places.get(planned.sharedWith);
  const network = node?.networkMode.mode === 'host' ? 'host' : owner;
  const place = await openPlace({
    lab: topology.name,
    name,
    hostName,
    ...(network !== undefined && { network }),
    binds: [
      ...programBinds(state.kube ? kubeFolders() : []),
      ...(node?.binds ?? []).map(bind => ({ ...bind, from: sourceOf(bind, topology.name, topology.file) })),
    ],
    env: node?.env ?? {},
    // A node of kind's forwards both families: it is one in a cluster.
    sysctls: node?.sysctls ?? { 'net.ipv6.conf.all.forwarding': '1' },
    about: {
      role: clusterNode?.role ?? (node?.kind === 'bridge' ? 'bridge' : (node?.role ?? 'plain')),
      fullName: node === undefined ? name : `${topology.prefix}${name}`,
      ...(planned.sharedWith !== undefined && { network: planned.sharedWith }),
    },
  });
  if (node?.kind === 'bridge') await makeBridge(place, bridgeOf(node));
  return place;
}

/** A folder of the lab that does not exist yet is made among what goes with the lab. */
function sourceOf({ from }: Bind, lab: string, file: string): string {
  const labFolder = join(dirname(file), `clab-${lab}`);
  if (existsSync(from) || !from.startsWith(labFolder)) return from;
  const made = join(folderOf(lab), 'clab', from.slice(labFolder.length));
  mkdirSync(made, { recursive: true });
  return made;
}

/** The bridge in a bridge's place has its name, where that is not too long for one. */
function bridgeOf({ name }: LabNode): string {
  return name.length <= 15 ? name : 'br0';
}

/** eth0 of everybody, on the management network or on that of the cluster. */
async function connect({ state, plan }: LabWork, places: ReadonlyMap<string, Place>): Promise<FlatNetwork | undefined> {
  const { topology } = state;
  const { ipv4Subnet, ipv6Subnet } = topology.management;
  const nodes = topology.nodes.filter(node => isManaged(node, topology));
  const members = nodes.flatMap(({ name, managementIpv4: ipv4, managementIpv6: ipv6 }) => {
    const place = places.get(name);
    return place === undefined ? [] : [{ place, ipv4, ipv6 }];
  });
  const clusterMembers = plan.owners.flatMap(({ name, clusterNode }) => {
    const place = places.get(name);
    const [ipv4, ipv6] = (clusterNode?.eth0 ?? []).map(each => each.replace(/\/.*/, ''));
    return place === undefined || clusterNode === undefined ? [] : [{ place, ipv4, ipv6 }];
  });
  const isLinked = topology.links.some(({ ends }) => ends.some(end => end.node === managementNode));
  const open = async (name: string, subnets: readonly string[], joining: typeof members) => {
    if (joining.length === 0 && !isLinked) return undefined;
    const network = await FlatNetwork.open({ lab: topology.name, name, subnets });
    await nameEachOther(await network.join(joining));
    return network;
  };
  if (clusterMembers.length > 0) await open('.cluster-network', clusterSubnets, clusterMembers);
  return await open('.management', [ipv4Subnet, ipv6Subnet], members);
}

/** As the container engine's resolver would: by names, short and full. */
async function nameEachOther(addresses: ReadonlyMap<Place, readonly string[]>): Promise<void> {
  const lines = [...addresses].flatMap(([{ name, about }, own]) => {
    const names = [...new Set([name, about['fullName'] ?? name])].join(' ');
    return own.map(address => `${address} ${names}\n`);
  });
  for (const place of addresses.keys()) await place.run(['tee', '-a', '/etc/hosts'], { stdin: lines.join('') });
}

/** The result are the interfaces of this host itself that were made. */
async function makeLinks(
  work: LabWork,
  places: ReadonlyMap<string, Place>,
  management: FlatNetwork | undefined,
): Promise<readonly string[]> {
  const { topology } = work.state;
  const made: string[] = [];
  const bridges = new Map(
    topology.nodes.flatMap(node => (node.kind === 'bridge' ? [[node.name, bridgeOf(node)]] : [])),
  );
  const endOf = ({ node, interface: name, mac }: LabLinkEnd): LinkEnd => {
    if (node !== hostNode) return { place: placeOf(places, node), interface: name, mac };
    if (existsSync(`/sys/class/net/${name}`)) throw new Error(`this host has an interface ${name} already`);
    made.push(name);
    return { place: 'host', interface: name, mac };
  };
  for (const { ends, mtu } of topology.links) {
    work.signal.throwIfAborted();
    const far = ends.find(end => end.node === managementNode);
    const near = ends.find(end => end.node !== managementNode);
    if (far !== undefined && near !== undefined) await management?.link(endOf(near), far.interface, { mtu });
    else await joinPlaces(endOf(ends[0]), endOf(ends[1]), { mtu });
    for (const { node, interface: name } of ends) {
      const bridge = bridges.get(node);
      if (bridge !== undefined) await addPort(placeOf(places, node), bridge, name);
    }
  }
  return made;
}

function placeOf(places: ReadonlyMap<string, Place>, name: string): Place {
  const place = places.get(name);
  if (place === undefined) throw new Error(`there is no place for ${name}`);
  return place;
}

/** FRR and exec lines; the result are lines that name what failed. */
async function startNodes(work: LabWork, places: ReadonlyMap<string, Place>): Promise<readonly string[]> {
  const { topology } = work.state;
  const beganMs = performance.now();
  const problems: string[] = [];
  await each(work, topology.nodes, async node => {
    const place = placeOf(places, node.name);
    // Counted from the moment that everything is linked, as the node would have come so much later.
    const waitMs = node.startupDelaySeconds * 1000 - (performance.now() - beganMs);
    if (waitMs > 0) await delay(waitMs, undefined, { signal: work.signal });
    if (startsByItself(node)) {
      const problem = await startFrr(place);
      if (problem !== undefined) problems.push(`${topology.file}:${node.line}: ${node.name}: ${problem}`);
    }
    if (node.exec.length > 0) work.say(`${node.name}: exec lines: ${node.exec.length}`);
    const setting = { file: topology.file, folder: folderOf(topology.name), signal: work.signal, say: work.say };
    problems.push(...(await runExec(node, place, setting)));
  });
  return problems;
}

/** So many at a time, in order; the first that fails ends it, once those that had begun are done. */
async function each<T>(work: LabWork, items: readonly T[], one: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items];
  const failures: unknown[] = [];
  const runner = async () => {
    for (let item = rest.shift(); item !== undefined && failures.length === 0; item = rest.shift()) {
      try {
        work.signal.throwIfAborted();
        await one(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: atOnceMax }, runner));
  if (failures.length > 0) throw failures[0];
}
