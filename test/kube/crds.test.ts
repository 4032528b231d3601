/** The CustomResourceDefinitions under a real API server: what it takes, refuses, explains and prints. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crds } from '../../src/api/crd.ts';
import { toYaml } from '../../src/directory/yaml.ts';
import { type ApiServer, startApiServer } from '../support/kube/api-server.ts';
import { kubeMissing } from '../support/kube/programs.ts';
import { eventually } from '../support/wait.ts';

const missing = kubeMissing();
const examplesFolder = fileURLToPath(new URL('../../examples/', import.meta.url));
const examples = readdirSync(examplesFolder)
  .filter(name => name !== 'install')
  // Beside the lab's manifests lies its topology, which is none.
  .map(name => (name === 'lab' ? 'lab/manifests' : name));

interface Refused {
  readonly title: string;
  readonly kind: string;
  readonly version?: string;
  readonly spec: unknown;
  /** What kubectl says behind `is invalid: `, or a part of it. */
  readonly said: string;
}

const advertised = (advertisement: object) => ({ advertisements: [advertisement] });
const instance = (fields: object) => ({ bgpInstances: [{ name: 'tor', localASN: 65_000, ...fields }] });
const router = (neighbor: object) => ({ virtualRouters: [{ localASN: 65_000, neighbors: [neighbor] }] });

const refused: readonly Refused[] = [
  {
    title: 'a pool without a spec',
    kind: 'CiliumLoadBalancerIPPool',
    spec: undefined,
    said: 'spec: Required value',
  },
  {
    title: 'no network',
    kind: 'CiliumLoadBalancerIPPool',
    spec: { blocks: [{ cidr: '10.0.0.300/24' }] },
    said: 'spec.blocks[0].cidr in body must be of type cidr: "10.0.0.300/24"',
  },
  {
    title: 'a misspelt field',
    kind: 'CiliumLoadBalancerIPPool',
    spec: { block: [{ cidr: '10.0.0.0/24' }] },
    said: 'unknown field "spec.block"',
  },
  {
    title: 'Service without addresses',
    kind: 'CiliumBGPAdvertisement',
    spec: advertised({ advertisementType: 'Service' }),
    said: 'advertisementType is Service and service is missing; add service with addresses',
  },
  {
    title: 'a type that there is not',
    kind: 'CiliumBGPAdvertisement',
    spec: advertised({ advertisementType: 'Services' }),
    said: 'Unsupported value: "Services": supported values: "PodCIDR", "CiliumPodIPPool", "Service", "Interface"',
  },
  {
    title: 'a negative preference',
    kind: 'CiliumBGPAdvertisement',
    spec: advertised({ advertisementType: 'PodCIDR', attributes: { localPreference: -1 } }),
    said: 'attributes.localPreference in body should be greater than or equal to 0',
  },
  {
    title: 'a keepalive time above the hold time',
    kind: 'CiliumBGPPeerConfig',
    spec: { timers: { holdTimeSeconds: 9, keepAliveTimeSeconds: 30 } },
    said: 'keepAliveTimeSeconds is above holdTimeSeconds; lower it, a third of the hold time is usual',
  },
  {
    title: 'more hops than there can be',
    kind: 'CiliumBGPPeerConfig',
    spec: { ebgpMultihop: 300 },
    said: 'spec.ebgpMultihop in body should be less than or equal to 255',
  },
  {
    title: 'discovery of a gateway of no family',
    kind: 'CiliumBGPClusterConfig',
    spec: instance({ peers: [{ name: 'p', autoDiscovery: { mode: 'DefaultGateway' } }] }),
    said: 'mode is DefaultGateway and defaultGateway is missing; add defaultGateway with addressFamily ipv4 or ipv6',
  },
  {
    title: 'no instance',
    kind: 'CiliumBGPClusterConfig',
    spec: { bgpInstances: [] },
    said: 'spec.bgpInstances in body should have at least 1 items',
  },
  {
    title: 'two instances of one name',
    kind: 'CiliumBGPClusterConfig',
    spec: { bgpInstances: [{ name: 'tor' }, { name: 'tor' }] },
    said: 'spec.bgpInstances[1]: Duplicate value: {"name":"tor"}',
  },
  {
    title: 'a peer by name instead of address',
    kind: 'CiliumBGPClusterConfig',
    spec: instance({ peers: [{ name: 'p', peerASN: 1, peerAddress: 'router.example' }] }),
    said: 'spec.bgpInstances[0].peers[0].peerAddress: Invalid value: "router.example"',
  },
  {
    title: 'an AS number of more than four octets',
    kind: 'CiliumBGPClusterConfig',
    spec: { bgpInstances: [{ name: 'tor', localASN: 4_294_967_296 }] },
    said: 'localASN in body should be less than or equal to 4294967295',
  },
  {
    title: 'a peer that is nowhere',
    kind: 'CiliumBGPNodeConfig',
    spec: instance({ peers: [{ name: 'p' }] }),
    said: 'there is neither peerAddress nor autoDiscovery; add one of them',
  },
  {
    title: 'a router ID that is none',
    kind: 'CiliumBGPNodeConfigOverride',
    spec: { bgpInstances: [{ name: 'tor', routerID: '1.2.3' }] },
    said: 'routerID in body must be of type ipv4: "1.2.3"',
  },
  {
    title: 'a neighbour without a prefix length',
    kind: 'CiliumBGPPeeringPolicy',
    version: 'v2alpha1',
    spec: router({ peerAddress: '10.0.0.1', peerASN: 65_001 }),
    said: 'neighbors[0].peerAddress in body must be of type cidr: "10.0.0.1"',
  },
  {
    title: 'a hold time below three seconds (RFC 4271 §4.2)',
    kind: 'CiliumBGPPeeringPolicy',
    version: 'v2alpha1',
    spec: router({ peerAddress: '10.0.0.1/32', peerASN: 65_001, holdTimeSeconds: 2 }),
    said: 'holdTimeSeconds in body should be greater than or equal to 3',
  },
  {
    title: 'text for a switch',
    kind: 'CiliumL2AnnouncementPolicy',
    version: 'v2alpha1',
    spec: { loadBalancerIPs: 'yes' },
    said: 'spec.loadBalancerIPs in body must be of type boolean: "string"',
  },
  {
    title: 'an operator that there is not',
    kind: 'CiliumL2AnnouncementPolicy',
    version: 'v2alpha1',
    spec: { serviceSelector: { matchExpressions: [{ key: 'a', operator: 'Is' }] } },
    said: 'operator: Unsupported value: "Is": supported values: "In", "NotIn", "Exists", "DoesNotExist"',
  },
];

describe.skipIf(missing !== undefined)(`CRDs under a real API server${missing ? `: skipped, ${missing}` : ''}`, () => {
  let server: ApiServer;
  const all = crds();

  beforeAll(async () => {
    server = await startApiServer();
    server.kubectl(['apply', '-f', '-'], all.map(crd => `---\n${toYaml(crd.object)}`).join(''));
    server.kubectl(['wait', '--for=condition=Established', 'crd', ...all.map(crd => crd.name)]);
    // Served within a second of their being established.
    for (const { name } of all) await eventually(name, () => server.kubectl(['get', name]) !== undefined);
  }, 180_000);
  afterAll(() => server?.stop());

  it('takes them without a warning, and each with a structural schema', () => {
    const { err } = server.admin.tryKubectl(
      ['apply', '-f', '-'],
      all.map(crd => `---\n${toYaml(crd.object)}`).join(''),
    );
    expect(err).toBe('');
    const read = JSON.parse(server.kubectl(['get', 'crd', '-o', 'json'])) as CrdList;
    expect(read.items.map(each => each.metadata.name).sort()).toEqual(all.map(crd => crd.name));
    for (const { metadata, status } of read.items) {
      const bad = status.conditions.filter(
        ({ type, status: is }) => (type === 'NonStructuralSchema') === (is === 'True'),
      );
      expect([metadata.name, bad.filter(each => each.type === 'NonStructuralSchema')]).toEqual([metadata.name, []]);
    }
  });

  it.each(examples)('kubectl applies examples/%s, strictly and without a warning', name => {
    const words = ['apply', '--validate=strict', '-f', `${examplesFolder}${name}`];
    const { status, out, err } = server.admin.tryKubectl(words);
    expect([status, err]).toEqual([0, '']);
    expect(
      out
        .trim()
        .split('\n')
        .every(line => line.endsWith(' created')),
    ).toBe(true);
  });

  it.each(refused)('$kind is refused: $title', ({ kind, version = 'v2', spec, said }) => {
    const object = { apiVersion: `cilium.io/${version}`, kind, metadata: { name: 'bad' }, spec };
    const { status, err } = server.admin.tryKubectl(['create', '-f', '-'], JSON.stringify(object));
    expect(status).not.toBe(0);
    expect(err).toContain(said);
  });

  it.each(
    all.filter(crd => crd.owner === 'herald').map(crd => crd.name),
  )('kubectl explains %s, field by field', name => {
    const out = server.kubectl(['explain', name, '--recursive=false']);
    expect(out).toMatch(/DESCRIPTION:\n {4}\S/);
    const spec = server.kubectl(['explain', `${name.replace(/\..*/, '')}.spec`]);
    const fields = spec
      .slice(spec.indexOf('FIELDS:'))
      .split(/\n(?= {2}\S+\t<)/)
      .slice(1);
    expect(fields.length).toBeGreaterThan(0);
    for (const field of fields) expect(field.trim().split('\n').slice(1).join('').trim()).not.toBe('');
  });

  it('kubectl explains a field in the words of its schema', () => {
    expect(server.kubectl(['explain', 'ippools.spec.blocks.cidr'])).toContain('Host bits do not count');
  });

  it.each([
    ['ippools', 'NAME DISABLED CONFLICTING IPS AVAILABLE AGE'],
    ['bgpp', 'NAME AGE'],
    ['cbgpcluster', 'NAME AGE'],
    ['cbgppeer', 'NAME AGE'],
    ['cbgpadvert', 'NAME AGE'],
    ['cbgpnodeoverride', 'NAME AGE'],
    ['l2announcement', 'NAME AGE'],
  ])('kubectl get %s prints %s (reference §6)', (short, columns) => {
    const [head = ''] = server.kubectl(['get', short]).split('\n');
    expect(head.trim().replace(/\s+/g, ' ')).toBe(columns);
  });

  it('a pool of the old version is served, with a warning that names the new one', () => {
    const pool = { apiVersion: 'cilium.io/v2alpha1', kind: 'CiliumLoadBalancerIPPool', metadata: { name: 'old' } };
    const text = JSON.stringify({ ...pool, spec: { blocks: [{ cidr: '192.0.2.0/28' }] } });
    const { status, err } = server.admin.tryKubectl(['apply', '-f', '-'], text);
    expect([status, err.trim()]).toEqual([
      0,
      'Warning: cilium.io/v2alpha1 CiliumLoadBalancerIPPool is deprecated; use cilium.io/v2',
    ]);
    const stored = JSON.parse(server.kubectl(['get', 'ippool', 'old', '-o', 'json'])) as { apiVersion: string };
    expect(stored.apiVersion).toBe('cilium.io/v2');
  });
});

interface CrdList {
  readonly items: readonly {
    readonly metadata: { readonly name: string };
    readonly status: { readonly conditions: readonly { readonly type: string; readonly status: string }[] };
  }[];
}
