/** The mesh as JSON, for `herald mesh` and whoever asks over the socket. */
import { MeshRefusal, meshReasons } from '../mesh/reason.ts';
import type { PodRoutes } from '../mesh/route-table.ts';
import { ClusterOverlap, type PodRoute, PodVia, RouteOrigin, type RouteVerdict } from '../mesh/routing.ts';
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import { jsonAnswer, RequestError, type Routes } from './http.ts';
import type { KernelRoutes } from './kernel-routes.ts';
import type { MeshPeers } from './mesh-peers.ts';
import type { MeshPlane } from './mesh-plane.ts';
import type { SharedState } from './mesh-state.ts';
import type { Sample } from './metrics.ts';

export interface MeshPeerJson {
  readonly cluster: string;
  readonly ready: boolean;
  /** Why not: a code, a sentence and what to change. */
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
  readonly fix?: string | undefined;
  readonly id?: number | undefined;
  readonly nodes: number;
  readonly changed?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly connected: boolean;
  readonly failures: number;
  readonly lastFailure?: string | undefined;
  readonly lastError?: string | undefined;
  readonly etcdId?: string | undefined;
  readonly certificateEnds?: string | undefined;
  readonly rejected: number;
  readonly lastRejection?: string | undefined;
}

export interface MeshStatusJson {
  readonly cluster: string;
  readonly id: number;
  readonly peers: readonly MeshPeerJson[];
  readonly publishing:
    | { readonly unwritten: number; readonly endpoint: string; readonly lastError?: string | undefined }
    | undefined;
  readonly routes: {
    readonly total: number;
    readonly byWay: Readonly<Record<string, number>>;
    readonly refused: number;
    readonly held: boolean;
  };
  readonly kernel:
    | { readonly routes: number; readonly problems: readonly string[]; readonly refusals: readonly string[] }
    | undefined;
  /** `OverlappingPodCIDR`: both clusters named. */
  readonly conditions: readonly { readonly type: string; readonly message: string }[];
}

export interface MeshRouteJson {
  readonly prefix: string;
  readonly via: readonly string[];
  readonly from: readonly string[];
  /** Absent: it is routed. */
  readonly refused?: string | undefined;
  readonly reason?: string | undefined;
  readonly fix?: string | undefined;
}

export interface ShownMesh {
  readonly own: { readonly name: string; readonly id: number };
  readonly plane: MeshPlane;
  readonly peers: MeshPeers | undefined;
  readonly ownState: SharedState | undefined;
  readonly kernel: KernelRoutes | undefined;
}

interface MeasuredMesh {
  readonly plane: { readonly routes: PodRoutes };
  readonly peers: MeshPeers | undefined;
}

export function meshRoutes(mesh: ShownMesh): Routes {
  return {
    '/mesh/status': () => jsonAnswer(statusJson(mesh)),
    '/mesh/routes': query => jsonAnswer(routesJson(mesh, query.get('address'))),
  };
}

export function meshSamples({ plane, peers }: MeasuredMesh): readonly Sample[] {
  const all = peersJson(peers);
  const label = (cluster: string) => ({ target_cluster: cluster });
  return [
    { name: 'cilium_clustermesh_remote_clusters', value: all.length },
    ...all.flatMap((each): Sample[] => [
      {
        name: 'cilium_clustermesh_remote_cluster_readiness_status',
        labels: label(each.cluster),
        value: each.ready ? 1 : 0,
      },
      { name: 'cilium_clustermesh_remote_cluster_failures', labels: label(each.cluster), value: each.failures },
      { name: 'cilium_clustermesh_remote_cluster_nodes', labels: label(each.cluster), value: each.nodes },
      { name: 'herald_mesh_rejected_values', labels: label(each.cluster), value: each.rejected },
    ]),
    { name: 'herald_mesh_routes', value: plane.routes.routes.length },
    { name: 'herald_mesh_routes_refused', value: plane.routes.refused },
    ...plane.routes.overlaps.map(({ younger, older, count }) => ({
      name: 'herald_mesh_overlapping_prefixes' as const,
      labels: { target_cluster: younger, older_cluster: older },
      value: count,
    })),
  ];
}

function statusJson({ own, plane, peers, ownState, kernel }: ShownMesh): MeshStatusJson {
  const { routes, refused, overlaps } = plane.routes;
  const byWay: Record<string, number> = {};
  for (const route of routes) {
    const way = route.vias[0]?.way ?? 'none';
    byWay[way] = (byWay[way] ?? 0) + 1;
  }
  const state = plane.publishing ? ownState?.status() : undefined;
  const seen = kernel?.status();
  return {
    cluster: own.name,
    id: own.id,
    peers: peersJson(peers),
    publishing: state && {
      unwritten: state.unwritten,
      endpoint: state.endpoint,
      lastError: state.connected ? undefined : state.lastError,
    },
    routes: { total: routes.length, byWay, refused, held: plane.held },
    kernel: seen && {
      routes: seen.routes,
      problems: seen.problems,
      refusals: seen.refusals.map(
        ({ what, reason, detail }) => `${what}: ${reason}${detail === '' ? '' : ` (${detail})`}`,
      ),
    },
    conditions: overlaps.map(each => ({ type: 'OverlappingPodCIDR', message: ClusterOverlap.message(each) })),
  };
}

function peersJson(peers: MeshPeers | undefined): readonly MeshPeerJson[] {
  return (peers?.status() ?? []).map((each): MeshPeerJson => {
    const why = each.refusal && {
      reason: each.refusal.reason,
      message: MeshRefusal.format(each.refusal),
      fix: meshReasons[each.refusal.reason].fix,
    };
    if (!('state' in each))
      return { cluster: each.name, ready: false, ...why, nodes: 0, connected: false, failures: 0, rejected: 0 };
    const { state } = each;
    return {
      cluster: each.name,
      ready: each.ready,
      ...why,
      id: each.id,
      nodes: each.nodes,
      changed: time(each.changedMs),
      endpoint: state.endpoint,
      connected: state.connected,
      failures: state.failures,
      lastFailure: time(state.lastFailureMs),
      lastError: state.lastError,
      etcdId: state.clusterId,
      certificateEnds: time(state.certificateEndsMs),
      rejected: each.rejected,
      lastRejection: each.lastRejection && MeshRefusal.format(each.lastRejection),
    };
  });
}

function routesJson({ plane }: ShownMesh, address: string | null): readonly MeshRouteJson[] {
  if (address === null || address === '') return plane.routes.routes.map(routeJson);
  const parsed = IpAddress.parse(address) ?? Prefix.parse(address)?.address;
  if (parsed === undefined) throw new RequestError(400, `'${address}' is no address`);
  return plane.explain(parsed).map(verdictJson);
}

function routeJson({ prefix, vias, origins }: PodRoute): MeshRouteJson {
  return { prefix: Prefix.format(prefix), via: vias.map(PodVia.format), from: origins.map(RouteOrigin.format) };
}

function verdictJson({ prefix, origin, outcome }: RouteVerdict): MeshRouteJson {
  const head = { prefix: Prefix.format(prefix), from: [RouteOrigin.format(origin)] };
  if (!('reason' in outcome)) return { ...head, via: outcome.map(PodVia.format) };
  return {
    ...head,
    via: [],
    reason: outcome.reason,
    refused: MeshRefusal.format(outcome),
    fix: meshReasons[outcome.reason].fix,
  };
}

function time(wallMs: number | undefined): string | undefined {
  return wallMs === undefined ? undefined : new Date(wallMs).toISOString().replace(/\.\d+/, '');
}
