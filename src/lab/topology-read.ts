/** The files of a lab, read together: the topology, and the cluster's file that its nodes refer to. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { readTopology } from './clab.ts';
import { readCluster } from './kind.ts';
import type { Cluster, LabFault, LabNote, LabRead, Topology } from './topology.ts';
import { clusterNamesIn, type LabPlan, planOf } from './topology-plan.ts';

export interface LabFiles {
  readonly topology: Topology;
  readonly cluster: Cluster | undefined;
  readonly plan: LabPlan;
}

/** Lines begin with the file's path and the line: `lab.clab.yml:7: …`. */
export interface LabFilesRead {
  readonly value: LabFiles | undefined;
  readonly notes: readonly string[];
  readonly faults: readonly string[];
}

/** A file of a cluster is not longer. */
const clusterFileMaxBytes = 256 * 1024;

/**
 * Paths may be relative. Without `clusterPath`, a file of a cluster is looked for beside the topology where its nodes
 * name containers that the topology has not. Throws when a file cannot be read at all.
 */
export function readLabFiles(topologyPath: string, clusterPath: string | undefined): LabFilesRead {
  const file = resolve(topologyPath);
  const notes: string[] = [];
  const faults: string[] = [];
  const take = <T>(path: string, read: LabRead<T>): T | undefined => {
    notes.push(...read.notes.map(note => noteLine(path, note)));
    faults.push(...(read.faults ?? []).map(fault => faultLine(path, fault)));
    return read.value;
  };
  const topology = take(topologyPath, readTopology({ file, text: readFileSync(file, 'utf8'), env: process.env }));
  const beside = topology && clusterPath === undefined ? clusterBeside(topology) : clusterPath;
  if (beside !== undefined && clusterPath === undefined) notes.push(`${beside}: the cluster that nodes are in`);
  const text = beside === undefined ? undefined : readFileSync(beside, 'utf8');
  const cluster = beside && text !== undefined ? take(beside, readCluster({ file: resolve(beside), text })) : undefined;
  if (topology === undefined || faults.length > 0) return { value: undefined, notes, faults };
  const plan = planOf(topology, cluster);
  const all = [...(plan.faults ?? []), ...missingBinds(topology)].sort((a, b) => a.line - b.line);
  faults.push(...all.map(fault => faultLine(topologyPath, fault)));
  const value = plan.faults === undefined && all.length === 0 ? { topology, cluster, plan: plan.value } : undefined;
  return { value, notes, faults };
}

function faultLine(file: string, { line, reason, message }: LabFault): string {
  return `${file}:${line}: ${reason}: ${message}`;
}

function noteLine(file: string, { line, message }: LabNote): string {
  return `${file}:${line}: note: ${message}`;
}

/** The one of which the most nodes are named. */
function clusterBeside(topology: Topology): string | undefined {
  const wanted = new Set(clusterNamesIn(topology));
  if (wanted.size === 0) return undefined;
  let best: { readonly path: string; readonly count: number } | undefined;
  const folder = dirname(topology.file);
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    if (!/\.ya?ml$/.test(name) || statSync(path).size > clusterFileMaxBytes) continue;
    const text = readFileSync(path, 'utf8');
    if (!/^kind: *["']?Cluster\b/m.test(text) || !/^apiVersion: *["']?kind\./m.test(text)) continue;
    const count = readCluster({ file: path, text }).value?.nodes.filter(node => wanted.has(node.name)).length ?? 0;
    if (count > (best?.count ?? 0)) best = { path, count };
  }
  return best?.path;
}

/** Folders of the lab's own are made. */
function missingBinds(topology: Topology): readonly LabFault[] {
  const own = join(dirname(topology.file), `clab-${topology.name}`);
  return topology.nodes.flatMap(node =>
    node.binds.flatMap(({ from, line }) =>
      existsSync(from) || from.startsWith(own)
        ? []
        : [{ line, reason: 'bad-value' as const, message: `${node.name}: there is no ${from} to bind` }],
    ),
  );
}
