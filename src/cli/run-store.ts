/** The store a process works with: a folder of manifests, or a Kubernetes API. Each is loaded only where it is used. */
import { mkdirSync, readFileSync } from 'node:fs';
import { readPlain } from '../directory/plain.ts';
import type { Metrics, Sample } from '../runtime/metrics.ts';
import type { Clock, Log, Store } from '../runtime/ports.ts';
import { CommandError } from './command.ts';
import type { RunSettings, Source } from './run-options.ts';

/** A store, with what people may ask about it. */
export interface OpenedStore {
  readonly store: Store;
  /** For the log. */
  readonly name: string;
  /** Where leases are. */
  readonly leaseNamespace: string;
  /** For `/status`. */
  readonly status: () => Readonly<Record<string, unknown>>;
  readonly samples: () => readonly Sample[];
}

export interface StoreEnv {
  readonly settings: RunSettings;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Not started yet. Rejects when nothing says where the Kubernetes API is, or who we are to it. */
export async function openStore(env: StoreEnv): Promise<OpenedStore> {
  const { source } = env.settings;
  return await (source.kind === 'manifests' ? openFolder(source.dir, env) : openKubernetes(source, env));
}

async function openFolder(manifestsDir: string, { settings, clock, log }: StoreEnv): Promise<OpenedStore> {
  const { DirectoryStore } = await import('../directory/store.ts');
  const store = new DirectoryStore({ manifestsDir, stateDir: settings.stateDir, clock, log });
  const { leaseNamespace } = settings.control;
  const status = () => ({ problems: store.problems() });
  return { store, name: manifestsDir, leaseNamespace, status, samples: () => [] };
}

async function openKubernetes(
  { kubeconfig, namespace }: Extract<Source, { kind: 'kubernetes' }>,
  { settings, clock, log, metrics }: StoreEnv,
): Promise<OpenedStore> {
  // For the socket that other commands ask at.
  mkdirSync(settings.stateDir, { recursive: true });
  const { KubeStore } = await import('../kube/store.ts');
  const credentials = kubeconfig === undefined ? await ofPod(clock) : await ofFile(kubeconfig, clock);
  const ofThePod = kubeconfig === undefined ? credentials.namespace : undefined;
  const leaseNamespace = namespace ?? ofThePod ?? settings.control.leaseNamespace;
  const store = new KubeStore({
    credentials,
    clock,
    log,
    roles: settings.roles,
    random: Math.random,
    place: {
      node: settings.node,
      namespace: leaseNamespace,
      secretsNamespace: settings.control.secretsNamespace,
    },
    observe: (method, code) => metrics.count('herald_api_requests_total', { method, code: String(code) }),
  });
  return {
    store,
    name: credentials.server.origin,
    leaseNamespace,
    status: () => ({ problems: [], apiServer: { url: credentials.server.origin, ...store.health() } }),
    samples: () => {
      const { staleMs, droppedEvents } = store.health();
      return [
        { name: 'herald_store_stale_seconds', value: staleMs / 1000 },
        { name: 'herald_store_dropped_events', value: droppedEvents },
      ];
    },
  };
}

async function ofPod(clock: Clock) {
  const { podCredentials } = await import('../kube/credentials.ts');
  return podCredentials(process.env, clock);
}

async function ofFile(path: string, clock: Clock) {
  const { kubeconfigCredentials } = await import('../kube/kubeconfig.ts');
  return kubeconfigCredentials(path, await readYaml(path), clock);
}

/** Kubeconfigs as kubectl writes them are read without the large reader. */
async function readYaml(path: string): Promise<unknown> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new CommandError(`${path} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
  if (text.trimStart().startsWith('{')) return JSON.parse(text);
  const plain = readPlain(text);
  if (plain !== undefined) return plain.value;
  const { parseYaml } = await import('../directory/yaml.ts');
  return parseYaml(text);
}
