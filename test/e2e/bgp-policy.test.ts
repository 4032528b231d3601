/** CiliumBGPPeeringPolicy from files to real routers: routes, edits while running, and what disturbs no session. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ServiceExplanation } from '../../src/control/explain.ts';
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

const timers = { connectRetryTimeSeconds: 1, holdTimeSeconds: 9, keepAliveTimeSeconds: 3 };
const frrNeighbor = { peerAddress: `${addresses.frr.ipv4}/32`, peerASN: frrAsn, ...timers };
const gobgpNeighbor = { peerAddress: `${addresses.gobgp.ipv6}/128`, peerASN: gobgpAsn, ...timers };

function policy(router: Manifest = {}, name = 'rack-a'): Manifest {
  return {
    apiVersion: 'cilium.io/v2alpha1',
    kind: 'CiliumBGPPeeringPolicy',
    metadata: { name },
    spec: {
      nodeSelector: { matchLabels: { rack: 'a' } },
      virtualRouters: [
        {
          localASN: nodeAsn,
          exportPodCIDR: true,
          serviceSelector: { matchLabels: { announce: 'yes' } },
          neighbors: [frrNeighbor, gobgpNeighbor],
          ...router,
        },
      ],
    },
  };
}

describe.skipIf(missing !== undefined)(
  `a peering policy, end to end${missing === undefined ? '' : `: skipped, ${missing}`}`,
  () => {
    let lab: Lab;
    let before: { frr: unknown; gobgp: unknown };
    /** Neither session has ended since the beginning: the routers say so. */
    const undisturbed = () =>
      expect({ frr: lab.frr.sessions?.(), gobgp: lab.gobgp.sessions?.() }, lab.herald.log()).toEqual(before);

    beforeAll(async () => {
      lab = await startLab({
        node: [node()],
        pool: [pool],
        policy: [policy()],
        web: [service('web', 10, { announce: 'yes' })],
      });
      await holds(lab, lab.frr, ...podPrefixes, ...prefixesOf(10));
      await holds(lab, lab.gobgp, ...podPrefixes, ...prefixesOf(10));
      before = { frr: lab.frr.sessions?.(), gobgp: lab.gobgp.sessions?.() };
    }, 90_000);
    afterAll(() => lab?.close());

    it('announces PodCIDRs and addresses with our AS and the next hop of each session, over IPv4 and IPv6', () => {
      expect(lab.frr.route('192.0.2.10/32')).toMatchObject({ asPath: [nodeAsn], nextHop: addresses.frr.node4 });
      expect(lab.gobgp.route('2001:db8:99::10/128')).toMatchObject({
        asPath: [nodeAsn],
        nextHop: addresses.gobgp.node6,
      });
      expect(lab.gobgp.route('10.244.1.0/24')).toMatchObject({ asPath: [nodeAsn] });
    });

    it('shows peers and routes in the columns people know', () => {
      const peers = lab.herald.cli('bgp', 'peers').split('\n');
      expect(peers[0]).toMatch(
        /^Node +Local AS +Peer AS +Peer Address +Session State +Uptime +Family +Received +Advertised$/,
      );
      expect(peers[1]).toMatch(/^n1 +65001 +65010 +10\.0\.1\.2 +established +\d+s +ipv4\/unicast +\d+ +2$/);
      expect(peers[2]).toMatch(/^ +ipv6\/unicast +\d+ +2$/);
      const available = lab.herald.cli('bgp', 'routes').split('\n');
      expect(available[0]).toMatch(/^Node +VRouter +Prefix +NextHop +Age +Attrs$/);
      expect(available[1]).toMatch(
        /^n1 +65001 +10\.244\.1\.0\/24 +0\.0\.0\.0 +\d+s +\[{Origin: i} {Nexthop: 0\.0\.0\.0}\]$/,
      );
      const words = [
        'bgp',
        'routes',
        'advertised',
        'ipv6',
        'unicast',
        'vrouter',
        '65001',
        'peer',
        addresses.gobgp.ipv6,
      ];
      const advertised = lab.herald.cli(...words).split('\n');
      expect(advertised[0]).toMatch(/^Node +VRouter +Peer +Prefix +NextHop +Age +Attrs$/);
      expect(advertised.slice(1, 3).sort()[0]).toMatch(
        /^n1 +65001 +2001:db8:2::2 +2001:db8:99::10\/128 +2001:db8:2::1.* \d+s +\[{Origin: i} {AsPath: 65001}/,
      );
      expect(advertised).toHaveLength(4);
    });

    it('explains the way of an address to the routers, and where it ends', () => {
      const told = JSON.parse(lab.herald.cli('explain', 'service', 'default/web', '-o', 'json')) as ServiceExplanation;
      expect(told.reached).toBe(true);
      const links = [...told.links, ...told.nodes.flatMap(each => each.links)];
      expect(links.every(({ ok }) => ok)).toBe(true);
      expect([...new Set(links.map(({ link }) => link))]).toEqual([
        'service',
        'pool',
        'address',
        'policy',
        'node',
        'peer',
        'sent',
      ]);
      const sent = links.filter(({ link }) => link === 'sent').map(({ text }) => text);
      expect(sent).toHaveLength(4);
      expect(sent[0]).toMatch(/^192\.0\.2\.10\/32 to 10\.0\.1\.2: next hop 10\.0\.1\.1, path 65001; since 20\d\d-/);
    });

    it('follows Services that come, change labels and go (B3, B8), with no session disturbed', async () => {
      lab.herald.edit('more', service('more', 11, { announce: 'yes' }), service('quiet', 12));
      await holds(lab, lab.frr, ...podPrefixes, ...prefixesOf(10, 11));
      lab.herald.edit('more', service('more', 11), service('quiet', 12, { announce: 'yes' }));
      await holds(lab, lab.frr, ...podPrefixes, ...prefixesOf(10, 12));
      lab.herald.edit('more');
      await holds(lab, lab.gobgp, ...podPrefixes, ...prefixesOf(10));
      undisturbed();
    });

    it('changes attributes, selectors and PodCIDRs softly (reset matrix, B13)', async () => {
      const attributes = [
        { selectorType: 'CiliumLoadBalancerIPPool', selector: {}, communities: { standard: ['65001:100'] } },
      ];
      const neighbors = [{ ...frrNeighbor, advertisedPathAttributes: attributes }, gobgpNeighbor];
      lab.herald.edit('policy', policy({ neighbors, exportPodCIDR: false }));
      await eventually('FRR sees the community', () =>
        lab.frr.route('192.0.2.10/32')?.communities.includes('65001:100'),
      );
      expect(lab.gobgp.route('192.0.2.10/32')?.communities).toEqual([]);
      await holds(lab, lab.frr, ...prefixesOf(10));
      lab.herald.edit('policy', policy({ neighbors: [{ ...frrNeighbor, connectRetryTimeSeconds: 2 }, gobgpNeighbor] }));
      await holds(lab, lab.gobgp, ...podPrefixes, ...prefixesOf(10));
      await eventually('FRR sees no community', () => lab.frr.route('192.0.2.10/32')?.communities.length === 0);
      undisturbed();
    });

    it('keeps everything when an edit cannot be understood, and when another policy wants the node', async () => {
      const other = policy({ localASN: 65099 }, 'zz-second');
      lab.herald.edit('policy', policy({ neighbors: 'none' }));
      lab.herald.edit('second', other);
      lab.herald.edit('third', service('third', 13, { announce: 'yes' }));
      await holds(lab, lab.frr, ...podPrefixes, ...prefixesOf(10, 13));
      lab.herald.edit('policy', policy());
      await eventually('the second policy is told', async () => {
        const { snapshot } = await lab.herald.stored();
        const second = snapshot.get('CiliumBGPPeeringPolicy', '', 'zz-second');
        return second?.status.conditions.some(
          ({ type, status }) => type.includes('PolicyConflict') && status === 'True',
        );
      });
      lab.herald.edit('second');
      lab.herald.edit('third');
      await holds(lab, lab.frr, ...podPrefixes, ...prefixesOf(10));
      undisturbed();
    });

    it('ends the session of a neighbor that goes (B9), and leaves the other alone', async () => {
      lab.herald.edit('policy', policy({ neighbors: [frrNeighbor] }));
      await eventually('GoBGP has no session', () => lab.gobgp.established().length === 0);
      await eventually('and no routes', () => lab.gobgp.prefixes('ipv4').length === 0);
      expect(lab.frr.sessions?.()).toEqual(before.frr);
      const { events } = await lab.herald.stored();
      const down = events.find(({ reason }) => reason === 'BGPSessionDown');
      expect(down).toMatchObject({ about: { kind: 'CiliumBGPPeeringPolicy', name: 'rack-a' }, type: 'Warning' });
      expect(down?.message).toContain('peer de-configured');
    });

    it('says that it leaves before it withdraws, and withdraws before it ends (B21, RFC 8326)', async () => {
      const seen: string[] = [];
      const ended = lab.herald.end();
      await eventually('FRR has no routes', () => {
        const route = lab.frr.route('192.0.2.10/32');
        seen.push(route === undefined ? 'gone' : route.communities.join(' '));
        return route === undefined;
      });
      await ended;
      expect(
        seen.some(each => /graceful-?shutdown|65535:0/i.test(each)),
        seen.join(', '),
      ).toBe(true);
    });
  },
);
