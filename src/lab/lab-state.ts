/**
 * What is written down of a lab, and how all of it goes away: `/run/herald-lab/NAME` is claimed before anything is
 * made, and whatever runs carries the lab's name in its environment. So nothing is lost sight of, whoever was killed
 * and when.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { labsFolder } from './place.ts';
import { isRunning, labVariable, processIds, signalTo, startTicksOf } from './place-process.ts';
import type { Cluster, Topology } from './topology.ts';

export interface LabState {
  readonly topology: Topology;
  readonly cluster: Cluster | undefined;
  readonly manifests: readonly string[];
  /** Objects are in a real API server. */
  readonly kube: boolean;
  /** Who brings it up, or did. */
  readonly maker: { readonly pid: number; readonly startTicks: string };
  readonly standing: boolean;
  /** Interfaces of this host itself that the lab has made. */
  readonly hostLinks: readonly string[];
}

/** Up already, or on its way. */
class LabTakenError extends Error {
  override name = 'LabTakenError';
}

const downMaxMs = 30_000;
const linkMaxMs = 10_000;
/** For whoever brings it up to take it down by itself. */
const makerMaxMs = 10_000;

export function folderOf(lab: string): string {
  return join(labsFolder, lab);
}

/** Makes the lab's folder ours. What is left of one that was killed on its way is removed first. */
export async function claimLab(
  state: Pick<LabState, 'topology' | 'cluster' | 'manifests' | 'kube'>,
): Promise<LabState> {
  const { name } = state.topology;
  const before = readLab(name);
  if (before !== undefined && (before.standing || isAlive(before.maker))) {
    const what = before.standing ? 'stands' : 'is being brought up';
    throw new LabTakenError(`the lab ${name} ${what} already; \`herald lab down ${name}\` removes it`);
  }
  await removeLab(name);
  mkdirSync(labsFolder, { recursive: true });
  // Not recursive: of two at the same time, one fails here.
  mkdirSync(folderOf(name));
  const startTicks = startTicksOf(process.pid) ?? '';
  const claimed = { ...state, maker: { pid: process.pid, startTicks }, standing: false, hostLinks: [] };
  writeLab(claimed);
  return claimed;
}

export function writeLab(state: LabState): void {
  const path = join(folderOf(state.topology.name), 'lab.json');
  writeFileSync(`${path}.new`, JSON.stringify(state));
  renameSync(`${path}.new`, path);
}

export function readLab(name: string): LabState | undefined {
  try {
    return JSON.parse(readFileSync(join(folderOf(name), 'lab.json'), 'utf8')) as LabState;
  } catch {
    return undefined;
  }
}

/** Of every lab that there is something of. */
export function labNames(): readonly string[] {
  try {
    return readdirSync(labsFolder).sort();
  } catch {
    return [];
  }
}

/** Ends and removes everything of a lab, in whatever state it is. */
export async function removeLab(name: string): Promise<void> {
  const state = readLab(name);
  if (state !== undefined && state.maker.pid !== process.pid) await stopMaker(state);
  const endMs = performance.now() + downMaxMs;
  for (let left = endProcesses(name); left.length > 0; left = endProcesses(name)) {
    if (performance.now() > endMs) throw new Error(`of the lab ${name} these processes do not end: ${left.join(', ')}`);
    await delay(20);
  }
  for (const link of state?.hostLinks ?? []) await linkGone(link);
  rmSync(folderOf(name), { recursive: true, force: true });
  try {
    rmdirSync(labsFolder);
  } catch {
    // Other labs are in it, or it was not there.
  }
}

/** Whoever brings it up takes it down when told to end. */
async function stopMaker({ maker, standing }: LabState): Promise<void> {
  if (standing || !isAlive(maker)) return;
  signalTo(maker.pid, 'SIGTERM');
  for (const endMs = performance.now() + makerMaxMs; isAlive(maker) && performance.now() < endMs; ) await delay(20);
  if (isAlive(maker)) signalTo(maker.pid, 'SIGKILL');
}

function isAlive({ pid, startTicks }: LabState['maker']): boolean {
  return isRunning(pid) && startTicksOf(pid) === startTicks;
}

/** Ends whatever runs for a lab; the result are those that there were. More may be on their way. */
export function endProcesses(name: string): readonly number[] {
  const found = labProcesses(name);
  for (const pid of found) signalTo(pid, 'SIGKILL');
  return found;
}

/** All that carry the lab's name, wherever they were started. */
function labProcesses(name: string): number[] {
  const mark = Buffer.from(`\0${labVariable}=${name}\0`);
  return processIds().filter(pid => {
    if (pid === process.pid) return false;
    try {
      return Buffer.concat([Buffer.of(0), readFileSync(`/proc/${pid}/environ`)]).includes(mark);
    } catch {
      return false;
    }
  });
}

/** A veth pair goes with the namespace of its other end, a moment after the last process there. */
async function linkGone(link: string): Promise<void> {
  for (const endMs = performance.now() + linkMaxMs; existsSync(`/sys/class/net/${link}`); await delay(10))
    if (performance.now() > endMs) throw new Error(`the link ${link} of this host does not go away`);
}
