/** `herald run`: the control plane of one machine, from a folder of manifests or a Kubernetes API. */
import { announcedView } from '../control/announced.ts';
import { systemClock } from '../runtime/clock.ts';
import { ControlPlane } from '../runtime/control-plane.ts';
import { HttpServer, jsonAnswer, type Routes, textAnswer } from '../runtime/http.ts';
import { createLog, logLevels } from '../runtime/log.ts';
import { Metrics, type Sample } from '../runtime/metrics.ts';
import type { Log } from '../runtime/ports.ts';
import { type Context, defineCommand, type ExitCode, type OptionValues, orCommandError } from './command.ts';
import { explainRoutes } from './explain-routes.ts';
import { ipamRoutes } from './ipam-routes.ts';
import { MeshSlot } from './mesh-slot.ts';
import { allocatedRows, joinViews } from './report.ts';
import { type RunSettings, runOptions, runSettings } from './run-options.ts';
import { openStore } from './run-store.ts';
import { version } from './version.ts';

/** Without --restart-grace: how long routes are the last choice before they are withdrawn. */
const drainMs = 1000;

export const run = defineCommand({
  name: 'run',
  about: `Runs the control plane from a folder of manifests: allocates addresses to LoadBalancer Services (operator) and
announces them for one node (agent). The folder is watched; what Herald itself says (statuses, leases, events)
is kept in the state folder and survives whatever happens. Several processes may share both folders.

  herald run --manifests examples/home-lab-l2 --state /tmp/herald --once
  herald run --manifests /etc/herald/manifests --node node-1
  herald run --manifests /etc/herald/manifests --node node-2 --roles agent --state /var/lib/herald`,
  options: runOptions,
  run: context => runRoles(context.options, context),
});

/** What `run`, `operator` and `agent` do. */
export async function runRoles(
  options: OptionValues<typeof runOptions>,
  { streams, signal }: Pick<Context, 'streams' | 'signal'>,
): Promise<ExitCode> {
  const settings = runSettings(options);
  const level = logLevels.find(each => each === options['log-level']) ?? 'info';
  const log = createLog({ level, pretty: process.stderr.isTTY === true });
  const { source } = settings;
  if (!options.once || source.kind !== 'manifests') return await serve(settings, log, signal);
  const { runOnce } = await import('./run-once.ts');
  return await runOnce(settings, source.dir, log, options.output, streams, signal);
}

async function serve(settings: RunSettings, log: Log, signal: AbortSignal): Promise<ExitCode> {
  const clock = systemClock;
  const metrics = new Metrics();
  const opened = await orCommandError(openStore({ settings, clock, log, metrics }));
  const { store } = opened;
  let wake = () => {};
  const mesh = new MeshSlot();
  const env = { node: settings.node, store, clock, log, metrics, ...mesh.bgp(() => wake()) };
  // What only an agent needs is loaded by an agent only.
  const bgp = settings.roles.has('agent') ? await (await import('./run-bgp.ts')).startBgp(env) : undefined;
  const { leaseNamespace } = opened;
  const l2Env = { ...env, namespace: leaseNamespace, choices: settings.l2, restartGraceMs: settings.restartGraceMs };
  const l2 = settings.roles.has('agent') ? await (await import('./run-l2.ts')).startL2(l2Env) : undefined;
  const parts = bgp &&
    l2 && {
      host: bgp.host,
      lanes: [bgp.lane, ...l2.lanes],
      samples: () => [...bgp.samples(), ...l2.samples()],
    };
  const control = { ...settings.control, leaseNamespace };
  const plane = new ControlPlane({ ...settings, control, store, clock, log, metrics, random: Math.random, ...parts });
  wake = () => plane.wake();
  await mesh.fill(env, { ...settings, ipam: control.ipam }, bgp);
  const startedMs = clock.nowMs();
  const local = new HttpServer({
    ...ownRoutes(plane, () => ({ uptimeMs: clock.nowMs() - startedMs, ...opened.status() })),
    ...ipamRoutes(() => plane.ipam, settings.ipam),
    ...bgp?.routes,
    ...mesh.part?.routes,
    ...l2?.routes,
    ...explainRoutes(
      plane,
      clock,
      bgp?.target,
      settings.roles.has('operator') ? settings.ipam : undefined,
      l2?.answering,
    ),
  });
  const probes = probeServer(plane, metrics, () => [...opened.samples(), ...(mesh.part?.samples() ?? [])]);
  try {
    if (settings.listen !== undefined) {
      const port = await probes.listenTcp(settings.listen.host, settings.listen.port);
      log.info('listening', { address: settings.listen.host, port });
    }
    await orCommandError(plane.start());
    mesh.part?.start();
    await orCommandError(local.listenUnix(settings.socketPath));
    log.info('started', { node: settings.node, roles: [...settings.roles], source: opened.name });
    await aborted(signal);
    log.info('stopping', { why: String(signal.reason) });
  } finally {
    // First of all: until the others know, they wait.
    await l2?.leave();
    await local.close();
    await probes.close();
    await plane.stop();
    await mesh.part?.stop();
    await bgp?.stop(settings.restartGraceMs > 0 ? { kind: 'restart' } : { kind: 'drain', leaveMs: drainMs });
    await store.close();
    await l2?.close();
  }
  return 0;
}

/** What the process is, announces and has given. */
function ownRoutes(plane: ControlPlane, more: () => { readonly uptimeMs: number }): Routes {
  return {
    '/status': () => {
      const { uptimeMs, ...rest } = more();
      const uptimeSeconds = Math.round(uptimeMs / 1000);
      return jsonAnswer({ version: version(), uptimeSeconds, ...plane.status(), ...rest });
    },
    '/announced': () => {
      const node = plane.desired?.node;
      return jsonAnswer(node === undefined ? joinViews([]) : announcedView(plane.snapshot, node));
    },
    '/allocated': () => jsonAnswer(allocatedRows(plane.ipam.all())),
  };
}

/** Metrics, and whether the process lives and is ready. */
function probeServer(plane: ControlPlane, metrics: Metrics, more: () => readonly Sample[]): HttpServer {
  return new HttpServer({
    '/metrics': async () => {
      metrics.state([
        ...plane.samples(),
        ...more(),
        { name: 'herald_build_info', labels: { version: version() }, value: 1 },
        { name: 'herald_resident_memory_bytes', value: process.memoryUsage.rss() },
      ]);
      return textAnswer(await metrics.text());
    },
    '/healthz': () => textAnswer('ok\n'),
    '/readyz': () => (plane.ready ? textAnswer('ok\n') : textAnswer('no pass yet\n', 503)),
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }));
}
