/** `herald run`: the control plane of one machine, from a folder of manifests. */
import { announcedView } from '../control/announced.ts';
import { desiredForNode } from '../control/desired.ts';
import { DirectoryStore } from '../directory/store.ts';
import { systemClock } from '../runtime/clock.ts';
import { ControlPlane } from '../runtime/control-plane.ts';
import { HttpServer, jsonAnswer, textAnswer } from '../runtime/http.ts';
import { createLog, logLevels } from '../runtime/log.ts';
import { Metrics } from '../runtime/metrics.ts';
import type { Log } from '../runtime/ports.ts';
import { CommandError, type Context, defineCommand, type ExitCode } from './command.ts';
import { allocatedRows, allocatedTable, announcedTable, joinViews, notAnnouncedTable } from './report.ts';
import { type RunSettings, runOptions, runSettings } from './run-options.ts';
import { json } from './table.ts';
import { version } from './version.ts';

/** How long `--once` waits for everything to be settled. */
const onceMaxMs = 30_000;

export const run = defineCommand({
  name: 'run',
  about: `Runs the control plane from a folder of manifests: allocates addresses to LoadBalancer Services (operator) and
announces them for one node (agent). The folder is watched; what Herald itself says (statuses, leases, events)
is kept in the state folder and survives whatever happens. Several processes may share both folders.

  herald run --manifests examples/home-lab-l2 --state /tmp/herald --once
  herald run --manifests /etc/herald/manifests --node node-1
  herald run --manifests /etc/herald/manifests --node node-2 --roles agent --state /var/lib/herald`,
  options: runOptions,
  async run(context) {
    const settings = runSettings(context.options);
    const level = logLevels.find(each => each === context.options['log-level']) ?? 'info';
    const log = createLog({ level, pretty: process.stderr.isTTY === true });
    return await (context.options.once ? once(settings, log, context) : serve(settings, log, context.signal));
  },
});

function build(settings: RunSettings, log: Log) {
  const { manifestsDir, stateDir } = settings;
  const clock = systemClock;
  const metrics = new Metrics();
  const store = new DirectoryStore({ manifestsDir, stateDir, clock, log });
  const plane = new ControlPlane({ ...settings, store, clock, log, metrics, random: Math.random });
  return { store, plane, metrics };
}

async function serve(settings: RunSettings, log: Log, signal: AbortSignal): Promise<ExitCode> {
  const { store, plane, metrics } = build(settings, log);
  const startedMs = systemClock.nowMs();
  const local = new HttpServer({
    '/status': () =>
      jsonAnswer({
        version: version(),
        uptimeSeconds: Math.round((systemClock.nowMs() - startedMs) / 1000),
        ...plane.status(),
        problems: store.problems(),
      }),
    '/announced': () => {
      const node = plane.desired?.node;
      return jsonAnswer(node === undefined ? joinViews([]) : announcedView(plane.snapshot, node));
    },
    '/allocated': () => jsonAnswer(allocatedRows(plane.ipam.services)),
  });
  const probes = new HttpServer({
    '/metrics': async () => {
      metrics.state([
        ...plane.samples(),
        { name: 'herald_build_info', labels: { version: version() }, value: 1 },
        { name: 'herald_resident_memory_bytes', value: process.memoryUsage.rss() },
      ]);
      return textAnswer(await metrics.text());
    },
    '/healthz': () => textAnswer('ok\n'),
    '/readyz': () => (plane.ready ? textAnswer('ok\n') : textAnswer('no pass yet\n', 503)),
  });
  try {
    if (settings.listen !== undefined) {
      const port = await probes.listenTcp(settings.listen.host, settings.listen.port);
      log.info('listening', { address: settings.listen.host, port });
    }
    await plane.start();
    await local.listenUnix(settings.socketPath);
    log.info('started', { node: settings.node, roles: [...settings.roles], manifests: settings.manifestsDir });
    await aborted(signal);
    log.info('stopping', { why: String(signal.reason) });
  } finally {
    await local.close();
    await probes.close();
    await plane.stop();
    await store.close();
  }
  return 0;
}

/** Settles once, says what came of it, and ends: 1 when a manifest was refused. */
async function once(
  settings: RunSettings,
  log: Log,
  { options, streams, signal }: Context<typeof runOptions>,
): Promise<ExitCode> {
  const { store, plane } = build(settings, log);
  try {
    await plane.start();
    const late = new Promise<'late'>(resolve => systemClock.after(onceMaxMs, () => resolve('late')));
    if ((await Promise.race([plane.whenSettled(), late, aborted(signal)])) === 'late')
      throw new CommandError(
        `not settled after ${onceMaxMs / 1000} s: ${plane
          .status()
          .targets.flatMap(each => each.error ?? [])
          .join('; ')}`,
      );
    const { snapshot } = plane;
    const kinds = ['Node', 'CiliumNode', 'CiliumBGPNodeConfig'] as const;
    const known = new Set(kinds.flatMap(kind => snapshot.list(kind)).map(each => each.metadata.name));
    const nodes = options.node === undefined && known.size > 0 ? [...known].sort() : [settings.node];
    const views = nodes.map(node => announcedView(snapshot, desiredForNode(snapshot, node, settings.control)));
    const { announced, notAnnounced } = joinViews(views);
    const allocated = allocatedRows(plane.ipam.services);
    const problems = store.problems();
    if (options.output === 'json') streams.out(json({ allocated, announced, notAnnounced, problems }));
    else {
      streams.out(`ALLOCATED\n${allocatedTable(allocated)}\nWOULD ANNOUNCE\n${announcedTable(announced)}`);
      if (notAnnounced.length > 0) streams.out(`\nWOULD NOT ANNOUNCE\n${notAnnouncedTable(notAnnounced)}`);
      if (problems.length > 0)
        streams.out(`\nPROBLEMS\n${problems.map(each => `${each.file}:${each.line}: ${each.message}\n`).join('')}`);
    }
    return problems.some(each => each.severity === 'error') ? 1 : 0;
  } finally {
    await plane.stop();
    await store.close();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }));
}
