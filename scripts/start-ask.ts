/** What the steps of `npm start` wait for, asked of routers and of Herald without a word: nothing is started for it. */
import { askSocket } from '../src/lab/agents-socket.ts';
import { type Place, placesOf } from '../src/lab/place.ts';

/** As the topology names it. */
export const labName = 'herald';
const nodes = ['node0', 'node1', 'node2'];

export function socket(name: string): string {
  return `/run/herald-lab/${labName}/sockets/${name}.sock`;
}

/** Undefined when nobody answers. */
async function ask<T>(name: string, path: string): Promise<T | undefined> {
  try {
    return (await askSocket(socket(name), path)) as T;
  } catch {
    return undefined;
  }
}

function placeOf(node: string): Place | undefined {
  return placesOf(labName).find(({ name }) => name === node);
}

/** What a command says in a node; empty when it fails. */
export async function inside(node: string, ...words: string[]): Promise<string> {
  const ran = await placeOf(node)?.run(words);
  return ran?.status === 0 ? ran.stdout : '';
}

interface Allocation {
  readonly service: string;
  readonly held: readonly { readonly address: string }[];
}

/** What a Service was given. */
export async function given(service: string): Promise<readonly string[]> {
  const pools = await ask<{ allocations: readonly Allocation[] }>('operator', '/ipam');
  const found = pools?.allocations.find(each => each.service === service);
  // As the examples name the families: IPv4 first.
  return (found?.held ?? [])
    .map(({ address }) => address)
    .sort((a, b) => Number(a.includes(':')) - Number(b.includes(':')));
}

export interface Path {
  readonly valid?: boolean;
  readonly multipath?: boolean;
  readonly stale?: boolean;
}

/** What a router knows of a prefix, from the nodes themselves. */
export async function paths(router: string, prefix: string): Promise<readonly Path[]> {
  const family = prefix.includes(':') ? 'ipv6' : 'ipv4';
  const out = await inside(router, 'vtysh', '-c', `show bgp ${family} unicast ${prefix} json`);
  try {
    return (JSON.parse(out) as { paths?: Path[] }).paths ?? [];
  } catch {
    return [];
  }
}

/** The node that says it owns an address. */
export async function ownerOf(address: string, but?: string): Promise<string | undefined> {
  for (const node of nodes.filter(each => each !== but)) {
    const said = await ask<{ rows: { address: string; owner: string }[] }>(`agent-${node}`, '/l2');
    if (said?.rows.some(row => row.address === address && row.owner === node)) return node;
  }
  return undefined;
}

export interface Agent {
  readonly words: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** The words of the agent that runs there, to start it again by. */
export async function agentOf(node: string): Promise<Agent> {
  const pid = (await inside(node, 'pgrep', '-f', 'roles agent')).split('\n')[0] ?? '';
  const read = async (what: string) => (await inside(node, 'cat', `/proc/${pid}/${what}`)).split('\0');
  const words = (await read('cmdline')).filter(word => word !== '');
  const from = (await read('environ')).find(each => each.startsWith('NODE_COMPILE_CACHE='));
  return { words: from === undefined ? words : ['env', from, ...words], env: process.env };
}
