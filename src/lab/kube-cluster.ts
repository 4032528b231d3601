/**
 * The API server of a lab: etcd and kube-apiserver on this host's loopback address, with keys and kubeconfigs for
 * everybody in the lab's folder; Herald's kinds and roles, nodes and manifests applied with kubectl, as anybody would.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RawObject } from '../api/object.ts';
import { lastLine } from './agents.ts';
import { programEnv, programPath } from './agents-program.ts';
import { type FactNode, type KubeFacts, LabFolder, nodeObject } from './cluster-facts.ts';
import { Authority, writeKeyPair } from './kube-certificates.ts';
import { heraldNamespace, identities, kubeconfigOf } from './kube-identities.ts';
import { freePort } from './kube-port.ts';
import { findProgram, program } from './kube-programs.ts';
import { apiServerWords, etcdWords, kubeconfigText, ServerFiles } from './kube-server.ts';
import { isRunning, type Ran, spawnApart } from './place-process.ts';

const readyMaxMs = 120_000;
const readyPollMs = 100;
/** A kind is served a moment after its definition was taken. */
const servedMaxMs = 20_000;
const notServed = /no matches for kind|could not find the requested resource/;

export interface KubeLab {
  /** The lab's name. */
  readonly name: string;
  readonly folder: string;
  readonly signal: AbortSignal;
  say(line: string): void;
}

/** Starts it; what it gives is what the lab's controller has to know. Throws when it does not come up. */
export async function startKube(lab: KubeLab, serviceSubnets: readonly string[]): Promise<KubeFacts> {
  const folder = LabFolder.kube(lab.folder);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const ports = { api: await freePort(), etcd: await freePort(), peer: await freePort() };
  const authority = new Authority(folder);
  authority.issue(ServerFiles.certificate, { name: 'kube-apiserver' });
  writeKeyPair(ServerFiles.accountsKey(folder), ServerFiles.accountsPublicKey(folder));
  for (const [name, subject] of Object.entries(identities)) {
    const text = kubeconfigText(
      `https://127.0.0.1:${ports.api}`,
      authority.certificate,
      authority.issue(name, subject),
    );
    writeFileSync(join(folder, `${name}.kubeconfig`), text, { mode: 0o600 });
  }
  const server = { ca: authority.certificate, serviceSubnets };
  const started = [
    { name: 'etcd', words: etcdWords(folder, ports) },
    { name: 'kube-apiserver', words: apiServerWords(folder, ports, server) },
  ].map(({ name, words }) => {
    const log = LabFolder.log(lab.folder, name);
    return { name, log, pid: spawnApart(words, { lab: lab.name, log }) };
  });
  for (const endMs = performance.now() + readyMaxMs; ; await delay(readyPollMs, undefined, { signal: lab.signal })) {
    const { status, stderr } = await kubectl(lab, ['get', 'namespace', heraldNamespace]);
    if (status === 0) break;
    const ended = started.find(({ pid }) => !isRunning(pid));
    if (ended !== undefined) throw new Error(`${ended.name} has ended: ${lastLine(ended.log)}`);
    if (performance.now() > endMs) throw new Error(`kube-apiserver is not ready: ${stderr.trim()}`);
  }
  const hasProxy = findProgram('kube-proxy') !== undefined;
  return { port: ports.api, kubeconfig: kubeconfigOf(lab.folder, 'controller'), hasProxy };
}

/** Herald as people install it, the nodes as kubelets say them, then the manifests. Lines name what was refused. */
export async function applyAll(
  lab: KubeLab,
  nodes: readonly FactNode[],
  manifests: readonly string[],
): Promise<readonly string[]> {
  const problems: string[] = [];
  const apply = async (said: string, words: readonly string[], input?: string) => {
    lab.say(`$ ${said}`);
    const { status, stdout, stderr } = await patiently(lab, ['apply', ...words], input);
    lab.say(`  ${stdout.trim().split('\n').filter(Boolean).length} objects`);
    if (status !== 0) problems.push(...stderr.trim().split('\n'));
  };
  await apply('herald install | kubectl apply -f -', ['-f', '-'], await herald(lab, ['install']));
  await kubectl(lab, ['wait', '--for=condition=Established', '--timeout=30s', 'crd', '--all']);
  if (nodes.length > 0) {
    const list: RawObject = { apiVersion: 'v1', kind: 'List', items: nodes.map(nodeObject) };
    await apply(`kubectl apply -f -  # nodes: ${nodes.map(({ name }) => name).join(', ')}`, ['-f', '-'], toText(list));
  }
  for (const path of manifests) await apply(`kubectl apply -f ${path}`, ['-f', path]);
  return problems;
}

/** Again while a kind that was just defined is not served yet. */
async function patiently(lab: KubeLab, words: readonly string[], input: string | undefined): Promise<Ran> {
  for (const endMs = performance.now() + servedMaxMs; ; await delay(readyPollMs, undefined, { signal: lab.signal })) {
    const ran = await kubectl(lab, words, input);
    if (ran.status === 0 || !notServed.test(ran.stderr) || performance.now() > endMs) return ran;
  }
}

function kubectl(lab: KubeLab, words: readonly string[], input?: string): Promise<Ran> {
  const kubeconfig = kubeconfigOf(lab.folder, 'admin');
  const env = { ...process.env, KUBECACHEDIR: join(LabFolder.kube(lab.folder), 'cache') };
  return run(lab, program('kubectl'), [`--kubeconfig=${kubeconfig}`, ...words], env, input);
}

async function herald(lab: KubeLab, words: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await run(lab, programPath(), words, { ...process.env, ...programEnv() });
  if (status !== 0) throw new Error(`herald ${words.join(' ')}: ${stderr.trim()}`);
  return stdout;
}

function run(
  { signal }: KubeLab,
  command: string,
  words: readonly string[],
  env: NodeJS.ProcessEnv,
  input = '',
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const options = { env, signal, maxBuffer: 2 ** 26 };
    const child = execFile(command, words, options, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number') reject(error);
      else resolve({ status: Number(error?.code ?? 0), stdout, stderr });
    });
    child.stdin?.on('error', () => undefined).end(input);
  });
}

function toText(object: RawObject): string {
  return JSON.stringify(object);
}
