/**
 * Two clusters of two nodes that have only IPv6 addresses to be reached at: pods of IPv6 by direct next hops and by
 * what the fabric teaches (FRR), pods of both families over an overlay whose underlay is IPv6.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Router } from '../support/daemons/daemon.ts';
import { startDaemon } from '../support/daemons/start.ts';
import type { Manifest } from '../support/herald-run.ts';
import { MeshLab, type MeshLabOptions, type MeshNode, meshLabMissing } from './mesh-lab.ts';
import { PingRun } from './mesh-ping.ts';

const missing = meshLabMissing();
const torAsn = 65100;
const asnOf = (node: MeshNode) => 65000 + (node.cluster === 'west' ? 10 : 20) + node.number;
const gatewayOf = (node: MeshNode) => node.address6.replace(/2$/, '1');

/** The node's own PodCIDR to the router on its link, over IPv6 and with an IPv6 next hop. */
const policy = (node: MeshNode): Manifest => ({
  apiVersion: 'cilium.io/v2alpha1',
  kind: 'CiliumBGPPeeringPolicy',
  metadata: { name: 'tor' },
  spec: {
    virtualRouters: [
      {
        localASN: asnOf(node),
        exportPodCIDR: true,
        neighbors: [
          {
            peerAddress: `${gatewayOf(node)}/128`,
            peerASN: torAsn,
            connectRetryTimeSeconds: 1,
            families: [{ afi: 'ipv6', safi: 'unicast' }],
          },
        ],
      },
    ],
  },
});

function startTor(lab: MeshLab): Promise<Router> {
  return startDaemon('frr', lab.router, {
    asn: torAsn,
    routerId: '192.0.2.100',
    addresses: lab.nodes.map(gatewayOf),
    peers: lab.nodes.map(node => ({ address: node.address6, asn: asnOf(node), passive: true })),
  });
}

/** An agent that is killed and comes back: what it wrote goes on carrying pings. */
async function killed(lab: MeshLab, from: MeshNode, to: MeshNode): Promise<void> {
  const pings = new PingRun(from.pod, to.podAddress6);
  await from.herald?.stop('SIGKILL');
  lab.begin(from);
  await lab.serves(from);
  const { sent, lost } = await pings.end();
  console.error(`agent killed, IPv6: ${lost} of ${sent} pings lost`);
  expect(lost).toBe(0);
}

describe.skipIf(missing !== undefined)(
  `clusters of IPv6${missing === undefined ? '' : `: skipped, ${missing}`}`,
  () => {
    let lab: MeshLab;
    let tor: Router | undefined;
    const stands = (options: MeshLabOptions, fabric = false) => {
      beforeAll(async () => {
        lab = new MeshLab({ underlay: 'ipv6', ...options });
        if (fabric) tor = await startTor(lab);
        await lab.start();
      }, 180_000);
      afterAll(async () => {
        await tor?.stop();
        tor = undefined;
        await lab?.close();
      }, 60_000);
    };

    describe('direct', () => {
      stands({ topology: 'on-link', pods: ['ipv6'], words: ['--mesh-routing', 'direct'] });
      it('next hops are the nodes’ own IPv6 addresses', async () => {
        await lab.allReach();
        const [from, to] = [lab.node('west', 2), lab.node('east', 2)];
        expect((await from.status()).routes.byWay).toEqual({ direct: 3 });
        expect(from.node.ip('-6', 'route', 'show', to.podNet6)).toContain('proto 174');
        expect((await from.routes(to.podAddress6))[0]?.via).toEqual([`via ${to.address6} dev eth0 (direct)`]);
        await killed(lab, from, to);
      }, 120_000);
    });

    describe('by what the fabric teaches', () => {
      const words = ['--mesh-routing', 'bgp', '--mesh-import', 'fd00::/16'];
      const manifests = (node: MeshNode) => [policy(node)];
      // There is no IPv4 address that a router ID could be.
      const annotations = (node: MeshNode) => ({
        [`cilium.io/bgp-virtual-router.${asnOf(node)}`]: `router-id=192.0.2.${asnOf(node) % 1000}`,
      });
      stands({ topology: 'routed', pods: ['ipv6'], manifests, annotations, words }, true);
      it('IPv6 PodCIDRs travel with IPv6 next hops, and pings with them', async () => {
        await lab.allReach();
        const [from, to] = [lab.node('west', 2), lab.node('east', 2)];
        expect((await from.status()).routes.byWay).toEqual({ bgp: 3 });
        expect(from.node.ip('-6', 'route', 'show', to.podNet6)).toContain('proto 174');
      }, 120_000);
    });

    describe('over the overlay', () => {
      stands({ topology: 'routed', pods: ['ipv4', 'ipv6'], words: ['--mesh-routing', 'vxlan'] });
      it('carries both families of pods between IPv6 ends, with packets as large as it takes', async () => {
        await lab.allReach();
        const [from, to] = [lab.node('west', 2), lab.node('east', 2)];
        expect((await from.status()).routes.byWay).toEqual({ vxlan: 6 });
        expect(from.node.ip('-d', 'link', 'show', 'herald.vx')).toMatch(/mtu 1430 .*local fd60:12::2/s);
        // 1430 less 48 octets of IPv6 and ICMPv6.
        expect(from.pod.run('ping', '-c', '1', '-W', '2', '-s', '1382', '-M', 'dont', to.podAddress6)).toContain(
          '1 received',
        );
        await killed(lab, from, to);
      }, 120_000);
    });
  },
);
