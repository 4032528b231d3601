/** The second BGP API from files to real routers: passwords, discovery, status, cordon, restart. */
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
const cluster: Manifest = {
  apiVersion: api,
  kind: 'CiliumBGPClusterConfig',
  metadata: { name: 'rack' },
  spec: {
    nodeSelector: { matchLabels: { rack: 'a' } },
    bgpInstances: [
      {
        name: 'main',
        localASN: nodeAsn,
        peers: [
          {
            name: 'tor',
            peerASN: frrAsn,
            autoDiscovery: { mode: 'DefaultGateway', defaultGateway: { addressFamily: 'ipv4' } },
            peerConfigRef: { name: 'secured' },
          },
          { name: 'spine', peerASN: gobgpAsn, peerAddress: addresses.gobgp.ipv6, peerConfigRef: { name: 'plain' } },
        ],
      },
    ],
  },
};

function peerConfig(name: string, more: Manifest): Manifest {
  const families = ['ipv4', 'ipv6'].map(afi => ({
    afi,
    safi: 'unicast',
    advertisements: { matchLabels: { advertise: 'bgp' } },
  }));
  const timers = { connectRetryTimeSeconds: 1, holdTimeSeconds: 9, keepAliveTimeSeconds: 3 };
  return { apiVersion: api, kind: 'CiliumBGPPeerConfig', metadata: { name }, spec: { timers, families, ...more } };
}

function advertisement(attributes: Manifest = {}): Manifest {
  return {
    apiVersion: api,
    kind: 'CiliumBGPAdvertisement',
    metadata: { name: 'all', labels: { advertise: 'bgp' } },
    spec: {
      advertisements: [
        { advertisementType: 'PodCIDR' },
        {
          advertisementType: 'Service',
          service: { addresses: ['LoadBalancerIP'] },
          selector: { matchExpressions: [{ key: 'secret', operator: 'DoesNotExist' }] },
          attributes,
        },
        { advertisementType: 'Interface', interface: { name: 'spare0' } },
      ],
    },
  };
}

const secret = (name: string, password: string): Manifest => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace: 'kube-system' },
  stringData: { password },
});

const password = 'correct-horse-battery-staple';
const secured = peerConfig('secured', {
  authSecretRef: 'tor-password',
  gracefulRestart: { enabled: true, restartTimeSeconds: 30 },
});
const plain = peerConfig('plain', { transport: { sourceInterface: 'gobgp' } });

describe.skipIf(missing !== undefined)(
  `the second API, end to end${missing === undefined ? '' : `: skipped, ${missing}`}`,
  () => {
    let lab: Lab;
    let before: { frr: unknown; gobgp: unknown };
    const undisturbed = () =>
      expect({ frr: lab.frr.sessions?.(), gobgp: lab.gobgp.sessions?.() }, lab.herald.log()).toEqual(before);
    const everything = [...podPrefixes, ...prefixesOf(10)];

    beforeAll(async () => {
      lab = await startLab(
        {
          node: [node()],
          pool: [pool],
          bgp: [cluster, secured, plain, advertisement()],
          secret: [secret('tor-password', password)],
          web: [service('web', 10)],
        },
        { frr: { password, gracefulRestart: true }, words: ['--restart-grace', '15s'] },
      );
      // The router that is the default gateway is the peer: known only now.
      lab.node.ip('route', 'add', 'default', 'via', addresses.frr.ipv4);
      await holds(lab, lab.frr, ...everything);
      await holds(lab, lab.gobgp, ...everything);
      before = { frr: lab.frr.sessions?.(), gobgp: lab.gobgp.sessions?.() };
    }, 90_000);
    afterAll(() => lab?.close());

    it('finds the default gateway, signs with the password, and never shows it (B19)', async () => {
      expect(lab.frr.route('192.0.2.10/32')).toMatchObject({ asPath: [nodeAsn], nextHop: addresses.frr.node4 });
      const { remote, local } = await lab.herald.peer('spine');
      expect([remote, local?.split(']')[0]]).toEqual([`[${addresses.gobgp.ipv6}]:179`, `[${addresses.gobgp.node6}`]);
      const said = [
        lab.herald.log(),
        lab.herald.cli('bgp', 'peers', 'tor', '-o', 'json'),
        lab.herald.cli('status', '-o', 'json'),
      ];
      expect(said.join()).not.toContain('battery');
    });

    it('writes state, timers and route counts into the status of its CiliumBGPNodeConfig', async () => {
      const status = await eventually('the status is there', async () => {
        const config = await lab.herald.nodeConfig('n1');
        const peers = config?.status.bgpInstances[0]?.peers ?? [];
        return (
          peers.every(peer => peer.peeringState === 'established' && peer.routeCount[0]?.advertised === 2) &&
          config?.status
        );
      });
      expect(status.bgpInstances).toMatchObject([
        {
          name: 'main',
          localASN: nodeAsn,
          peers: [
            { name: 'tor', peerAddress: addresses.frr.ipv4, peerASN: frrAsn },
            {
              name: 'spine',
              peerAddress: addresses.gobgp.ipv6,
              timers: { appliedHoldTimeSeconds: 9, appliedKeepaliveSeconds: 3 },
              establishedTime: expect.stringMatching(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
              routeCount: [
                { afi: 'ipv4', safi: 'unicast', advertised: 2 },
                { afi: 'ipv6', safi: 'unicast', advertised: 2 },
              ],
            },
          ],
        },
      ]);
      expect(status.conditions).toContainEqual(
        expect.objectContaining({ type: 'cilium.io/BGPReconcileError', status: 'False' }),
      );
    });

    it('follows attributes and interface addresses that come and go while running (§2.4)', async () => {
      lab.herald.edit('bgp', cluster, secured, plain, advertisement({ communities: { large: ['65001:1:2'] } }));
      await eventually('GoBGP sees the community', () =>
        lab.gobgp.route('192.0.2.10/32')?.largeCommunities.includes('65001:1:2'),
      );
      lab.node.ip('link', 'add', 'spare0', 'type', 'veth', 'peer', 'name', 'spare1');
      for (const link of ['spare0', 'spare1']) lab.node.ip('link', 'set', link, 'up');
      lab.node.ip('addr', 'add', '198.51.100.7/32', 'dev', 'spare0');
      await holds(lab, lab.frr, ...everything, '198.51.100.7/32');
      lab.node.ip('link', 'set', 'spare0', 'down');
      await holds(lab, lab.frr, ...everything);
      undisturbed();
    });

    it('keeps the session, signed as it was, when its Secret goes, and says so (§2.3)', async () => {
      lab.herald.edit('secret');
      await eventually('the condition says so', async () => {
        const { snapshot } = await lab.herald.stored();
        const [node, peer] = [
          snapshot.get('CiliumBGPNodeConfig', '', 'n1'),
          snapshot.get('CiliumBGPPeerConfig', '', 'secured'),
        ];
        const holdsTrue = (type: string, all: readonly { type: string; status: string }[] = []) =>
          all.some(each => each.type === type && each.status === 'True');
        return (
          holdsTrue('cilium.io/BGPReconcileError', node?.status.conditions) &&
          holdsTrue('cilium.io/MissingAuthSecret', peer?.status.conditions)
        );
      });
      lab.herald.edit('more', service('more', 11));
      await holds(lab, lab.frr, ...everything, ...prefixesOf(11));
      lab.herald.edit('secret', secret('tor-password', password));
      lab.herald.edit('more');
      await holds(lab, lab.frr, ...everything);
      undisturbed();
    });

    it('makes routes of a cordoned node the last choice, then withdraws them; PodCIDRs stay (RFC 8326)', async () => {
      const attributes = { communities: { large: ['65001:1:2'] } };
      lab.herald.edit('node', node({ unschedulable: true }));
      await eventually('GoBGP sees the community', () =>
        lab.gobgp.route('192.0.2.10/32')?.communities.includes('65535:0'),
      );
      expect(lab.gobgp.route('10.244.1.0/24')?.communities).toEqual([]);
      await holds(lab, lab.gobgp, ...podPrefixes);
      const { notAnnounced } = await lab.herald.announced();
      expect(notAnnounced.map(row => row.reason)).toContain('node-cordoned');
      lab.herald.edit('node', node());
      await holds(lab, lab.gobgp, ...everything);
      expect(lab.gobgp.route('192.0.2.10/32')?.communities).toEqual([]);
      lab.herald.edit('bgp', cluster, secured, plain, advertisement(attributes));
      undisturbed();
    });

    it('leaves for a restart so that routes stay, and comes back with all of them (RFC 4724)', async () => {
      await lab.herald.end();
      expect(lab.frr.route('192.0.2.10/32')?.stale).toBe(true);
      // Nothing was negotiated with the other one: it must not go on sending to nobody.
      await eventually('GoBGP has none', () => lab.gobgp.prefixes('ipv4').length === 0);
      let wasGone = false;
      const [began] = [lab.herald.begin()];
      await eventually('FRR has a fresh route', () => {
        const route = lab.frr.route('192.0.2.10/32');
        wasGone ||= route === undefined;
        return route?.stale === false;
      });
      await began;
      expect(wasGone).toBe(false);
      await holds(lab, lab.frr, ...everything);
      await holds(lab, lab.gobgp, ...everything);
    });

    it('does not come up with another password, and says what that looks like (B19)', async () => {
      lab.herald.edit('secret', secret('tor-password', 'wrong'));
      await eventually('the session is down', () => lab.frr.established().length === 0, { limitMs: 20_000 });
      const { lastError } = await eventually(
        'Herald says why',
        async () => {
          const peer = await lab.herald.peer('tor');
          return peer.state !== 'established' && (peer.lastError ?? '').includes('10.0.1.2') && peer;
        },
        { limitMs: 15_000 },
      );
      expect(lastError).not.toContain('wrong');
      lab.herald.edit('secret', secret('tor-password', password));
      await holds(lab, lab.frr, ...everything);
    }, 90_000);
  },
);
