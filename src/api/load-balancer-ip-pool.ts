/** CiliumLoadBalancerIPPool (cilium.io/v2, v2alpha1): addresses for Services. Reference §1.3. */
import type { z } from 'zod';
import type { Prefix } from '../net/prefix.ts';
import { Range } from '../net/range.ts';
import { cidrText, conditionStatus, flag, ipTextOrNone, list, object, oneOf, readConditions } from './fields.ts';
import { ageColumn, defineKind } from './kind.ts';
import type { Notes } from './notes.ts';
import type { Condition, ObjectMeta } from './object.ts';
import { LabelSelector } from './selector.ts';
import { labelSelector, readSelector } from './selector-field.ts';
import { readAddress, readPrefix } from './value-field.ts';

/** `prefix` is there when the block was written as a CIDR; only then can first and last addresses be held back. */
interface PoolBlock {
  readonly range: Range;
  readonly prefix: Prefix | undefined;
}

export interface CiliumLoadBalancerIPPool {
  readonly kind: 'CiliumLoadBalancerIPPool';
  readonly metadata: ObjectMeta;
  readonly spec: {
    readonly blocks: readonly PoolBlock[];
    /** Absent means all services. */
    readonly serviceSelector: LabelSelector;
    readonly allowFirstLastIPs: boolean;
    readonly disabled: boolean;
  };
  readonly status: { readonly conditions: readonly Condition[] };
}

const block = object('A run of addresses: a cidr, or start and stop.', {
  cidr: cidrText(
    'All addresses of this network. Host bits do not count: 192.168.1.200/28 is 192.168.1.192 to .207.',
  ).optional(),
  start: ipTextOrNone('The first address.').optional(),
  stop: ipTextOrNone('The last address; only start when absent.').optional(),
});

const body = object('Addresses that Services of type LoadBalancer are given.', {
  spec: object('Which addresses, and for which Services.', {
    blocks: list('The addresses of the pool.', block).default([]),
    cidrs: list(
      'Old spelling of blocks, taken together with them.',
      object('A network.', { cidr: cidrText('All addresses of this network.') }),
    ).default([]),
    serviceSelector: labelSelector(
      'Services that may get addresses from here, by their labels and by io.kubernetes.service.namespace and ' +
        'io.kubernetes.service.name. Absent means all.',
    ),
    allowFirstLastIPs: oneOf(
      'No holds back the first and the last address of every cidr with more than two. Absent means Yes.',
      ['Yes', 'No'],
    ).optional(),
    disabled: flag('True stops new allocations; addresses already given stay.').default(false),
  }),
});

export const loadBalancerIpPoolKind = defineKind({
  kind: 'CiliumLoadBalancerIPPool',
  group: 'cilium.io',
  versions: ['v2', 'v2alpha1'],
  plural: 'ciliumloadbalancerippools',
  scope: 'Cluster',
  crd: {
    owner: 'herald',
    about: 'Addresses for Services of type LoadBalancer.',
    shortNames: ['ippools', 'ippool', 'lbippool', 'lbippools'],
    categories: ['cilium'],
    columns: [
      { name: 'Disabled', type: 'boolean', jsonPath: '.spec.disabled' },
      conditionColumn('Conflicting', 'cilium.io/PoolConflict', 'status'),
      conditionColumn('IPs Available', 'cilium.io/IPsAvailable', 'message'),
      ageColumn,
    ],
  },
  body,
  status: conditionStatus,
  read: ({ body: { spec }, status, metadata, notes }): CiliumLoadBalancerIPPool => ({
    kind: 'CiliumLoadBalancerIPPool',
    metadata,
    spec: {
      blocks: [
        ...spec.blocks.flatMap((each, i) => readBlock(each, `spec.blocks[${i}]`, notes) ?? []),
        ...spec.cidrs.flatMap(({ cidr }, i) => ofPrefix(readPrefix(cidr, `spec.cidrs[${i}].cidr`, notes)) ?? []),
      ],
      serviceSelector: readSelector(spec.serviceSelector, 'spec.serviceSelector', LabelSelector.everything, notes),
      allowFirstLastIPs: spec.allowFirstLastIPs !== 'No',
      disabled: spec.disabled,
    },
    status: { conditions: readConditions(status.conditions) },
  }),
});

function conditionColumn(name: string, type: string, field: 'status' | 'message') {
  return { name, type: 'string', jsonPath: `.status.conditions[?(@.type=="${type}")].${field}` } as const;
}

function readBlock(raw: z.output<typeof block>, path: string, notes: Notes): PoolBlock | undefined {
  const { cidr = '', start = '', stop = '' } = raw;
  if (cidr !== '') {
    if (start !== '' || stop !== '')
      notes.warn('block-both', path, 'has a cidr, so start and stop are ignored', 'keep the cidr, or start and stop');
    return ofPrefix(readPrefix(cidr, `${path}.cidr`, notes));
  }
  if (start === '') {
    notes.error('block-empty', path, 'has no cidr and no start', 'write a cidr, or start and stop');
    return undefined;
  }
  const first = readAddress(start, `${path}.start`, notes);
  const last = stop === '' ? first : readAddress(stop, `${path}.stop`, notes);
  if (first === undefined || last === undefined) return undefined;
  const range = Range.of(first, last);
  if (range !== undefined) return { range, prefix: undefined };
  if (first.family !== last.family)
    notes.error(
      'range-families',
      path,
      'start and stop are of different families',
      'write both as IPv4 or both as IPv6',
    );
  else notes.error('range-reversed', path, `start ${start} is above stop ${stop}`, 'swap them');
  return undefined;
}

function ofPrefix(prefix: Prefix | undefined): PoolBlock | undefined {
  return prefix && { range: Range.ofPrefix(prefix), prefix };
}
