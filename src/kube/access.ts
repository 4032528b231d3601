/**
 * Which role touches what of the API, as tables: what it lists and watches, with the selectors that keep from it what
 * it does not need, and what it writes. The store reads and writes by them; the roles that an installation grants
 * follow from them (RBAC: accessRules).
 */
import { type KindName, kinds } from '../api/kinds.ts';
import type { Role } from '../runtime/control-plane.ts';

/** Where the control plane lives, and whose agent this is. */
export interface Place {
  readonly node: string;
  /** Of the leases. */
  readonly namespace: string;
  /** Of the Secrets with BGP passwords. */
  readonly secretsNamespace: string;
}

/** Objects of one kind that are watched. */
export interface Interest {
  readonly kind: KindName;
  /** Undefined: of all namespaces, or of a cluster-scoped kind. */
  readonly namespace?: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  /** That they are there is all that matters: nothing of what is in them is fetched. */
  readonly metadataOnly?: true;
  /** Objects of other names are passed over unread. */
  readonly prefixes?: readonly string[];
  /** A snapshot shows all of a list or nothing of it: every one is a prefix of all writes to the kind. */
  readonly whole?: true;
}

type Scope = (place: Place) => Omit<Interest, 'kind'>;
const all: Scope = () => ({});
const ownNode: Scope = ({ node }) => ({ fieldSelector: `metadata.name=${node}` });

/** Types of Secrets that hold no password of a peer, and may be large or many. */
const otherSecrets = [
  'helm.sh/release.v1',
  'kubernetes.io/service-account-token',
  'kubernetes.io/dockerconfigjson',
  'kubernetes.io/tls',
  'bootstrap.kubernetes.io/token',
];
const secrets: Scope = ({ secretsNamespace }) => ({
  namespace: secretsNamespace,
  fieldSelector: otherSecrets.map(type => `type!=${type}`).join(','),
});
/** The operator says when a Secret is missing; passwords are none of its business. */
const secretNames: Scope = place => ({ ...secrets(place), metadataOnly: true });

/**
 * Who owns which address, and who is alive: one says nothing without the other, so that a half of a list would mislead.
 * Other people's leases beside them change every other second.
 */
const leasePrefixes = ['herald-', 'cilium-l2announce-'] as const;
const leases: Scope = ({ namespace }) => ({ namespace, prefixes: leasePrefixes, whole: true });

/** Backends of headless Services are nobody's here: such a Service has no address of its own. */
const slices: Scope = () => ({ labelSelector: '!service.kubernetes.io/headless' });

const reads: { readonly [K in KindName]?: { readonly [R in Role]?: Scope } } = {
  CiliumBGPAdvertisement: { operator: all, agent: all },
  CiliumBGPClusterConfig: { operator: all },
  CiliumBGPNodeConfig: { operator: all, agent: ownNode },
  CiliumBGPNodeConfigOverride: { operator: all },
  CiliumBGPPeerConfig: { operator: all, agent: all },
  CiliumBGPPeeringPolicy: { operator: all, agent: all },
  CiliumL2AnnouncementPolicy: { operator: all, agent: all },
  CiliumLoadBalancerIPPool: { operator: all, agent: all },
  CiliumNode: { operator: all, agent: all },
  CiliumPodIPPool: { agent: all },
  EndpointSlice: { agent: slices },
  Lease: { agent: leases },
  Node: { operator: all, agent: all },
  Secret: { operator: secretNames, agent: secrets },
  Service: { operator: all, agent: all },
};

const reported = [
  'CiliumBGPAdvertisement',
  'CiliumBGPClusterConfig',
  'CiliumBGPNodeConfig',
  'CiliumBGPNodeConfigOverride',
  'CiliumBGPPeerConfig',
  'CiliumBGPPeeringPolicy',
  'CiliumL2AnnouncementPolicy',
] as const satisfies readonly KindName[];

/** Kinds whose status a role states. */
const statuses: { readonly [R in Role]: readonly KindName[] } = {
  operator: [...reported, 'CiliumLoadBalancerIPPool', 'Service'],
  agent: ['CiliumBGPNodeConfig', 'Service'],
};

/** What a role does to objects of its own. Leases are a role's own business: leadership, ownership. */
const objects: { readonly [R in Role]: readonly OwnObjects[] } = {
  operator: [
    { kind: 'CiliumBGPNodeConfig', verbs: ['get', 'create', 'update', 'delete'] },
    // Nobody can be confined to a name in what he creates.
    { kind: 'Lease', verbs: ['create'] },
    { kind: 'Lease', verbs: ['list', 'watch', 'update'], names: ['herald-operator', 'herald-mesh'] },
  ],
  agent: [{ kind: 'Lease', verbs: ['create', 'update', 'delete'] }],
};
interface OwnObjects {
  readonly kind: KindName;
  readonly verbs: readonly string[];
  readonly names?: readonly string[];
}

/** One entry for each kind, as wide as the widest of the roles needs it. */
export function interestsOf(roles: ReadonlySet<Role>, place: Place): readonly Interest[] {
  const names = Object.keys(reads) as KindName[];
  return names.flatMap((kind): Interest[] => {
    const scopes = [...roles].flatMap(role => reads[kind]?.[role]?.(place) ?? []);
    const widest =
      scopes.find(scope => Object.keys(scope).length === 0) ?? scopes.find(scope => !scope.metadataOnly) ?? scopes[0];
    return widest === undefined ? [] : [{ kind, ...widest }];
  });
}

/** Kinds whose status any of the roles states. */
export function statusKinds(roles: ReadonlySet<Role>): ReadonlySet<KindName> {
  return new Set([...roles].flatMap(role => statuses[role]));
}

/** What a role must be allowed to do (rbac.authorization.k8s.io/v1 PolicyRule), and where. */
export interface AccessRule {
  readonly group: string;
  readonly resource: string;
  readonly verbs: readonly string[];
  /** Undefined: in all of them, or of a cluster-scoped kind. */
  readonly namespace: string | undefined;
  /** Absent: of any name. */
  readonly names?: readonly string[];
}

/** Sorted by group, resource and namespace; the least that the role works with. */
export function accessRules(role: Role, place: Place): readonly AccessRule[] {
  const rules = interestsOf(new Set([role]), place).map(({ kind, namespace }) =>
    rule(kind, '', ['list', 'watch'], namespace),
  );
  for (const kind of statuses[role]) rules.push(rule(kind, '/status', ['patch'], undefined));
  for (const { kind, verbs, names } of objects[role]) {
    const granted = rule(kind, '', verbs, kind === 'Lease' ? place.namespace : undefined);
    rules.push(names === undefined ? granted : { ...granted, names });
  }
  // Events about cluster-scoped objects are in `default`, others beside their object.
  rules.push({ group: 'events.k8s.io', resource: 'events', verbs: ['create', 'patch'], namespace: undefined });
  const crds = { group: 'apiextensions.k8s.io', resource: 'customresourcedefinitions', namespace: undefined };
  rules.push({ ...crds, verbs: ['list', 'watch'] });
  return merged(rules);
}

function rule(
  kind: KindName,
  subresource: string,
  verbs: readonly string[],
  namespace: string | undefined,
): AccessRule {
  const { group, plural } = kinds[kind];
  return { group, resource: `${plural}${subresource}`, verbs, namespace };
}

function merged(rules: readonly AccessRule[]): readonly AccessRule[] {
  const byPlace = new Map<string, AccessRule>();
  for (const each of rules) {
    const key = `${each.group}/${each.resource}/${each.namespace ?? ''}/${each.names?.join() ?? ''}`;
    const verbs = new Set([...(byPlace.get(key)?.verbs ?? []), ...each.verbs]);
    byPlace.set(key, { ...each, verbs: [...verbs].sort() });
  }
  return [...byPlace].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}
