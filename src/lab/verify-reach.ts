/**
 * Addresses of LoadBalancer Services, asked from every node that should reach them: every node of the cluster, every
 * router that has a route to one, and every other node from which the way, followed from hop to hop, ends at a node of
 * the cluster or at a link where somebody answers for the address.
 */

import type { RawObject } from '../api/object.ts';
import type { AnnouncedView } from '../control/announced.ts';
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import { memberName } from './agents.ts';
import { askSocket } from './agents-socket.ts';
import { LabFolder } from './cluster-facts.ts';
import { at, isKind, keyOf, labelsAt, listAt, namespaceOf, textAt, wholeAt } from './cluster-raw.ts';
import type { Place } from './place.ts';
import type { Check } from './verify.ts';
import type { AgentMember, Router } from './verify-bgp.ts';
import { type RouterTable, tableOf } from './verify-routes.ts';

interface Surroundings {
  readonly folder: string;
  /** Nodes of the lab. */
  readonly places: readonly Place[];
  readonly owners: ReadonlyMap<string, Place>;
  readonly routers: readonly Router[];
  readonly members: readonly AgentMember[];
}

const hopsMax = 16;
const curlSeconds = 3;
const atOnceMax = 16;
/** curl(1): 0 is an answer; 1, 52 and 56: somebody took the connection who does not speak HTTP. */
const reached: readonly number[] = [0, 1, 52, 56];

/** Whose address it is, of all that the nodes have. */
export async function addressOwners(places: readonly Place[]): Promise<ReadonlyMap<string, Place>> {
  const owners = new Map<string, Place>();
  for (const place of places) {
    if (place.about['network'] !== undefined) continue;
    const { stdout } = await place.run(['ip', '-j', 'addr']);
    const links: unknown = JSON.parse(stdout || '[]');
    for (const link of listAt({ links }, 'links'))
      for (const each of listAt(link, 'addr_info')) {
        const local = textAt(each, 'local');
        // Gateways towards pods are the same on every link of a node; loopback is everybody's.
        if (textAt(link, 'ifname') !== 'lo' || textAt(each, 'scope') === 'global') owners.set(local, place);
      }
  }
  return owners;
}

export async function checkAddresses(around: Surroundings): Promise<readonly Check[]> {
  const targets = targetsOf(await clusterObjects(around.folder));
  const operator = await servedByOperator(around);
  const checks: Check[] = [...operator.checks];
  const onLinks = new Set(await answeredOnLinks(around.members));
  const tables = new Map<string, RouterTable>();
  for (const router of around.routers) tables.set(router.place.name, await tableOf(router));
  const jobs: (() => Promise<Check>)[] = [];
  for (const { service, addresses } of operator.rows) {
    for (const address of addresses) {
      const target = targets.get(service);
      const ports = target?.ports ?? [];
      if (target === undefined || ports.length === 0 || !target.hasEndpoints(address)) {
        const why = ports.length === 0 ? 'has no TCP port' : 'has no endpoints';
        checks.push({ what: 'address', from: '', to: `${address} (${service})`, ok: true, seen: `not asked: ${why}` });
        continue;
      }
      for (const place of around.places) {
        if (!(await shouldReach(place, address, around, onLinks, tables))) continue;
        for (const port of ports) jobs.push(() => curl(place, address, port, service));
      }
    }
  }
  return [...checks, ...(await inTurn(jobs))];
}

/** So many at a time, results in order. */
async function inTurn<T>(jobs: readonly (() => Promise<T>)[]): Promise<readonly T[]> {
  const results: T[] = [];
  const rest = jobs.entries();
  const worker = async () => {
    for (const [i, job] of rest) results[i] = await job();
  };
  await Promise.all(Array.from({ length: atOnceMax }, worker));
  return results;
}

async function curl(place: Place, address: string, port: number, service: string): Promise<Check> {
  const url = `http://${address.includes(':') ? `[${address}]` : address}:${port}/`;
  const { status, stdout, stderr } = await place.run([
    ...['curl', '-sS', '--noproxy', '*', '--max-time', String(curlSeconds), url],
  ]);
  const said = (reached.includes(status) ? stdout : stderr).trim().split('\n')[0] ?? '';
  return { what: 'address', from: place.name, to: `${url} (${service})`, ok: reached.includes(status), seen: said };
}

/** Without a controller there are none; that it does not answer is said elsewhere. */
async function clusterObjects(folder: string): Promise<readonly RawObject[]> {
  try {
    return (await askSocket(LabFolder.socket(folder, 'controller'), '/objects')) as readonly RawObject[];
  } catch {
    return [];
  }
}

interface Target {
  readonly ports: readonly number[];
  hasEndpoints(address: string): boolean;
}

/** Services by `namespace/name`: their TCP ports, and whether anybody stands behind an address of that family. */
function targetsOf(objects: readonly RawObject[]): ReadonlyMap<string, Target> {
  const slices = objects.filter(each => isKind(each, 'discovery.k8s.io', 'EndpointSlice'));
  return new Map(
    objects
      .filter(each => isKind(each, '', 'Service'))
      .map(service => {
        const name = textAt(service, 'metadata', 'name');
        const mine = slices.filter(
          each =>
            namespaceOf(each) === namespaceOf(service) &&
            labelsAt(each, 'metadata', 'labels')['kubernetes.io/service-name'] === name,
        );
        const families = mine
          .filter(each => listAt(each, 'endpoints').some(isReady))
          .map(each => at(each, 'addressType'));
        const ports = listAt(service, 'spec', 'ports')
          .filter(port => (textAt(port, 'protocol') || 'TCP') === 'TCP')
          .flatMap(port => wholeAt({ min: 1, max: 65_535 }, port, 'port') ?? []);
        const hasEndpoints = (address: string) => families.includes(address.includes(':') ? 'IPv6' : 'IPv4');
        return [keyOf(service), { ports, hasEndpoints }];
      }),
  );
}

function isReady(endpoint: unknown): boolean {
  return at(endpoint, 'conditions', 'ready') !== false;
}

interface AllocatedRow {
  readonly service: string;
  readonly addresses: readonly string[];
  readonly lacking: readonly string[];
}

/** What the operator has given; a failed check for each Service that lacks what it asks for. */
async function servedByOperator({ folder, members }: Surroundings) {
  if (members.every(({ isApart }) => isApart)) return { rows: [], checks: [] };
  try {
    const rows = (await askSocket(LabFolder.socket(folder, memberName.operator), '/allocated')) as AllocatedRow[];
    const checks = rows.map(({ service, addresses, lacking }): Check => {
      const seen = lacking.length > 0 ? lacking.join('; ') : addresses.join(', ');
      return { what: 'service', from: 'operator', to: service, ok: lacking.length === 0, seen };
    });
    return { rows, checks };
  } catch (error) {
    const seen = error instanceof Error ? error.message : String(error);
    const check: Check = { what: 'process', from: 'operator', to: 'Herald’s operator', ok: false, seen };
    return { rows: [], checks: [check] };
  }
}

/** Addresses that some node answers ARP or neighbour solicitations for. */
async function answeredOnLinks(members: readonly AgentMember[]): Promise<readonly string[]> {
  const views = await Promise.all(
    members.map(async member => {
      try {
        return ((await member.ask('/announced')) as AnnouncedView).announced;
      } catch {
        return [];
      }
    }),
  );
  return views.flat().flatMap(({ how, what }) => (how === 'l2' ? [what] : []));
}

async function shouldReach(
  place: Place,
  address: string,
  { owners, members }: Surroundings,
  onLinks: ReadonlySet<string>,
  tables: ReadonlyMap<string, RouterTable>,
): Promise<boolean> {
  const isBridge = place.about['role'] === 'bridge';
  if (isBridge || place.about['network'] !== undefined) return false;
  const isNode = (each: Place) => members.some(member => member.place.name === each.name);
  const table = tables.get(place.name);
  if (table !== undefined && knows(table, address)) return true;
  let here = place;
  for (let hops = 0; hops < hopsMax; hops++) {
    if (isNode(here)) return true;
    const way = await routeTo(here, address);
    if (way === undefined) return false;
    if (way.gateway === undefined) return onLinks.has(address);
    const next = owners.get(way.gateway);
    if (next === undefined || next.name === here.name) return false;
    here = next;
  }
  return false;
}

function knows(table: RouterTable, address: string): boolean {
  const parsed = IpAddress.parse(address);
  return parsed !== undefined && table.has(Prefix.format(Prefix.host(parsed)));
}

/** Undefined: there is none, or it ends here. No gateway: it is a neighbour's, if anybody's. */
async function routeTo(place: Place, address: string): Promise<{ readonly gateway: string | undefined } | undefined> {
  const { status, stdout } = await place.run(['ip', '-j', 'route', 'get', address]);
  if (status !== 0) return undefined;
  const [route] = listAt({ routes: JSON.parse(stdout || '[]') }, 'routes');
  if (textAt(route, 'dev') === 'lo' || textAt(route, 'type') === 'local') return undefined;
  return { gateway: textAt(route, 'gateway') || textAt(route, 'via', 'host') || undefined };
}
