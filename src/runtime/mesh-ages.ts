/**
 * When each other cluster was first seen, kept over restarts: of two whose PodCIDRs overlap, the younger is refused,
 * and a restart must not change which one that is.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock, Log } from './ports.ts';

interface Age {
  readonly id: number;
  readonly sinceMs: number;
}

const writeMs = 200;

export class ClusterAges {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #ages: Map<string, Age>;
  #cancelWrite: (() => void) | undefined;

  constructor(path: string, clock: Clock, log: Log) {
    this.#path = path;
    this.#clock = clock;
    this.#log = log;
    this.#ages = new Map(read(path));
  }

  /** Wall time. A cluster with another ID than before is another cluster. */
  sinceMs(cluster: string, id: number): number {
    const known = this.#ages.get(cluster);
    if (known?.id === id) return known.sinceMs;
    const sinceMs = this.#clock.wallMs();
    this.#ages.set(cluster, { id, sinceMs });
    this.#writeSoon();
    return sinceMs;
  }

  forget(cluster: string): void {
    if (this.#ages.delete(cluster)) this.#writeSoon();
  }

  /** What is still to be written is. */
  close(): void {
    if (this.#cancelWrite === undefined) return;
    this.#cancelWrite();
    this.#write();
  }

  /** Many clusters are seen at once. */
  #writeSoon(): void {
    this.#cancelWrite ??= this.#clock.after(writeMs, () => this.#write());
  }

  #write(): void {
    this.#cancelWrite = undefined;
    try {
      mkdirSync(dirname(this.#path), { recursive: true });
      writeFileSync(`${this.#path}.new`, `${JSON.stringify(Object.fromEntries(this.#ages), null, 1)}\n`);
      renameSync(`${this.#path}.new`, this.#path);
    } catch (error) {
      this.#log.warn('ages of clusters are not kept', {
        error: error instanceof Error ? error.message : String(error),
      });
    }
  }
}

/** Whatever cannot be read begins anew. */
function read(path: string): [string, Age][] {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value !== 'object' || value === null) return [];
    return Object.entries(value).filter((entry): entry is [string, Age] => isAge(entry[1]));
  } catch {
    return [];
  }
}

function isAge(value: unknown): value is Age {
  if (typeof value !== 'object' || value === null) return false;
  return 'id' in value && typeof value.id === 'number' && 'sinceMs' in value && typeof value.sinceMs === 'number';
}
