/** parseObject: which answer to what, metadata, unknown fields, and that nothing makes it throw. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type KindName, kinds } from '../../src/api/kinds.ts';
import { parseObject } from '../../src/api/parse.ts';
import { accepted, allFaults, altered, faults, good } from '../support/parsed.ts';

const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'shop' }, spec: {} };
const pool = { apiVersion: 'cilium.io/v2', kind: 'CiliumLoadBalancerIPPool', metadata: { name: 'pool' }, spec: {} };

const faultsMax = 100;

describe('outcomes', () => {
  it.each([null, undefined, 5, 'text', true, [], [service]])('%j is no object', raw => {
    expect(parseObject(raw).outcome).toBe('not-an-object');
  });

  it.each([
    [{}, ['apiVersion', 'kind']],
    [{ kind: 'Service' }, ['apiVersion']],
    [{ apiVersion: 'v1', kind: 5 }, ['kind']],
    [{ apiVersion: null, kind: [] }, ['apiVersion', 'kind']],
  ])('%j does not say what it is', (raw, paths) => {
    expect(parseObject(raw)).toMatchObject({ outcome: 'refused', ref: undefined });
    expect(faults(raw)).toEqual(paths.map(path => `error no-kind ${path}`));
  });

  it.each([
    ['apps/v1', 'Deployment', undefined],
    ['serving.knative.dev/v1', 'Service', undefined],
    ['v1', 'ConfigMap', undefined],
    ['cilium.io/v2', 'CiliumLoadbalancerIpPool', 'CiliumLoadBalancerIPPool'],
    ['cilium.io/v2alpha1', 'CiliumBGPPeeringPolicies', 'CiliumBGPPeeringPolicy'],
    ['cilium.io/v2', 'CiliumNetworkPolicy', undefined],
    ['v1', 'toString', undefined],
    ['v1', '__proto__', undefined],
  ])('%s %s is unknown; %s was meant', (apiVersion, kind, meant) => {
    expect(parseObject({ apiVersion, kind, metadata: 5 })).toEqual({
      outcome: 'unknown-kind',
      apiVersion,
      kind,
      meant,
    });
  });

  it('a version that the kind does not have is refused, and the versions it has are named', () => {
    expect(faults({ ...pool, apiVersion: 'cilium.io/v1' })).toEqual(['error unknown-version apiVersion']);
    expect(allFaults({ ...pool, apiVersion: 'cilium.io/v1' })[0]?.fix).toBe('write cilium.io/v2 or cilium.io/v2alpha1');
    expect(faults({ ...service, apiVersion: 'v2' })).toEqual(['error unknown-version apiVersion']);
  });

  it('a refused object still says who it is, and which generation was read', () => {
    const raw = { ...service, metadata: { name: 'web', namespace: 'shop', generation: 7 }, spec: { type: 'x' } };
    const ref = { kind: 'Service', namespace: 'shop', name: 'web' };
    expect(parseObject(raw)).toMatchObject({ outcome: 'refused', ref, generation: 7 });
    expect(parseObject({ ...raw, metadata: { name: 'web' } })).toMatchObject({ ref: { ...ref, namespace: 'default' } });
    expect(parseObject({ ...pool, spec: 5 })).toMatchObject({ ref: { namespace: '', name: 'pool' } });
    for (const metadata of [undefined, null, 5, [], {}, { name: 5 }, { name: '' }])
      expect(parseObject({ ...raw, metadata })).toMatchObject({ outcome: 'refused', ref: undefined });
  });
});

describe('metadata', () => {
  it('is read once for all kinds', () => {
    const metadata = {
      name: 'web',
      namespace: 'shop',
      uid: 'u1',
      labels: { app: 'web' },
      annotations: { 'example.com/note': 'any text\nat all' },
      creationTimestamp: '2024-05-01T12:00:00Z',
      deletionTimestamp: '2024-06-01T12:00:00Z',
      generation: 3,
      resourceVersion: '12',
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'n', uid: 'u2', controller: true }],
      managedFields: [{}],
    };
    expect(good('Service', { ...service, metadata }).metadata).toEqual({
      name: 'web',
      namespace: 'shop',
      uid: 'u1',
      labels: { app: 'web' },
      annotations: metadata.annotations,
      creationMs: Date.UTC(2024, 4, 1, 12),
      deleting: true,
      generation: 3,
      resourceVersion: '12',
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'n', uid: 'u2' }],
    });
  });

  it('defaults, and nulls as kubectl writes them', () => {
    const metadata = { name: 'web', creationTimestamp: null, labels: null, annotations: null };
    expect(good('Service', { ...service, metadata }).metadata).toEqual({
      name: 'web',
      namespace: 'default',
      uid: '',
      labels: {},
      annotations: {},
      creationMs: 0,
      deleting: false,
      generation: 0,
      resourceVersion: '',
      ownerReferences: [],
    });
  });

  it('a label with nothing behind it is empty, as for kubectl', () => {
    const raw = { ...service, metadata: { name: 'web', labels: { a: null, b: 'x' }, annotations: { c: null } } };
    expect(good('Service', raw).metadata).toMatchObject({ labels: { a: '', b: 'x' }, annotations: { c: '' } });
  });

  it.each([
    ['name', 'Web', 'bad-name', 'metadata.name'],
    ['name', '../../etc/passwd', 'bad-name', 'metadata.name'],
    ['name', 'a/b', 'bad-name', 'metadata.name'],
    ['name', '', 'bad-name', 'metadata.name'],
    ['name', 5, 'wrong-type', 'metadata.name'],
    ['namespace', 'a.b', 'bad-name', 'metadata.namespace'],
    ['namespace', '..', 'bad-name', 'metadata.namespace'],
    ['namespace', 'x'.repeat(64), 'bad-name', 'metadata.namespace'],
    ['labels', { on: true }, 'wrong-type', 'metadata.labels.on'],
    ['labels', { 'a.b/c': 1 }, 'wrong-type', 'metadata.labels["a.b/c"]'],
    ['labels', { a: 'b c' }, 'bad-label', 'metadata.labels.a'],
    ['labels', { 'a b': 'c' }, 'bad-label', 'metadata.labels'],
    ['labels', ['a'], 'wrong-type', 'metadata.labels'],
    ['annotations', { '': 'c' }, 'bad-label', 'metadata.annotations'],
  ])('%s %j refuses the object: %s', (field, value, code, path) => {
    expect(faults(altered(service, `metadata.${field}`, value))).toEqual([`error ${code} ${path}`]);
  });

  it.each([
    ['uid', 5],
    ['generation', -1],
    ['generation', 'x'],
    ['resourceVersion', 12],
    ['creationTimestamp', 12],
    ['creationTimestamp', 'yesterday'],
    ['ownerReferences', 'x'],
  ])('%s %j is the store’s affair: a warning', (field, value) => {
    const raw = altered(service, `metadata.${field}`, value);
    expect(faults(raw)).toHaveLength(1);
    expect(accepted('Service', raw).metadata.name).toBe('web');
  });

  it('a namespace on a kind that belongs to none is ignored, with a warning', () => {
    const raw = altered(pool, 'metadata.namespace', 'shop');
    expect(faults(raw)).toEqual(['warning ignored-field metadata.namespace']);
    expect(accepted('CiliumLoadBalancerIPPool', raw).metadata.namespace).toBe('');
  });
});

describe('unknown fields', () => {
  it.each([
    ['spec.serviceselector', 'spec.serviceselector', 'did you mean serviceSelector?'],
    ['spec.block', 'spec.block', 'did you mean blocks?'],
    ['spec.blocks[0].cird', 'spec.blocks[0].cird', 'did you mean cidr?'],
    ['sepc', 'sepc', 'did you mean spec?'],
    ['spec.x y', 'spec["x y"]', 'remove it'],
    ['spec.colour', 'spec.colour', 'the fields here are blocks'],
  ])('%s is a warning at %s: %s', (path, shown, fix) => {
    const base = altered(pool, 'spec.blocks[0]', { cidr: '10.0.0.0/24' });
    const withBlocks = { ...base, spec: { ...(base as typeof pool).spec, blocks: [{ cidr: '10.0.0.0/24' }] } };
    const raw = altered(withBlocks, path, 'x');
    expect(faults(raw)).toEqual([`warning unknown-field ${shown}`]);
    expect(allFaults(raw)[0]?.fix).toContain(fix);
  });

  it('of the kinds of others are passed over in silence', () => {
    expect(faults(altered(service, 'spec.colour', 'x'))).toEqual([]);
    expect(faults(altered(pool, 'status.colour', 'x'))).toEqual([]);
  });

  it(`no more than ${faultsMax} faults are kept of one object`, () => {
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`f${i}`, 1]));
    const raw = { ...pool, spec: { ...many, blocks: Array(5000).fill({}) } };
    expect(allFaults(raw)).toHaveLength(faultsMax + 1);
    expect(allFaults(raw).at(-1)).toMatchObject({ code: 'too-many-faults' });
    expect(parseObject(raw).outcome).toBe('refused');
  });
});

/** An object of each kind that is right, for the fuzzing below to break. */
const samples: Record<KindName, object> = {
  CiliumBGPAdvertisement: {
    spec: { advertisements: [{ advertisementType: 'Service', service: { addresses: ['ClusterIP'] } }] },
  },
  CiliumBGPClusterConfig: { spec: { bgpInstances: [{ name: 'a', peers: [{ name: 'p', peerAddress: '10.0.0.1' }] }] } },
  CiliumBGPNodeConfig: {
    spec: { bgpInstances: [{ name: 'a', routerID: '10.0.0.1', peers: [{ name: 'p', peerAddress: 'fd00::1' }] }] },
  },
  CiliumBGPNodeConfigOverride: {
    spec: { bgpInstances: [{ name: 'a', peers: [{ name: 'p', localAddress: '10.0.0.1' }] }] },
  },
  CiliumBGPPeerConfig: {
    spec: { timers: { holdTimeSeconds: 9, keepAliveTimeSeconds: 3 }, families: [{ afi: 'ipv4', safi: 'unicast' }] },
  },
  CiliumBGPPeeringPolicy: {
    spec: {
      nodeSelector: { matchLabels: { a: 'b' } },
      virtualRouters: [
        { localASN: 1, neighbors: [{ peerAddress: '10.0.0.1/32', peerASN: 1, holdTime: '9s', keepAliveTime: '3s' }] },
      ],
    },
  },
  CiliumL2AnnouncementPolicy: {
    spec: { interfaces: ['^eth[0-9]+$'], serviceSelector: { matchExpressions: [{ key: 'a', operator: 'Exists' }] } },
  },
  CiliumLoadBalancerIPPool: {
    spec: { blocks: [{ cidr: '10.0.0.0/24' }, { start: '10.1.0.1', stop: '10.1.0.9' }] },
    status: { conditions: [{ type: 'a', status: 'True' }] },
  },
  CiliumNode: { spec: { ipam: { podCIDRs: ['10.0.0.0/24'] } } },
  CiliumPodIPPool: { spec: { ipv4: { cidrs: ['10.0.0.0/16'], maskSize: 24 } } },
  EndpointSlice: {
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'], nodeName: 'n', conditions: { ready: true } }],
  },
  Lease: { spec: { holderIdentity: 'n', renewTime: '2024-05-01T12:00:00Z' } },
  Namespace: {},
  Node: { spec: { podCIDRs: ['10.0.0.0/24'] }, status: { addresses: [{ type: 'InternalIP', address: '10.0.0.1' }] } },
  Secret: { data: { password: 'YQ==' } },
  Service: {
    spec: { type: 'LoadBalancer', ports: [{ port: 80, targetPort: 'web' }] },
    status: { loadBalancer: { ingress: [{ ip: '10.0.0.1' }] } },
  },
};
const sampleOf = (name: KindName) => {
  const { group, versions } = kinds[name];
  return {
    apiVersion: group === '' ? versions[0] : `${group}/${versions[0]}`,
    kind: name,
    metadata: { name: 'x' },
    ...samples[name],
  };
};
const names = Object.keys(samples) as KindName[];

/** Every path into a JSON-like value, innermost last. */
function paths(value: unknown, at: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (typeof value !== 'object' || value === null) return [at];
  return [
    ...(at.length === 0 ? [] : [at]),
    ...Object.entries(value).flatMap(([key, each]) => paths(each, [...at, key])),
  ];
}

function replaced(value: unknown, [step, ...rest]: readonly (string | number)[], by: unknown): unknown {
  if (step === undefined) return by;
  if (Array.isArray(value))
    return value.map((each, i) => (String(i) === String(step) ? replaced(each, rest, by) : each));
  const object = value as Record<string, unknown>;
  return { ...object, [step]: replaced(object[step], rest, by) };
}

describe('nothing makes it throw', () => {
  it.each(names)('%s: the sample is good, and each value in it replaced by anything gives an answer', name => {
    const sample = sampleOf(name);
    good(name, sample);
    const path = fc.constantFrom(...paths(sample));
    const odd = fc.constantFrom(
      'x'.repeat(1 << 20),
      '\u0000',
      '__proto__',
      -0,
      1e308,
      Number.NaN,
      2 ** 53,
      '10.0.0.1/99',
      '%',
      '(',
      '\ud800',
    );
    fc.assert(
      fc.property(
        path,
        fc.oneof(fc.anything({ withNullPrototype: true, withBigInt: true, withMap: true }), odd),
        (at, by) => {
          const parsed = parseObject(replaced(sample, at, by));
          if (parsed.outcome === 'refused') expect(parsed.faults.some(fault => fault.severity === 'error')).toBe(true);
          if (at[0] === 'status') expect(parsed.outcome).toBe('known');
          // What is said about it can be shown: on one line, and short.
          for (const { message, fix, path: where } of 'faults' in parsed ? parsed.faults : [])
            expect(`${where} ${message} ${fix}`).toMatch(/^[^\p{Cc}]{1,900}$/u);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('arbitrary JSON', () => {
    fc.assert(
      fc.property(fc.anything(), raw => void parseObject(raw).outcome),
      { numRuns: 500 },
    );
    const shape = fc.record(
      {
        apiVersion: fc.constantFrom('v1', 'cilium.io/v2'),
        kind: fc.constantFrom(...names),
        metadata: fc.jsonValue(),
        spec: fc.jsonValue(),
        status: fc.jsonValue(),
      },
      { requiredKeys: ['apiVersion', 'kind'] },
    );
    fc.assert(
      fc.property(shape, raw => void parseObject(raw).outcome),
      { numRuns: 1000 },
    );
  });

  it('nesting a hundred thousand deep', () => {
    let deep: unknown = 'x';
    for (let i = 0; i < 100_000; i++) deep = i % 2 === 0 ? [deep] : { spec: deep };
    for (const name of names)
      for (const field of ['metadata', 'spec', 'status', 'data']) parseObject({ ...sampleOf(name), [field]: deep });
    expect(faults(altered(pool, 'spec.serviceSelector', undefined))).toEqual([]);
  });

  it('keys that mean something to JavaScript', () => {
    const raw = JSON.parse(
      '{"apiVersion":"v1","kind":"Service","metadata":{"name":"x","labels":{"__proto__":"y","constructor":"z"}},' +
        '"__proto__":{"spec":{"type":"LoadBalancer"}},"constructor":5}',
    );
    const read = accepted('Service', raw);
    expect(read.spec.type).toBe('ClusterIP');
    expect(read.metadata.labels['constructor']).toBe('z');
    expect(({} as Record<string, unknown>)['y']).toBeUndefined();
    const spec = JSON.parse('{"__proto__":{"disabled":true},"serviceSelector":{"matchLabels":{"__proto__":{"a":1}}}}');
    expect(accepted('CiliumLoadBalancerIPPool', { ...pool, spec }).spec.disabled).toBe(false);
  });

  it('the object is left as it was', () => {
    for (const name of names) {
      const raw = {
        ...sampleOf(name),
        status: { conditions: [5, { type: 'a' }], addresses: [1], loadBalancer: { ingress: [5] } },
      };
      const before = structuredClone(raw);
      parseObject(raw);
      expect(raw).toEqual(before);
    }
  });

  it('parsing twice gives equal values, whatever the order of the keys', () => {
    const turned = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(turned);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([key, each]) => [key, turned(each)]),
      );
    };
    for (const name of names.filter(each => each !== 'Secret'))
      expect(parseObject(turned(sampleOf(name)))).toEqual(parseObject(sampleOf(name)));
  });
});
