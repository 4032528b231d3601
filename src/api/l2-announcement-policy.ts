/** CiliumL2AnnouncementPolicy (cilium.io/v2alpha1): which addresses nodes answer for. Reference §1.2. */
import { conditionStatus, flag, list, object, readConditions, text } from './fields.ts';
import { ageColumn, defineKind } from './kind.ts';
import type { Notes } from './notes.ts';
import { shorten } from './notes.ts';
import type { Condition, ObjectMeta } from './object.ts';
import { re2Fault } from './re2-syntax.ts';
import { LabelSelector } from './selector.ts';
import { labelSelector, readSelector } from './selector-field.ts';

export interface CiliumL2AnnouncementPolicy {
  readonly kind: 'CiliumL2AnnouncementPolicy';
  readonly metadata: ObjectMeta;
  readonly spec: {
    /** Absent means all nodes. */
    readonly nodeSelector: LabelSelector;
    /** Absent means all services. */
    readonly serviceSelector: LabelSelector;
    /** RE2 expressions, unanchored, any of which may match; none means every interface. */
    readonly interfaces: readonly string[];
    readonly externalIPs: boolean;
    readonly loadBalancerIPs: boolean;
  };
  readonly status: { readonly conditions: readonly Condition[] };
}

const body = object('Which addresses of Services are answered for on the local networks, and by which nodes.', {
  spec: object('Which Services, nodes, interfaces and addresses.', {
    nodeSelector: labelSelector('Nodes that may answer. Absent means all.'),
    serviceSelector: labelSelector(
      'Services whose addresses are announced, by their labels and by io.kubernetes.service.namespace and ' +
        'io.kubernetes.service.name. Absent means all.',
    ),
    interfaces: list(
      'Regular expressions (RE2); an interface whose name matches any of them is announced on. They match anywhere ' +
        'in the name: write ^eth0$ for eth0 alone. Absent means every interface.',
      text('A regular expression.'),
    ).default([]),
    externalIPs: flag('Announce spec.externalIPs.').default(false),
    loadBalancerIPs: flag('Announce the addresses in status.loadBalancer.').default(false),
  }).prefault({}),
});

export const l2AnnouncementPolicyKind = defineKind({
  kind: 'CiliumL2AnnouncementPolicy',
  group: 'cilium.io',
  versions: ['v2alpha1'],
  plural: 'ciliuml2announcementpolicies',
  scope: 'Cluster',
  crd: {
    owner: 'herald',
    about: 'Announces addresses of Services on the local networks, with ARP and neighbour discovery.',
    shortNames: ['l2announcement'],
    categories: ['cilium'],
    columns: [ageColumn],
  },
  body,
  status: conditionStatus,
  codes: {
    'spec.nodeSelector': 'bad-node-selector',
    'spec.serviceSelector': 'bad-service-selector',
    'spec.interfaces': 'bad-interface-regex',
  },
  read: ({ body: { spec }, status, metadata, notes }): CiliumL2AnnouncementPolicy => ({
    kind: 'CiliumL2AnnouncementPolicy',
    metadata,
    spec: {
      nodeSelector: readSelector(spec.nodeSelector, 'spec.nodeSelector', LabelSelector.everything, notes),
      serviceSelector: readSelector(spec.serviceSelector, 'spec.serviceSelector', LabelSelector.everything, notes),
      interfaces: readInterfaces(spec.interfaces, notes),
      externalIPs: spec.externalIPs,
      loadBalancerIPs: spec.loadBalancerIPs,
    },
    status: { conditions: readConditions(status.conditions) },
  }),
});

function readInterfaces(expressions: readonly string[], notes: Notes): readonly string[] {
  for (const [i, expression] of expressions.entries()) {
    const fault = re2Fault(expression);
    if (fault === undefined) continue;
    const fix = 'write an RE2 expression such as ^eth[0-9]+$';
    notes.error('bad-interface-regex', `spec.interfaces[${i}]`, `'${shorten(expression)}' ${fault}`, fix);
  }
  return expressions;
}
