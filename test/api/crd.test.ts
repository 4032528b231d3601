/** The CustomResourceDefinitions: what the API server accepts, what users see in kubectl, what is in the repository. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { crds } from '../../src/api/crd.ts';
import { kinds } from '../../src/api/kinds.ts';
import { crds as command } from '../../src/cli/crds.ts';
import { parseYaml } from '../../src/directory/yaml.ts';
import { schemaFaults } from '../support/structural-schema.ts';

type Version = {
  name: string;
  served: boolean;
  storage: boolean;
  deprecated?: boolean;
  subresources: { status?: object };
  additionalPrinterColumns: { name: string; jsonPath: string }[];
  schema: { openAPIV3Schema: { properties: Record<string, never> } & Record<string, unknown> };
};
type Spec = { group: string; scope: string; names: Record<string, string & string[]>; versions: Version[] };

const all = crds().map(crd => ({ ...crd, spec: crd.object['spec'] as Spec }));
const spec = (kind: string): Spec => {
  const found = all.find(crd => crd.spec.names['kind'] === kind);
  if (found === undefined) throw new Error(`no CRD for ${kind}`);
  return found.spec;
};
const field = (kind: string, path: string, version = 0): Record<string, unknown> => {
  let node: unknown = spec(kind).versions[version]?.schema.openAPIV3Schema;
  for (const step of path.split('.')) {
    const { properties, items } = node as { properties?: Record<string, unknown>; items?: unknown };
    node = step === '[]' ? items : properties?.[step];
    if (node === undefined) throw new Error(`${kind} has no ${path}: stopped at ${step}`);
  }
  return node as Record<string, unknown>;
};

describe('CustomResourceDefinitions', () => {
  it.each(all.map(crd => [crd.name, crd] as const))('%s is structural in every version', (_, crd) => {
    expect(crd.spec.versions.flatMap(version => schemaFaults(version.schema.openAPIV3Schema))).toEqual([]);
  });

  it.each(all.map(crd => [crd.name, crd] as const))('%s has one stored version, and one schema for all', (_, {
    spec,
    name,
  }) => {
    expect(name).toBe(`${spec.names['plural']}.${spec.group}`);
    expect(spec.versions.filter(version => version.storage)).toHaveLength(1);
    expect(spec.versions.every(version => version.served)).toBe(true);
    expect(new Set(spec.versions.map(version => JSON.stringify(version.schema))).size).toBe(1);
    expect(spec.versions.slice(1).every(version => version.deprecated)).toBe(true);
  });

  it('every field says what it is for', () => {
    const silent: string[] = [];
    const walk = (node: Record<string, unknown>, path: string) => {
      if (node['description'] === undefined && !path.endsWith('.metadata') && !path.endsWith('*')) silent.push(path);
      const { properties = {}, items, additionalProperties } = node as Record<string, Record<string, never>>;
      for (const [name, each] of Object.entries(properties)) walk(each, `${path}.${name}`);
      if (items !== undefined) walk(items, `${path}[]`);
      if (additionalProperties !== undefined) walk(additionalProperties, `${path}.*`);
    };
    for (const { name, spec } of all) walk(spec.versions[0]?.schema.openAPIV3Schema ?? {}, name);
    expect(silent).toEqual([]);
  });

  it('kinds of Cilium keep the fields we do not know', () => {
    for (const { spec } of all.filter(each => each.owner === 'cilium'))
      expect(spec.versions[0]?.schema.openAPIV3Schema['x-kubernetes-preserve-unknown-fields']).toBe(true);
  });

  it('core kinds have none', () => {
    const core = Object.values(kinds).filter(kind => kind.group !== 'cilium.io');
    expect(core.map(kind => kind.crd)).toEqual(core.map(() => undefined));
  });
});

describe('names and columns', () => {
  const both = 'v2,v2alpha1';
  it.each([
    ['CiliumBGPAdvertisement', 'herald', 'ciliumbgpadvertisements', 'cbgpadvert', 'cilium,ciliumbgp', both],
    ['CiliumBGPClusterConfig', 'herald', 'ciliumbgpclusterconfigs', 'cbgpcluster', 'cilium,ciliumbgp', both],
    [
      'CiliumBGPNodeConfigOverride',
      'herald',
      'ciliumbgpnodeconfigoverrides',
      'cbgpnodeoverride',
      'cilium,ciliumbgp',
      both,
    ],
    ['CiliumBGPNodeConfig', 'herald', 'ciliumbgpnodeconfigs', 'cbgpnode', 'cilium,ciliumbgp', both],
    ['CiliumBGPPeerConfig', 'herald', 'ciliumbgppeerconfigs', 'cbgppeer', 'cilium,ciliumbgp', both],
    ['CiliumBGPPeeringPolicy', 'herald', 'ciliumbgppeeringpolicies', 'bgpp', 'cilium,ciliumbgp', 'v2alpha1'],
    ['CiliumL2AnnouncementPolicy', 'herald', 'ciliuml2announcementpolicies', 'l2announcement', 'cilium', 'v2alpha1'],
    [
      'CiliumLoadBalancerIPPool',
      'herald',
      'ciliumloadbalancerippools',
      'ippools,ippool,lbippool,lbippools',
      'cilium',
      both,
    ],
    ['CiliumNode', 'cilium', 'ciliumnodes', 'cn,ciliumn', 'cilium', 'v2'],
    ['CiliumPodIPPool', 'cilium', 'ciliumpodippools', 'cpip', 'cilium', 'v2alpha1,v2'],
  ])('§1: %s is of %s, named %s (%s), in %s, version %s', (kind, owner, plural, shortNames, categories, versions) => {
    const { names, scope, versions: served } = spec(kind);
    expect(all.find(crd => crd.spec.names['kind'] === kind)?.owner).toBe(owner);
    expect([scope, names['plural'], `${names['shortNames']}`, `${names['categories']}`]).toEqual([
      'Cluster',
      plural,
      shortNames,
      categories,
    ]);
    expect(served.map(version => version.name).join()).toBe(versions);
  });

  it('there are no others', () => {
    expect(all).toHaveLength(10);
  });

  it('§1.3: the columns of kubectl get ippools', () => {
    const columns = spec('CiliumLoadBalancerIPPool').versions[0]?.additionalPrinterColumns.map(each => [
      each.name,
      each.jsonPath,
    ]);
    expect(columns).toEqual([
      ['Disabled', '.spec.disabled'],
      ['Conflicting', '.status.conditions[?(@.type=="cilium.io/PoolConflict")].status'],
      ['IPs Available', '.status.conditions[?(@.type=="cilium.io/IPsAvailable")].message'],
      ['Age', '.metadata.creationTimestamp'],
    ]);
  });

  it('every kind of ours has a status with conditions, merged by type', () => {
    for (const { owner, spec } of all.filter(each => each.owner === 'herald')) {
      expect(owner).toBe('herald');
      expect(spec.versions.every(version => version.subresources.status !== undefined)).toBe(true);
      expect(field(spec.names['kind'] ?? '', 'status.conditions')['x-kubernetes-list-map-keys']).toEqual(['type']);
    }
  });
});

describe('fields and rules', () => {
  it.each([
    ['CiliumBGPPeeringPolicy', 'spec.virtualRouters', { minItems: 1 }],
    ['CiliumBGPPeeringPolicy', 'spec.virtualRouters.[].localASN', { minimum: 0, maximum: 4294967295, format: 'int64' }],
    ['CiliumBGPPeeringPolicy', 'spec.virtualRouters.[].serviceAdvertisements', { default: ['LoadBalancerIP'] }],
    ['CiliumBGPPeeringPolicy', 'spec.virtualRouters.[].neighbors', { minItems: 1 }],
    ['CiliumBGPPeeringPolicy', 'spec.virtualRouters.[].neighbors.[].peerAddress', { format: 'cidr' }],
    [
      'CiliumBGPPeeringPolicy',
      'spec.virtualRouters.[].neighbors.[].holdTimeSeconds',
      { minimum: 3, maximum: 65535, format: 'int32' },
    ],
    ['CiliumBGPPeeringPolicy', 'spec.virtualRouters.[].neighbors.[].holdTime', { type: 'string' }],
    [
      'CiliumBGPClusterConfig',
      'spec.bgpInstances',
      { minItems: 1, maxItems: 16, 'x-kubernetes-list-map-keys': ['name'] },
    ],
    ['CiliumBGPClusterConfig', 'spec.bgpInstances.[].peers', { 'x-kubernetes-list-map-keys': ['name'] }],
    ['CiliumBGPClusterConfig', 'spec.bgpInstances.[].peers.[].peerASN', { default: 0, minimum: 0 }],
    ['CiliumBGPPeerConfig', 'spec.timers.holdTimeSeconds', { default: 90, minimum: 3 }],
    ['CiliumBGPAdvertisement', 'spec.advertisements.[].service.aggregationLengthIPv6', { minimum: 0, maximum: 127 }],
    ['CiliumLoadBalancerIPPool', 'spec.allowFirstLastIPs', { enum: ['Yes', 'No'] }],
    ['CiliumLoadBalancerIPPool', 'spec.disabled', { default: false }],
  ])('§1: %s %s', (kind, path, wanted) => {
    expect(field(kind, path)).toMatchObject(wanted);
  });

  it.each([
    ['CiliumBGPPeerConfig', 'spec.timers', ['self.keepAliveTimeSeconds <= self.holdTimeSeconds']],
    [
      'CiliumBGPAdvertisement',
      'spec.advertisements.[]',
      [
        "self.advertisementType != 'Service' || has(self.service)",
        "self.advertisementType != 'Interface' || has(self.interface)",
        "self.advertisementType != 'PodCIDR' || !has(self.selector)",
      ],
    ],
    [
      'CiliumBGPClusterConfig',
      'spec.bgpInstances.[].peers.[].autoDiscovery',
      [
        "self.mode != 'DefaultGateway' || has(self.defaultGateway)",
        "self.mode != 'Unnumbered' || has(self.unnumbered)",
      ],
    ],
  ])('§1.4: CEL of %s %s', (kind, path, rules) => {
    const validations = field(kind, path)['x-kubernetes-validations'] as { rule: string }[];
    expect(validations.map(each => each.rule)).toEqual(rules);
  });
});

describe('crds/', () => {
  const folder = new URL('../../crds/', import.meta.url);
  const written = readdirSync(folder).sort();
  const run = async (...words: string[]) => {
    let out = '';
    const print = (text: string) => {
      out += text;
    };
    const streams = { out: print, err: () => {}, isTerminal: false, width: 80 };
    expect(await command.run(words, streams, new AbortController().signal)).toBe(0);
    return out;
  };

  it('is what `npm run crds` writes', async () => {
    const fresh = mkdtempSync(join(tmpdir(), 'herald-crds-'));
    try {
      await run('--write', fresh);
      expect(written).toEqual(readdirSync(fresh).sort());
      for (const file of written)
        expect(readFileSync(new URL(file, folder), 'utf8')).toBe(readFileSync(join(fresh, file), 'utf8'));
    } finally {
      rmSync(fresh, { recursive: true });
    }
  });

  it('as a stream of documents reads back as it was, and quotes what YAML 1.1 would take for a boolean', async () => {
    const stream = await run('--all');
    const documents = stream.split(/^---\n/m).filter(text => text !== '');
    expect(documents.map(parseYaml)).toEqual(all.map(crd => crd.object));
    expect(stream.match(/^\s*- (Yes|No|yes|no|on|off|y|n)$/gim) ?? []).toEqual([]);
    expect(stream).toContain('- "Yes"');
    expect((await run()).match(/^---$/gm)).toHaveLength(written.length);
  });
});

describe('the structural schema checker', () => {
  const string = { type: 'string' };
  it.each([
    ['a field without a type', { type: 'object', properties: { a: { description: 'x' } } }, 'has no type'],
    ['$ref', { type: 'object', properties: { a: { ...string, $ref: '#/x' } } }, '$ref is not allowed'],
    ['anyOf', { type: 'object', anyOf: [] }, 'anyOf is not allowed'],
    ['additionalProperties: false', { type: 'object', additionalProperties: false }, 'must be a schema'],
    [
      'properties and additionalProperties',
      { type: 'object', properties: {}, additionalProperties: string },
      'has both',
    ],
    ['a list without items', { type: 'array' }, 'has no items'],
    ['a required field that is not there', { type: 'object', properties: {}, required: ['a'] }, 'requires a'],
    ['a default out of range', { type: 'integer', default: 9, maximum: 8 }, 'default 9 is out of range'],
    ['a default of the wrong type', { type: 'string', default: 9 }, 'default is integer'],
    ['a default of unknown fields', { type: 'object', properties: {}, default: { a: 1 } }, 'a is unknown'],
    [
      'a map key that may be absent',
      {
        type: 'array',
        items: { type: 'object', properties: { a: string } },
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['a'],
      },
      'may be absent',
    ],
    [
      'a rule over a field that may be absent',
      {
        type: 'object',
        properties: { a: string },
        'x-kubernetes-validations': [{ rule: "self.a != ''", message: 'm' }],
      },
      'reads a, which may be absent',
    ],
    [
      'a rule over a field that does not exist',
      { type: 'object', properties: {}, 'x-kubernetes-validations': [{ rule: 'has(self.b)', message: 'm' }] },
      'reads b, which does not exist',
    ],
    [
      'restricted metadata',
      { type: 'object', properties: { metadata: { type: 'object', required: ['name'] } } },
      'plain object',
    ],
  ])('finds %s', (_, schema, text) => {
    expect(schemaFaults(schema).join('\n')).toContain(text);
  });
});
