/** Node (v1), with the virtual-router annotations of the first BGP API (reference §1.1.6). */
import type { z } from 'zod';
import { IpAddress } from '../net/ip.ts';
import type { Prefix } from '../net/prefix.ts';
import { conditions, flag, list, maxUint32, object, text } from './fields.ts';
import { defineKind } from './kind.ts';
import { formatPath, type Notes, shorten } from './notes.ts';
import type { ObjectMeta } from './object.ts';
import { readPrefixes } from './value-field.ts';

export interface NodeAddress {
  /** InternalIP, ExternalIP; host names are left out. */
  readonly type: string;
  readonly address: IpAddress;
}

/** Annotation `cilium.io/bgp-virtual-router.<localASN>`. */
export interface VirtualRouterAnnotation {
  readonly localASN: number;
  /** IPv4. Absent means the node's IPv4 InternalIP. */
  readonly routerID: IpAddress | undefined;
  /** Absent means the speaker does not listen. */
  readonly localPort: number | undefined;
}

export interface Node {
  readonly kind: 'Node';
  readonly metadata: ObjectMeta;
  readonly spec: {
    readonly podCIDRs: readonly Prefix[];
    /** Cordoned. */
    readonly unschedulable: boolean;
  };
  readonly status: {
    readonly addresses: readonly NodeAddress[];
    /** Condition Ready; undefined when nobody has said. */
    readonly ready: boolean | undefined;
  };
  /** One per annotation that could be read. */
  readonly virtualRouters: readonly VirtualRouterAnnotation[];
  /** What is wrong with the others, in words: BGP on this node stays as it was while there are any (§2.1.3). */
  readonly virtualRouterErrors: readonly string[];
}

const body = object('A Node.', {
  spec: object('What is wanted of it.', {
    podCIDR: text('Old spelling of podCIDRs.').optional(),
    podCIDRs: list('Its networks for pods.', text('A network.')).optional(),
    unschedulable: flag('Cordoned.').default(false),
  }).prefault({}),
});

const status = object('What it is.', {
  addresses: list(
    'Its addresses.',
    object('An address.', { type: text('Its type.'), address: text('The address.') }),
  ).default([]),
  conditions,
});

export const nodeKind = defineKind({
  kind: 'Node',
  group: '',
  versions: ['v1'],
  plural: 'nodes',
  scope: 'Cluster',
  body,
  status,
  read: ({ body: { spec }, status, metadata, notes }): Node => {
    const ready = status.conditions?.find(each => each.type === 'Ready');
    const { routers, errors } = readVirtualRouters(metadata.annotations, notes);
    return {
      kind: 'Node',
      metadata,
      spec: { podCIDRs: readPodCIDRs(spec, notes), unschedulable: spec.unschedulable },
      status: { addresses: readNodeAddresses(status.addresses), ready: ready && ready.status === 'True' },
      virtualRouters: routers,
      virtualRouterErrors: errors,
    };
  },
});

function readPodCIDRs({ podCIDRs = [], podCIDR = '' }: z.output<typeof body>['spec'], notes: Notes): readonly Prefix[] {
  const texts = podCIDRs.length > 0 ? podCIDRs : podCIDR === '' ? [] : [podCIDR];
  return readPrefixes(texts, 'spec.podCIDRs', notes);
}

function readNodeAddresses(raw: z.output<typeof status>['addresses']): readonly NodeAddress[] {
  return raw.flatMap(({ type, address }) => {
    const parsed = IpAddress.parse(address);
    return parsed === undefined ? [] : [{ type, address: parsed }];
  });
}

const annotationPrefix = 'cilium.io/bgp-virtual-router.';

/** Warnings, not errors: a mistake here must not take away the node itself, which matters to more than BGP. */
function readVirtualRouters(annotations: ObjectMeta['annotations'], notes: Notes) {
  const routers: VirtualRouterAnnotation[] = [];
  const errors: string[] = [];
  for (const key of Object.keys(annotations)
    .filter(each => each.startsWith(annotationPrefix))
    .sort()) {
    const read = readVirtualRouter(key.slice(annotationPrefix.length), annotations[key] ?? '');
    for (const error of read.errors) {
      errors.push(`annotation ${key}: ${error}`);
      const fix = 'write a comma list of router-id=<IPv4 address> and local-port=<port>';
      notes.warn('bad-virtual-router-annotation', formatPath(['metadata', 'annotations', key]), error, fix);
    }
    if (read.router !== undefined) routers.push(read.router);
  }
  return { routers, errors };
}

/** Reference §1.1.6: the last of several wins, unknown keys and what is no pair are passed over. */
function readVirtualRouter(asnText: string, value: string) {
  const errors: string[] = [];
  const localASN = /^[0-9]{1,10}$/.test(asnText) ? Number(asnText) : Number.NaN;
  if (!(localASN <= maxUint32)) errors.push(`'${shorten(asnText)}' is no AS number`);
  const pairs = new Map<string, string>();
  for (const each of value.split(',')) {
    const [key = '', text, more] = each.split('=', 3);
    if (text !== undefined && more === undefined) pairs.set(key.trim(), text.trim());
  }
  const idText = pairs.get('router-id');
  const routerID = idText === undefined ? undefined : IpAddress.parse(idText);
  if (idText !== undefined && (routerID?.family !== 'ipv4' || IpAddress.isUnspecified(routerID)))
    errors.push(`router-id '${shorten(idText)}' is no IPv4 address`);
  const portText = pairs.get('local-port');
  const localPort = portText === undefined ? undefined : Number(portText);
  if (portText !== undefined && !(/^[0-9]{1,5}$/.test(portText) && Number(portText) <= 65535))
    errors.push(`local-port '${shorten(portText)}' is no port`);
  return { errors, router: errors.length > 0 ? undefined : { localASN, routerID, localPort } };
}
