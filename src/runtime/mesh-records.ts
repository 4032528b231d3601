/**
 * What was last known of each other cluster, a file for each, so that a restart forgets nothing: routes to a cluster
 * whose etcd is away stay, and of two clusters that overlap the younger stays the younger.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PodCluster, PodNode } from '../mesh/pod-node.ts';
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import type { Clock, Log } from './ports.ts';

/** Changes are gathered for this long. */
const writeMs = 1_000;
/** So many files at a time, and so long between: hundreds of clusters that are new at once hold up nothing. */
const filesMax = 8;
const pauseMs = 50;

export interface ClusterRecord extends PodCluster {
  /** Its state is a mirror's. */
  readonly cached: boolean;
}

interface Json {
  readonly id: number;
  readonly sinceMs: number;
  readonly cached: boolean;
  readonly nodes: readonly { readonly name: string; readonly addresses: string[]; readonly podCidrs: string[] }[];
}

export class ClusterRecords {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #records = new Map<string, ClusterRecord>();
  readonly #unwritten = new Set<string>();
  #cancelWrite: (() => void) | undefined;

  constructor(folder: string, clock: Clock, log: Log) {
    this.#folder = folder;
    this.#clock = clock;
    this.#log = log;
    for (const record of readAll(folder)) this.#records.set(record.name, record);
  }

  /** As it was last known, by this process or the one before. */
  get(cluster: string): ClusterRecord | undefined {
    return this.#records.get(cluster);
  }

  /** Wall time at which the cluster was first seen. One with another ID than before is another cluster. */
  sinceMs(cluster: string, id: number): number {
    const known = this.#records.get(cluster);
    return known?.id === id ? known.sinceMs : this.#clock.wallMs();
  }

  keep(record: ClusterRecord): void {
    this.#records.set(record.name, record);
    this.#writeSoon(record.name);
  }

  forget(cluster: string): void {
    if (this.#records.delete(cluster)) this.#writeSoon(cluster);
  }

  /** Forgets all but these. */
  retain(clusters: ReadonlySet<string>): void {
    for (const name of [...this.#records.keys()]) if (!clusters.has(name)) this.forget(name);
  }

  /** What is still to be written is. */
  close(): void {
    this.#cancelWrite?.();
    this.#write([...this.#unwritten]);
  }

  #writeSoon(cluster: string): void {
    this.#unwritten.add(cluster);
    this.#cancelWrite ??= this.#clock.after(writeMs, () => this.#writeSome());
  }

  #writeSome(): void {
    this.#cancelWrite = undefined;
    this.#write([...this.#unwritten].slice(0, filesMax));
    if (this.#unwritten.size > 0) this.#cancelWrite = this.#clock.after(pauseMs, () => this.#writeSome());
  }

  #write(clusters: readonly string[]): void {
    try {
      if (clusters.length > 0) mkdirSync(this.#folder, { recursive: true });
      for (const cluster of clusters) {
        this.#unwritten.delete(cluster);
        const record = this.#records.get(cluster);
        const path = join(this.#folder, `${cluster}.json`);
        if (record === undefined) rmSync(path, { force: true });
        else {
          writeFileSync(`${path}.new`, `${JSON.stringify(toJson(record))}\n`);
          renameSync(`${path}.new`, path);
        }
      }
    } catch (error) {
      // What cannot be kept is read anew after a restart.
      this.#unwritten.clear();
      const why = error instanceof Error ? error.message : String(error);
      this.#log.warn('what is known of other clusters cannot be kept', { folder: this.#folder, why });
    }
  }
}

function toJson({ id, sinceMs, cached, nodes }: ClusterRecord): Json {
  const text = ({ name, addresses, podCidrs }: PodNode) => ({
    name,
    addresses: addresses.map(IpAddress.format),
    podCidrs: podCidrs.map(Prefix.format),
  });
  return { id, sinceMs, cached, nodes: nodes.map(text) };
}

function readAll(folder: string): readonly ClusterRecord[] {
  try {
    return readdirSync(folder).flatMap(file => (file.endsWith('.json') ? (read(folder, file) ?? []) : []));
  } catch {
    // There is none yet.
    return [];
  }
}

/** Undefined for whatever cannot be read: it is known again once the cluster has been read. */
function read(folder: string, file: string): ClusterRecord | undefined {
  try {
    const { id, sinceMs, cached, nodes } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Json;
    const all = nodes.map(
      ({ name, addresses, podCidrs }): PodNode => ({
        name,
        addresses: addresses.flatMap(each => IpAddress.parse(each) ?? []),
        podCidrs: podCidrs.flatMap(each => Prefix.parse(each) ?? []),
      }),
    );
    const isGood = Number.isInteger(id) && Number.isFinite(sinceMs) && all.every(each => typeof each.name === 'string');
    return isGood ? { name: file.replace(/\.json$/, ''), id, sinceMs, cached: cached === true, nodes: all } : undefined;
  } catch {
    return undefined;
  }
}
