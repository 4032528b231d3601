/** What stands when places, links and routers do: what the cluster's part of a lab is started with. */
import type { Place } from './place.ts';
import type { Cluster, Topology } from './topology.ts';

export interface LabParts {
  /** The lab's name. Whatever runs for it carries `HERALD_LAB=name` in its environment, and is ended by `down`. */
  readonly name: string;
  /** `/run/herald-lab/NAME`: the same in every place, written to by all, removed by `down`. */
  readonly folder: string;
  readonly topology: Topology;
  readonly cluster: Cluster | undefined;
  /** By node name: the topology's nodes (bridges too) and the cluster's. */
  readonly places: ReadonlyMap<string, Place>;
  /** Paths of `--manifests`, absolute. */
  readonly manifests: readonly string[];
  /** Objects are in a real API server: applied with kubectl, and read there. */
  readonly kube: boolean;
  readonly signal: AbortSignal;
  /** For people who wait: what is being done. */
  say(line: string): void;
}
