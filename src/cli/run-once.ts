/** `herald run --once`: what would be allocated and announced, for every node, without touching a network. */

import type { Snapshot } from '../api/snapshot.ts';
import { announcedView } from '../control/announced.ts';
import { desiredForNode } from '../control/desired.ts';
import { DirectoryStore } from '../directory/store.ts';
import { systemClock } from '../runtime/clock.ts';
import { ControlPlane } from '../runtime/control-plane.ts';
import { Metrics } from '../runtime/metrics.ts';
import type { Clock, Log } from '../runtime/ports.ts';
import { CommandError, type ExitCode, orCommandError, type Streams } from './command.ts';
import { allocatedRows, allocatedTable, announcedTable, joinViews, notAnnouncedText, problemLine } from './report.ts';
import type { RunSettings } from './run-options.ts';
import { json } from './table.ts';

/** How long everything may take to settle. */
const settleMaxMs = 30_000;

/** 1 when a manifest was refused. CommandError when things do not settle. */
export async function runOnce(
  settings: RunSettings,
  manifestsDir: string,
  log: Log,
  output: string,
  streams: Streams,
  signal: AbortSignal,
): Promise<ExitCode> {
  const clock = systemClock;
  const store = new DirectoryStore({ manifestsDir, stateDir: settings.stateDir, clock, log });
  const plane = new ControlPlane({ ...settings, store, clock, log, metrics: new Metrics(), random: Math.random });
  try {
    await orCommandError(plane.start());
    await settled(plane, clock, signal);
    const { snapshot } = plane;
    const views = nodesOf(snapshot, settings).map(node =>
      announcedView(snapshot, desiredForNode(snapshot, node, settings.control)),
    );
    const report = { allocated: allocatedRows(plane.ipam.all()), ...joinViews(views), problems: store.problems() };
    if (output === 'json') streams.out(json(report));
    else {
      streams.out(
        `ALLOCATED\n${allocatedTable(report.allocated)}\nWOULD ANNOUNCE\n${announcedTable(report.announced)}`,
      );
      if (report.notAnnounced.length > 0) streams.out(`\nWOULD NOT ANNOUNCE\n${notAnnouncedText(report.notAnnounced)}`);
      if (report.problems.length > 0) streams.out(`\nPROBLEMS\n${report.problems.map(problemLine).join('')}`);
    }
    return report.problems.some(each => each.severity === 'error') ? 1 : 0;
  } finally {
    await plane.stop();
    await store.close();
  }
}

async function settled(plane: ControlPlane, clock: Clock, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const cancel = clock.after(settleMaxMs, () => {
      const errors = plane.status().targets.flatMap(each => each.error ?? []);
      reject(
        new CommandError(`not settled after ${settleMaxMs / 1000} s: ${errors.join('; ') || 'no target says why'}`),
      );
    });
    signal.addEventListener('abort', () => {
      cancel();
      reject(new CommandError('stopped before everything was settled'));
    });
    void plane.whenSettled().then(() => {
      cancel();
      resolve();
    });
  });
}

/** The node that was named, or every node the objects know of. */
function nodesOf(snapshot: Snapshot, { node, nodeIsNamed }: RunSettings): readonly string[] {
  const kinds = ['Node', 'CiliumNode', 'CiliumBGPNodeConfig'] as const;
  const known = new Set(kinds.flatMap(kind => snapshot.list(kind)).map(each => each.metadata.name));
  return nodeIsNamed || known.size === 0 ? [node] : [...known].sort();
}
