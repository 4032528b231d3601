/**
 * The process that is a lab's cluster: watches the user's manifests and goes on doing what a cluster's controllers do,
 * until it is ended. Started as `node cluster-controller FOLDER`.
 *
 *   manifests, or an API server → Services admitted, pods planned → pods stand → EndpointSlices
 *   statuses, EndpointSlices → service rules on every node
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../runtime/clock.ts';
import { HttpServer, jsonAnswer } from '../runtime/http.ts';
import { createLog } from '../runtime/log.ts';
import { lane, ReconcileLoop } from '../runtime/loop.ts';
import type { Log } from '../runtime/ports.ts';
import { type ClusterDesired, desiredCluster } from './cluster-desired.ts';
import { type ClusterFacts, LabFolder, readFacts } from './cluster-facts.ts';
import { type ClusterObjects, FolderObjects } from './cluster-objects.ts';
import { ApiDoors } from './kube-doors.ts';
import { KubeObjects } from './kube-objects.ts';
import { type Place, placesOf } from './place.ts';
import { podIdentity, podKey } from './pods.ts';
import { PodNetwork } from './pods-network.ts';
import { WebServers } from './web-server.ts';

/** What `/status` on the controller's socket says. */
export interface ControllerStatus {
  /** Everything is as the manifests want it, but for the problems. */
  readonly settled: boolean;
  /** A line each: what does not stand, and why. */
  readonly problems: readonly string[];
}

/** How soon what was changed by hand, or fell over, is put right. */
const resyncMs = 10_000;
const backoffMaxMs = 5000;

class ClusterController {
  readonly #facts: ClusterFacts;
  readonly #objects: ClusterObjects;
  readonly #doors: ApiDoors | undefined;
  readonly #network: PodNetwork;
  readonly #servers: WebServers;
  readonly #loop: ReconcileLoop<ClusterDesired>;
  readonly #status: HttpServer;
  readonly #loaded = new Map<string, string>();
  #last: ClusterDesired | undefined;
  #standing: ReadonlySet<string> = new Set();

  constructor(facts: ClusterFacts, log: Log) {
    const { folder, lab, kube } = facts;
    const env = { clock: systemClock, log };
    const objectsEnv = { ...env, changed: () => this.#loop.wake() };
    this.#facts = facts;
    this.#objects = kube ? new KubeObjects(kube.kubeconfig, objectsEnv) : new FolderObjects(folder, objectsEnv);
    this.#doors = kube && new ApiDoors(kube.port, log);
    this.#network = new PodNetwork(lab, log);
    this.#servers = new WebServers(log);
    const target = <D>(name: string, apply: (part: D) => Promise<void>) => ({ name, apply });
    this.#loop = new ReconcileLoop(
      () => this.#desired(),
      [
        lane(
          target('objects', (part: ClusterDesired) => this.#objects.write(part)),
          each => each,
        ),
        lane(
          target('pods', (part: ClusterDesired) => this.#build(part)),
          each => each,
        ),
        lane(
          target('service rules', (part: ClusterDesired['rules']) => this.#load(part)),
          each => each.rules,
        ),
      ],
      { ...env, random: Math.random, limits: { resyncMs, backoffMaxMs, coalesceMs: 5 } },
    );
    this.#status = new HttpServer({
      '/status': () => jsonAnswer(this.#say()),
      '/objects': () => jsonAnswer([...(this.#last?.applied ?? []), ...(this.#last?.made ?? [])]),
    });
  }

  async start(): Promise<void> {
    await this.#doors?.serve(
      [...this.#places().values()].filter(({ about }) => about['pod'] === undefined && about['role'] !== 'network'),
    );
    await this.#objects.start();
    this.#loop.wake();
    await this.#status.listenUnix(LabFolder.socket(this.#facts.folder, 'controller'));
  }

  async close(): Promise<void> {
    await this.#loop.stop();
    await this.#status.close();
    this.#servers.close();
    this.#doors?.close();
    await this.#objects.close();
  }

  #desired(): ClusterDesired {
    this.#last = desiredCluster({
      facts: this.#facts,
      objects: this.#objects.applied(),
      services: this.#last?.services ?? this.#objects.admitted(),
      planned: this.#last?.plan.pods ?? [],
      standing: this.#standing,
      snapshot: this.#objects.snapshot(),
    });
    return this.#last;
  }

  async #build({ nodes, plan, ports }: ClusterDesired): Promise<void> {
    const places = this.#places();
    const there = nodes.flatMap(node => {
      const place = places.get(node.name);
      return place === undefined ? [] : [{ ...node, place }];
    });
    try {
      await this.#network.apply(there, plan.pods);
    } finally {
      const { standing } = this.#network;
      await this.#servers.serve(
        plan.pods.flatMap(pod => {
          const place = standing.get(podIdentity(pod));
          if (place === undefined) return [];
          const { netns, pid } = place;
          return [{ pod: podKey(pod), node: pod.node, netns, identity: String(pid), ports: ports.get(pod) ?? [] }];
        }),
      );
      this.#stand(new Set(standing.keys()));
    }
  }

  /** EndpointSlices name pods that answer: those that have begun or ceased to change them. */
  #stand(pods: ReadonlySet<string>): void {
    const same = pods.size === this.#standing.size && pods.isSubsetOf(this.#standing);
    this.#standing = pods;
    if (!same) this.#loop.wake();
  }

  async #load(rules: ClusterDesired['rules']): Promise<void> {
    if (this.#facts.kube?.hasProxy) return;
    const places = this.#places();
    for (const [node, text] of rules) {
      const place = places.get(node);
      const state = `${place?.pid} ${text}`;
      if (place === undefined || this.#loaded.get(node) === state) continue;
      const file = join(this.#facts.folder, 'rules', `${node}.nft`);
      mkdirSync(join(this.#facts.folder, 'rules'), { recursive: true });
      writeFileSync(file, text);
      const { status, stderr } = await place.run(['nft', '-f', file]);
      if (status !== 0) throw new Error(`nft on ${node}: ${stderr.trim().split('\n')[0]}`);
      this.#loaded.set(node, state);
    }
  }

  #places(): ReadonlyMap<string, Place> {
    return new Map(placesOf(this.#facts.lab).map(place => [place.name, place]));
  }

  #say(): ControllerStatus {
    const failing = this.#loop
      .status()
      .flatMap(({ target, error }) => (error === undefined ? [] : [`${target}: ${error}`]));
    return { settled: this.#loop.settled, problems: [...failing, ...(this.#last?.plan.pending ?? [])] };
  }
}

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('which lab? its folder is the one argument');
const controller = new ClusterController(readFacts(folder), createLog({ level: 'info', pretty: false }));
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, () => void controller.close().then(() => process.exit(0)));
await controller.start();
