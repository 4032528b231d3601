/**
 * Where a Service's endpoints are: its EndpointSlices merged (IPv4 and IPv6 ones are separate objects; one local
 * endpoint in any of them counts for all addresses). Reference §2.4.
 */
import type { Endpoint, EndpointSlice } from '../api/endpoint-slice.ts';
import type { Snapshot } from '../api/snapshot.ts';
import { IpAddress } from '../net/ip.ts';
import { forEachChange, serviceKeyOf } from './changes.ts';

export interface Backends {
  /** Nodes with an endpoint that is ready and not on its way out, ascending. */
  readonly nodes: readonly string[];
  /** Whether there is such an endpoint anywhere. */
  readonly any: boolean;
  /**
   * Gateway and Ingress Services carry a stand-in endpoint: the proxy is on every node, so every node counts as local.
   */
  readonly everywhere: boolean;
}

const noBackends: Backends = { nodes: [], any: false, everywhere: false };

export const Backends = {
  /** Whether a Local traffic policy may send traffic to this node. */
  on(backends: Backends, node: string): boolean {
    return backends.everywhere || backends.nodes.includes(node);
  },
};

/** 192.192.192.192, port 9999, on no node: what Cilium writes as the endpoint of a Service that its proxy serves. */
const standInAddress = IpAddress.parse('192.192.192.192');
const standInPort = 9999;

/** Endpoints by Service, kept up to date by what changed among the slices. */
export class BackendIndex {
  #slices: readonly EndpointSlice[] = [];
  readonly #byService = new Map<string, readonly EndpointSlice[]>();
  readonly #merged = new Map<string, Backends>();

  update(snapshot: Snapshot): void {
    const slices = snapshot.list('EndpointSlice');
    forEachChange(this.#slices, slices, (before, after) => {
      if (before?.serviceName !== undefined) this.#remove(serviceKeyOf(before), before);
      if (after?.serviceName !== undefined) this.#add(serviceKeyOf(after), after);
    });
    this.#slices = slices;
  }

  get(serviceKey: string): Backends {
    const known = this.#merged.get(serviceKey);
    if (known !== undefined) return known;
    const slices = this.#byService.get(serviceKey);
    const merged = slices === undefined ? noBackends : mergeSlices(slices);
    this.#merged.set(serviceKey, merged);
    return merged;
  }

  #add(key: string, slice: EndpointSlice): void {
    const slices = this.#byService.get(key);
    this.#byService.set(key, slices === undefined ? [slice] : [...slices, slice]);
    this.#merged.delete(key);
  }

  #remove(key: string, slice: EndpointSlice): void {
    const left = this.#byService.get(key)?.filter(each => each !== slice) ?? [];
    if (left.length === 0) this.#byService.delete(key);
    else this.#byService.set(key, left);
    this.#merged.delete(key);
  }
}

function mergeSlices(slices: Iterable<EndpointSlice>): Backends {
  const nodes = new Set<string>();
  let any = false;
  let everywhere = false;
  for (const slice of slices) {
    for (const endpoint of slice.endpoints) {
      if (!endpoint.ready || endpoint.terminating) continue;
      any = true;
      if (endpoint.nodeName !== undefined) nodes.add(endpoint.nodeName);
      else everywhere ||= isStandIn(endpoint, slice);
    }
  }
  return { nodes: [...nodes].sort(), any, everywhere };
}

function isStandIn(endpoint: Endpoint, slice: EndpointSlice): boolean {
  return (
    slice.ports.some(({ port }) => port === standInPort) &&
    endpoint.addresses.some(address => standInAddress !== undefined && IpAddress.equals(address, standInAddress))
  );
}
