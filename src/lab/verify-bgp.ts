/** BGP sessions of a lab as both of their ends see them: Herald by its socket, FRR by vtysh. */
import { join } from 'node:path';
import type { SummaryJson } from '../runtime/speaker-views.ts';
import { memberName } from './agents.ts';
import { programPath } from './agents-program.ts';
import { askSocket } from './agents-socket.ts';
import { LabFolder } from './cluster-facts.ts';
import { textAt } from './cluster-raw.ts';
import type { Place } from './place.ts';
import { shellWords } from './place-words.ts';
import type { Topology } from './topology.ts';
import type { Check } from './verify.ts';

/** A node where Herald's agent runs, and how it is asked. */
export interface AgentMember {
  readonly place: Place;
  /** Started by its node's own command: the lab's operator is not its. */
  readonly isApart: boolean;
  ask(path: AgentPath): Promise<unknown>;
}
type AgentPath = '/bgp/summary' | '/bgp/routes?table=out' | '/announced';

export interface HeraldSession {
  readonly member: AgentMember;
  readonly peer: string;
  readonly state: string;
  /** Addresses without port and zone; undefined before there is a connection. */
  readonly local: string | undefined;
  readonly remote: string | undefined;
  readonly lastError: string | undefined;
}

/** What all agents say of their sessions; a check that failed for each that says nothing. */
export async function heraldSessions(folder: string, places: readonly Place[], topology: Topology) {
  const members = membersOf(folder, places, topology);
  const checks: Check[] = [];
  const sessions: HeraldSession[] = [];
  for (const member of members) {
    const from = member.place.name;
    try {
      const { peers } = (await member.ask('/bgp/summary')) as SummaryJson;
      for (const { peer, state, local, remote, lastError } of peers)
        sessions.push({ member, peer, state: capital(state), local: hostOf(local), remote: hostOf(remote), lastError });
    } catch (error) {
      const seen = error instanceof Error ? error.message : String(error);
      checks.push({ what: 'process', from, to: 'Herald’s agent', ok: false, seen });
    }
  }
  return { members, sessions, checks };
}

/** Where Herald was started, whether it still runs or not. */
function membersOf(folder: string, places: readonly Place[], topology: Topology): readonly AgentMember[] {
  return places.flatMap(place => {
    const node = topology.nodes.find(({ name }) => name === place.name);
    const isNode = ['control-plane', 'worker'].includes(place.about['role'] ?? '') || node?.role === 'herald';
    if (!isNode || place.about['network'] !== undefined) return [];
    const words = shellWords(node?.role === 'herald' ? node.cmd : '');
    const socket = LabFolder.socket(folder, memberName.agent(place.name));
    const ask = (path: AgentPath) => (words.length === 0 ? askSocket(socket, path) : askInside(place, words, path));
    return [{ place, isApart: words.length > 0, ask }];
  });
}

const commands: Readonly<Record<AgentPath, readonly string[]>> = {
  '/bgp/summary': ['bgp', 'summary'],
  '/bgp/routes?table=out': ['bgp', 'routes', 'out', '--limit', '100000'],
  '/announced': ['announced'],
};

/** One that was started by its node's own command has its socket where that says. */
async function askInside(place: Place, started: readonly string[], path: AgentPath): Promise<unknown> {
  const option = (name: string) => {
    const i = started.findIndex(word => word === name || word.startsWith(`${name}=`));
    return i < 0 ? undefined : (started[i]?.split('=')[1] ?? started[i + 1]);
  };
  const socket = option('--socket') ?? join(option('--state') ?? '/var/lib/herald', 'herald.sock');
  const words = [programPath(), ...commands[path], '--socket', socket, '--output', 'json'];
  const { status, stdout, stderr } = await place.run(words, { timeoutMs: 20_000 });
  if (status !== 0) throw new Error(stderr.trim() || `status ${status}`);
  const value: unknown = JSON.parse(stdout);
  return path === '/bgp/routes?table=out' ? { routes: value } : value;
}

/** States as RFC 4271 §8.2.2 writes them, whoever says them. */
function capital(state: string): string {
  return state.charAt(0).toUpperCase() + state.slice(1);
}

/** `10.0.0.1:179`, `[fe80::1%eth1]:40000`. */
function hostOf(endpoint: string | undefined): string | undefined {
  return endpoint?.replace(/:[0-9]+$/, '').replace(/^\[([^\]%]*).*\]$/, '$1');
}

export interface Router {
  readonly place: Place;
  readonly neighbors: readonly RouterNeighbor[];
}

export interface RouterNeighbor {
  /** As configured: an address, or an interface. */
  readonly name: string;
  readonly state: string;
  readonly local: string;
  readonly remote: string;
}

/** FRR where it speaks BGP. */
export async function routersOf(places: readonly Place[]): Promise<readonly Router[]> {
  const routers: Router[] = [];
  for (const place of places) {
    const said = await vtysh(place, 'show bgp vrf all neighbors json');
    if (typeof said !== 'object' || said === null) continue;
    const instances = Object.values(said).filter(each => typeof each === 'object' && each !== null);
    const neighbors = instances.flatMap(instance =>
      Object.entries(instance).flatMap(([name, raw]) => {
        const state = capital(textAt(raw, 'bgpState'));
        if (state === '') return [];
        const local = textAt(raw, 'hostLocal');
        return [{ name, state, local, remote: textAt(raw, 'hostForeign') || textAt(raw, 'bgpNeighborAddr') || name }];
      }),
    );
    if (instances.length > 0) routers.push({ place, neighbors });
  }
  return routers;
}

/** What a command that answers in JSON says; undefined when it says anything else. */
export async function vtysh(place: Place, command: string): Promise<unknown> {
  const { stdout } = await place.run(['vtysh', '-c', command], { timeoutMs: 20_000 });
  try {
    return JSON.parse(stdout);
  } catch {
    return undefined;
  }
}

/** The router at the other end, and what it calls us. */
export function otherEnd(
  { local, remote }: HeraldSession,
  routers: readonly Router[],
): { readonly router: Router; readonly neighbor: RouterNeighbor } | undefined {
  for (const router of routers) {
    const neighbor = router.neighbors.find(each => each.local === remote && each.remote === local);
    if (neighbor !== undefined) return { router, neighbor };
  }
  return undefined;
}

/** A row for each end of each session: Herald's, and every one that a router has configured. */
export function checkSessions(
  sessions: readonly HeraldSession[],
  routers: readonly Router[],
  owners: ReadonlyMap<string, Place>,
): readonly Check[] {
  const ours = sessions.map((session): Check => {
    const { member, peer, state, remote, lastError } = session;
    const isUp = state === 'Established';
    const router = remote === undefined ? undefined : owners.get(remote);
    const other = otherEnd(session, routers);
    const isFrr = router !== undefined && routers.some(({ place }) => place.name === router.name);
    const away = isUp && isFrr && other?.neighbor.state !== 'Established';
    const seen = isUp
      ? away
        ? `Established here, ${other?.neighbor.state ?? 'unknown'} there`
        : 'Established'
      : state;
    const name = router === undefined ? peer : `${peer} (${router.name})`;
    const why = isUp || lastError === undefined ? '' : `: ${lastError}`;
    return { what: 'session', from: member.place.name, to: name, ok: isUp && !away, seen: `${seen}${why}` };
  });
  const theirs = routers.flatMap(({ place, neighbors }) =>
    neighbors.map(({ name, remote, state }): Check => {
      const owner = owners.get(remote);
      const to = owner === undefined ? name : `${name} (${owner.name})`;
      return { what: 'session', from: place.name, to, ok: state === 'Established', seen: state };
    }),
  );
  return [...ours, ...theirs];
}
