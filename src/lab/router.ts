/**
 * FRR in a place: this host's (Debian's), where the image is FRR. What the image's entry point would have started is
 * started, unless the topology's own commands do.
 */
import { existsSync } from 'node:fs';
import type { Place } from './place.ts';
import type { LabNode } from './topology.ts';

const starter = '/usr/lib/frr/frrinit.sh';
const startMaxMs = 60_000;

/** Undefined when there is one. */
export function frrMissing(): string | undefined {
  return existsSync(starter) ? undefined : 'FRR is not installed (package frr)';
}

/** Whether the image's entry point starts FRR, and not an `exec` line, or nobody because `cmd` replaces it. */
export function startsByItself(node: LabNode): boolean {
  if (node.role !== 'frr' || node.cmd !== '') return false;
  return !node.exec.some(({ text }) => /frrinit\.sh|watchfrr|docker-start|(^|\/|\s)(bgpd|zebra)\s/.test(text));
}

/** Undefined, or why it did not start. */
export async function startFrr(place: Place): Promise<string | undefined> {
  const { status, stdout, stderr } = await place.run([starter, 'start'], { timeoutMs: startMaxMs });
  return status === 0 ? undefined : `FRR did not start: ${`${stdout}\n${stderr}`.trim().slice(-400)}`;
}
