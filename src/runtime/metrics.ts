/**
 * Metrics in Prometheus' text format. Every metric is a row of the table below: names that Cilium has keep Cilium's
 * spelling, so that dashboards move over. Gauges are stated as a whole set after each pass: a series that is not stated
 * again is gone, so nothing is left behind by an object that was deleted.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

interface Row {
  readonly type: 'gauge' | 'counter' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds in seconds, for histograms. */
  readonly buckets?: readonly number[];
}

const passBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

const peerLabels = ['vrouter', 'neighbor', 'neighbor_asn'] as const;

const rows = {
  cilium_operator_lbipam_conflicting_pools_total: row(
    'gauge',
    'Pools whose ranges overlap an older pool or themselves',
  ),
  cilium_operator_lbipam_ips_available_total: row('gauge', 'Addresses a pool can still give', ['pool']),
  cilium_operator_lbipam_ips_used_total: row('gauge', 'Distinct addresses of a pool in use', ['pool']),
  cilium_operator_lbipam_services_matching_total: row('gauge', 'Services that at least one pool selects'),
  cilium_operator_lbipam_services_unsatisfied_total: row('gauge', 'Services that lack an address they asked for'),
  cilium_bgp_control_plane_session_state: row('gauge', '1 while the session is established, else 0', peerLabels),
  cilium_bgp_control_plane_advertised_routes: row('gauge', 'Routes the peer has been told', [
    ...peerLabels,
    'afi',
    'safi',
  ]),
  cilium_bgp_control_plane_received_routes: row('gauge', 'Routes the peer told, whether taken or not', [
    ...peerLabels,
    'afi',
    'safi',
  ]),
  cilium_bgp_control_plane_reconcile_errors_total: row('counter', 'Plans that could not be made true as they are', [
    'vrouter',
  ]),
  cilium_bgp_control_plane_reconcile_run_duration_seconds: {
    ...row('histogram', 'Time to hand a changed plan or changed routes to the speaker', ['vrouter']),
    buckets: passBuckets,
  },
  herald_bgp_change_to_update_seconds: {
    ...row('histogram', 'From a change told by the store to its UPDATEs handed to sockets'),
    buckets: passBuckets,
  },
  herald_l2_addresses: row('gauge', 'Addresses for local networks this node may answer for, by what it does', [
    'state',
  ]),
  herald_l2_refusals: row('gauge', 'Addresses a policy asks this node to answer for and it cannot, by reason', [
    'reason',
  ]),
  herald_l2_holding: row('gauge', '1 while addresses are held because the store is out of reach'),
  herald_l2_hold_silenced_total: row(
    'counter',
    'Times addresses held without the store were not answered for a while',
    ['why'],
  ),
  herald_l2_contradictions: row('gauge', 'Ways in which this host answers or refuses beside Herald, by name', ['name']),
  herald_l2_link_up: row('gauge', '1 for a link that is answered on, by how', ['link', 'datapath']),
  herald_l2_answers: row('gauge', 'Answers given for the addresses owned now, since they are'),
  herald_l2_drops: row('gauge', 'Frames that were not answered since the responder runs, by reason', ['reason']),
  herald_l2_conflicts_total: row('counter', 'Times another station spoke for an address owned here', ['kind']),
  herald_l2_ownership_changes_total: row('counter', 'Leases of addresses taken, released and lost by this node', [
    'change',
  ]),
  herald_l2_unprogrammed_total: row('counter', 'Times addresses were owned and could not be answered for'),
  cilium_clustermesh_remote_clusters: row('gauge', 'Other clusters there is a file for'),
  cilium_clustermesh_remote_cluster_readiness_status: row('gauge', '1 while the cluster is ready', ['target_cluster']),
  cilium_clustermesh_remote_cluster_failures: row('gauge', 'Connections to the cluster that were lost', [
    'target_cluster',
  ]),
  cilium_clustermesh_remote_cluster_nodes: row('gauge', 'Nodes of the cluster', ['target_cluster']),
  herald_mesh_rejected_values: row('gauge', 'Values of the cluster that were refused', ['target_cluster']),
  herald_mesh_routes: row('gauge', 'Pod routes that are wanted'),
  herald_mesh_routes_refused: row('gauge', 'Claims on pod routes that were refused'),
  herald_mesh_overlapping_prefixes: row('gauge', 'PodCIDRs of the cluster that are refused for those of an older one', [
    'target_cluster',
    'older_cluster',
  ]),
  herald_objects: row('gauge', 'Objects in the newest snapshot', ['kind']),
  herald_faulty_objects: row('gauge', 'Objects with faults that refuse them or warn', ['severity']),
  herald_target_failures: row('gauge', 'Failures in a row of a target; 0 when it works', ['target']),
  herald_reconcile_duration_seconds: { ...row('histogram', 'Time to compute one pass'), buckets: passBuckets },
  herald_store_stale_seconds: row('gauge', 'How long the objects have been out of step with the API server'),
  herald_store_dropped_events: row('gauge', 'Events that were not written because there were too many'),
  herald_api_requests_total: row('counter', 'Requests to the API server by its answer; 0: none', ['method', 'code']),
  herald_resident_memory_bytes: row('gauge', 'Resident memory of the process'),
  herald_build_info: row('gauge', 'Always 1; the version is a label', ['version']),
} as const satisfies Record<string, Row>;

export type MetricName = keyof typeof rows;
type NameOf<T extends Row['type']> = { [K in MetricName]: (typeof rows)[K]['type'] extends T ? K : never }[MetricName];

/** One value of a gauge. */
export interface Sample {
  readonly name: NameOf<'gauge'>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #gauges = new Map<string, Gauge>();
  readonly #counters = new Map<string, Counter>();
  readonly #histograms = new Map<string, Histogram>();

  constructor() {
    for (const [name, { type, help, labels, buckets }] of Object.entries<Row>(rows)) {
      const common = { name, help, labelNames: [...labels], registers: [this.#registry] };
      if (type === 'gauge') this.#gauges.set(name, new Gauge(common));
      else if (type === 'counter') this.#counters.set(name, new Counter(common));
      else this.#histograms.set(name, new Histogram({ ...common, buckets: [...(buckets ?? [])] }));
    }
  }

  /** All gauges there are. */
  state(samples: readonly Sample[]): void {
    for (const gauge of this.#gauges.values()) gauge.reset();
    for (const { name, labels, value } of samples) this.#gauges.get(name)?.set({ ...labels }, value);
  }

  observe(name: NameOf<'histogram'>, seconds: number, labels: Readonly<Record<string, string>> = {}): void {
    this.#histograms.get(name)?.observe({ ...labels }, seconds);
  }

  count(name: NameOf<'counter'>, labels: Readonly<Record<string, string>>): void {
    this.#counters.get(name)?.inc({ ...labels });
  }

  /** The text a scraper gets. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }
}

function row(type: 'gauge', help: string, labels?: readonly string[]): Row & { readonly type: 'gauge' };
function row(type: 'counter', help: string, labels?: readonly string[]): Row & { readonly type: 'counter' };
function row(type: 'histogram', help: string, labels?: readonly string[]): Row & { readonly type: 'histogram' };
function row(type: Row['type'], help: string, labels: readonly string[] = []): Row {
  return { type, help, labels };
}
