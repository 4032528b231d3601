/**
 * Herald in its places: an operator on the cluster's first node and an agent on each, all on the manifests and the
 * state of the lab. A node with Herald's image and a command of its own runs that, as under containerlab.
 */
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ControlPlaneStatus } from '../runtime/control-plane.ts';
import { programEnv, programPath } from './agents-program.ts';
import { askSocket } from './agents-socket.ts';
import { LabFolder } from './cluster-facts.ts';
import { heraldNamespace, kubeconfigOf } from './kube-identities.ts';
import type { LabParts } from './lab-parts.ts';
import type { Place } from './place.ts';
import { isRunning } from './place-process.ts';
import { shellWords } from './place-words.ts';

/** A process of Herald's that was started. */
export interface Member {
  readonly name: string;
  readonly pid: number;
  readonly log: string;
  /** Undefined: it has one of its own, wherever its command says. */
  readonly socket: string | undefined;
}

const readyMaxMs = 60_000;
const pollMs = 50;
/** As the DaemonSet of `herald install` has it. */
const restartGrace = '15s';

/** Names a node's own process among sockets and logs. */
export const memberName = { operator: 'operator', agent: (node: string) => `agent-${node}` } as const;

/** `nodes`: operator's place first. */
export async function startMembers(parts: LabParts, nodes: readonly Place[]): Promise<Member[]> {
  const { folder, kube, signal } = parts;
  // A lab's objects are few: what parsing leaves behind dies young (bin/herald).
  const env = {
    ...programEnv(),
    NODE_COMPILE_CACHE: compileCache(folder),
    NODE_OPTIONS: '--max-semi-space-size=2',
  };
  const started: Member[] = [];
  const start = async (role: 'operator' | 'agent', name: string, place: Place, more: readonly string[]) => {
    signal.throwIfAborted();
    const socket = LabFolder.socket(folder, name);
    const log = LabFolder.log(folder, name);
    const words = [
      'run',
      '--roles',
      role,
      '--node',
      place.name,
      ...more,
      ...(kube ? kubeWords : folderWords)(folder, role),
    ];
    const pid = await place.spawn([programPath(), ...words, '--socket', socket], { env, log });
    started.push({ name, pid, log, socket });
  };
  await Promise.all(nodes.map(place => makeAtHome(place, LabFolder.socket(folder, memberName.agent(place.name)))));
  const [first] = nodes;
  if (first !== undefined) await start('operator', memberName.operator, first, ['--listen', 'off']);
  for (const place of nodes)
    await start('agent', memberName.agent(place.name), place, ['--restart-grace', restartGrace]);
  for (const { place, name, cmd } of ownCommands(parts)) {
    const log = LabFolder.log(folder, memberName.agent(name));
    const pid = await place.spawn([programPath(), ...shellWords(cmd)], { env, log });
    started.push({ name: memberName.agent(name), pid, log, socket: undefined });
  }
  return started;
}

/** All on the same folders. */
function folderWords(folder: string): readonly string[] {
  return ['--manifests', LabFolder.manifests(folder), '--state', LabFolder.state(folder)];
}

/** Each as its own service account. */
function kubeWords(folder: string, role: 'operator' | 'agent'): readonly string[] {
  const state = join(LabFolder.state(folder), role);
  return ['--kubeconfig', kubeconfigOf(folder, role), '--namespace', heraldNamespace, '--state', state];
}

/** So that `herald bgp summary`, typed in a node, asks the node's own agent. */
async function makeAtHome(place: Place, socket: string): Promise<void> {
  const script = `
printf '#!/bin/sh\\nPATH=%s exec %s "$@"\\n' "$1" "$2" > /usr/local/bin/herald
chmod 755 /usr/local/bin/herald
mkdir -p "$3"
ln -sf "$4" "$3/herald.sock"`;
  const { PATH = '' } = programEnv();
  await place.run(['sh', '-c', script, 'sh', PATH, programPath(), '/var/lib/herald', socket]);
}

/** Nodes with Herald's image that say themselves what it is to do. */
function ownCommands({ topology, places }: LabParts) {
  return topology.nodes.flatMap(({ name, role, cmd }) => {
    const place = places.get(name);
    return role === 'herald' && cmd !== '' && place !== undefined ? [{ name, cmd, place }] : [];
  });
}

/** Waits until all are ready; a line for each that is not. */
export async function membersReady(members: readonly Member[], signal: AbortSignal): Promise<readonly string[]> {
  const endMs = performance.now() + readyMaxMs;
  const lines = await Promise.all(members.map(member => memberReady(member, endMs, signal)));
  return lines.flatMap(line => line ?? []);
}

async function memberReady(
  { name, pid, log, socket }: Member,
  endMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  for (; performance.now() < endMs; await delay(pollMs, undefined, { signal })) {
    if (!isRunning(pid)) return `${name} has ended: ${lastLine(log)}`;
    if (socket === undefined) return undefined;
    try {
      const { ready } = (await askSocket(socket, '/status')) as ControlPlaneStatus;
      if (ready) return undefined;
    } catch {
      // Not listening yet.
    }
  }
  return `${name} is not ready after ${readyMaxMs / 1000} s: ${lastLine(log)}`;
}

export function lastLine(log: string): string {
  try {
    return readFileSync(log, 'utf8').trimEnd().split('\n').at(-1) || 'it said nothing';
  } catch {
    return 'it said nothing';
  }
}

/**
 * What this host has compiled already, where all places see it: a place has a /tmp of its own, and to compile
 * everything in each of them anew takes seconds.
 */
function compileCache(folder: string): string {
  const cache = join(folder, 'cache');
  const own = process.env['NODE_COMPILE_CACHE'] ?? join(tmpdir(), 'node-compile-cache');
  if (!existsSync(cache) && existsSync(own)) cpSync(own, cache, { recursive: true });
  mkdirSync(cache, { recursive: true });
  return cache;
}
