/**
 * A cluster's objects in a real API server: Services come admitted, with addresses and ports. What a cluster's
 * controllers and kubelets would add (pods, EndpointSlices, statuses of Deployments) is applied on their behalf.
 */
import { readFileSync } from 'node:fs';
import type { RawObject } from '../api/object.ts';
import { parseObject } from '../api/parse.ts';
import { type Snapshot, SnapshotBuilder } from '../api/snapshot.ts';
import { Api, ApiError } from '../kube/api.ts';
import { headOf, keyOf } from '../kube/cache.ts';
import { kubeconfigCredentials } from '../kube/kubeconfig.ts';
import { objectPath, type Resource } from '../kube/paths.ts';
import { Reflector } from '../kube/reflector.ts';
import { IpAddress } from '../net/ip.ts';
import type { ClusterDesired } from './cluster-desired.ts';
import type { ClusterObjects, ObjectsEnv } from './cluster-objects.ts';
import { at, labelsAt, selects, textAt, wholeAt } from './cluster-raw.ts';
import { type Pod, podIdentity } from './pods.ts';

const manager = 'herald-lab';
/** On what the lab makes: nobody else's objects are touched. */
const ours = { 'app.kubernetes.io/managed-by': manager } as const;
/** On what `herald install` makes: the lab itself runs it. */
const heralds = { 'app.kubernetes.io/name': 'herald' } as const;
/** Says what cannot be changed while the pod stands. */
const identityNote = 'herald-lab/identity';

type ResourceName = 'nodes' | 'namespaces' | 'services' | 'pods' | 'endpointslices' | Workload;
type Workload = 'deployments' | 'statefulsets' | 'replicasets' | 'daemonsets';

const core = { apiVersion: 'v1', base: '/api/v1' } as const;
const apps = { apiVersion: 'apps/v1', base: '/apis/apps/v1', isNamespaced: true } as const;
const resources: Readonly<Record<ResourceName, Resource>> = {
  nodes: { ...core, kind: 'Node', plural: 'nodes', isNamespaced: false },
  namespaces: { ...core, kind: 'Namespace', plural: 'namespaces', isNamespaced: false },
  services: { ...core, kind: 'Service', plural: 'services', isNamespaced: true },
  pods: { ...core, kind: 'Pod', plural: 'pods', isNamespaced: true },
  endpointslices: {
    apiVersion: 'discovery.k8s.io/v1',
    base: '/apis/discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    plural: 'endpointslices',
    isNamespaced: true,
  },
  deployments: { ...apps, kind: 'Deployment', plural: 'deployments' },
  statefulsets: { ...apps, kind: 'StatefulSet', plural: 'statefulsets' },
  replicasets: { ...apps, kind: 'ReplicaSet', plural: 'replicasets' },
  daemonsets: { ...apps, kind: 'DaemonSet', plural: 'daemonsets' },
};

/** What the lab makes of a resource, for `#state`. */
interface Made {
  readonly resource: Resource;
  readonly object: RawObject;
  /** Applied beside it; the object itself has none. */
  readonly status?: RawObject;
}

export class KubeObjects implements ClusterObjects {
  readonly #api: Api;
  readonly #reflectors: readonly Reflector[];
  readonly #known = new Map<ResourceName, Map<string, RawObject>>();
  /** What was applied last, by path: with the same again nothing is asked for. */
  readonly #told = new Map<string, string>();
  readonly #changed: () => void;

  /** `kubeconfig` is a path; it may do everything. */
  constructor(kubeconfig: string, { clock, changed }: ObjectsEnv) {
    const document: unknown = JSON.parse(readFileSync(kubeconfig, 'utf8'));
    const credentials = kubeconfigCredentials(kubeconfig, document, clock);
    this.#api = new Api({ credentials, clock, random: Math.random });
    this.#changed = changed;
    this.#reflectors = (Object.keys(resources) as ResourceName[]).map(
      name =>
        new Reflector({
          api: this.#api,
          clock,
          random: Math.random,
          resources: [resources[name]],
          sink: this.#sink(name),
          moved: changed,
        }),
    );
  }

  async start(): Promise<void> {
    const arrived = Promise.withResolvers<void>();
    const look = setInterval(() => {
      if (this.#reflectors.every(({ state }) => state.at === 'watching')) arrived.resolve();
    }, 20);
    for (const each of this.#reflectors) each.start();
    await arrived.promise;
    clearInterval(look);
  }

  applied(): readonly RawObject[] {
    return [...this.#known.values()].flatMap(each =>
      [...each.values()].filter(object => !isOurs(object) && !selects(heralds, labelsAt(object, 'metadata', 'labels'))),
    );
  }

  /** They come as they were admitted. */
  admitted(): readonly RawObject[] {
    return [];
  }

  snapshot(): Snapshot {
    const builder = new SnapshotBuilder();
    for (const name of ['services', 'endpointslices'] as const)
      for (const raw of this.#known.get(name)?.values() ?? []) {
        const parsed = parseObject(raw);
        if (parsed.outcome === 'known') builder.put(parsed.object.kind, parsed.object);
      }
    return builder.snapshot();
  }

  async write(desired: ClusterDesired): Promise<void> {
    const slices = desired.made.filter(each => each['kind'] === 'EndpointSlice');
    const wanted: readonly Made[] = [
      ...desired.standing.map(pod => ({ resource: resources.pods, object: podObject(pod), status: podStatus(pod) })),
      ...slices.map(object => ({ resource: resources.endpointslices, object: marked(object) })),
    ];
    const paths = new Set(wanted.map(({ resource, object }) => pathOf(resource, object)));
    for (const name of ['pods', 'endpointslices'] as const)
      for (const object of [...(this.#known.get(name)?.values() ?? [])]) {
        const path = pathOf(resources[name], object);
        if (isOurs(object) && !paths.has(path)) await this.#remove(path);
      }
    for (const made of wanted) await this.#apply(made);
    for (const name of ['deployments', 'statefulsets', 'replicasets'] as const)
      for (const object of this.#known.get(name)?.values() ?? [])
        if (!selects(heralds, labelsAt(object, 'metadata', 'labels')))
          await this.#tell(pathOf(resources[name], object, '/status'), counted(object, desired.standing));
  }

  async close(): Promise<void> {
    for (const each of this.#reflectors) each.close();
    this.#api.close();
  }

  #sink(name: ResourceName) {
    const known = new Map<string, RawObject>();
    this.#known.set(name, known);
    const { kind, apiVersion } = resources[name];
    return {
      put: (_: Resource, object: RawObject) => {
        // Entries of a list do not say what they are.
        known.set(keyOf(headOf(object)), { ...object, kind, apiVersion });
        this.#changed();
      },
      delete: (_: Resource, object: RawObject) => {
        known.delete(keyOf(headOf(object)));
        this.#changed();
      },
      keepOnly: (keys: ReadonlySet<string>) => {
        for (const key of known.keys()) if (!keys.has(key)) known.delete(key);
        this.#changed();
      },
    };
  }

  async #apply({ resource, object, status }: Made): Promise<void> {
    const path = pathOf(resource, object);
    const before = this.#known.get(resource.plural as ResourceName)?.get(keyOf(headOf(object)));
    if (before === undefined) this.#told.delete(path);
    const isOther = (note: RawObject) => textAt(note, 'metadata', 'annotations', identityNote);
    // Where a pod is cannot be changed.
    if (before !== undefined && isOther(before) !== isOther(object)) await this.#remove(path);
    const isNew = await this.#tell(path, object);
    if (status !== undefined) {
      const whole = { ...head(object), status };
      await this.#tell(pathOf(resource, object, '/status'), whole, isNew);
    }
  }

  /** Server-side apply; true when it was asked for. */
  async #tell(path: string, body: RawObject, again = false): Promise<boolean> {
    const text = JSON.stringify(body);
    if (!again && this.#told.get(path) === text) return false;
    const query = `fieldManager=${manager}&force=true`;
    await this.#api.call('object', {
      method: 'PATCH',
      path: `${path}?${query}`,
      body,
      contentType: 'application/apply-patch+yaml',
    });
    this.#told.set(path, text);
    return true;
  }

  async #remove(path: string): Promise<void> {
    this.#told.delete(path);
    try {
      await this.#api.call('object', { method: 'DELETE', path: `${path}?gracePeriodSeconds=0` });
    } catch (error) {
      if (!(error instanceof ApiError && error.code === 404)) throw error;
    }
  }
}

function pathOf(resource: Resource, object: RawObject, subresource = ''): string {
  return objectPath(resource, { kind: resource.kind, ...headOf(object) }, subresource);
}

function isOurs(object: RawObject): boolean {
  return selects(ours, labelsAt(object, 'metadata', 'labels'));
}

function marked(object: RawObject): RawObject {
  const metadata = at(object, 'metadata');
  const labels = { ...labelsAt(object, 'metadata', 'labels'), ...ours };
  return { ...object, metadata: { ...(typeof metadata === 'object' ? metadata : {}), labels } };
}

function head(object: RawObject): RawObject {
  const { name, namespace } = headOf(object);
  return { apiVersion: object['apiVersion'], kind: object['kind'], metadata: { name, namespace } };
}

/** What a scheduler and a kubelet would have made of the template. */
function podObject(pod: Pod): RawObject {
  const { name, namespace, labels, node, ports } = pod;
  const annotations = { [identityNote]: podIdentity(pod) };
  const container = {
    name: 'web',
    image: 'herald-lab/web-server',
    ports: ports.map(({ port: containerPort, protocol, name: portName }) => ({
      containerPort,
      protocol,
      ...(portName !== '' && { name: portName }),
    })),
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { ...labels, ...ours }, annotations },
    spec: { nodeName: node, containers: [container] },
  };
}

function podStatus({ addresses }: Pod): RawObject {
  const ips = addresses.map(each => ({ ip: IpAddress.format(each) }));
  const isTrue = (type: string) => ({ type, status: 'True' });
  return {
    phase: 'Running',
    ...(ips[0] !== undefined && { podIP: ips[0].ip, podIPs: ips }),
    conditions: ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map(isTrue),
    containerStatuses: [
      {
        name: 'web',
        image: 'herald-lab/web-server',
        imageID: '',
        ready: true,
        restartCount: 0,
        state: { running: {} },
      },
    ],
  };
}

/** How many pods of a workload stand. */
function counted(workload: RawObject, standing: readonly Pod[]): RawObject {
  const selector = labelsAt(workload, 'spec', 'selector', 'matchLabels');
  const { namespace } = headOf(workload);
  const count = standing.filter(pod => pod.namespace === namespace && selects(selector, pod.labels)).length;
  const observedGeneration = wholeAt({ min: 0, max: Number.MAX_SAFE_INTEGER }, workload, 'metadata', 'generation');
  const counts = { replicas: count, readyReplicas: count, availableReplicas: count };
  const updated = workload['kind'] === 'ReplicaSet' ? {} : { updatedReplicas: count };
  return { ...head(workload), status: { ...counts, ...updated, observedGeneration } };
}
