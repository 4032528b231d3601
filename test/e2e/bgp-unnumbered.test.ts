/** A peer found on its link, one found as the IPv6 default gateway; two instances; resets that must be, no others. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Manifest } from '../support/herald-run.ts';
import { eventually } from '../support/wait.ts';
import {
  addresses,
  frrAsn,
  gobgpAsn,
  holds,
  type Lab,
  labMissing,
  node,
  nodeAsn,
  podPrefixes,
  pool,
  prefixesOf,
  service,
  startLab,
} from './lab.ts';

const missing = labMissing();
const api = 'cilium.io/v2';

function cluster(withSecond = true): Manifest {
  const first = {
    name: 'links',
    localASN: nodeAsn,
    peers: [
      {
        name: 'tor',
        peerASN: 0,
        autoDiscovery: { mode: 'Unnumbered', unnumbered: { interface: 'frr' } },
        peerConfigRef: { name: 'tor' },
      },
    ],
  };
  const second = {
    name: 'gateway',
    localASN: nodeAsn,
    peers: [
      {
        name: 'spine',
        peerASN: gobgpAsn,
        autoDiscovery: { mode: 'DefaultGateway', defaultGateway: { addressFamily: 'ipv6' } },
        peerConfigRef: { name: 'spine' },
      },
    ],
  };
  return {
    apiVersion: api,
    kind: 'CiliumBGPClusterConfig',
    metadata: { name: 'rack' },
    spec: { bgpInstances: withSecond ? [first, second] : [first] },
  };
}

function peerConfig(name: string, advertise: string, holdTimeSeconds = 9): Manifest {
  const advertisements = { matchLabels: { advertise } };
  const families = ['ipv4', 'ipv6'].map(afi => ({ afi, safi: 'unicast', advertisements }));
  const timers = { connectRetryTimeSeconds: 1, holdTimeSeconds, keepAliveTimeSeconds: 3 };
  return { apiVersion: api, kind: 'CiliumBGPPeerConfig', metadata: { name }, spec: { timers, families } };
}

function advertisement(advertise: string, ...advertisements: readonly Manifest[]): Manifest {
  const metadata = { name: advertise, labels: { advertise } };
  return { apiVersion: api, kind: 'CiliumBGPAdvertisement', metadata, spec: { advertisements } };
}

const services = {
  advertisementType: 'Service',
  service: { addresses: ['LoadBalancerIP'], aggregationLengthIPv4: 24 },
  selector: {},
};
const advertisements = [
  advertisement('services', services),
  advertisement('pods', { advertisementType: 'PodCIDR', attributes: { communities: { wellKnown: ['no-export'] } } }),
];

const title = 'discovered peers, end to end';
describe.skipIf(missing !== undefined)(missing === undefined ? title : `${title}: skipped, ${missing}`, () => {
  let lab: Lab;
  let before: { frr: unknown; gobgp: unknown };
  const aggregate = ['192.0.2.0/24', ...prefixesOf(10).filter(prefix => prefix.includes(':'))];

  beforeAll(async () => {
    lab = await startLab(
      {
        node: [node()],
        pool: [pool],
        cluster: [cluster()],
        peers: [peerConfig('tor', 'services'), peerConfig('spine', 'pods')],
        advertisements,
        web: [service('web', 10)],
      },
      { frr: { interface: 'eth0', extendedNextHop: true } },
    );
    lab.node.ip('-6', 'route', 'add', 'default', 'via', addresses.gobgp.ipv6);
    await holds(lab, lab.frr, ...aggregate);
    await holds(lab, lab.gobgp, ...podPrefixes);
    before = { frr: lab.frr.sessions?.(), gobgp: lab.gobgp.sessions?.() };
  }, 90_000);
  afterAll(() => lab?.close());

  it('tells each what is selected for it: aggregates over the link, with IPv6 next hops (RFC 8950)', async () => {
    const route = lab.frr.route('192.0.2.0/24');
    expect(route?.asPath).toEqual([nodeAsn]);
    expect(route?.nextHop).toMatch(/^fe80:|^2001:db8:1::1$/);
    expect(lab.gobgp.route('10.244.1.0/24')?.communities).toEqual(['65535:65281']);
    expect((await lab.herald.peer('tor')).asn).toBe(frrAsn);
  });

  it('a changed hold time resets that session once, and no other (reset matrix)', async () => {
    lab.herald.edit('peers', peerConfig('tor', 'services', 12), peerConfig('spine', 'pods'));
    await eventually('the new hold time is agreed on', async () => {
      const { timers, established } = await lab.herald.peer('tor');
      return established === 2 && timers?.holdSeconds === 9;
    });
    await holds(lab, lab.frr, ...aggregate);
    expect(lab.gobgp.sessions?.()).toEqual(before.gobgp);
  });

  it('an instance that goes takes its sessions with it, and nothing else', async () => {
    const frr = lab.frr.sessions?.();
    lab.herald.edit('cluster', cluster(false));
    await eventually('GoBGP has neither session nor routes', () => {
      return lab.gobgp.established().length === 0 && lab.gobgp.prefixes('ipv4').length === 0;
    });
    expect(lab.frr.sessions?.()).toEqual(frr);
  });
});
