/** What a cluster would make in a lab: Node objects, pods, ClusterIPs, EndpointSlices, and Herald in its places. */
import type { LabParts } from './lab-parts.ts';

/**
 * Starts the cluster's part: a controller that goes on after this process, Herald's operator and its agents. What it
 * gives are lines that name what does not stand and why; empty when all does.
 */
export async function startCluster(parts: LabParts): Promise<readonly string[]> {
  throw new Error(`lab ${parts.name}: not here yet`);
}
