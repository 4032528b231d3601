/** What a cluster would make in a lab: Node objects, pods, ClusterIPs, EndpointSlices; and Herald in its places. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { RawObject } from '../api/object.ts';
import { checkManifests } from '../directory/manifests.ts';
import { workerEntry } from '../linux/blocking-worker.ts';
import { systemClock } from '../runtime/clock.ts';
import { lastLine, membersReady, startMembers } from './agents.ts';
import { askSocket } from './agents-socket.ts';
import type { ControllerStatus } from './cluster-controller.ts';
import { type ClusterFacts, gatherFacts, LabFolder, writeFacts } from './cluster-facts.ts';
import { linkManifests, UserManifests } from './cluster-manifests.ts';
import { isKind, textAt } from './cluster-raw.ts';
import { applyAll, startKube } from './kube-cluster.ts';
import { kubeconfigOf } from './kube-identities.ts';
import { startProxies } from './kube-proxy.ts';
import type { LabParts } from './lab-parts.ts';
import type { Place } from './place.ts';
import { isRunning, spawnApart } from './place-process.ts';

const settledMaxMs = 30_000;
const pollMs = 50;
/** What a folder of a lab holds besides manifests: topology and cluster files, values of a chart. */
const notManifests: readonly string[] = ['not-an-object', 'no-kind', 'unknown-kind', 'no-objects'];

/**
 * Starts the cluster's part: a controller that goes on after this process, Herald's operator and its agents. What it
 * gives are lines that name what does not stand and why; empty when all does. Without a node that is a cluster's there
 * is nothing to start.
 */
export async function startCluster(parts: LabParts): Promise<readonly string[]> {
  const { folder, say, signal } = parts;
  const problems = [...faultsOf(parts)];
  linkManifests(LabFolder.user(folder), parts.manifests);
  const described = readObjects(LabFolder.user(folder)).filter(each => isKind(each, '', 'Node'));
  const gathered = await gatherFacts(parts, described);
  const nodes = nodePlaces(parts, gathered, described);
  const own = parts.topology.nodes.filter(({ role, cmd }) => role === 'herald' && cmd !== '');
  if (nodes.length === 0 && own.length === 0) {
    if (parts.manifests.length > 0) problems.push('there are manifests, but no node of the lab is a cluster’s');
    return problems;
  }
  for (const each of ['log', 'sockets', 'state', 'manifests']) mkdirSync(join(folder, each), { recursive: true });
  if (nodes.length > 0 && !isInPath('nft')) problems.push('nftables is not installed (package nftables)');
  const facts = parts.kube ? await inKube(parts, gathered, problems) : gathered;
  writeFacts(facts);
  say(`starting the cluster's controller, and Herald on ${nodes.length + own.length} nodes`);
  const controller = startController(parts.name, folder);
  const members = await startMembers(parts, nodes);
  if (facts.kube?.hasProxy) members.push(...(await startProxies(parts, nodes)));
  problems.push(...(await membersReady(members, signal)));
  say('waiting for pods and service rules');
  problems.push(...(await controllerSettled(controller, folder, signal)));
  return problems;
}

/** An API server with everything in it; what was refused is named among the problems. */
async function inKube(parts: LabParts, facts: ClusterFacts, problems: string[]): Promise<ClusterFacts> {
  const { folder, manifests, say } = parts;
  say('starting etcd and kube-apiserver');
  const kube = await startKube(parts, facts.serviceSubnets);
  say(`$ export KUBECONFIG=${kubeconfigOf(folder, 'admin')}`);
  problems.push(...(await applyAll(parts, facts.nodes, manifests)));
  if (!kube.hasProxy) say('there is no kube-proxy here: the lab’s own rules stand in for it');
  return { ...facts, kube };
}

/** With file and line, as `herald check` says it. */
function faultsOf({ manifests, say }: LabParts): readonly string[] {
  const errors = checkManifests(manifests).findings.filter(({ severity }) => severity === 'error');
  const others = errors.filter(({ code }) => notManifests.includes(code));
  for (const file of new Set(others.map(each => each.file)))
    say(`${file}: something in it is no manifest, passed over`);
  return errors
    .filter(each => !others.includes(each))
    .map(({ file, line, message, fix }) => `${file}${line === undefined ? '' : `:${line}`}: ${message}; ${fix}`);
}

/** What the files say now. */
function readObjects(root: string): readonly RawObject[] {
  const quiet = { debug() {}, info() {}, warn() {}, error() {} };
  const manifests = new UserManifests(root, { clock: systemClock, log: quiet }, () => {});
  manifests.start();
  const objects = manifests.objects();
  manifests.close();
  return objects;
}

/** Of every node there is a place for: those of the control plane first. */
function nodePlaces({ places, topology }: LabParts, facts: ClusterFacts, described: readonly RawObject[]): Place[] {
  const own = new Set(
    topology.nodes.filter(({ role, cmd }) => role === 'herald' && cmd !== '').map(({ name }) => name),
  );
  const known = [...facts.nodes].sort((a, b) => Number(b.controlPlane) - Number(a.controlPlane));
  const names = [...known.map(({ name }) => name), ...described.map(each => textAt(each, 'metadata', 'name'))];
  return [...new Set(names)].flatMap(name => (own.has(name) ? [] : (places.get(name) ?? [])));
}

interface Controller {
  readonly pid: number;
  readonly log: string;
}

/** It belongs to no place: it is what none of the nodes is. */
function startController(lab: string, folder: string): Controller {
  const entry = fileURLToPath(workerEntry('cluster-controller', import.meta.url));
  const log = LabFolder.log(folder, 'controller');
  return { pid: spawnApart([process.execPath, entry, folder], { lab, log }), log };
}

async function controllerSettled(
  { pid, log }: Controller,
  folder: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  let problems: readonly string[] = [];
  for (
    const endMs = performance.now() + settledMaxMs;
    performance.now() < endMs;
    await delay(pollMs, undefined, { signal })
  ) {
    if (!isRunning(pid)) return [`the cluster's controller has ended: ${lastLine(log)}`];
    try {
      const status = (await askSocket(LabFolder.socket(folder, 'controller'), '/status')) as ControllerStatus;
      problems = status.problems;
      if (status.settled) return problems;
    } catch {
      // Not listening yet.
    }
  }
  return problems.length > 0 ? problems : [`the cluster's controller is not done after ${settledMaxMs / 1000} s`];
}

function isInPath(program: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders.some(each => existsSync(join(each, program)));
}
