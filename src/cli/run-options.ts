/** The options of `herald run`, and what they mean to the control plane. */
import { hostname } from 'node:os';
import { type IpamSettings, ipamDefaults } from '../control/ipam-claims.ts';
import { type ControlSettings, controlDefaults, type PodIpam } from '../control/settings.ts';
import { type Role, roles } from '../runtime/control-plane.ts';
import { logLevels } from '../runtime/log.ts';
import { defaultStateDir, socketName } from './client.ts';
import { durationOption, type Options, type OptionValues, UsageError } from './command.ts';
import { type L2Choices, l2Choices, l2Options } from './l2-options.ts';
import { type MeshSettings, meshOptions, meshSettings } from './mesh-options.ts';

const podIpams = [
  'kubernetes',
  'cluster-pool',
  'multi-pool',
  'cluster-pool-v2beta',
] as const satisfies readonly PodIpam[];
const serviceIpams = ['lbipam', 'nodeipam', 'none'] as const satisfies readonly IpamSettings['defaultLBServiceIPAM'][];

export const runOptions = {
  manifests: {
    type: 'string',
    value: 'DIR',
    about: 'folder of YAML or JSON manifests, watched with all that is below it',
  },
  kubeconfig: {
    type: 'string',
    value: 'PATH|in-cluster',
    about:
      'work with a Kubernetes API instead of manifests: by a kubeconfig, or as the pod this runs in (default there)',
  },
  namespace: {
    type: 'string',
    value: 'NAME',
    about: 'with a Kubernetes API: where leases are kept (default: POD_NAMESPACE, else the pod’s, else kube-system)',
  },
  state: {
    type: 'string',
    default: defaultStateDir,
    value: 'DIR',
    about: 'where statuses, leases and allocations are kept',
  },
  node: {
    type: 'string',
    value: 'NAME',
    about: 'the node whose agent this is (default: NODE_NAME of the environment, else this host’s name)',
  },
  roles: {
    type: 'string',
    default: roles.join(','),
    value: 'ROLES',
    about: 'operator allocates for the cluster, agent acts for the node',
  },
  once: {
    type: 'boolean',
    about: 'say what would be allocated and announced, for every node, and end; touches no network',
  },
  output: {
    type: 'string',
    short: 'o',
    oneOf: ['table', 'json'],
    default: 'table',
    value: 'FORMAT',
    about: 'of what --once says',
  },
  socket: {
    type: 'string',
    value: 'PATH',
    about: `unix socket for other commands (default: ${socketName} in the state folder)`,
  },
  listen: {
    type: 'string',
    default: '127.0.0.1:9879',
    value: 'ADDRESS:PORT',
    about: 'serves /metrics, /healthz and /readyz; `off` does not',
  },
  'log-level': {
    type: 'string',
    oneOf: logLevels,
    default: 'info',
    value: 'LEVEL',
    about: 'least level that is written',
  },
  'restart-grace': {
    type: 'string',
    default: '0s',
    value: 'DURATION',
    about: 'SIGTERM is the beginning of a restart this long: BGP peers keep the routes; 0s drains the node instead',
  },
  'strict-policy-conflicts': {
    type: 'boolean',
    about: 'two peering policies on a node withdraw everything there, as in Cilium',
  },
  'enable-no-service-endpoints-routable': {
    type: 'string',
    oneOf: ['true', 'false'],
    default: 'true',
    value: 'BOOL',
    about: 'announce Services that have no endpoints',
  },
  ipam: {
    type: 'string',
    oneOf: podIpams,
    default: controlDefaults.ipam,
    value: 'MODE',
    about: 'who hands out pod addresses: says which PodCIDRs are the node’s',
  },
  'default-lb-service-ipam': {
    type: 'string',
    oneOf: serviceIpams,
    default: ipamDefaults.defaultLBServiceIPAM,
    value: 'WHO',
    about: 'who serves a LoadBalancer Service without a class',
  },
  'bgp-secrets-namespace': {
    type: 'string',
    default: controlDefaults.secretsNamespace,
    value: 'NAMESPACE',
    about: 'where the Secrets with BGP passwords are',
  },
  ...l2Options,
  ...meshOptions,
} as const satisfies Options;

/** What a process works with: a folder of manifests, or a Kubernetes API. */
export type Source =
  | { readonly kind: 'manifests'; readonly dir: string }
  /** `kubeconfig` undefined: as the pod this runs in. `namespace` undefined: the pod's. */
  | { readonly kind: 'kubernetes'; readonly kubeconfig: string | undefined; readonly namespace: string | undefined };

export interface RunSettings {
  readonly source: Source;
  readonly stateDir: string;
  readonly socketPath: string;
  /** Undefined: not at all. */
  readonly listen: { readonly host: string; readonly port: number } | undefined;
  readonly roles: ReadonlySet<Role>;
  readonly node: string;
  /** False: nobody said, it is this host's name. */
  readonly nodeIsNamed: boolean;
  /** The end of the process is the beginning of a restart that takes no longer; 0: it is the end. */
  readonly restartGraceMs: number;
  readonly control: ControlSettings;
  readonly ipam: IpamSettings;
  readonly l2: L2Choices;
  /** Undefined: there is none. */
  readonly mesh: MeshSettings | undefined;
}

export function runSettings(options: OptionValues<typeof runOptions>): RunSettings {
  const mesh = meshSettings(options);
  return {
    source: sourceOf(options),
    stateDir: options.state,
    socketPath: options.socket ?? `${options.state}/${socketName}`,
    listen: options.listen === 'off' ? undefined : parseListen(options.listen),
    roles: parseRoles(options.roles),
    node: options.node ?? process.env['NODE_NAME'] ?? hostname(),
    nodeIsNamed: (options.node ?? process.env['NODE_NAME']) !== undefined,
    restartGraceMs: durationOption('restart-grace', options['restart-grace']),
    control: {
      ...controlDefaults,
      strictPolicyConflicts: options['strict-policy-conflicts'],
      noServiceEndpointsRoutable: options['enable-no-service-endpoints-routable'] === 'true',
      ipam: podIpams.find(each => each === options.ipam) ?? controlDefaults.ipam,
      secretsNamespace: options['bgp-secrets-namespace'],
      podImport: mesh?.import ?? controlDefaults.podImport,
    },
    ipam: {
      ...ipamDefaults,
      defaultLBServiceIPAM:
        serviceIpams.find(each => each === options['default-lb-service-ipam']) ?? ipamDefaults.defaultLBServiceIPAM,
    },
    l2: l2Choices(options),
    mesh,
  };
}

function sourceOf({ manifests, kubeconfig, namespace, once }: OptionValues<typeof runOptions>): Source {
  if (manifests !== undefined && kubeconfig !== undefined)
    throw new UsageError('--manifests and --kubeconfig are two sources; give one');
  if (manifests !== undefined) return { kind: 'manifests', dir: manifests };
  if (once) throw new UsageError('--once works on manifests; name their folder with --manifests');
  if (kubeconfig === undefined && process.env['KUBERNETES_SERVICE_HOST'] === undefined)
    throw new UsageError('which objects? name a folder with --manifests, or a Kubernetes API with --kubeconfig');
  return {
    kind: 'kubernetes',
    kubeconfig: kubeconfig === 'in-cluster' ? undefined : kubeconfig,
    namespace: namespace ?? (process.env['POD_NAMESPACE'] || undefined),
  };
}

function parseRoles(text: string): ReadonlySet<Role> {
  const named = text.split(',').map(word => {
    const role = roles.find(each => each === word.trim());
    if (role === undefined) throw new UsageError(`--roles takes ${roles.join(', ')}, not '${word}'`);
    return role;
  });
  return new Set(named);
}

/** `127.0.0.1:9879`, `[::1]:9879`, `:9879`. */
function parseListen(text: string): { host: string; port: number } {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^:]*)):([0-9]{1,5})$/.exec(text);
  const port = Number(parts?.[3]);
  if (parts === null || port > 65_535) throw new UsageError(`--listen takes ADDRESS:PORT or off, not '${text}'`);
  return { host: parts[1] ?? (parts[2] || '::'), port };
}
