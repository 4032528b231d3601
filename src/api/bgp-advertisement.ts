/** CiliumBGPAdvertisement (cilium.io/v2, v2alpha1): what peers are told, with which attributes. Reference §1.4. */
import type { z } from 'zod';
import {
  attributeFields,
  type PathAttributes,
  readAttributes,
  type ServiceAddressType,
  serviceAddressTypes,
} from './bgp-attributes.ts';
import { conditionStatus, list, name, object, oneOf, type Rule, readConditions, whole } from './fields.ts';
import { ageColumn, defineKind } from './kind.ts';
import type { Notes } from './notes.ts';
import type { Condition, ObjectMeta } from './object.ts';
import { LabelSelector } from './selector.ts';
import { labelSelector, readSelector } from './selector-field.ts';

export type Advertisement = { readonly attributes: PathAttributes } & (
  | { readonly advertisementType: 'PodCIDR' }
  | { readonly advertisementType: 'CiliumPodIPPool'; readonly selector: LabelSelector }
  | {
      readonly advertisementType: 'Service';
      /** Absent means none. */
      readonly selector: LabelSelector;
      readonly addresses: readonly ServiceAddressType[];
      readonly aggregationLengthIPv4: number | undefined;
      readonly aggregationLengthIPv6: number | undefined;
    }
  | { readonly advertisementType: 'Interface'; readonly interface: string }
);

export interface CiliumBGPAdvertisement {
  readonly kind: 'CiliumBGPAdvertisement';
  readonly metadata: ObjectMeta;
  readonly spec: { readonly advertisements: readonly Advertisement[] };
  readonly status: { readonly conditions: readonly Condition[] };
}

const fields = {
  advertisementType: oneOf('What is announced.', ['PodCIDR', 'CiliumPodIPPool', 'Service', 'Interface']),
  service: object('Which addresses of Services; for type Service.', {
    addresses: list('The addresses.', oneOf('A kind of address.', serviceAddressTypes), { min: 1 }),
    aggregationLengthIPv4: whole(
      'Announce the prefix of this length that holds an address in its place.',
      0,
      31,
    ).optional(),
    aggregationLengthIPv6: whole(
      'Announce the prefix of this length that holds an address in its place.',
      0,
      127,
    ).optional(),
  }).optional(),
  interface: object('Which link; for type Interface.', { name: name('Its addresses are announced.') }).optional(),
  selector: labelSelector('Which Services or pod pools. Absent means none. Not for type PodCIDR.'),
  attributes: object('Attributes of the routes.', attributeFields).optional(),
};

const rules: readonly Rule<z.output<z.ZodObject<typeof fields>>>[] = [
  {
    code: 'no-service-block',
    cel: "self.advertisementType != 'Service' || has(self.service)",
    holds: each => each.advertisementType !== 'Service' || each.service !== undefined,
    message: 'advertisementType is Service and service is missing',
    fix: 'add service with addresses',
  },
  {
    code: 'no-interface-block',
    cel: "self.advertisementType != 'Interface' || has(self.interface)",
    holds: each => each.advertisementType !== 'Interface' || each.interface !== undefined,
    message: 'advertisementType is Interface and interface is missing',
    fix: 'add interface with the name of the link',
  },
  {
    code: 'selector-forbidden',
    cel: "self.advertisementType != 'PodCIDR' || !has(self.selector)",
    holds: each => each.advertisementType !== 'PodCIDR' || each.selector === undefined,
    message: 'advertisementType is PodCIDR, which takes no selector',
    fix: 'remove selector',
    field: 'selector',
  },
];

const body = object('What BGP peers are told.', {
  spec: object('The announcements.', {
    advertisements: list(
      'What is announced, with which attributes.',
      object('One kind of announcement.', fields, rules),
    ),
  }),
});

export const bgpAdvertisementKind = defineKind({
  kind: 'CiliumBGPAdvertisement',
  group: 'cilium.io',
  versions: ['v2', 'v2alpha1'],
  plural: 'ciliumbgpadvertisements',
  scope: 'Cluster',
  crd: {
    owner: 'herald',
    about: 'What BGP peers are told. Peer configurations choose among these by label.',
    shortNames: ['cbgpadvert'],
    categories: ['cilium', 'ciliumbgp'],
    columns: [ageColumn],
  },
  body,
  status: conditionStatus,
  read: ({ body: { spec }, status, metadata, notes }): CiliumBGPAdvertisement => ({
    kind: 'CiliumBGPAdvertisement',
    metadata,
    spec: {
      advertisements: spec.advertisements.flatMap((each, i) => readOne(each, `spec.advertisements[${i}]`, notes) ?? []),
    },
    status: { conditions: readConditions(status.conditions) },
  }),
});

/** Undefined only for what a rule has refused before. */
function readOne(raw: z.output<z.ZodObject<typeof fields>>, path: string, notes: Notes): Advertisement | undefined {
  const { advertisementType } = raw;
  const attributes = readAttributes(raw.attributes ?? {});
  const selector = readSelector(raw.selector, `${path}.selector`, LabelSelector.nothing, notes);
  switch (advertisementType) {
    case 'PodCIDR':
      return { advertisementType, attributes };
    case 'CiliumPodIPPool':
      return { advertisementType, attributes, selector };
    case 'Interface':
      return raw.interface && { advertisementType, attributes, interface: raw.interface.name };
    case 'Service': {
      if (raw.service === undefined) return undefined;
      const { addresses, aggregationLengthIPv4, aggregationLengthIPv6 } = raw.service;
      return { advertisementType, attributes, selector, addresses, aggregationLengthIPv4, aggregationLengthIPv6 };
    }
  }
}
